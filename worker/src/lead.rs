//! Leads the making of one span, on a thread of its own: a process, its orders, and what it makes.
//!
//! A viewer's span is ordered to the film's end, and the process is held up by its pipe when it is
//! ahead of what is wanted: going on then needs no new start. A batch is ordered as long as it is.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use segue_dispatch::session::Event;
use segue_media::span::{SpanEvent, SpanOrder, SpanReport};
use segue_model::pool::{Measured, Order, Resources, SpanEnd};
use segue_model::{FailureClass, Job, SegmentId, Span, SpanFailure};
use segue_store::Loss;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::control::Control;
use crate::film::Film;
use crate::shelf::Label;
use crate::shop::Shop;
use crate::source::Sources;
use crate::span_process::{SpanProcess, SpawnError, Trouble, Word};
use crate::upload::Parcel;
use crate::usage::Usage;

/// From one sign of life of a process to the next.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// A segment in so many milliseconds needs no excuse.
const GUESS_MIN: u32 = 3_000;

/// Why a span is not gone on with.
enum Stop {
    /// The daemon said so.
    Told,
    /// It ended by itself.
    Ended(SpanEnd),
}

/// Starts a thread that makes what `order` says until `control` stops it. It reports what it makes,
/// and how it ends if nobody told it to.
pub fn start(
    shop: Arc<Shop>,
    order: Order,
    control: Arc<Control>,
    released: CancellationToken,
) -> io::Result<thread::JoinHandle<()>> {
    let lead = move || {
        let lease = order.lease;
        let led = catch_unwind(AssertUnwindSafe(|| {
            let mut lead = Lead {
                shop: &shop,
                order,
                control: &control,
                released,
                usage: None,
                damaged: 0,
                last: Vec::new(),
                ahead: Ahead::default(),
                told_at: None,
                guess: 0,
                measured: false,
            };
            lead.run()
        }));
        let stop = led.unwrap_or_else(|_| {
            Stop::Ended(failed(FailureClass::Worker, "a thread of the worker panicked".to_owned()))
        });
        match stop {
            Stop::Ended(end) if !control.is_stopped() => {
                info!(%lease, ?end, "span ended");
                shop.report(Event::Ended { lease, end });
            }
            Stop::Ended(_) | Stop::Told => {}
        }
    };
    thread::Builder::new().name(format!("span {}", order.lease)).spawn(lead)
}

/// A segment, and what it lacks.
struct Made {
    id: SegmentId,
    bytes: Bytes,
    loss: Loss,
}

/// What was made beyond what is wanted.
#[derive(Default)]
struct Ahead(Vec<Made>);

impl Ahead {
    fn first(&self) -> Option<u32> {
        self.0.iter().map(|made| made.id.index).min()
    }

    /// Takes what is before segment `end`, in order.
    fn before(&mut self, end: u32) -> Vec<Made> {
        let (mut wanted, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.0).into_iter().partition(|made| made.id.index < end);
        self.0 = rest;
        wanted.sort_by_key(|made| (made.id.index, made.id.rendition));
        wanted
    }
}

struct Lead<'a> {
    shop: &'a Arc<Shop>,
    order: Order,
    control: &'a Control,
    released: CancellationToken,
    usage: Option<Usage>,
    /// What its decoders have complained about.
    damaged: u64,
    /// The film's last segments, until the process is done.
    last: Vec<Made>,
    /// What is not wanted yet.
    ahead: Ahead,
    /// When it was said last that the process lives.
    told_at: Option<Instant>,
    /// Milliseconds for a segment, as far as its first pictures tell.
    guess: u32,
    /// Whether a segment was measured.
    measured: bool,
}

