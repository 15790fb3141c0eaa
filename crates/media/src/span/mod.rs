//! A span: from a source and an order to segments.
//!
//! ```text
//! reader ─▶ pictures ─▶ rendition (scale) ─▶ encoder ──────────────┐
//!    │              └─▶ rendition (scale) ─▶ encoder ──────────────┼▶ assembler ─▶ events
//!    └────▶ sound (decode, resample, encode, a window a segment) ──┘
//! ```
//!
//! The reader and the decoder run on the caller's thread, each rendition, track and encoder on its
//! own, all joined before [`run`] returns. What makes segments of different spans join is decided in
//! `slots` (which frame where), `window` (which sound), `passed` (what has gone by), `rendition`
//! (decode times), `pictures` (what is passed over on the way) and `continuity` (transport stream
//! counters).

mod assembler;
mod continuity;
mod counted;
mod edit_list;
mod mixing;
mod order;
mod packaging;
mod part;
mod passed;
mod pictures;
mod reader;
mod rendition;
mod slots;
mod sound;
mod window;

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use segue_model::{AudioSettings, Job, SourceFacts, Span, Time, VideoSettings};

pub use counted::Counted;
pub use order::{Progress, SpanEvent, SpanOrder, SpanReport};
pub use window::lead_in;

use crate::av::Packet;
use crate::{ByteSource, Cancel, Error};
use assembler::{Assembler, Line};
use part::Part;
use passed::Passed;
use pictures::{Picture, Pictures};
use reader::{From, Reader};
use rendition::Encoding;
use slots::Placed;
use sound::{Sound, ToSound};
use window::SoundWindow;

/// Sound packets that may wait.
const PACKETS_WAITING: usize = 1024;
/// Pictures that may wait for a scaler.
const PICTURES_WAITING: usize = 4;
/// Frames that may wait for an encoder: keeps it busy without holding many pictures.
const FRAMES_WAITING: usize = 8;
/// Bytes of frames that renditions may hold so that their segments are encoded side by side.
const FRAME_MEMORY: usize = 1 << 30;
/// Containers interleave picture and sound; one that has not come this much later is not coming.
const PATIENCE: Time = Time::from_secs(10);

/// Makes the segments of `order` and hands them to `on_event` as they become ready.
///
/// Blocks until all are made. An error from `on_event` ends the span as [`Error::Io`].
pub fn run(
    source: Box<dyn ByteSource>,
    order: &SpanOrder,
    cancel: &Cancel,
    on_event: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
) -> Result<SpanReport, Error> {
    crate::av::log::forget();
    let plan = Plan::of(order)?;
    let counts = Counts::default();
    let bytes = counts.bytes.clone();
    let source = Counted::new(source, move |read| {
        bytes.store(read, Ordering::Relaxed);
        Ok(())
    });
    Pipeline { order, plan, counts }.run(source, cancel, on_event)
}

/// Which tracks the ordered renditions need.
struct Plan<'a> {
    job: &'a Job,
    has_video: bool,
    /// Each different sound once; renditions share it.
    tracks: Vec<&'a AudioSettings>,
}

