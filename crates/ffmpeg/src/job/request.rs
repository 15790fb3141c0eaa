//! From what a line means to what the engine is asked for: all of it, or the reasons why not.
//!
//! [`decide`](crate::decide) calls a line a job when it is understood; whether the engine can be
//! asked for every part of it is a second question, and depends on the source, whose size decides
//! sizes and whose tracks decide what is chosen. [`request`] answers it for a source that was
//! described; [`obstacles`] says what stands in the way whatever the source is like, which
//! explanations show as "not yet asked of the engine". A line with an obstacle must run as a
//! command: nothing is dropped or rounded here.
//!
//! Three things look alike and are not the same to the bit. Where a source of constant rate has a
//! hole, ffmpeg repeats the last picture and the engine shows it longer. At a film's very start
//! ffmpeg's transport streams are later by its B-frames and AAC's priming, which they are not after a
//! seek; the engine's never are. And the packet that primes a decoder of AAC comes before the film, and
//! is left out.
//!
//! The preset is a hint and is taken over; where the line says none it is x264's own, `medium`. A source
//! that does not say what shape its pixels have is taken to have square ones, and what is made
//! says so.

use segue_model::{
    AudioFacts, AudioRequest, BoundaryRule, ChannelRequest, ColourLabels, FieldOrder,
    FrameRate as SourceRate, Gain, H264Profile, JobRequest, Orientation, Packaging,
    RateControl as EngineRate, RenditionRequest, Sizing, SourceFacts, Time, VideoFacts,
};

use super::obstacle::Obstacle;
use super::picture::{Picture, Step, size_after};
use super::{
    Cap, Colour, Content, FrameRate, Job, Pick, Profile, Proviso, RateControl, Rotation, Scale,
    Sound, SoundRate, SoundStep, Video,
};

/// What keeps `job` from being asked of the engine, whatever its source is like.
pub fn obstacles(job: &Job) -> Vec<Obstacle> {
    Conversion::of(job, None).obstacles
}

/// What `job` asks of the engine, for a source that is as `facts` say; or everything that is in the
/// way.
pub fn request(job: &Job, facts: &SourceFacts) -> Result<JobRequest, Vec<Obstacle>> {
    let Conversion { request, mut obstacles, .. } = Conversion::of(job, Some(facts));
    if obstacles.is_empty() {
        match request.resolve(facts) {
            Ok(_) => return Ok(request),
            Err(error) => obstacles.push(Obstacle::Refused(error.to_string())),
        }
    }
    Err(obstacles)
}

struct Conversion<'a> {
    facts: Option<&'a SourceFacts>,
    request: JobRequest,
    obstacles: Vec<Obstacle>,
}

