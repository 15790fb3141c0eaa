//! What the daemon tells the thread that leads a span: how far to go, and to stop.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use crate::span_process::Killer;

/// One span's end and stop, shared by the two.
pub struct Control {
    state: Mutex<State>,
    changed: Condvar,
    stopped: CancellationToken,
}

struct State {
    end: u32,
    /// Whatever makes the span now.
    at_work: Option<Killer>,
}

impl Control {
    /// A span that ends before segment `end`.
    pub fn new(end: u32) -> Control {
        Control {
            state: Mutex::new(State { end, at_work: None }),
            changed: Condvar::new(),
            stopped: CancellationToken::new(),
        }
    }

    /// The span ends elsewhere now.
    pub fn move_end(&self, end: u32) {
        self.state().end = end;
        self.changed.notify_all();
    }

    /// The segment after the span's last.
    pub fn end(&self) -> u32 {
        self.state().end
    }

    /// Nobody wants more of it; a process that is at work on it is killed.
    pub fn stop(&self) {
        let mut state = self.state();
        self.stopped.cancel();
        if let Some(process) = state.at_work.take() {
            process.kill();
        }
        self.changed.notify_all();
    }

    /// Whether it is to stop.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_cancelled()
    }

    /// Ends when it is to stop.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }

    /// A process begins to work on it. Says no if it is to stop already.
    pub fn begin_work(&self, process: Killer) -> bool {
        let mut state = self.state();
        state.at_work = Some(process);
        !self.is_stopped()
    }

    /// Whether the process may be given other work from here on: it was not killed, not even after
    /// its last word.
    pub fn end_work(&self) -> bool {
        self.state().at_work.take().is_some()
    }

    /// Waits until segment `index` is wanted; says no if the span is to stop.
    pub fn wait_for(&self, index: u32) -> bool {
        let state = self.state();
        let waits = |state: &mut State| state.end <= index && !self.is_stopped();
        // A thread that panicked while it held the lock left nothing half-done here.
        drop(self.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner));
        !self.is_stopped()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
