//! Has a pool make a job, and lets its segments appear where the media server looks for them.
//!
//! [`run`] asks what the source is, makes the job's request of what the line means, submits it, and
//! then follows it to its end: `claim` says what is wanted, `fetch` gets segments from workers,
//! `files` gives them their names; `known` says
//! whom to ask while the scheduler is away. A seek is another run on the same job.

mod claim;
mod fetch;
mod files;
mod follow;
mod keys;
mod known;
pub mod layout;
mod link;
mod report;
mod stats;
mod verbosity;

use std::path::{Component, Path};
use std::time::Duration;

use segue_api::v1;
use segue_ffmpeg::job::request::request;
use segue_ffmpeg::{CommandLine, Job};
use segue_model::{JobRequest, SourceFacts, Timeline};
use tokio::time::Instant;

use crate::caller::Caller;
use crate::config::Config;
use crate::ending::Ending;
use crate::pool::{Pool, refused};
use crate::trouble::Trouble;

use follow::Follower;
use layout::Layout;
use report::Report;
use verbosity::Verbosity;

/// Has `job` made, which `line` means, until it is all there or the caller has enough.
///
/// Trouble is only what comes before anything was written or said.
pub async fn run(job: &Job, line: &CommandLine, config: &Config) -> Result<Ending, Trouble> {
    let silent = line.options().any(|option| option.name == "stdin" && option.negated);
    let mut caller = Caller::listen(!silent).map_err(|error| {
        Trouble::Unreachable(format!("the system lets nobody be listened to: {error}"))
    })?;
    let report = Report::new(Verbosity::of(line));
    let begin = begin(job, config, report);
    let (follower, facts) = match caller.unless_ended(begin).await {
        Ok(begun) => begun?,
        Err(ending) => return Ok(ending),
    };
    follower.follow(&mut caller, |report, address| report.begin(job, &facts, address)).await
}

/// Everything up to the claim.
async fn begin<'a>(
    job: &Job,
    config: &'a Config,
    report: Report,
) -> Result<(Follower<'a>, SourceFacts), Trouble> {
    let source = source(job, config)?;
    let pool = Pool::reach(config).await?;
    let facts = describe(&pool, &source).await?;
    let wanted = request(job, &facts).map_err(|obstacles| {
        let words: Vec<String> = obstacles.iter().map(ToString::to_string).collect();
        Trouble::NotAJob(words.join("; "))
    })?;
    let layout = layout(job, &wanted, &facts)?;
    let first = job.demand.first_segment;
    if first >= layout.segments() {
        let last = layout.segments() - 1;
        return Err(Trouble::NotAJob(format!("segment {first} is behind the last, {last}")));
    }
    let submission = v1::SubmitRequest {
        source,
        request: Some(v1::Request::from(&wanted)),
        batch: false,
        ..v1::SubmitRequest::default()
    };
    let follower = Follower::begin(pool, config, submission, layout, first, report).await?;
    Ok((follower, facts))
}

/// What workers call the source.
fn source(job: &Job, config: &Config) -> Result<String, Trouble> {
    let path = Path::new(&job.source.path);
    let unnamed = |reason: &str| Trouble::NotAJob(format!("{}: {reason}", path.display()));
    // Over a link, `..` leads elsewhere than it says.
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let absolute = if climbs { path.canonicalize() } else { std::path::absolute(path) };
    let absolute = absolute.map_err(|error| unnamed(&error.to_string()))?;
    config.source_url(&absolute).ok_or_else(|| unnamed("cannot be said to workers"))
}

/// Asked for so long who is there. A scheduler that was started again finds its workers sooner.
const NOBODY_MAX: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_secs(1);

async fn describe(pool: &Pool, source: &str) -> Result<SourceFacts, Trouble> {
    let question = v1::DescribeRequest { source: source.to_owned() };
    let mut jobs = pool.client.jobs();
    // Looking at a source may take long; waiting for somebody who looks need not.
    let answer = tokio::select! {
        answer = jobs.describe(question) => answer,
        () = nobody(pool) => {
            let words = "no worker is there to look at the source: start one (segue worker)";
            return Err(Trouble::Unreachable(words.to_owned()));
        }
    };
    let answer = answer.map_err(|status| refused(&status))?.into_inner();
    let malformed = |what: &str| Trouble::Unreachable(format!("the scheduler's answer {what}"));
    let info = answer.info.ok_or_else(|| malformed("says nothing of the source"))?;
    SourceFacts::try_from(info).map_err(|error| malformed(&format!("is not understood: {error}")))
}

/// Ends when no worker was there for a while.
async fn nobody(pool: &Pool) {
    let mut admin = pool.client.admin();
    let mut last_seen = Instant::now();
    while last_seen.elapsed() < NOBODY_MAX {
        tokio::time::sleep(ASK_EVERY).await;
        let listed = admin.list_workers(v1::ListWorkersRequest {}).await;
        // Who does not answer says nothing of workers.
        let nobody = listed.is_ok_and(|listed| {
            listed.into_inner().workers.iter().all(|worker| !worker.connected || worker.draining)
        });
        if !nobody {
            last_seen = Instant::now();
        }
    }
}

fn layout(job: &Job, wanted: &JobRequest, facts: &SourceFacts) -> Result<Layout, Trouble> {
    let not_a_job = |reason: String| Trouble::NotAJob(reason);
    let recipe = wanted.resolve(facts).map_err(|error| not_a_job(error.to_string()))?;
    let timeline: Timeline =
        segue_hls::timeline_of(&recipe, facts).map_err(|error| not_a_job(error.to_string()))?;
    Layout::new(&job.projection, &recipe, facts, timeline)
        .map_err(|error| not_a_job(error.to_string()))
}
