//! A worker: a real session on a real stream. Its processes are tasks that store segments of no
//! meaning, each when it is allowed to.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use segue_api::v1::connect_request::Says;
use segue_api::v1::connect_response::Says as Told;
use segue_api::v1::workers_client::WorkersClient;
use segue_api::{Client, Described, Greeting, v1};
use segue_dispatch::session::{Action, Event, Patience};
use segue_dispatch::{Moment, Session};
use segue_hls::keys;
use segue_model::pool::{
    Capabilities, DeviceCapabilities, EncoderFamily, LeaseId, Order, Resources, SpanEnd, WorkerId,
};
use segue_model::{FailureClass, Fingerprint, Hash, Revision, SegmentId, SourceFacts, SpanFailure};
use segue_store::Store;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use crate::house::House;
use crate::sample;

/// As long as a segment of a transport stream may be.
pub const PACKET: [u8; 188] = [b'x'; 188];
/// What a worker makes of the world.
#[derive(Clone)]
pub struct Habits {
    /// Segments that it may make before it has to wait.
    pub allowed: Arc<Semaphore>,
    /// How often it looked at a source.
    pub looked: Arc<AtomicUsize>,
    /// Whether it answers when it is asked to look.
    pub looks: bool,
    /// What it says of every source, instead of that it is a film.
    pub fault: Option<SpanFailure>,
    /// How each span ends, instead of being made.
    pub fails: Option<SpanFailure>,
}

impl Default for Habits {
    fn default() -> Habits {
        Habits {
            allowed: Arc::new(Semaphore::new(1_000_000)),
            looked: Arc::default(),
            looks: true,
            fault: None,
            fails: None,
        }
    }
}

pub fn failure(class: FailureClass, message: &str) -> SpanFailure {
    SpanFailure { class, message: message.to_owned(), log: Vec::new() }
}

/// Lives until it is dropped, without a word then.
pub struct Worker {
    task: JoinHandle<()>,
    pub habits: Habits,
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Worker {
    /// One that is known to the scheduler when this returns.
    pub async fn start(house: &House, number: u64, habits: Habits) -> Worker {
        let worker = Body::new(house, number, habits.clone()).await;
        let worker = Worker { task: tokio::spawn(worker.live()), habits };
        let there =
            || async { house.workers().await.iter().any(|w| w.worker == number && w.connected) };
        crate::house::until("the worker is there", there).await;
        worker
    }
}

pub fn capabilities(number: u64) -> Capabilities {
    let capacity = Resources { cpu_ms: 8_000, memory_mib: 8_000, ..Resources::default() };
    let calibration = Resources { cpu_ms: 300, memory_mib: 100, ..Resources::default() };
    let device = DeviceCapabilities {
        name: "processor".to_owned(),
        family: EncoderFamily::X264,
        capacity,
        calibration,
        spans_max: 8,
        batch_spans: 2,
    };
    Capabilities { name: format!("host{number}"), devices: vec![device] }
}

pub fn found() -> (Fingerprint, SourceFacts) {
    let head_tail = Hash::of(b"film");
    let fingerprint = Fingerprint { size: 7, revision: Revision::Mtime(7), head_tail };
    (fingerprint, sample::film())
}

/// What runs, and where its span ends now.
struct Process {
    task: AbortHandle,
    end: watch::Sender<u32>,
}

struct Body {
    number: u64,
    address: String,
    identity: String,
    store: Store,
    habits: Habits,
    begun: Instant,
    session: Session,
    processes: HashMap<LeaseId, Process>,
    events: (mpsc::UnboundedSender<Event>, mpsc::UnboundedReceiver<Event>),
    stream: u64,
}

impl Body {
    async fn new(house: &House, number: u64, habits: Habits) -> Body {
        let session =
            Session::new(WorkerId(number), 1, capabilities(number), Patience::default(), Moment(0));
        Body {
            number,
            address: house.address.clone(),
            identity: house.store.identity().await.expect("an identity"),
            store: house.store.clone(),
            habits,
            begun: Instant::now(),
            session,
            processes: HashMap::new(),
            events: mpsc::unbounded_channel(),
            stream: 0,
        }
    }

    fn now(&self) -> Moment {
        Moment(self.begun.elapsed().as_millis() as u64)
    }

