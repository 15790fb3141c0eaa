//! What `describe` learns of a source, once, so that no span has to probe it again.

use serde::{Deserialize, Serialize};

use crate::{FrameClock, Time};

/// Everything planning and encoding need to know of a source.
///
/// Job time 0 is [`SourceFacts::start`]: all other times are on the job's axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFacts {
    /// libav's names of the container, such as `matroska,webm`.
    pub container: String,
    /// The source timestamp of its earliest shown frame or sample.
    pub start: Time,
    /// Where the film ends: with its last picture, unless sound goes on for more than a second.
    pub duration: Time,
    /// How long the container claims to be, when it claims more than is there (a cut-off file).
    pub declared_duration: Option<Time>,
    /// The picture, if there is one.
    pub video: Option<VideoFacts>,
    /// Sound tracks, in the container's order.
    pub audio: Vec<AudioFacts>,
    /// What each of the container's streams is, in its order.
    pub streams: Vec<StreamKind>,
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// A moving picture.
    Video,
    /// A still picture of what the film is called.
    Cover,
    /// Sound.
    Audio,
    /// Subtitles, as text or as pictures.
    Subtitle,
    /// Fonts, data and whatever else there is.
    Other,
}

/// A video stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoFacts {
    /// Its index in the container.
    pub stream: u32,
    /// libav's name of the codec, such as `hevc`.
    pub codec: String,
    /// Columns of a decoded frame, before rotation.
    pub width: u32,
    /// Rows of a decoded frame, before rotation.
    pub height: u32,
    /// Width of a pixel over its height.
    pub sample_aspect: Time,
    /// How to turn decoded frames so that they stand upright.
    pub orientation: Orientation,
    /// How often frames come.
    pub frame_rate: FrameRate,
    /// Frames per second in any stretch of a second or more, at most: what players and decoders
    /// are promised. The rate itself where it is constant. Where it varies, what was counted if the
    /// container lists all frames or all were read; otherwise at least [`FrameRate::UNCOUNTED`],
    /// which a film may exceed only where nobody looked. Pictures held in pauses, one a segment, come on top.
    pub frame_rate_max: Time,
    /// The slots its frames are put into.
    pub clock: FrameClock,
    /// Whether frames are two fields from different moments.
    pub field_order: FieldOrder,
    /// libav's name of the pixel format, such as `yuv420p10le`.
    pub pixel_format: String,
    /// How its numbers mean colours.
    pub colour: Colour,
    /// Seconds per tick of its timestamps.
    pub time_base: Time,
    /// When its first frame is shown.
    pub start: Time,
    /// When its last frame ends.
    pub end: Time,
    /// Where decoding can begin.
    pub keyframes: KeyframeIndex,
}

impl VideoFacts {
    /// The size in square pixels as a viewer sees it, after rotation; never zero.
    pub fn display_size(&self) -> (u32, u32) {
        // libav says 0 where a container does not say: almost always square.
        let known = self.sample_aspect.is_positive();
        let sample_aspect = if known { self.sample_aspect } else { Time::from_secs(1) };
        let square = Time::from_secs(i64::from(self.width)) * sample_aspect;
        let (width, height) = if sample_aspect >= Time::from_secs(1) {
            (square.round(), i64::from(self.height))
        } else {
            // Narrow pixels: keep every column and stretch the rows, as no detail is lost then.
            let rows = Time::from_secs(i64::from(self.height)) / sample_aspect;
            (i64::from(self.width), rows.round())
        };
        let size = (width.clamp(1, 65_535) as u32, height.clamp(1, 65_535) as u32);
        if self.orientation.quarter_turns % 2 == 1 { (size.1, size.0) } else { size }
    }
}

/// A sound track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioFacts {
    /// Its index in the container.
    pub stream: u32,
    /// libav's name of the codec, such as `truehd`.
    pub codec: String,
    /// Samples per second.
    pub sample_rate: u32,
    /// How many channels.
    pub channels: u32,
    /// libav's description of them, such as `5.1(side)`.
    pub layout: String,
    /// ISO 639 code, when the container says.
    pub language: Option<String>,
    /// Whether the container marks it as the one to play.
    pub default: bool,
    /// Seconds per tick of its timestamps.
    pub time_base: Time,
    /// When its first sample sounds.
    pub start: Time,
    /// When its last sample has sounded.
    pub end: Time,
    /// Where packets begin, if all hold the same number of samples: timestamps that a container
    /// has rounded are put back on this grid.
    pub grid: Option<SampleGrid>,
    /// Whether libav can decode it here.
    pub decodable: bool,
}

/// The row of equally long packets that a sound track is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleGrid {
    /// Samples in a packet; never zero.
    pub frame_size: u32,
    /// A sample, counted from job time 0 at the source's rate, at which a packet begins.
    pub origin: i64,
}

impl SampleGrid {
    /// The packet start nearest to `sample`.
    pub fn nearest(&self, sample: i64) -> i64 {
        let size = i64::from(self.frame_size.max(1));
        self.origin + (sample - self.origin + size / 2).div_euclid(size) * size
    }
}

/// How to turn a decoded frame upright: first mirrored left to right, then turned clockwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Orientation {
    /// Quarter turns clockwise, 0 to 3.
    pub quarter_turns: u8,
    /// Mirrored left to right before turning.
    pub mirrored: bool,
}

/// How often frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameRate {
    /// Always so many a second.
    Constant(Time),
    /// On average so many a second.
    Variable(Time),
}

impl FrameRate {
    /// What a variable rate is taken to reach where nobody counted. Telephones, cameras and screen
    /// recorders keep below it; more would ask for decoders that few devices have.
    pub const UNCOUNTED: Time = Time::from_secs(60);

    /// Frames per second: the constant, or the average.
    pub fn nominal(self) -> Time {
        match self {
            FrameRate::Constant(rate) | FrameRate::Variable(rate) => rate,
        }
    }
}

/// Whether a frame is one picture or two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FieldOrder {
    /// One moment per frame.
    Progressive,
    /// Two fields, the upper one first.
    TopFirst,
    /// Two fields, the lower one first.
    BottomFirst,
}

/// How numbers mean colours; libav's names (`bt709`, `unknown`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Colour {
    /// All 256 levels, rather than 16 to 235.
    pub full_range: bool,
    /// Colour primaries.
    pub primaries: String,
    /// Transfer characteristics.
    pub transfer: String,
    /// Matrix coefficients.
    pub matrix: String,
}

/// Where decoding can begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyframeIndex {
    /// Whether the container had no index, so that the whole file was read to make this one.
    pub scanned: bool,
    /// Presentation timestamps of keyframes in the stream's own ticks, rising.
    pub ticks: Vec<i64>,
    /// For containers that can only be entered by position: the byte each keyframe's packet
    /// starts at. Otherwise empty.
    pub positions: Vec<u64>,
}

impl KeyframeIndex {
    /// Index of the last keyframe not after `tick`.
    pub fn at_or_before(&self, tick: i64) -> Option<usize> {
        self.ticks.partition_point(|keyframe| *keyframe <= tick).checked_sub(1)
    }
}
