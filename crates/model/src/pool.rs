//! What scheduler and worker tell each other, as plain values: a worker's [`Status`] and the
//! [`Desired`] state that answers it. Both are whole: what a value does not hold is not so.
//!
//! Nothing is decided here; how the two are used is `segue-dispatch`'s business, how they travel is
//! the wire's. A status or desired state of which nothing but the numbers changed is sent as a
//! [`Beat`] or an [`Answer`].

mod capacity;
mod renditions;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{JobId, SegmentId, Span, SpanFailure};

pub use capacity::{Capabilities, DeviceCapabilities, EncoderFamily, Resources};
pub use renditions::Renditions;

/// One scheduler's leadership. Grows; what comes from a lower term is refused.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Term(pub u64);

/// A worker, the same after a restart of its process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub u64);

/// Who wants a job; the same when the client comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClaimId(pub u64);

/// One device of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceId {
    /// Whose it is.
    pub worker: WorkerId,
    /// Index into [`Capabilities::devices`].
    pub device: u16,
}

/// Names a lease; no two are ever the same, whoever leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseId {
    /// Who gave it.
    pub term: Term,
    /// Counts the leases of a term.
    pub epoch: u64,
}

/// A lease as its worker is to hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Under which right.
    pub lease: LeaseId,
    /// Of which job.
    pub job: JobId,
    /// Which segments. The end moves: later to go on, earlier to stop sooner.
    pub span: Span,
    /// Of which renditions.
    pub renditions: Renditions,
    /// On which of the worker's devices.
    pub device: u16,
    /// Whether somebody watches; what is made ahead of all need waits for it.
    pub playback: bool,
}

/// Asks a device for the known answer, so that it may be trusted again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Screening {
    /// Who asks; what was answered to an earlier term says nothing.
    pub term: Term,
    /// Which of the worker's devices.
    pub device: u16,
    /// Which time it is asked; an answer to an earlier round says nothing.
    pub round: u32,
}

/// What a device answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Screened {
    /// What was asked.
    pub screening: Screening,
    /// Whether it was right.
    pub passed: bool,
}

/// Everything a worker is to do. A lease that is not in it is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Desired {
    /// Which state it is, and what it answers.
    pub answer: Answer,
    /// What to make, rising by lease.
    pub orders: Vec<Order>,
    /// Take nothing new, hand back what is held.
    pub drain: bool,
    /// Devices to try out.
    pub screenings: Vec<Screening>,
}

/// The head of a desired state. Alone, it says that nothing changed, and renews what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Who says it.
    pub term: Term,
    /// The worker's stream it is meant for; older ones are dead.
    pub stream: u64,
    /// Counts the desired states of a term and worker.
    pub version: u64,
    /// The last status that had come in: the worker reckons its leases from when it sent that.
    pub heard: u64,
    /// The last content the planner has; a worker that said more since says it again.
    pub content: u64,
    /// For how long, from then, an order may be begun: after that it may be somebody else's.
    pub begin_within_ms: u32,
    /// For how long, from then, what is held may be gone on with.
    pub lease_ms: u32,
}

/// The first thing a worker says on a new stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// Who.
    pub worker: WorkerId,
    /// Which process: a later one has a higher number and holds nothing of an earlier one.
    pub incarnation: u64,
    /// Which of that process's streams; counts.
    pub stream: u64,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// Everything a worker holds. A lease that is not in it was never taken up, or is over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// Which status it is, and what the worker goes by.
    pub beat: Beat,
    /// What it holds, rising by lease.
    pub spans: Vec<SpanStatus>,
    /// Whether it wants to leave.
    pub draining: bool,
    /// What its devices answered last.
    pub screened: Vec<Screened>,
}

/// The head of a status. Alone, it says that nothing changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beat {
    /// Who.
    pub worker: WorkerId,
    /// Which process.
    pub incarnation: u64,
    /// On which stream.
    pub stream: u64,
    /// Counts the statuses of a stream, with and without content.
    pub sequence: u64,
    /// Counts the changes of what the worker holds.
    pub content: u64,
    /// The term and version of the desired state it goes by.
    pub applied: (Term, u64),
}

/// How far a worker is with a lease.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanStatus {
    /// The order as the worker goes by it.
    pub order: Order,
    /// All segments before this one are ready.
    pub ready_through: u32,
    /// All segments before this one are published, but for the gaps.
    pub published_through: u32,
    /// What is not published before that, rising.
    pub gaps: Vec<SegmentId>,
    /// What a segment costs, as measured.
    pub measured: Option<Measured>,
    /// Whether its process ended, and how.
    pub end: Option<SpanEnd>,
}

/// What a segment of a span cost so far, on average.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Segments that were measured; none yet: the pace is a guess from the pictures that are made.
    pub segments: u32,
    /// Milliseconds from one to the next.
    pub pace_ms: u32,
    /// What a second of film took of the device.
    pub effort: Resources,
}

/// How a span's process ended.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpanEnd {
    /// All its segments are ready.
    Done,
    /// It was handed back: by a drain, or because the lease was over by the worker's clock.
    Returned,
    /// It crashed, or hung.
    Died,
    /// It was killed from outside.
    Killed,
    /// It says why.
    Failed(SpanFailure),
}

impl SpanStatus {
    /// The published part of one rendition, as runs. What is said of segments outside the order is
    /// not listened to.
    pub fn published(&self, rendition: u32) -> Vec<Span> {
        let Span { first, end } = self.order.span;
        let end = self.published_through.min(end);
        let gaps = self.gaps.iter().filter(|gap| gap.rendition == rendition);
        let mut holes: Vec<u32> =
            gaps.map(|gap| gap.index).filter(|index| (first..end).contains(index)).collect();
        holes.sort_unstable();
        holes.push(end.max(first));
        let mut next = first;
        let runs = holes.into_iter().map(|hole| {
            let run = Span { first: next, end: hole };
            next = hole.saturating_add(1);
            run
        });
        runs.filter(|run| !run.is_empty()).collect()
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.term.0, self.epoch)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.worker.0, self.device)
    }
}
