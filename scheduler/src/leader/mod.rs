//! The leader: one task that owns the planner and the tables around it. Others hold a [`Leader`] and
//! ask; nobody else sees the channel, and nothing here waits for a store, a ledger or a client.
//!
//! ```text
//!  services ──▶ Command ──▶ Owner ── Event ──▶ Planner
//!                 ▲           │ ◀── Decision ──┘
//!   errands ──────┘           ├──▶ streams of workers, viewers, watchers (never waited for)
//!   (store, ledger) ◀─────────┘
//! ```
//!
//! Start at [`Owner::run`](owner::Owner::run).

mod claims;
mod decisions;
mod errands;
mod going;
mod jobs;
mod owner;
mod places;
mod questions;
mod viewers;
mod workers;

use std::sync::Arc;

use segue_api::{Described, Greeting, v1};
use segue_dispatch::planner::Policy;
use segue_model::JobId;
use segue_model::pool::{Beat, Renditions, Status as WorkerStatus, WorkerId};
use segue_store::{Loss, Store};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::Status;

use crate::clock::Clock;
use crate::error::Error;
use crate::ledger::{BatchClaim, Ledger, Remembered, Written};
use crate::meters::Gauges;
pub use errands::{Loaded, load};
pub use places::{NoPlace, Place};
pub use questions::{Found, NotDescribed};

/// Commands that wait. A client whose command finds no room waits; so nobody can fill our memory.
const WAITING_MAX: usize = 4096;

/// What goes to a worker.
pub type ToWorker = mpsc::Sender<Result<v1::ConnectResponse, Status>>;
/// What goes to who speaks for viewers.
pub type ToViewers = mpsc::Sender<Result<v1::DemandResponse, Status>>;

/// A worker's new stream.
#[derive(Debug)]
pub struct Arrival {
    /// What it said first.
    pub greeting: Greeting,
    /// Names the stream on our side.
    pub connection: u64,
    /// The way back.
    pub outgoing: ToWorker,
    /// Cancelled when the stream is to be read no more.
    pub closed: CancellationToken,
}

/// Something a worker says on its stream.
#[derive(Debug)]
pub enum Says {
    /// All it holds.
    Status(WorkerStatus),
    /// That nothing changed.
    Beat(Beat),
    /// What it found in a source.
    Described(Box<Described>),
    /// All commands that it runs, by their tickets.
    Commands(Vec<String>),
}

/// What a viewer needs.
#[derive(Clone, Debug)]
pub struct Viewer {
    /// Names it to its client.
    pub name: String,
    /// What it watches.
    pub job: JobId,
    /// In which renditions.
    pub renditions: Renditions,
    /// The first segment that it does not have.
    pub segment: u32,
    /// How long it can play without that.
    pub due_in_ms: u32,
    /// Whether all that follows is wanted, too.
    pub to_end: bool,
}

/// What is known of a job here.
#[derive(Debug)]
pub enum Known {
    /// All of it.
    Here(Box<v1::JobInfo>),
    /// This and no more: the store says the rest, if it has it.
    Elsewhere {
        /// Why it failed, if it did.
        failed: Option<v1::Failure>,
        /// Who wants it.
        claims: Vec<v1::ClaimInfo>,
    },
}

/// Some of the jobs that are known here.
#[derive(Debug)]
pub struct Page {
    /// The latest claimed first.
    pub jobs: Vec<(JobId, Known)>,
    /// Where the next page begins, if there may be one.
    pub next: Option<u64>,
}

/// A job as those who watch it are told.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// How far it is.
    pub info: v1::JobInfo,
    /// Whether that is the last word: it is finished, failed, or nobody claims it.
    pub last: bool,
}

/// What was dropped by a cancel.
#[derive(Debug)]
pub struct Cancelled {
    /// Whether the job is known here.
    pub known: bool,
    /// Whether others still claim it.
    pub still_claimed: bool,
}

pub(crate) type Answer<T> = oneshot::Sender<T>;

