//! Threads that each lead one span process: order, publish what comes, report.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use segue_media::span::{SpanEvent, SpanOrder, SpanReport, lead_in};
use segue_model::pool::{LeaseId, Measured, Order, Resources, Screening};
use segue_model::{FailureClass, SegmentId, Span, SpanFailure};

use crate::output::{LossCount, Output, OutputError, SourceLoss};
use segue_worker::span_process::{Death, SpanProcess, SpawnError, Spawner, Trouble};
use segue_worker::{Control, Film, trial};

/// What all runners share.
pub struct Shop {
    /// Starts processes.
    pub spawner: Spawner,
    /// Where segments go.
    pub output: Output,
    /// What they are made from.
    pub source: Film,
    /// Threads for each decoder and encoder.
    pub threads: u32,
}

/// What a runner has to say.
pub enum Report {
    /// A process is ready. What its sandbox lacks comes along.
    Started {
        /// Which.
        pid: u32,
        /// A line for each.
        unenforced: Vec<String>,
    },
    /// A segment has its name.
    Published {
        /// Under which lease.
        lease: LeaseId,
        /// Who made it.
        runner: usize,
        /// Which.
        id: SegmentId,
        /// How long it is, unless somebody else was faster and this copy was one too many.
        bytes: Option<u64>,
        /// By which process.
        pid: u32,
        /// What segments cost so far.
        measured: Measured,
    },
    /// A lease came back.
    Returned {
        /// From whom.
        runner: usize,
        /// What it held.
        order: Order,
        /// How that went.
        outcome: Outcome,
    },
    /// It was seen whether processes work at all.
    Screened {
        /// By whom.
        runner: usize,
        /// What was asked.
        screening: Screening,
        /// Whether they do.
        passed: bool,
    },
    /// Somebody wants all of it to stop.
    Interrupted,
}

/// How a lease ended.
pub enum Outcome {
    /// Every segment is there, and what was lost is noted; or nobody wants more of it.
    Done,
    /// The process is gone.
    Died(Death),
    /// The process, or its segments, are no good; the process has been retired.
    Failed(SpanFailure),
    /// No process will do better: the directory takes nothing.
    Output(OutputError),
    /// No process will do better: the source is another one now.
    SourceChanged,
}

/// What a runner is given to do.
pub enum Task {
    /// To make a span, as far as its control says.
    Make(Order, Arc<Control>),
    /// To see whether processes work at all.
    Screen(Screening),
}

/// A runner's inbox, and its thread.
pub struct Runner {
    tasks: Sender<Task>,
    thread: JoinHandle<()>,
}

impl Runner {
    /// Starts the thread. `first` is a process that is already warm.
    pub fn start(
        number: usize,
        shop: Arc<Shop>,
        first: Option<SpanProcess>,
        reports: Sender<Report>,
    ) -> io::Result<Runner> {
        let (tasks, inbox) = mpsc::channel();
        let run = move || {
            let mut desk = Desk { number, shop, process: first, reports };
            desk.run(&inbox);
        };
        let thread = thread::Builder::new().name(format!("runner {number}")).spawn(run)?;
        Ok(Runner { tasks, thread })
    }

    /// Gives it something to do, after what it does now.
    pub fn give(&self, task: Task) {
        // A runner ends only when its inbox does.
        let _ = self.tasks.send(task);
    }

    /// Waits until it has ended, which it does after its tasks. Its process goes with it.
    pub fn join(self) {
        drop(self.tasks);
        // One that panicked has said so, and publishes nothing any more.
        let _ = self.thread.join();
    }
}

struct Desk {
    number: usize,
    shop: Arc<Shop>,
    process: Option<SpanProcess>,
    reports: Sender<Report>,
}

impl Desk {
    fn run(&mut self, inbox: &Receiver<Task>) {
        while let Ok(task) = inbox.recv() {
            let runner = self.number;
            let report = match task {
                Task::Make(order, control) => {
                    // The foreman waits for every lease it gave: a bug here must not make it wait for
                    // ever.
                    let outcome = catch_unwind(AssertUnwindSafe(|| self.make(order, &control)))
                        .unwrap_or_else(|_| {
                            worker_failure("a thread of segue panicked".to_owned())
                        });
                    if !matches!(outcome, Outcome::Done) {
                        // Another process judges better than one that has just failed.
                        self.process = None;
                    }
                    Report::Returned { runner, order, outcome }
                }
                Task::Screen(screening) => {
                    let passed = trial(&self.shop.spawner).is_ok();
                    Report::Screened { runner, screening, passed }
                }
            };
            if self.reports.send(report).is_err() {
                break;
            }
        }
    }