impl Lead<'_> {
    /// Never ends well: who has made everything waits to be told to stop.
    fn run(&mut self) -> Stop {
        match self.make_all() {
            Ok(never) => match never {},
            Err(stop) => stop,
        }
    }

    fn make_all(&mut self) -> Result<std::convert::Infallible, Stop> {
        self.waits();
        let job = self.shop.job(self.order.job, self.control.stopped());
        let job = job.ok_or(Stop::Told)?.map_err(Stop::Ended)?;
        let film = open(&job, &self.shop.sources)?;
        self.goes_on();
        let parcel = Parcel::new(self.order.lease, job.clone(), self.released.clone());
        let parcel = Arc::new(parcel);
        let mut process = None;
        let mut next = self.order.span.first;
        loop {
            if !self.control.wait_for(next) {
                // In good order: it can do something else.
                process.take().into_iter().for_each(|process| self.shop.keep(process));
                return Err(Stop::Told);
            }
            let span = Span { first: next, end: self.end_of_order(&job) };
            if span.is_empty() {
                let message = format!("segment {next} is not on the timeline of job {}", job.id);
                return Err(Stop::Ended(failed(FailureClass::Worker, message)));
            }
            let mut ready = match process.take() {
                Some(process) => process,
                None => self.shop.process().map_err(|error| Stop::Ended(no_process(&error)))?,
            };
            self.make(&job, &film, &parcel, &mut ready, span)?;
            // What it made beyond the end, it made for nothing unless that moves.
            while let Some(index) = self.ahead.first() {
                if !self.control.wait_for(index) {
                    return Err(Stop::Told);
                }
                self.give_wanted(&film, &parcel)?;
            }
            process = Some(ready);
            next = span.end;
        }
    }

    fn end_of_order(&self, job: &Job) -> u32 {
        let segments = job.timeline.segments();
        if self.order.playback { segments } else { self.control.end().min(segments) }
    }

    fn make(
        &mut self,
        job: &Arc<Job>,
        film: &Film,
        parcel: &Arc<Parcel>,
        process: &mut SpanProcess,
        span: Span,
    ) -> Result<(), Stop> {
        let renditions = (0..).take(job.recipe.renditions.len());
        let order = SpanOrder {
            job: Job::clone(job),
            span,
            renditions: renditions.filter(|r| self.order.renditions.contains(*r)).collect(),
            threads: self.shop.threads,
            urgent: self.order.playback && span.first == self.order.span.first,
        };
        let descriptor = film.descriptor().map_err(|error| {
            Stop::Ended(failed(FailureClass::Worker, format!("{}: {error}", film.name())))
        })?;
        if !self.control.begin_work(process.killer()) {
            self.control.end_work();
            return Err(Stop::Told);
        }
        self.usage = Some(Usage::begin(process.pid()));
        self.damaged = 0;
        self.last.clear();
        self.ahead = Ahead::default();
        let mut left = missing(&order);
        let mut refused = None;
        let made = process.make_telling(descriptor.as_fd(), &order, &mut |word| {
            let taken = match word {
                Word::Event(event) => self.take(&order, film, parcel, &mut left, event),
                Word::Waits => {
                    self.waits();
                    Ok(())
                }
            };
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(stop) => {
                    refused = Some(stop);
                    ControlFlow::Break(())
                }
            }
        });
        let lives = self.control.end_work();
        if let Some(stop) = refused {
            return Err(stop);
        }
        if !lives {
            return Err(Stop::Told);
        }
        match made {
            Ok(report) if left.is_empty() => self.give_last(&order, film, parcel, &report),
            Ok(_) => {
                let message = format!("a span process left out {} segments", left.len());
                Err(Stop::Ended(failed(FailureClass::Worker, message)))
            }
            Err(Trouble::Failed(_)) if !film.is_unchanged() => Err(Stop::Ended(changed(film))),
            Err(Trouble::Failed(failure)) => Err(Stop::Ended(SpanEnd::Failed(failure))),
            Err(Trouble::Died(death)) => {
                if !self.control.is_stopped() {
                    warn!(lease = %self.order.lease, last_words = ?death.last_words, "{death}");
                }
                let from_outside = death.ended_by.from_outside();
                Err(Stop::Ended(if from_outside { SpanEnd::Killed } else { SpanEnd::Died }))
            }
            Err(Trouble::Stopped) => Err(Stop::Told),
        }
    }

    /// Takes what a process made, or holds it up.
    fn take(
        &mut self,
        order: &SpanOrder,
        film: &Film,
        parcel: &Arc<Parcel>,
        left: &mut BTreeSet<SegmentId>,
        event: SpanEvent,
    ) -> Result<(), Stop> {
        match event {
            SpanEvent::Progress(progress) => {
                self.gets_on(order, progress.frames);
                Ok(())
            }
            SpanEvent::Init { rendition, bytes } if order.renditions.contains(&rendition) => {
                let bytes = Bytes::from(bytes);
                self.shop.shelf.put_init(parcel.job.id, rendition, bytes.clone());
                parcel.note_init(rendition, bytes);
                Ok(())
            }
            SpanEvent::Segment { id, bytes, damaged } if left.remove(&id) => {
                let made = Made { id, bytes: bytes.into(), loss: self.lost(damaged) };
                if id.index + 1 == order.job.timeline.segments() {
                    // What is short of the film is told when all of it is made.
                    self.last.push(made);
                    return Ok(());
                }
                self.give(order, film, parcel, made)?;
                self.hold_up(film, parcel, left)
            }
            SpanEvent::Init { .. } | SpanEvent::Segment { .. } => {
                let message = "a span process made what it was not asked for".to_owned();
                Err(Stop::Ended(failed(FailureClass::Worker, message)))
            }
        }
    }

    /// What was not lost before already.
    fn lost(&mut self, damaged: u64) -> Loss {
        let before = std::mem::replace(&mut self.damaged, damaged);
        Loss { damaged: damaged.saturating_sub(before), short_by_ms: 0 }
    }

    /// The film's last segments, with what they lack.
    fn give_last(
        &mut self,
        order: &SpanOrder,
        film: &Film,
        parcel: &Arc<Parcel>,
        report: &SpanReport,
    ) -> Result<(), Stop> {
        let short_by_ms = report.short_by.map_or(0, |time| time.to_ticks(1000).max(0) as u64);
        let rest = self.lost(report.damaged);
        for made in std::mem::take(&mut self.last) {
            let loss = made.loss.plus(rest).plus(Loss { damaged: 0, short_by_ms });
            self.give(order, film, parcel, Made { loss, ..made })?;
        }
        Ok(())
    }

    /// Puts it where others find it; what is beyond the end is put aside.
    fn give(
        &mut self,
        order: &SpanOrder,
        film: &Film,
        parcel: &Arc<Parcel>,
        made: Made,
    ) -> Result<(), Stop> {
        let id = made.id;
        if id.index >= self.control.end() {
            self.ahead.0.push(made);
            return Ok(());
        }
        self.shelve(film, parcel, made)?;
        self.measure(order, id);
        Ok(())
    }

    /// Reads no more of what a process makes when all that is wanted is made: its pipe fills, and it
    /// waits. Not before that: renditions do not come in step, and what is wanted may be behind what
    /// is not.
    fn hold_up(
        &mut self,
        film: &Film,
        parcel: &Arc<Parcel>,
        left: &BTreeSet<SegmentId>,
    ) -> Result<(), Stop> {
        while let Some(first) = self.ahead.first() {
            let end = self.control.end();
            let more_to_come = left.iter().any(|segment| segment.index < end);
            if first >= end && more_to_come && !self.control.is_stopped() {
                return Ok(());
            }
            let held_up = Instant::now();
            if !self.control.wait_for(first) {
                return Err(Stop::Told);
            }
            if let Some(usage) = &mut self.usage {
                usage.pause(held_up.elapsed());
            }
            self.give_wanted(film, parcel)?;
        }
        Ok(())
    }

    /// What was put aside and is wanted now.
    fn give_wanted(&mut self, film: &Film, parcel: &Arc<Parcel>) -> Result<(), Stop> {
        for made in self.ahead.before(self.control.end()) {
            self.shelve(film, parcel, made)?;
        }
        Ok(())
    }

    /// From here on storage is waited for.
    fn waits(&mut self) {
        self.told_at = None;
        self.shop.report(Event::Waits { lease: self.order.lease });
    }

    /// It answered.
    fn goes_on(&mut self) {
        self.shop.report(Event::Progress { lease: self.order.lease });
    }

    /// Says now and then that a process lives, and how slow it seems before it has made anything.
    fn gets_on(&mut self, order: &SpanOrder, frames: u64) {
        if self.told_at.is_some_and(|at| at.elapsed() < SIGN_OF_LIFE) {
            return;
        }
        self.told_at = Some(Instant::now());
        let lease = self.order.lease;
        self.shop.report(Event::Progress { lease });
        let (Some(usage), false) = (&self.usage, self.measured) else { return };
        let Some(video) = order.job.facts.video.as_ref().filter(|_| frames > 0) else { return };
        let timeline = &order.job.timeline;
        let length = timeline.start_of(order.span.first + 1) - timeline.start_of(order.span.first);
        let pictures = (length * video.frame_rate.nominal()).as_secs_f64();
        let worked_ms = usage.spent().worked.as_secs_f64() * 1000.0;
        let pace_ms = (worked_ms * pictures / frames as f64) as u32;
        if pace_ms > self.guess.max(GUESS_MIN) / 2 * 3 {
            self.guess = pace_ms;
            let measured = Measured { segments: 0, pace_ms, effort: Resources::default() };
            self.shop.report(Event::Measured { lease, measured });
        }
    }

    fn shelve(&mut self, film: &Film, parcel: &Arc<Parcel>, made: Made) -> Result<(), Stop> {
        let Made { id, bytes, loss } = made;
        // Before anything made from it is shown to anybody.
        if !film.is_unchanged() {
            return Err(Stop::Ended(changed(film)));
        }
        let shop = self.shop;
        let room = match shop.shelf.room_at_once(bytes.len()) {
            Some(room) => Some(room),
            None => {
                let since = Instant::now();
                self.waits();
                let room = shop.runtime.block_on(async {
                    tokio::select! {
                        room = shop.shelf.room_for(bytes.len()) => Some(room),
                        () = self.control.stopped() => None,
                    }
                });
                self.goes_on();
                self.usage.iter_mut().for_each(|usage| usage.pause(since.elapsed()));
                room
            }
        };
        let label = Label { job: parcel.job.id, rendition: id.rendition, index: Some(id.index) };
        shop.shelf.put(label, bytes.clone(), room.ok_or(Stop::Told)?);
        shop.report(Event::Ready { lease: self.order.lease, segment: id });
        let (uploads, parcel) = (shop.uploads.clone(), parcel.clone());
        shop.runtime.spawn(async move { uploads.store(parcel, id, bytes, loss).await });
        Ok(())
    }

    /// What a segment cost counts when the last of its renditions is made.
    fn measure(&mut self, order: &SpanOrder, id: SegmentId) {
        let Some(usage) = &self.usage else { return };
        if order.renditions.last() != Some(&id.rendition) {
            return;
        }
        let timeline = &order.job.timeline;
        let film = timeline.start_of(id.index + 1) - timeline.start_of(order.span.first);
        let segments = id.index + 1 - order.span.first;
        let per_second = |ms: f64| (ms / film.as_secs_f64().max(0.001)) as u32;
        let spent = usage.spent();
        let effort = Resources {
            video_ms: 0,
            render_ms: 0,
            cpu_ms: per_second(spent.cpu.as_secs_f64() * 1000.0),
            memory_mib: spent.memory_mib,
        };
        let pace_ms = (spent.worked.as_millis() / u128::from(segments)) as u32;
        let measured = Measured { segments, pace_ms, effort };
        self.measured = true;
        self.shop.report(Event::Measured { lease: self.order.lease, measured });
    }
}

