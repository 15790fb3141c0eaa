//! Does what Jellyfin does: starts processes, watches directories, sends segments. Start at
//! [`stage`], then [`stream`].

pub mod order;
pub mod process;
pub mod relatives;
pub mod stage;
pub mod stream;
pub mod watch;

use std::thread;
use std::time::{Duration, Instant};

/// How often Jellyfin looks.
pub const POLL: Duration = Duration::from_millis(100);

/// Looks again and again until something is there; nothing, when the time is over.
pub fn wait<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if begin.elapsed() > limit {
            return None;
        }
        thread::sleep(POLL.min(Duration::from_millis(20)));
    }
}
