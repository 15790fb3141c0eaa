//! A job as a media server asked for it: what a line *means*, so that any worker can do it with its
//! own hardware.
//!
//! Four parts, as they matter to different people: the [`Source`] and the [`Content`] decide what
//! segments hold (they are a job's identity); the [`Demand`] says from where on they are wanted
//! (two lines that differ only in `-ss` and `-start_number` ask for the same job); the
//! [`Projection`] says under which names they appear. A [`Proviso`] is what the line takes for
//! granted about the source; whoever knows the source checks it, and where it does not hold the
//! line is a command after all.
//!
//! It says more than a `JobRequest` can ask for today. [`request::request`] carries over all of it or
//! says what is in the way, each as an [`Obstacle`]; nothing may be dropped on the way.

pub mod obstacle;
pub mod picture;
pub mod request;

use std::fmt;
use std::num::NonZeroU32;

use segue_model::{Packaging, Time};
use serde::Serialize;

pub use obstacle::Obstacle;
use picture::Step;

/// What a line asks for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Job {
    /// What is read.
    pub source: Source,
    /// What is made of it.
    pub content: Content,
    /// From where on it is wanted.
    pub demand: Demand,
    /// Where it appears.
    pub projection: Projection,
    /// What the source must be like.
    pub provisos: Vec<Proviso>,
}

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// A path as the caller sees it, without `file:`.
    pub path: String,
    /// The demuxer that the caller names; a source that is something else is none for the job.
    pub format: Option<String>,
}

/// All that decides what segments hold, besides the source. Titles and chapters are left out; a
/// track's language is not, where its packaging has a place for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Content {
    /// Where segments begin.
    pub boundaries: Boundaries,
    /// What a segment is a file of. Picture and sound are in one file, also as fMP4.
    pub packaging: Packaging,
    /// Which times are written.
    pub timestamps: Timestamps,
    /// The picture; `None` if there is to be none.
    pub video: Option<Video>,
    /// The sound; `None` if there is to be none.
    pub audio: Option<Sound>,
}

/// Where segments begin: at each multiple of `segment`, counted from the first picture; the last one
/// is as short as it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Boundaries {
    /// From one boundary to the next.
    pub segment: Time,
    /// From one keyframe to the next, if that is shorter; boundaries are among them.
    pub keyframes: Time,
}

/// Which times are written into segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timestamps {
    /// The source's start is 0, instead of the time that its container says.
    pub from_zero: bool,
    /// Added to all of them. ffmpeg's transport stream muxer adds twice its `-max_delay`.
    pub offset: Time,
}

/// The picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Video {
    /// Which stream.
    pub stream: Pick,
    /// What is done to it, in order.
    pub steps: Vec<Step>,
    /// What a source that says it is turned looks like.
    pub rotation: Rotation,
    /// The colours that the stream is labelled with, whatever the source's; only the label.
    pub colour: Option<Colour>,
    /// How many frames there are.
    pub frame_rate: FrameRate,
    /// How many bits it may take.
    pub rate_control: RateControl,
    /// How hard the encoder tries, in x264's words; a hint.
    pub preset: Option<String>,
    /// The most that a player decodes.
    pub profile: Option<Profile>,
    /// Ten times the level that a player decodes at most.
    pub level: Option<u8>,
    /// Closed captions within the picture's stream are passed on.
    pub captions: bool,
}

/// Which stream of the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pick {
    /// The one with this number in its container.
    Stream(u32),
    /// The one with this number among those of its kind.
    Nth(u32),
    /// The one that ffmpeg takes if none is named: the largest picture, the most channels.
    Best,
}

/// What becomes of a source that says it is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// It is shown upright.
    Upright,
    /// Its pixels stay as they are stored; where the packaging has a place for it, players are told to
    /// turn it.
    Told,
    /// Its pixels stay as they are stored, and nobody is told.
    Ignored,
}

/// Labels of colour, in ffmpeg's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Colour {
    /// `color_primaries`
    pub primaries: Option<String>,
    /// `color_trc`
    pub transfer: Option<String>,
    /// `colorspace`
    pub matrix: Option<String>,
}

/// How many frames there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameRate {
    /// Evenly spaced at the source's own rate: frames are repeated or left out.
    Constant,
    /// Evenly spaced at this rate.
    Fixed(Time),
    /// As they come.
    Variable,
}

/// How many bits a picture may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateControl {
    /// The same quality throughout, below the cap if there is one.
    Quality {
        /// What `value` is measured on.
        scale: Scale,
        /// The quality; lower is better on all scales.
        value: u8,
        /// The most it may take.
        cap: Option<Cap>,
    },
    /// An average to aim at.
    Bitrate {
        /// Bits per second.
        bitrate: u64,
        /// The most it may take.
        cap: Option<Cap>,
    },
}

/// A decoder's buffer, and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Cap {
    /// Bits per second.
    pub bitrate_max: u64,
    /// Bits that the buffer holds; if that is not said, x264 knows no cap.
    pub buffer_bits: Option<u64>,
}

/// What a quality is measured on; all run from 0 or 1 (best) to 51 and mean about the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// x264's rate factor.
    Crf,
    /// Quick Sync's and VA-API's intelligent constant quality.
    GlobalQuality,
    /// NVENC's constant quality.
    Cq,
    /// A fixed quantiser.
    Qp,
}

