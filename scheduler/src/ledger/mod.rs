//! The durable record of who leads and of what was promised: terms, batch claims,
//! why jobs failed, when they were wanted last, and which workers are to be empty.
//! One SQLite file, held by one process for as long as it runs, and written by one task.
//!
//! Not in it: workers, spans, playheads and viewers (they are told again), and what is published (the
//! store knows). Playback never touches it. Start at [`Ledger::open`].

mod open;
mod write;

#[cfg(test)]
mod tests;

use std::path::Path;

use segue_model::JobId;
use segue_model::pool::{Term, WorkerId};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::summary::Failed;
pub use open::OpenError;
use write::{Request, Write};

/// Requests that wait for the next commit. More wait in line before it.
const WAITING_MAX: usize = 4096;
/// So many failures are remembered, the latest.
pub const FAILURES_MAX: u32 = 10_000;

/// A batch claim, as it was promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchClaim {
    /// On which job.
    pub job: JobId,
    /// What its client calls it.
    pub claim: String,
    /// By when it is wanted; milliseconds since 1970.
    pub deadline_unix_ms: Option<u64>,
}

/// Which writing of a claim; later ones have higher numbers. Who forgets a claim says which one, and
/// does not forget one that was made again in the meantime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Written(pub u64);

/// What a ledger says when it is opened.
#[derive(Debug)]
pub struct Remembered {
    /// The leadership that begins now.
    pub term: Term,
    /// The identity of the store that its jobs are in, if there was one.
    pub store: Option<String>,
    /// Batch claims that are not fulfilled, as they came.
    pub claims: Vec<(BatchClaim, Written)>,
    /// Jobs that failed, and why; the latest last.
    pub failures: Vec<(JobId, Failed)>,
    /// When jobs were wanted last; milliseconds since 1970.
    pub wanted: Vec<(JobId, u64)>,
    /// Workers that an administrator wants empty.
    pub drains: Vec<WorkerId>,
}

/// It could not be written. What was asked did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);

/// An open ledger. Clones share it.
#[derive(Clone, Debug)]
pub struct Ledger {
    requests: mpsc::Sender<Request>,
}

impl Ledger {
    /// Opens the file, makes it if there is none, begins a term, and reads what is remembered. The
    /// file is held until the last handle is dropped; the task ends then.
    pub async fn open(path: &Path) -> Result<(Ledger, Remembered, JoinHandle<()>), OpenError> {
        let (connection, remembered) = open::open(path).await?;
        let latest = remembered.claims.last().map_or(0, |(_, Written(number))| *number);
        let (requests, receiver) = mpsc::channel(WAITING_MAX);
        let writer = write::Writer::new(connection, path.to_owned(), latest);
        let task = tokio::spawn(writer.run(receiver));
        Ok((Ledger { requests }, remembered, task))
    }

    /// Makes a batch claim durable. The job's failure is forgotten: it is tried again.
    pub async fn claim(&self, claim: BatchClaim) -> Result<Written, LedgerError> {
        self.ask(Write::Claim(claim)).await
    }

    /// Forgets a claim, unless it was made again since.
    pub async fn forget(
        &self,
        job: JobId,
        claim: String,
        written: Written,
    ) -> Result<(), LedgerError> {
        self.ask(Write::Forget { job, claim, written }).await.map(|_| ())
    }

    /// Remembers why a job failed, unless it was claimed after `written`; and forgets its claims up to
    /// that.
    pub async fn fail(
        &self,
        job: JobId,
        failed: Failed,
        written: Written,
    ) -> Result<(), LedgerError> {
        self.ask(Write::Fail { job, failed, written }).await.map(|_| ())
    }

    /// Forgets that a job failed.
    pub async fn pardon(&self, job: JobId) -> Result<(), LedgerError> {
        self.ask(Write::Pardon(job)).await.map(|_| ())
    }

    /// Terms that are begun from now on are later than `term`.
    pub async fn outlive(&self, term: Term) -> Result<(), LedgerError> {
        self.ask(Write::Outlive(term)).await.map(|_| ())
    }

    /// Remembers that jobs are wanted at a time; milliseconds since 1970.
    pub async fn wanted(&self, jobs: Vec<JobId>, at_unix_ms: u64) -> Result<(), LedgerError> {
        self.ask(Write::Wanted { jobs, at_unix_ms }).await.map(|_| ())
    }

    /// Forgets when a job was wanted.
    pub async fn unwanted(&self, job: JobId) -> Result<(), LedgerError> {
        self.ask(Write::Unwanted(job)).await.map(|_| ())
    }

    /// Remembers that an administrator wants a worker empty, or no longer.
    pub async fn drain(&self, worker: WorkerId, drain: bool) -> Result<(), LedgerError> {
        self.ask(Write::Drain { worker, drain }).await.map(|_| ())
    }

    /// Remembers which store its jobs are in.
    pub async fn belongs_to(&self, store: String) -> Result<(), LedgerError> {
        self.ask(Write::Store(store)).await.map(|_| ())
    }

    async fn ask(&self, write: Write) -> Result<Written, LedgerError> {
        let (answer, answered) = oneshot::channel();
        let gone = || LedgerError("the ledger is closed: the scheduler is ending".to_owned());
        self.requests.send(Request { write, answer }).await.map_err(|_| gone())?;
        answered.await.unwrap_or_else(|_| Err(gone()))
    }
}
