//! `Commands.Run`: who may begin a command here, and what it is asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use segue_api::v1;
use segue_api::v1::commands_server::Commands;
use segue_api::v1::run_request::Says;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};
use tracing::info;

use super::child::Starter;
use super::conduct::Conduct;
use super::tickets::{NotAdmitted, Tickets};
use super::{Offer, Settings};

/// Messages that wait to be sent to a caller.
const UNDER_WAY: usize = 64;
/// A caller who says nothing for so long does not begin.
const BEGIN_MAX: Duration = Duration::from_secs(10);
const SOON: Duration = Duration::from_millis(500);

/// Runs commands.
pub struct Service {
    /// None: this worker runs none.
    open: Option<Open>,
}

struct Open {
    means: Arc<Means>,
    tickets: Tickets,
}

/// What every run works with.
pub struct Means {
    /// How commands run here.
    pub settings: Settings,
    /// Starts their processes.
    pub starter: Starter,
    /// What the kernel does not enforce.
    pub unenforced: Vec<String>,
    numbers: AtomicU64,
}

impl Means {
    /// A number that no other run has.
    pub fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}

impl Service {
    /// Of a worker that runs no commands.
    pub fn closed() -> Service {
        Service { open: None }
    }

    /// Of one that offers to.
    pub fn new(settings: Settings, offer: &Offer, tickets: Tickets) -> Service {
        let (starter, unenforced) = (offer.starter.clone(), offer.unenforced.clone());
        let means = Means { settings, starter, unenforced, numbers: AtomicU64::new(1) };
        Service { open: Some(Open { means: Arc::new(means), tickets }) }
    }
}

#[tonic::async_trait]
impl Commands for Service {
    async fn place(
        &self,
        _: Request<v1::PlaceRequest>,
    ) -> Result<Response<v1::PlaceResponse>, Status> {
        Err(Status::unimplemented("a scheduler gives places; this is a worker"))
    }

    type RunStream = Pin<Box<dyn Stream<Item = Result<v1::RunResponse, Status>> + Send>>;

    async fn run(
        &self,
        request: Request<Streaming<v1::RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        let Some(open) = &self.open else {
            return Err(Status::unimplemented("this worker runs no commands (--commands)"));
        };
        let mut incoming = request.into_inner();
        let first = tokio::time::timeout(BEGIN_MAX, incoming.message()).await;
        let first = first.map_err(|_| Status::deadline_exceeded("nothing was said"))??;
        let Some(Says::Begin(begin)) = first.and_then(|message| message.says) else {
            return Err(Status::invalid_argument("begin: has to be the first message of a stream"));
        };
        let held = open.tickets.admit(&begin.ticket).await.map_err(|why| match why {
            NotAdmitted::Unknown => Status::permission_denied(
                "ticket: the scheduler gave no such ticket for this worker, or it was used, or it is \
                 too old: ask for another place",
            ),
            NotAdmitted::Full => {
                let details = ErrorDetails::with_retry_info(Some(SOON));
                let words = "all places of this worker are taken";
                Status::with_error_details(Code::ResourceExhausted, words, details)
            }
        })?;
        let (to_caller, responses) = mpsc::channel(UNDER_WAY);
        let means = open.means.clone();
        tokio::spawn(async move {
            let gone = to_caller.clone();
            let conduct = Conduct { means, begin, incoming, to_caller: to_caller.clone() };
            tokio::select! {
                ended = conduct.run() => if let Err(status) = ended {
                    info!(words = status.message(), "a command is given up");
                    // A caller who is gone hears nothing.
                    let _ = to_caller.send(Err(status)).await;
                },
                // Whatever runs is killed by what is dropped.
                () = gone.closed() => info!("a command's caller is gone"),
            }
            drop(held);
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(responses))))
    }
}
