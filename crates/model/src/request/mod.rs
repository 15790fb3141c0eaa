//! What a caller asks for, and the recipe that follows once the source is known.

mod error;
mod rendition;
mod sound;

use std::ops::RangeInclusive;

use crate::colour::{MATRICES, PRIMARIES, TRANSFERS};
use crate::{
    BitrateCap, BoundaryRule, Colour, Deinterlace, Effort, FieldOrder, FrameRate, H264Contract,
    H264Profile, Orientation, Packaging, RateControl, Recipe, Rendition, SourceFacts, Time,
    VideoFacts, VideoSettings, h264_level,
};

pub use error::RequestError;
pub use rendition::{RenditionRequest, Sizing, parse_bitrate};
use rendition::{SIDES, fit, suitable_bitrate};
pub use sound::{AudioRequest, ChannelRequest};

/// A transcode as a person or a media server asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRequest {
    /// Where segments begin.
    pub boundaries: BoundaryRule,
    /// What a segment is a file of.
    pub packaging: Packaging,
    /// Picture and sound in one file also as fragmented MP4; transport streams always are so.
    pub together: bool,
    /// Same bytes wherever it is made.
    pub exact: bool,
    /// Sound alone, also of a source that has a picture; `renditions` must be empty then.
    pub without_picture: bool,
    /// Pictures to make; when empty, one of the source's size.
    pub renditions: Vec<RenditionRequest>,
    /// Whether pictures may be larger than the source's.
    pub upscale: bool,
    /// x264's rate factor.
    pub crf: u8,
    /// Aim at the bit rate instead of staying below it at constant quality.
    pub constant_bitrate: bool,
    /// How many bits each picture may take, in every detail; `crf`, `constant_bitrate` and what suits
    /// a size mean nothing then, and renditions may have no bit rates of their own.
    pub rate_control: Option<RateControl>,
    /// How hard the encoder tries: an [`Effort`].
    pub preset: String,
    /// What becomes of frames that are two fields.
    pub fields: FieldRequest,
    /// How decoded frames are turned; `None`: so that they stand upright.
    pub orientation: Option<Orientation>,
    /// Closed captions in the source's pictures are passed on.
    pub captions: bool,
    /// From one keyframe to the next, if that is less than a segment, of which it must be a whole
    /// part.
    pub keyframes: Option<Time>,
    /// What the picture's colours are labelled with, whatever the source's are; no number of a pixel
    /// changes.
    pub colour: ColourLabels,
    /// The most that players decode.
    pub profile: H264Profile,
    /// Ten times the H.264 level that players decode at most: 41 is level 4.1. What would need more is
    /// refused. `None`: whatever it needs.
    pub level_max: Option<u8>,
    /// What needs more than `level_max` for its rates is labelled with that all the same, as x264 does,
    /// instead of refused. What a decoder of that level has no room for is refused in any case.
    pub over_level: bool,
    /// Added to every timestamp; `None` for 10 s, as players mistake small ones. A transport stream
    /// needs about a second; fragmented MP4 takes 0, and then has an edit list.
    pub timestamp_offset: Option<Time>,
    /// The source's timestamps are kept, instead of counting from its start.
    pub keep_start: bool,
    /// Pictures of a source of constant rate are shown at multiples of a frame's length, as ffmpeg's hls
    /// muxer has it do: the first at the nearest, each other one further; sound stays where it is. What
    /// is counted in seconds counts from the first picture. Without it, and at any other rate, pictures
    /// are shown when the source shows them.
    pub frame_grid: bool,
    /// Sound to make; `None` for silence.
    pub audio: Option<AudioRequest>,
}

impl Default for JobRequest {
    fn default() -> JobRequest {
        JobRequest {
            boundaries: BoundaryRule::Grid { segment: Time::from_secs(2) },
            packaging: Packaging::MpegTs,
            together: false,
            exact: false,
            without_picture: false,
            renditions: Vec::new(),
            upscale: false,
            crf: 20,
            constant_bitrate: false,
            rate_control: None,
            preset: "veryfast".to_owned(),
            fields: FieldRequest::Usual,
            orientation: None,
            captions: true,
            keyframes: None,
            colour: ColourLabels::default(),
            profile: H264Profile::High,
            level_max: None,
            over_level: false,
            timestamp_offset: None,
            keep_start: false,
            frame_grid: false,
            audio: Some(AudioRequest::default()),
        }
    }
}