impl<'a> Plan<'a> {
    fn of(order: &'a SpanOrder) -> Result<Plan<'a>, Error> {
        let job = &order.job;
        if order.span.is_empty() || order.span.end > job.timeline.segments() {
            let (span, segments) = (order.span, job.timeline.segments());
            return Err(Error::worker(format!("ordered {span} of a job of {segments} segments")));
        }
        let mut plan = Plan { job, has_video: false, tracks: Vec::new() };
        for index in &order.renditions {
            let Some(rendition) = job.recipe.renditions.get(*index as usize) else {
                return Err(Error::worker(format!("the job has no rendition {index}")));
            };
            plan.has_video |= rendition.video.is_some();
            if let Some(audio) = &rendition.audio
                && !plan.tracks.contains(&audio)
            {
                plan.tracks.push(audio);
            }
        }
        if plan.has_video && job.facts.video.is_none() {
            return Err(Error::worker("the order wants a picture of a source without one"));
        }
        if plan.tracks.iter().any(|track| track.stream != plan.tracks[0].stream) {
            return Err(Error::worker("one span makes sound of one stream only"));
        }
        Ok(plan)
    }

    fn sound_window(&self, track: &AudioSettings, index: u32) -> Option<SoundWindow> {
        let facts = self.job.facts.audio.iter().find(|facts| facts.stream == track.stream)?;
        Some(SoundWindow::of(self.job, index, facts, track))
    }

    /// Where to begin to read.
    fn from(&self, order: &SpanOrder) -> From {
        From {
            picture: self
                .has_video
                .then(|| window::picture_from(self.job, order.span, order.urgent)),
            sound: self.tracks.iter().map(|track| (track.stream, self.sound_from(order))).next(),
        }
    }

    /// When the earliest sound that the span needs begins.
    fn sound_from(&self, order: &SpanOrder) -> Time {
        let windows =
            self.tracks.iter().filter_map(|track| self.sound_window(track, order.span.first));
        windows.map(|window| window.decode_from).min().unwrap_or(Time::ZERO)
    }

    /// When the sound that each segment needs ends; empty if none needs any.
    fn sound_ends(&self, span: Span) -> Vec<Time> {
        let end_of = |index| {
            let windows = self.tracks.iter().filter_map(|track| self.sound_window(track, index));
            windows.map(|window| window.decode_to).max()
        };
        (span.first..span.end).filter_map(end_of).collect()
    }

    fn lines(&self, renditions: &[u32]) -> Vec<Line> {
        let line = |index: &u32| {
            let rendition = &self.job.recipe.renditions[*index as usize];
            let carried = rendition.audio.as_ref();
            Line {
                rendition: *index,
                has_video: rendition.video.is_some(),
                track: carried.and_then(|it| self.tracks.iter().position(|track| *track == it)),
            }
        };
        renditions.iter().map(line).collect()
    }
}

#[derive(Default)]
struct Counts {
    bytes: Arc<AtomicU64>,
    packets: AtomicU64,
    frames: AtomicU64,
    encoded: AtomicU64,
    damaged: AtomicU64,
}

impl Counts {
    fn progress(&self) -> Progress {
        Progress {
            bytes: self.bytes.load(Ordering::Relaxed),
            packets: self.packets.load(Ordering::Relaxed),
            frames: self.frames.load(Ordering::Relaxed),
            encoded: self.encoded.load(Ordering::Relaxed),
        }
    }
}

struct Pipeline<'a> {
    order: &'a SpanOrder,
    plan: Plan<'a>,
    counts: Counts,
}

/// What the reader feeds.
struct Feeds<'a> {
    pictures: Option<Pictures<'a>>,
    /// One for each rendition with picture.
    renditions: Vec<SyncSender<Placed<Picture>>>,
    /// One for each track.
    sound: Vec<SyncSender<ToSound>>,
    /// The source ended before the span did.
    ended: bool,
}

impl<'a> Pipeline<'a> {
    fn run(
        &self,
        source: Counted,
        cancel: &Cancel,
        on_event: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
    ) -> Result<SpanReport, Error> {
        let Pipeline { order, plan, counts } = self;
        let assembler =
            Assembler::new(&order.job, order.span, plan.lines(&order.renditions), &counts.damaged);
        std::thread::scope(|scope| {
            let (parts, finished) = sync_channel::<Part>(4);
            let progress = || counts.progress();
            let assembling = scope.spawn(move || assembler.run(&finished, &progress, on_event));
            let made = self.feed(scope, source, cancel, parts);
            let assembled = assembling.join().unwrap_or_else(|panic| resume_unwind(panic));
            merge(made, assembled, |_, ()| ())
        })
    }

