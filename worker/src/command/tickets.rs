//! Who may begin a command here: whoever brings a ticket that the scheduler told us of. Each is good
//! once, and for a short time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::daemon::Report;

/// A caller may be here before the scheduler's word is.
const WORD_MAX: Duration = Duration::from_secs(3);

/// Why a command may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotAdmitted {
    /// The scheduler said nothing of that ticket, or too long ago, or it was used.
    Unknown,
    /// All places are taken.
    Full,
}

/// Tickets expected and held. Clones share them.
#[derive(Clone, Debug)]
pub struct Tickets(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    places: usize,
    table: Mutex<Table>,
    changed: watch::Sender<()>,
    reports: mpsc::Sender<Report>,
}

#[derive(Debug, Default)]
struct Table {
    expected: HashMap<String, Instant>,
    held: BTreeSet<String>,
}

impl Tickets {
    /// For so many places; changes are told to `reports`.
    pub fn new(places: u32, reports: mpsc::Sender<Report>) -> Tickets {
        let changed = watch::Sender::new(());
        let table = Mutex::new(Table::default());
        Tickets(Arc::new(Inner { places: places as usize, table, changed, reports }))
    }

    /// Somebody may come with this one.
    pub fn expect(&self, ticket: String, within: Duration) {
        let now = Instant::now();
        let mut table = self.table();
        table.expected.retain(|_, until| *until > now);
        table.expected.insert(ticket, now + within);
        drop(table);
        self.0.changed.send_replace(());
    }

    /// Those whose commands run.
    pub fn held(&self) -> Vec<String> {
        self.table().held.iter().cloned().collect()
    }

    /// Takes a ticket, and with it a place until what is given is dropped.
    pub async fn admit(&self, ticket: &str) -> Result<Held, NotAdmitted> {
        let mut changed = self.0.changed.subscribe();
        let waited = tokio::time::timeout(WORD_MAX, async {
            loop {
                if let Some(taken) = self.take(ticket) {
                    return taken;
                }
                // The sender is ours: it is there.
                let _ = changed.changed().await;
            }
        });
        waited.await.unwrap_or(Err(NotAdmitted::Unknown))
    }

    fn take(&self, ticket: &str) -> Option<Result<Held, NotAdmitted>> {
        let mut table = self.table();
        let until = table.expected.remove(ticket)?;
        if until <= Instant::now() {
            return Some(Err(NotAdmitted::Unknown));
        }
        if table.held.len() >= self.0.places {
            return Some(Err(NotAdmitted::Full));
        }
        table.held.insert(ticket.to_owned());
        drop(table);
        self.tell();
        Some(Ok(Held { tickets: self.clone(), ticket: ticket.to_owned() }))
    }

    /// Has the scheduler told.
    fn tell(&self) {
        let tickets = self.clone();
        tokio::spawn(async move {
            // Read when it is sent, so that of two reports the later one is true. Nobody listens any
            // more when the worker has left.
            if let Ok(permit) = tickets.0.reports.reserve().await {
                permit.send(Report::Commands(tickets.held()));
            }
        });
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // A thread that panicked while it held the lock left nothing half-done here.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place, for as long as this lives.
#[derive(Debug)]
pub struct Held {
    tickets: Tickets,
    ticket: String,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.tickets.table().held.remove(&self.ticket);
        if tokio::runtime::Handle::try_current().is_ok() {
            self.tickets.tell();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tickets(places: u32) -> Tickets {
        let (reports, mut told) = mpsc::channel(64);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        Tickets::new(places, reports)
    }

    #[tokio::test(start_paused = true)]
    async fn a_ticket_is_good_once_and_not_for_long() {
        let tickets = tickets(2);
        tickets.expect("one".to_owned(), Duration::from_secs(10));
        let held = tickets.admit("one").await.unwrap();
        assert_eq!(tickets.admit("one").await.unwrap_err(), NotAdmitted::Unknown);
        assert_eq!(tickets.held(), ["one"]);
        drop(held);
        assert!(tickets.held().is_empty());
        tickets.expect("two".to_owned(), Duration::from_secs(10));
        tokio::time::advance(Duration::from_secs(11)).await;
        assert_eq!(tickets.admit("two").await.unwrap_err(), NotAdmitted::Unknown);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_here_before_the_word_of_the_scheduler_waits_for_it() {
        let tickets = tickets(1);
        let early = tokio::spawn({
            let tickets = tickets.clone();
            async move { tickets.admit("one").await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        tickets.expect("one".to_owned(), Duration::from_secs(10));
        assert_eq!(early.await.unwrap(), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_run_than_there_are_places() {
        let tickets = tickets(1);
        for ticket in ["one", "two"] {
            tickets.expect(ticket.to_owned(), Duration::from_secs(10));
        }
        let _held = tickets.admit("one").await.unwrap();
        assert_eq!(tickets.admit("two").await.unwrap_err(), NotAdmitted::Full);
    }
}
