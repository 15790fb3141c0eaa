//! The one task that owns a worker's [`Session`]: what happens goes in, what follows is done. Start
//! at [`Daemon::run`].

use std::collections::HashMap;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use segue_api::v1::connect_request::Says;
use segue_api::{CommandOffer, Described, Greeting, v1};
use segue_dispatch::session::{Action, Event};
use segue_dispatch::{Moment, Session};
use segue_model::Hash;
use segue_model::pool::{Desired, Hello, LeaseId, Order, Screened, Screening, SpanEnd};
use segue_model::{FailureClass, SpanFailure};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::command::Tickets;
use crate::control::Control;
use crate::lead;
use crate::link::Happening;
use crate::shop::Shop;
use crate::{devices, question};

/// Sources looked at at once.
const QUESTIONS: usize = 2;
/// Who is told to end gives the store so long to take what is made.
const LEAVE_MAX: Duration = Duration::from_secs(60);
/// Threads whose processes were killed end within this.
const JOIN_MAX: Duration = Duration::from_secs(5);
/// Nothing may be due for longer than anybody waits.
const IDLE: Duration = Duration::from_secs(3600);

/// What comes to the daemon from those who work for it.
#[derive(Debug)]
pub enum Report {
    /// For the session.
    Session(Event),
    /// A source is described, or cannot be.
    Described(Box<Described>),
    /// All commands that run, by their tickets.
    Commands(Vec<String>),
}

/// What a worker says of itself beside what it can do.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where its segments can be read.
    pub address: String,
    /// Which store it puts them into.
    pub store: String,
    /// What the known answer is.
    pub answer: Hash,
    /// What it offers to commands.
    pub commands: Option<CommandOffer>,
}

/// A worker at work.
pub struct Daemon {
    session: Session,
    shop: Arc<Shop>,
    identity: Identity,
    tickets: Option<Tickets>,
    began: Instant,
    outbox: Option<(u64, mpsc::Sender<v1::ConnectRequest>)>,
    /// Cancelled with the stream: whoever asked something asks again on the next one.
    stream: CancellationToken,
    spans: HashMap<LeaseId, Running>,
    questions: Arc<Semaphore>,
    left: bool,
}

/// A span that is held.
struct Running {
    control: Arc<Control>,
    released: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Daemon {
    /// With `session` made at `began`.
    pub fn new(
        session: Session,
        shop: Arc<Shop>,
        identity: Identity,
        tickets: Option<Tickets>,
        began: Instant,
    ) -> Daemon {
        let questions = Arc::new(Semaphore::new(QUESTIONS));
        let (outbox, spans, stream) = (None, HashMap::new(), CancellationToken::new());
        Daemon {
            session,
            shop,
            identity,
            tickets,
            began,
            outbox,
            stream,
            spans,
            questions,
            left: false,
        }
    }

    /// Works until `stop`, and then until everything is handed back.
    pub async fn run(
        mut self,
        mut happenings: mpsc::Receiver<Happening>,
        mut reports: mpsc::Receiver<Report>,
        stop: CancellationToken,
    ) {
        let mut leaving = false;
        let mut leave_by = Instant::now() + IDLE;
        while !self.left || self.commands() > 0 {
            let due = self.session.deadline().map(|at| self.began + Duration::from_millis(at.0));
            let due = due.unwrap_or_else(|| Instant::now() + IDLE);
            tokio::select! {
                () = stop.cancelled(), if !leaving => {
                    leaving = true;
                    leave_by = Instant::now() + LEAVE_MAX;
                    info!("handing back what is held; a second signal ends it at once");
                    self.handle(Event::Drain);
                }
                Some(happening) = happenings.recv() => self.happened(happening),
                Some(report) = reports.recv() => self.reported(report),
                () = tokio::time::sleep_until(leave_by), if leaving => {
                    match self.left {
                        true => warn!(commands = self.commands(), "commands are ended"),
                        false => {
                            warn!("the store takes nothing: what it lacks is made again elsewhere");
                        }
                    }
                    break;
                }
                () = tokio::time::sleep_until(due) => self.handle(Event::Tick),
            }
        }
        // Nobody hears what is still being said: it must not wait for that.
        drop(reports);
        self.end().await;
    }

    fn handle(&mut self, event: Event) {
        let now = Moment(self.began.elapsed().as_millis() as u64);
        for action in self.session.handle(now, event) {
            self.act(action);
        }
    }

    fn happened(&mut self, happening: Happening) {
        use v1::connect_response::Says;
        match happening {
            Happening::Opened(outbox) => {
                // The session counts its streams, and says the number with its hello.
                self.outbox = Some((0, outbox));
                self.stream = CancellationToken::new();
                self.handle(Event::Connected);
            }
            Happening::Broke => {
                self.stream.cancel();
                if let Some((stream, _)) = self.outbox.take() {
                    self.handle(Event::Disconnected { stream });
                }
            }
            Happening::Said(message) => match message.says {
                Some(Says::Desired(desired)) => match Desired::try_from(desired) {
                    Ok(desired) => self.handle(Event::Desired(desired)),
                    Err(error) => error!(%error, "the scheduler says what cannot be meant"),
                },
                Some(Says::Answer(answer)) => self.handle(Event::Answer(answer.into())),
                Some(Says::Describe(question)) => self.describe(question),
                Some(Says::Expect(v1::Expect { ticket, within_ms })) => {
                    if let Some(tickets) = &self.tickets {
                        tickets.expect(ticket, Duration::from_millis(within_ms.into()));
                    }
                }
                // Newer schedulers may say more.
                None => debug!("the scheduler says something that this version does not know"),
            },
        }
    }

    fn reported(&mut self, report: Report) {
        match report {
            Report::Session(event) => self.handle(event),
            Report::Commands(tickets) => {
                self.say_surely(Says::Commands(v1::CommandsHeld { tickets }));
            }
            Report::Described(described) => match (*described).try_into() {
                Ok(described) => self.say_surely(Says::Described(described)),
                Err(error) => error!(%error, "a description cannot be sent"),
            },
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Hello(hello) => {
                if let Some((stream, _)) = &mut self.outbox {
                    *stream = hello.stream;
                }
                self.say(Says::Hello(self.greeting(hello).into()));
                if let Some(tickets) = &self.tickets {
                    let tickets = tickets.held();
                    self.say(Says::Commands(v1::CommandsHeld { tickets }));
                }
            }
            Action::Status(status) => self.say(Says::Status(status.into())),
            Action::Beat(beat) => self.say(Says::Beat(beat.into())),
            Action::Start(order) => self.start(order),
            Action::Move { lease, end } => {
                if let Some(span) = self.spans.get(&lease) {
                    span.control.move_end(end);
                }
            }
            Action::Stop(lease) => {
                if let Some(span) = self.spans.get(&lease) {
                    span.control.stop();
                }
            }
            Action::Release(lease) => {
                if let Some(span) = self.spans.remove(&lease) {
                    span.released.cancel();
                }
            }
            Action::Screen(screening) => self.screen(screening),
            Action::Leave => {
                self.left = true;
                if self.commands() > 0 {
                    info!(commands = self.commands(), "commands end first");
                }
            }
        }
    }

    /// How many commands run.
    fn commands(&self) -> usize {
        self.tickets.as_ref().map_or(0, |tickets| tickets.held().len())
    }

    fn greeting(&self, hello: Hello) -> Greeting {
        let Identity { address, store, commands, .. } = self.identity.clone();
        Greeting { hello, address, version: env!("CARGO_PKG_VERSION").to_owned(), store, commands }
    }

    /// What finds no room is not worth waiting for: the next word is as whole.
    fn say(&self, says: Says) {
        if let Some((_, outbox)) = &self.outbox {
            let _ = outbox.try_send(v1::ConnectRequest { says: Some(says) });
        }
    }

    /// What is said once: it waits for room, as long as the stream lives.
    fn say_surely(&self, says: Says) {
        let Some((_, outbox)) = self.outbox.clone() else { return };
        tokio::spawn(async move {
            // A stream that breaks meanwhile has nobody who waits for it.
            let _ = outbox.send(v1::ConnectRequest { says: Some(says) }).await;
        });
    }

    fn start(&mut self, order: Order) {
        let lease = order.lease;
        info!(%lease, job = %order.job, span = %order.span, playback = order.playback, "begun");
        let control = Arc::new(Control::new(order.span.end));
        let released = CancellationToken::new();
        let thread = lead::start(self.shop.clone(), order, control.clone(), released.clone());
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(error) => {
                let message = format!("no thread could be started: {error}");
                let class = FailureClass::Transient;
                let end = SpanEnd::Failed(SpanFailure { class, message, log: Vec::new() });
                self.report_later(Report::Session(Event::Ended { lease, end }));
                None
            }
        };
        self.spans.insert(lease, Running { control, released, thread });
    }