impl<'a> Conversion<'a> {
    fn of(job: &Job, facts: Option<&'a SourceFacts>) -> Conversion<'a> {
        // Where the line appears and from where on it is wanted is not the engine's business.
        let Job { source: _, content, demand: _, projection: _, provisos } = job;
        let Content { boundaries, packaging, timestamps, video, audio } = content;
        let mut made = Conversion { facts, request: JobRequest::default(), obstacles: Vec::new() };
        if boundaries.keyframes != boundaries.segment {
            made.hinder(Obstacle::KeyframesWithin(boundaries.keyframes.to_string()));
        }
        made.request.boundaries = BoundaryRule::Multiples { segment: boundaries.segment };
        made.request.packaging = *packaging;
        made.request.together = *packaging == Packaging::Fmp4;
        made.request.timestamp_offset = Some(timestamps.offset);
        made.request.keep_start = !timestamps.from_zero;
        match video {
            Some(video) => made.video(video),
            None if facts.is_some_and(|facts| facts.video.is_some()) => {
                made.hinder(Obstacle::WithoutPicture);
            }
            None => {}
        }
        made.request.audio = audio.as_ref().and_then(|sound| made.sound(sound));
        for proviso in provisos {
            if facts.is_some_and(|facts| !holds(proviso, facts, boundaries.segment)) {
                made.hinder(Obstacle::Proviso(proviso.to_string()));
            }
        }
        made
    }

    fn hinder(&mut self, obstacle: Obstacle) {
        if !self.obstacles.contains(&obstacle) {
            self.obstacles.push(obstacle);
        }
    }

    fn video(&mut self, video: &Video) {
        let Video {
            stream,
            steps,
            rotation,
            colour,
            frame_rate,
            rate_control,
            preset,
            profile,
            level,
            captions,
        } = video;
        self.steps(steps);
        match rate(rate_control) {
            Ok(rate) => self.request.rate_control = Some(rate),
            Err(obstacle) => self.hinder(obstacle),
        }
        let preset = preset.as_deref().unwrap_or("medium");
        if !JobRequest::PRESETS.contains(&preset) {
            self.hinder(Obstacle::Preset(preset.to_owned()));
        }
        self.request.preset = preset.to_owned();
        self.request.profile = match profile {
            Some(Profile::Baseline) => H264Profile::Baseline,
            Some(Profile::Main) => H264Profile::Main,
            Some(Profile::High) | None => H264Profile::High,
        };
        self.request.level_max = *level;
        if let Some(Colour { primaries, transfer, matrix }) = colour.clone() {
            self.request.colour = ColourLabels { primaries, transfer, matrix };
        }
        if !captions {
            self.hinder(Obstacle::WithoutCaptions);
        }
        match stream {
            Pick::Stream(_) => {}
            Pick::Nth(nth) => self.hinder(Obstacle::PictureChoice(format!("number {nth}"))),
            Pick::Best => self.hinder(Obstacle::PictureChoice("the largest".to_owned())),
        }
        let Some(facts) = self.facts else { return };
        let Some(source) = &facts.video else {
            self.hinder(Obstacle::Proviso("the source has a picture".to_owned()));
            return;
        };
        if *stream != Pick::Stream(source.stream) {
            self.hinder(Obstacle::PictureChoice("another than the best".to_owned()));
        }
        if *rotation == Rotation::Ignored && source.orientation != Orientation::default() {
            self.hinder(Obstacle::Turned);
        }
        if source.colour.full_range {
            self.hinder(Obstacle::FullRange);
        }
        // What is made of red, green and blue would have other numbers under another matrix.
        let converted = source.pixel_format.contains("rgb") || source.pixel_format.contains("gbr");
        if converted && self.request.colour.matrix.is_some() {
            self.hinder(Obstacle::Colour);
        }
        let as_it_is = match (frame_rate, source.frame_rate) {
            (FrameRate::Constant | FrameRate::Variable, SourceRate::Constant(_)) => true,
            (FrameRate::Fixed(asked), SourceRate::Constant(own)) => *asked == own,
            (_, SourceRate::Variable(_)) => false,
        };
        if !as_it_is {
            self.hinder(Obstacle::FrameRate);
        }
        if source.start * source.frame_rate.nominal() > Time::HALF {
            self.hinder(Obstacle::LatePicture(source.start.to_string()));
        }
        let deinterlaced = steps.iter().any(|step| matches!(step, Step::Deinterlace { .. }));
        if source.field_order != FieldOrder::Progressive && !deinterlaced {
            self.hinder(Obstacle::FieldsKept);
        }
        match size_after(steps, upright(source)) {
            Ok(Picture { width, height, pixel }) => {
                let sizing = Sizing::Exactly { width, height, sample_aspect: pixel };
                self.request.renditions = vec![RenditionRequest { sizing, bitrate: None }];
            }
            Err(error) => self.hinder(Obstacle::Size(error.to_string())),
        }
    }

    /// What the engine does is: make frames of marked fields, then scale once.
    fn steps(&mut self, steps: &[Step]) {
        let mut scaled = false;
        for step in steps {
            match step {
                Step::Deinterlace { every_field: true, .. } => {
                    self.hinder(Obstacle::Step("deinterlaced into a frame of each field"));
                }
                Step::Deinterlace { marked_only: false, .. } => {
                    self.hinder(Obstacle::Step("deinterlaced also where it is not marked"));
                }
                Step::Deinterlace { .. } if scaled => {
                    self.hinder(Obstacle::Step("deinterlaced after it was scaled"));
                }
                Step::Deinterlace { every_field: false, marked_only: true } => {}
                Step::Scale(_) if scaled => self.hinder(Obstacle::Step("scaled twice")),
                Step::Scale(_) => scaled = true,
                Step::Turn(_) => self.hinder(Obstacle::Step("turned or mirrored")),
                Step::Crop(_) => self.hinder(Obstacle::Step("cropped")),
                // Only labels, which the exact size carries.
                Step::PixelShape(_) | Step::PictureShape(_) => {}
                Step::FrameRate(_) => self.hinder(Obstacle::FrameRate),
            }
        }
    }

    fn sound(&mut self, sound: &Sound) -> Option<AudioRequest> {
        let Sound { stream, channels, rate, sample_rate, steps } = sound;
        let gain = self.gain(steps);
        let track = self.track(stream);
        let asked = channels.map(std::num::NonZeroU32::get);
        let channels = asked.or(track.map(|track| track.channels));
        if let Some(channels) = channels.filter(|channels| !matches!(channels, 1 | 2 | 6)) {
            self.hinder(Obstacle::Channels(channels));
        }
        let asked = sample_rate.map(std::num::NonZeroU32::get);
        let sample_rate = asked.or(track.map(|track| track.sample_rate));
        let known = segue_model::AudioCodec::Aac.sample_rates();
        if let Some(rate) = sample_rate.filter(|rate| !known.contains(rate)) {
            self.hinder(Obstacle::SampleRate(rate));
        }
        let bitrate = self.sound_bitrate(rate, channels);
        let (track, channels) = (track?, channels?);
        Some(AudioRequest {
            stream: Some(track.stream),
            bitrate,
            channels: ChannelRequest::Exactly(channels),
            sample_rate,
            gain,
        })
    }

    /// The track that is meant; `None` also where it follows from a source that nobody looked at.
    fn track(&mut self, stream: &Pick) -> Option<&'a AudioFacts> {
        let tracks = &self.facts?.audio;
        let track = match stream {
            Pick::Stream(stream) => tracks.iter().find(|track| track.stream == *stream),
            Pick::Nth(nth) => tracks.get(usize::try_from(*nth).ok()?),
            // ffmpeg and the engine would choose by different rules.
            Pick::Best if tracks.len() == 1 => tracks.first(),
            Pick::Best => None,
        };
        if track.is_none() {
            self.hinder(Obstacle::SoundChoice(match stream {
                Pick::Stream(stream) => format!("stream {stream}, which is no sound"),
                Pick::Nth(nth) => format!("number {nth} of {}", tracks.len()),
                Pick::Best => format!("the best of {}", tracks.len()),
            }));
        }
        track
    }

