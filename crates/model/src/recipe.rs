//! All that decides a segment's bytes besides the source.

use serde::{Deserialize, Serialize};

use crate::{
    AudioFacts, Deinterlace, FrameClock, FrameRate, H264Contract, Mix, Orientation, Time,
    VideoFacts,
};

/// How a source is made into HLS, with every choice made: the same recipe gives interchangeable
/// segments wherever it is followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Where segments begin.
    pub boundaries: BoundaryRule,
    /// What a segment is a file of.
    pub packaging: Packaging,
    /// Added to every timestamp: players mistake small ones, and decode times start below zero.
    pub timestamp_offset: Time,
    /// How much later than in the source each picture is shown, or earlier, by half a frame at most: they
    /// stand at multiples of a frame's length then, and what is counted in seconds (boundaries,
    /// keyframes) counts from the first of them, as ffmpeg does. `None`: they are shown when the source
    /// shows them, and it counts from the source's start.
    pub picture_shift: Option<Time>,
    /// Same bytes wherever it is made: single-threaded encoders and bit-exact arithmetic.
    pub exact: bool,
    /// What is listed; never empty.
    pub renditions: Vec<Rendition>,
}

impl Recipe {
    /// How many pictures are made of each of `source`'s: two where its fields become frames.
    pub fn pictures_per_frame(&self, source: &VideoFacts) -> i64 {
        let mut videos = self.renditions.iter().filter_map(|rendition| rendition.video.as_ref());
        let in_fields =
            |video: &VideoSettings| video.deinterlace.is_some_and(|made| made.doubles(source));
        if videos.any(in_fields) { 2 } else { 1 }
    }

    /// The slots that `source`'s pictures are put into, and when those are shown.
    pub fn clock(&self, source: &VideoFacts) -> FrameClock {
        let start = source.clock.start + self.picture_delay();
        let rate = match source.frame_rate {
            FrameRate::Constant(_) => source.clock.rate * self.pictures_per_frame(source),
            // Slots are fine enough for what comes between two frames.
            FrameRate::Variable(_) => source.clock.rate,
        };
        FrameClock { start, rate }
    }

    /// How much later than in the source pictures are shown; below zero where earlier.
    pub fn picture_delay(&self) -> Time {
        self.picture_shift.unwrap_or(Time::ZERO)
    }

    /// When `source`'s last picture ends, as it is shown.
    pub fn picture_end(&self, source: &VideoFacts) -> Time {
        source.end + self.picture_delay()
    }

    /// What seconds are counted from, by rules that count them: the film's start or its first picture.
    pub fn counts_from(&self, source: &VideoFacts) -> Time {
        self.picture_shift.map_or(Time::ZERO, |shift| source.clock.start + shift)
    }

    /// How many pictures a second are made, on average.
    pub fn frame_rate(&self, source: &VideoFacts) -> Time {
        source.frame_rate.nominal() * self.pictures_per_frame(source)
    }

    /// How many pictures are made in any second, at most.
    pub fn frame_rate_max(&self, source: &VideoFacts) -> Time {
        source.frame_rate_max * self.pictures_per_frame(source)
    }
}

/// Where segments begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum BoundaryRule {
    /// Every so many seconds, for encoded video.
    Grid {
        /// Seconds from one boundary to the next.
        segment: Time,
    },
    /// Every so many seconds to the last picture, for encoded video: as [`BoundaryRule::Grid`], but
    /// the last segment is as short as it comes, as ffmpeg's hls muxer makes it.
    Multiples {
        /// Seconds from one boundary to the next.
        segment: Time,
    },
    /// At the first keyframe at least so long after the previous boundary.
    KeyframesGreedy {
        /// The least length of a segment.
        segment: Time,
    },
    /// At the first keyframe at or after each multiple, as ffmpeg's hls muxer and Jellyfin cut.
    KeyframesCumulative {
        /// What the multiples are of.
        segment: Time,
    },
}

impl BoundaryRule {
    /// The length it aims at.
    pub fn segment(self) -> Time {
        match self {
            BoundaryRule::Grid { segment }
            | BoundaryRule::Multiples { segment }
            | BoundaryRule::KeyframesGreedy { segment }
            | BoundaryRule::KeyframesCumulative { segment } => segment,
        }
    }
}

/// What a segment is a file of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Packaging {
    /// MPEG transport stream, picture and sound in one file.
    MpegTs,
    /// Fragmented MP4: CMAF where picture and sound are renditions of their own.
    Fmp4,
}

