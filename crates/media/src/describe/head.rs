//! The first seconds of a source, decoded.

use std::ffi::c_int;

use segue_model::{FieldOrder, Time};

use crate::Error;
use crate::av::{Decoder, Frame, Input, Packet};
use crate::error::Blame;

/// Frames of picture that are looked at.
const FRAMES: usize = 24;
/// Pictures whose timestamps are looked at.
const TIMES: usize = 250;
/// Packets of sound whose lengths are looked at.
const SOUND_PACKETS: usize = 24;
/// More than any interleaving; a stream that has not begun by then has nothing to say here.
const PACKETS: usize = 4000;

/// What the first seconds tell.
pub(super) struct Head {
    pub(super) video: Option<VideoHead>,
    pub(super) audio: Vec<AudioHead>,
}

/// What the first pictures tell.
pub(super) struct VideoHead {
    /// When the first decodable frame is shown, by the source's own clock.
    pub(super) start: Time,
    pub(super) size: (u32, u32),
    pub(super) sample_aspect: Option<Time>,
    pub(super) pixel_format: c_int,
    /// `None` if progressive.
    pub(super) field_order: Option<FieldOrder>,
    /// When the first pictures are shown, rising.
    pub(super) times: Vec<Time>,
    /// How much later pictures are shown than their packets say: containers that know decode times
    /// alone (AVI).
    pub(super) shown_after: Time,
    /// How much later pictures are shown than they are decoded.
    pub(super) reordered_by: Time,
}

/// What a track's first packets tell.
pub(super) struct AudioHead {
    pub(super) stream: u32,
    /// When the first sample sounds, by the source's own clock; `None` if nothing was decoded.
    pub(super) start: Option<Time>,
    pub(super) sample_rate: u32,
    pub(super) channels: u32,
    /// Samples in each packet, and how many samples after the first one a packet begins.
    pub(super) grid: Option<(u32, i64)>,
}

impl Head {
    /// Decodes the start of `input`, which has just been opened.
    pub(super) fn read(
        input: &mut Input,
        video: Option<u32>,
        audio: &[u32],
    ) -> Result<Head, Error> {
        let mut pictures = video.map(|stream| Pictures::open(input, stream)).transpose()?;
        let mut tracks = Vec::new();
        for &stream in audio {
            tracks.push(Track::open(input, stream)?);
        }
        for _ in 0..PACKETS {
            let done = pictures.as_ref().is_none_or(Pictures::is_done)
                && tracks.iter().all(Track::is_done);
            if done {
                break;
            }
            let Some(packet) = input.read()? else { break };
            let stream = packet.stream();
            if let Some(pictures) = pictures.as_mut().filter(|pictures| pictures.stream == stream) {
                pictures.feed(Some(&packet))?;
            } else if let Some(track) = tracks.iter_mut().find(|track| track.stream == stream) {
                track.feed(Some(&packet))?;
            }
        }
        if let Some(pictures) = &mut pictures {
            pictures.feed(None)?;
        }
        for track in &mut tracks {
            track.feed(None)?;
        }
        let video = pictures.map(Pictures::finish).transpose()?;
        Ok(Head { video, audio: tracks.into_iter().map(Track::finish).collect() })
    }
}

struct Pictures {
    stream: u32,
    codec: String,
    time_base: Time,
    decoder: Decoder,
    packet_ticks: Vec<i64>,
    /// When the first packet is decoded, if it does not say when it is shown.
    first_decoded: Option<i64>,
    /// How much later than that it is shown, if it says both.
    first_delay: i64,
    frames: usize,
    interlaced: [usize; 2],
    first: Option<VideoHead>,
}

impl Pictures {
    fn open(input: &Input, stream: u32) -> Result<Pictures, Error> {
        let found = input.stream(stream).ok_or_else(|| Error::source("the stream is gone"))?;
        let codec = found.codec();
        if !found.has_decoder() {
            let what = if codec == "none" { "a format that is not known here" } else { &codec };
            return Err(Error::source(format!(
                "its picture is in {what}, which the installed FFmpeg libraries cannot decode"
            )));
        }
        let decoder = Decoder::open(&found.parameters()?, found.time_base(), 0)
            .blame_source(&format!("the picture is in {codec}, which cannot be decoded here"))?;
        Ok(Pictures {
            stream,
            codec,
            time_base: found.time_base(),
            decoder,
            packet_ticks: Vec::new(),
            first_decoded: None,
            first_delay: 0,
            frames: 0,
            interlaced: [0; 2],
            first: None,
        })
    }

    fn is_done(&self) -> bool {
        self.frames >= FRAMES && self.packet_ticks.len() >= TIMES
    }