    /// To be heard when what is being done is done.
    fn report_later(&self, report: Report) {
        let reports = self.shop.reports.clone();
        tokio::spawn(async move {
            // Nobody listens any more when the worker has left.
            let _ = reports.send(report).await;
        });
    }

    fn describe(&self, asked: v1::Describe) {
        let (shop, questions) = (self.shop.clone(), self.questions.clone());
        let broken = self.stream.clone();
        tokio::spawn(async move {
            // Never closed; and if it were, more at once do no harm.
            let _turn = tokio::select! {
                turn = questions.acquire() => turn,
                () = broken.cancelled() => return,
            };
            let (spawner, sources) = (shop.spawner.clone(), shop.sources.clone());
            let number = asked.question;
            let look = move || question::answer(&asked, &sources, &spawner);
            let looked = tokio::task::spawn_blocking(look).await;
            let described = looked.unwrap_or_else(|error| question::ended_early(number, &error));
            let _ = shop.reports.send(Report::Described(Box::new(described))).await;
        });
    }

    fn screen(&self, screening: Screening) {
        let (shop, expected) = (self.shop.clone(), self.identity.answer);
        tokio::spawn(async move {
            let spawner = shop.spawner.clone();
            let trial = tokio::task::spawn_blocking(move || devices::trial(&spawner)).await;
            let passed = match trial {
                Ok(Ok(trial)) => trial.answer == expected,
                Ok(Err(error)) => {
                    warn!(%error, "a device did not stand the trial");
                    false
                }
                Err(_) => false,
            };
            info!(device = screening.device, passed, "a device was tried");
            let screened = Screened { screening, passed };
            let _ = shop.reports.send(Report::Session(Event::Screened(screened))).await;
        });
    }

    /// Ends what is left: nobody waits for it.
    async fn end(mut self) {
        for span in self.spans.values() {
            span.control.stop();
        }
        self.shop.spawner.kill_all();
        let threads: Vec<_> = self.spans.values_mut().filter_map(|s| s.thread.take()).collect();
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // One that panicked has said so.
                let _ = thread.join();
            }
        });
        // One that waits for a file system that is away ends with the process.
        let _ = tokio::time::timeout(JOIN_MAX, joined).await;
        info!("left");
    }
}