    fn sound_bitrate(&mut self, rate: &SoundRate, channels: Option<u32>) -> Option<u32> {
        match rate {
            SoundRate::Bitrate(bits) => {
                let bitrate = u32::try_from(*bits).ok();
                if bitrate.is_none() {
                    self.hinder(Obstacle::SoundBitrate(*bits));
                }
                bitrate
            }
            // libavcodec's aacenc.c: 69,000 for a channel alone, 128,000 for a pair, 16,000 for the
            // low frequencies.
            SoundRate::EncodersDefault(encoder) if encoder == "aac" => match channels? {
                1 => Some(69_000),
                2 => Some(128_000),
                _ => Some(69_000 + 2 * 128_000 + 16_000),
            },
            SoundRate::EncodersDefault(encoder) => {
                self.hinder(Obstacle::EncodersOwn(encoder.clone()));
                None
            }
            SoundRate::FdkVariable(mode) => {
                self.hinder(Obstacle::EncodersOwn(format!("libfdk_aac's variable mode {mode}")));
                None
            }
        }
    }

    fn gain(&mut self, steps: &[SoundStep]) -> Gain {
        let mut gain = Gain::NONE;
        for step in steps {
            match step {
                SoundStep::Volume(text) => {
                    let read = match text.strip_suffix("dB") {
                        Some(decibels) => decibels.parse().ok().map(Gain::Decibels),
                        None => text.parse().ok().map(Gain::Factor),
                    };
                    match read.filter(|_| gain == Gain::NONE) {
                        Some(read) => gain = read,
                        None => self.hinder(Obstacle::Volume(text.clone())),
                    }
                }
                SoundStep::Mix(matrix) => self.hinder(Obstacle::Mix(matrix.clone())),
            }
        }
        gain
    }
}