    fn make(&mut self, order: Order, control: &Control) -> Outcome {
        let span = Span { end: control.end(), ..order.span };
        if control.is_stopped() || span.is_empty() {
            return Outcome::Done;
        }
        let process = match self.process.take().map_or_else(|| self.spawn(), Ok) {
            Ok(process) => process,
            Err(SpawnError::Died(death)) => return Outcome::Died(death),
            Err(error) => {
                let class = match error {
                    SpawnError::Version(_) => FailureClass::Worker,
                    _ => FailureClass::Transient,
                };
                let message = crate::ending::with_causes(&error);
                return Outcome::Failed(SpanFailure { class, message, log: Vec::new() });
            }
        };
        let process = self.process.insert(process);
        let descriptor = match self.shop.source.descriptor() {
            Ok(descriptor) => descriptor,
            Err(error) => return worker_failure(format!("no descriptor is left: {error}")),
        };
        let job = self.shop.output.job();
        let renditions = (0..).take(job.recipe.renditions.len());
        let wanted = SpanOrder {
            job: job.clone(),
            span,
            renditions: renditions.filter(|r| order.renditions.contains(*r)).collect(),
            threads: self.shop.threads,
            urgent: false,
        };
        let mut take = Take {
            shop: &self.shop,
            reports: &self.reports,
            runner: self.number,
            lease: order.lease,
            count: self.shop.output.count_loss(span.first, lead_in(job, span.first)),
            pid: process.pid(),
            last: Last::new(),
            there: BTreeSet::new(),
            order: wanted,
            since: Instant::now(),
        };
        if !control.begin_work(process.killer()) {
            control.end_work();
            return Outcome::Done;
        }
        let order = take.order.clone();
        let mut refused = None;
        let made = process.make(descriptor.as_fd(), &order, &mut |event| {
            if control.is_stopped() {
                return ControlFlow::Break(());
            }
            match take.event(event, control.end()) {
                Ok(()) => ControlFlow::Continue(()),
                Err(outcome) => {
                    refused = Some(outcome);
                    ControlFlow::Break(())
                }
            }
        });
        let lives = control.end_work();
        if !lives || (made.is_err() && control.is_stopped()) {
            self.process = None;
            return refused.unwrap_or(Outcome::Done);
        }
        match (made, refused) {
            (_, Some(outcome)) => outcome,
            (Ok(report), None) => take.finish(&report, control.end()),
            (Err(Trouble::Failed(failure)), None) => Outcome::Failed(failure),
            (Err(Trouble::Died(death)), None) => Outcome::Died(death),
            (Err(Trouble::Stopped), None) => worker_failure("broken off".to_owned()),
        }
    }

    fn spawn(&self) -> Result<SpanProcess, SpawnError> {
        let process = self.shop.spawner.spawn()?;
        let unenforced = process.unenforced().to_vec();
        // Nobody listens any more when the job has ended.
        let _ = self.reports.send(Report::Started { pid: process.pid(), unenforced });
        Ok(process)
    }
}

/// What a span process makes, on its way to its place.
struct Take<'a> {
    shop: &'a Shop,
    reports: &'a Sender<Report>,
    runner: usize,
    lease: LeaseId,
    order: SpanOrder,
    pid: u32,
    count: LossCount,
    last: Last,
    /// Segments that have their names.
    there: BTreeSet<SegmentId>,
    since: Instant,
}

