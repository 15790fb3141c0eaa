//! Puts what is made into the store, for as long as it takes. A store that is slow or away delays
//! this and nothing else: viewers are fed from the shelf, and no device is blamed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use segue_dispatch::session::Event;
use segue_hls::keys;
use segue_model::pool::{LeaseId, SpanEnd};
use segue_model::{FailureClass, Job, SegmentId, SpanFailure};
use segue_store::{Created, Loss, Store, StoreError};
use tokio::sync::{OnceCell, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::daemon::Report;
use crate::shelf::{Label, Shelf};

/// Puts under way at once.
const PUTS: usize = 8;
/// The first pause after a put that failed; doubles.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// Uploads of this worker.
pub struct Uploads {
    store: Store,
    shelf: Arc<Shelf>,
    puts: Semaphore,
    reports: mpsc::Sender<Report>,
}

/// What the uploads of one lease share.
pub struct Parcel {
    /// Whose.
    pub lease: LeaseId,
    /// Of which job.
    pub job: Arc<Job>,
    /// Nobody asks any more.
    pub released: CancellationToken,
    inits: Mutex<HashMap<u32, Arc<Init>>>,
}

/// An init section, stored before the first segment that needs it.
struct Init {
    bytes: Bytes,
    stored: OnceCell<()>,
}

/// Why something is not stored.
enum Refusal {
    /// The store has trouble.
    Store(StoreError),
    /// The store has another init section than this process made.
    Differs(String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::Store(error)
    }
}

impl Parcel {
    /// Nothing is made yet.
    pub fn new(lease: LeaseId, job: Arc<Job>, released: CancellationToken) -> Parcel {
        Parcel { lease, job, released, inits: Mutex::default() }
    }

    /// A rendition's init section is made.
    pub fn note_init(&self, rendition: u32, bytes: Bytes) {
        let init = Arc::new(Init { bytes, stored: OnceCell::new() });
        self.inits.lock().unwrap_or_else(PoisonError::into_inner).entry(rendition).or_insert(init);
    }

    fn init(&self, rendition: u32) -> Option<Arc<Init>> {
        self.inits.lock().unwrap_or_else(PoisonError::into_inner).get(&rendition).cloned()
    }
}

impl Uploads {
    /// Puts into `store`, and tells `reports`.
    pub fn new(store: Store, shelf: Arc<Shelf>, reports: mpsc::Sender<Report>) -> Uploads {
        Uploads { store, shelf, puts: Semaphore::new(PUTS), reports }
    }

    /// Stores a segment that is on the shelf, and takes it off.
    pub async fn store(&self, parcel: Arc<Parcel>, segment: SegmentId, bytes: Bytes, loss: Loss) {
        let label =
            Label { job: parcel.job.id, rendition: segment.rendition, index: Some(segment.index) };
        match self.insist(&parcel, segment, &bytes, loss).await {
            Some(Ok(())) => {
                self.shelf.stored(label);
                self.report(Event::Published { lease: parcel.lease, segment }).await;
            }
            Some(Err(message)) => {
                self.shelf.dropped(label);
                self.report(Event::Lost { lease: parcel.lease, segment }).await;
                let failure = SpanFailure { class: FailureClass::Worker, message, log: Vec::new() };
                let end = SpanEnd::Failed(failure);
                self.report(Event::Ended { lease: parcel.lease, end }).await;
            }
            None => {
                info!(job = %parcel.job.id, segment = segment.index, "given up: nobody asks for it");
                self.shelf.dropped(label);
            }
        }
    }

    /// Tries until it is done, or nobody cares any more.
    async fn insist(
        &self,
        parcel: &Parcel,
        segment: SegmentId,
        bytes: &Bytes,
        loss: Loss,
    ) -> Option<Result<(), String>> {
        let mut pause = PAUSE;
        loop {
            match self.put(parcel, segment, bytes, loss).await {
                Ok(()) => return Some(Ok(())),
                Err(Refusal::Differs(message)) => return Some(Err(message)),
                Err(Refusal::Store(error)) if pause == PAUSE => {
                    warn!(job = %parcel.job.id, segment = segment.index, %error, "trying again");
                }
                Err(Refusal::Store(error)) => {
                    debug!(job = %parcel.job.id, segment = segment.index, %error, "trying again");
                }
            }
            if parcel.released.is_cancelled() {
                return None;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn put(
        &self,
        parcel: &Parcel,
        segment: SegmentId,
        bytes: &Bytes,
        loss: Loss,
    ) -> Result<(), Refusal> {
        // Never closed; and if it were, more puts at once do no harm.
        let _turn = self.puts.acquire().await;
        let job = &parcel.job;
        let rendition = &job.recipe.renditions[segment.rendition as usize];
        if let Some(init) = parcel.init(segment.rendition)
            && let Some(key) = keys::init(job.recipe.packaging, rendition)
        {
            init.stored.get_or_try_init(|| self.put_init(job, &key, &init.bytes)).await?;
        }
        // Before the segment: once that is there, nobody makes it again to find out.
        if !loss.is_none() {
            self.store.note_loss(job.id, segment.index, loss).await?;
        }
        let key = keys::segment(job.recipe.packaging, rendition, segment.index);
        self.store.create(job.id, &key, bytes.clone()).await?;
        Ok(())
    }

    async fn put_init(&self, job: &Job, key: &str, bytes: &Bytes) -> Result<(), Refusal> {
        if self.store.create(job.id, key, bytes.clone()).await? == Created::Now {
            return Ok(());
        }
        match self.store.read(job.id, key).await? {
            Some(there) if there != *bytes => Err(Refusal::Differs(format!(
                "it made another {key} than the one that is stored: its segments do not fit the others"
            ))),
            _ => Ok(()),
        }
    }

    async fn report(&self, event: Event) {
        // Nobody listens any more when the worker has left.
        let _ = self.reports.send(Report::Session(event)).await;
    }
}
