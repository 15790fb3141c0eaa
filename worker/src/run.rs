//! From arguments to a worker at work, and to its end.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use segue_api::v1::commands_server::CommandsServer;
use segue_api::v1::segments_server::SegmentsServer;
use segue_dispatch::session::Patience;
use segue_dispatch::{Moment, Session};
use segue_model::Hash;
use segue_model::pool::WorkerId;
use segue_store::{S3Settings, Store};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Endpoint, Server};
use tonic_reflection::server::Builder as Contract;
use tracing::{error, info, warn};
use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, WorkerError};
use crate::command::service::Service;
use crate::command::{self, Tickets};
use crate::daemon::{Daemon, Identity};
use crate::devices;
use crate::segments::Segments;
use crate::shelf::Shelf;
use crate::shop::Shop;
use crate::source::Sources;
use crate::span_process::{self, Spawner};
use crate::{link, with_causes};

/// Inputs of commands come in parts, several at once.
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// How soon a caller whose host is gone without a word is noticed, twice: asked, and not answered.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// Reports that wait to be heard; those who report more wait.
const REPORTS: usize = 1024;

/// Runs a worker until it is told to end.
pub fn run(arguments: Arguments) -> Result<(), WorkerError> {
    let filter = EnvFilter::try_from_env("SEGUE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter);
    let log = log.with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    // Somebody else may have begun to log already.
    let _ = log.try_init();
    let runtime = tokio::runtime::Runtime::new().map_err(system("no runtime could be started"))?;
    let worked = runtime.block_on(work(arguments));
    // What is left hangs, or nobody waits for it.
    runtime.shutdown_background();
    worked
}

async fn work(arguments: Arguments) -> Result<(), WorkerError> {
    let stop = stop_on_signal()?;
    let name = arguments.name.clone().unwrap_or_else(machine_name);
    let endpoint = endpoint(&arguments.scheduler)?;
    let listener = listen(&arguments).await?;
    let address = listener.local_addr().map_err(system("no address is known"))?;
    let s3 = S3Settings::from_env();
    let store = Store::open(&arguments.store, &s3).await?;
    let sources = Sources::new(s3, tokio::runtime::Handle::current());
    let store_identity = store.identity().await?;

    let mut commands = arguments.commands.settings();
    let offer = match &mut commands {
        Some(settings) => match command::offer(settings).await {
            Ok(offer) => Some(offer),
            Err(error) if !arguments.commands.enabled => {
                warn!(%error, "no commands are run here");
                None
            }
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    for reason in offer.iter().flat_map(|offer| &offer.unenforced) {
        warn!(reason, "the sandbox of commands is not whole");
    }

    let available = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let cores = arguments.cores.unwrap_or(available);
    // One process keeps 2 to 4 cores busy; more of them cost memory and lead-ins.
    let spans = arguments.spans.unwrap_or((cores / 4).max(1));
    let cannot_start = system("span processes cannot be started");
    let patience = span_process::Patience::default();
    let spawner = Spawner::new(Spawner::this_program(), patience)
        .and_then(|spawner| spawner.keeping_warm(spans as usize))
        .map_err(cannot_start)?;
    let children = spawner.clone();
    let trial = tokio::task::spawn_blocking(move || devices::trial(&children)).await;
    let trial = trial.map_err(|error| WorkerError::System(error.to_string()))??;
    let capabilities = devices::processor(&name, cores, spans, trial.calibration);

    let shelf = Arc::new(Shelf::new((arguments.memory as usize) << 20));
    let (reports, reported) = mpsc::channel(REPORTS);
    let threads = cores.div_ceil(spans);
    let tickets = offer.as_ref().map(|offer| Tickets::new(offer.offer.places, reports.clone()));
    let service = match (commands, &offer, &tickets) {
        (Some(settings), Some(offer), Some(tickets)) => {
            Service::new(settings, offer, tickets.clone())
        }
        _ => Service::closed(),
    };
    let segments = Segments::new(shelf.clone(), store.clone());
    let shop = Arc::new(Shop::new(spawner, shelf, store, sources, reports, threads));
    let began = Instant::now();
    let id = worker_id(&name);
    let session =
        Session::new(id, incarnation(), capabilities, Patience::default(), Moment::default());
    let identity = Identity {
        address: arguments.advertise.clone().unwrap_or_else(|| address.to_string()),
        store: store_identity,
        answer: trial.answer,
        commands: offer.map(|offer| offer.offer),
    };
    let daemon = Daemon::new(session, shop, identity, tickets, began);
    let serving = tokio::spawn(serve(listener, segments, service));
    let (happenings, happened) = mpsc::channel(REPORTS);
    let linked = tokio::spawn(link::keep(endpoint, happenings));
    // For people and for programs: from here on it can be given work.
    println!("segue-worker {name}: {cores} cores, {spans} spans at once, listening on {address}");
    info!(name, cores, spans, calibration = ?trial.calibration.cpu_ms, "ready");
    daemon.run(happened, reported, stop).await;
    linked.abort();
    serving.abort();
    Ok(())
}

/// What is told of the contract to whoever asks without having it.
fn contract() -> Contract<'static> {
    Contract::configure()
        .register_encoded_file_descriptor_set(segue_api::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name(SegmentsServer::<Segments>::NAME)
        .with_service_name(CommandsServer::<Service>::NAME)
        .with_service_name("grpc.health.v1.Health")
}

async fn serve(listener: TcpListener, segments: Segments, service: Service) {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<SegmentsServer<Segments>>().await;
    health.set_serving::<CommandsServer<Service>>().await;
    let (reflection, reflection_alpha) = match (contract().build_v1(), contract().build_v1alpha()) {
        (Ok(reflection), Ok(alpha)) => (reflection, alpha),
        (Err(error), _) | (_, Err(error)) => {
            // Descriptors are part of the program.
            unreachable!("the contract cannot be told: {error}")
        }
    };
    // The builder's own word for it is heard only where the builder listens.
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(SegmentsServer::new(segments))
        .add_service(CommandsServer::new(service))
        .add_service(health_service)
        .add_service(reflection)
        .add_service(reflection_alpha)
        .serve_with_incoming(incoming)
        .await;
    if let Err(error) = served {
        error!(error = with_causes(&error), "segments can no longer be read from this worker");
    }
}

/// The first signal hands everything back, a second one ends it at once.
fn stop_on_signal() -> Result<CancellationToken, WorkerError> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        let mut signals = signal(kind).map_err(system("signals cannot be heard"))?;
        let stop = stop.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                if stop.is_cancelled() {
                    warn!("ended at once: what is held is lost, and made again elsewhere");
                    std::process::exit(130);
                }
                stop.cancel();
            }
        });
    }
    Ok(stop)
}

