//! `Jobs.Submit`, step by step: what is asked for, what the source is, which job that makes, and the
//! promise to make it.

use std::sync::Arc;
use std::time::Duration;

use segue_api::{Invalid, v1};
use segue_hls::PlanError;
use segue_model::pool::Renditions;
use segue_model::{FailureClass, Hash, Job, JobId, JobRequest, Source};
use tonic::{Code, Status};

use super::{Services, words};
use crate::clock::unix_ms;
use crate::leader::{Found, NotDescribed, load};
use crate::ledger::BatchClaim;
use crate::meters;

/// Names are shown in lists and kept in the ledger.
const CLAIM_MAX: usize = 256;
const SOURCE_MAX: usize = 4096;
/// Who finds no worker may try again then.
const NO_WORKER: Duration = Duration::from_secs(5);
/// Who asks for a job that is being removed waits so long for that.
const REMOVAL: Duration = Duration::from_secs(5);

/// What is asked for, as it is meant.
struct Wish {
    claim: String,
    source: String,
    request: JobRequest,
    batch: bool,
    deadline_unix_ms: Option<u64>,
}

impl Services {
    pub(super) async fn accept(
        &self,
        submit: v1::SubmitRequest,
    ) -> Result<v1::SubmitResponse, Status> {
        let accepted = self.try_accept(submit).await;
        meters::submitted(match &accepted {
            Ok(_) => "ok",
            Err(status) => outcome(status.code()),
        });
        accepted
    }

    async fn try_accept(&self, submit: v1::SubmitRequest) -> Result<v1::SubmitResponse, Status> {
        let wish = self.read(submit)?;
        let found = self.look_at(&wish.source).await?;
        let job = plan(&wish, &found)?;
        let id = job.id;
        // What is taken to be finished is looked at again: somebody may have removed some of it.
        if !self.is_at_work(id).await? {
            let job = self.store.create_job(&job).await.map_err(|e| words::store(&e))?;
            let loaded = load(&self.store, &job).await.map_err(|e| words::store(&e))?;
            self.leader.learn(loaded).await.map_err(words::ended)?;
        }
        let progress = if wish.batch {
            let Wish { claim, deadline_unix_ms, .. } = &wish;
            let claim = claim.clone();
            self.promise(BatchClaim { job: id, claim, deadline_unix_ms: *deadline_unix_ms }).await?
        } else {
            self.leader.pardon(id).await.map_err(words::ended)?
        };
        Ok(v1::SubmitResponse { job: id.to_string(), claim: wish.claim, progress: Some(progress) })
    }

    /// What a source is, as a worker sees it; or as one saw it a moment ago.
    pub(super) async fn look_at(&self, source: &str) -> Result<Arc<Found>, Status> {
        check_source(source).map_err(|reason| words::field("source", &reason))?;
        let found = self.leader.describe(source.to_owned()).await.map_err(words::ended)?;
        found.map_err(|why| not_described(source, why))
    }

    /// Waits a little for one that is on its way out of the store.
    async fn is_at_work(&self, job: JobId) -> Result<bool, Status> {
        match tokio::time::timeout(REMOVAL, self.leader.is_at_work(job)).await {
            Ok(known) => known.map_err(words::ended),
            Err(_) => Err(words::try_again(
                format!("job {job} is just being removed from the store: submit it again"),
                NO_WORKER,
            )),
        }
    }

    /// Durable first, then planned, then answered. Goes on if the client does not wait for it: what
    /// the ledger has must be planned.
    async fn promise(&self, claim: BatchClaim) -> Result<v1::Progress, Status> {
        let services = self.clone();
        let promised = self.tasks.spawn(async move {
            let written = services.ledger.claim(claim.clone()).await;
            let written = written.map_err(|error| words::ledger(&error))?;
            services.leader.claim(claim, written).await.map_err(words::ended)
        });
        promised.await.unwrap_or_else(|_| Err(words::ending()))
    }

    fn read(&self, submit: v1::SubmitRequest) -> Result<Wish, Status> {
        let v1::SubmitRequest { claim, source, request: wire, batch, deadline_unix_ms } = submit;
        if claim.len() > CLAIM_MAX {
            let reason = format!("has {} bytes, and {CLAIM_MAX} are the most", claim.len());
            return Err(words::field("claim", &reason));
        }
        check_source(&source).map_err(|reason| words::field("source", &reason))?;
        let request = JobRequest::try_from(wire.unwrap_or_default());
        let request = request.map_err(|error| within_request(&error))?;
        // One more may come of sound in files of its own.
        if request.renditions.len() >= Renditions::MAX as usize {
            let reason = format!("are {}, and 63 are the most", request.renditions.len());
            return Err(words::field("request.renditions", &reason));
        }
        let claim = if claim.is_empty() { self.make_up_claim() } else { claim };
        let deadline_unix_ms = (deadline_unix_ms > 0).then_some(deadline_unix_ms);
        Ok(Wish { claim, source, request, batch, deadline_unix_ms })
    }