/// H.264 profiles, the smaller ones first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Constrained baseline: neither B-frames nor CABAC.
    Baseline,
    /// Without 8x8 transform.
    Main,
    /// 8 bits, 4:2:0.
    High,
}

/// The sound: AAC, low complexity, or the source's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sound {
    /// Which stream.
    pub stream: Pick,
    /// How many channels; `None` for the source's own.
    pub channels: Option<NonZeroU32>,
    /// How many bits it may take.
    pub rate: SoundRate,
    /// Samples per second; `None` for the source's own.
    pub sample_rate: Option<NonZeroU32>,
    /// What is done to it, in order.
    pub steps: Vec<SoundStep>,
}

/// How many bits the sound may take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundRate {
    /// What this encoder of ffmpeg's takes if nothing is said.
    EncodersDefault(String),
    /// Bits per second.
    Bitrate(u64),
    /// libfdk_aac's variable modes, 1 (about 32,000 a channel) to 5 (about 96,000 or more).
    FdkVariable(u8),
    /// The source's packets as they are; nothing else of the sound means anything then.
    Copied,
}

/// What is done to the sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SoundStep {
    /// Louder or softer, as written: a factor, or decibels (`-3dB`).
    Volume(String),
    /// Channels mixed by a matrix; ffmpeg's `pan`, as written.
    Mix(String),
}

/// From where on segments are wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Demand {
    /// The first one.
    pub first_segment: u32,
}

/// Under which names segments appear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Projection {
    /// The playlist.
    pub playlist: String,
    /// What kind it says it is.
    pub playlist_kind: PlaylistKind,
    /// Segments, with ffmpeg's `%d` or `%05d` for their number.
    pub segments: String,
    /// The header of fragmented MP4: a name beside the playlist, or a path.
    pub init: Option<String>,
    /// Existing files may be replaced; without it ffmpeg asks, and does not when nobody is there.
    pub overwrite: bool,
    /// Segments get their names when they are whole.
    pub by_rename: bool,
    /// The playlist says that segments stand on their own, which they do in any case.
    pub independent: bool,
}

/// What kind a playlist says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlaylistKind {
    /// `#EXT-X-PLAYLIST-TYPE:VOD`; written at the end.
    Vod,
    /// No kind; grows as segments are made, and ends.
    Growing,
}

/// What a line takes for granted about the source. Where it does not hold, ffmpeg would do
/// something else, and the line is a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proviso {
    /// The stream of this number is a picture.
    IsVideo(u32),
    /// The stream of this number is sound.
    IsAudio(u32),
    /// So many frames, or a whole number of times as many, last as long as a segment, rounded up.
    GopIsSegment {
        /// Frames from keyframe to keyframe.
        frames: u32,
    },
    /// So many frames last as long as from one forced keyframe to the next, or longer, or are a whole
    /// part of that: nothing comes between but keyframes at even distances.
    GopFits {
        /// The most from keyframe to keyframe.
        frames: u32,
    },
    /// It has so many pictures a second.
    Rate(Time),
    /// It is stored as it is shown.
    NotTurned,
    /// Its pictures are of 8 bits and 4:2:0: the line does not say what others become, and some
    /// encoders keep them.
    PlainPixels,
    /// It ends at this time, give or take a second.
    EndsAt(Time),
    /// Its pictures come at an even rate, from its start on, and in limited range.
    EvenPictures,
    /// Its picture begins with it, give or take half a frame: ffmpeg would repeat a later one from the
    /// start on.
    PictureFromStart,
    /// Its sound is such as segments hold as it is.
    CopiedSound,
    /// It has no subtitles, of which ffmpeg would take some.
    NoSubtitles,
    /// The demuxer reads it.
    IsFormat(String),
}

impl fmt::Display for Proviso {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Proviso::IsVideo(stream) => write!(f, "stream {stream} is a picture"),
            Proviso::IsAudio(stream) => write!(f, "stream {stream} is sound"),
            Proviso::GopIsSegment { frames } => {
                write!(f, "{frames} frames, once or several times, are as long as a segment")
            }
            Proviso::GopFits { frames } => write!(
                f,
                "{frames} frames are as long as from one forced keyframe to the next, or longer, or a \
                 whole part of that"
            ),
            Proviso::Rate(rate) => write!(
                f,
                "the source has {} pictures a second, so that none is repeated or left out",
                rate.as_secs_f64()
            ),
            Proviso::NotTurned => f.write_str("the source is stored as it is shown"),
            Proviso::PlainPixels => f.write_str("the source's pictures are of 8 bits and 4:2:0"),
            Proviso::EndsAt(time) => write!(f, "the source ends at about {} s", time.as_secs_f64()),
            Proviso::EvenPictures => f.write_str(
                "the source's pictures come at an even rate, from its start on, and in limited range",
            ),
            Proviso::PictureFromStart => {
                f.write_str("the source's picture begins with it, less than half a frame late")
            }
            Proviso::CopiedSound => f.write_str(
                "the sound is AAC or MP3, or in transport streams AC-3 or E-AC-3, which segments hold as \
                 it is",
            ),
            Proviso::NoSubtitles => f.write_str("the source has no subtitles"),
            Proviso::IsFormat(format) => write!(f, "the source is {format}"),
        }
    }
}
