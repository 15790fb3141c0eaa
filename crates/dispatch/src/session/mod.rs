//! A worker's end: takes up desired states, holds spans, and says what became of them. Never does
//! I/O and never reads a clock. Its driver owns the processes, the uploads and the stream: it tells
//! what happened and does what it is told. Start at [`Session::handle`].
//!
//! A lease is reckoned from when the worker *sent* the status that the planner last heard. So the
//! worker's time is over before the planner's, whatever the messages took, and an order that is
//! fenced for silence is never begun.

mod held;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use segue_model::pool::{
    Answer, Beat, Capabilities, Desired, Hello, LeaseId, Measured, Order, Screened, Screening,
    SpanEnd, Status, Term, WorkerId,
};
use segue_model::{FailureClass, SegmentId, SpanFailure};

use crate::{Millis, Moment};
use held::Held;

/// How often a worker speaks, and how patient it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From one sign of life to the next while it holds something.
    pub beat: Millis,
    /// The same while it holds nothing.
    pub beat_idle: Millis,
    /// A status that was not taken note of for so long is sent again.
    pub resend: Millis,
    /// A process that a viewer may need again waits for so long at the end of its span.
    pub linger: Millis,
    /// A process without progress for so long, and for eight times its pace, hangs.
    pub hang: Millis,
    /// The same before its first segment, when nobody knows its pace.
    pub hang_first: Millis,
    /// Nobody waits longer than this for storage: the span is handed back, and no device blamed.
    pub storage: Millis,
    /// A worker that leaves waits for so long that somebody hears what it stored last.
    pub leave: Millis,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            beat: 250,
            beat_idle: 1_000,
            resend: 300,
            linger: 15_000,
            hang: 8_000,
            hang_first: 60_000,
            storage: 15_000,
            leave: 2_000,
        }
    }
}

/// Something happened to the worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A stream to a scheduler is open.
    Connected,
    /// It broke.
    Disconnected {
        /// Which, as its [`Hello`] said; that an older one broke says nothing of the one in use.
        stream: u64,
    },
    /// The scheduler says what is wanted.
    Desired(Desired),
    /// The scheduler heard, and nothing changed.
    Answer(Answer),
    /// A process made a segment.
    Ready {
        /// Under which lease.
        lease: LeaseId,
        /// Which.
        segment: SegmentId,
    },
    /// A process gets on, though no segment of it is ready.
    Progress {
        /// Under which lease.
        lease: LeaseId,
    },
    /// A process, or what prepares its work, waits for storage: for the job's description, the
    /// source, or room for what it made. Until it gets on it does not hang.
    Waits {
        /// Under which lease.
        lease: LeaseId,
    },
    /// What segments cost so far; before there are any, a guess at their pace.
    Measured {
        /// Under which lease.
        lease: LeaseId,
        /// How much.
        measured: Measured,
    },
    /// A segment is durable.
    Published {
        /// Under which lease.
        lease: LeaseId,
        /// Which.
        segment: SegmentId,
    },
    /// What was ready will never be stored: it is as if it had not been made. An [`Event::Ended`] that
    /// says why follows.
    Lost {
        /// Under which lease.
        lease: LeaseId,
        /// Which.
        segment: SegmentId,
    },
    /// A process ended without being told to; or what it made could not be stored, for good.
    Ended {
        /// Under which lease.
        lease: LeaseId,
        /// How.
        end: SpanEnd,
    },
    /// A device gave its answer.
    Screened(Screened),
    /// The worker is to leave.
    Drain,
    /// Nothing but the time.
    Tick,
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Say who this is, on the new stream.
    Hello(Hello),
    /// Say all that is held.
    Status(Status),
    /// Say that nothing changed.
    Beat(Beat),
    /// Start a process. At the end of its span it waits.
    Start(Order),
    /// A process's span ends elsewhere now.
    Move {
        /// Whose.
        lease: LeaseId,
        /// The segment after its last.
        end: u32,
    },
    /// End a process, in good order if it is at its end. What it made is still to be stored.
    Stop(LeaseId),
    /// Nobody needs to know any more what was made under a lease.
    Release(LeaseId),
    /// Try a device.
    Screen(Screening),
    /// All is handed back: nothing keeps the worker.
    Leave,
}

