//! How frames are made of fields.

use serde::{Deserialize, Serialize};

use crate::{FieldOrder, VideoFacts};

/// How progressive frames are made of interlaced ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deinterlace {
    /// By which rule missing lines are made up.
    pub method: DeinterlaceMethod,
    /// A frame of each field, twice as many, rather than one of each pair.
    pub every_field: bool,
    /// Frames that are not marked as interlaced stay as they are.
    pub marked_only: bool,
}

impl Deinterlace {
    /// What suits a source that nobody said more about.
    pub const USUAL: Deinterlace =
        Deinterlace { method: DeinterlaceMethod::Bwdif, every_field: false, marked_only: true };

    /// Whether twice as many pictures are made as `source` has.
    pub fn doubles(self, source: &VideoFacts) -> bool {
        let marked = source.field_order != FieldOrder::Progressive;
        self.every_field && (marked || !self.marked_only)
    }
}

/// By which rule missing lines are made up; libavfilter's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeinterlaceMethod {
    /// Motion-adaptive, along edges.
    Yadif,
    /// As yadif, with the wider filters of w3fdif where little moves.
    Bwdif,
}
