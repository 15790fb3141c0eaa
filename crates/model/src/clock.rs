//! When frames may be shown: the slots that decoded timestamps are put into.

use serde::{Deserialize, Serialize};

use crate::Time;

/// A row of equally spaced slots, at most one frame in each.
///
/// Each frame's place follows from its own timestamp, so any process puts it in the same slot,
/// wherever it began to read; and no two frames are closer than a slot, which is what lets decode
/// times rise across segments made apart. A source of constant rate has a slot per frame, and the
/// jitter of a container's coarse ticks vanishes; one of variable rate has [`FrameClock::FINE`]
/// slots a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameClock {
    /// When slot 0 is, on the job's time axis (the source's earliest sample is at 0).
    pub start: Time,
    /// Slots per second.
    pub rate: Time,
}

impl FrameClock {
    /// Slots per second for sources of variable rate: no frame moves by more than 2.1 ms.
    pub const FINE: Time = Time::from_secs(240);

    /// The slot nearest to `time`.
    pub fn slot_of(&self, time: Time) -> i64 {
        ((time - self.start) * self.rate).round()
    }

    /// The first slot that is not before `time`.
    pub fn slot_from(&self, time: Time) -> i64 {
        ((time - self.start) * self.rate).ceil()
    }

    /// When a frame in `slot` is shown.
    pub fn time_of(&self, slot: i64) -> Time {
        self.start + Time::from_secs(slot) / self.rate
    }
}
