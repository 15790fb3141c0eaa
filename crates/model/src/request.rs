//! What a caller asks for, and the recipe that follows once the source is known.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use crate::{
    AudioCodec, AudioFacts, AudioSettings, BoundaryRule, Colour, FieldOrder, H264Contract,
    H264Profile, Packaging, RateControl, Recipe, Rendition, SourceFacts, Time, VideoFacts,
    VideoSettings, h264_level,
};

/// A transcode as a person or a media server asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Where segments begin.
    pub boundaries: BoundaryRule,
    /// What a segment is a file of.
    pub packaging: Packaging,
    /// Same bytes wherever it is made.
    pub exact: bool,
    /// Pictures to make; when empty, one of the source's size.
    pub renditions: Vec<RenditionRequest>,
    /// Whether pictures may be larger than the source's.
    pub upscale: bool,
    /// x264's rate factor.
    pub crf: u8,
    /// Aim at the bit rate instead of staying below it at constant quality.
    pub constant_bitrate: bool,
    /// How hard the encoder tries.
    pub preset: String,
    /// Sound to make; `None` for silence.
    pub audio: Option<AudioRequest>,
}

impl Default for JobRequest {
    fn default() -> JobRequest {
        JobRequest {
            boundaries: BoundaryRule::Grid { segment: Time::from_secs(2) },
            packaging: Packaging::MpegTs,
            exact: false,
            renditions: Vec::new(),
            upscale: false,
            crf: 20,
            constant_bitrate: false,
            preset: "veryfast".to_owned(),
            audio: Some(AudioRequest::default()),
        }
    }
}

/// One picture asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RenditionRequest {
    /// How large.
    pub sizing: Sizing,
    /// Bits per second; when not given, what suits the size.
    pub bitrate: Option<u64>,
}

/// How large a picture is asked for. Its shape is always the source's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sizing {
    /// As large as the source.
    Source,
    /// As large as fits into a 16:9 frame of so many rows (upright for upright sources).
    Rows(u32),
    /// As large as fits into so many columns and rows.
    Within(u32, u32),
}

/// Sound asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioRequest {
    /// Which stream; when not given, the container's default.
    pub stream: Option<u32>,
    /// Bits per second; when not given, 64,000 a channel.
    pub bitrate: Option<u32>,
    /// How many channels.
    pub channels: ChannelRequest,
}

impl Default for AudioRequest {
    fn default() -> AudioRequest {
        AudioRequest { stream: None, bitrate: None, channels: ChannelRequest::Stereo }
    }
}

/// How many channels are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelRequest {
    /// At most two: what every device plays.
    Stereo,
    /// The source's own, at most 5.1.
    Source,
}

/// Why a request cannot be met. Each says what to ask for instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not of the form `720p@3M`.
    #[error("rendition `{0}`: write SIZE or SIZE@BITRATE, such as 720p, 1280x720@3M or source@8M")]
    Malformed(String),
    /// No picture has no pixels.
    #[error("rendition `{0}`: width and height must be from 16 to 8192")]
    Size(String),
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
    /// Segment length out of range.
    #[error("a segment length of {0} s is not possible: ask for 0.5 to 30 seconds")]
    SegmentLength(Time),
    /// Not an x264 preset.
    #[error("unknown preset `{0}`: one of {list}", list = JobRequest::PRESETS.join(", "))]
    Preset(String),
    /// Out of range.
    #[error("rate factor {0}: --crf takes 0 (best) to 51")]
    Crf(u8),
    /// Out of range.
    #[error("audio bit rate {0}: ask for 16k to 1M")]
    AudioBitrate(u32),
}

impl FromStr for RenditionRequest {
    type Err = RequestError;

    /// Reads `720p`, `720p@3M`, `1280x720@3000k`, `source@8M`.
    fn from_str(text: &str) -> Result<RenditionRequest, RequestError> {
        let malformed = || RequestError::Malformed(text.to_owned());
        let digits = |part: &str| -> Result<u32, RequestError> {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(malformed());
            }
            part.parse().map_err(|_| RequestError::Size(text.to_owned()))
        };
        let (size, bitrate) = match text.split_once('@') {
            Some((size, bitrate)) => (size, Some(bitrate)),
            None => (text, None),
        };
        let sizing = if size == "source" {
            Sizing::Source
        } else if let Some(rows) = size.strip_suffix('p') {
            Sizing::Rows(digits(rows)?)
        } else {
            let (width, height) = size.split_once('x').ok_or_else(malformed)?;
            Sizing::Within(digits(width)?, digits(height)?)
        };
        let bitrate = match bitrate {
            None => None,
            Some(bitrate) => Some(parse_bitrate(bitrate).ok_or_else(malformed)?),
        };
        let request = RenditionRequest { sizing, bitrate };
        request.check(text)?;
        Ok(request)
    }
}

/// Columns and rows that a picture may have.
const SIDES: RangeInclusive<u32> = 16..=8192;