/// What the leader is asked, and what its errands bring back.
#[derive(Debug)]
enum Command {
    Connected(Box<Arrival>),
    Said { worker: WorkerId, connection: u64, says: Says },
    Broken { worker: WorkerId, connection: u64 },
    Describe { source: String, answer: Answer<Result<Arc<Found>, NotDescribed>> },
    AtWork { job: JobId, answer: Answer<bool> },
    Needed { answer: Answer<Vec<JobId>> },
    LetGo { job: JobId, answer: Answer<bool> },
    Gone { job: JobId },
    Loaded { loaded: Box<Loaded>, answer: Option<Answer<()>> },
    NotLoaded { job: JobId },
    Listed { job: JobId, loss: Loss },
    Claim { claim: BatchClaim, written: Written, answer: Answer<v1::Progress> },
    Pardon { job: JobId, answer: Answer<v1::Progress> },
    Get { job: JobId, answer: Answer<Known> },
    List { before: Option<u64>, most: usize, answer: Answer<Page> },
    Watch { job: JobId, answer: Answer<Option<watch::Receiver<Snapshot>>> },
    Cancel { job: JobId, claim: Option<String>, answer: Answer<Cancelled> },
    Demand { stream: u64, viewers: Vec<Viewer>, outgoing: ToViewers },
    ViewersGone { stream: u64 },
    Place { wish: Wish, answer: Answer<Result<Place, NoPlace>> },
    Workers { answer: Answer<Vec<v1::WorkerInfo>> },
    Drain { worker: String, drain: bool, answer: Answer<Option<v1::DrainResponse>> },
    Gauges { answer: Answer<Gauges> },
    StepDown(Box<Error>),
}

/// A place that somebody wants for a command.
#[derive(Debug)]
struct Wish {
    needs: Vec<String>,
    not_on: Vec<String>,
    ticket: String,
}

/// The leader has ended, and with it soon the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the scheduler is ending")]
pub struct Ended;

/// What the leader works with.
#[derive(Debug)]
pub struct Means {
    /// What time it is.
    pub clock: Clock,
    /// How patient it is.
    pub policy: Policy,
    /// Where jobs are.
    pub store: Store,
    /// Where claims are.
    pub ledger: Ledger,
    /// Those that run errands.
    pub tasks: TaskTracker,
}

/// The way to the leader. Clones lead to the same.
#[derive(Clone, Debug)]
pub struct Leader {
    commands: mpsc::Sender<Command>,
}

impl Leader {
    /// Begins to lead, with what is remembered, until `stop`.
    pub fn start(
        means: Means,
        remembered: Remembered,
        stop: CancellationToken,
    ) -> (Leader, JoinHandle<Result<(), Error>>) {
        let (commands, receiver) = mpsc::channel(WAITING_MAX);
        let owner = owner::Owner::new(means, remembered, commands.clone(), stop.clone());
        (Leader { commands }, tokio::spawn(owner.run(receiver, stop)))
    }

