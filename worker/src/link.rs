//! The stream to the scheduler: opened, and opened again for as long as this worker lives.

use std::time::Duration;

use segue_api::v1;
use segue_api::v1::workers_client::WorkersClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tracing::{debug, error, info, warn};

/// Messages that wait to be sent; more are not worth keeping, as each is whole.
const OUTBOX: usize = 64;
const CONNECT: Duration = Duration::from_secs(3);
/// The first pause after a stream that broke; doubles.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The pause after a refusal: somebody has to mend something first.
const REFUSED: Duration = Duration::from_secs(5);
/// A host that is gone without a word is noticed after this.
const KEEPALIVE: Duration = Duration::from_secs(5);

/// What happens on it.
#[derive(Debug)]
pub enum Happening {
    /// A stream is open; what is said to the scheduler goes here.
    Opened(mpsc::Sender<v1::ConnectRequest>),
    /// The scheduler says something.
    Said(v1::ConnectResponse),
    /// The stream broke.
    Broke,
}

/// Keeps a stream to the scheduler at `endpoint`, until nobody listens.
pub async fn keep(endpoint: Endpoint, happenings: mpsc::Sender<Happening>) {
    let endpoint = endpoint
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(KEEPALIVE)
        .keep_alive_timeout(KEEPALIVE)
        .keep_alive_while_idle(true);
    let name = endpoint.uri().to_string();
    let mut pause = PAUSE;
    let mut told = false;
    while !happenings.is_closed() {
        let mut opened = false;
        let ended = connect(&endpoint, &happenings, &mut opened).await;
        if opened {
            told = false;
            pause = PAUSE;
        }
        match ended {
            Ok(()) => info!(scheduler = name, "the scheduler closed the stream: connecting again"),
            Err(Ended::Refused(status)) => {
                error!(scheduler = name, "refused: {}", status.message());
                pause = REFUSED;
            }
            Err(Ended::Broken(why)) if !std::mem::replace(&mut told, true) => {
                warn!(scheduler = name, why, "no scheduler: trying until there is one");
            }
            Err(Ended::Broken(why)) => debug!(scheduler = name, why, "no scheduler"),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Why there is no stream.
enum Ended {
    /// The scheduler does not want this worker, and says why.
    Refused(Status),
    /// It does not answer, or not any more.
    Broken(String),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Ended {
        match status.code() {
            Code::FailedPrecondition | Code::InvalidArgument | Code::Aborted => {
                Ended::Refused(status)
            }
            _ => Ended::Broken(status.message().to_owned()),
        }
    }
}

async fn connect(
    endpoint: &Endpoint,
    happenings: &mpsc::Sender<Happening>,
    opened: &mut bool,
) -> Result<(), Ended> {
    let channel = endpoint.connect().await;
    let channel = channel.map_err(|error| Ended::Broken(last_cause(&error)))?;
    let (outbox, says) = mpsc::channel(OUTBOX);
    if happenings.send(Happening::Opened(outbox)).await.is_err() {
        return Ok(());
    }
    let listened = listen(WorkersClient::new(channel), says, happenings, opened).await;
    // Nobody listens any more when the worker has left.
    let _ = happenings.send(Happening::Broke).await;
    listened
}

async fn listen(
    mut client: WorkersClient<tonic::transport::Channel>,
    says: mpsc::Receiver<v1::ConnectRequest>,
    happenings: &mpsc::Sender<Happening>,
    opened: &mut bool,
) -> Result<(), Ended> {
    let mut hears = client.connect(ReceiverStream::new(says)).await?.into_inner();
    while let Some(message) = hears.message().await? {
        if !std::mem::replace(opened, true) {
            info!("the scheduler answers");
        }
        if happenings.send(Happening::Said(message)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// What is at the bottom of it; everything above says 'transport error'.
fn last_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
