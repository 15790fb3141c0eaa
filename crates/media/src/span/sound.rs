//! Packets of one sound track into segments, encoded anew or as they are.
//!
//! Each segment's samples come from its own window (see [`SoundWindow`]) with a decoder and resampler
//! of its own, so that they are alike in whichever span it is made. An encoder works through the
//! whole span, as libav's AAC goes on settling for seconds (benches/README.md); under the exact
//! recipe each segment has one of its own, as its bytes must not depend on the span.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};

use segue_model::{AudioCodec, AudioFacts, AudioSettings, Gain, Job, Mix, Span, Time};

use super::mixing;
use super::part::{Part, SoundPart};
use super::passed::Passed;
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
    /// Packets and frames that decoders complained about.
    pub(super) damaged: &'a AtomicU64,
}

impl Sound<'_> {
    /// Encodes the segments of `span` as soon as their packets are in; the rest once the channel
    /// closes.
    pub(super) fn run(
        &self,
        span: Span,
        packets: &Receiver<ToSound>,
        parts: &SyncSender<Part>,
    ) -> Result<(), Error> {
        let mut waiting = Vec::new();
        let mut next = span.first;
        let mut voice = None;
        let mut make = |next: &mut u32, waiting: &mut Vec<Packet>| {
            let window = self.window(*next);
            waiting.retain(|packet| !self.ends_by(packet, window.decode_from));
            let (packets, parameters) = match self.settings.codec {
                AudioCodec::Copied(_) => self.copied(&window, waiting)?,
                AudioCodec::Aac => {
                    let planes = self.samples(&window, waiting)?;
                    if self.job.recipe.exact || voice.is_none() {
                        voice = Some(Voice::open(self, &window)?);
                    }
                    let voice = voice.as_mut().expect("an encoder was just opened");
                    let packets = voice.encode(&planes, &window, self.encoded)?;
                    let parameters = voice.encoder.parameters();
                    (packets, parameters.blame_worker("the encoder has no header")?)
                }
            };
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
        let mut passed = Passed::default();
        for message in packets {
            let reached = match message {
                ToSound::Packet(packet) => {
                    let at = packet.tick().map(|tick| self.on_axis(tick));
                    waiting.push(packet);
                    passed.note(at)
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
        Ok(())
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

    /// The packets that begin in one segment, as they are. What ffmpeg copies is put back on its row
    /// of samples, too.
    fn copied(
        &self,
        window: &SoundWindow,
        packets: &[Packet],
    ) -> Result<(Vec<EncodedPacket>, Parameters), Error> {
        let rate = i64::from(self.facts.sample_rate);
        let length = |packet: &Packet| match self.facts.grid {
            Some(grid) => i64::from(grid.frame_size),
            None => Time::from_ticks(packet.duration(), self.facts.time_base).to_ticks(rate).max(1),
        };
        let mut kept: Vec<EncodedPacket> = Vec::new();
        for packet in packets {
            let Some(tick) = packet.tick() else { continue };
            let pts = self.sample_of(tick, None);
            let inside = (window.source.0..window.source.1).contains(&pts);
            // Two that begin at once are one: no player could tell which to play.
            if inside && kept.last().is_none_or(|last| pts > last.pts) {
                let (duration, data) = (length(packet), packet.data().to_vec());
                kept.push(EncodedPacket { pts, dts: pts, duration, keyframe: true, data });
            }
        }
        self.encoded.fetch_add(kept.len() as u64, Ordering::Relaxed);
        let parameters = self.parameters.share().blame_worker("out of memory")?;
        Ok((kept, parameters))
    }

    /// The samples of one segment's window, at the encoder's rate.
    fn samples(&self, window: &SoundWindow, packets: &[Packet]) -> Result<Vec<Vec<f32>>, Error> {
        let mut canvas = Canvas::new(self.settings.channels, window);
        let mut decoder = Decoder::open(&self.parameters, self.facts.time_base, 1)
            .blame_source(&format!("the sound ({}) cannot be decoded here", self.facts.codec))?;
        let inside = packets.iter().filter(|packet| {
            packet.tick().is_some_and(|tick| self.on_axis(tick) < window.decode_to)
        });
        for packet in inside.map(Some).chain([None]) {
            decoder.decode(packet, |frame: &mut Frame| self.draw(frame, &mut canvas))?;
        }
        self.damaged.fetch_add(decoder.damaged, Ordering::Relaxed);
        let mut planes = self.resample(canvas.planes, window)?;
        if self.settings.gain != Gain::NONE {
            let factor = self.settings.gain.factor() as f32;
            planes.iter_mut().flatten().for_each(|sample| *sample *= factor);
        }
        Ok(planes)
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
            // A track that changes its channels in the middle has none that the mix was meant for.
            let meant = self.mix(frame).is_some();
            let mixer = Resampler::to_planes(frame, (!meant).then_some(self.settings.channels));
            canvas.mixer = Some(mixer.blame_worker("the sound's channels cannot be mixed")?);
        }
        let mixer = canvas.mixer.as_mut().expect("a mixer was just made");
        let planes = mixer.convert_frame(frame).blame_worker("the sound cannot be converted")?;
        let planes = match self.mix(frame) {
            Some(mix) => mixing::mixed(mix, &planes),
            None => planes,
        };
        canvas.put(at, &planes);
        canvas.expected = Some(at + frame.samples() as i64);
        Ok(())
    }

    /// How the channels of a frame are mixed, if that is said of so many.
    fn mix(&self, frame: &Frame) -> Option<&Mix> {
        self.settings.mix.as_ref().filter(|mix| mix.sources() == frame.channels() as usize)
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
}

/// An encoder at work, and how far it is.
struct Voice {
    encoder: AudioEncoder,
    channels: u32,
    /// The frame it takes next.
    next: i64,
    /// What came out and is not in a segment yet.
    packets: VecDeque<EncodedPacket>,
}

impl Voice {
    /// An encoder that begins with `window`'s first frame.
    fn open(sound: &Sound<'_>, window: &SoundWindow) -> Result<Voice, Error> {
        let encoder = AudioEncoder::open(sound.settings, sound.job.recipe.exact)
            .blame_worker("the AAC encoder cannot be opened with these settings")?;
        let (channels, next) = (sound.settings.channels, window.frames.0);
        Ok(Voice { encoder, channels, next, packets: VecDeque::new() })
    }

    /// Encodes what `window` holds and was not encoded yet; gives back the packets of its segment.
    fn encode(
        &mut self,
        planes: &[Vec<f32>],
        window: &SoundWindow,
        encoded: &AtomicU64,
    ) -> Result<Vec<EncodedPacket>, Error> {
        let size = self.encoder.frame_size();
        let silence = vec![0f32; size];
        while self.next < window.frames.1 {
            let at = self.next * size as i64 - window.resampled_from;
            let plane = |plane: &'_ Vec<f32>| -> Vec<f32> {
                let from = usize::try_from(at).unwrap_or(0).min(plane.len());
                let mut samples = plane[from..(from + size).min(plane.len())].to_vec();
                samples.resize(size, 0.0);
                samples
            };
            let samples: Vec<Vec<f32>> = planes.iter().map(plane).collect();
            let slices: Vec<&[f32]> = if samples.is_empty() {
                vec![&silence; self.channels as usize]
            } else {
                samples.iter().map(Vec::as_slice).collect()
            };
            let packets = self.encoder.encode(&slices, self.next * size as i64);
            let packets = packets.blame_worker("the AAC encoder failed")?;
            encoded.fetch_add(packets.len() as u64, Ordering::Relaxed);
            self.packets.extend(packets);
            self.next += 1;
        }
        let (first, end) = window.packets;
        let index = |packet: &EncodedPacket| packet.pts.div_euclid(size as i64);
        let mut kept = Vec::new();
        while let Some(packet) = self.packets.pop_front_if(|packet| index(packet) < end) {
            // What comes before the span only lets the encoder settle.
            if index(&packet) >= first {
                let duration = size as i64;
                kept.push(EncodedPacket { dts: packet.pts, duration, keyframe: true, ..packet });
            }
        }
        let missing = (end - first).max(0) as usize - kept.len();
        if missing > 0 {
            return Err(Error::worker(format!("the AAC encoder left out {missing} packets")));
        }
        Ok(kept)
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
