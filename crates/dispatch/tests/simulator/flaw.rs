//! Bugs that are planted to see whether they are found. Each changes what one end is told or how it
//! is set up, so that it behaves as if the bug were in it; the code under test is the shipped one.

use segue_dispatch::planner::Policy;
use segue_model::FailureClass;
use segue_model::pool::{Desired, SpanEnd, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// The worker takes up desired states that were overtaken.
    IgnoresVersions,
    /// The worker begins orders however long they took to come.
    BeginsLate,
    /// The worker goes on for ever when nobody talks to it.
    IgnoresItsClock,
    /// The planner takes every silence for life.
    NeverFences,
    /// The planner is impatient.
    FencesTooSoon,
    /// The planner overlooks what is not published between what is.
    ForgetsGaps,
    /// The worker says published where it is only ready.
    ReadyIsPublished,
    /// The planner retries without a pause.
    RetriesAtOnce,
    /// The planner holds the store's failures against devices.
    BlamesWorkerForStore,
    /// The planner fails a job on one device's word.
    BelievesOne,
    /// The planner does not see failures.
    OverlooksFailures,
    /// The planner orders for viewers as if there were no later.
    NeverThrottles,
    /// A desired state that was lost is not sent again.
    NeverRepeats,
    /// The planner takes what is needed now for something that has a minute's time.
    PutsViewersOff,
    /// A device that answered rightly is not trusted again.
    NeverReinstates,
    /// Nobody tells the planner that a viewer left.
    KeepsClaims,
    /// The planner does not understand that a viewer wants all that follows.
    ForgetsTheRest,
    /// The planner takes who wants all that follows for a batch.
    WantsItWhole,
    /// Nobody tells the planner that one who wants all that follows left.
    KeepsTheRest,
    /// The planner begins batches beside whoever is in need.
    CrowdsViewers,
    /// The planner lets what is needed later be made before what is needed now.
    KeepsWhatIsLater,
}

impl Flaw {
    pub const ALL: [Flaw; 21] = [
        Flaw::IgnoresVersions,
        Flaw::BeginsLate,
        Flaw::IgnoresItsClock,
        Flaw::NeverFences,
        Flaw::FencesTooSoon,
        Flaw::ForgetsGaps,
        Flaw::ReadyIsPublished,
        Flaw::RetriesAtOnce,
        Flaw::BlamesWorkerForStore,
        Flaw::BelievesOne,
        Flaw::OverlooksFailures,
        Flaw::NeverThrottles,
        Flaw::NeverRepeats,
        Flaw::PutsViewersOff,
        Flaw::NeverReinstates,
        Flaw::KeepsClaims,
        Flaw::ForgetsTheRest,
        Flaw::WantsItWhole,
        Flaw::KeepsTheRest,
        Flaw::CrowdsViewers,
        Flaw::KeepsWhatIsLater,
    ];

    pub fn policy(flaw: Option<Flaw>) -> Policy {
        let policy = Policy::default();
        match flaw {
            Some(Flaw::FencesTooSoon) => Policy { fence: 1_000, suspect: 300, ..policy },
            Some(Flaw::RetriesAtOnce) => Policy { pause: 0, ..policy },
            Some(Flaw::NeverThrottles) => Policy { read_ahead: 3_600_000, ..policy },
            Some(Flaw::CrowdsViewers) => Policy { behind: 3_600_000, ..policy },
            Some(Flaw::KeepsWhatIsLater) => Policy { sooner: 3_600_000, ..policy },
            _ => policy,
        }
    }

    /// What the planner understands of a status.
    pub fn hears(self, mut status: Status) -> Status {
        for span in &mut status.spans {
            match (self, &mut span.end) {
                (Flaw::ForgetsGaps, _) => span.gaps.clear(),
                (Flaw::ReadyIsPublished, _) => {
                    span.published_through = span.published_through.max(span.ready_through);
                    span.gaps.clear();
                }
                (Flaw::BlamesWorkerForStore, Some(SpanEnd::Failed(failure)))
                    if failure.class == FailureClass::Transient =>
                {
                    failure.class = FailureClass::Worker;
                }
                (Flaw::OverlooksFailures, Some(end)) => *end = SpanEnd::Returned,
                _ => {}
            }
        }
        if self == Flaw::NeverReinstates {
            status.screened.clear();
        }
        status
    }

    /// What the worker understands of a desired state; it last sent `sequence` on `stream`.
    pub fn reads(
        self,
        mut desired: Desired,
        applied: u64,
        (stream, sequence): (u64, u64),
    ) -> Desired {
        match self {
            Flaw::IgnoresVersions => desired.answer.version = desired.answer.version.max(applied),
            Flaw::BeginsLate => {
                desired.answer.stream = stream;
                desired.answer.heard = sequence;
            }
            Flaw::IgnoresItsClock => desired.answer.lease_ms = 3_600_000,
            _ => {}
        }
        desired
    }
}
