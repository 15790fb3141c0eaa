//! Frames, packets, codec parameters and option lists.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;
use segue_model::Time;

use super::{AvError, NO_TIMESTAMP, c_string, check, time};

macro_rules! owned {
    ($(#[$doc:meta])* $name:ident, $raw:ty, $alloc:path, $free:path) => {
        $(#[$doc])*
        pub(crate) struct $name(pub(super) *mut $raw);

        // SAFETY: the value is owned by one holder at a time and libav ties it to no thread.
        unsafe impl Send for $name {}

        impl $name {
            pub(crate) fn new() -> Self {
                // SAFETY: allocation has no preconditions.
                let raw = unsafe { $alloc() };
                assert!(!raw.is_null(), "out of memory");
                Self(raw)
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: allocated by `new`, freed once.
                unsafe { $free(&mut self.0) }
            }
        }
    };
}

owned!(
    /// A decoded picture or a run of samples; its data is shared by reference count.
    Frame, ffi::AVFrame, ffi::av_frame_alloc, ffi::av_frame_free
);
owned!(
    /// A piece of a stream as the container holds it.
    Packet, ffi::AVPacket, ffi::av_packet_alloc, ffi::av_packet_free
);
owned!(
    /// What a decoder or muxer must know of a stream.
    Parameters, ffi::AVCodecParameters, ffi::avcodec_parameters_alloc, ffi::avcodec_parameters_free
);

// SAFETY: nothing changes through a shared reference.
unsafe impl Sync for Parameters {}

// SAFETY: as above; what `share` counts is counted atomically.
unsafe impl Sync for Frame {}

impl Frame {
    /// Another reference to the same data.
    pub(crate) fn share(&self) -> Result<Frame, AvError> {
        let copy = Frame::new();
        // SAFETY: both frames are valid; the copy is blank.
        check(unsafe { ffi::av_frame_ref(copy.0, self.0) }, "share a frame")?;
        Ok(copy)
    }

    /// Moves the content out and leaves this frame blank.
    pub(crate) fn take(&mut self) -> Frame {
        let taken = Frame::new();
        // SAFETY: both frames are valid; the target is blank.
        unsafe { ffi::av_frame_move_ref(taken.0, self.0) };
        taken
    }

    fn raw(&self) -> &ffi::AVFrame {
        // SAFETY: allocated and not yet freed.
        unsafe { &*self.0 }
    }

    fn raw_mut(&mut self) -> &mut ffi::AVFrame {
        // SAFETY: allocated and not yet freed; borrowed mutably.
        unsafe { &mut *self.0 }
    }

    /// The decoder's best knowledge of when it is shown, in the stream's ticks.
    pub(crate) fn best_timestamp(&self) -> Option<i64> {
        let stamp = self.raw().best_effort_timestamp;
        (stamp != NO_TIMESTAMP).then_some(stamp)
    }

    pub(crate) fn pts(&self) -> Option<i64> {
        (self.raw().pts != NO_TIMESTAMP).then_some(self.raw().pts)
    }

    pub(crate) fn set_pts(&mut self, pts: i64) {
        self.raw_mut().pts = pts;
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.raw().width.max(0) as u32, self.raw().height.max(0) as u32)
    }

    pub(crate) fn format(&self) -> c_int {
        self.raw().format
    }

    pub(crate) fn sample_aspect(&self) -> Option<Time> {
        time(self.raw().sample_aspect_ratio).filter(|ratio| ratio.is_positive())
    }

    pub(crate) fn is_interlaced(&self) -> bool {
        self.raw().interlaced_frame != 0
    }

    pub(crate) fn is_top_field_first(&self) -> bool {
        self.raw().top_field_first != 0
    }

    /// Whether the decoder had to guess parts of it.
    pub(crate) fn is_damaged(&self) -> bool {
        let corrupt = ffi::AV_FRAME_FLAG_CORRUPT as c_int;
        self.raw().decode_error_flags != 0 || self.raw().flags & corrupt != 0
    }

    pub(crate) fn samples(&self) -> usize {
        self.raw().nb_samples.max(0) as usize
    }

    pub(crate) fn sample_rate(&self) -> u32 {
        self.raw().sample_rate.max(0) as u32
    }

    pub(crate) fn channels(&self) -> u32 {
        self.raw().ch_layout.nb_channels.max(0) as u32
    }

    /// Forgets what kind of picture the source's encoder made of it (else the new encoder is
    /// forced to do the same), and asks for an IDR where `intra` says so.
    pub(crate) fn set_intra(&mut self, intra: bool) {
        let frame = self.raw_mut();
        frame.key_frame = 0;
        frame.pict_type = if intra {
            ffi::AVPictureType::AV_PICTURE_TYPE_I
        } else {
            ffi::AVPictureType::AV_PICTURE_TYPE_NONE
        };
    }
}

impl Packet {
    /// Another reference to the same data.
    pub(crate) fn share(&self) -> Result<Packet, AvError> {
        let copy = Packet::new();
        // SAFETY: both packets are valid; the copy is blank.
        check(unsafe { ffi::av_packet_ref(copy.0, self.0) }, "share a packet")?;
        Ok(copy)
    }

    pub(super) fn raw(&self) -> &ffi::AVPacket {
        // SAFETY: allocated and not yet freed.
        unsafe { &*self.0 }
    }

    pub(crate) fn stream(&self) -> u32 {
        self.raw().stream_index.max(0) as u32
    }

    pub(crate) fn pts(&self) -> Option<i64> {
        (self.raw().pts != NO_TIMESTAMP).then_some(self.raw().pts)
    }

    pub(crate) fn dts(&self) -> Option<i64> {
        (self.raw().dts != NO_TIMESTAMP).then_some(self.raw().dts)
    }

    /// When it is shown; where the container does not say (AVI), when it is decoded.
    pub(crate) fn tick(&self) -> Option<i64> {
        self.pts().or(self.dts())
    }

    pub(crate) fn duration(&self) -> i64 {
        self.raw().duration
    }

    /// Where its first byte is in the file, if the container knows.
    pub(crate) fn position(&self) -> Option<u64> {
        u64::try_from(self.raw().pos).ok()
    }

    pub(crate) fn is_keyframe(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_KEY as c_int != 0
    }

    /// Whether the container says that its content is damaged.
    pub(crate) fn is_corrupt(&self) -> bool {
        self.raw().flags & ffi::AV_PKT_FLAG_CORRUPT as c_int != 0
    }

    pub(crate) fn data(&self) -> &[u8] {
        let packet = self.raw();
        if packet.data.is_null() || packet.size <= 0 {
            return &[];
        }
        // SAFETY: libav keeps `size` bytes at `data` while the packet lives.
        unsafe { std::slice::from_raw_parts(packet.data, packet.size as usize) }
    }
}

impl Parameters {
    /// The same for another holder.
    pub(crate) fn share(&self) -> Result<Parameters, AvError> {
        let copy = Parameters::new();
        // SAFETY: both are allocated.
        let code = unsafe { ffi::avcodec_parameters_copy(copy.0, self.0) };
        check(code, "copy stream parameters").map(|_| copy)
    }

    pub(super) fn raw(&self) -> &ffi::AVCodecParameters {
        // SAFETY: allocated and not yet freed.
        unsafe { &*self.0 }
    }

    /// The codec's own header: parameter sets, or an AudioSpecificConfig.
    pub(crate) fn extradata(&self) -> &[u8] {
        let raw = self.raw();
        if raw.extradata.is_null() || raw.extradata_size <= 0 {
            return &[];
        }
        // SAFETY: libav keeps `extradata_size` bytes there while the parameters live.
        unsafe { std::slice::from_raw_parts(raw.extradata, raw.extradata_size as usize) }
    }
}

/// What an encoder made of one frame; timestamps in the encoder's ticks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncodedPacket {
    pub(crate) pts: i64,
    pub(crate) dts: i64,
    pub(crate) duration: i64,
    pub(crate) keyframe: bool,
    pub(crate) data: Vec<u8>,
}

/// Options for a codec, muxer or demuxer.
pub(super) struct Dictionary(pub(super) *mut ffi::AVDictionary);

impl Dictionary {
    pub(super) fn new(options: &[(&str, &str)]) -> Dictionary {
        let mut raw = ptr::null_mut();
        for (name, value) in options {
            // SAFETY: both strings live through the call; libav copies them.
            unsafe {
                ffi::av_dict_set(&mut raw, c_string(name).as_ptr(), c_string(value).as_ptr(), 0)
            };
        }
        Dictionary(raw)
    }

    /// The first option nobody understood: libav removes those it took.
    pub(super) fn left_over(&self) -> Option<String> {
        // SAFETY: the dictionary is valid, possibly null, which libav takes for empty.
        unsafe {
            let first = ffi::av_dict_get(
                self.0,
                c"".as_ptr(),
                ptr::null(),
                ffi::AV_DICT_IGNORE_SUFFIX as c_int,
            );
            (!first.is_null()).then(|| super::owned_string((*first).key))
        }
    }
}

impl Drop for Dictionary {
    fn drop(&mut self) {
        // SAFETY: made by av_dict_set or null; freed once.
        unsafe { ffi::av_dict_free(&mut self.0) };
    }
}
