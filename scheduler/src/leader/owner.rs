//! The one task that owns everything that changes: the planner and the tables around it. Takes
//! commands one by one and waits for nothing else but the time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use segue_dispatch::planner::Event;
use segue_dispatch::{Moment, Planner};
use segue_model::JobId;
use segue_model::pool::{ClaimId, Term, WorkerId};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::claims::Wanted;
use super::errands::Errands;
use super::going::Going;
use super::jobs::Entry;
use super::questions::Questions;
use super::viewers::ViewerStream;
use super::workers::Worker;
use super::{Answer, Command, Means};
use crate::clock::Clock;
use crate::error::Error;
use crate::ledger::Remembered;
use crate::meters::Gauges;
use crate::summary::Names;

/// Who watches a job is told of changes this often at most.
pub(super) const TELL_EVERY: u64 = 200;

/// What nobody is there for any more is forgotten this often.
const TIDY_EVERY: u64 = 60_000;

/// All that the leader knows.
pub(super) struct Owner {
    pub clock: Clock,
    pub now: Moment,
    pub term: Term,
    pub planner: Planner,
    pub errands: Errands,
    pub workers: BTreeMap<WorkerId, Worker>,
    pub jobs: HashMap<JobId, Entry>,
    pub names: Names,
    /// Jobs by when they were claimed last.
    pub recency: BTreeMap<u64, JobId>,
    pub latest: u64,
    pub claims: HashMap<ClaimId, Wanted>,
    /// Viewers whose stream broke, and until when they may come back.
    pub lapsing: BTreeSet<(Moment, ClaimId)>,
    pub viewers: HashMap<u64, ViewerStream>,
    /// Jobs that failed, the latest last; some may have been claimed again.
    pub failures: VecDeque<JobId>,
    /// Jobs that the store did not have a moment ago.
    pub absent: HashMap<JobId, Moment>,
    pub going: Going,
    pub questions: Questions,
    /// Jobs that something happened to in this step.
    pub dirty: BTreeSet<JobId>,
    /// Jobs whose watchers are to be told ...
    pub untold: BTreeSet<JobId>,
    /// ... and streams of viewers that had no room for what is new ...
    pub behind: BTreeSet<u64>,
    /// ... then.
    pub tell_at: Option<Moment>,
    pub told_at: Moment,
    tidied_at: Moment,
    /// Somebody led after us: the process ends.
    pub outranked: bool,
    pub ending: Option<Error>,
}

impl Owner {
    pub fn new(
        means: Means,
        remembered: Remembered,
        commands: mpsc::Sender<Command>,
        stop: CancellationToken,
    ) -> Owner {
        let Means { clock, policy, store, ledger, tasks } = means;
        let Remembered { term, store: _, claims, failures, wanted: _, drains } = remembered;
        let now = clock.now();
        let mut owner = Owner {
            clock,
            now,
            term,
            planner: Planner::new(term, policy, now),
            errands: Errands { store, ledger, tasks, commands, stop },
            workers: BTreeMap::new(),
            jobs: HashMap::new(),
            names: Names::default(),
            recency: BTreeMap::new(),
            latest: 0,
            claims: HashMap::new(),
            lapsing: BTreeSet::new(),
            viewers: HashMap::new(),
            failures: VecDeque::new(),
            absent: HashMap::new(),
            going: Going::default(),
            questions: Questions::default(),
            dirty: BTreeSet::new(),
            untold: BTreeSet::new(),
            behind: BTreeSet::new(),
            tell_at: None,
            told_at: now,
            tidied_at: now,
            outranked: false,
            ending: None,
        };
        for (job, failed) in failures {
            owner.remember_failure(job, failed);
        }
        for worker in drains {
            owner.plan(Event::Drain { worker, drain: true });
        }
        owner.remember_claims(claims);
        owner
    }

