//! What a line means for the sound, and what of it the engine can be asked for.

use std::num::NonZeroU32;

use segue_model::{AudioCodec, AudioFacts, AudioRequest, ChannelRequest, Gain, Mix, Time};

use super::{Conversion, mix};
use crate::job::obstacle::Obstacle;
use crate::job::{Pick, Sound, SoundRate, SoundStep};

impl<'a> Conversion<'a> {
    pub(super) fn sound(&mut self, sound: &Sound) -> Option<AudioRequest> {
        let Sound { stream, channels, rate, sample_rate, steps } = sound;
        let track = self.track(stream);
        if *rate == SoundRate::Copied {
            let stream = Some(track?.stream);
            return Some(AudioRequest { stream, copy: true, ..AudioRequest::default() });
        }
        let gain = self.gain(steps);
        let rows = self.rows(steps);
        let asked = channels.map(NonZeroU32::get);
        if let (Some(rows), Some(asked)) = (&rows, asked)
            && rows.len() != asked as usize
        {
            let words = format!("{} channels are made, and {asked} of them", rows.len());
            self.hinder(Obstacle::Mix(words));
        }
        let mixed = rows.as_ref().and_then(|rows| u32::try_from(rows.len()).ok());
        let channels = asked.or(mixed).or(track.map(|track| track.channels));
        if let Some(channels) = channels.filter(|channels| !matches!(channels, 1 | 2 | 6 | 8)) {
            self.hinder(Obstacle::Channels(channels));
        }
        let asked = sample_rate.map(NonZeroU32::get);
        let sample_rate = asked.or(track.map(|track| track.sample_rate));
        let known = AudioCodec::Aac.sample_rates();
        if let Some(rate) = sample_rate.filter(|rate| !known.contains(rate)) {
            self.hinder(Obstacle::SampleRate(rate));
        }
        let bitrate = self.sound_bitrate(rate, channels, sample_rate);
        let (track, channels) = (track?, channels?);
        Some(AudioRequest {
            stream: Some(track.stream),
            bitrate,
            channels: ChannelRequest::Exactly(channels),
            sample_rate,
            gain,
            mix: rows.and_then(|rows| self.mix(rows, track)),
            copy: false,
        })
    }

    /// What sound without a picture depends on.
    pub(super) fn alone(&mut self, stream: Option<u32>) {
        let Some(facts) = self.facts else { return };
        let track = facts.audio.iter().find(|track| Some(track.stream) == stream);
        let packet = Time::new(i64::from(AudioCodec::Aac.frame_size()), 44_100);
        if let Some(track) = track.filter(|track| track.start > packet) {
            self.hinder(Obstacle::LateSound(track.start.to_string()));
        }
    }

    /// The track that is meant; `None` also where it follows from a source that nobody looked at.
    fn track(&mut self, stream: &Pick) -> Option<&'a AudioFacts> {
        let tracks = &self.facts?.audio;
        let track = match stream {
            Pick::Stream(stream) => tracks.iter().find(|track| track.stream == *stream),
            Pick::Nth(nth) => tracks.get(usize::try_from(*nth).ok()?),
            Pick::Best => best(tracks),
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

    fn sound_bitrate(
        &mut self,
        rate: &SoundRate,
        channels: Option<u32>,
        sample_rate: Option<u32>,
    ) -> Option<u32> {
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
                6 => Some(69_000 + 2 * 128_000 + 16_000),
                _ => Some(69_000 + 3 * 128_000 + 16_000),
            },
            // libfdk-aacenc.c: 96 for a channel alone and 128 for a pair, at 44 kHz.
            SoundRate::EncodersDefault(encoder) if encoder == "libfdk_aac" => {
                let thousands = match channels? {
                    1 => 96,
                    2 => 128,
                    6 => 2 * 96 + 2 * 128,
                    _ => 2 * 96 + 3 * 128,
                };
                Some(thousands * sample_rate? / 44)
            }
            SoundRate::EncodersDefault(encoder) => {
                self.hinder(Obstacle::EncodersOwn(encoder.clone()));
                None
            }
            SoundRate::FdkVariable(mode) => Some(fdk_variable(*mode, channels?)),
            SoundRate::Copied => None,
        }
    }

    fn gain(&mut self, steps: &[SoundStep]) -> Gain {
        let mut gain = Gain::NONE;
        for step in steps {
            let SoundStep::Volume(text) = step else { continue };
            let read = match text.strip_suffix("dB") {
                Some(decibels) => decibels.parse().ok().map(Gain::Decibels),
                None => text.parse().ok().map(Gain::Factor),
            };
            match read.filter(|_| gain == Gain::NONE) {
                Some(read) => gain = read,
                None => self.hinder(Obstacle::Volume(text.clone())),
            }
        }
        gain
    }

    /// All mixes as one: what is made louder in between is as loud then.
    fn rows(&mut self, steps: &[SoundStep]) -> Option<Vec<Vec<Time>>> {
        let mut rows: Option<Vec<Vec<Time>>> = None;
        for step in steps {
            let SoundStep::Mix(text) = step else { continue };
            let next = mix::pan(text).and_then(|next| match &rows {
                Some(first) => mix::after(first, &next),
                None => Some(next),
            });
            if next.is_none() {
                self.hinder(Obstacle::Mix(text.clone()));
                return None;
            }
            rows = next;
        }
        rows
    }

    /// A mix of all of a track's channels; those that are not named have no share.
    fn mix(&mut self, mut rows: Vec<Vec<Time>>, track: &AudioFacts) -> Option<Mix> {
        let named = rows.iter().map(Vec::len).max().unwrap_or(0);
        let channels = track.channels as usize;
        if named <= channels {
            rows.iter_mut().for_each(|row| row.resize(channels, Time::ZERO));
        }
        let made = Mix::new(rows).ok().filter(|_| named <= channels);
        if made.is_none() {
            let words = format!("of {named} channels, where there are {channels}");
            self.hinder(Obstacle::Mix(words));
        }
        made
    }
}

/// The track that ffmpeg takes if none is named: the default one since 4.4, with the most channels,
/// the first of those; `None` where older ones would take another.
fn best(tracks: &[AudioFacts]) -> Option<&AudioFacts> {
    let rank = |track: &AudioFacts| (track.default, track.channels);
    let first = |rank: &dyn Fn(&AudioFacts) -> (bool, u32)| {
        tracks.iter().rev().max_by_key(|track| rank(track))
    };
    let one = first(&rank)?;
    let other = first(&|track| (false, track.channels))?;
    (one.stream == other.stream).then_some(one)
}

/// Bits per second that libfdk_aac reckons with in a mode (its `configTabVBR`): so many for a channel
/// alone, or for each of several but the low frequencies'.
fn fdk_variable(mode: u8, channels: u32) -> u32 {
    let (alone, each) = match mode {
        1 => (32_000, 20_000),
        2 => (40_000, 32_000),
        3 => (56_000, 48_000),
        4 => (72_000, 64_000),
        _ => (112_000, 96_000),
    };
    match channels {
        1 => alone,
        6 | 8 => each * (channels - 1),
        channels => each * channels,
    }
}
