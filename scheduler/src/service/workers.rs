//! `Workers.Connect`: who may join, and what goes to and fro.

use segue_api::v1::connect_request::Says as Wire;
use segue_api::v1::workers_server::Workers;
use segue_api::{Described, Greeting, v1};
use segue_model::pool::{Beat, Status as WorkerStatus, WorkerId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};
use tracing::info;

use super::{Services, words};
use crate::leader::{Arrival, Says};

/// Messages that may be under way to a worker. What is more is dropped and said again.
const UNDER_WAY_MAX: usize = 64;

#[tonic::async_trait]
impl Workers for Services {
    type ConnectStream = ReceiverStream<Result<v1::ConnectResponse, Status>>;

    async fn connect(
        &self,
        request: Request<Streaming<v1::ConnectRequest>>,
    ) -> Result<Response<Self::ConnectStream>, Status> {
        let mut incoming = request.into_inner();
        let first = tokio::select! {
            first = incoming.message() => first?,
            () = self.stop.cancelled() => return Err(words::ending()),
        };
        let greeting = match first.and_then(|message| message.says) {
            Some(Wire::Hello(hello)) => Greeting::try_from(hello),
            _ => return Err(words::field("hello", "has to be the first message of a stream")),
        };
        let greeting = greeting
            .map_err(|error| words::field(&format!("hello.{}", error.field), &error.reason))?;
        self.admit(&greeting).inspect_err(|status| {
            let name = &greeting.hello.capabilities.name;
            info!(%name, words = status.message(), "a worker is not admitted");
        })?;

        let worker = greeting.hello.worker;
        let connection = self.number();
        let (outgoing, responses) = mpsc::channel(UNDER_WAY_MAX);
        let closed = self.stop.child_token();
        let arrival =
            Arrival { greeting, connection, outgoing: outgoing.clone(), closed: closed.clone() };
        self.leader.connected(arrival).await.map_err(words::ended)?;
        let services = self.clone();
        self.tasks.spawn(async move {
            services.listen(worker, connection, incoming, outgoing, closed).await;
            // Nothing is lost if nobody is there to hear it.
            let _ = services.leader.broken(worker, connection).await;
        });
        Ok(Response::new(ReceiverStream::new(responses)))
    }
}

impl Services {
    fn admit(&self, greeting: &Greeting) -> Result<(), Status> {
        check_version(&greeting.version, env!("CARGO_PKG_VERSION"))
            .map_err(Status::failed_precondition)?;
        if *greeting.store != *self.identity {
            return Err(Status::failed_precondition(format!(
                "this worker keeps segments in store '{}', the scheduler looks for them in {} (store \
                 '{}'): both have to name the same directory or bucket",
                greeting.store,
                self.store.location(),
                self.identity
            )));
        }
        Ok(())
    }

    /// Hands on what a worker says, until it or we have had enough.
    async fn listen(
        &self,
        worker: WorkerId,
        connection: u64,
        mut incoming: Streaming<v1::ConnectRequest>,
        outgoing: mpsc::Sender<Result<v1::ConnectResponse, Status>>,
        closed: CancellationToken,
    ) {
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                () = closed.cancelled() => return,
                // Nobody reads our answers: the connection is gone, even if its other half lingers.
                () = outgoing.closed() => return,
            };
            let Ok(Some(message)) = message else { return };
            let says = match read(message, worker) {
                Ok(says) => says,
                Err(status) => {
                    info!(
                        worker = worker.0,
                        words = status.message(),
                        "a worker is not understood"
                    );
                    let _ = outgoing.try_send(Err(status));
                    return;
                }
            };
            if self.leader.said(worker, connection, says).await.is_err() {
                return;
            }
        }
    }
}

fn read(message: v1::ConnectRequest, worker: WorkerId) -> Result<Says, Status> {
    let within = |outer: &str, error: segue_api::Invalid| {
        words::field(&format!("{outer}.{}", error.field), &error.reason)
    };
    let (says, said_by) = match message.says {
        Some(Wire::Status(status)) => {
            let status = WorkerStatus::try_from(status).map_err(|e| within("status", e))?;
            let by = status.beat.worker;
            (Says::Status(status), by)
        }
        Some(Wire::Beat(beat)) => {
            let beat = Beat::from(beat);
            (Says::Beat(beat), beat.worker)
        }
        Some(Wire::Described(described)) => {
            let described = Described::try_from(described).map_err(|e| within("described", e))?;
            (Says::Described(Box::new(described)), worker)
        }
        Some(Wire::Commands(v1::CommandsHeld { tickets })) => (Says::Commands(tickets), worker),
        Some(Wire::Hello(_)) => {
            return Err(words::field("hello", "is said once, at the beginning of a stream"));
        }
        None => return Err(words::field("says", "is missing, or not known to this version")),
    };
    if said_by != worker {
        let reason = format!("{} is not who said Hello, {}", said_by.0, worker.0);
        return Err(words::field("beat.worker", &reason));
    }
    Ok(says)
}

/// One minor version of difference works; words for whoever has to update something.
fn check_version(theirs: &str, ours: &str) -> Result<(), String> {
    let parse = |text: &str| -> Option<(u32, u32)> {
        let mut parts = text.split(['.', '-', '+']).map(str::parse);
        match (parts.next()?, parts.next()?) {
            (Ok(major), Ok(minor)) => Some((major, minor)),
            _ => None,
        }
    };
    let own = parse(ours);
    let Some(other) = parse(theirs) else {
        return Err(format!("'{theirs}' is no version; this scheduler is {ours}"));
    };
    let near = own.is_some_and(|(major, minor)| major == other.0 && minor.abs_diff(other.1) <= 1);
    if near {
        return Ok(());
    }
    let who = if own > Some(other) { "update this worker" } else { "update the scheduler" };
    Err(format!(
        "this worker is version {theirs} and the scheduler {ours}, more than one minor \
        version apart: {who}"
    ))
}

#[cfg(test)]
mod tests {
    use super::check_version;

    #[test]
    fn one_minor_version_of_difference_works() {
        for theirs in ["1.3.9", "1.4.0", "1.5.2-beta.1"] {
            assert_eq!(check_version(theirs, "1.4.2"), Ok(()), "{theirs}");
        }
    }

    #[test]
    fn the_older_side_is_the_one_to_update() {
        for (theirs, who) in [
            ("1.2.0", "update this worker"),
            ("0.9.0", "update this worker"),
            ("1.6.0", "update the scheduler"),
            ("2.4.2", "update the scheduler"),
            ("new", "'new' is no version"),
        ] {
            let words = check_version(theirs, "1.4.2").expect_err(theirs);
            assert!(words.contains(who), "{words}");
        }
    }
}
