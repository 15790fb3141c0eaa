//! The `Segments` service: what is on the shelf, for those who cannot wait until it is stored, and
//! what is in the store, for those who do not see it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use segue_api::{request::job_id, v1};
use segue_hls::keys;
use segue_model::{Job, JobId, SegmentId};
use segue_store::{Kind, Store, StoreError};
use tokio::sync::Semaphore;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::shelf::{Label, Shelf};

/// A message holds at most this much: each reader keeps a few of them in memory.
const PIECE: usize = 64 << 10;
/// Descriptions of jobs that are kept: they have megabytes.
const JOBS: usize = 8;
/// Segments that are read from the store at once; others wait.
const READS: usize = 16;
/// Who finds the store away may try again then.
const LATER: Duration = Duration::from_secs(2);

/// Serves a shelf, and the store behind it.
pub struct Segments {
    shelf: Arc<Shelf>,
    store: Store,
    /// Those of which something was read, the latest last.
    jobs: Mutex<VecDeque<Arc<Job>>>,
    reads: Semaphore,
}

#[tonic::async_trait]
impl v1::segments_server::Segments for Segments {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<v1::ReadResponse, Status>> + Send>>;

    async fn read(
        &self,
        request: Request<v1::ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let v1::ReadRequest { job, rendition, index, at_hand } = request.into_inner();
        let job = job_id(&job).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let label = Label { job, rendition, index };
        let bytes = match self.shelf.read(label) {
            Some(bytes) => Some(bytes),
            None if at_hand => return Err(Status::not_found("not held here")),
            None => self.read_stored(label).await.map_err(|error| words(&error))?,
        };
        let Some(bytes) = bytes else {
            return Err(Status::not_found("neither held here nor in the store: it is to be made"));
        };
        Ok(Response::new(Box::pin(tokio_stream::iter(pieces(bytes)))))
    }
}

impl Segments {
    /// What `shelf` holds, and `store` has.
    pub fn new(shelf: Arc<Shelf>, store: Store) -> Segments {
        Segments { shelf, store, jobs: Mutex::default(), reads: Semaphore::new(READS) }
    }

    async fn read_stored(&self, label: Label) -> Result<Option<Bytes>, StoreError> {
        // Never closed.
        let _turn = self.reads.acquire().await;
        let Label { job, rendition, index } = label;
        let Some(job) = self.job(job).await? else { return Ok(None) };
        let Some(named) = job.recipe.renditions.get(rendition as usize) else { return Ok(None) };
        match index {
            // What the film does not have is not looked for.
            Some(index) if index >= job.timeline.segments() => Ok(None),
            Some(index) => self.store.read_segment(&job, SegmentId { rendition, index }).await,
            None => match keys::init(job.recipe.packaging, named) {
                Some(key) => self.store.read(job.id, &key).await,
                None => Ok(None),
            },
        }
    }

    async fn job(&self, id: JobId) -> Result<Option<Arc<Job>>, StoreError> {
        if let Some(known) = self.jobs().iter().find(|job| job.id == id) {
            return Ok(Some(known.clone()));
        }
        let Some(job) = self.store.job(id).await? else { return Ok(None) };
        let job = Arc::new(job);
        let mut jobs = self.jobs();
        if jobs.len() >= JOBS {
            jobs.pop_front();
        }
        jobs.push_back(job.clone());
        Ok(Some(job))
    }

    fn jobs(&self) -> MutexGuard<'_, VecDeque<Arc<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store did not do what it was asked to.
fn words(error: &StoreError) -> Status {
    match error.kind() {
        Kind::Damaged => Status::data_loss(error.to_string()),
        _ => {
            let details = ErrorDetails::with_retry_info(Some(LATER));
            Status::with_error_details(Code::Unavailable, error.to_string(), details)
        }
    }
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Result<v1::ReadResponse, Status>> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then(|| Ok(v1::ReadResponse { data: piece.into() }))
    })
}

#[cfg(test)]
mod tests;
