//! Decides which worker makes which span, and when. Never does I/O and never reads a clock: time
//! and events come in as arguments, decisions go out as values. Start at [`Planner::handle`].
//!
//! ```text
//!  Event ──▶ workers  who is there, silent, drained ┐
//!            reports  what a status says of leases  ├─▶ leases ──▶ place ──▶ Decision
//!            claims   who wants what, by when       ┘   (give,     (who next: viewers by
//!            timers   what is due                        cut, end)  deadline, batch, tails)
//! ```
//!
//! Two things have their place and are not here yet: a second copy of a late segment (hedging)
//! belongs into `place`, beside the choice between extending a span and beginning another one;
//! refusing what the pool cannot carry (admission) belongs into `claims`, where a claim comes in.

mod claims;
mod device;
mod event;
mod job;
mod leases;
mod place;
mod policy;
mod pressed;
mod queue;
mod reports;
mod rest;
mod share;
mod sooner;
mod timers;
mod trouble;
mod view;
mod worker;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use segue_model::JobId;
use segue_model::pool::{Answer, ClaimId, Desired, EncoderFamily, Order, Term, WorkerId};

pub use event::{
    Claim, Cuts, Decision, Demand, Event, FencedBy, JobFacts, JobFailure, Note, Purpose,
};
pub use policy::Policy;
pub use view::{DeviceView, JobView, LeaseView, View, WorkerView};

use crate::arena::Arena;
use crate::{Millis, Moment};
use claims::Wish;
use device::Device;
use job::{Job, Lease};
use queue::Queue;
use timers::Timer;
use worker::Worker;

/// All that a leading scheduler knows and decides.
#[derive(Debug)]
pub struct Planner {
    term: Term,
    policy: Policy,
    now: Moment,
    settled_at: Moment,
    /// Until then work of earlier terms goes on whose jobs are not known yet.
    strangers_until: Moment,
    /// Until then silence is not held against anybody: it may be our own.
    forgive_until: Moment,
    epoch: u64,
    /// Counts batch claims, to serve them as they came.
    arrivals: u64,
    workers: Arena<Worker>,
    worker_index: BTreeMap<WorkerId, u32>,
    /// Workers that an administrator wants empty, known or not.
    drains: BTreeSet<WorkerId>,
    connected: u32,
    suspected: u32,
    devices: Arena<Device>,
    jobs: Arena<Job>,
    job_index: BTreeMap<JobId, u32>,
    claims: Arena<Wish>,
    claim_index: BTreeMap<ClaimId, u32>,
    leases: Arena<Lease>,
    /// Who holds leases of jobs that are not known yet.
    strangers: BTreeMap<JobId, BTreeSet<u32>>,
    /// Streams that may be given something now, by when they run dry.
    waiting: Queue<(Moment, u32)>,
    /// Jobs with open batch work, by deadline, then as they came.
    batch_queue: Queue<((Moment, u64), u32)>,
    /// Jobs of which only tails are left.
    steal_queue: BTreeSet<((Moment, u64), u32)>,
    /// Spans of viewers who want all that follows, by how long they take: others may make a part.
    shareable: BTreeSet<(Millis, u32)>,
    /// Spans whose viewers have another one before, per family.
    parted: [BTreeSet<u32>; EncoderFamily::ALL.len()],
    /// Devices that take viewers, per family, the fastest at what it has left last.
    free_for_playback: [BTreeSet<(u32, u32)>; EncoderFamily::ALL.len()],
    /// Devices that take batches.
    free_for_batch: [BTreeSet<(u32, u32)>; EncoderFamily::ALL.len()],
    /// Devices that run all the processes they may, batches among them.
    crowded: [BTreeSet<u32>; EncoderFamily::ALL.len()],
    /// How many devices were told to end a batch for want of processes.
    clearing: [u32; EncoderFamily::ALL.len()],
    /// What the available devices of a family could do together.
    speed: [u64; EncoderFamily::ALL.len()],
    /// How much of that nothing is made with, of what batches may have.
    idle_speed: [u64; EncoderFamily::ALL.len()],
    /// Since when a family has no available device, if it has none.
    absent_since: [Option<Moment>; EncoderFamily::ALL.len()],
    timers: BTreeSet<(Moment, Timer)>,
    changed: BTreeSet<u32>,
    /// Jobs to be dropped when an event is dealt with.
    doomed: Vec<u32>,
    decisions: Vec<Decision>,
}

