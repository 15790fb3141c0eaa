//! Where a job is cut.

use serde::{Deserialize, Serialize};

use crate::{Span, Time};

/// The job's list of segment boundaries: segment `n` is `[boundaries[n], boundaries[n + 1])`.
///
/// Times are on the job's axis: 0 is the source's earliest sample. Made once, by the rules in
/// `segue-hls`, and stored with the job; no process computes it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Time>", into = "Vec<Time>")]
pub struct Timeline {
    boundaries: Vec<Time>,
}

/// Why a list of boundaries is no timeline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimelineError {
    /// It takes two boundaries to make a segment.
    #[error("a timeline needs at least one segment")]
    Empty,
    /// Every segment needs a duration.
    #[error("boundary {0} is not after the one before it")]
    NotRising(usize),
    /// More segments than any index can name.
    #[error("a timeline of {0} segments is more than {max}", max = Timeline::SEGMENTS_MAX)]
    TooLong(usize),
}

impl Timeline {
    /// More than a month of two-second segments.
    pub const SEGMENTS_MAX: usize = 2_000_000;

    /// Takes boundaries, in rising order.
    pub fn new(boundaries: Vec<Time>) -> Result<Timeline, TimelineError> {
        if boundaries.len() < 2 {
            return Err(TimelineError::Empty);
        }
        if boundaries.len() - 1 > Timeline::SEGMENTS_MAX {
            return Err(TimelineError::TooLong(boundaries.len() - 1));
        }
        match boundaries.windows(2).position(|pair| pair[0] >= pair[1]) {
            Some(at) => Err(TimelineError::NotRising(at + 1)),
            None => Ok(Timeline { boundaries }),
        }
    }

    /// How many segments there are; at least one.
    pub fn segments(&self) -> u32 {
        (self.boundaries.len() - 1) as u32
    }

    /// All of it as one span.
    pub fn whole(&self) -> Span {
        Span { first: 0, end: self.segments() }
    }

    /// Where segment `index` starts; for `index == segments()`, where the last one ends.
    ///
    /// # Panics
    /// If there is no such boundary.
    pub fn start_of(&self, index: u32) -> Time {
        self.boundaries[index as usize]
    }

    /// How long segment `index` is.
    ///
    /// # Panics
    /// If there is no such segment.
    pub fn duration_of(&self, index: u32) -> Time {
        self.start_of(index + 1) - self.start_of(index)
    }

    /// Where the last segment ends.
    pub fn end(&self) -> Time {
        self.boundaries[self.boundaries.len() - 1]
    }

    /// All boundaries, one more than there are segments.
    pub fn boundaries(&self) -> &[Time] {
        &self.boundaries
    }

    /// The segment that shows `time`; the first or last one outside the timeline.
    pub fn segment_at(&self, time: Time) -> u32 {
        let after = self.boundaries.partition_point(|boundary| *boundary <= time) as u32;
        after.saturating_sub(1).min(self.segments() - 1)
    }
}

impl TryFrom<Vec<Time>> for Timeline {
    type Error = TimelineError;
    fn try_from(boundaries: Vec<Time>) -> Result<Timeline, TimelineError> {
        Timeline::new(boundaries)
    }
}

impl From<Timeline> for Vec<Time> {
    fn from(timeline: Timeline) -> Vec<Time> {
        timeline.boundaries
    }
}