    fn feed(&mut self, packet: Option<&Packet>) -> Result<(), Error> {
        if let Some((packet, tick)) = packet.and_then(|packet| Some((packet, packet.tick()?))) {
            if self.packet_ticks.is_empty() {
                match (packet.pts(), packet.dts()) {
                    (None, _) => self.first_decoded = Some(tick),
                    (Some(pts), Some(dts)) => self.first_delay = pts.saturating_sub(dts).max(0),
                    (Some(_), None) => {}
                }
            }
            self.packet_ticks.push(tick);
        }
        if self.frames >= FRAMES {
            return Ok(());
        }
        let Pictures { decoder, frames, interlaced, first, time_base, .. } = self;
        let on_frame = |frame: &mut Frame| -> Result<(), crate::AvError> {
            // Some containers cannot hold the time of what comes before their zero.
            let Some(tick) = frame.best_timestamp() else { return Ok(()) };
            *frames += 1;
            if frame.is_interlaced() {
                interlaced[usize::from(!frame.is_top_field_first())] += 1;
            }
            let start = Time::from_ticks(tick, *time_base);
            let head = first.get_or_insert_with(|| VideoHead {
                start,
                size: frame.size(),
                sample_aspect: frame.sample_aspect(),
                pixel_format: frame.format(),
                field_order: None,
                times: Vec::new(),
                shown_after: Time::ZERO,
                reordered_by: Time::ZERO,
            });
            head.start = head.start.min(start);
            Ok(())
        };
        decoder.decode(packet, on_frame).blame_source("the picture cannot be decoded")
    }

    fn finish(mut self) -> Result<VideoHead, Error> {
        let Some(mut head) = self.first else {
            let codec = self.codec;
            return Err(Error::source(format!("no picture could be decoded ({codec})")));
        };
        self.packet_ticks.sort_unstable();
        self.packet_ticks.dedup();
        let times = self.packet_ticks.iter().map(|tick| Time::from_ticks(*tick, self.time_base));
        head.times = times.filter(|time| *time >= head.start).collect();
        if let Some(tick) = self.first_decoded {
            let decoded = Time::from_ticks(tick, self.time_base);
            head.shown_after = (head.start - decoded).max(Time::ZERO);
        }
        let delay = Time::from_ticks(self.first_delay, self.time_base);
        head.reordered_by = head.shown_after.max(delay.min(Time::from_secs(1)));
        let [top, bottom] = self.interlaced;
        // A few progressive frames do not make an interlaced film progressive.
        if (top + bottom) * 4 > self.frames {
            let order = if bottom > top { FieldOrder::BottomFirst } else { FieldOrder::TopFirst };
            head.field_order = Some(order);
        }
        Ok(head)
    }
}

struct Track {
    stream: u32,
    time_base: Time,
    decoder: Option<Decoder>,
    start: Option<Time>,
    sample_rate: u32,
    channels: u32,
    lengths: Vec<usize>,
}

impl Track {
    fn open(input: &Input, stream: u32) -> Result<Track, Error> {
        let found = input.stream(stream).ok_or_else(|| Error::source("the stream is gone"))?;
        Ok(Track {
            stream,
            time_base: found.time_base(),
            // A track nobody chooses may be in anything.
            decoder: Decoder::open(&found.parameters()?, found.time_base(), 1).ok(),
            start: None,
            sample_rate: 0,
            channels: 0,
            lengths: Vec::new(),
        })
    }

    fn is_done(&self) -> bool {
        // An edit list may hide the first packets; what is hidden tells nothing.
        self.decoder.is_none() || self.lengths.len() >= SOUND_PACKETS
    }

    fn feed(&mut self, packet: Option<&Packet>) -> Result<(), Error> {
        if self.lengths.len() >= SOUND_PACKETS {
            return Ok(());
        }
        let Track {
            decoder: Some(decoder), start, sample_rate, channels, lengths, time_base, ..
        } = self
        else {
            return Ok(());
        };
        let on_frame = |frame: &mut Frame| -> Result<(), crate::AvError> {
            if start.is_none() {
                *start = frame.best_timestamp().map(|tick| Time::from_ticks(tick, *time_base));
                *sample_rate = frame.sample_rate();
                *channels = frame.channels();
            }
            if start.is_some() {
                lengths.push(frame.samples());
            }
            Ok(())
        };
        decoder.decode(packet, on_frame).blame_source("the sound cannot be decoded")
    }

    fn finish(self) -> AudioHead {
        // The first frame may have lost its priming, the last may end with the track.
        let grid = match self.lengths.as_slice() {
            [first, middle @ .., last] => match middle.first() {
                Some(size) if middle.iter().all(|length| length == size) && last <= size => {
                    Some((*size as u32, *first as i64))
                }
                _ => None,
            },
            _ => None,
        };
        AudioHead {
            stream: self.stream,
            start: self.start,
            sample_rate: self.sample_rate,
            channels: self.channels,
            grid: grid.filter(|(size, _)| *size > 0),
        }
    }
}
