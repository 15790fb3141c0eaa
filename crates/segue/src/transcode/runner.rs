//! Threads that each lead one span process: order, publish what comes, report.

use std::io;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use segue_media::span::{SpanEvent, SpanOrder, SpanReport};
use segue_model::{FailureClass, SegmentId, SpanFailure};

use super::work::Lease;
use crate::output::{Output, OutputError};
use crate::source::LocalSource;
use crate::span_process::{Death, SpanProcess, SpawnError, Spawner, Trouble};

/// What all runners share.
pub struct Shop {
    /// Starts processes.
    pub spawner: Spawner,
    /// Where segments go.
    pub output: Output,
    /// What they are made from.
    pub source: LocalSource,
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
    /// Every segment is there.
    Done(SpanReport),
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
            if !matches!(outcome, Outcome::Done(_)) {
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
        let order = SpanOrder {
            job: self.shop.output.job().clone(),
            span: lease.span,
            renditions: self.shop.output.lacking(lease.span),
            threads: self.shop.threads,
        };
        let mut refused = None;
        let pid = process.pid();
        let (shop, reports) = (&self.shop, &self.reports);
        let made = process.make(shop.source.as_fd(), &order, &mut |event| {
            let taken = if is_ordered(&order, &event) {
                publish(shop, reports, pid, event)
            } else {
                Err(worker_failure("it made what it was not asked for".to_owned()))
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
            (Ok(report), None) => match self.shop.output.first_missing(lease.span) {
                None => Outcome::Done(report),
                Some(index) => worker_failure(format!("segment {index} was not made")),
            },
            (Err(Trouble::Failed(failure)), None) => Outcome::Failed(failure),
            (Err(Trouble::Died(death)), None) => Outcome::Died(death),
            (Err(Trouble::Stopped), None) => worker_failure("broken off".to_owned()),
        }
    }

    fn spawn(&self) -> Result<SpanProcess, SpawnError> {
        let process = self.shop.spawner.spawn()?;
        let unenforced = process.unenforced().to_vec();
        let _ = self.reports.send(Report::Started { pid: process.pid(), unenforced });
        Ok(process)
    }
}

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
        SpanEvent::Segment { id, bytes } => {
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
