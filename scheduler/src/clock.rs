//! The one place that reads clocks: moments for the planner, and what they mean to the outside.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use segue_dispatch::Moment;
use tokio::time::Instant;

/// Moments count from before the start, so that what is long past can be told apart.
const BEFORE: Duration = Duration::from_secs(30 * 24 * 3600);

/// Turns instants into moments. Copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_unix_ms: u64,
}

impl Clock {
    /// Begins now.
    pub fn start() -> Clock {
        Clock { start: Instant::now(), start_unix_ms: unix_ms() }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment((self.start.elapsed() + BEFORE).as_millis() as u64)
    }

    /// When a moment comes.
    pub fn instant(&self, moment: Moment) -> Instant {
        self.start + Duration::from_millis(moment.0).saturating_sub(BEFORE)
    }

    /// The moment that the wall clock shows as so many milliseconds since 1970.
    pub fn of_unix_ms(&self, unix_ms: u64) -> Moment {
        let start = BEFORE.as_millis() as u64;
        Moment(start.saturating_add(unix_ms).saturating_sub(self.start_unix_ms))
    }
}

/// Milliseconds since 1970, by the wall clock.
pub fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
