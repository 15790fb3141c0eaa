//! Packets in, frames out.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;
use segue_model::Time;

use super::{AGAIN, AvError, END, Frame, Packet, Parameters, check, rational};

/// A decoder for one stream.
pub(crate) struct Decoder {
    context: *mut ffi::AVCodecContext,
    /// Packets that could not be decoded, and frames that were damaged.
    pub(crate) damaged: u64,
}

// SAFETY: owned by one holder at a time; libav ties a codec context to no thread.
unsafe impl Send for Decoder {}

impl Decoder {
    /// `threads`: 0 for as many as the machine has cores.
    pub(crate) fn open(
        parameters: &Parameters,
        time_base: Time,
        threads: u32,
    ) -> Result<Decoder, AvError> {
        // SAFETY: every pointer is checked or comes from libav just before; the context is owned
        // by the value from its allocation on.
        unsafe {
            let codec = ffi::avcodec_find_decoder(parameters.raw().codec_id);
            if codec.is_null() {
                return Err(AvError::new("find a decoder", ffi::AVERROR_DECODER_NOT_FOUND));
            }
            let decoder = Decoder { context: ffi::avcodec_alloc_context3(codec), damaged: 0 };
            assert!(!decoder.context.is_null(), "out of memory");
            check(
                ffi::avcodec_parameters_to_context(decoder.context, parameters.0),
                "set up the decoder",
            )?;
            (*decoder.context).pkt_timebase = rational(time_base);
            (*decoder.context).thread_count = threads as c_int;
            check(ffi::avcodec_open2(decoder.context, codec, ptr::null_mut()), "open the decoder")?;
            Ok(decoder)
        }
    }

    /// Whether pictures that no other refers to are passed over, from the next packet on. Decoders
    /// that cannot tell decode them.
    pub(crate) fn skip_unreferenced(&mut self, skip: bool) {
        use ffi::AVDiscard::{AVDISCARD_DEFAULT, AVDISCARD_NONREF};
        // SAFETY: the context is open; frame threads take the field over with each packet.
        unsafe {
            (*self.context).skip_frame = if skip { AVDISCARD_NONREF } else { AVDISCARD_DEFAULT };
        }
    }

    /// Feeds a packet (`None`: there are no more) and gives each frame that comes of it to
    /// `on_frame`, which takes what it wants to keep. What cannot be decoded is counted and passed
    /// over, as players do.
    pub(crate) fn decode<E: From<AvError>>(
        &mut self,
        packet: Option<&Packet>,
        mut on_frame: impl FnMut(&mut Frame) -> Result<(), E>,
    ) -> Result<(), E> {
        let raw = packet.map_or(ptr::null(), |packet| packet.0.cast_const());
        // SAFETY: the context is open; the packet is valid or null, which means the end.
        let sent = unsafe { ffi::avcodec_send_packet(self.context, raw) };
        if sent < 0 && sent != END {
            if sent == ffi::AVERROR(ffi::ENOMEM) {
                return Err(AvError::new("decode", sent).into());
            }
            self.damaged += 1;
        }
        let mut frame = Frame::new();
        // A decoder that fails over and over without taking anything in must not hold us here.
        let mut failures = 0;
        while failures < 64 {
            // SAFETY: the context is open and the frame valid; libav clears the frame first.
            match unsafe { ffi::avcodec_receive_frame(self.context, frame.0) } {
                AGAIN | END => return Ok(()),
                code if code < 0 => {
                    self.damaged += 1;
                    failures += 1;
                }
                _ => {
                    self.damaged += u64::from(frame.is_damaged());
                    on_frame(&mut frame)?;
                }
            }
        }
        Ok(())
    }
}

impl Drop for Decoder {
    fn drop(&mut self) {
        // SAFETY: allocated in `open`, freed once.
        unsafe { ffi::avcodec_free_context(&mut self.context) };
    }
}
