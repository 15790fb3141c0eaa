//! The gRPC services: each turns messages into questions to the leader, the store and the ledger, and
//! answers into messages. Nothing is decided here that outlives a request.

mod admin;
mod commands;
mod demand;
mod jobs;
mod submit;
mod words;
mod workers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use segue_store::Store;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::leader::Leader;
use crate::ledger::Ledger;

/// What all services work with. Clones share it.
#[derive(Clone, Debug)]
pub struct Services {
    pub(crate) leader: Leader,
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    /// The store's identity: workers have to keep segments in the same.
    pub(crate) identity: Arc<str>,
    /// Those that go on when their client is gone.
    pub(crate) tasks: TaskTracker,
    /// Cancelled when all streams are to end.
    pub(crate) stop: CancellationToken,
    /// Numbers for streams and claims that have no name.
    numbers: Arc<AtomicU64>,
}

impl Services {
    pub(crate) fn new(
        leader: Leader,
        store: Store,
        ledger: Ledger,
        identity: String,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Services {
        let (identity, numbers) = (identity.into(), Arc::new(AtomicU64::new(1)));
        Services { leader, store, ledger, identity, tasks, stop, numbers }
    }

    /// One that nobody else gets.
    fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }
}