/// What becomes of frames that are two fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldRequest {
    /// Sources that are interlaced are deinterlaced.
    Usual,
    /// They stay as they are.
    Kept,
    /// Frames are made of them like this, whatever the source says of itself.
    Made(Deinterlace),
}

impl FieldRequest {
    fn of(self, order: FieldOrder) -> Option<Deinterlace> {
        match self {
            FieldRequest::Usual => (order != FieldOrder::Progressive).then_some(Deinterlace::USUAL),
            FieldRequest::Kept => None,
            FieldRequest::Made(made) => Some(made),
        }
    }
}

/// Labels of colour, in libav's names (`bt709`); `None` for the source's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ColourLabels {
    /// Colour primaries, of [`PRIMARIES`].
    pub primaries: Option<String>,
    /// Transfer characteristics, of [`TRANSFERS`].
    pub transfer: Option<String>,
    /// Matrix coefficients, of [`MATRICES`] except `gbr`.
    pub matrix: Option<String>,
}

impl ColourLabels {
    fn over(&self, source: &Colour) -> Result<Colour, RequestError> {
        let label = |field, asked: &Option<String>, own: &str, table: &[(&str, u8)]| match asked {
            None => Ok(own.to_owned()),
            Some(name) if table.iter().any(|(known, _)| known == name) => Ok(name.clone()),
            Some(name) => Err(RequestError::Colour { field, name: name.clone() }),
        };
        // Numbers of red, green and blue are none that 4:2:0 could have.
        let matrices: Vec<_> = MATRICES.into_iter().filter(|(name, _)| *name != "gbr").collect();
        Ok(Colour {
            // Scaling to 8-bit 4:2:0 makes every range the limited one.
            full_range: false,
            primaries: label("primaries", &self.primaries, &source.primaries, &PRIMARIES)?,
            transfer: label("transfer", &self.transfer, &source.transfer, &TRANSFERS)?,
            matrix: label("matrix", &self.matrix, &source.matrix, &matrices)?,
        })
    }
}