/// Storage did not answer.
fn no_storage(patience: &Patience) -> SpanFailure {
    let message = format!("storage did not answer for {} s", patience.storage / 1000);
    SpanFailure { class: FailureClass::Transient, message, log: Vec::new() }
}

/// A worker's side of the bargain.
#[derive(Debug)]
pub struct Session {
    worker: WorkerId,
    incarnation: u64,
    capabilities: Capabilities,
    patience: Patience,
    now: Moment,
    stream: u64,
    connected: bool,
    sequence: u64,
    content: u64,
    /// When the statuses were sent that may still be answered.
    sent: VecDeque<(u64, Moment)>,
    said_at: Moment,
    content_said_at: Moment,
    /// What the planner has not heard yet.
    unsaid: bool,
    applied: (Term, u64),
    /// What is held is held until then.
    held_until: Moment,
    held: BTreeMap<LeaseId, Held>,
    screening: BTreeSet<Screening>,
    screened: BTreeMap<u16, Screened>,
    /// The worker is to leave.
    draining: bool,
    /// The scheduler wants it empty.
    emptied: bool,
    /// When the last of what it holds came to its end.
    idle_since: Option<Moment>,
    left: bool,
    actions: Vec<Action>,
}

impl Session {
    /// A worker's process begins; later ones have higher incarnations.
    pub fn new(
        worker: WorkerId,
        incarnation: u64,
        capabilities: Capabilities,
        patience: Patience,
        now: Moment,
    ) -> Session {
        Session {
            worker,
            incarnation,
            capabilities,
            patience,
            now,
            stream: 0,
            connected: false,
            sequence: 0,
            content: 0,
            sent: VecDeque::new(),
            said_at: now,
            content_said_at: now,
            unsaid: false,
            applied: (Term(0), 0),
            held_until: now,
            held: BTreeMap::new(),
            screening: BTreeSet::new(),
            screened: BTreeMap::new(),
            draining: false,
            emptied: false,
            idle_since: None,
            left: false,
            actions: Vec::new(),
        }
    }

