//! Packets of one sound track into encoded segments.
//!
//! Each segment is made from its own window (see [`SoundWindow`]) with a decoder, resampler and
//! encoder of its own, so that it comes out alike in whichever span it is made.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use segue_model::{AudioFacts, AudioSettings, Job, Span, Time};

use super::part::{Part, SoundPart};
use super::window::SoundWindow;
use crate::Error;
use crate::av::{AudioEncoder, Decoder, EncodedPacket, Frame, Packet, Parameters, Resampler};
use crate::error::Blame;

/// What a span's reader sends.
pub(super) enum ToSound {
    Packet(Packet),
    /// The file has been read past everything the track needs before this time.
    Past(Time),
}

/// A track's settings, the same for every segment.
pub(super) struct Sound<'a> {
    pub(super) job: &'a Job,
    pub(super) facts: &'a AudioFacts,
    pub(super) settings: &'a AudioSettings,
    /// Index into the list of tracks the span makes.
    pub(super) track: usize,
    pub(super) parameters: Parameters,
    /// Packets that came out of encoders.
    pub(super) encoded: &'a AtomicU64,
}

impl Sound<'_> {
    /// Encodes the segments of `span` as soon as their packets are in; the rest once the channel
    /// closes. Gives back how many packets and frames were damaged.
    pub(super) fn run(
        &self,
        span: Span,
        packets: &Receiver<ToSound>,
        parts: &SyncSender<Part>,
    ) -> Result<u64, Error> {
        let mut waiting = VecDeque::new();
        let mut next = span.first;
        let mut damaged = 0;
        let mut make = |next: &mut u32, waiting: &mut VecDeque<Packet>| {
            let window = self.window(*next);
            while waiting.front().is_some_and(|packet| self.ends_by(packet, window.decode_from)) {
                waiting.pop_front();
            }
            let (packets, parameters) = self.segment(&window, waiting, &mut damaged)?;
            let part = SoundPart {
                track: self.track,
                segment: *next,
                sample_rate: self.settings.sample_rate,
                packets,
                parameters,
            };
            *next += 1;
            parts.send(Part::Sound(part)).map_err(|_| Error::Cancelled)
        };
        for message in packets {
            let reached = match message {
                ToSound::Packet(packet) => {
                    let at = packet.tick().map(|tick| self.on_axis(tick));
                    waiting.push_back(packet);
                    at
                }
                ToSound::Past(time) => Some(time),
            };
            while next < span.end && reached.is_some_and(|at| at >= self.window(next).decode_to) {
                make(&mut next, &mut waiting)?;
            }
        }
        while next < span.end {
            make(&mut next, &mut waiting)?;
        }
        Ok(damaged)
    }

    fn window(&self, index: u32) -> SoundWindow {
        SoundWindow::of(self.job, index, self.facts, self.settings)
    }

    fn on_axis(&self, tick: i64) -> Time {
        Time::from_ticks(tick, self.facts.time_base) - self.job.facts.start
    }

    fn ends_by(&self, packet: &Packet, time: Time) -> bool {
        packet
            .tick()
            .is_none_or(|tick| self.on_axis(tick.saturating_add(packet.duration())) <= time)
    }

    /// Encodes one segment from the packets of its window.
    fn segment(
        &self,
        window: &SoundWindow,
        packets: &VecDeque<Packet>,
        damaged: &mut u64,
    ) -> Result<(Vec<EncodedPacket>, Parameters), Error> {
        let mut canvas = Canvas::new(self.settings.channels, window);
        let mut decoder = Decoder::open(&self.parameters, self.facts.time_base, 1)
            .blame_source(&format!("the sound ({}) cannot be decoded here", self.facts.codec))?;
        let inside = packets.iter().filter(|packet| {
            !self.ends_by(packet, window.decode_from)
                && packet.tick().is_some_and(|tick| self.on_axis(tick) < window.decode_to)
        });
        for packet in inside.map(Some).chain([None]) {
            decoder.decode(packet, |frame: &mut Frame| self.draw(frame, &mut canvas))?;
        }
        *damaged += decoder.damaged;
        let planes = self.resample(canvas.planes, window)?;
        self.encode(&planes, window)
    }

    /// Puts a decoded frame where its samples belong.
    fn draw(&self, frame: &Frame, canvas: &mut Canvas) -> Result<(), Error> {
        if frame.sample_rate() != self.facts.sample_rate || frame.channels() == 0 {
            // A track that changes its rate in the middle is silent there, as its clock is unknown.
            return Ok(());
        }
        let at = match frame.best_timestamp() {
            Some(tick) => self.sample_of(tick, canvas.expected),
            None => match canvas.expected {
                Some(expected) => expected,
                None => return Ok(()),
            },
        };
        if canvas.mixer.as_ref().is_none_or(|mixer| !mixer.suits(frame)) {
            let mixer = Resampler::to_planes(frame, self.settings.channels);
            canvas.mixer = Some(mixer.blame_worker("the sound's channels cannot be mixed")?);
        }
        let mixer = canvas.mixer.as_mut().expect("a mixer was just made");
        let planes = mixer.convert_frame(frame).blame_worker("the sound cannot be converted")?;
        canvas.put(at, &planes);
        canvas.expected = Some(at + frame.samples() as i64);
        Ok(())
    }

    /// The sample a timestamp means. Containers round (Matroska to a millisecond), which would shift
    /// every window a little differently: stamps that are nearly on the track's grid, or nearly
    /// where the last frame ended, are taken to be there.
    fn sample_of(&self, tick: i64, expected: Option<i64>) -> i64 {
        let rate = i64::from(self.facts.sample_rate);
        let raw = self.on_axis(tick).to_ticks(rate);
        let leeway = self.facts.time_base.to_ticks(rate) + 1;
        let grid = self.facts.grid.map(|grid| grid.nearest(raw));
        match (grid, expected) {
            (Some(nearest), _) if (nearest - raw).abs() <= leeway => nearest,
            (_, Some(expected)) if (expected - raw).abs() <= 2 * leeway => expected,
            _ => raw,
        }
    }

    fn resample(
        &self,
        planes: Vec<Vec<f32>>,
        window: &SoundWindow,
    ) -> Result<Vec<Vec<f32>>, Error> {
        if self.facts.sample_rate == self.settings.sample_rate {
            return Ok(planes);
        }
        let (from, to) = (self.facts.sample_rate, self.settings.sample_rate);
        let mut resampler = Resampler::between_rates(self.settings.channels, from, to)
            .blame_worker("the sound cannot be resampled")?;
        let size = i64::from(self.settings.codec.frame_size());
        let room = (window.frames.1 * size - window.resampled_from).max(0) as usize + 8192;
        let planes: Vec<&[f32]> = planes.iter().map(Vec::as_slice).collect();
        resampler.convert_planes(&planes, room).blame_worker("the sound cannot be resampled")
    }

    fn encode(
        &self,
        planes: &[Vec<f32>],
        window: &SoundWindow,
    ) -> Result<(Vec<EncodedPacket>, Parameters), Error> {
        let mut encoder = AudioEncoder::open(self.settings, self.job.recipe.exact)
            .blame_worker("the AAC encoder cannot be opened with these settings")?;
        let parameters = encoder.parameters().blame_worker("the encoder has no header")?;
        let size = encoder.frame_size();
        let silence = vec![0f32; size];
        let (first, end) = window.packets;
        let mut kept = Vec::new();
        for frame in window.frames.0..window.frames.1 {
            let at = frame * size as i64 - window.resampled_from;
            let plane = |plane: &'_ Vec<f32>| -> Vec<f32> {
                let from = usize::try_from(at).unwrap_or(0).min(plane.len());
                let mut samples = plane[from..(from + size).min(plane.len())].to_vec();
                samples.resize(size, 0.0);
                samples
            };
            let samples: Vec<Vec<f32>> = planes.iter().map(plane).collect();
            let slices: Vec<&[f32]> = if samples.is_empty() {
                vec![&silence; self.settings.channels as usize]
            } else {
                samples.iter().map(Vec::as_slice).collect()
            };
            let packets = encoder.encode(&slices, frame * size as i64);
            for packet in packets.blame_worker("the AAC encoder failed")? {
                self.encoded.fetch_add(1, Ordering::Relaxed);
                let index = packet.pts.div_euclid(size as i64);
                if (first..end).contains(&index) {
                    let duration = size as i64;
                    kept.push(EncodedPacket {
                        dts: packet.pts,
                        duration,
                        keyframe: true,
                        ..packet
                    });
                }
            }
        }
        let missing = (end - first).max(0) as usize - kept.len();
        if missing > 0 {
            return Err(Error::worker(format!("the AAC encoder left out {missing} packets")));
        }
        Ok((kept, parameters))
    }
}

/// The samples of a window, silent where nothing was decoded.
struct Canvas {
    planes: Vec<Vec<f32>>,
    /// The source sample of its first column.
    from: i64,
    /// Where the last frame ended.
    expected: Option<i64>,
    mixer: Option<Resampler>,
}

impl Canvas {
    fn new(channels: u32, window: &SoundWindow) -> Canvas {
        let length = (window.source.1 - window.source.0).max(0) as usize;
        Canvas {
            planes: vec![vec![0.0; length]; channels as usize],
            from: window.source.0,
            expected: None,
            mixer: None,
        }
    }

    fn put(&mut self, at: i64, samples: &[Vec<f32>]) {
        for (plane, samples) in self.planes.iter_mut().zip(samples) {
            let skipped = usize::try_from(self.from - at).unwrap_or(0).min(samples.len());
            let target = usize::try_from(at - self.from).unwrap_or(0).min(plane.len());
            let length = (samples.len() - skipped).min(plane.len() - target);
            plane[target..target + length].copy_from_slice(&samples[skipped..skipped + length]);
        }
    }
}
