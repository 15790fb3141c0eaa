//! What a line means for the picture, and what of it the engine can be asked for.

use segue_model::{
    ColourLabels, Deinterlace, Effort, FieldRequest, FrameRate as SourceRate, H264Profile,
    Orientation, Packaging, RateControl as EngineRate, RenditionRequest, Sizing, SourceFacts,
    StreamKind, Time, VideoFacts,
};

use super::Conversion;
use crate::job::obstacle::Obstacle;
use crate::job::picture::{Picture, Step, Turn, size_after};
use crate::job::{Cap, Colour, FrameRate, Pick, Profile, RateControl, Rotation, Scale, Video};

impl Conversion<'_> {
    pub(super) fn video(&mut self, video: &Video) {
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
        if preset.parse::<Effort>().is_err() {
            self.hinder(Obstacle::Preset(preset.to_owned()));
        }
        self.request.preset = preset.to_owned();
        self.request.profile = match profile {
            Some(Profile::Baseline) => H264Profile::Baseline,
            Some(Profile::Main) => H264Profile::Main,
            Some(Profile::High) | None => H264Profile::High,
        };
        self.request.level_max = *level;
        // Encoders write what they are told into their header, and at most warn.
        self.request.over_level = level.is_some();
        if let Some(Colour { primaries, transfer, matrix }) = colour.clone() {
            self.request.colour = ColourLabels { primaries, transfer, matrix };
        }
        self.request.captions = *captions;
        let Some(facts) = self.facts else { return };
        let Some(source) = &facts.video else {
            self.hinder(Obstacle::Proviso("the source has a picture".to_owned()));
            return;
        };
        if !is_picked(stream, source.stream, facts) {
            self.hinder(Obstacle::PictureChoice(match stream {
                Pick::Stream(_) => "another than the best".to_owned(),
                Pick::Nth(nth) => format!("number {nth}, which is another than the best"),
                Pick::Best => "the best of several".to_owned(),
            }));
        }
        self.orientation(*rotation, steps, source);
        if source.colour.full_range {
            self.hinder(Obstacle::FullRange);
        }
        // What is made of red, green and blue would have other numbers under another matrix.
        let converted = source.pixel_format.contains("rgb") || source.pixel_format.contains("gbr");
        if converted && self.request.colour.matrix.is_some() {
            self.hinder(Obstacle::Colour);
        }
        if !is_its_own_rate(*frame_rate, source, self.doubles(facts)) {
            self.hinder(Obstacle::FrameRate);
        }
        // Counted from a later one, segments would begin too far from where the caller's playlist says.
        if source.start * source.frame_rate.nominal() > Time::new(3, 2) {
            self.hinder(Obstacle::LatePicture(source.start.to_string()));
        }
        match size_after(steps, seen(source, *rotation)) {
            Ok(Picture { width, height, pixel }) => {
                let sizing = Sizing::Exactly { width, height, sample_aspect: pixel };
                self.request.renditions = vec![RenditionRequest { sizing, bitrate: None }];
            }
            Err(error) => self.hinder(Obstacle::Size(error.to_string())),
        }
    }

    /// Whether a frame is made of each field.
    pub(super) fn doubles(&self, facts: &SourceFacts) -> bool {
        match (self.request.fields, &facts.video) {
            (FieldRequest::Made(made), Some(video)) => made.doubles(video),
            _ => false,
        }
    }

    /// What the engine does is: make frames of fields, then turn them, then scale once.
    fn steps(&mut self, steps: &[Step]) {
        let (mut turned, mut scaled) = (false, false);
        self.request.fields = FieldRequest::Kept;
        for step in steps {
            match step {
                Step::Deinterlace { .. } if scaled => {
                    self.hinder(Obstacle::Step("deinterlaced after it was scaled"));
                }
                Step::Deinterlace { .. } if turned => {
                    self.hinder(Obstacle::Step("deinterlaced after it was turned"));
                }
                Step::Deinterlace { .. } if self.request.fields != FieldRequest::Kept => {
                    self.hinder(Obstacle::Step("deinterlaced twice"));
                }
                Step::Deinterlace { method, every_field, marked_only } => {
                    let (method, every_field) = (*method, *every_field);
                    let marked_only = *marked_only;
                    let made = Deinterlace { method, every_field, marked_only };
                    self.request.fields = FieldRequest::Made(made);
                }
                Step::Scale(_) if scaled => self.hinder(Obstacle::Step("scaled twice")),
                Step::Scale(_) => scaled = true,
                Step::Turn(_) if scaled => {
                    self.hinder(Obstacle::Step("turned or mirrored after it was scaled"));
                }
                Step::Turn(_) => turned = true,
                Step::Crop(_) => self.hinder(Obstacle::Step("cropped")),
                // Only labels, which the exact size carries.
                Step::PixelShape(_) | Step::PictureShape(_) => {}
                Step::FrameRate(rate) => {
                    let own = self.facts.and_then(|facts| facts.video.as_ref());
                    let doubled = self.facts.is_some_and(|facts| self.doubles(facts));
                    let asked = FrameRate::Fixed(*rate);
                    if own.is_some_and(|own| !is_its_own_rate(asked, own, doubled)) {
                        self.hinder(Obstacle::FrameRate);
                    }
                }
            }
        }
    }

    fn orientation(&mut self, rotation: Rotation, steps: &[Step], source: &VideoFacts) {
        let own = source.orientation;
        let stored = rotation != Rotation::Upright;
        // ffmpeg would write into the header that players are to turn it.
        let told = rotation == Rotation::Told && self.request.packaging == Packaging::Fmp4;
        if stored && told && own != Orientation::default() {
            self.hinder(Obstacle::Turned);
        }
        let start = if stored { Orientation::default() } else { own };
        let turned = steps.iter().fold(start, |orientation, step| match step {
            Step::Turn(turn) => after(orientation, *turn),
            _ => orientation,
        });
        self.request.orientation = (turned != own).then_some(turned);
    }
}

