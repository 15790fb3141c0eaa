//! Time as a number that somebody else reads off a clock.

use std::ops::{Add, Sub};

/// A length of time in milliseconds.
pub type Millis = u64;

/// A point in time: milliseconds of a clock that never goes back. Two machines' moments have
/// nothing to do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Moment(pub u64);

impl Moment {
    /// How long ago `earlier` was; nothing if it is yet to come.
    pub fn since(self, earlier: Moment) -> Millis {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Millis> for Moment {
    type Output = Moment;

    fn add(self, length: Millis) -> Moment {
        Moment(self.0.saturating_add(length))
    }
}

impl Sub<Millis> for Moment {
    type Output = Moment;

    fn sub(self, length: Millis) -> Moment {
        Moment(self.0.saturating_sub(length))
    }
}
