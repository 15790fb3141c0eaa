//! What takes time: reading jobs from the store, creating playlists, writing the ledger. Each errand is
//! a task of its own that brings back a command; the leader waits for none of them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use segue_dispatch::planner::JobFacts;
use segue_hls::{keys, playlist};
use segue_model::pool::{Term, WorkerId};
use segue_model::{Job, JobId};
use segue_store::{Kind, Loss, Store, StoreError};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{error, info, warn};

use super::Command;
use crate::cost;
use crate::error::Error;
use crate::ledger::{Ledger, LedgerError, Written};
use crate::summary::{Failed, Summary};

/// Jobs that are read from the store at once after a restart.
const READ_AT_ONCE: usize = 16;
/// The first pause after the store or the ledger did not do what it was asked to.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A job as the leader learns it.
#[derive(Debug)]
pub struct Loaded {
    /// What the planner has to know.
    pub facts: JobFacts,
    /// What clients are told.
    pub summary: Summary,
    /// Whether its playlists are there.
    pub listed: bool,
    /// What it lacks of its source; known when it is complete.
    pub loss: Loss,
}

/// What the store says of a job now.
pub async fn load(store: &Store, job: &Job) -> Result<Loaded, StoreError> {
    let published = store.published(job).await?;
    let facts = cost::facts(job, published);
    let summary = Summary::of(job);
    let (listed, loss) = match is_complete(&facts) {
        true => {
            let listed = store.read(job.id, keys::MULTIVARIANT).await?.is_some();
            (listed, store.loss(job.id).await?)
        }
        false => (false, Loss::default()),
    };
    Ok(Loaded { facts, summary, listed, loss })
}

impl Loaded {
    /// Segments of all renditions that are published, and how many there are.
    pub fn counts(&self) -> (u32, u32) {
        counts(&self.facts)
    }
}

fn counts(facts: &JobFacts) -> (u32, u32) {
    let published = facts.published.iter().map(|(_, span)| span.len()).sum();
    (published, facts.cuts.segments().saturating_mul(facts.renditions_per_mille.len() as u32))
}

fn is_complete(facts: &JobFacts) -> bool {
    let (published, total) = counts(facts);
    published == total
}

/// Makes a job playable from the store alone. The multivariant playlist comes last: who finds it finds
/// all that it names.
pub async fn create_playlists(store: &Store, job: &Job) -> Result<(), StoreError> {
    for (index, rendition) in job.recipe.renditions.iter().enumerate() {
        let text = Bytes::from(playlist::media(job, index));
        store.create(job.id, &keys::media_playlist(rendition), text).await?;
    }
    let text = Bytes::from(playlist::multivariant(job));
    store.create(job.id, keys::MULTIVARIANT, text).await.map(|_| ())
}

/// Runs errands.
#[derive(Clone, Debug)]
pub(super) struct Errands {
    pub store: Store,
    pub ledger: Ledger,
    pub tasks: TaskTracker,
    pub commands: mpsc::Sender<Command>,
    pub stop: CancellationToken,
}

impl Errands {
    /// Reads a job that somebody needs.
    pub fn load(&self, job: JobId) {
        let errands = self.clone();
        self.tasks.spawn(async move { errands.bring(job).await });
    }

