//! Sound asked for.

use super::RequestError;
use crate::{AudioCodec, AudioFacts, AudioSettings, SourceFacts};

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
