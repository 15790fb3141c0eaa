//! `Jobs`: what is asked about jobs, and what is not wanted any more.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use segue_api::request::job_id;
use segue_api::v1;
use segue_api::v1::jobs_server::Jobs;
use segue_hls::keys;
use segue_model::JobId;
use segue_store::Loss;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::{Services, words};
use crate::leader::{Known, Page, Snapshot, load};
use crate::summary::Summary;

const PAGE: u32 = 100;
const PAGE_MAX: u32 = 1_000;
/// Jobs that are read from the store at once for a list, and how long all of them may take.
const READ_AT_ONCE: usize = 16;
const LIST_READING: Duration = Duration::from_secs(2);
/// A client that does not read for so long notices that its connection is closed.
const FAREWELL: Duration = Duration::from_secs(1);

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Jobs for Services {
    type WatchStream = Responses<v1::WatchResponse>;
    type DemandStream = Responses<v1::DemandResponse>;

    async fn describe(
        &self,
        request: Request<v1::DescribeRequest>,
    ) -> Result<Response<v1::DescribeResponse>, Status> {
        let v1::DescribeRequest { source } = request.into_inner();
        let found = self.look_at(&source).await?;
        let info = Some(v1::SourceInfo::from(&found.facts));
        Ok(Response::new(v1::DescribeResponse { info }))
    }

    async fn submit(
        &self,
        request: Request<v1::SubmitRequest>,
    ) -> Result<Response<v1::SubmitResponse>, Status> {
        self.accept(request.into_inner()).await.map(Response::new)
    }

    async fn get(
        &self,
        request: Request<v1::GetRequest>,
    ) -> Result<Response<v1::GetResponse>, Status> {
        let id = job_id(&request.into_inner().job).map_err(|e| words::invalid(&e))?;
        let known = self.leader.get(id).await.map_err(words::ended)?;
        let job = self.complete(id, known).await?.ok_or_else(|| unknown(id))?;
        Ok(Response::new(v1::GetResponse { job: Some(job) }))
    }

    async fn list(
        &self,
        request: Request<v1::ListRequest>,
    ) -> Result<Response<v1::ListResponse>, Status> {
        let v1::ListRequest { page_size, page_token } = request.into_inner();
        let most = if page_size == 0 { PAGE } else { page_size.min(PAGE_MAX) };
        let before = match page_token.as_str() {
            "" => None,
            token => Some(token.parse().map_err(|_| {
                words::field(
                    "page_token",
                    "is not what an answer gave: leave it empty to begin anew",
                )
            })?),
        };
        let listed = self.leader.list(before, most as usize).await.map_err(words::ended)?;
        let Page { jobs: page, next } = listed;
        let jobs = self.complete_page(page).await;
        let next_page_token = next.map(|number| number.to_string()).unwrap_or_default();
        Ok(Response::new(v1::ListResponse { jobs, next_page_token }))
    }

    async fn watch(
        &self,
        request: Request<v1::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let id = job_id(&request.into_inner().job).map_err(|e| words::invalid(&e))?;
        let (responses, stream) = mpsc::channel(1);
        match self.leader.watch(id).await.map_err(words::ended)? {
            Some(snapshots) => {
                let stop = self.stop.clone();
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = relay(snapshots, &responses) => {}
                        () = responses.closed() => {}
                        // An end without a word would look like that of the job. There may be
                        // something before it that is not read yet.
                        () = stop.cancelled() => {
                            let farewell = responses.send(Err(words::ending()));
                            let _ = tokio::time::timeout(FAREWELL, farewell).await;
                        }
                    }
                });
            }
            None => {
                // Nobody claims it: this is the first word and the last.
                let known = self.leader.get(id).await.map_err(words::ended)?;
                let job = self.complete(id, known).await?.ok_or_else(|| unknown(id))?;
                let _ = responses.try_send(Ok(v1::WatchResponse { job: Some(job) }));
            }
        }
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn cancel(
        &self,
        request: Request<v1::CancelRequest>,
    ) -> Result<Response<v1::CancelResponse>, Status> {
        let v1::CancelRequest { job, claim } = request.into_inner();
        let id = job_id(&job).map_err(|e| words::invalid(&e))?;
        let claim = (!claim.is_empty()).then_some(claim);
        let cancelled = self.leader.cancel(id, claim).await.map_err(words::ended)?;
        if !cancelled.known {
            let there = self.store.job(id).await.map_err(|e| words::store(&e))?;
            there.ok_or_else(|| unknown(id))?;
        }
        let still_claimed = cancelled.still_claimed;
        Ok(Response::new(v1::CancelResponse { still_claimed }))
    }

    async fn demand(
        &self,
        request: Request<Streaming<v1::DemandRequest>>,
    ) -> Result<Response<Self::DemandStream>, Status> {
        Ok(Response::new(Box::pin(self.attend(request.into_inner()))))
    }
}

