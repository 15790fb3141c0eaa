//! What is known of a worker: its stream, when it was heard, what it was told.

use std::collections::BTreeMap;

use segue_model::pool::{LeaseId, Order, Screened, SpanStatus, Term, WorkerId};

use crate::Moment;

/// A worker that is connected, or was not long ago.
#[derive(Debug)]
pub(super) struct Worker {
    pub id: WorkerId,
    pub incarnation: u64,
    pub stream: u64,
    pub connected: bool,
    /// Silent for a while: gets nothing new.
    pub suspected: bool,
    pub heard_at: Moment,
    /// Since when it holds something, and is expected to say more.
    pub busy_since: Moment,
    pub sequence: u64,
    pub content: u64,
    pub applied: (Term, u64),
    pub devices: Vec<u32>,
    /// Rising by id.
    pub leases: Vec<(LeaseId, u32)>,
    /// Leases of an earlier term whose jobs are not known yet: gone on with until all is settled.
    pub strangers: Vec<SpanStatus>,
    /// What it held when its stream broke, and whether the process had ended: gone on with if it comes
    /// back before others took it.
    pub broken_off: BTreeMap<LeaseId, bool>,
    /// An administrator wants it empty.
    pub drain: bool,
    /// It wants to leave.
    pub draining: bool,
    pub version: u64,
    pub sent_at: Moment,
    /// Its desired state is not what it was told last.
    pub changed: bool,
    pub screened: Vec<Screened>,
    pub timer: Option<Moment>,
}

impl Worker {
    pub fn new(id: WorkerId, now: Moment) -> Worker {
        Worker {
            id,
            incarnation: 0,
            stream: 0,
            connected: false,
            suspected: false,
            heard_at: now,
            busy_since: now,
            sequence: 0,
            content: 0,
            applied: (Term(0), 0),
            devices: Vec::new(),
            leases: Vec::new(),
            strangers: Vec::new(),
            broken_off: BTreeMap::new(),
            drain: false,
            draining: false,
            version: 0,
            sent_at: now,
            changed: false,
            screened: Vec::new(),
            timer: None,
        }
    }

    /// Whether it said on this stream what it holds. Before, it is told nothing: a state made
    /// without knowing what it holds would end that.
    pub fn has_spoken(&self) -> bool {
        self.connected && self.content > 0
    }

    /// Whether it may be given work.
    pub fn is_available(&self) -> bool {
        self.has_spoken() && !self.suspected && !self.leaves()
    }

    /// Whether it is to be left alone: it wants to leave, or an administrator wants it empty.
    pub fn leaves(&self) -> bool {
        self.drain || self.draining
    }

    pub fn lease(&self, id: LeaseId) -> Option<u32> {
        let at = self.leases.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.leases[at].1)
    }

    pub fn add(&mut self, id: LeaseId, lease: u32) {
        let at = self.leases.partition_point(|(other, _)| *other < id);
        self.leases.insert(at, (id, lease));
    }

    pub fn remove(&mut self, id: LeaseId) {
        self.leases.retain(|(other, _)| *other != id);
    }

    /// Orders that it goes on with although their jobs are not known.
    pub fn strange_orders(&self) -> impl Iterator<Item = Order> + '_ {
        self.strangers.iter().map(|span| span.order)
    }
}