impl RenditionRequest {
    /// Whether an encoder takes it; `text` is what to call it if not.
    fn check(self, text: &str) -> Result<(), RequestError> {
        let side_ok = |side: u32| SIDES.contains(&side);
        let sane = match self.sizing {
            Sizing::Source => true,
            Sizing::Rows(rows) => side_ok(rows),
            Sizing::Within(width, height) => side_ok(width) && side_ok(height),
        };
        if !sane {
            return Err(RequestError::Size(text.to_owned()));
        }
        match self.bitrate {
            Some(bits) if !(50_000..=200_000_000).contains(&bits) => {
                Err(RequestError::Bitrate(text.to_owned()))
            }
            _ => Ok(()),
        }
    }
}

/// As [`RenditionRequest::from_str`] reads it.
impl fmt::Display for RenditionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sizing {
            Sizing::Source => f.write_str("source")?,
            Sizing::Rows(rows) => write!(f, "{rows}p")?,
            Sizing::Within(width, height) => write!(f, "{width}x{height}")?,
        }
        match self.bitrate {
            Some(bits) => write!(f, "@{bits}"),
            None => Ok(()),
        }
    }
}

/// Bits per second from `3M`, `2.5M`, `800k` or `800000`; `None` if it is neither.
pub fn parse_bitrate(text: &str) -> Option<u64> {
    let (number, scale) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1_000),
        b'm' | b'M' => (&text[..text.len() - 1], 1_000_000),
        _ => (text, 1),
    };
    // A time may be a fraction; a bit rate is written with decimals.
    let value = number.parse::<Time>().ok().filter(|_| !number.contains('/'))? * scale;
    u64::try_from(value.round()).ok()
}

impl JobRequest {
    /// x264's presets that make sense for streaming.
    pub const PRESETS: [&str; 9] = [
        "ultrafast",
        "superfast",
        "veryfast",
        "faster",
        "fast",
        "medium",
        "slow",
        "slower",
        "veryslow",
    ];

    /// How far decoding runs ahead of showing with x264's B-frames and pyramid; encoders with
    /// fewer keep to it.
    const REORDER_DEPTH: u8 = 2;
    /// What x264 writes in its headers for a pyramid of B-frames, however few it refers to: every
    /// preset but `ultrafast`, which has 1. Those that would take more are held to it.
    const REFERENCE_FRAMES: u8 = 4;

    /// The recipe this request means for the source described by `facts`.
    pub fn resolve(&self, facts: &SourceFacts) -> Result<Recipe, RequestError> {
        let segment = self.boundaries.segment();
        if segment < Time::new(1, 2) || segment > Time::from_secs(30) {
            return Err(RequestError::SegmentLength(segment));
        }
        if !JobRequest::PRESETS.contains(&self.preset.as_str()) {
            return Err(RequestError::Preset(self.preset.clone()));
        }
        if self.crf > 51 {
            return Err(RequestError::Crf(self.crf));
        }
        let audio = self.audio.map(|audio| audio.resolve(facts)).transpose()?.flatten();
        let renditions = match &facts.video {
            None if !self.renditions.is_empty() => return Err(RequestError::NoVideo),
            None => Vec::new(),
            Some(video) => self.ladder(video)?,
        };
        let renditions = match (self.packaging, audio) {
            (_, None) => renditions,
            (Packaging::MpegTs, Some(audio)) if !renditions.is_empty() => renditions
                .into_iter()
                .map(|rendition| Rendition { audio: Some(audio.clone()), ..rendition })
                .collect(),
            (_, Some(audio)) => {
                let alone = Rendition { name: "audio".into(), video: None, audio: Some(audio) };
                renditions.into_iter().chain([alone]).collect()
            }
        };
        if renditions.is_empty() {
            return Err(RequestError::Nothing);
        }
        Ok(Recipe {
            boundaries: self.boundaries,
            packaging: self.packaging,
            timestamp_offset: Time::from_secs(10),
            exact: self.exact,
            renditions,
        })
    }

    fn ladder(&self, video: &VideoFacts) -> Result<Vec<Rendition>, RequestError> {
        let source = [RenditionRequest { sizing: Sizing::Source, bitrate: None }];
        let asked = if self.renditions.is_empty() { &source[..] } else { &self.renditions };
        let mut ladder: Vec<Rendition> = Vec::new();
        for request in asked {
            request.check(&request.to_string())?;
            let settings = self.video(request, video)?;
            if ladder.iter().any(|rung| rung.video.as_ref() == Some(&settings)) {
                return Err(RequestError::Twice(request.to_string()));
            }
            let rows = settings.width.min(settings.height);
            let mut name = format!("{rows}p");
            if ladder.iter().any(|rung| rung.name == name) {
                name = format!("{rows}p-{}k", settings.rate_control.bitrate_max() / 1000);
            }
            if ladder.iter().any(|rung| rung.name == name) {
                return Err(RequestError::Twice(name));
            }
            ladder.push(Rendition { name, video: Some(settings), audio: None });
        }
        Ok(ladder)
    }

