//! When silence means that a child hangs. Pure: silences are measured by the caller.

use std::time::Duration;

/// How long a child may say nothing. It speaks only when something advanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// From its start to its first word: loading libraries from a cold disk.
    pub startup: Duration,
    /// The least it is given afterwards.
    pub floor: Duration,
    /// How many times its longest silence so far it is given.
    pub factor: u32,
    /// The most it is given.
    pub ceiling: Duration,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            startup: Duration::from_secs(60),
            // One call of x264 has been seen to take 26 s: it looks ahead over 52 pictures of 4K under
            // `veryslow`, on a busy machine, before it gives out the first.
            floor: Duration::from_secs(60),
            factor: 10,
            ceiling: Duration::from_secs(300),
        }
    }
}

impl Patience {
    /// The silence that is too long for a child whose longest so far was `longest`.
    pub fn bound(&self, longest: Duration) -> Duration {
        longest.saturating_mul(self.factor).min(self.ceiling).max(self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_child_is_given_more_time_than_a_fast_one_but_not_for_ever() {
        let patience = Patience::default();
        let secs = Duration::from_secs;
        assert_eq!(patience.bound(Duration::ZERO), secs(60));
        assert_eq!(patience.bound(secs(1)), secs(60));
        assert_eq!(patience.bound(secs(7)), secs(70));
        assert_eq!(patience.bound(secs(3600)), secs(300));
    }
}