impl Take<'_> {
    /// `end`: what comes after that is another's by now.
    fn event(&mut self, event: SpanEvent, end: u32) -> Result<(), Outcome> {
        if !is_ordered(&self.order, &event) {
            return Err(worker_failure("it made what it was not asked for".to_owned()));
        }
        match event {
            SpanEvent::Progress(_) => Ok(()),
            SpanEvent::Init { rendition, bytes } => {
                self.check_source()?;
                self.shop.output.publish_init(rendition, &bytes).map_err(refused)
            }
            SpanEvent::Segment { id, .. } if id.index >= end => Ok(()),
            SpanEvent::Segment { id, bytes, damaged } if id.index + 1 == self.order.span.end => {
                self.last.entry(id).or_insert((bytes, damaged));
                Ok(())
            }
            SpanEvent::Segment { id, bytes, damaged } => {
                // The process may not live to report it.
                let (span, loss) = self.count.note(id.index, damaged);
                self.note(span, loss)?;
                self.publish(id, &bytes)
            }
        }
    }

    /// Notes what was lost, and only then gives the last segments their names, unless they are another's
    /// by now. `end`: as for [`Take::event`].
    fn finish(mut self, report: &SpanReport, end: u32) -> Outcome {
        let all = if end < self.order.span.end { Ok(()) } else { self.name_last(report) };
        let own = self.order.span.first..self.order.span.end.min(end);
        let lacks = |index: &u32| {
            let id = |rendition: &u32| SegmentId { rendition: *rendition, index: *index };
            !self.order.renditions.iter().all(|rendition| self.there.contains(&id(rendition)))
        };
        match (all, own.into_iter().find(lacks)) {
            (Err(outcome), _) => outcome,
            (Ok(()), Some(index)) => worker_failure(format!("segment {index} was not made")),
            (Ok(()), None) => Outcome::Done,
        }
    }

    fn name_last(&mut self, report: &SpanReport) -> Result<(), Outcome> {
        let (span, loss) = self.count.note(self.order.span.end - 1, report.damaged);
        self.note(span, SourceLoss { short_by: report.short_by, ..loss })?;
        let last = std::mem::take(&mut self.last);
        last.into_iter().try_for_each(|(id, (bytes, _))| self.publish(id, &bytes))
    }

    fn note(&self, span: Span, loss: SourceLoss) -> Result<(), Outcome> {
        let output = &self.shop.output;
        let noted = if self.order.renditions.len() == self.order.job.recipe.renditions.len() {
            output.note_loss(span, loss)
        } else {
            output.note_loss_of_some(span, loss)
        };
        noted.map_err(Outcome::Output)
    }

    fn publish(&mut self, id: SegmentId, bytes: &[u8]) -> Result<(), Outcome> {
        self.check_source()?;
        let is_new = self.shop.output.publish(id, bytes).map_err(refused)?;
        self.there.insert(id);
        let bytes = is_new.then_some(bytes.len() as u64);
        let (lease, runner, pid) = (self.lease, self.runner, self.pid);
        let measured = self.measured(id.index);
        // Nobody listens any more when the job has ended.
        let _ = self.reports.send(Report::Published { lease, runner, id, bytes, pid, measured });
        Ok(())
    }

    /// As if it had all its cores for itself; what the others take makes all equally slow.
    fn measured(&self, index: u32) -> Measured {
        let segments = index + 1 - self.order.span.first;
        let spent = self.since.elapsed().as_millis() as u64;
        let pace_ms = (spent / u64::from(segments)).clamp(1, 3_600_000) as u32;
        let timeline = &self.order.job.timeline;
        let film = timeline.start_of(index + 1) - timeline.start_of(self.order.span.first);
        let film_ms = film.to_ticks(1000).max(1) as u64;
        let cpu_ms = (spent * 1000 / film_ms * u64::from(self.shop.threads)).clamp(1, 3_600_000);
        let effort = Resources { cpu_ms: cpu_ms as u32, ..Resources::default() };
        Measured { segments, pace_ms, effort }
    }

    /// Before anything made from it gets a name.
    fn check_source(&self) -> Result<(), Outcome> {
        if self.shop.source.is_unchanged() { Ok(()) } else { Err(Outcome::SourceChanged) }
    }
}

/// The last segment of a span, in each rendition. It waits for the span's report: whoever interrupts
/// between the two must not end up with a finished film of which nobody knows what it lacks.
type Last = BTreeMap<SegmentId, (Vec<u8>, u64)>;

/// A child that has been taken over must not give out another's segments.
fn is_ordered(order: &SpanOrder, event: &SpanEvent) -> bool {
    match event {
        SpanEvent::Progress(_) => true,
        SpanEvent::Init { rendition, .. } => order.renditions.contains(rendition),
        SpanEvent::Segment { id, .. } => {
            let indices = order.span.first..order.span.end;
            order.renditions.contains(&id.rendition) && indices.contains(&id.index)
        }
    }
}

fn refused(error: OutputError) -> Outcome {
    if error.blames_process() { worker_failure(error.to_string()) } else { Outcome::Output(error) }
}