impl JobRequest {
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
        self.preset.parse::<Effort>()?;
        if self.crf > CRF_MAX {
            return Err(RequestError::Crf(self.crf));
        }
        self.rate_control.map_or(Ok(()), check_rate)?;
        if let Some(keyframes) = self.keyframes {
            self.check_keyframes(keyframes)?;
        }
        let audio = self.audio.as_ref().map(|audio| audio.resolve(self.packaging, facts));
        let audio = audio.transpose()?.flatten();
        let renditions = match &facts.video {
            _ if self.without_picture && !self.renditions.is_empty() => {
                return Err(RequestError::WithoutPicture);
            }
            Some(_) if self.without_picture => Vec::new(),
            None if !self.renditions.is_empty() => return Err(RequestError::NoVideo),
            None => Vec::new(),
            Some(video) => self.ladder(video)?,
        };
        let renditions = match (self.packaging, audio) {
            (_, None) => renditions,
            (packaging, Some(audio))
                if !renditions.is_empty() && (packaging == Packaging::MpegTs || self.together) =>
            {
                let heard = |rendition| Rendition { audio: Some(audio.clone()), ..rendition };
                renditions.into_iter().map(heard).collect()
            }
            (_, Some(audio)) => {
                let alone = Rendition { name: "audio".into(), video: None, audio: Some(audio) };
                renditions.into_iter().chain([alone]).collect()
            }
        };
        if renditions.is_empty() {
            return Err(RequestError::Nothing);
        }
        let mut recipe = Recipe {
            boundaries: self.boundaries,
            packaging: self.packaging,
            timestamp_offset: self.offset(facts)?,
            picture_shift: None,
            exact: self.exact,
            renditions,
        };
        recipe.picture_shift = self.picture_shift(&recipe, facts)?;
        Ok(recipe)
    }

    /// How far it is to the multiple of a frame's length that is nearest to the first picture, the later
    /// one of two.
    fn picture_shift(
        &self,
        recipe: &Recipe,
        facts: &SourceFacts,
    ) -> Result<Option<Time>, RequestError> {
        let mut renditions = recipe.renditions.iter();
        let has_picture = renditions.any(|rendition| rendition.video.is_some());
        let video = facts.video.as_ref().filter(|_| self.frame_grid && has_picture);
        let Some(video) = video else { return Ok(None) };
        // The source's keyframes are where they are.
        if !self.counts_seconds() {
            return Err(RequestError::FrameGridAtKeyframes);
        }
        let FrameRate::Constant(_) = video.frame_rate else { return Ok(None) };
        // The first segment has no picture before it.
        if video.clock.start * video.frame_rate.nominal() > FRAMES_LATE_MAX {
            return Err(RequestError::FrameGridLate(video.clock.start));
        }
        // A container's jitter is in the first timestamp alone: the others have slots that follow.
        let rate = recipe.frame_rate(video);
        let start = video.clock.start + if self.keep_start { facts.start } else { Time::ZERO };
        Ok(Some(Time::from_secs((start * rate).round()) / rate - start))
    }

    /// Whether boundaries come every so many seconds.
    fn counts_seconds(&self) -> bool {
        matches!(self.boundaries, BoundaryRule::Grid { .. } | BoundaryRule::Multiples { .. })
    }

    fn check_keyframes(&self, keyframes: Time) -> Result<(), RequestError> {
        let segment = self.boundaries.segment();
        let counts = self.counts_seconds();
        // More would leave an encoder nothing to refer to.
        let sane = keyframes >= Time::new(1, 10) && keyframes <= segment;
        let whole = sane && (segment / keyframes).den() == 1;
        let fault = RequestError::Keyframes { keyframes, segment };
        if whole && counts { Ok(()) } else { Err(fault) }
    }

    fn offset(&self, facts: &SourceFacts) -> Result<Time, RequestError> {
        let start = if self.keep_start { facts.start } else { Time::ZERO };
        let asked = self.timestamp_offset.unwrap_or(USUAL_OFFSET);
        if !(Time::ZERO..=OFFSET_MAX).contains(&asked) {
            return Err(RequestError::Offset(asked));
        }
        let offset = asked + start;
        let slots = Time::from_secs(JobRequest::REORDER_DEPTH.into());
        let decoded = facts.video.as_ref().map_or(Time::ZERO, |video| slots / video.clock.rate);
        // Without a wish it stays what it always was, also for a film of a picture in ten seconds.
        let least = match self.packaging {
            Packaging::MpegTs if self.timestamp_offset.is_some() || self.keep_start => {
                CLOCK_LEAD + decoded
            }
            Packaging::MpegTs | Packaging::Fmp4 => Time::ZERO,
        };
        if offset < least { Err(RequestError::Early { offset, least }) } else { Ok(offset) }
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
                name = match settings.rate_control.cap() {
                    Some(cap) => format!("{rows}p-{}k", cap.bitrate_max / 1000),
                    None => format!("{}x{}", settings.width, settings.height),
                };
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
        let source = match self.orientation {
            Some(orientation) => VideoFacts { orientation, ..facts.clone() }.display_size(),
            None => facts.display_size(),
        };
        let (width, height) = fit(source, request.sizing);
        if !SIDES.contains(&width) || !SIDES.contains(&height) {
            return Err(RequestError::Size(request.to_string()));
        }
        let grown = width > source.0.max(16) + 1 || height > source.1.max(16) + 1;
        let (exact, sample_aspect) = match request.sizing {
            Sizing::Exactly { sample_aspect, .. } => (true, sample_aspect),
            _ => (false, Time::from_secs(1)),
        };
        if grown && !exact && !self.upscale {
            let (source_width, source_height) = source;
            return Err(RequestError::Larger { width, height, source_width, source_height });
        }
        let suitable = suitable_bitrate(width, height);
        let bitrate_max = request.bitrate.unwrap_or(suitable);
        let rate_control = match self.rate_control {
            Some(_) if request.bitrate.is_some() => {
                return Err(RequestError::TwoRates(request.to_string()));
            }
            Some(rate_control) => rate_control,
            None => {
                // A second of it, which fills a buffer as fast as players can be told.
                let buffer_bits = bitrate_max;
                if self.constant_bitrate {
                    RateControl::CappedBitrate { bitrate: bitrate_max, bitrate_max, buffer_bits }
                } else {
                    RateControl::CappedQuality { crf: self.crf, bitrate_max, buffer_bits }
                }
            }
        };
        let bitrate_max = rate_control.cap().map_or(suitable, |cap| cap.bitrate_max);
        let reference_frames = JobRequest::REFERENCE_FRAMES;
        let profile = self.profile;
        let bits = profile.as_of_high(bitrate_max);
        let deinterlace = self.fields.of(facts.field_order);
        let doubled = deinterlace.is_some_and(|made| made.doubles(facts));
        let most = if doubled { facts.frame_rate_max * 2 } else { facts.frame_rate_max };
        let level = h264_level((width, height), most, reference_frames, bits);
        let level = match self.level_max.filter(|most| level > *most) {
            None => level,
            Some(level_max)
                if self.over_level
                    && h264_level((width, height), Time::ZERO, reference_frames, 0)
                        <= level_max =>
            {
                level_max
            }
            Some(level_max) => {
                let rendition = request.to_string();
                return Err(RequestError::Level { rendition, level, level_max });
            }
        };
        Ok(VideoSettings {
            width,
            height,
            sample_aspect,
            orientation: self.orientation.unwrap_or(facts.orientation),
            deinterlace,
            captions: self.captions,
            keyframes: self.keyframes.filter(|keyframes| *keyframes != self.boundaries.segment()),
            rate_control,
            preset: self.preset.parse::<Effort>()?.to_string(),
            contract: H264Contract {
                profile,
                level,
                reference_frames,
                reorder_depth: match profile {
                    H264Profile::Baseline => 0,
                    H264Profile::Main | H264Profile::High => JobRequest::REORDER_DEPTH,
                },
                colour: self.colour.over(&facts.colour)?,
            },
        })
    }
}