    /// Reads jobs that are needed some time, a few at once.
    pub fn load_all(&self, jobs: Vec<JobId>) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            let begun = tokio::time::Instant::now();
            let count = jobs.len();
            let permits = Arc::new(Semaphore::new(READ_AT_ONCE));
            for job in jobs {
                let permit = tokio::select! {
                    permit = permits.clone().acquire_owned() => permit,
                    () = errands.stop.cancelled() => return,
                };
                let reader = errands.clone();
                errands.tasks.spawn(async move {
                    reader.bring(job).await;
                    drop(permit);
                });
            }
            // All permits are back when the last one is read.
            let _ = permits.acquire_many(READ_AT_ONCE as u32).await;
            let seconds = begun.elapsed().as_secs_f64();
            info!(jobs = count, seconds, "jobs that were claimed before are known again");
        });
    }

    async fn bring(&self, job: JobId) {
        let read = || async {
            match self.store.job(job).await? {
                Some(known) => load(&self.store, &known).await.map(Some),
                None => Ok(None),
            }
        };
        let read = || async {
            match read().await {
                // That does not pass, and is as good as not there.
                Err(error) if error.kind() == Kind::Damaged => {
                    error!(%error, "a job cannot be read");
                    Ok(None)
                }
                other => other,
            }
        };
        let Some(found) = self.insist("a job cannot be read", read).await else { return };
        let command = match found {
            Some(loaded) => Command::Loaded { loaded: Box::new(loaded), answer: None },
            None => Command::NotLoaded { job },
        };
        // If nobody is there to hear it, it is not needed.
        let _ = self.commands.send(command).await;
    }

    /// Creates a job's playlists.
    pub fn list(&self, job: JobId) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            let create = || async {
                match errands.store.job(job).await? {
                    Some(known) => create_playlists(&errands.store, &known).await?,
                    // It was removed in the meantime.
                    None => return Ok(Loss::default()),
                }
                errands.store.loss(job).await
            };
            if let Some(loss) = errands.insist("playlists cannot be created", create).await {
                let _ = errands.commands.send(Command::Listed { job, loss }).await;
            }
        });
    }

    /// Has the ledger forget a claim, however long that takes.
    pub fn forget(&self, job: JobId, claim: String, written: Written) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            let forget = || errands.ledger.forget(job, claim.clone(), written);
            errands.insist("a claim is not forgotten yet", forget).await;
        });
    }

    /// Has the ledger forget claims, and says when it was told so. If it could not, it is told again
    /// until it can: what is cancelled is not to come back with a restart.
    pub fn forget_all(
        &self,
        job: JobId,
        claims: Vec<(String, Written)>,
        told: impl FnOnce() + Send + 'static,
    ) {
        if claims.is_empty() {
            return told();
        }
        let errands = self.clone();
        self.tasks.spawn(async move {
            let mut left = Vec::new();
            for (claim, written) in claims {
                if errands.ledger.forget(job, claim.clone(), written).await.is_err() {
                    left.push((claim, written));
                }
            }
            told();
            for (claim, written) in left {
                errands.forget(job, claim, written);
            }
        });
    }

    /// Has the ledger remember a failure, until `pardoned`.
    pub fn remember(
        &self,
        job: JobId,
        failed: Failed,
        written: Written,
        pardoned: CancellationToken,
    ) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            let fail = || async {
                match pardoned.is_cancelled() {
                    true => Ok(()),
                    false => errands.ledger.fail(job, failed.clone(), written).await,
                }
            };
            errands.insist("a failure is not remembered yet", fail).await;
        });
    }

    /// Has the ledger remember that a worker is to be empty, or no longer.
    pub fn drain(&self, worker: WorkerId, drain: bool) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            let write = || errands.ledger.drain(worker, drain);
            errands.insist("a drain is not written down yet", write).await;
        });
    }

    /// Has the ledger forget a failure.
    pub fn pardon(&self, job: JobId) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            let pardon = || errands.ledger.pardon(job);
            errands.insist("a failure is not forgotten yet", pardon).await;
        });
    }

    /// Somebody led later: makes sure that the next start leads later still, then ends.
    pub fn outlive(&self, worker: WorkerId, term: Term, own: Term) {
        let errands = self.clone();
        self.tasks.spawn(async move {
            if let Err(LedgerError(words)) = errands.ledger.outlive(term).await {
                error!("{words}");
            }
            let error = Box::new(Error::Outranked { worker, term, own });
            let _ = errands.commands.send(Command::StepDown(error)).await;
        });
    }

    /// Tries until it works. `None`: the scheduler ends.
    async fn insist<T, E: std::fmt::Display, F: Future<Output = Result<T, E>>>(
        &self,
        what: &str,
        mut attempt: impl FnMut() -> F,
    ) -> Option<T> {
        let mut pause = PAUSE;
        loop {
            let error = tokio::select! {
                tried = attempt() => match tried {
                    Ok(done) => return Some(done),
                    Err(error) => error,
                },
                () = self.stop.cancelled() => return None,
            };
            // Said once; a store that is away for hours would fill the log.
            if pause == PAUSE {
                warn!(%error, "{what}; it is tried again until it works");
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                () = self.stop.cancelled() => return None,
            }
        }
    }
}
