//! Streams of workers: who is there, what each is told, and which is closed with which words.

use std::collections::BTreeSet;

use segue_api::v1;
use segue_dispatch::planner::{Decision, Event};
use segue_model::pool::{Status as WorkerStatus, Term, WorkerId};
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tracing::{debug, info};

use super::owner::Owner;
use super::places::Places;
use super::{Arrival, Says, ToWorker};
use crate::meters;

/// No ledger counts so far: a worker that says so is wrong.
const TERM_MAX: Term = Term(1 << 48);

/// A worker that is connected, or was not long ago.
#[derive(Debug)]
pub(super) struct Worker {
    pub name: String,
    pub address: String,
    pub devices: Vec<String>,
    incarnation: u64,
    /// The worker's own number for its latest stream.
    number: u64,
    /// What it offers to commands.
    pub places: Option<Places>,
    pub stream: Option<Stream>,
}

/// An open stream.
#[derive(Debug)]
pub(super) struct Stream {
    connection: u64,
    outgoing: ToWorker,
    closed: CancellationToken,
}

impl Stream {
    /// The last word, and the end.
    fn close(self, status: Status) {
        refuse(&self.outgoing, status, &self.closed);
    }
}

fn refuse(outgoing: &ToWorker, status: Status, closed: &CancellationToken) {
    // If there is no room for the words, the end of the stream has to do.
    let _ = outgoing.try_send(Err(status));
    closed.cancel();
}

impl Owner {
    pub(super) fn connect(&mut self, arrival: Arrival) {
        let Arrival { greeting, connection, outgoing, closed } = arrival;
        let hello = greeting.hello;
        let (id, incarnation, number) = (hello.worker, hello.incarnation, hello.stream);
        let name = hello.capabilities.name.clone();
        let devices = hello.capabilities.devices.iter().map(|device| device.name.clone());
        let devices = devices.collect();
        let known = self.workers.get(&id);
        if known.is_some_and(|k| k.incarnation == incarnation && k.number >= number) {
            let words = format!("stream {number} of worker {} is not its latest one", id.0);
            return refuse(&outgoing, Status::aborted(words), &closed);
        }
        let decisions = self.planner.handle(self.now, Event::Connected(hello));
        let mut taken = false;
        for decision in decisions {
            taken |= matches!(decision, Decision::NameTaken { .. });
            self.decide(decision);
        }
        if taken {
            let words = name_taken(&name, self.workers.get(&id).map(|known| &*known.address));
            return refuse(&outgoing, Status::failed_precondition(words), &closed);
        }
        info!(worker = id.0, %name, address = %greeting.address, "a worker is there");
        let stream = Some(Stream { connection, outgoing, closed });
        let worker = Worker {
            name,
            address: greeting.address,
            devices,
            incarnation,
            number,
            places: greeting.commands.map(Places::new),
            stream,
        };
        if let Some(old) = self.workers.insert(id, worker).and_then(|worker| worker.stream) {
            self.questions.gone(id);
            old.close(Status::aborted(format!("worker {} opened a newer stream", id.0)));
        }
    }