impl Planner {
    /// Leads from `now` on. Knows nothing: jobs and claims are told by the scheduler, everything
    /// else by the workers.
    pub fn new(term: Term, policy: Policy, now: Moment) -> Planner {
        let settled_at = now + policy.settle;
        let strangers_until = now + policy.strangers;
        let mut planner = Planner {
            term,
            policy,
            now,
            settled_at,
            strangers_until,
            forgive_until: now,
            epoch: 0,
            arrivals: 0,
            workers: Arena::default(),
            worker_index: BTreeMap::new(),
            drains: BTreeSet::new(),
            connected: 0,
            suspected: 0,
            devices: Arena::default(),
            jobs: Arena::default(),
            job_index: BTreeMap::new(),
            claims: Arena::default(),
            claim_index: BTreeMap::new(),
            leases: Arena::default(),
            strangers: BTreeMap::new(),
            waiting: Queue::default(),
            batch_queue: Queue::default(),
            steal_queue: BTreeSet::new(),
            shareable: BTreeSet::new(),
            parted: Default::default(),
            free_for_playback: Default::default(),
            free_for_batch: Default::default(),
            crowded: Default::default(),
            clearing: Default::default(),
            speed: Default::default(),
            idle_speed: Default::default(),
            absent_since: [Some(now); EncoderFamily::ALL.len()],
            timers: BTreeSet::new(),
            changed: BTreeSet::new(),
            doomed: Vec::new(),
            decisions: Vec::new(),
        };
        planner.timers.insert((settled_at, Timer::Settled));
        planner.timers.insert((strangers_until, Timer::Strangers));
        let crossed_at = now + planner.policy.cross;
        planner.timers.extend(EncoderFamily::ALL.map(|of| (crossed_at, Timer::Family(of))));
        planner
    }

    /// Takes note of an event at `now`, and says all that follows from it and from the time.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Decision> {
        self.wake(now);
        // What was said counts before what was not: the event may be the sign of life in question.
        let heard = self.note(event);
        self.run_timers();
        self.bury();
        self.place();
        self.tell(heard);
        std::mem::take(&mut self.decisions)
    }

    /// When to call again if nothing happens.
    pub fn deadline(&self) -> Option<Moment> {
        self.timers.first().map(|(at, _)| *at)
    }

    fn wake(&mut self, now: Moment) {
        let late = self.deadline().map_or(0, |deadline| now.since(deadline));
        self.now = self.now.max(now);
        if late >= self.policy.late {
            self.forgive_until = self.now + self.policy.forgive;
            self.decisions.push(Decision::Noted(Note::Late(late)));
        }
    }

    /// The worker that is owed an answer.
    fn note(&mut self, event: Event) -> Option<u32> {
        match event {
            Event::Connected(hello) => self.connect(hello),
            Event::Status(status) => return self.status(status),
            Event::Beat(beat) => return self.beat(beat),
            Event::Broken { worker, stream } => self.broken(worker, stream),
            Event::Job(facts) => self.learn_job(facts),
            Event::Claim { id, claim } => self.claim(id, claim),
            Event::Unclaim(id) => self.unclaim(id),
            Event::Published { job, rendition, span } => self.published(job, rendition, span),
            Event::Vanished { job, segment } => self.vanished(job, segment),
            Event::Drain { worker, drain } => self.drain(worker, drain),
            Event::Tick => {}
        }
        None
    }

    fn tell(&mut self, heard: Option<u32>) {
        let mut unanswered = heard;
        for worker in std::mem::take(&mut self.changed) {
            let Some(state) = self.workers.get_mut(worker) else { continue };
            if !state.has_spoken() {
                continue;
            }
            if std::mem::take(&mut state.changed) {
                state.version += 1;
            }
            state.sent_at = self.now;
            unanswered = unanswered.filter(|heard| *heard != worker);
            let (worker, desired) = (state.id, self.desired(worker));
            self.decisions.push(Decision::Desire { worker, desired });
        }
        if let Some(worker) = unanswered {
            let (worker, answer) = (self.workers[worker].id, self.answer(worker));
            self.decisions.push(Decision::Answer { worker, answer });
        }
    }

    fn answer(&self, worker: u32) -> Answer {
        let worker = &self.workers[worker];
        Answer {
            term: self.term,
            stream: worker.stream,
            version: worker.version,
            heard: worker.sequence,
            content: worker.content,
            begin_within_ms: u32::try_from(self.policy.fence).unwrap_or(u32::MAX),
            lease_ms: u32::try_from(self.policy.lease).unwrap_or(u32::MAX),
        }
    }

    fn desired(&self, worker: u32) -> Desired {
        let state = &self.workers[worker];
        let order = |lease: &Lease| Order {
            lease: lease.id,
            job: self.jobs[lease.job].id,
            span: lease.span,
            renditions: lease.renditions,
            device: self.devices[lease.device].id.device,
            playback: lease.playback,
        };
        let mut orders: Vec<Order> =
            state.leases.iter().map(|(_, lease)| order(&self.leases[*lease])).collect();
        orders.extend(state.strange_orders());
        orders.sort_unstable_by_key(|order| order.lease);
        let screenings = state.devices.iter().filter_map(|d| self.devices[*d].screening(self.term));
        Desired {
            answer: self.answer(worker),
            orders,
            drain: state.drain,
            screenings: screenings.collect(),
        }
    }

    /// The worker's desired state is not what it was.
    fn touch(&mut self, worker: u32) {
        self.workers[worker].changed = true;
        self.changed.insert(worker);
    }

    fn noted(&mut self, note: Note) {
        self.decisions.push(Decision::Noted(note));
    }
}