    /// Takes note of an event at `now`, and says all that follows from it and from the time.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        self.now = self.now.max(now);
        self.note(event);
        self.watch();
        self.speak();
        self.leave_if_empty();
        std::mem::take(&mut self.actions)
    }

    /// When to call again if nothing happens.
    pub fn deadline(&self) -> Option<Moment> {
        let next_word = self.connected.then(|| self.said_at + self.beat_interval());
        let holding = self.held.values().any(Held::is_running).then_some(self.held_until);
        let in_haste = self.draining || self.emptied;
        let processes = self.held.values().filter_map(|h| h.deadline(&self.patience, in_haste));
        let leaving = self.idle_since.filter(|_| !self.left).map(|at| at + self.patience.leave);
        processes.chain(next_word).chain(holding).chain(leaving).min()
    }

    /// What it goes by.
    pub fn applied(&self) -> (Term, u64) {
        self.applied
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Connected => self.connect(),
            Event::Disconnected { stream } => self.connected &= stream != self.stream,
            Event::Desired(desired) => self.apply(desired),
            Event::Answer(answer) => self.answered(answer),
            Event::Ready { lease, segment } => {
                let now = self.now;
                self.unsaid |= self.held.get_mut(&lease).is_some_and(|h| h.made(now, segment));
            }
            Event::Progress { lease } => {
                let now = self.now;
                self.held.get_mut(&lease).into_iter().for_each(|held| held.gets_on(now));
            }
            Event::Waits { lease } => {
                let now = self.now;
                self.held.get_mut(&lease).into_iter().for_each(|held| held.waits(now));
            }
            Event::Measured { lease, measured } => {
                if let Some(held) = self.held.get_mut(&lease) {
                    held.measured = Some(measured);
                    // What is measured of segments is said with them.
                    self.unsaid |= measured.segments == 0;
                }
            }
            Event::Published { lease, segment } => {
                let now = self.now;
                self.unsaid |= self.held.get_mut(&lease).is_some_and(|h| h.stored(now, segment));
            }
            Event::Lost { lease, segment } => {
                self.held.get_mut(&lease).into_iter().for_each(|held| held.lost(segment));
            }
            Event::Ended { lease, end } => {
                if let Some(held) = self.held.get_mut(&lease) {
                    // It may be that only what it made is no good: what makes it goes, too.
                    if held.is_running() {
                        self.actions.push(Action::Stop(lease));
                    }
                    held.end(end);
                    self.unsaid = true;
                }
            }
            Event::Screened(screened) => {
                self.screening.remove(&screened.screening);
                self.screened.insert(screened.screening.device, screened);
                self.unsaid = true;
            }
            Event::Drain => self.drain(),
            Event::Tick => {}
        }
    }

    fn connect(&mut self) {
        self.stream += 1;
        self.connected = true;
        self.sequence = 0;
        self.content = 0;
        self.sent.clear();
        self.unsaid = true;
        self.actions.push(Action::Hello(Hello {
            worker: self.worker,
            incarnation: self.incarnation,
            stream: self.stream,
            capabilities: self.capabilities.clone(),
        }));
    }

    /// Whether this comes from who leads now, on the stream that lives.
    fn is_current(&self, answer: &Answer) -> bool {
        self.connected && answer.stream == self.stream && answer.term >= self.applied.0
    }

    fn apply(&mut self, desired: Desired) {
        let Desired { answer, orders, drain, screenings } = desired;
        let state = (answer.term, answer.version);
        if !self.is_current(&answer) || state < self.applied {
            return;
        }
        self.applied = state;
        self.emptied = drain;
        self.unsaid = true;
        let heard_at = self.renew(&answer);
        let wanted: BTreeSet<LeaseId> = orders.iter().map(|order| order.lease).collect();
        let over = self.held.keys().filter(|lease| !wanted.contains(*lease));
        for lease in over.copied().collect::<Vec<_>>() {
            self.drop_lease(lease);
        }
        let begin_until = heard_at.map(|at| at + Millis::from(answer.begin_within_ms));
        for order in orders {
            if self.held.contains_key(&order.lease) {
                self.amend(order);
                continue;
            }
            // What an earlier term ordered is gone on with, never begun: it may have been over.
            let fresh = order.lease.term == answer.term;
            if fresh && begin_until.is_some_and(|until| self.now < until) && !self.draining {
                self.begin(order);
            }
        }
        let asked: BTreeSet<Screening> = screenings.into_iter().collect();
        for screening in asked.difference(&self.screening) {
            let answered = self.screened.get(&screening.device);
            if answered.is_none_or(|answer| answer.screening != *screening) {
                self.actions.push(Action::Screen(*screening));
            }
        }
        self.screening = asked;
    }

    fn answered(&mut self, answer: Answer) {
        if !self.is_current(&answer) {
            return;
        }
        // A desired state is on its way that may say otherwise: only that renews.
        if self.applied == (answer.term, answer.version) {
            self.renew(&answer);
        }
        let forgotten = answer.content < self.content && answer.heard >= self.content;
        if forgotten && self.now.since(self.content_said_at) >= self.patience.resend {
            self.unsaid = true;
        }
    }

    /// When the status was sent that was heard, if that is not too long ago to know.
    fn renew(&mut self, answer: &Answer) -> Option<Moment> {
        let at = self.sent.iter().find(|(sequence, _)| *sequence == answer.heard)?.1;
        self.held_until = self.held_until.max(at + Millis::from(answer.lease_ms));
        while self.sent.front().is_some_and(|(sequence, _)| *sequence < answer.heard) {
            self.sent.pop_front();
        }
        Some(at)
    }

    fn begin(&mut self, order: Order) {
        if usize::from(order.device) >= self.capabilities.devices.len() || order.span.is_empty() {
            return;
        }
        self.held.insert(order.lease, Held::new(order, self.now));
        self.actions.push(Action::Start(order));
    }

    fn amend(&mut self, order: Order) {
        let Some(held) = self.held.get_mut(&order.lease) else { return };
        held.order.playback = order.playback;
        let end = order.span.end;
        if !held.is_running() || held.order.span.end == end || self.draining {
            return;
        }
        held.set_end(self.now, end);
        self.actions.push(Action::Move { lease: order.lease, end });
    }

    fn drop_lease(&mut self, lease: LeaseId) {
        let Some(held) = self.held.remove(&lease) else { return };
        if held.is_running() {
            self.actions.push(Action::Stop(lease));
        }
        self.actions.push(Action::Release(lease));
    }

    /// What is being made is finished, what is not begun is handed back.
    fn drain(&mut self) {
        self.draining = true;
        self.unsaid = true;
        let now = self.now;
        for (lease, held) in self.held.iter_mut().filter(|(_, held)| held.is_running()) {
            let end = held.order.span.end.min(held.ready_through() + 1);
            held.set_end(now, end);
            self.actions.push(Action::Move { lease: *lease, end });
        }
    }

    /// Ends what is at its end, what hangs, and what is no longer held.
    fn watch(&mut self) {
        let over = self.now >= self.held_until;
        let in_haste = self.draining || self.emptied;
        for (lease, held) in self.held.iter_mut().filter(|(_, held)| held.is_running()) {
            let end = if held.is_finished(self.now, &self.patience, in_haste) {
                SpanEnd::Done
            } else if over {
                SpanEnd::Returned
            } else if held.waited_enough(self.now, &self.patience) {
                SpanEnd::Failed(no_storage(&self.patience))
            } else if held.hangs(self.now, &self.patience) {
                SpanEnd::Died
            } else {
                continue;
            };
            held.end(end);
            self.unsaid = true;
            self.actions.push(Action::Stop(*lease));
        }
    }

    fn speak(&mut self) {
        if !self.connected || (!self.unsaid && self.now < self.said_at + self.beat_interval()) {
            return;
        }
        self.sequence += 1;
        self.said_at = self.now;
        self.sent.push_back((self.sequence, self.now));
        if self.sent.len() > 256 {
            self.sent.pop_front();
        }
        if !std::mem::take(&mut self.unsaid) {
            let beat = self.head();
            return self.actions.push(Action::Beat(beat));
        }
        self.content = self.sequence;
        self.content_said_at = self.now;
        let status = Status {
            beat: self.head(),
            spans: self.held.values().map(Held::status).collect(),
            draining: self.draining,
            screened: self.screened.values().copied().collect(),
        };
        self.actions.push(Action::Status(status));
    }

    fn head(&self) -> Beat {
        Beat {
            worker: self.worker,
            incarnation: self.incarnation,
            stream: self.stream,
            sequence: self.sequence,
            content: self.content,
            applied: self.applied,
        }
    }

    fn beat_interval(&self) -> Millis {
        if self.held.is_empty() { self.patience.beat_idle } else { self.patience.beat }
    }

    /// What is stored needs nobody who holds it: if no scheduler takes note of that, it finds it in
    /// the store.
    fn leave_if_empty(&mut self) {
        let idle = self.draining && self.held.values().all(Held::is_over);
        if !idle {
            self.idle_since = None;
            return;
        }
        let since = *self.idle_since.get_or_insert(self.now);
        let told = self.held.is_empty() || self.now >= since + self.patience.leave;
        if told && !std::mem::replace(&mut self.left, true) {
            self.actions.push(Action::Leave);
        }
    }
}
