//! Threads that each lead one span process: order, publish what comes, report.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use segue_media::span::{SpanEvent, SpanOrder, SpanReport, lead_in};
use segue_model::{FailureClass, SegmentId, Span, SpanFailure};

use super::work::Lease;
use crate::output::{LossCount, Output, OutputError, SourceLoss};
use segue_worker::Film;
use segue_worker::span_process::{Death, SpanProcess, SpawnError, Spawner, Trouble};

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
    /// A segment got its name.
    Published {
        /// Which.
        id: SegmentId,
        /// How long it is.
        bytes: u64,
        /// Who made it.
        pid: u32,
    },
    /// A lease came back.
    Returned {
        /// Which runner is free now.
        runner: usize,
        /// What it held.
        lease: Lease,
        /// How that went.
        outcome: Outcome,
    },
    /// Somebody wants all of it to stop.
    Interrupted,
}

/// How a lease ended.
pub enum Outcome {
    /// Every segment is there, and what was lost is noted.
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

/// A runner's inbox, and its thread.
pub struct Runner {
    leases: Sender<Lease>,
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
        let (leases, inbox) = mpsc::channel();
        let run = move || {
            let mut desk = Desk { number, shop, process: first, reports };
            desk.run(&inbox);
        };
        let thread = thread::Builder::new().name(format!("runner {number}")).spawn(run)?;
        Ok(Runner { leases, thread })
    }

    /// Gives it something to make.
    pub fn give(&self, lease: Lease) {
        // A runner ends only when its inbox does.
        let _ = self.leases.send(lease);
    }

    /// Waits until it has ended, which it does after its lease. Its process goes with it.
    pub fn join(self) {
        drop(self.leases);
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
    fn run(&mut self, inbox: &Receiver<Lease>) {
        while let Ok(lease) = inbox.recv() {
            // The foreman waits for every lease it gave: a bug here must not make it wait for ever.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.make(&lease)))
                .unwrap_or_else(|_| worker_failure("a thread of segue panicked".to_owned()));
            if !matches!(outcome, Outcome::Done) {
                // Another process judges better than one that has just failed.
                self.process = None;
            }
            let report = Report::Returned { runner: self.number, lease, outcome };
            if self.reports.send(report).is_err() {
                break;
            }
        }
    }

    fn make(&mut self, lease: &Lease) -> Outcome {
        let process = match self.process.take().map_or_else(|| self.spawn(), Ok) {
            Ok(process) => process,
            Err(SpawnError::Died(death)) => return Outcome::Died(death),
            Err(error) => {
                let message = crate::ending::with_causes(&error);
                return Outcome::Failed(SpanFailure {
                    class: FailureClass::Transient,
                    message,
                    log: Vec::new(),
                });
            }
        };
        let process = self.process.insert(process);
        let descriptor = match self.shop.source.descriptor() {
            Ok(descriptor) => descriptor,
            Err(error) => return worker_failure(format!("no descriptor is left: {error}")),
        };
        let order = SpanOrder {
            job: self.shop.output.job().clone(),
            span: lease.span,
            renditions: self.shop.output.lacking(lease.span),
            threads: self.shop.threads,
            urgent: false,
        };
        let mut refused = None;
        let mut last = Last::new();
        let first = lease.span.first;
        let mut count = self.shop.output.count_loss(first, lead_in(&order.job, first));
        let pid = process.pid();
        let (shop, reports) = (&self.shop, &self.reports);
        let made = process.make(descriptor.as_fd(), &order, &mut |event| {
            let taken = match event {
                event if !is_ordered(&order, &event) => {
                    Err(worker_failure("it made what it was not asked for".to_owned()))
                }
                SpanEvent::Segment { id, bytes, damaged } if id.index + 1 == order.span.end => {
                    last.entry(id).or_insert((bytes, damaged));
                    Ok(())
                }
                SpanEvent::Segment { id, damaged, .. } => {
                    // The process may not live to report it.
                    let (span, loss) = count.note(id.index, damaged);
                    note(shop, &order, span, loss).and_then(|()| publish(shop, reports, pid, event))
                }
                event => publish(shop, reports, pid, event),
            };
            match taken {
                Ok(()) => ControlFlow::Continue(()),
                Err(outcome) => {
                    refused = Some(outcome);
                    ControlFlow::Break(())
                }
            }
        });
        match (made, refused) {
            (_, Some(outcome)) => outcome,
            (Ok(report), None) => self.finish(&order, &report, count, last, pid),
            (Err(Trouble::Failed(failure)), None) => Outcome::Failed(failure),
            (Err(Trouble::Died(death)), None) => Outcome::Died(death),
            (Err(Trouble::Stopped), None) => worker_failure("broken off".to_owned()),
        }
    }

    /// Notes what was lost, and only then gives the last segments their names.
    fn finish(
        &self,
        order: &SpanOrder,
        report: &SpanReport,
        mut count: LossCount,
        last: Last,
        pid: u32,
    ) -> Outcome {
        let (span, loss) = count.note(order.span.end - 1, report.damaged);
        let loss = SourceLoss { short_by: report.short_by, ..loss };
        if let Err(outcome) = note(&self.shop, order, span, loss) {
            return outcome;
        }
        for (id, (bytes, damaged)) in last {
            let event = SpanEvent::Segment { id, bytes, damaged };
            if let Err(outcome) = publish(&self.shop, &self.reports, pid, event) {
                return outcome;
            }
        }
        match self.shop.output.first_missing(order.span) {
            None => Outcome::Done,
            Some(index) => worker_failure(format!("segment {index} was not made")),
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

fn note(shop: &Shop, order: &SpanOrder, span: Span, loss: SourceLoss) -> Result<(), Outcome> {
    let noted = if order.renditions.len() == order.job.recipe.renditions.len() {
        shop.output.note_loss(span, loss)
    } else {
        shop.output.note_loss_of_some(span, loss)
    };
    noted.map_err(Outcome::Output)
}

fn publish(
    shop: &Shop,
    reports: &Sender<Report>,
    pid: u32,
    event: SpanEvent,
) -> Result<(), Outcome> {
    // Before anything made from it gets a name.
    if !matches!(event, SpanEvent::Progress(_)) && !shop.source.is_unchanged() {
        return Err(Outcome::SourceChanged);
    }
    let refused = |error: OutputError| {
        if error.blames_process() {
            worker_failure(error.to_string())
        } else {
            Outcome::Output(error)
        }
    };
    match event {
        SpanEvent::Progress(_) => {}
        SpanEvent::Init { rendition, bytes } => {
            shop.output.publish_init(rendition, &bytes).map_err(refused)?;
        }
        SpanEvent::Segment { id, bytes, .. } => {
            if shop.output.publish(id, &bytes).map_err(refused)? {
                let bytes = bytes.len() as u64;
                // Nobody listens any more when the job has ended.
                let _ = reports.send(Report::Published { id, bytes, pid });
            }
        }
    }
    Ok(())
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
        let mut work = crate::transcode::work::Work::new(vec![SPAN], 1, Vec::new());
        let lease = work.next(std::time::Instant::now()).unwrap();
        let outcome = desk.make(&lease);
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