/// What is added to timestamps if nothing is said.
const USUAL_OFFSET: Time = Time::from_secs(10);
/// How many frames late a picture may begin where segments count from it.
const FRAMES_LATE_MAX: Time = Time::from_secs(2);
/// More helps nobody, and a transport stream's clock begins anew after 26 hours.
const OFFSET_MAX: Time = Time::from_secs(3600);
/// Room for a transport stream's clock, which runs 0.7 s ahead of decoding.
const CLOCK_LEAD: Time = Time::from_secs(1);

/// x264's largest rate factor for 8 bits.
const CRF_MAX: u8 = 51;
/// Bits per second, or in a buffer: x264 counts in thousands, and in 31 bits.
const BITS: RangeInclusive<u64> = 1_000..=2_000_000_000;

/// Whether an encoder takes it.
fn check_rate(rate: RateControl) -> Result<(), RequestError> {
    let (RateControl::CappedQuality { crf, .. } | RateControl::Quality { crf }) = rate else {
        return check_bits(rate);
    };
    if crf > CRF_MAX { Err(RequestError::Crf(crf)) } else { check_bits(rate) }
}

fn check_bits(rate: RateControl) -> Result<(), RequestError> {
    let within = |field: &'static str, bits: u64| match BITS.contains(&bits) {
        true => Ok(()),
        false => Err(RequestError::Bits { field, bits }),
    };
    if let Some(BitrateCap { bitrate_max, buffer_bits }) = rate.cap() {
        within("bitrate_max", bitrate_max)?;
        within("buffer_bits", buffer_bits)?;
    }
    let RateControl::CappedBitrate { bitrate, bitrate_max, .. } = rate else { return Ok(()) };
    within("bitrate", bitrate)?;
    // x264 would aim at the cap, and only warn.
    if bitrate > bitrate_max {
        return Err(RequestError::AboveCap { bitrate, bitrate_max });
    }
    Ok(())
}