    async fn tell(&self, command: Command) -> Result<(), Ended> {
        self.commands.send(command).await.map_err(|_| Ended)
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, Ended> {
        let (answer, answered) = oneshot::channel();
        self.tell(command(answer)).await?;
        answered.await.map_err(|_| Ended)
    }

    /// A worker opened a stream.
    pub async fn connected(&self, arrival: Arrival) -> Result<(), Ended> {
        self.tell(Command::Connected(Box::new(arrival))).await
    }

    /// A worker says something.
    pub async fn said(&self, worker: WorkerId, connection: u64, says: Says) -> Result<(), Ended> {
        self.tell(Command::Said { worker, connection, says }).await
    }

    /// A worker's stream broke.
    pub async fn broken(&self, worker: WorkerId, connection: u64) -> Result<(), Ended> {
        self.tell(Command::Broken { worker, connection }).await
    }

    /// Has a worker look at a source.
    pub async fn describe(
        &self,
        source: String,
    ) -> Result<Result<Arc<Found>, NotDescribed>, Ended> {
        self.ask(|answer| Command::Describe { source, answer }).await
    }

    /// Whether a job is planned with now, and not all of it taken to be made. One that is being
    /// removed is waited for; one that is to be told is not removed for a minute.
    pub async fn is_at_work(&self, job: JobId) -> Result<bool, Ended> {
        self.ask(|answer| Command::AtWork { job, answer }).await
    }

    /// Jobs that are needed now.
    pub async fn needed(&self) -> Result<Vec<JobId>, Ended> {
        self.ask(|answer| Command::Needed { answer }).await
    }

    /// Whether a job may be removed. Until it is [`Leader::gone`] nobody gets it.
    pub async fn let_go(&self, job: JobId) -> Result<bool, Ended> {
        self.ask(|answer| Command::LetGo { job, answer }).await
    }

    /// A job was removed, or could not be.
    pub async fn gone(&self, job: JobId) -> Result<(), Ended> {
        self.tell(Command::Gone { job }).await
    }

    /// Tells a job.
    pub async fn learn(&self, loaded: Loaded) -> Result<(), Ended> {
        let loaded = Box::new(loaded);
        self.ask(|answer| Command::Loaded { loaded, answer: Some(answer) }).await
    }

    /// Makes a batch claim that the ledger has.
    pub async fn claim(&self, claim: BatchClaim, written: Written) -> Result<v1::Progress, Ended> {
        self.ask(|answer| Command::Claim { claim, written, answer }).await
    }

    /// Somebody asks for a job again: if it failed, that is forgotten.
    pub async fn pardon(&self, job: JobId) -> Result<v1::Progress, Ended> {
        self.ask(|answer| Command::Pardon { job, answer }).await
    }

    /// How far a job is.
    pub async fn get(&self, job: JobId) -> Result<Known, Ended> {
        self.ask(|answer| Command::Get { job, answer }).await
    }

    /// Jobs, the latest claimed first, from where a page ended.
    pub async fn list(&self, before: Option<u64>, most: usize) -> Result<Page, Ended> {
        self.ask(|answer| Command::List { before, most, answer }).await
    }

    /// How far a job is, from now on. `None`: it is not known here, so nothing will change.
    pub async fn watch(&self, job: JobId) -> Result<Option<watch::Receiver<Snapshot>>, Ended> {
        self.ask(|answer| Command::Watch { job, answer }).await
    }

    /// Drops a claim, or all. Answered when the ledger has forgotten them, or could not.
    pub async fn cancel(&self, job: JobId, claim: Option<String>) -> Result<Cancelled, Ended> {
        self.ask(|answer| Command::Cancel { job, claim, answer }).await
    }

    /// What all viewers of a stream need.
    pub async fn demand(
        &self,
        stream: u64,
        viewers: Vec<Viewer>,
        outgoing: ToViewers,
    ) -> Result<(), Ended> {
        self.tell(Command::Demand { stream, viewers, outgoing }).await
    }

    /// A stream of viewers broke.
    pub async fn viewers_gone(&self, stream: u64) -> Result<(), Ended> {
        self.tell(Command::ViewersGone { stream }).await
    }

    /// A place for a command, under a ticket that nobody else has.
    pub async fn place(
        &self,
        needs: Vec<String>,
        not_on: Vec<String>,
        ticket: String,
    ) -> Result<Result<Place, NoPlace>, Ended> {
        let wish = Wish { needs, not_on, ticket };
        self.ask(|answer| Command::Place { wish, answer }).await
    }

    /// All workers.
    pub async fn workers(&self) -> Result<Vec<v1::WorkerInfo>, Ended> {
        self.ask(|answer| Command::Workers { answer }).await
    }

    /// Wants a worker empty, or no longer; what it still holds. `None`: nobody is called that.
    pub async fn drain(
        &self,
        worker: String,
        drain: bool,
    ) -> Result<Option<v1::DrainResponse>, Ended> {
        self.ask(|answer| Command::Drain { worker, drain, answer }).await
    }

    /// What is true now.
    pub async fn gauges(&self) -> Result<Gauges, Ended> {
        self.ask(|answer| Command::Gauges { answer }).await
    }
}