    fn video(
        &self,
        request: &RenditionRequest,
        facts: &VideoFacts,
    ) -> Result<VideoSettings, RequestError> {
        let source = facts.display_size();
        let (width, height) = fit(source, request.sizing);
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(RequestError::Size(request.to_string()));
        }
        let grown = width > source.0.max(16) + 1 || height > source.1.max(16) + 1;
        if grown && !self.upscale {
            let (source_width, source_height) = source;
            return Err(RequestError::Larger { width, height, source_width, source_height });
        }
        let bitrate_max = request.bitrate.unwrap_or_else(|| suitable_bitrate(width, height));
        let rate_control = if self.constant_bitrate {
            RateControl::CappedBitrate { bitrate: bitrate_max, bitrate_max, buffer_ms: 1000 }
        } else {
            RateControl::CappedQuality { crf: self.crf, bitrate_max, buffer_ms: 1000 }
        };
        let reference_frames = JobRequest::REFERENCE_FRAMES;
        let frame_rate = facts.frame_rate_max;
        Ok(VideoSettings {
            width,
            height,
            deinterlace: facts.field_order != FieldOrder::Progressive,
            rate_control,
            preset: self.preset.clone(),
            contract: H264Contract {
                profile: H264Profile::High,
                level: h264_level((width, height), frame_rate, reference_frames, bitrate_max),
                reference_frames,
                reorder_depth: JobRequest::REORDER_DEPTH,
                // Scaling to 8-bit 4:2:0 makes every range the limited one.
                colour: Colour { full_range: false, ..facts.colour.clone() },
            },
        })
    }
}

/// The largest even size of the source's shape that fits.
fn fit((width, height): (u32, u32), sizing: Sizing) -> (u32, u32) {
    let (box_width, box_height) = match sizing {
        Sizing::Source => (width, height),
        Sizing::Within(columns, rows) => (columns, rows),
        Sizing::Rows(rows) => {
            let columns = (rows * 16).div_ceil(9);
            if height > width { (rows, columns) } else { (columns, rows) }
        }
    };
    let ratio = |a: u32, b: u32| Time::new(i64::from(a), i64::from(b.max(1)));
    let scale = ratio(box_width, width).min(ratio(box_height, height));
    let even = |side: u32, most: u32| {
        let exact = scale * i64::from(side);
        let nearest = (exact / Time::from_secs(2)).round() * 2;
        // An odd box is filled up to its last even row.
        nearest.clamp(16, i64::from((most & !1).max(16))) as u32
    };
    (even(width, box_width), even(height, box_height))
}

/// Bits per second that suit a size at good quality: 6 Mb/s at 1080p, and as the 3/4th power of
/// the number of pixels around it; in steps of 50 kb/s.
fn suitable_bitrate(width: u32, height: u32) -> u64 {
    let pixels = f64::from(width) * f64::from(height);
    let bits = 6_000_000.0 * (pixels / (1920.0 * 1080.0)).powf(0.75);
    ((bits / 50_000.0).round() as u64 * 50_000).max(100_000)
}

impl AudioRequest {
    fn resolve(self, facts: &SourceFacts) -> Result<Option<AudioSettings>, RequestError> {
        let chosen: Option<&AudioFacts> = match self.stream {
            None => facts.audio.iter().find(|track| track.default).or(facts.audio.first()),
            Some(stream) => match facts.audio.iter().find(|track| track.stream == stream) {
                Some(track) => Some(track),
                None => {
                    let available = match &facts.audio[..] {
                        [] => "no sound track".to_owned(),
                        tracks => {
                            let streams: Vec<_> =
                                tracks.iter().map(|track| track.stream.to_string()).collect();
                            format!("sound in stream {}", streams.join(", "))
                        }
                    };
                    return Err(RequestError::NoSuchAudio { stream, available });
                }
            },
        };
        let Some(track) = chosen else { return Ok(None) };
        if !track.decodable {
            let codec = track.codec.clone();
            return Err(RequestError::Undecodable { stream: track.stream, codec });
        }
        let channels = match (self.channels, track.channels) {
            (_, 0 | 1) => 1,
            (ChannelRequest::Stereo, _) => 2,
            (ChannelRequest::Source, 2..=5) => 2,
            (ChannelRequest::Source, _) => 6,
        };
        let bitrate = self.bitrate.unwrap_or(64_000 * channels);
        if !(16_000..=1_000_000).contains(&bitrate) {
            return Err(RequestError::AudioBitrate(bitrate));
        }
        let sample_rate = match track.sample_rate {
            rate @ (32_000 | 44_100 | 48_000) => rate,
            rate if rate % 11_025 == 0 => 44_100,
            _ => 48_000,
        };
        Ok(Some(AudioSettings {
            stream: track.stream,
            codec: AudioCodec::Aac,
            bitrate,
            sample_rate,
            channels,
        }))
    }
}
