//! The way to the scheduler: a claim that is open, or tried again until it is.

use std::time::Duration;

use segue_api::v1;
use tokio::time::Instant;
use tonic::{Code, Status};

use crate::config::Config;
use crate::pool::{Pool, refused};
use crate::trouble::Trouble;

use super::claim::{Claim, News, Wish};
use super::report::seconds;

/// After the first, second and later failures of a kind there is a pause.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// So long a scheduler may take to answer in the midst of things.
const PATIENCE: Duration = Duration::from_secs(2);
/// A scheduler that went away is waited for so long: as long as a player with a full buffer plays.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// The way to the scheduler.
pub struct Link<'a> {
    config: &'a Config,
    pool: Pool,
    submission: v1::SubmitRequest,
    job: String,
    state: State,
}

enum State {
    Open(Box<Claim>),
    /// Tried again then. Away since; so many tries failed.
    Broken {
        again: Instant,
        since: Instant,
        tries: u32,
    },
}

/// What became of a job that the scheduler does not work on any more.
pub enum Fate {
    /// It was forgotten, and is known again.
    Known,
    /// It failed: why.
    Failed(String),
    /// The source is another one now.
    Changed,
    /// It is refused now.
    Refused(Trouble),
}

impl<'a> Link<'a> {
    /// Submits a job and claims it.
    pub async fn open(
        config: &'a Config,
        pool: Pool,
        submission: v1::SubmitRequest,
        wish: Wish,
    ) -> Result<Link<'a>, Trouble> {
        let submitted = pool.client.jobs().submit(submission.clone()).await;
        let job = submitted.map_err(|status| refused(&status))?.into_inner().job;
        let claim = Claim::open(&pool, &job, wish).await.map_err(|status| refused(&status))?;
        Ok(Link { config, pool, submission, job, state: State::Open(Box::new(claim)) })
    }

    /// The job's id.
    pub fn job(&self) -> &str {
        &self.job
    }

    /// Where the scheduler is.
    pub fn address(&self) -> &str {
        &self.pool.address
    }

    /// Says what is wanted now. Whether it has to be said again.
    pub fn say(&self, wish: Wish) -> bool {
        match &self.state {
            State::Open(claim) => claim.say(wish),
            // It is said when the way is open again.
            State::Broken { .. } => true,
        }
    }

    /// What the scheduler says; nothing, while the way is broken.
    pub async fn hear(&mut self) -> Result<News, Status> {
        match &mut self.state {
            State::Open(claim) => claim.hear().await,
            State::Broken { .. } => std::future::pending().await,
        }
    }

    /// The way is broken, or what was heard on it does not help: everything is asked anew. Whether it
    /// was open.
    pub fn break_off(&mut self) -> bool {
        let now = Instant::now();
        let was_open = matches!(self.state, State::Open(_));
        if was_open {
            self.state = State::Broken { again: now + PAUSE_FIRST, since: now, tries: 0 };
        }
        was_open
    }

    /// When it is tried again.
    pub fn again(&self) -> Option<Instant> {
        match self.state {
            State::Open(_) => None,
            State::Broken { again, .. } => Some(again),
        }
    }

    /// Tries again, if it is time; in vain for too long is trouble.
    pub async fn mend(&mut self, wish: Wish) -> Result<(), Trouble> {
        let State::Broken { again, since, tries } = self.state else { return Ok(()) };
        if again > Instant::now() {
            return Ok(());
        }
        match self.claim_anew(tries, wish).await {
            Ok(claim) => self.state = State::Open(Box::new(claim)),
            Err(reason) if since.elapsed() > AWAY_MAX => {
                let waited = seconds(since.elapsed());
                return Err(Trouble::Unreachable(format!("{reason}, for {waited}")));
            }
            Err(_) => {
                let pause = PAUSE_FIRST.saturating_mul(2u32.saturating_pow(tries)).min(PAUSE_MAX);
                let again = Instant::now() + pause;
                self.state = State::Broken { again, since, tries: tries.saturating_add(1) };
            }
        }
        Ok(())
    }

    async fn claim_anew(&mut self, tries: u32, wish: Wish) -> Result<Claim, String> {
        // The connection mends itself if the scheduler comes back where it was.
        if tries > 0 && self.config.schedulers.len() > 1 {
            let reached = in_time(async { Ok(Pool::reach(self.config).await) }).await;
            let reached = reached.map_err(|status| status.message().to_owned())?;
            self.pool = reached.map_err(|trouble| trouble.to_string())?;
        }
        let claim = in_time(Claim::open(&self.pool, &self.job, wish)).await;
        claim.map_err(|status| status.message().to_owned())
    }

    /// Whether there is work on the job and nobody who could do it; `None` if nobody says.
    pub async fn waits(&self) -> Option<bool> {
        Some(self.progress().await?.state() == v1::JobState::Waiting)
    }

    async fn progress(&self) -> Option<v1::Progress> {
        let question = v1::GetRequest { job: self.job.clone() };
        let mut jobs = self.pool.client.jobs();
        let answer = in_time(jobs.get(question)).await.ok()?;
        answer.into_inner().job?.progress
    }

    /// The scheduler says that it does not work on the job any more: why, or once more.
    pub async fn recover(&mut self) -> Fate {
        if let Some(failure) = self.progress().await.and_then(|progress| progress.failure) {
            let words = failure.log.last().map(|line| format!(" ({line})")).unwrap_or_default();
            return Fate::Failed(format!("{}{words}", failure.message));
        }
        let mut jobs = self.pool.client.jobs();
        let again = in_time(jobs.submit(self.submission.clone())).await;
        match again.map(|again| again.into_inner().job) {
            Ok(job) if job != self.job => Fate::Changed,
            Err(status)
                if matches!(
                    status.code(),
                    Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition
                ) =>
            {
                Fate::Refused(refused(&status))
            }
            // Who could not answer may know better when it is claimed again.
            Ok(_) | Err(_) => Fate::Known,
        }
    }

    /// Drops the claim at once.
    pub async fn release(self) {
        if let State::Open(claim) = self.state {
            claim.release().await;
        }
    }
}

/// An answer that the caller's own words have to wait for.
async fn in_time<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = || Status::unavailable("the scheduler is silent");
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(late()))
}