impl Services {
    /// Adds what the store says of jobs that are not known here, as far as it does so soon: a list is
    /// worth having also while the store is away.
    async fn complete_page(&self, page: Vec<(JobId, Known)>) -> Vec<v1::JobInfo> {
        let give_up_at = Instant::now() + LIST_READING;
        let permits = Arc::new(Semaphore::new(READ_AT_ONCE));
        let (mut jobs, mut reading) = (Vec::with_capacity(page.len()), JoinSet::new());
        for (at, (id, known)) in page.into_iter().enumerate() {
            let (failed, claims) = match known {
                Known::Here(info) => {
                    jobs.push(*info);
                    continue;
                }
                Known::Elsewhere { failed, claims } => (failed, claims),
            };
            jobs.push(bare(id, failed.clone(), claims.clone()));
            let (services, permits) = (self.clone(), permits.clone());
            reading.spawn(async move {
                let _permit = permits.acquire_owned().await;
                (at, services.complete(id, Known::Elsewhere { failed, claims }).await)
            });
        }
        while let Ok(Some(read)) = timeout_at(give_up_at, reading.join_next()).await {
            if let Ok((at, Ok(Some(info)))) = read {
                jobs[at] = info;
            }
        }
        jobs
    }

    /// Adds what the store says of a job that is not known here. `None`: it has never been described.
    async fn complete(&self, id: JobId, known: Known) -> Result<Option<v1::JobInfo>, Status> {
        let (failed, claims) = match known {
            Known::Here(info) => return Ok(Some(*info)),
            Known::Elsewhere { failed, claims } => (failed, claims),
        };
        let job = match self.store.job(id).await.map_err(|e| words::store(&e))? {
            Some(job) => job,
            // What is promised is known, even if its description is gone.
            None if failed.is_some() || !claims.is_empty() => {
                return Ok(Some(bare(id, failed, claims)));
            }
            None => return Ok(None),
        };
        let loaded = load(&self.store, &job).await.map_err(|e| words::store(&e))?;
        let (published, total) = loaded.counts();
        let state = match (&failed, loaded.listed, claims.is_empty()) {
            (Some(_), ..) => v1::JobState::Failed,
            (None, true, _) => v1::JobState::Finished,
            (None, false, true) => v1::JobState::Idle,
            (None, false, false) => v1::JobState::Waiting,
        };
        let finished = state == v1::JobState::Finished;
        let url = || self.store.url(id, keys::MULTIVARIANT);
        let playlist = finished.then(url).unwrap_or_default();
        let (state, spans) = (state.into(), Vec::new());
        let progress = v1::Progress { state, published, total, spans, failure: failed };
        let progress = Some(progress);
        let Loss { damaged, short_by_ms } = loaded.loss;
        let known = Summary::of(&job).info(id);
        let info = v1::JobInfo { playlist, progress, claims, damaged, short_by_ms, ..known };
        Ok(Some(info))
    }
}

/// What is known of a job without the store.
fn bare(id: JobId, failed: Option<v1::Failure>, claims: Vec<v1::ClaimInfo>) -> v1::JobInfo {
    let state = match failed {
        Some(_) => v1::JobState::Failed,
        None => v1::JobState::Waiting,
    };
    let progress = v1::Progress { state: state.into(), failure: failed, ..v1::Progress::default() };
    let progress = Some(progress);
    v1::JobInfo { job: id.to_string(), progress, claims, ..v1::JobInfo::default() }
}

fn unknown(id: JobId) -> Status {
    Status::not_found(format!("there is no job {id} here: submit it first"))
}

/// Says what is true whenever the client is ready for more, until nothing changes any more.
async fn relay(
    mut snapshots: watch::Receiver<Snapshot>,
    responses: &mpsc::Sender<Result<v1::WatchResponse, Status>>,
) {
    loop {
        // Room first, so that what is sent is the latest.
        let Ok(room) = responses.reserve().await else { return };
        let Snapshot { info, last } = snapshots.borrow_and_update().clone();
        room.send(Ok(v1::WatchResponse { job: Some(info) }));
        if last || snapshots.changed().await.is_err() {
            return;
        }
    }
}
