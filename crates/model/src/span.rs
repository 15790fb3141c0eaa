//! Names of segments, and runs of them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A run of consecutive segments made by one pipeline: `first..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Its first segment.
    pub first: u32,
    /// The segment after its last.
    pub end: u32,
}

impl Span {
    /// How many segments it has.
    pub fn len(self) -> u32 {
        self.end.saturating_sub(self.first)
    }

    /// Whether it has no segment.
    pub fn is_empty(self) -> bool {
        self.end <= self.first
    }
}

/// `segments 3-7`, or `segment 3`.
impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0 => write!(f, "no segments"),
            1 => write!(f, "segment {}", self.first),
            _ => write!(f, "segments {}-{}", self.first, self.end - 1),
        }
    }
}

/// One segment of one rendition of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentId {
    /// Index into [`crate::Recipe::renditions`].
    pub rendition: u32,
    /// Index on the timeline.
    pub index: u32,
}
