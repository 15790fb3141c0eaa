//! What all spans of a worker share: processes, the shelf, the store, and the jobs at hand.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use segue_dispatch::session::Event;
use segue_model::pool::SpanEnd;
use segue_model::{FailureClass, Job, JobId, SpanFailure};
use segue_store::Store;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tracing::warn;

use crate::daemon::Report;
use crate::shelf::Shelf;
use crate::source::Sources;
use crate::span_process::{SpanProcess, SpawnError, Spawner};
use crate::upload::Uploads;

/// Between looks for a job object that the store does not give.
const PAUSE: Duration = Duration::from_millis(500);
/// Processes that are kept after their span.
const IDLE: usize = 2;

/// What all spans of a worker share.
pub struct Shop {
    /// Starts processes.
    pub spawner: Spawner,
    /// Where what is made is held.
    pub shelf: Arc<Shelf>,
    /// Where it is stored.
    pub store: Store,
    /// Brings it there.
    pub uploads: Arc<Uploads>,
    /// Hears what happens.
    pub reports: mpsc::Sender<Report>,
    /// How sources are reached that are not files of this machine.
    pub sources: Sources,
    /// For what waits.
    pub runtime: Handle,
    /// Threads for each decoder and encoder.
    pub threads: u32,
    /// Jobs that some span is made of now.
    jobs: Mutex<HashMap<JobId, Weak<Job>>>,
    idle: Mutex<Vec<SpanProcess>>,
}

impl Shop {
    /// With nothing at hand yet.
    pub fn new(
        spawner: Spawner,
        shelf: Arc<Shelf>,
        store: Store,
        sources: Sources,
        reports: mpsc::Sender<Report>,
        threads: u32,
    ) -> Shop {
        let uploads = Arc::new(Uploads::new(store.clone(), shelf.clone(), reports.clone()));
        let runtime = Handle::current();
        let (jobs, idle) = (Mutex::default(), Mutex::default());
        Shop { spawner, shelf, store, uploads, reports, sources, runtime, threads, jobs, idle }
    }

    /// The description of a job. Waits for the store, until `stopped`, which gives nothing.
    pub fn job(
        &self,
        id: JobId,
        stopped: impl Future<Output = ()>,
    ) -> Option<Result<Arc<Job>, SpanEnd>> {
        if let Some(job) = self.jobs().get(&id).and_then(Weak::upgrade) {
            return Some(Ok(job));
        }
        let read = self.runtime.block_on(async {
            tokio::select! {
                job = read_job(&self.store, id) => Some(job),
                () = stopped => None,
            }
        });
        let job = match read? {
            Ok(job) => Arc::new(job),
            Err(end) => return Some(Err(end)),
        };
        let mut jobs = self.jobs();
        jobs.retain(|_, job| job.strong_count() > 0);
        jobs.insert(id, Arc::downgrade(&job));
        Some(Ok(job))
    }

    /// One that is ready for orders.
    pub fn process(&self) -> Result<SpanProcess, SpawnError> {
        let idle = {
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            std::iter::from_fn(|| idle.pop()).find(SpanProcess::lives)
        };
        idle.map_or_else(|| self.spawner.spawn(), Ok)
    }

    /// It can do something else.
    pub fn keep(&self, process: SpanProcess) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(process);
        }
    }

    fn jobs(&self) -> MutexGuard<'_, HashMap<JobId, Weak<Job>>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the daemon.
    pub fn report(&self, event: Event) {
        // Nobody listens any more when the worker has left.
        let _ = self.reports.blocking_send(Report::Session(event));
    }
}

async fn read_job(store: &Store, id: JobId) -> Result<Job, SpanEnd> {
    let mut told = false;
    loop {
        match store.job(id).await {
            Ok(Some(job)) => return Ok(job),
            Ok(None) => {
                let message = format!("job {id} is not in the store: was it removed?");
                return Err(failed(FailureClass::Transient, message));
            }
            Err(error) if error.kind() == segue_store::Kind::Damaged => {
                return Err(failed(FailureClass::Transient, error.to_string()));
            }
            Err(error) if !std::mem::replace(&mut told, true) => {
                warn!(job = %id, %error, "trying again");
            }
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn failed(class: FailureClass, message: String) -> SpanEnd {
    SpanEnd::Failed(SpanFailure { class, message, log: Vec::new() })
}
