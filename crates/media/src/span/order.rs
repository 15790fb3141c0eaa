//! What a span is told, and what it says.

use segue_model::{Job, SegmentId, Span, Time};
use serde::{Deserialize, Serialize};

/// Which segments to make, of which renditions, with how much of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanOrder {
    /// The job they belong to.
    pub job: Job,
    /// Which segments.
    pub span: Span,
    /// Indices into the recipe's renditions, rising; they share one decode.
    pub renditions: Vec<u32>,
    /// Threads for each decoder and encoder; 0 for as many as the machine has cores.
    pub threads: u32,
    /// Somebody waits for the first segment: its encoder is not kept waiting for pictures of the
    /// next, which costs the span one more start of an encoder.
    pub urgent: bool,
}

/// What a span says while it runs, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpanEvent {
    /// Something was done since the last event: silence means that it hangs.
    Progress(Progress),
    /// A rendition's init section (fMP4 only), before its first segment.
    Init {
        /// Index into the recipe's renditions.
        rendition: u32,
        /// The whole section.
        bytes: Vec<u8>,
    },
    /// A segment is ready. Segments of a rendition come in rising order.
    Segment {
        /// Which one.
        id: SegmentId,
        /// The whole file.
        bytes: Vec<u8>,
        /// Frames and packets that the decoders complained about until now, in this segment and
        /// those before it, and as far as they have read ahead.
        damaged: u64,
    },
}

/// How far a span is; counts from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Bytes of the source read, as long as that is getting somewhere: finding the way into a file
    /// without an index may take a while.
    pub bytes: u64,
    /// Packets read.
    pub packets: u64,
    /// Frames given to encoders, of the first rendition.
    pub frames: u64,
    /// Packets that encoders gave out, of all renditions and tracks: encoders with whole segments
    /// before them take nothing in for a long time.
    pub encoded: u64,
}

/// What a finished span has to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanReport {
    /// Frames encoded, of the first rendition.
    pub frames: u64,
    /// Frames and packets that the decoders complained about.
    pub damaged: u64,
    /// By how much the source ended before the timeline does: that much is a held picture and
    /// silence.
    pub short_by: Option<Time>,
    /// The decoders' last words, if they had any.
    pub log: Vec<String>,
}