    /// A name that no other claim has, nor had.
    fn make_up_claim(&self) -> String {
        let unique = format!("{} {} {}", std::process::id(), unix_ms(), self.number());
        format!("claim-{}", &Hash::of(unique.as_bytes()).to_string()[..16])
    }
}

fn within_request(error: &Invalid) -> Status {
    words::field(&format!("request.{}", error.field), &error.reason)
}

/// What workers can read: what is wrong with it otherwise.
fn check_source(source: &str) -> Result<(), String> {
    const EXAMPLES: &str = "write file:///path as the workers see it, or s3://bucket/key";
    if source.is_empty() {
        return Err(format!("is empty: {EXAMPLES}"));
    }
    if source.len() > SOURCE_MAX {
        return Err(format!("has {} bytes, and {SOURCE_MAX} are the most", source.len()));
    }
    if source.chars().any(char::is_control) {
        return Err("has control characters in it".to_owned());
    }
    if let Some(path) = source.strip_prefix("file://") {
        let absolute = path.starts_with('/') && path.len() > 1;
        return match absolute {
            true => Ok(()),
            false => Err(format!("'{source}' names no absolute path: {EXAMPLES}")),
        };
    }
    if let Some(rest) = source.strip_prefix("s3://") {
        if rest.contains('@') {
            return Err("credentials belong into the workers' environment, not into URLs".into());
        }
        return match rest.split_once('/') {
            Some((bucket, key)) if !bucket.is_empty() && !key.is_empty() => Ok(()),
            _ => Err(format!("'{source}' names no bucket and key: {EXAMPLES}")),
        };
    }
    match source.split_once("://") {
        Some((scheme, _)) => Err(format!("{scheme}:// is not read by this version: {EXAMPLES}")),
        None => Err(format!("'{source}' is no URL: {EXAMPLES}")),
    }
}

fn plan(wish: &Wish, found: &Found) -> Result<Job, Status> {
    let source = Source { url: wish.source.clone(), fingerprint: found.fingerprint.clone() };
    let planned = segue_hls::plan(source, &wish.request, found.facts.clone());
    let job = planned.map_err(|error| match &error {
        PlanError::Request(_) => words::field("request", &error.to_string()),
        PlanError::Boundary(_) => words::field("request.segment_seconds", &error.to_string()),
    })?;
    if job.recipe.renditions.len() > Renditions::MAX as usize {
        return Err(words::field("request.renditions", "are more than 64"));
    }
    Ok(job)
}

fn not_described(source: &str, why: NotDescribed) -> Status {
    match why {
        NotDescribed::Nobody => words::try_again(
            "no worker is there to look at the source: start one (segue worker) and ask again",
            NO_WORKER,
        ),
        NotDescribed::Busy => {
            words::try_again("all workers are looking at other sources: ask again", NO_WORKER)
        }
        NotDescribed::TooLong => Status::deadline_exceeded(format!(
            "{source} is still being looked at: ask again, what was found by then counts"
        )),
        NotDescribed::Failed(failure) => match failure.class {
            FailureClass::Source => words::field("source", &failure.message),
            FailureClass::Worker | FailureClass::Transient => words::try_again(
                format!("{source} could not be looked at: {}", failure.message),
                NO_WORKER,
            ),
        },
    }
}

/// What became of a submit, for metrics.
fn outcome(code: Code) -> &'static str {
    match code {
        Code::InvalidArgument => "invalid",
        Code::Unavailable => "unavailable",
        Code::DeadlineExceeded => "too_long",
        _ => "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::check_source;

    #[test]
    fn sources_that_no_worker_reads_are_refused_with_what_to_write() {
        for good in ["file:///films/a film.mkv", "s3://films/a.mkv"] {
            assert_eq!(check_source(good), Ok(()));
        }
        for (bad, words) in [
            ("", "is empty"),
            ("film.mkv", "is no URL"),
            ("file://film.mkv", "no absolute path"),
            ("file:///", "no absolute path"),
            ("s3://films", "no bucket and key"),
            ("s3://key:secret@films/a.mkv", "credentials"),
            ("https://example.org/a.mkv", "https:// is not read"),
            ("file:///a\nb", "control characters"),
        ] {
            let reason = check_source(bad).expect_err(bad);
            assert!(reason.contains(words) && !reason.contains("secret"), "{reason}");
        }
    }
}
