//! Which of a job's renditions, as a set.

use serde::{Deserialize, Serialize};

/// A set of indices into [`crate::Recipe::renditions`], each below 64.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Renditions(u64);

impl Renditions {
    /// More than so many renditions a job cannot have.
    pub const MAX: u32 = 64;
    /// None.
    pub const NONE: Renditions = Renditions(0);

    /// The first `count` renditions.
    pub fn first(count: u32) -> Renditions {
        assert!(count <= Renditions::MAX, "{count} renditions");
        Renditions(u64::MAX.checked_shr(Renditions::MAX - count).unwrap_or(0))
    }

    /// Only `rendition`.
    pub fn only(rendition: u32) -> Renditions {
        assert!(rendition < Renditions::MAX, "rendition {rendition}");
        Renditions(1 << rendition)
    }

    /// As bits, the lowest for the first.
    pub fn bits(self) -> u64 {
        self.0
    }

    /// Those whose bits are set.
    pub fn from_bits(bits: u64) -> Renditions {
        Renditions(bits)
    }

    /// Whether it is in.
    pub fn contains(self, rendition: u32) -> bool {
        rendition < Renditions::MAX && self.0 & (1 << rendition) != 0
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Those in either.
    pub fn union(self, other: Renditions) -> Renditions {
        Renditions(self.0 | other.0)
    }

    /// Those in both.
    pub fn intersection(self, other: Renditions) -> Renditions {
        Renditions(self.0 & other.0)
    }

    /// Their indices, rising.
    pub fn iter(self) -> impl Iterator<Item = u32> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let next = left.trailing_zeros();
            left &= left.wrapping_sub(1);
            (next < Renditions::MAX).then_some(next)
        })
    }
}

impl FromIterator<u32> for Renditions {
    fn from_iter<I: IntoIterator<Item = u32>>(indices: I) -> Renditions {
        indices.into_iter().map(Renditions::only).fold(Renditions::NONE, Renditions::union)
    }
}
