//! The way to the scheduler: a claim that is open, or tried again until it is. That never keeps
//! whoever follows the job from anything else: workers go on meanwhile.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::time::Duration;

use segue_api::v1;
use tokio::sync::watch;
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
/// A scheduler that went away is waited for so long after the last segment that workers gave: as long
/// as a player with a full buffer plays.
const AWAY_MAX: Duration = Duration::from_secs(60);

/// The way to the scheduler.
pub struct Link<'a> {
    config: &'a Config,
    pool: Pool,
    submission: v1::SubmitRequest,
    job: String,
    state: State<'a>,
}

enum State<'a> {
    Open(Box<Claim>),
    Broken {
        mending: Mending<'a>,
        /// What is wanted by the time that the way is open again.
        wish: watch::Sender<Wish>,
    },
}

/// Ends with the way open again, and perhaps to another scheduler.
type Mending<'a> = Pin<Box<dyn Future<Output = Result<(Pool, Claim), Trouble>> + Send + 'a>>;

/// What is heard on the way.
#[derive(Debug)]
pub enum Heard {
    /// Where segments are: the address of a worker that has it, or nobody.
    Segments(BTreeMap<u32, Option<String>>),
    /// The scheduler does not know the job any more, or it failed.
    Lost,
    /// The way is broken: why.
    Broken(String),
    /// It is open again, and everything will be told anew. What is wanted may have changed meanwhile.
    Mended,
    /// It was tried for long enough.
    GivenUp(Trouble),
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

    /// Whether the scheduler is heard.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Says what is wanted now. Whether that will be heard, and need not be said again.
    pub fn say(&self, wish: Wish) -> bool {
        match &self.state {
            State::Open(claim) => claim.say(wish),
            State::Broken { wish: latest, .. } => {
                latest.send_replace(wish);
                true
            }
        }
    }

    /// What is heard next. May be dropped and asked for again: nothing is lost of it.
    pub async fn hear(&mut self) -> Heard {
        match &mut self.state {
            State::Open(claim) => match claim.hear().await {
                Ok(News::Segments(news)) => Heard::Segments(news),
                Ok(News::Lost) => Heard::Lost,
                Err(status) => Heard::Broken(status.message().to_owned()),
            },
            State::Broken { mending, .. } => match mending.await {
                Ok((pool, claim)) => {
                    self.pool = pool;
                    self.state = State::Open(Box::new(claim));
                    Heard::Mended
                }
                Err(trouble) => Heard::GivenUp(trouble),
            },
        }
    }

    /// The way is broken, or what was heard on it does not help: everything is asked anew. Whether it
    /// was open.
    pub fn break_off(&mut self, wish: Wish) -> bool {
        let was_open = self.is_open();
        if was_open {
            let (wish, wishes) = watch::channel(wish);
            let mending = mend(self.config, self.pool.clone(), self.job.clone(), wishes);
            self.state = State::Broken { mending: Box::pin(mending), wish };
        }
        was_open
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

/// Tries until there is a claim again; in vain for too long is trouble.
async fn mend(
    config: &Config,
    mut pool: Pool,
    job: String,
    wishes: watch::Receiver<Wish>,
) -> Result<(Pool, Claim), Trouble> {
    let mut pause = PAUSE_FIRST;
    let (mut segment, mut since) = (wishes.borrow().segment, Instant::now());
    loop {
        tokio::time::sleep(pause).await;
        let wish = *wishes.borrow();
        if wish.segment != segment {
            (segment, since) = (wish.segment, Instant::now());
        }
        let is_first = pause == PAUSE_FIRST;
        let reason = match claim_anew(config, &mut pool, &job, is_first, wish).await {
            Ok(claim) => return Ok((pool, claim)),
            Err(reason) => reason,
        };
        if since.elapsed() > AWAY_MAX {
            let waited = seconds(since.elapsed());
            return Err(Trouble::Unreachable(format!("{reason}, for {waited}")));
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn claim_anew(
    config: &Config,
    pool: &mut Pool,
    job: &str,
    is_first: bool,
    wish: Wish,
) -> Result<Claim, String> {
    // The connection mends itself if the scheduler comes back where it was.
    if !is_first && config.schedulers.len() > 1 {
        let reached = in_time(async { Ok(Pool::reach(config).await) }).await;
        let reached = reached.map_err(|status| status.message().to_owned())?;
        *pool = reached.map_err(|trouble| trouble.to_string())?;
    }
    let claim = in_time(Claim::open(pool, job, wish)).await;
    claim.map_err(|status| status.message().to_owned())
}

/// An answer that the caller's own words have to wait for.
async fn in_time<T>(answer: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let late = || Status::unavailable("the scheduler is silent");
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(late()))
}
