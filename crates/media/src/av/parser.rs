//! libav's parsers, for what only they tell: the order in which coded pictures are shown.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;

use super::{NO_TIMESTAMP, Packet, Parameters, check};

/// A parser for one stream of H.264 or HEVC.
pub(crate) struct Parser {
    parser: *mut ffi::AVCodecParserContext,
    context: *mut ffi::AVCodecContext,
}

// SAFETY: owned by one holder at a time; libav ties neither context to a thread.
unsafe impl Send for Parser {}

impl Parser {
    /// `None` where libav has no parser for the codec.
    pub(crate) fn open(parameters: &Parameters) -> Option<Parser> {
        // SAFETY: pointers come from libav just before and are checked; what is allocated is owned
        // by the value at once.
        unsafe {
            let parser = ffi::av_parser_init(parameters.raw().codec_id as c_int);
            let context = ffi::avcodec_alloc_context3(ptr::null());
            let out = Parser { parser, context };
            if out.parser.is_null() || out.context.is_null() {
                return None;
            }
            // Packets are whole pictures already.
            (*out.parser).flags |= ffi::PARSER_FLAG_COMPLETE_FRAMES as c_int;
            check(ffi::avcodec_parameters_to_context(out.context, parameters.0), "parse").ok()?;
            Some(out)
        }
    }

    /// The picture order count of a coded picture: rises in the order pictures are shown, from one
    /// IDR picture to the next.
    pub(crate) fn picture_order(&mut self, packet: &Packet) -> i32 {
        let raw = packet.raw();
        let (mut out, mut out_size) = (ptr::null_mut(), 0);
        // SAFETY: both contexts are open; packets are padded as parsers need. With complete
        // pictures the output is the input, which is not kept.
        unsafe {
            ffi::av_parser_parse2(
                self.parser,
                self.context,
                &mut out,
                &mut out_size,
                raw.data,
                raw.size,
                NO_TIMESTAMP,
                NO_TIMESTAMP,
                -1,
            );
            (*self.parser).output_picture_number
        }
    }
}

impl Drop for Parser {
    fn drop(&mut self) {
        // SAFETY: allocated in `open`, freed once; both calls take null.
        unsafe {
            ffi::av_parser_close(self.parser);
            ffi::avcodec_free_context(&mut self.context);
        }
    }
}
