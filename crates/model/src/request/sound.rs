//! Sound asked for.

use std::ops::RangeInclusive;

use super::RequestError;
use crate::{AudioCodec, AudioFacts, AudioSettings, Gain, SourceFacts, Time};

/// Sound asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioRequest {
    /// Which stream; when not given, the container's default.
    pub stream: Option<u32>,
    /// Bits per second; when not given, 64,000 a channel. More than AAC can take is as much as it can.
    pub bitrate: Option<u32>,
    /// How many channels.
    pub channels: ChannelRequest,
    /// Samples per second; when not given, the source's where all players know it, or else one that
    /// they do.
    pub sample_rate: Option<u32>,
    /// How much louder.
    pub gain: Gain,
}

impl Default for AudioRequest {
    fn default() -> AudioRequest {
        AudioRequest {
            stream: None,
            bitrate: None,
            channels: ChannelRequest::Stereo,
            sample_rate: None,
            gain: Gain::NONE,
        }
    }
}

/// How many channels are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelRequest {
    /// At most two: what every device plays.
    Stereo,
    /// The source's own, at most 5.1.
    Source,
    /// So many, whatever the source has: 1, 2 or 6 (5.1).
    Exactly(u32),
}

impl AudioRequest {
    pub(super) fn resolve(
        self,
        facts: &SourceFacts,
    ) -> Result<Option<AudioSettings>, RequestError> {
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
            (ChannelRequest::Exactly(channels @ (1 | 2 | 6)), _) => channels,
            (ChannelRequest::Exactly(channels), _) => {
                return Err(RequestError::Channels(channels));
            }
            (_, 0 | 1) => 1,
            (ChannelRequest::Stereo, _) => 2,
            (ChannelRequest::Source, 2..=5) => 2,
            (ChannelRequest::Source, _) => 6,
        };
        let bitrate = self.bitrate.unwrap_or(64_000 * channels);
        if !BITRATES.contains(&bitrate) {
            return Err(RequestError::AudioBitrate(bitrate));
        }
        let codec = AudioCodec::Aac;
        let rates = codec.sample_rates();
        let sample_rate = match self.sample_rate.unwrap_or(track.sample_rate) {
            rate if self.sample_rate.is_some() => {
                let known = rates.contains(&rate);
                known.then_some(rate).ok_or(RequestError::SampleRate(rate))?
            }
            rate @ (32_000 | 44_100 | 48_000) => rate,
            rate if rate % 11_025 == 0 => 44_100,
            _ => 48_000,
        };
        Ok(Some(AudioSettings {
            stream: track.stream,
            codec,
            bitrate: u64::from(bitrate).min(codec.bitrate_max(sample_rate, channels)) as u32,
            sample_rate,
            channels,
            gain: self.gain.checked()?,
        }))
    }
}

/// Bits per second that may be asked for. An encoder makes something of any of them.
const BITRATES: RangeInclusive<u32> = 1_000..=10_000_000;

impl Gain {
    /// Whether anything could be heard of it: what ffmpeg's `volume` takes, within reason.
    fn checked(self) -> Result<Gain, RequestError> {
        let sane = match self {
            Gain::Factor(factor) => (Time::ZERO..=Time::from_secs(1000)).contains(&factor),
            Gain::Decibels(decibels) => {
                (Time::from_secs(-120)..=Time::from_secs(60)).contains(&decibels)
            }
        };
        if sane { Ok(self) } else { Err(RequestError::Gain(self)) }
    }
}