/// What one media playlist lists: one or more tracks muxed together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rendition {
    /// Names its folder and playlist: letters, digits, `-` and `_`; unique in the recipe.
    pub name: String,
    /// Its picture.
    pub video: Option<VideoSettings>,
    /// Its sound.
    pub audio: Option<AudioSettings>,
}

/// How a picture is made and encoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VideoSettings {
    /// Columns, upright; even.
    pub width: u32,
    /// Rows, upright; even.
    pub height: u32,
    /// Width of a pixel over its height.
    pub sample_aspect: Time,
    /// How decoded frames are turned before anything else is done to them but deinterlacing.
    pub orientation: Orientation,
    /// How frames are made of fields; `None`: pictures stay as they are.
    pub deinterlace: Option<Deinterlace>,
    /// Closed captions in the source's pictures are passed on.
    pub captions: bool,
    /// From one keyframe to the next, if that is less than a segment, of which it is a whole part.
    pub keyframes: Option<Time>,
    /// How many bits it may take.
    pub rate_control: RateControl,
    /// How hard the encoder tries: an [`Effort`](crate::Effort).
    pub preset: String,
    /// What all encoders of this rendition keep to.
    pub contract: H264Contract,
}

/// How many bits a picture may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RateControl {
    /// Constant quality, capped.
    CappedQuality {
        /// x264's rate factor, 0 to 51; lower is better.
        crf: u8,
        /// Bits per second that the buffer is refilled with.
        bitrate_max: u64,
        /// Bits that the decoder buffer holds.
        buffer_bits: u64,
    },
    /// An average to aim at, capped.
    CappedBitrate {
        /// Bits per second to aim at.
        bitrate: u64,
        /// Bits per second that the buffer is refilled with.
        bitrate_max: u64,
        /// Bits that the decoder buffer holds.
        buffer_bits: u64,
    },
    /// Constant quality, whatever it takes. What is declared of it is the level's limit, which an
    /// encoder is not held to.
    Quality {
        /// x264's rate factor, 0 to 51; lower is better.
        crf: u8,
    },
}

impl RateControl {
    /// What an encoder is held to; `None` if to nothing.
    pub fn cap(self) -> Option<BitrateCap> {
        match self {
            RateControl::CappedQuality { bitrate_max, buffer_bits, .. }
            | RateControl::CappedBitrate { bitrate_max, buffer_bits, .. } => {
                Some(BitrateCap { bitrate_max, buffer_bits })
            }
            RateControl::Quality { .. } => None,
        }
    }
}

/// A decoder's buffer, and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitrateCap {
    /// Bits per second that the buffer is refilled with.
    pub bitrate_max: u64,
    /// Bits that it holds.
    pub buffer_bits: u64,
}

impl BitrateCap {
    /// The declared cap: bits per second that no segment of a second or more is above.
    ///
    /// An encoder begins with a nearly full buffer, so of `t` seconds it makes a buffer and `t`
    /// seconds of refill at most; from a second on that is no more than this, and the longer, the
    /// less (measured: the busiest second is at most 0.80 of BANDWIDTH).
    ///
    /// Not promised of a second that is laid across segments. Where two encoders meet (at a span's
    /// boundary, and at every one under the exact recipe) both may spend a buffer: two buffers and a
    /// second's refill at worst. But players measure whole segments (RFC 8216 4.3.4.2), and each is
    /// one encoder's. What segments of less than a second take is worked out where bandwidths are
    /// declared, as is what containers add.
    pub fn peak(self) -> u64 {
        self.bitrate_max.saturating_add(self.buffer_bits)
    }
}

impl VideoSettings {
    /// What is declared: what the rate control keeps to, or else the most of the contract's level,
    /// with a buffer of a second.
    pub fn declared_cap(&self) -> BitrateCap {
        self.rate_control.cap().unwrap_or_else(|| {
            let bits = self.contract.bitrate_max();
            BitrateCap { bitrate_max: bits, buffer_bits: bits }
        })
    }

    /// Bits per second over a whole film: what is aimed at, or the cap it stays below. Pictures that
    /// are noise throughout take more where each segment has an encoder, and a buffer, of its own.
    pub fn average(&self) -> u64 {
        match self.rate_control {
            RateControl::CappedBitrate { bitrate, .. } => bitrate,
            RateControl::CappedQuality { .. } | RateControl::Quality { .. } => {
                self.declared_cap().bitrate_max
            }
        }
    }
}

/// How sound is encoded, or that it is not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioSettings {
    /// Which stream of the container.
    pub stream: u32,
    /// What into.
    pub codec: AudioCodec,
    /// Bits per second; of what is copied, as much as it may be.
    pub bitrate: u32,
    /// Samples per second.
    pub sample_rate: u32,
    /// 1, 2, 6 (5.1) or 8 (7.1); of what is copied, the source's.
    pub channels: u32,
    /// How much louder it is made.
    pub gain: Gain,
    /// How channels are mixed; `None`: as libswresample does by default.
    pub mix: Option<Mix>,
}