fn worker_failure(message: String) -> Outcome {
    Outcome::Failed(SpanFailure { class: FailureClass::Worker, message, log: Vec::new() })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;
    use std::process::Command;

    use segue_media::{Cancel, FileSource};
    use segue_model::pool::{Renditions, Term};
    use segue_model::{Hash, Job, JobRequest};
    use tempfile::tempdir;

    use super::*;
    use segue_worker::span_process::Patience;
    use segue_worker::span_process::protocol::{self, Message, write_frame};

    const SPAN: Span = Span { first: 1, end: 3 };

    fn job(source: &Film, film: &Path) -> Job {
        let film = FileSource::new(File::open(film).unwrap()).unwrap();
        let facts = segue_media::describe(Box::new(film), &Cancel::default()).unwrap();
        let request = JobRequest::default();
        segue_hls::plan(source.source().clone(), &request, facts).unwrap()
    }

    /// What comes of a process that says hello, makes both segments of a span, damaged, and then says
    /// this.
    fn made(then: Message) -> (Outcome, Vec<SegmentId>, SourceLoss, Vec<Span>) {
        let directory = tempdir().unwrap();
        let mut said = Vec::new();
        let hello = Message::Hello { version: protocol::VERSION, unenforced: Vec::new() };
        write_frame(&mut said, &hello, b"").unwrap();
        for index in SPAN.first..SPAN.end {
            let id = SegmentId { rendition: 0, index };
            let segment = Message::Segment { id, hash: Hash::of(b"segment"), damaged: 2 };
            write_frame(&mut said, &segment, b"segment").unwrap();
        }
        write_frame(&mut said, &then, b"").unwrap();
        fs::write(directory.path().join("said"), said).unwrap();
        // Written by another process: a child started meanwhile by another test would hold a file of
        // this one open for a moment, and what is open for writing cannot be run.
        let actor = "#!/bin/sh\ncat \"$(dirname \"$0\")/said\"\nexec cat >/dev/null\n";
        let write = ["-c", "printf %s \"$1\" >actor && chmod +x actor", "sh", actor];
        let written = Command::new("sh").args(write).current_dir(directory.path()).status();
        assert!(written.unwrap().success());

        let film = segue_lab::source("h264-aac-mkv");
        let source = Film::open_file(&film).unwrap();
        let job = job(&source, &film);
        let spawner = Spawner::new(directory.path().join("actor"), Patience::default()).unwrap();
        let output = Output::open(&directory.path().join("out"), job).unwrap();
        let shop = Arc::new(Shop { spawner, output, source, threads: 1 });
        let (reports, inbox) = mpsc::channel();
        let mut desk = Desk { number: 0, shop: shop.clone(), process: None, reports };
        let order = Order {
            lease: LeaseId { term: Term(1), epoch: 1 },
            job: shop.output.job().id,
            span: SPAN,
            renditions: Renditions::first(1),
            device: 0,
            playback: false,
        };
        let control = Control::new(SPAN.end);
        let outcome = desk.make(order, &control);
        drop(desk);
        let published = inbox.iter().filter_map(|report| match report {
            Report::Published { id, .. } => Some(id),
            _ => None,
        });
        (outcome, published.collect(), shop.output.loss(), shop.output.missing())
    }

    #[test]
    fn the_last_segment_of_a_span_gets_its_name_when_the_loss_in_it_is_noted() {
        let short_by = Some(segue_model::Time::new(1, 2));
        let report = SpanReport { damaged: 3, short_by, ..SpanReport::default() };
        let (outcome, published, loss, _) = made(Message::Done(report));
        assert!(matches!(outcome, Outcome::Done));
        assert_eq!(published.iter().map(|id| id.index).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(loss, SourceLoss { damaged: 3, short_by });
    }

    #[test]
    fn the_last_segment_of_a_span_is_made_again_when_nobody_tells_the_loss_in_it() {
        let out_of_turn = Message::Checked(Default::default());
        let (outcome, published, loss, missing) = made(out_of_turn);
        assert!(matches!(outcome, Outcome::Died(_)));
        assert_eq!(published.iter().map(|id| id.index).collect::<Vec<_>>(), [1]);
        assert_eq!(loss, SourceLoss { damaged: 2, short_by: None });
        assert_eq!(missing.iter().map(|span| span.first).collect::<Vec<_>>(), [0, 2]);
    }
}
