//! The bytes a job's identity is hashed from.
//!
//! Equal values give equal bytes and different values different ones: every field is written in
//! declaration order, numbers as eight little-endian bytes, texts behind their length, choices
//! behind their number. All types are taken apart without `..`, so a new field does not compile
//! until it is written here; any change of the bytes must raise [`VERSION`].

use crate::{
    AudioCodec, AudioSettings, BoundaryRule, Colour, CopiedCodec, Deinterlace, DeinterlaceMethod,
    Fingerprint, Gain, H264Contract, H264Profile, Mix, Orientation, Packaging, RateControl, Recipe,
    Rendition, Revision, Source, Time, VideoSettings,
};

/// Which encoding this is, and which layout of segments: part of the bytes. Segments of one job join
/// whoever made them, so whatever keeps new ones from joining old ones raises it, too.
pub const VERSION: u64 = 6;

/// The canonical bytes of `recipe` applied to `source`.
pub fn encode(source: &Source, recipe: &Recipe) -> Vec<u8> {
    let mut out = Encoder(b"segue job".to_vec());
    out.number(VERSION);
    out.source(source);
    out.recipe(recipe);
    out.0
}

struct Encoder(Vec<u8>);

impl Encoder {
    fn number(&mut self, value: u64) {
        self.0.extend(value.to_le_bytes());
    }

    fn signed(&mut self, value: i64) {
        self.0.extend(value.to_le_bytes());
    }

    fn text(&mut self, value: &str) {
        self.number(value.len() as u64);
        self.0.extend(value.as_bytes());
    }

    fn time(&mut self, value: Time) {
        self.signed(value.num());
        self.signed(value.den());
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.number(u64::from(value.is_some()));
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn source(&mut self, Source { url, fingerprint }: &Source) {
        let Fingerprint { size, revision, head_tail } = fingerprint;
        self.text(url);
        self.number(*size);
        match revision {
            Revision::Mtime(nanos) => {
                self.number(0);
                self.signed(*nanos);
            }
            Revision::Etag(tag) => {
                self.number(1);
                self.text(tag);
            }
            Revision::Version(version) => {
                self.number(2);
                self.text(version);
            }
        }
        self.0.extend(head_tail.0);
    }

    fn recipe(&mut self, recipe: &Recipe) {
        let Recipe { boundaries, packaging, timestamp_offset, picture_shift, exact, renditions } =
            recipe;
        let (rule, segment) = match boundaries {
            BoundaryRule::Grid { segment } => (0, segment),
            BoundaryRule::KeyframesGreedy { segment } => (1, segment),
            BoundaryRule::KeyframesCumulative { segment } => (2, segment),
            BoundaryRule::Multiples { segment } => (3, segment),
        };
        self.number(rule);
        self.time(*segment);
        self.number(match packaging {
            Packaging::MpegTs => 0,
            Packaging::Fmp4 => 1,
        });
        self.time(*timestamp_offset);
        self.option(picture_shift.as_ref(), |out, shift| out.time(*shift));
        self.number(u64::from(*exact));
        self.number(renditions.len() as u64);
        for Rendition { name, video, audio } in renditions {
            self.text(name);
            self.option(video.as_ref(), Self::video);
            self.option(audio.as_ref(), Self::audio);
        }
    }

    fn video(&mut self, video: &VideoSettings) {
        let VideoSettings {
            width,
            height,
            sample_aspect,
            orientation,
            deinterlace,
            captions,
            keyframes,
            rate_control,
            preset,
            contract,
        } = video;
        self.number(u64::from(*width));
        self.number(u64::from(*height));
        self.time(*sample_aspect);
        let Orientation { quarter_turns, mirrored } = orientation;
        self.number(u64::from(*quarter_turns));
        self.number(u64::from(*mirrored));
        self.option(deinterlace.as_ref(), Self::deinterlace);
        self.number(u64::from(*captions));
        self.option(keyframes.as_ref(), |out, time| out.time(*time));
        match rate_control {
            RateControl::CappedQuality { crf, bitrate_max, buffer_bits } => {
                self.number(0);
                self.number(u64::from(*crf));
                self.number(*bitrate_max);
                self.number(*buffer_bits);
            }
            RateControl::CappedBitrate { bitrate, bitrate_max, buffer_bits } => {
                self.number(1);
                self.number(*bitrate);
                self.number(*bitrate_max);
                self.number(*buffer_bits);
            }
            RateControl::Quality { crf } => {
                self.number(2);
                self.number(u64::from(*crf));
            }
        }
        self.text(preset);
        let H264Contract { profile, level, reference_frames, reorder_depth, colour } = contract;
        self.number(match profile {
            H264Profile::Main => 0,
            H264Profile::High => 1,
            H264Profile::Baseline => 2,
        });
        self.number(u64::from(*level));
        self.number(u64::from(*reference_frames));
        self.number(u64::from(*reorder_depth));
        let Colour { full_range, primaries, transfer, matrix } = colour;
        self.number(u64::from(*full_range));
        self.text(primaries);
        self.text(transfer);
        self.text(matrix);
    }

    fn deinterlace(&mut self, made: &Deinterlace) {
        let Deinterlace { method, every_field, marked_only } = made;
        self.number(match method {
            DeinterlaceMethod::Yadif => 0,
            DeinterlaceMethod::Bwdif => 1,
        });
        self.number(u64::from(*every_field));
        self.number(u64::from(*marked_only));
    }

    fn mix(&mut self, mix: &Mix) {
        self.number(mix.rows().len() as u64);
        self.number(mix.sources() as u64);
        mix.rows().iter().flatten().for_each(|share| self.time(*share));
    }

    fn audio(&mut self, audio: &AudioSettings) {
        let AudioSettings { stream, codec, bitrate, sample_rate, channels, gain, mix } = audio;
        self.number(u64::from(*stream));
        self.number(match codec {
            AudioCodec::Aac => 0,
            AudioCodec::Copied(CopiedCodec::Aac) => 1,
            AudioCodec::Copied(CopiedCodec::HeAac) => 2,
            AudioCodec::Copied(CopiedCodec::Ac3) => 3,
            AudioCodec::Copied(CopiedCodec::Eac3) => 4,
            AudioCodec::Copied(CopiedCodec::Mp3) => 5,
        });
        self.number(u64::from(*bitrate));
        self.number(u64::from(*sample_rate));
        self.number(u64::from(*channels));
        let (unit, amount) = match gain {
            Gain::Factor(factor) => (0, factor),
            Gain::Decibels(decibels) => (1, decibels),
        };
        self.number(unit);
        self.time(*amount);
        self.option(mix.as_ref(), Self::mix);
    }
}
