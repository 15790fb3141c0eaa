//! A worker without devices: it looks at films that do not exist, and makes nothing. So a scheduler
//! can be measured alone.

use std::time::Duration;

use anyhow::ensure;
use segue_api::v1::connect_request::Says;
use segue_api::v1::connect_response::Says as Told;
use segue_api::v1::workers_client::WorkersClient;
use segue_api::{Client, Described, Greeting, v1};
use segue_model::pool::{Capabilities, Hello, WorkerId};
use segue_model::{Fingerprint, SourceFacts};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;

const WORKER: WorkerId = WorkerId(1);

/// Lives until it is dropped.
pub struct Stub {
    task: JoinHandle<anyhow::Result<()>>,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Stub {
    /// One that the scheduler knows when this returns. Every source is what was `found`.
    pub async fn start(
        client: &Client,
        store: String,
        found: (Fingerprint, SourceFacts),
    ) -> anyhow::Result<Stub> {
        let (says, requests) = mpsc::channel(64);
        let capabilities = Capabilities { name: "stub".to_owned(), devices: Vec::new() };
        let hello = Hello { worker: WORKER, incarnation: 1, stream: 1, capabilities };
        let (address, version) = ("127.0.0.1:9".to_owned(), env!("CARGO_PKG_VERSION").to_owned());
        let greeting = Greeting { hello, address, version, store, commands: None };
        say(&says, Says::Hello(greeting.into())).await?;
        let mut workers = WorkersClient::new(client.channel());
        let mut told = workers.connect(ReceiverStream::new(requests)).await?.into_inner();
        let task = tokio::spawn(async move {
            let mut sequence = 0;
            let mut beats = tokio::time::interval(Duration::from_secs(1));
            loop {
                tokio::select! {
                    message = told.message() => match message?.and_then(|it| it.says) {
                        Some(Told::Describe(v1::Describe { question, .. })) => {
                            let described = Described { question, outcome: Ok(found.clone()) };
                            say(&says, Says::Described(described.try_into()?)).await?;
                        }
                        Some(_) => {}
                        None => return Ok(()),
                    },
                    _ = beats.tick() => {
                        sequence += 1;
                        say(&says, Says::Status(status(sequence))).await?;
                    }
                }
            }
        });
        let listed = client.admin().list_workers(v1::ListWorkersRequest {}).await?.into_inner();
        ensure!(listed.workers.iter().any(|it| it.connected), "the scheduler does not know it");
        Ok(Stub { task })
    }
}

async fn say(outgoing: &mpsc::Sender<v1::ConnectRequest>, says: Says) -> anyhow::Result<()> {
    Ok(outgoing.send(v1::ConnectRequest { says: Some(says) }).await?)
}

/// It holds nothing.
fn status(sequence: u64) -> v1::Status {
    let beat =
        v1::Beat { worker: WORKER.0, incarnation: 1, stream: 1, sequence, ..v1::Beat::default() };
    v1::Status { beat: Some(beat), ..v1::Status::default() }
}
