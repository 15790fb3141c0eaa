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

/// A message holds at most this much.
const PIECE: usize = 256 << 10;
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
        let v1::ReadRequest { job, rendition, index } = request.into_inner();
        let job = job_id(&job).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let label = Label { job, rendition, index };
        let bytes = match self.shelf.read(label) {
            Some(bytes) => Some(bytes),
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
mod tests {
    use segue_api::v1::segments_server::Segments as _;
    use segue_model::{Fingerprint, Hash, JobRequest, Packaging, Revision, Source};
    use segue_store::{Location, S3Settings};
    use tempfile::TempDir;
    use tokio_stream::StreamExt;

    use super::*;

    #[path = "../../../crates/model/tests/sample/mod.rs"]
    mod sample;

    struct Bench {
        folder: TempDir,
        job: Job,
        segments: Segments,
    }

    impl Bench {
        /// A job of a minute in a store, and none of it made.
        async fn new(packaging: Packaging) -> Bench {
            let folder = tempfile::tempdir().expect("a folder");
            let location = Location::Directory(folder.path().join("store"));
            let store = Store::open(&location, &S3Settings::default()).await.expect("a store");
            store.identity().await.expect("an identity");
            let (url, head_tail) = ("file:///film.mkv".to_owned(), Hash([7; 32]));
            let fingerprint = Fingerprint { size: 1, revision: Revision::Mtime(1), head_tail };
            let request = JobRequest { packaging, together: true, ..JobRequest::default() };
            let source = Source { url, fingerprint };
            let job = segue_hls::plan(source, &request, sample::film()).expect("a job");
            let job = store.create_job(&job).await.expect("created");
            let segments = Segments::new(Arc::new(Shelf::new(1 << 20)), store);
            Bench { folder, job, segments }
        }

        async fn stores(&self, index: Option<u32>, bytes: &[u8]) {
            let (packaging, named) = (self.job.recipe.packaging, &self.job.recipe.renditions[0]);
            let key = match index {
                Some(index) => keys::segment(packaging, named, index),
                None => keys::init(packaging, named).expect("fMP4"),
            };
            let bytes = Bytes::copy_from_slice(bytes);
            self.segments.store.create(self.job.id, &key, bytes).await.expect("created");
        }

        async fn reads(&self, rendition: u32, index: Option<u32>) -> Result<Vec<u8>, Code> {
            let job = self.job.id.to_string();
            let request = Request::new(v1::ReadRequest { job, rendition, index });
            let read = self.segments.read(request).await.map_err(|status| status.code())?;
            let pieces: Vec<_> = read.into_inner().collect().await;
            Ok(pieces.into_iter().flat_map(|piece| piece.expect("a piece").data).collect())
        }
    }

    /// As long as a transport stream's packet.
    const PACKET: [u8; 188] = [0x47; 188];

    #[tokio::test]
    async fn what_is_not_held_here_is_read_from_the_store() {
        let bench = Bench::new(Packaging::MpegTs).await;
        assert_eq!(bench.reads(0, Some(3)).await, Err(Code::NotFound));
        bench.stores(Some(3), &PACKET).await;
        assert_eq!(bench.reads(0, Some(3)).await, Ok(PACKET.to_vec()));
        // What is at hand comes first.
        let label = Label { job: bench.job.id, rendition: 0, index: Some(3) };
        let room = bench.segments.shelf.room_for(4).await;
        bench.segments.shelf.put(label, Bytes::from_static(b"held"), room);
        assert_eq!(bench.reads(0, Some(3)).await, Ok(b"held".to_vec()));
    }

    #[tokio::test]
    async fn init_sections_are_read_from_the_store_too() {
        let bench = Bench::new(Packaging::Fmp4).await;
        assert_eq!(bench.reads(0, None).await, Err(Code::NotFound));
        bench.stores(None, b"init").await;
        assert_eq!(bench.reads(0, None).await, Ok(b"init".to_vec()));
    }

    #[tokio::test]
    async fn what_no_film_has_is_not_found() {
        let bench = Bench::new(Packaging::MpegTs).await;
        let segments = bench.job.timeline.segments();
        let most = u32::MAX;
        for (rendition, index) in
            [(0, Some(segments)), (0, Some(most)), (1, Some(0)), (most, Some(0)), (0, None)]
        {
            assert_eq!(bench.reads(rendition, index).await, Err(Code::NotFound));
        }
        let job = "ab".repeat(32);
        let request = Request::new(v1::ReadRequest { job, rendition: 0, index: Some(0) });
        let refused = bench.segments.read(request).await.err().expect("no such job");
        assert_eq!(refused.code(), Code::NotFound);
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_worth_another_try_and_a_damaged_segment_is_not() {
        let bench = Bench::new(Packaging::MpegTs).await;
        bench.stores(Some(0), &PACKET).await;
        bench.stores(Some(1), &PACKET[..100]).await;
        assert_eq!(bench.reads(0, Some(1)).await, Err(Code::DataLoss));
        let (there, away) = (bench.folder.path().join("store"), bench.folder.path().join("away"));
        std::fs::rename(&there, &away).expect("moved");
        let job = bench.job.id.to_string();
        let request = Request::new(v1::ReadRequest { job, rendition: 0, index: Some(0) });
        let refused = bench.segments.read(request).await.err().expect("nothing is there");
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(refused.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
        std::fs::rename(&away, &there).expect("moved back");
        assert_eq!(bench.reads(0, Some(0)).await, Ok(PACKET.to_vec()));
    }
}