    async fn live(mut self) {
        loop {
            if let Ok(client) = Client::connect(&self.address).await {
                self.speak(client).await;
                let now = self.now();
                let actions = self.session.handle(now, Event::Disconnected { stream: self.stream });
                self.act(actions, None);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// One stream, from its first word to its end.
    async fn speak(&mut self, client: Client) {
        let (outgoing, requests) = mpsc::channel(64);
        let actions = self.session.handle(self.now(), Event::Connected);
        self.act(actions, Some(&outgoing));
        let mut client = WorkersClient::new(client.channel());
        let Ok(connected) = client.connect(ReceiverStream::new(requests)).await else { return };
        let mut incoming = connected.into_inner();
        loop {
            let wake = self.session.deadline().map(|at| self.begun + Duration::from_millis(at.0));
            let event = tokio::select! {
                told = incoming.message() => match told {
                    Ok(Some(message)) => self.hear(message, &outgoing),
                    _ => return,
                },
                event = self.events.1.recv() => event,
                () = async {
                    match wake {
                        Some(at) => tokio::time::sleep_until(at).await,
                        None => pending().await,
                    }
                } => Some(Event::Tick),
            };
            let Some(event) = event else { continue };
            let actions = self.session.handle(self.now(), event);
            self.act(actions, Some(&outgoing));
        }
    }

    fn hear(
        &mut self,
        message: v1::ConnectResponse,
        outgoing: &mpsc::Sender<v1::ConnectRequest>,
    ) -> Option<Event> {
        match message.says? {
            Told::Desired(desired) => Some(Event::Desired(desired.try_into().expect("sense"))),
            Told::Answer(answer) => Some(Event::Answer(answer.into())),
            // It runs no commands.
            Told::Expect(_) => None,
            Told::Describe(describe) => {
                self.habits.looked.fetch_add(1, Ordering::SeqCst);
                let outcome = self.habits.fault.clone().map_or_else(|| Ok(found()), Err);
                let described = Described { question: describe.question, outcome };
                if self.habits.looks {
                    say(outgoing, Says::Described(described.try_into().expect("JSON")));
                }
                None
            }
        }
    }

    fn act(&mut self, actions: Vec<Action>, outgoing: Option<&mpsc::Sender<v1::ConnectRequest>>) {
        for action in actions {
            let says = match action {
                Action::Hello(hello) => {
                    self.stream = hello.stream;
                    let (address, version) = (address(self.number), VERSION.to_owned());
                    let store = self.identity.clone();
                    Says::Hello(Greeting { hello, address, version, store, commands: None }.into())
                }
                Action::Status(status) => Says::Status(status.into()),
                Action::Beat(beat) => Says::Beat(beat.into()),
                other => {
                    self.work(other);
                    continue;
                }
            };
            if let Some(outgoing) = outgoing {
                say(outgoing, says);
            }
        }
    }

    fn work(&mut self, action: Action) {
        match action {
            Action::Start(order) => {
                let (end, ends) = watch::channel(order.span.end);
                let events = self.events.0.clone();
                let made = make(self.store.clone(), order, ends, events, self.habits.clone());
                let task = tokio::spawn(made).abort_handle();
                self.processes.insert(order.lease, Process { task, end });
            }
            Action::Move { lease, end } => {
                if let Some(process) = self.processes.get(&lease) {
                    process.end.send_replace(end);
                }
            }
            Action::Stop(lease) => {
                if let Some(process) = self.processes.remove(&lease) {
                    process.task.abort();
                }
            }
            _ => {}
        }
    }
}

/// Where a worker says that it is; nobody is there.
pub fn address(number: u64) -> String {
    format!("127.0.0.1:{number}")
}

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

fn say(outgoing: &mpsc::Sender<v1::ConnectRequest>, says: Says) {
    let _ = outgoing.try_send(v1::ConnectRequest { says: Some(says) });
}

/// Stores the segments of an order, each when it is allowed to, until its stream moves on.
async fn make(
    store: Store,
    order: Order,
    mut ends: watch::Receiver<u32>,
    events: mpsc::UnboundedSender<Event>,
    habits: Habits,
) {
    let lease = order.lease;
    if let Some(failure) = habits.fails {
        let _ = events.send(Event::Ended { lease, end: SpanEnd::Failed(failure) });
        return;
    }
    let job = store.job(order.job).await.expect("a store").expect("a job");
    let mut index = order.span.first;
    loop {
        while index >= *ends.borrow_and_update() {
            if ends.changed().await.is_err() {
                return;
            }
        }
        habits.allowed.acquire().await.expect("open").forget();
        for rendition in order.renditions.iter() {
            let name = &job.recipe.renditions[rendition as usize];
            let key = keys::segment(job.recipe.packaging, name, index);
            let segment = SegmentId { rendition, index };
            let _ = events.send(Event::Ready { lease, segment });
            // Who is stopped stores what it made.
            let (store, events) = (store.clone(), events.clone());
            let stored = tokio::spawn(async move {
                let bytes = Bytes::from_static(&PACKET);
                store.create(order.job, &key, bytes).await.expect("created");
                let _ = events.send(Event::Published { lease, segment });
            });
            stored.await.expect("stored");
        }
        index += 1;
    }
}
