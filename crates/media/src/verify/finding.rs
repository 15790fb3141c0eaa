//! What the checks hand over to the report.

use segue_model::Time;

use super::report::FaultKind;

/// A picture or a sound track; numbers count tracks of a kind from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Track {
    pub(super) kind: TrackKind,
    pub(super) number: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum TrackKind {
    Picture,
    Sound,
}

impl TrackKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            TrackKind::Picture => "picture",
            TrackKind::Sound => "sound",
        }
    }
}

/// Something found wrong with a segment, or with the whole list (`None`).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) segment: Option<usize>,
    pub(super) kind: FaultKind,
    pub(super) detail: String,
    /// The jump in time it is about, if it is: what is one jump can then be told once.
    pub(super) jump: Option<Jump>,
}

/// A track's time goes on later (positive) or earlier than it should.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jump {
    pub(super) track: Track,
    /// The segment that begins at the jump.
    pub(super) into: usize,
    pub(super) by: Time,
    /// The usual distance between frames: jumps that differ by less are the same.
    pub(super) frame: Time,
}

impl Finding {
    pub(super) fn new(segment: usize, kind: FaultKind, detail: impl Into<String>) -> Finding {
        Finding { segment: Some(segment), kind, detail: detail.into(), jump: None }
    }

    pub(super) fn list(kind: FaultKind, detail: impl Into<String>) -> Finding {
        Finding { segment: None, kind, detail: detail.into(), jump: None }
    }

    pub(super) fn jumping(self, jump: Jump) -> Finding {
        Finding { jump: Some(jump), ..self }
    }
}