    /// Reads and decodes on this thread, with a thread for each rendition and track.
    fn feed<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        source: Counted,
        cancel: &Cancel,
        parts: SyncSender<Part>,
    ) -> Result<SpanReport, Error> {
        let Pipeline { order, plan, .. } = self;
        let (job, span) = (&order.job, order.span);
        let mut reader = Reader::open(Box::new(source), cancel, &job.facts, plan.from(order))?;
        let pictures = match job.facts.video.as_ref().filter(|_| plan.has_video) {
            Some(facts) => {
                let entry = reader.entry();
                Some(Pictures::open(reader.input(), order, facts, entry, &self.counts.damaged)?)
            }
            None => None,
        };
        let mut feeds = Feeds { pictures, renditions: Vec::new(), sound: Vec::new(), ended: false };
        let mut working: Vec<ScopedJoinHandle<'_, Result<(), Error>>> = Vec::new();
        for sound in self.sounds(&reader)? {
            let (sender, packets) = sync_channel(PACKETS_WAITING);
            let parts = parts.clone();
            feeds.sound.push(sender);
            working.push(scope.spawn(move || sound.run(span, &packets, &parts)));
        }
        for encoding in self.encodings() {
            let (sender, pictures) = sync_channel(PICTURES_WAITING);
            let parts = parts.clone();
            feeds.renditions.push(sender);
            working.push(scope.spawn(move || rendition::run(scope, encoding, &pictures, &parts)));
        }
        // The assembler ends when nobody can send any more.
        drop(parts);
        let mut made = self.read(&mut reader, feeds);
        for handle in working {
            let result = handle.join().unwrap_or_else(|panic| resume_unwind(panic));
            made = merge(made, result, |_, ()| ());
        }
        let damaged = self.counts.damaged.load(Ordering::Relaxed);
        made.map(|report| SpanReport { damaged, ..report })
    }

    fn sounds<'b>(&'b self, reader: &Reader<'_>) -> Result<Vec<Sound<'b>>, Error> {
        let job = &self.order.job;
        let sound = |(track, settings): (usize, &&'a AudioSettings)| {
            let facts = job.facts.audio.iter().find(|facts| facts.stream == settings.stream);
            let stream = reader.input().stream(settings.stream);
            let (Some(facts), Some(stream)) = (facts, stream) else {
                return Err(Error::source(format!("sound stream {} is gone", settings.stream)));
            };
            let parameters = stream.parameters()?;
            let Counts { encoded, damaged, .. } = &self.counts;
            Ok(Sound { job, facts, settings, track, parameters, encoded, damaged })
        };
        self.plan.tracks.iter().enumerate().map(sound).collect()
    }

    fn encodings(&self) -> Vec<Encoding<'_>> {
        let order = self.order;
        let Some(facts) = &order.job.facts.video else { return Vec::new() };
        let longest = (order.span.first..order.span.end)
            .map(|index| order.job.timeline.duration_of(index))
            .max()
            .unwrap_or(Time::ZERO);
        let frame_rate = order.job.recipe.frame_rate(facts);
        let recipe = &order.job.recipe;
        let (clock, counts_from) = (recipe.clock(facts), recipe.counts_from(facts));
        let frames = (longest * frame_rate).ceil().clamp(1, 4096) as usize + 2;
        let exact = order.job.recipe.exact;
        let encoding = |index: &u32| {
            let video = order.job.recipe.renditions[*index as usize].video.as_ref()?;
            let (segments_at_once, waiting) = if exact {
                side_by_side(order.threads, frames * frame_bytes(video) * order.renditions.len())
                    .map_or((2, FRAMES_WAITING), |count| (count, frames))
            } else {
                (1, FRAMES_WAITING)
            };
            Some(Encoding {
                rendition: *index,
                video,
                alone: (order.urgent && !exact).then_some(order.span.first),
                clock,
                counts_from,
                frame_rate,
                threads: order.threads,
                exact,
                segments_at_once,
                waiting,
                encoded: &self.counts.encoded,
            })
        };
        order.renditions.iter().filter_map(encoding).collect()
    }

    /// Reads until picture and sound of the whole span have been given out.
    fn read(&self, reader: &mut Reader<'_>, mut feeds: Feeds<'_>) -> Result<SpanReport, Error> {
        let facts = &self.order.job.facts;
        let picture_end = self.order.job.timeline.start_of(self.order.span.end);
        let mut sound_ends = self.plan.sound_ends(self.order.span).into_iter().peekable();
        let mut sound_end = sound_ends.clone().last();
        let video = facts.video.as_ref().map(|video| video.stream);
        let (mut picture_passed, mut sound_passed) = (Passed::default(), Passed::default());
        while feeds.pictures.as_ref().is_some_and(|p| !p.is_done()) || sound_end.is_some() {
            let Some(packet) = reader.next()? else {
                feeds.ended = true;
                break;
            };
            self.counts.packets.fetch_add(1, Ordering::Relaxed);
            let is_picture = Some(packet.stream()) == video;
            let passed = if is_picture { &mut picture_passed } else { &mut sound_passed };
            let passed = passed.note(self.packet_time(&packet));
            let reached = |end: Time| passed.is_some_and(|at| at >= end);
            if is_picture {
                // A track that ended, or pauses, gets no packets to tell it so; the pictures of its
                // segments would pile up.
                while let Some(end) = sound_ends.next_if(|end| reached(*end + PATIENCE)) {
                    feeds.sound_is_past(end)?;
                    sound_end = sound_end.filter(|last| *last > end);
                }
                feeds.picture(&packet, &self.counts)?;
            } else {
                if reached(picture_end + PATIENCE) && !self.is_picture_done(&feeds) {
                    self.end_picture(&mut feeds)?;
                }
                if let Some(end) = sound_end {
                    feeds.packet_of_sound(packet)?;
                    sound_end = Some(end).filter(|end| !reached(*end));
                }
            }
        }
        if !self.is_picture_done(&feeds) {
            self.end_picture(&mut feeds)?;
        }
        Ok(self.report(&feeds))
    }

    fn is_picture_done(&self, feeds: &Feeds<'_>) -> bool {
        feeds.pictures.as_ref().is_none_or(Pictures::is_done)
    }

    fn end_picture(&self, feeds: &mut Feeds<'_>) -> Result<(), Error> {
        if feeds.end_picture(&self.counts)? {
            return Ok(());
        }
        let span = self.order.span;
        Err(Error::source(format!("no picture could be decoded for {span}")))
    }

    fn packet_time(&self, packet: &Packet) -> Option<Time> {
        let facts: &SourceFacts = &self.order.job.facts;
        let tick = packet.dts().or(packet.pts())?;
        let video = facts.video.as_ref().filter(|video| video.stream == packet.stream());
        let sound = facts.audio.iter().find(|track| track.stream == packet.stream());
        let base = video.map(|video| video.time_base).or(sound.map(|track| track.time_base))?;
        Some(Time::from_ticks(tick, base) - facts.start)
    }

    fn report(&self, feeds: &Feeds<'_>) -> SpanReport {
        let mut report = SpanReport {
            frames: self.counts.frames.load(Ordering::Relaxed),
            log: crate::recent_log(),
            ..SpanReport::default()
        };
        if let (Some(pictures), Some(video)) = (&feeds.pictures, &self.order.job.facts.video) {
            let frame = video.frame_rate.nominal().recip().unwrap_or(Time::new(1, 25));
            let span_end = self.order.job.timeline.start_of(self.order.span.end);
            let due = span_end.min(self.order.job.recipe.picture_end(video));
            let seen = pictures.last_seen().map_or(Time::ZERO, |time| time + frame);
            let missing = due - seen;
            // Only a source that broke off: gaps in the middle go on later.
            if missing > frame * 2 && feeds.ended {
                report.short_by = Some(missing);
            }
        }
        report
    }
}

