//! What a container says of one of its streams.

use std::ffi::{CStr, c_int};
use std::ptr;

use ffmpeg_next::ffi;
use segue_model::{Orientation, Time};

use super::{NO_TIMESTAMP, Parameters, check, owned_string, time};
use crate::Error;
use crate::error::Blame;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Video,
    /// A still picture of what the film is called.
    Cover,
    Audio,
    Subtitle,
    /// Data, fonts.
    Other,
}

impl From<StreamKind> for segue_model::StreamKind {
    fn from(kind: StreamKind) -> segue_model::StreamKind {
        match kind {
            StreamKind::Video => segue_model::StreamKind::Video,
            StreamKind::Cover => segue_model::StreamKind::Cover,
            StreamKind::Audio => segue_model::StreamKind::Audio,
            StreamKind::Subtitle => segue_model::StreamKind::Subtitle,
            StreamKind::Other => segue_model::StreamKind::Other,
        }
    }
}

/// One of a container's streams.
pub(crate) struct Stream<'a> {
    pub(crate) index: u32,
    pub(super) raw: &'a ffi::AVStream,
}

impl Stream<'_> {
    fn codecpar(&self) -> &ffi::AVCodecParameters {
        // SAFETY: streams of an open container have parameters.
        unsafe { &*self.raw.codecpar }
    }

    pub(crate) fn kind(&self) -> StreamKind {
        let cover = self.raw.disposition & ffi::AV_DISPOSITION_ATTACHED_PIC as c_int != 0;
        match self.codecpar().codec_type {
            ffi::AVMediaType::AVMEDIA_TYPE_VIDEO if !cover => StreamKind::Video,
            ffi::AVMediaType::AVMEDIA_TYPE_VIDEO => StreamKind::Cover,
            ffi::AVMediaType::AVMEDIA_TYPE_SUBTITLE => StreamKind::Subtitle,
            ffi::AVMediaType::AVMEDIA_TYPE_AUDIO => StreamKind::Audio,
            _ => StreamKind::Other,
        }
    }

    pub(crate) fn is_default(&self) -> bool {
        self.raw.disposition & ffi::AV_DISPOSITION_DEFAULT as c_int != 0
    }

    /// A copy of what a decoder must know.
    pub(crate) fn parameters(&self) -> Result<Parameters, Error> {
        let copy = Parameters::new();
        // SAFETY: both are valid.
        let code = unsafe { ffi::avcodec_parameters_copy(copy.0, self.raw.codecpar) };
        check(code, "copy stream parameters").blame_worker("out of memory")?;
        Ok(copy)
    }

    pub(crate) fn codec(&self) -> String {
        // SAFETY: returns a static string for any id.
        unsafe { owned_string(ffi::avcodec_get_name(self.codecpar().codec_id)) }
    }

    pub(crate) fn has_decoder(&self) -> bool {
        // SAFETY: a look-up by id.
        unsafe { !ffi::avcodec_find_decoder(self.codecpar().codec_id).is_null() }
    }

    pub(crate) fn time_base(&self) -> Time {
        time(self.raw.time_base).filter(|base| base.is_positive()).unwrap_or(Time::new(1, 90_000))
    }

    /// When its first frame is shown, in its ticks.
    pub(crate) fn start_tick(&self) -> Option<i64> {
        (self.raw.start_time != NO_TIMESTAMP).then_some(self.raw.start_time)
    }

    /// How many ticks it lasts, as far as the container says.
    pub(crate) fn duration_ticks(&self) -> Option<i64> {
        (self.raw.duration != NO_TIMESTAMP && self.raw.duration > 0).then_some(self.raw.duration)
    }

    /// Frames a second on average.
    pub(crate) fn average_frame_rate(&self) -> Option<Time> {
        time(self.raw.avg_frame_rate).filter(|rate| rate.is_positive())
    }

    /// The lowest rate that all timestamps seen fit.
    pub(crate) fn base_frame_rate(&self) -> Option<Time> {
        time(self.raw.r_frame_rate).filter(|rate| rate.is_positive())
    }

    pub(crate) fn size(&self) -> (u32, u32) {
        (self.codecpar().width.max(0) as u32, self.codecpar().height.max(0) as u32)
    }

    pub(crate) fn sample_aspect(&self) -> Option<Time> {
        // The container's word goes before the codec's, as players do.
        [self.raw.sample_aspect_ratio, self.codecpar().sample_aspect_ratio]
            .into_iter()
            .find_map(|ratio| time(ratio).filter(|ratio| ratio.is_positive()))
    }

    pub(crate) fn profile(&self) -> c_int {
        self.codecpar().profile
    }

    /// Range, primaries, transfer and matrix, by libav's names.
    pub(crate) fn colour(&self) -> segue_model::Colour {
        let parameters = self.codecpar();
        // SAFETY: the names are static; the values come from libav itself.
        unsafe {
            segue_model::Colour {
                full_range: parameters.color_range == ffi::AVColorRange::AVCOL_RANGE_JPEG,
                primaries: owned_string(ffi::av_color_primaries_name(parameters.color_primaries)),
                transfer: owned_string(ffi::av_color_transfer_name(parameters.color_trc)),
                matrix: owned_string(ffi::av_color_space_name(parameters.color_space)),
            }
        }
    }

    pub(crate) fn sample_rate(&self) -> u32 {
        self.codecpar().sample_rate.max(0) as u32
    }

    pub(crate) fn channels(&self) -> u32 {
        self.codecpar().ch_layout.nb_channels.max(0) as u32
    }

    pub(crate) fn channel_layout(&self) -> String {
        let mut buffer = [0; 64];
        // SAFETY: the buffer is as long as said and terminated by the call.
        unsafe {
            let layout = ptr::from_ref(&self.codecpar().ch_layout);
            ffi::av_channel_layout_describe(layout, buffer.as_mut_ptr(), buffer.len());
            owned_string(buffer.as_ptr())
        }
    }

    /// A metadata value.
    pub(crate) fn metadata(&self, key: &CStr) -> Option<String> {
        // SAFETY: the dictionary lives as long as the stream.
        unsafe {
            let entry = ffi::av_dict_get(self.raw.metadata, key.as_ptr(), ptr::null(), 0);
            (!entry.is_null()).then(|| owned_string((*entry).value))
        }
    }

    /// How to turn frames upright, from the container's display matrix.
    pub(crate) fn orientation(&self) -> Orientation {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_DISPLAYMATRIX;
        let mut size = 0;
        // SAFETY: side data of `size` bytes lives as long as the stream; a display matrix is nine
        // 32-bit numbers.
        let matrix: [i32; 9] = unsafe {
            let data = ffi::av_stream_get_side_data(self.raw, kind, &mut size);
            if data.is_null() || size < 36 {
                return Orientation::default();
            }
            ptr::read_unaligned(data.cast())
        };
        let [a, b, _, c, d, ..] = matrix;
        let mirrored = i64::from(a) * i64::from(d) - i64::from(b) * i64::from(c) < 0;
        // With the mirroring undone first, what is left is a rotation.
        let (a, b) = if mirrored { (-i64::from(a), -i64::from(b)) } else { (a.into(), b.into()) };
        let degrees = (b as f64).atan2(a as f64).to_degrees();
        Orientation { quarter_turns: (degrees / 90.0).round().rem_euclid(4.0) as u8, mirrored }
    }
}
