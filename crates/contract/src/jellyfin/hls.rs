//! When a segment is ready, and when another process is started for it.

/// Why a process is started for a segment (`DynamicHlsController.GetDynamicSegment`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The header of fragmented MP4 was asked for.
    Header,
    /// None runs, or none of its files can be seen.
    NoJob,
    /// The process is past it.
    Backward,
    /// The process would take too long to come there.
    Forward,
}

impl Start {
    /// What records call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::NoJob => "no job",
            Self::Backward => "backward",
            Self::Forward => "forward",
        }
    }
}

/// Whether a process must be started for a segment that does not exist; `current` is the number
/// of the newest file of the process that runs.
pub fn start(segment: i32, current: Option<i32>, segment_seconds: u32) -> Option<Start> {
    let gap = (24 / segment_seconds.max(1)) as i32;
    match current {
        _ if segment == -1 => Some(Start::Header),
        None => Some(Start::NoJob),
        Some(current) if segment < current => Some(Start::Backward),
        Some(current) if segment - current > gap => Some(Start::Forward),
        Some(_) => None,
    }
}

/// Whether a segment that exists may be sent (`GetSegmentResult`).
pub fn ready(segment: i32, exited: bool, successor: bool, current: Option<i32>) -> bool {
    exited || successor || current.is_some_and(|current| segment < current)
}

/// Whether the throttler holds a process back: both positions in seconds (`IsThrottleAllowed`).
pub fn too_far_ahead(made: f64, fetched: f64, threshold: f64) -> bool {
    made > 0.0 && fetched > 0.0 && made - fetched >= threshold
}

#[cfg(test)]
mod tests {
    use super::{Start, ready, start, too_far_ahead};

    #[test]
    fn a_process_is_started_again_only_behind_it_or_far_ahead_of_it() {
        assert_eq!(start(-1, Some(3), 3), Some(Start::Header));
        assert_eq!(start(5, None, 3), Some(Start::NoJob));
        assert_eq!(start(5, Some(6), 3), Some(Start::Backward));
        assert_eq!(start(14, Some(6), 3), None);
        assert_eq!(start(15, Some(6), 3), Some(Start::Forward));
        assert_eq!(start(11, Some(6), 6), Some(Start::Forward));
    }

    #[test]
    fn a_segment_is_ready_once_its_successor_or_the_end_is_there() {
        assert!(!ready(3, false, false, Some(3)));
        assert!(!ready(3, false, false, None));
        assert!(ready(3, false, true, None));
        assert!(ready(3, true, false, None));
        assert!(ready(3, false, false, Some(4)));
    }

    #[test]
    fn nothing_is_held_back_before_both_positions_are_known() {
        assert!(!too_far_ahead(100.0, 0.0, 30.0));
        assert!(!too_far_ahead(29.0, 3.0, 30.0));
        assert!(too_far_ahead(33.0, 3.0, 30.0));
    }
}