/// How much louder sound is made; what is too loud then is cut off by whoever plays it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gain {
    /// Samples become so many times as large; 1 leaves them as they are.
    Factor(Time),
    /// In decibels; 6 is about twice as large.
    Decibels(Time),
}

impl Gain {
    /// As it is.
    pub const NONE: Gain = Gain::Factor(Time::from_secs(1));

    /// Samples become so many times as large.
    pub fn factor(self) -> f64 {
        match self {
            Gain::Factor(factor) => factor.as_secs_f64(),
            Gain::Decibels(decibels) => 10_f64.powf(decibels.as_secs_f64() / 20.0),
        }
    }
}

/// What sound is encoded into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// AAC, low complexity.
    Aac,
    /// The source's own packets, which are not touched.
    Copied(CopiedCodec),
}

/// Sound whose packets each stand on their own, and which segments may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CopiedCodec {
    /// AAC, low complexity.
    Aac,
    /// AAC with its upper half made up (HE-AAC).
    HeAac,
    /// Dolby Digital.
    Ac3,
    /// Dolby Digital Plus.
    Eac3,
    /// MPEG-1 layer 3.
    Mp3,
}

impl CopiedCodec {
    /// What the packets of a track are; `None` where they cannot be copied.
    pub fn of(facts: &AudioFacts) -> Option<CopiedCodec> {
        // Decoders make 2048 samples of a packet of HE-AAC.
        let half_made_up = facts.grid.is_some_and(|grid| grid.frame_size == 2048);
        Some(match facts.codec.as_str() {
            "aac" if half_made_up => CopiedCodec::HeAac,
            "aac" => CopiedCodec::Aac,
            "ac3" => CopiedCodec::Ac3,
            "eac3" => CopiedCodec::Eac3,
            "mp3" => CopiedCodec::Mp3,
            _ => return None,
        })
    }
}

impl AudioCodec {
    /// Samples in a packet.
    pub fn frame_size(self) -> u32 {
        match self {
            AudioCodec::Aac | AudioCodec::Copied(CopiedCodec::Aac) => 1024,
            AudioCodec::Copied(CopiedCodec::HeAac) => 2048,
            AudioCodec::Copied(CopiedCodec::Ac3 | CopiedCodec::Eac3) => 1536,
            AudioCodec::Copied(CopiedCodec::Mp3) => 1152,
        }
    }

    /// Samples per second that it can be made at.
    pub fn sample_rates(self) -> &'static [u32] {
        match self {
            // ISO/IEC 14496-3, table 1.18.
            AudioCodec::Aac => &[
                96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000,
                11_025, 8_000, 7_350,
            ],
            AudioCodec::Copied(_) => &[],
        }
    }

    /// Bits per second that it can take at most.
    pub fn bitrate_max(self, sample_rate: u32, channels: u32) -> u64 {
        match self {
            // A decoder's buffer: 6144 bits a packet for each channel (ISO/IEC 14496-3, 4.5.3).
            AudioCodec::Aac | AudioCodec::Copied(CopiedCodec::Aac | CopiedCodec::HeAac) => {
                6144 * u64::from(channels) * u64::from(sample_rate) / u64::from(self.frame_size())
            }
            // ETSI TS 102 366: the largest of the table, and what discs hold at most.
            AudioCodec::Copied(CopiedCodec::Ac3) => 640_000,
            AudioCodec::Copied(CopiedCodec::Eac3) => 1_664_000,
            AudioCodec::Copied(CopiedCodec::Mp3) => 320_000,
        }
    }

    /// Packets encoded and thrown away before a segment's first, so that the encoder has settled
    /// (measured: AAC decodes exactly alike from 32 on).
    pub fn pre_roll(self) -> u32 {
        match self {
            AudioCodec::Aac => 32,
            AudioCodec::Copied(_) => 0,
        }
    }

    /// The RFC 6381 codec string.
    pub fn codec_string(self) -> &'static str {
        match self {
            AudioCodec::Aac | AudioCodec::Copied(CopiedCodec::Aac) => "mp4a.40.2",
            AudioCodec::Copied(CopiedCodec::HeAac) => "mp4a.40.5",
            AudioCodec::Copied(CopiedCodec::Ac3) => "ac-3",
            AudioCodec::Copied(CopiedCodec::Eac3) => "ec-3",
            AudioCodec::Copied(CopiedCodec::Mp3) => "mp4a.40.34",
        }
    }
}