fn endpoint(scheduler: &str) -> Result<Endpoint, WorkerError> {
    let url = match scheduler.contains("://") {
        true => scheduler.to_owned(),
        false => format!("http://{scheduler}"),
    };
    let wrong = || {
        WorkerError::Usage(format!(
            "--scheduler {scheduler}: write it as http://host:port, such as http://127.0.0.1:7700"
        ))
    };
    let endpoint = Endpoint::from_shared(url).map_err(|_| wrong())?;
    let uri = endpoint.uri();
    let is_plain = uri.scheme_str() == Some("http") && uri.port().is_some();
    if is_plain { Ok(endpoint) } else { Err(wrong()) }
}

async fn listen(arguments: &Arguments) -> Result<TcpListener, WorkerError> {
    let address: SocketAddr = arguments.listen;
    if !address.ip().is_loopback() && !arguments.insecure {
        return Err(WorkerError::Usage(format!(
            "--listen {address} would let anybody on the network read what is encoded here: there is \
             no encryption and no password yet; add --insecure if that network is yours alone"
        )));
    }
    if address.ip().is_unspecified() && arguments.advertise.is_none() {
        return Err(WorkerError::Usage(format!(
            "--listen {address} is no address that others can call: say by --advertise host:port how \
             they reach this machine"
        )));
    }
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        WorkerError::Usage(format!(
            "cannot listen on {address}: {error} (--listen names another address, port 0 takes any \
             that is free)"
        ))
    })
}

/// The same name is the same worker, also after a restart.
fn worker_id(name: &str) -> WorkerId {
    let Hash(bytes) = Hash::of(name.as_bytes());
    let [a, b, c, d, e, f, g, h, ..] = bytes;
    WorkerId(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
}

/// Later processes have higher ones, as long as the clock is not set back between them.
fn incarnation() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_millis() as u64
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    match name.trim() {
        "" => "worker".to_owned(),
        name => name.to_owned(),
    }
}

fn system(what: &'static str) -> impl Fn(std::io::Error) -> WorkerError {
    move |error| WorkerError::System(format!("{what}: {error}"))
}