    /// Leads until it is stopped, or somebody else led later.
    pub async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        info!(term = self.term.0, "leading");
        loop {
            let wake = self.deadline().map(|at| self.clock.instant(at));
            let command = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                command = commands.recv() => command,
                () = sleep_until(wake) => None,
            };
            self.now = self.now.max(self.clock.now());
            if let Some(command) = command {
                self.note(command);
            }
            self.run_timers();
            self.follow_up();
            if let Some(error) = self.ending.take() {
                return Err(error);
            }
        }
        self.say_goodbye();
        Ok(())
    }

    fn note(&mut self, command: Command) {
        match command {
            Command::Connected(arrival) => self.connect(*arrival),
            Command::Said { worker, connection, says } => self.hear(worker, connection, says),
            Command::Broken { worker, connection } => self.broken(worker, connection),
            Command::Describe { source, answer } => {
                self.questions.ask(self.now, source, answer);
            }
            Command::AtWork { job, answer } => self.asked_for(job, answer),
            Command::Needed { answer } => {
                let needed = self.needed();
                reply(answer, needed);
            }
            Command::LetGo { job, answer } => {
                let free = self.let_go(job);
                reply(answer, free);
            }
            Command::Gone { job } => self.gone(job),
            Command::Loaded { loaded, answer } => {
                self.learn(*loaded);
                if let Some(answer) = answer {
                    reply(answer, ());
                }
            }
            Command::NotLoaded { job } => self.not_loaded(job),
            Command::Listed { job, loss } => self.listed(job, loss),
            Command::Claim { claim, written, answer } => {
                let job = claim.job;
                self.claim_batch(claim, written);
                reply(answer, self.progress(job));
            }
            Command::Pardon { job, answer } => {
                if self.pardon(job) {
                    self.errands.pardon(job);
                }
                reply(answer, self.progress(job));
            }
            Command::Get { job, answer } => reply(answer, self.get(job)),
            Command::List { before, most, answer } => reply(answer, self.list(before, most)),
            Command::Watch { job, answer } => reply(answer, self.watch(job)),
            Command::Cancel { job, claim, answer } => {
                let (cancelled, batches) = self.cancel(job, claim.as_deref());
                self.errands.forget_all(job, batches, move || reply(answer, cancelled));
            }
            Command::Demand { stream, viewers, outgoing } => {
                self.demand(stream, viewers, outgoing);
            }
            Command::ViewersGone { stream } => self.viewers_gone(stream),
            Command::Place { wish, answer } => {
                reply(answer, self.place(&wish.needs, &wish.not_on, wish.ticket));
            }
            Command::Workers { answer } => reply(answer, self.list_workers()),
            Command::Drain { worker, drain, answer } => {
                reply(answer, self.drain(&worker, drain));
            }
            Command::Gauges { answer } => reply(answer, self.gauges()),
            Command::StepDown(error) => self.ending = Some(*error),
        }
    }

    /// Tells the planner, and does what follows.
    pub fn plan(&mut self, event: Event) {
        for decision in self.planner.handle(self.now, event) {
            self.decide(decision);
        }
    }

    fn deadline(&self) -> Option<Moment> {
        let lapse = self.lapsing.first().map(|(at, _)| *at);
        let own = [lapse, self.tell_at, self.questions.deadline()];
        own.into_iter().flatten().chain(self.planner.deadline()).min()
    }

    fn run_timers(&mut self) {
        if self.planner.deadline().is_some_and(|at| at <= self.now) {
            self.plan(Event::Tick);
        }
        while let Some((at, claim)) = self.lapsing.first().copied() {
            if at > self.now {
                break;
            }
            self.lapsing.pop_first();
            self.drop_claim(claim);
        }
        if self.questions.deadline().is_some_and(|at| at <= self.now) {
            let anybody = self.workers.values().any(|worker| worker.stream.is_some());
            self.questions.expire(self.now, anybody);
        }
        if self.now.since(self.tidied_at) >= TIDY_EVERY {
            self.tidied_at = self.now;
            self.forget_workers();
            self.going.tidy(self.now);
        }
    }

    /// What a step means to those who look on.
    fn follow_up(&mut self) {
        self.ask_workers();
        while let Some(job) = self.dirty.pop_first() {
            self.take_stock(job);
            self.tell_viewers(job);
            if self.jobs.get(&job).is_some_and(|entry| entry.watchers.is_some()) {
                self.untold.insert(job);
            }
            self.tidy(job);
        }
        let something = !self.untold.is_empty() || !self.behind.is_empty();
        if something && self.tell_at.is_none() {
            self.tell_at = Some(self.now.max(self.told_at + TELL_EVERY));
        }
        if self.tell_at.is_some_and(|at| at <= self.now) {
            (self.tell_at, self.told_at) = (None, self.now);
            for job in std::mem::take(&mut self.untold) {
                self.tell_watchers(job);
                self.tidy(job);
            }
            for stream in std::mem::take(&mut self.behind) {
                self.catch_up(stream);
            }
        }
    }

    fn gauges(&mut self) -> Gauges {
        let view = self.planner.view();
        let count = |of: fn(&segue_dispatch::planner::WorkerView) -> bool| {
            view.workers.iter().filter(|worker| of(worker)).count()
        };
        let devices = view.workers.iter().flat_map(|worker| &worker.devices);
        Gauges {
            connected: count(|worker| worker.connected),
            suspected: count(|worker| worker.suspected),
            draining: count(|worker| worker.draining),
            quarantined: devices.filter(|device| !device.trusted).count(),
            jobs: self.jobs.len(),
            claims: self.claims.len(),
            viewers_waiting: view.waiting.len(),
            batches_queued: view.batches_queued,
            leases: view.leases.len(),
        }
    }
}

/// Nobody may be left to hear it: whoever asked went away.
pub(super) fn reply<T>(answer: Answer<T>, value: T) {
    let _ = answer.send(value);
}

/// For ever, if there is nothing to wait for.
async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
