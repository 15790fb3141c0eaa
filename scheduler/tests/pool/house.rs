//! A scheduler that runs in a folder of its own, and the ways to it.

use std::future::Future;
use std::time::Duration;

use segue_api::{Client, v1};
use segue_scheduler::{Error, Scheduler, Settings};
use segue_store::{Location, S3Settings, Store};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// What has not come to be by then does not.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct House {
    pub folder: TempDir,
    pub address: String,
    pub store: Store,
    stop: CancellationToken,
    task: JoinHandle<Result<(), Error>>,
}

pub fn settings(folder: &TempDir) -> Settings {
    let store = Location::Directory(folder.path().join("store"));
    Settings::new(folder.path().join("segue.db"), store)
}

impl House {
    pub async fn start() -> House {
        let folder = tempfile::tempdir().expect("a folder");
        House::start_at(folder, "127.0.0.1:0").await
    }

    pub async fn start_in(folder: TempDir) -> House {
        House::start_at(folder, "127.0.0.1:0").await
    }

    /// With other settings than the usual ones.
    pub async fn start_with(change: impl FnOnce(&mut Settings)) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let mut settings = settings(&folder);
        change(&mut settings);
        House::start_as(folder, "127.0.0.1:0", settings).await
    }

    async fn start_at(folder: TempDir, address: &str) -> House {
        let settings = settings(&folder);
        House::start_as(folder, address, settings).await
    }

    async fn start_as(folder: TempDir, address: &str, settings: Settings) -> House {
        let store = settings.store.clone();
        let scheduler = Scheduler::open(settings).await.expect("a scheduler");
        let listener = TcpListener::bind(address).await.expect("an address");
        let address = listener.local_addr().expect("an address").to_string();
        let stop = CancellationToken::new();
        let task = tokio::spawn(scheduler.serve(listener, stop.clone()));
        let store = Store::open(&store, &S3Settings::default()).await.expect("a store");
        House { folder, address, store, stop, task }
    }

    /// Ends it in order.
    pub async fn stop(self) -> (TempDir, String) {
        self.stop.cancel();
        self.task.await.expect("no panic").expect("an orderly end");
        (self.folder, self.address)
    }

    /// Ends it, and starts it again where it was.
    pub async fn restart(self) -> House {
        let (folder, address) = self.stop().await;
        House::start_at(folder, &address).await
    }

    /// How it ended by itself.
    pub async fn ended(self) -> (TempDir, Result<(), Error>) {
        let ended = tokio::time::timeout(PATIENCE, self.task).await.expect("it ends");
        (self.folder, ended.expect("no panic"))
    }

    pub async fn client(&self) -> Client {
        Client::connect(&self.address).await.expect("a scheduler")
    }

    pub async fn submit(&self, wish: v1::SubmitRequest) -> Result<v1::SubmitResponse, Status> {
        let submitted = self.client().await.jobs().submit(wish).await;
        submitted.map(tonic::Response::into_inner)
    }

    pub async fn get(&self, job: &str) -> Result<v1::JobInfo, Status> {
        let request = v1::GetRequest { job: job.to_owned() };
        let got = self.client().await.jobs().get(request).await?;
        Ok(got.into_inner().job.expect("a job"))
    }

    pub async fn state(&self, job: &str) -> v1::JobState {
        self.get(job).await.expect("a job").progress.expect("progress").state()
    }

    pub async fn cancel(&self, job: &str, claim: &str) -> Result<bool, Status> {
        let request = v1::CancelRequest { job: job.to_owned(), claim: claim.to_owned() };
        let cancelled = self.client().await.jobs().cancel(request).await?;
        Ok(cancelled.into_inner().still_claimed)
    }

    pub async fn reaches(&self, job: &str, state: v1::JobState) {
        let give_up_at = Instant::now() + PATIENCE;
        loop {
            let info = self.get(job).await.expect("a job");
            if info.progress.as_ref().is_some_and(|progress| progress.state() == state) {
                return;
            }
            assert!(Instant::now() < give_up_at, "never {state:?}: {info:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn workers(&self) -> Vec<v1::WorkerInfo> {
        let listed = self.client().await.admin().list_workers(v1::ListWorkersRequest {}).await;
        listed.expect("workers").into_inner().workers
    }
}

/// All of a film in one small picture, as a batch.
pub fn batch(source: &str, claim: &str) -> v1::SubmitRequest {
    v1::SubmitRequest {
        claim: claim.to_owned(),
        source: source.to_owned(),
        request: Some(v1::Request {
            renditions: vec!["360p".to_owned()],
            ..v1::Request::default()
        }),
        batch: true,
        deadline_unix_ms: 0,
    }
}

/// Waits until something is so.
pub async fn until<F: Future<Output = bool>>(what: &str, mut is_so: impl FnMut() -> F) {
    let give_up_at = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < give_up_at, "never came to be: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The field that a request was refused for.
pub fn wrong_field(status: &Status) -> String {
    use tonic_types::StatusExt;
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    let details = status.get_details_bad_request().expect("google.rpc.BadRequest");
    details.field_violations.first().expect("a field").field.clone()
}

/// Whether a program is told when to try again.
pub fn says_when_to_try_again(status: &Status) -> bool {
    use tonic_types::StatusExt;
    status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some())
}
