//! From bytes to frames with times, where the container tells them without a demuxer.

use std::hash::{DefaultHasher, Hash, Hasher};

use segue_model::Time;

use super::boxes::{self, InitSection};
use super::finding::{Track, TrackKind};
use super::nal::NalCodec;
use super::packed;
use super::timing::{FrameTime, TrackTimes};
use super::ts;

/// What segments are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Ts,
    Mp4,
    Packed,
}

impl Container {
    /// By the first bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Container> {
        if boxes::is_mp4(bytes) {
            Some(Container::Mp4)
        } else if ts::is_ts(bytes) {
            Some(Container::Ts)
        } else if packed::is_packed(bytes) {
            Some(Container::Packed)
        } else {
            None
        }
    }
}

/// The frames that boxes tell of, by track.
pub(super) fn of_mp4(
    section: &InitSection,
    samples: &[boxes::Sample],
    bytes: &[u8],
) -> Vec<TrackTimes> {
    let mut out = Vec::new();
    let mut numbers = [0, 0];
    for init in &section.tracks {
        let kind = match &init.handler {
            b"vide" => TrackKind::Picture,
            b"soun" => TrackKind::Sound,
            _ => continue,
        };
        let number = numbers[kind as usize];
        numbers[kind as usize] += 1;
        let codec = match &init.entry {
            b"avc1" | b"avc3" => Some(NalCodec::H264),
            b"hvc1" | b"hev1" => Some(NalCodec::Hevc),
            _ => None,
        };
        let framing = init.framing();
        let frame = |sample: &boxes::Sample| {
            let data = &bytes[sample.bytes.clone()];
            FrameTime {
                presentation: sample.presentation,
                decode: sample.decode,
                duration: sample.duration.into(),
                random_access: codec
                    .map_or(sample.sync, |codec| codec.look(framing, data).random_access),
                size: data.len() as u32,
                hash: hash(data),
                order: None,
            }
        };
        let frames: Vec<_> =
            samples.iter().filter(|sample| sample.track == init.id).map(frame).collect();
        let time_base = Time::new(1, i64::from(init.timescale.max(1)));
        out.push(TrackTimes { track: Track { kind, number }, time_base, frames });
    }
    out
}

/// The frames of packed audio, the first at `start` in 1/90000 s.
pub(super) fn of_packed(look: &packed::Look, start: i64, bytes: &[u8]) -> TrackTimes {
    let mut samples = 0_i64;
    let mut frames = Vec::with_capacity(look.frames.len());
    for frame in &look.frames {
        // From the count of samples, so that roundings do not add up.
        let ticks = |samples: i64| samples * 90_000 / i64::from(frame.sample_rate.max(1));
        let next = samples + i64::from(frame.samples);
        let coded = &bytes[frame.start..frame.start + frame.length];
        frames.push(FrameTime {
            presentation: start + ticks(samples),
            decode: start + ticks(samples),
            duration: ticks(next) - ticks(samples),
            random_access: true,
            size: frame.length as u32,
            hash: hash(coded),
            order: None,
        });
        samples = next;
    }
    let track = Track { kind: TrackKind::Sound, number: 0 };
    TrackTimes { track, time_base: Time::new(1, 90_000), frames }
}

/// Tells coded data apart.
pub(super) fn hash(data: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    data.hash(&mut hasher);
    hasher.finish()
}
