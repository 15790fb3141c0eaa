//! Why a request cannot be met.

use crate::{AudioCodec, EffortError, Gain, Time};

/// Why a request cannot be met. Each says what to ask for instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not of the form `720p@3M`.
    #[error(
        "rendition `{0}`: write SIZE or SIZE@BITRATE, such as 720p, 1280x720@3M, source@8M or \
             =720x576:64/45 (exactly so large, with pixels of that shape)"
    )]
    Malformed(String),
    /// No picture has no pixels.
    #[error("rendition `{0}`: width and height must be from 16 to 8192")]
    Size(String),
    /// No encoder of 4:2:0 has odd sides.
    #[error("rendition `{0}`: an exact width and height must be even, from 16 to 8192")]
    ExactSize(String),
    /// No shape of a pixel.
    #[error("rendition `{0}`: a pixel's width over its height must be from 1/100 to 100")]
    Shape(String),
    /// Out of what an encoder takes.
    #[error("rendition `{0}`: the bit rate must be from 50k to 200M")]
    Bitrate(String),
    /// Larger than the source.
    #[error(
        "rendition {width}x{height} is larger than the source ({source_width}x{source_height}): \
         ask for a smaller one, or allow it with --upscale"
    )]
    Larger {
        /// Columns that would be made.
        width: u32,
        /// Rows that would be made.
        height: u32,
        /// Columns there are.
        source_width: u32,
        /// Rows there are.
        source_height: u32,
    },
    /// Two renditions of the same size and bit rate.
    #[error("rendition {0} is asked for twice")]
    Twice(String),
    /// Neither picture nor sound.
    #[error("there is nothing to transcode: the source has no picture, and no sound was taken")]
    Nothing,
    /// A rendition was asked for but there is no picture.
    #[error("the source has no picture: leave out --rendition to transcode its sound alone")]
    NoVideo,
    /// Pictures were asked for, and that there be none.
    #[error("without_picture is said, and renditions are asked for: leave out one of them")]
    WithoutPicture,
    /// Keyframes that do not fall on boundaries, or too many of them.
    #[error(
        "keyframes every {keyframes} s in segments of {segment} s: ask for a whole part of the \
         segment, of 0.1 s or more, and for segments of so many seconds"
    )]
    Keyframes {
        /// From one keyframe to the next.
        keyframes: Time,
        /// From one boundary to the next.
        segment: Time,
    },
    /// The stream asked for is no sound track.
    #[error("stream {stream} is not a sound track; the source has {available}")]
    NoSuchAudio {
        /// What was asked for.
        stream: u32,
        /// What there is, for a person.
        available: String,
    },
    /// libav has no decoder for the track.
    #[error(
        "stream {stream} holds {codec} sound, which cannot be decoded here: choose another with \
         --audio-stream, or leave sound out with --no-audio"
    )]
    Undecodable {
        /// Which stream.
        stream: u32,
        /// libav's name of its codec.
        codec: String,
    },
    /// Sound that segments of this packaging cannot hold as it is.
    #[error(
        "stream {stream} holds {codec} sound, which cannot be put into these segments as it is: let \
         it be encoded"
    )]
    NotCopied {
        /// Which stream.
        stream: u32,
        /// libav's name of its codec, and its container's.
        codec: String,
    },
    /// Something is done to sound that is copied.
    #[error("sound that is copied has no {0} of its own: leave it out, or let it be encoded")]
    CopiedWith(&'static str),
    /// A mix for another number of channels than there are.
    #[error("a mix of {asked} channels, and stream {stream} has {channels}")]
    MixSources {
        /// Which stream.
        stream: u32,
        /// How many the mix is of.
        asked: usize,
        /// How many there are.
        channels: u32,
    },
    /// A mix that makes another number of channels than is asked for.
    #[error("a mix of {rows} rows for {channels} channels: give one for each")]
    MixRows {
        /// How many channels the mix makes.
        rows: usize,
        /// How many are asked for.
        channels: u32,
    },
    /// Segment length out of range.
    #[error("a segment length of {0} s is not possible: ask for 0.5 to 30 seconds")]
    SegmentLength(Time),
    /// No preset, or not what refines one.
    #[error(transparent)]
    Effort(#[from] EffortError),
    /// One counts from the first picture, the other takes boundaries as they come.
    #[error("frame_grid and boundaries at the source's keyframes: ask for one of them")]
    FrameGridAtKeyframes,
    /// So late.
    #[error(
        "frame_grid is for pictures that begin two frames after the sound at most, and this begins at {0} s"
    )]
    FrameGridLate(Time),
    /// Out of range.
    #[error("rate factor {0}: --crf takes 0 (best) to 51")]
    Crf(u8),
    /// No label of colour.
    #[error("colour.{field} `{name}` is not known: use a name of libav's, such as bt709")]
    Colour {
        /// Which label.
        field: &'static str,
        /// What was asked for.
        name: String,
    },
    /// Out of range.
    #[error("timestamp_offset of {0} s: ask for 0 to 3600 seconds")]
    Offset(Time),
    /// Timestamps that could not be written.
    #[error(
        "timestamps from {offset} s on cannot be written: they must begin at {least} s or later, by a \
         larger timestamp_offset or without keep_start"
    )]
    Early {
        /// Where they would begin.
        offset: Time,
        /// Where they may begin.
        least: Time,
    },
    /// More than players were said to decode.
    #[error(
        "rendition {rendition} needs H.264 level {}.{}, and level_max is {}.{}: ask for a smaller \
         size or bit rate, or a higher level_max",
        level / 10, level % 10, level_max / 10, level_max % 10
    )]
    Level {
        /// Which rendition.
        rendition: String,
        /// Ten times the level that it needs.
        level: u8,
        /// Ten times the level that it may have.
        level_max: u8,
    },
    /// A rendition's bit rate beside a rate control.
    #[error("rendition `{0}` has a bit rate, and so has rate_control: leave out one of them")]
    TwoRates(String),
    /// Out of what x264 takes.
    #[error("rate_control.{field} of {bits}: ask for 1,000 to 2,000,000,000")]
    Bits {
        /// Which field.
        field: &'static str,
        /// What was asked for.
        bits: u64,
    },
    /// What is aimed at would never be reached.
    #[error(
        "rate_control.bitrate of {bitrate} is above rate_control.bitrate_max of {bitrate_max}: aim \
         at no more than the cap"
    )]
    AboveCap {
        /// Bits per second to aim at.
        bitrate: u64,
        /// Bits per second at most.
        bitrate_max: u64,
    },
    /// Out of range.
    #[error("audio bit rate {0}: ask for 1k to 10M")]
    AudioBitrate(u32),
    /// Not a rate of AAC.
    #[error(
        "audio sample rate {0}: ask for one of {list}",
        list = AudioCodec::Aac.sample_rates().iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
    )]
    SampleRate(u32),
    /// Not a number of channels that is made.
    #[error("{0} audio channels: ask for 1, 2, 6 or 8")]
    Channels(u32),
    /// Too loud, or less than silence.
    #[error("audio gain {0:?}: ask for a factor from 0 to 1000, or for -120 to 60 decibels")]
    Gain(Gain),
}