    pub(super) fn hear(&mut self, id: WorkerId, connection: u64, says: Says) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        if worker.stream.as_ref().is_none_or(|stream| stream.connection != connection) {
            return;
        }
        let beat = match &says {
            Says::Status(status) => Some(&status.beat),
            Says::Beat(beat) => Some(beat),
            Says::Described(_) | Says::Commands(_) => None,
        };
        if beat.is_some_and(|beat| beat.applied.0 > TERM_MAX) {
            let words = "beat.applied_term: no scheduler counts so far";
            return self.close(id, Status::invalid_argument(words));
        }
        match says {
            Says::Status(status) => {
                self.hear_status(status);
            }
            Says::Beat(beat) => self.plan(Event::Beat(beat)),
            Says::Commands(tickets) => {
                if let Some(places) = &mut worker.places {
                    places.hold(tickets);
                }
            }
            Says::Described(described) => {
                let question = described.question;
                debug!(worker = id.0, question, ok = described.outcome.is_ok(), "described");
                self.questions.answered(self.now, id, *described);
            }
        }
    }

    fn hear_status(&mut self, status: WorkerStatus) {
        let mut jobs: Vec<_> = status.spans.iter().map(|span| span.order.job).collect();
        jobs.sort_unstable();
        jobs.dedup();
        self.plan(Event::Status(status));
        for job in jobs {
            if self.knows(job) {
                self.dirty.insert(job);
            } else {
                // Work of an earlier term is gone on with only if its job is known soon.
                self.load_soon(job);
            }
        }
    }

    pub(super) fn broken(&mut self, id: WorkerId, connection: u64) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let stream = worker.stream.take_if(|stream| stream.connection == connection);
        if stream.is_none() {
            return;
        }
        let (name, number) = (worker.name.clone(), worker.number);
        info!(worker = id.0, %name, "a worker's stream is over");
        self.mark_jobs_of(id);
        self.questions.gone(id);
        self.plan(Event::Broken { worker: id, stream: number });
    }

    /// What a worker held may not be so any more.
    fn mark_jobs_of(&mut self, id: WorkerId) {
        let jobs = self.jobs.iter().filter(|(_, entry)| entry.is_looked_at());
        let of_it = jobs.map(|(job, _)| *job).filter(|job| {
            let view = self.planner.job(*job);
            view.is_some_and(|view| view.leases.iter().any(|lease| lease.worker == id))
        });
        let of_it: Vec<_> = of_it.collect();
        self.dirty.extend(of_it);
    }

    /// Ends a worker's stream with words; it opens another if it can do better.
    pub(super) fn close(&mut self, id: WorkerId, status: Status) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        let Some(stream) = worker.stream.take() else { return };
        let number = worker.number;
        info!(worker = id.0, words = status.message(), "a worker's stream is closed");
        stream.close(status);
        self.mark_jobs_of(id);
        self.questions.gone(id);
        self.plan(Event::Broken { worker: id, stream: number });
    }

    /// Sends to a worker, if it is there and keeps up. What does not fit is dropped: the planner says
    /// it again when it sees that it was not taken up.
    pub(super) fn send(&mut self, id: WorkerId, says: v1::connect_response::Says) -> bool {
        let stream = self.workers.get(&id).and_then(|worker| worker.stream.as_ref());
        let response = v1::ConnectResponse { says: Some(says) };
        stream.is_some_and(|stream| stream.outgoing.try_send(Ok(response)).is_ok())
    }

    /// Has sources looked at that nobody looks at yet.
    pub(super) fn ask_workers(&mut self) {
        let there = self.workers.iter();
        let there = there.filter(|(_, worker)| worker.stream.is_some()).map(|(id, _)| *id);
        let (leaving, staying): (Vec<WorkerId>, Vec<WorkerId>) =
            there.partition(|id| self.planner.leaves(*id));
        // A look is no work to speak of: it lets a job wait for whoever comes.
        let there = if staying.is_empty() { leaving } else { staying };
        for asked in self.questions.assign(self.now, &there) {
            meters::count("segue_describes_total", 1);
            let describe = v1::Describe { question: asked.question, source: asked.source };
            let sent = self.send(asked.worker, v1::connect_response::Says::Describe(describe));
            if !sent {
                // It does not keep up: it is asked, or another one is, when something happens again.
                self.questions.not_sent(asked.question);
            }
        }
    }

    /// Whom the planner has forgotten is forgotten.
    pub(super) fn forget_workers(&mut self) {
        let view = self.planner.view();
        let known: BTreeSet<WorkerId> = view.workers.iter().map(|worker| worker.id).collect();
        self.workers.retain(|id, worker| worker.stream.is_some() || known.contains(id));
    }

    pub(super) fn list_workers(&mut self) -> Vec<v1::WorkerInfo> {
        let view = self.planner.view();
        let info = |seen: &segue_dispatch::planner::WorkerView| {
            let worker = self.workers.get(&seen.id)?;
            let device = |(at, device): (usize, &segue_dispatch::planner::DeviceView)| {
                let pause = device.quarantined_until.map_or(0, |until| until.since(self.now));
                // One that is yet to give the known answer is not trusted either.
                let pause = if device.trusted { 0 } else { pause.max(1) };
                v1::DeviceInfo {
                    name: worker.devices.get(at).cloned().unwrap_or_default(),
                    spans: device.spans as u32,
                    quarantined_for_ms: pause,
                }
            };
            Some(v1::WorkerInfo {
                worker: seen.id.0,
                name: worker.name.clone(),
                connected: seen.connected,
                suspected: seen.suspected,
                draining: seen.draining,
                devices: seen.devices.iter().enumerate().map(device).collect(),
                // What one that is away runs is nobody's any more.
                commands: worker
                    .places
                    .as_ref()
                    .filter(|_| worker.stream.is_some())
                    .map(|places| places.info(self.now)),
            })
        };
        let mut infos: Vec<_> = view.workers.iter().filter_map(info).collect();
        infos.sort_by(|one, other| (&one.name, one.worker).cmp(&(&other.name, other.worker)));
        infos
    }

    /// By name or number. Of several that have a name, all.
    pub(super) fn drain(&mut self, called: &str, drain: bool) -> Option<v1::DrainResponse> {
        let number = called.parse().ok().map(WorkerId);
        let is_meant =
            |(id, worker): &(&WorkerId, &Worker)| worker.name == called || number == Some(**id);
        let meant: Vec<WorkerId> =
            self.workers.iter().filter(is_meant).map(|(id, _)| *id).collect();
        if meant.is_empty() {
            return None;
        }
        for worker in &meant {
            info!(worker = worker.0, drain, "an administrator wants a worker empty, or no longer");
            self.plan(Event::Drain { worker: *worker, drain });
            self.errands.drain(*worker, drain);
        }
        let leases = self.planner.view().leases;
        let spans = leases.iter().filter(|lease| meant.contains(&lease.worker)).count() as u32;
        let places = meant.iter().filter_map(|id| self.workers.get(id)?.places.as_ref());
        let commands = places.map(|places| places.info(self.now).running).sum();
        Some(v1::DrainResponse { spans, commands })
    }

    /// All streams end: the process does.
    pub(super) fn say_goodbye(&mut self) {
        for stream in self.workers.values_mut().filter_map(|worker| worker.stream.take()) {
            stream.close(Status::unavailable("the scheduler is ending"));
        }
    }
}

fn name_taken(name: &str, by: Option<&str>) -> String {
    let by = by.map(|address| format!(", at {address}")).unwrap_or_default();
    format!(
        "a worker named {name} is there already{by}: give one of the two another name (--name); if that \
         one has just ended, this one is taken in when that is known"
    )
}