fn rate(rate: &RateControl) -> Result<EngineRate, Obstacle> {
    // x264 knows no cap without a buffer, and only warns of it.
    let full = |cap: &Option<Cap>| {
        let Cap { bitrate_max, buffer_bits } = (*cap)?;
        Some((bitrate_max, buffer_bits?))
    };
    match rate {
        RateControl::Quality { scale: Scale::Crf, value: crf, cap } => Ok(match full(cap) {
            Some((bitrate_max, buffer_bits)) => {
                EngineRate::CappedQuality { crf: *crf, bitrate_max, buffer_bits }
            }
            None => EngineRate::Quality { crf: *crf },
        }),
        RateControl::Quality { scale, .. } => Err(Obstacle::Scale(match scale {
            Scale::Crf => "crf",
            Scale::GlobalQuality => "global quality",
            Scale::Cq => "constant quality",
            Scale::Qp => "a fixed quantiser",
        })),
        RateControl::Bitrate { bitrate, cap } => match full(cap) {
            Some((bitrate_max, buffer_bits)) => {
                Ok(EngineRate::CappedBitrate { bitrate: *bitrate, bitrate_max, buffer_bits })
            }
            None => Err(Obstacle::NoCap),
        },
    }
}

/// A frame as filters see it, which come after turning.
fn upright(source: &VideoFacts) -> Picture {
    let known = source.sample_aspect.is_positive();
    let pixel = if known { source.sample_aspect } else { Time::from_secs(1) };
    let (width, height) = (source.width, source.height);
    if source.orientation.quarter_turns % 2 == 1 {
        let pixel = pixel.recip().unwrap_or(Time::from_secs(1));
        return Picture { width: height, height: width, pixel };
    }
    Picture { width, height, pixel }
}

/// Whether what a line takes for granted holds; what the facts do not say does not.
fn holds(proviso: &Proviso, facts: &SourceFacts, segment: Time) -> bool {
    let video = facts.video.as_ref();
    match proviso {
        Proviso::IsVideo(stream) => video.is_some_and(|video| video.stream == *stream),
        Proviso::IsAudio(stream) => facts.audio.iter().any(|track| track.stream == *stream),
        Proviso::GopIsSegment { frames } => video.is_some_and(|video| {
            let length = (segment * video.frame_rate.nominal()).ceil();
            length == i64::from(*frames)
        }),
        Proviso::PlainPixels => video.is_some_and(|video| {
            matches!(video.pixel_format.as_str(), "yuv420p" | "nv12" | "nv21")
        }),
        Proviso::EndsAt(end) => {
            let apart = facts.duration - *end;
            apart <= Time::from_secs(1) && apart >= Time::from_secs(-1)
        }
        // Facts know of pictures and sound alone.
        Proviso::NoSubtitles => false,
        Proviso::IsFormat(format) => {
            let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
            let own = names(&facts.container);
            names(format).iter().any(|name| own.contains(name))
        }
    }
}