impl Feeds<'_> {
    fn picture(&mut self, packet: &Packet, counts: &Counts) -> Result<(), Error> {
        let Some(pictures) = self.pictures.as_mut().filter(|pictures| !pictures.is_done()) else {
            return Ok(());
        };
        let renditions = &self.renditions;
        pictures.feed(packet, &mut |placed| give(renditions, placed, counts))
    }

    fn end_picture(&mut self, counts: &Counts) -> Result<bool, Error> {
        let Some(pictures) = self.pictures.as_mut() else { return Ok(true) };
        let renditions = &self.renditions;
        pictures.finish(&mut |placed| give(renditions, placed, counts))
    }

    fn packet_of_sound(&self, packet: Packet) -> Result<(), Error> {
        if let [all @ .., last] = self.sound.as_slice() {
            for sender in all {
                let copy = packet.share()?;
                sender.send(ToSound::Packet(copy)).map_err(|_| Error::Cancelled)?;
            }
            last.send(ToSound::Packet(packet)).map_err(|_| Error::Cancelled)?;
        }
        Ok(())
    }

    fn sound_is_past(&self, time: Time) -> Result<(), Error> {
        let told = |sender: &SyncSender<ToSound>| sender.send(ToSound::Past(time));
        self.sound.iter().try_for_each(told).map_err(|_| Error::Cancelled)
    }
}

/// Bytes of a scaled frame: 8-bit 4:2:0.
fn frame_bytes(video: &VideoSettings) -> usize {
    video.width as usize * video.height as usize * 3 / 2
}

/// How many segments single-threaded encoders may work on at once, each with its frames in memory;
/// `None` if that takes too much of it.
fn side_by_side(threads: u32, segment_bytes: usize) -> Option<usize> {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if threads == 0 { cores() } else { threads as usize };
    let affordable = FRAME_MEMORY / segment_bytes.max(1);
    (affordable >= 2).then(|| threads.clamp(2, affordable))
}

/// Gives every rendition a reference to the picture.
fn give(
    renditions: &[SyncSender<Placed<Picture>>],
    placed: Placed<Picture>,
    counts: &Counts,
) -> Result<(), Error> {
    if matches!(placed, Placed::Frame { .. }) {
        counts.frames.fetch_add(1, Ordering::Relaxed);
    }
    let sent = |sender: &SyncSender<Placed<Picture>>| sender.send(placed.clone());
    // A rendition that is gone says why when it is joined.
    renditions.iter().try_for_each(sent).map_err(|_| Error::Cancelled)
}

/// The first failure that says something: when one stage fails, the others only find their
/// channels closed.
fn merge<T, U>(
    outcome: Result<T, Error>,
    result: Result<U, Error>,
    add: impl FnOnce(&mut T, U),
) -> Result<T, Error> {
    match (outcome, result) {
        (Ok(mut outcome), Ok(value)) => {
            add(&mut outcome, value);
            Ok(outcome)
        }
        (Err(Error::Cancelled) | Ok(_), Err(error)) => Err(error),
        (Err(error), _) => Err(error),
    }
}
