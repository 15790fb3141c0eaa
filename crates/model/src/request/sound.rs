//! Sound asked for.

use std::ops::RangeInclusive;

use super::RequestError;
use crate::{
    AudioCodec, AudioFacts, AudioSettings, CopiedCodec, Gain, Mix, Packaging, SourceFacts, Time,
};

/// Sound asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// How channels are mixed, a row for each that is made; `None`: as is usual.
    pub mix: Option<Mix>,
    /// The source's packets are taken as they are; all but `stream` must say nothing then.
    pub copy: bool,
}

impl Default for AudioRequest {
    fn default() -> AudioRequest {
        AudioRequest {
            stream: None,
            bitrate: None,
            channels: ChannelRequest::Stereo,
            sample_rate: None,
            gain: Gain::NONE,
            mix: None,
            copy: false,
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
    /// So many, whatever the source has: 1, 2, 6 (5.1) or 8 (7.1).
    Exactly(u32),
}

impl AudioRequest {
    pub(super) fn resolve(
        &self,
        packaging: Packaging,
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
        if self.copy {
            return self.copied(track, packaging, facts).map(Some);
        }
        if !track.decodable {
            let codec = track.codec.clone();
            return Err(RequestError::Undecodable { stream: track.stream, codec });
        }
        let channels = match (self.channels, track.channels) {
            (ChannelRequest::Exactly(channels @ (1 | 2 | 6 | 8)), _) => channels,
            (ChannelRequest::Exactly(channels), _) => {
                return Err(RequestError::Channels(channels));
            }
            (_, 0 | 1) => 1,
            (ChannelRequest::Stereo, _) => 2,
            (ChannelRequest::Source, 2..=5) => 2,
            (ChannelRequest::Source, _) => 6,
        };
        let mix = self.mix.as_ref().map(|mix| mixed(mix, track, channels)).transpose()?;
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
            mix,
        }))
    }

    fn copied(
        &self,
        track: &AudioFacts,
        packaging: Packaging,
        facts: &SourceFacts,
    ) -> Result<AudioSettings, RequestError> {
        let AudioRequest { stream: _, bitrate, channels, sample_rate, gain, mix, copy: _ } = self;
        for (said, what) in [
            (bitrate.is_some(), "bit rate"),
            (*channels != AudioRequest::default().channels, "channels"),
            (sample_rate.is_some(), "sample rate"),
            (*gain != Gain::NONE, "gain"),
            (mix.is_some(), "mix"),
        ] {
            if said {
                return Err(RequestError::CopiedWith(what));
            }
        }
        // Streams that carry headers with each packet have none that could go in front of all.
        let streamed = ["mpegts", "aac", "mpeg"].contains(&facts.container.as_str());
        let known = CopiedCodec::of(track).filter(|codec| match (packaging, codec) {
            (Packaging::MpegTs, _) => true,
            (Packaging::Fmp4, CopiedCodec::Aac | CopiedCodec::HeAac) => !streamed,
            // Their header says what only their packets know.
            (Packaging::Fmp4, CopiedCodec::Ac3 | CopiedCodec::Eac3) => false,
            (Packaging::Fmp4, CopiedCodec::Mp3) => true,
        });
        let Some(known) = known else {
            let codec = format!("{} ({})", track.codec, facts.container);
            return Err(RequestError::NotCopied { stream: track.stream, codec });
        };
        let codec = AudioCodec::Copied(known);
        Ok(AudioSettings {
            stream: track.stream,
            codec,
            bitrate: codec.bitrate_max(track.sample_rate, track.channels) as u32,
            sample_rate: track.sample_rate,
            channels: track.channels,
            gain: Gain::NONE,
            mix: None,
        })
    }
}

fn mixed(mix: &Mix, track: &AudioFacts, channels: u32) -> Result<Mix, RequestError> {
    if mix.sources() != track.channels as usize {
        let (asked, stream, channels) = (mix.sources(), track.stream, track.channels);
        return Err(RequestError::MixSources { stream, asked, channels });
    }
    if mix.rows().len() != channels as usize {
        return Err(RequestError::MixRows { rows: mix.rows().len(), channels });
    }
    Ok(mix.clone())
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
