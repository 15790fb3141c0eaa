//! How a scheduler starts and ends: what depends on what, in one place.

use std::path::PathBuf;
use std::time::Duration;

use segue_api::v1::admin_server::AdminServer;
use segue_api::v1::commands_server::CommandsServer;
use segue_api::v1::jobs_server::JobsServer;
use segue_api::v1::workers_server::WorkersServer;
use segue_dispatch::planner::Policy;
use segue_store::{Location, S3Settings, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_reflection::server::Builder as Contract;
use tracing::{info, warn};

use crate::clock::Clock;
use crate::error::Error;
use crate::leader::{Leader, Means};
use crate::ledger::{Ledger, Remembered};
use crate::retention::{Keep, Retention};
use crate::service::Services;
use crate::{meters, web};

/// Viewers of a large site in one message.
const DEMAND_MAX: usize = 16 << 20;
/// How soon a peer that is gone without a word is noticed.
const KEEPALIVE: Duration = Duration::from_secs(10);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(5);
/// How long requests that are under way may take when the scheduler ends.
const GRACE: Duration = Duration::from_secs(3);

/// What a scheduler needs to know of its surroundings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file that batch claims are kept in; made if there is none.
    pub ledger: PathBuf,
    /// Where jobs and segments are; the workers' too.
    pub store: Location,
    /// How an S3 server is reached.
    pub s3: S3Settings,
    /// How patient the planner is.
    pub policy: Policy,
    /// How much the store may hold; none: whatever comes.
    pub keep: Option<Keep>,
}

impl Settings {
    /// The usual ones.
    pub fn new(ledger: PathBuf, store: Location) -> Settings {
        let (s3, policy) = (S3Settings::from_env(), Policy::default());
        Settings { ledger, store, s3, policy, keep: None }
    }
}

/// A scheduler that has its ledger and its store, and nobody to serve yet.
#[derive(Debug)]
pub struct Scheduler {
    policy: Policy,
    keep: Option<Keep>,
    store: Store,
    identity: String,
    ledger: Ledger,
    remembered: Remembered,
    writer: JoinHandle<()>,
}

/// Opens ledger and store, and serves until `stop`, or until another scheduler led later.
pub async fn serve(
    settings: Settings,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), Error> {
    Scheduler::open(settings).await?.serve(listener, stop).await
}

impl Scheduler {
    /// Opens ledger and store. From then on no other scheduler can use that ledger.
    pub async fn open(settings: Settings) -> Result<Scheduler, Error> {
        let Settings { ledger: path, store, s3, policy, keep } = settings;
        meters::install();
        // The store first: if it cannot be opened, no ledger is made.
        let store = Store::open(&store, &s3).await?;
        let (ledger, remembered, writer) = Ledger::open(&path).await?;
        let identity = store.identity().await?;
        // A directory that is not mounted is an empty store: no job that was promised is in it, and
        // that must not be taken to mean that they are gone.
        match &remembered.store {
            None => ledger.belongs_to(identity.clone()).await?,
            Some(known) if *known == identity => {}
            Some(known) => {
                return Err(Error::OtherStore {
                    ledger: path.display().to_string(),
                    store: store.location().to_string(),
                    known: known.clone(),
                    found: identity,
                });
            }
        }
        Ok(Scheduler { policy, keep, store, identity, ledger, remembered, writer })
    }