/// How a picture stands that is turned once more. It is mirrored first, and then turned.
fn after(Orientation { quarter_turns, mirrored }: Orientation, turn: Turn) -> Orientation {
    let by = |turns: u8| Orientation { quarter_turns: (quarter_turns + turns) % 4, mirrored };
    // To mirror what was turned is to turn what was mirrored the other way.
    let back = (4 - quarter_turns % 4) % 4;
    match turn {
        Turn::Clockwise => by(1),
        Turn::Half => by(2),
        Turn::Counterclockwise => by(3),
        Turn::MirrorHorizontally => Orientation { quarter_turns: back, mirrored: !mirrored },
        Turn::MirrorVertically => {
            Orientation { quarter_turns: (back + 2) % 4, mirrored: !mirrored }
        }
    }
}

/// Whether the engine's picture, which is the one that was looked at, is the one that is meant.
fn is_picked(pick: &Pick, own: u32, facts: &SourceFacts) -> bool {
    // ffmpeg counts a cover as a picture, and takes it last.
    let kinds = facts.streams.iter().zip(0..);
    let pictures: Vec<(StreamKind, u32)> = kinds
        .filter(|(kind, _)| matches!(kind, StreamKind::Video | StreamKind::Cover))
        .map(|(kind, stream)| (*kind, stream))
        .collect();
    match pick {
        Pick::Stream(stream) => *stream == own,
        Pick::Nth(nth) => pictures.get(*nth as usize).is_some_and(|(_, stream)| *stream == own),
        Pick::Best => {
            let moving = pictures.iter().filter(|(kind, _)| *kind == StreamKind::Video);
            moving.map(|(_, stream)| *stream).eq([own])
        }
    }
}

/// Whether no frame is repeated or left out.
fn is_its_own_rate(asked: FrameRate, source: &VideoFacts, doubled: bool) -> bool {
    let SourceRate::Constant(own) = source.frame_rate else { return false };
    let own = own * if doubled { 2 } else { 1 };
    match asked {
        FrameRate::Constant | FrameRate::Variable => true,
        // Media servers round (`-r 23.976`): half a frame by the film's end is nothing to repeat.
        FrameRate::Fixed(asked) => (asked - own).abs() * (source.end - source.start) < Time::HALF,
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

/// A frame as filters see it, which come after turning, if the source is turned at all.
fn seen(source: &VideoFacts, rotation: Rotation) -> Picture {
    let known = source.sample_aspect.is_positive();
    let pixel = if known { source.sample_aspect } else { Time::from_secs(1) };
    let (width, height) = (source.width, source.height);
    if rotation == Rotation::Upright && source.orientation.quarter_turns % 2 == 1 {
        let pixel = pixel.recip().unwrap_or(Time::from_secs(1));
        return Picture { width: height, height: width, pixel };
    }
    Picture { width, height, pixel }
}