fn missing(order: &SpanOrder) -> BTreeSet<SegmentId> {
    let Span { first, end } = order.span;
    let of = |rendition: &u32| {
        let rendition = *rendition;
        (first..end).map(move |index| SegmentId { rendition, index })
    };
    order.renditions.iter().flat_map(of).collect()
}

fn open(job: &Job, sources: &Sources) -> Result<Film, Stop> {
    let film = Film::open(&job.source.url, sources)
        .map_err(|error| Stop::Ended(failed(error.class(), error.to_string())))?;
    if film.source().fingerprint != job.source.fingerprint {
        return Err(Stop::Ended(changed(&film)));
    }
    Ok(film)
}

fn changed(film: &Film) -> SpanEnd {
    let message = format!(
        "{} was changed or replaced after the job was submitted: submit it again when it stays as \
         it is",
        film.name()
    );
    failed(FailureClass::Source, message)
}

fn no_process(error: &SpawnError) -> SpanEnd {
    let class = match error {
        SpawnError::Died(death) if death.ended_by.from_outside() => return SpanEnd::Killed,
        SpawnError::Died(_) => return SpanEnd::Died,
        SpawnError::Io(_) | SpawnError::Closed => FailureClass::Transient,
        SpawnError::Version(_) => FailureClass::Worker,
    };
    failed(class, crate::with_causes(error))
}

fn failed(class: FailureClass, message: String) -> SpanEnd {
    SpanEnd::Failed(SpanFailure { class, message, log: Vec::new() })
}