    /// Serves until `stop`, or until another scheduler led later.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        let Scheduler { policy, keep, store, identity, ledger, mut remembered, writer } = self;
        let (tasks, serving, leading) =
            (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let means = Means {
            clock: Clock::start(),
            policy,
            store: store.clone(),
            ledger: ledger.clone(),
            tasks: tasks.clone(),
        };
        let wanted = std::mem::take(&mut remembered.wanted).into_iter().collect();
        let (leader, mut led) = Leader::start(means, remembered, leading.clone());
        let retained = keep.map(|keep| {
            let (store, ledger, leader) = (store.clone(), ledger.clone(), leader.clone());
            let retention = Retention { keep, store, ledger, leader, wanted };
            tasks.spawn(retention.run(serving.clone()))
        });
        let services =
            Services::new(leader.clone(), store, ledger, identity, tasks.clone(), serving.clone());
        let mut served = tokio::spawn(listen(services, leader, listener, serving.clone()));

        let ended = tokio::select! {
            () = stop.cancelled() => None,
            ended = &mut led => Some(ended.unwrap_or_else(bug)),
            ended = &mut served => {
                Some(ended.unwrap_or_else(bug).and(Err(Error::Bug("nobody listens".to_owned()))))
            }
            // Without it the store would fill up, and nobody would know why.
            ended = or_never(retained) => Some(ended.map_or_else(bug, |()| {
                Err(Error::Bug("nobody keeps the store within its limit".to_owned()))
            })),
        };
        // First those who ask, then who answers them, then what it writes to.
        serving.cancel();
        if !served.is_finished() && tokio::time::timeout(GRACE, &mut served).await.is_err() {
            warn!("requests that take too long are broken off");
            served.abort();
        }
        leading.cancel();
        tasks.close();
        if tokio::time::timeout(GRACE, tasks.wait()).await.is_err() {
            warn!("errands that take too long are broken off");
        }
        let led = match ended {
            Some(ended) => ended,
            None => led.await.unwrap_or_else(bug),
        };
        if tokio::time::timeout(GRACE, writer).await.is_err() {
            warn!("the ledger is not closed in order; what it promised is kept");
        }
        info!("ended");
        led
    }
}

/// For ever, if there is no such task.
async fn or_never(task: Option<JoinHandle<()>>) -> Result<(), tokio::task::JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

fn bug(error: tokio::task::JoinError) -> Result<(), Error> {
    Err(Error::Bug(error.to_string()))
}

/// What is told of the contract: services that are here, and messages wherever they are, those in
/// errors among them.
fn contract() -> Contract<'static> {
    let descriptors = [
        segue_api::DESCRIPTORS,
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ];
    let services = [
        JobsServer::<Services>::NAME,
        WorkersServer::<Services>::NAME,
        AdminServer::<Services>::NAME,
        CommandsServer::<Services>::NAME,
        "grpc.health.v1.Health",
    ];
    let contract = descriptors
        .into_iter()
        .fold(Contract::configure(), |all, set| all.register_encoded_file_descriptor_set(set));
    services.into_iter().fold(contract, Contract::with_service_name)
}

async fn listen(
    services: Services,
    leader: Leader,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), Error> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<JobsServer<Services>>().await;
    health.set_serving::<WorkersServer<Services>>().await;
    health.set_serving::<AdminServer<Services>>().await;
    health.set_serving::<CommandsServer<Services>>().await;
    let bug = |error| Error::Bug(format!("reflection: {error}"));
    let (reflection, reflection_alpha) =
        (contract().build_v1().map_err(bug)?, contract().build_v1alpha().map_err(bug)?);
    let workers =
        WorkersServer::new(services.clone()).max_decoding_message_size(segue_api::DESCRIBED_MAX);
    let jobs = JobsServer::new(services.clone()).max_decoding_message_size(DEMAND_MAX);
    let routes = Routes::from(web::router(leader))
        .add_service(jobs)
        .add_service(workers)
        .add_service(AdminServer::new(services.clone()))
        .add_service(CommandsServer::new(services))
        .add_service(health_service)
        .add_service(reflection)
        // Python's client of reflection and many an older tool know only that.
        .add_service(reflection_alpha);
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        // Metrics are asked for by programs that know nothing newer.
        .accept_http1(true)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
        .await;
    served.map_err(|error| Error::System {
        what: "connections cannot be taken",
        error: std::io::Error::other(error),
    })
}
