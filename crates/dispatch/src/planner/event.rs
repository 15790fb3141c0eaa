//! What the planner is told, and what it decides.

use segue_model::pool::{
    Answer, Beat, ClaimId, Desired, DeviceId, EncoderFamily, Hello, LeaseId, Renditions, Status,
    Term, WorkerId,
};
use segue_model::{FailureClass, JobId, SegmentId, Span, Timeline};

use crate::{Millis, Moment};

/// Something happened. Claims, statuses and jobs are whole values: saying one again changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A worker opened a stream.
    Connected(Hello),
    /// A worker says all it holds.
    Status(Status),
    /// A worker says that nothing changed.
    Beat(Beat),
    /// A worker's stream broke.
    Broken {
        /// Whose.
        worker: WorkerId,
        /// Which of its streams; if it has a newer one, nothing is lost.
        stream: u64,
    },
    /// A job is described, with what is published of it.
    Job(JobFacts),
    /// A claim was made, renewed, or moved.
    Claim {
        /// Which.
        id: ClaimId,
        /// All there is to it.
        claim: Claim,
    },
    /// A claim was dropped.
    Unclaim(ClaimId),
    /// The store has segments.
    Published {
        /// Of which job.
        job: JobId,
        /// Of which rendition.
        rendition: u32,
        /// Which.
        span: Span,
    },
    /// The store does not have a segment that it was said to have.
    Vanished {
        /// Of which job.
        job: JobId,
        /// Which.
        segment: SegmentId,
    },
    /// An administrator wants a worker empty, or no longer.
    Drain {
        /// Which.
        worker: WorkerId,
        /// Whether.
        drain: bool,
    },
    /// Nothing but the time.
    Tick,
}

/// All the planner needs to know of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFacts {
    /// Which.
    pub id: JobId,
    /// Where it is cut.
    pub cuts: Cuts,
    /// Jobs of one kind cost the same per second of film: what was learned of one holds for all.
    pub kind: u64,
    /// What reading and decoding costs, in thousandths of the reference work.
    pub decode_per_mille: u32,
    /// What each rendition costs on top of that.
    pub renditions_per_mille: Vec<u32>,
    /// How much film a span reads before its first segment.
    pub lead_in: Millis,
    /// Encoders that keep the job's contract, the preferred one first.
    pub families: Vec<EncoderFamily>,
    /// The one that what is published was made by, if there is any.
    pub family: Option<EncoderFamily>,
    /// What is published: rendition and run.
    pub published: Vec<(u32, Span)>,
}

/// Where segments begin, to the millisecond; exact times are the worker's business.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cuts {
    /// All of one length, but for the last.
    Even {
        /// How long each is.
        length: Millis,
        /// How many there are.
        segments: u32,
        /// Where the last one ends.
        end: Millis,
    },
    /// Where each begins, and then where the last one ends.
    Uneven(Box<[u32]>),
}

impl Cuts {
    /// Those of a timeline.
    pub fn of(timeline: &Timeline) -> Cuts {
        let start = timeline.start_of(0);
        let millis =
            |at: &segue_model::Time| (*at - start).to_ticks(1000).clamp(0, u32::MAX.into());
        let at: Box<[u32]> = timeline.boundaries().iter().map(|at| millis(at) as u32).collect();
        let segments = at.len().saturating_sub(1);
        let length = at.get(1).copied().unwrap_or(0);
        let even = (0..segments).all(|n| u64::from(at[n]) == n as u64 * u64::from(length));
        match at.last() {
            Some(end) if even => Cuts::Even {
                length: length.into(),
                segments: segments as u32,
                end: Millis::from(*end),
            },
            _ => Cuts::Uneven(at),
        }
    }

    /// How many segments there are.
    pub fn segments(&self) -> u32 {
        match self {
            Cuts::Even { segments, .. } => *segments,
            Cuts::Uneven(at) => at.len().saturating_sub(1) as u32,
        }
    }

    /// Where segment `index` begins, or where the film ends.
    pub fn start(&self, index: u32) -> Millis {
        match self {
            Cuts::Even { length, end, .. } => (Millis::from(index) * length).min(*end),
            Cuts::Uneven(at) => {
                let last = at.len().saturating_sub(1);
                at.get((index as usize).min(last)).copied().unwrap_or(0).into()
            }
        }
    }

    /// How long a span is.
    pub fn length(&self, span: Span) -> Millis {
        self.start(span.end).saturating_sub(self.start(span.first))
    }
}

/// Who wants what of a job, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Which job.
    pub job: JobId,
    /// What for.
    pub purpose: Purpose,
    /// When it lapses, unless it is made again.
    pub until: Option<Moment>,
}

/// Why a job is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Somebody watches.
    Playback(Demand),
    /// All of it is wanted, some time.
    Batch {
        /// In which renditions.
        renditions: Renditions,
        /// By when, to order batches by.
        deadline: Option<Moment>,
    },
}

/// What a viewer needs, and by when: from `segment` on, as the film goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// What the player fetches.
    pub renditions: Renditions,
    /// The first segment that it does not have.
    pub segment: u32,
    /// When it runs dry without that.
    pub due: Moment,
    /// Whether all that follows, to the film's end, is wanted as soon as there is room for it: what
    /// is far ahead ranks as a batch does.
    pub to_end: bool,
}

/// What is to be done, or to be known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// A worker's desired state, whole.
    Desire {
        /// Whose.
        worker: WorkerId,
        /// What.
        desired: Desired,
    },
    /// A worker was heard, and nothing changed.
    Answer {
        /// Which.
        worker: WorkerId,
        /// To be sent to it.
        answer: Answer,
    },
    /// All that a batch claim wants is published; the claim is gone.
    Finished {
        /// Which claim.
        claim: ClaimId,
        /// Of which job.
        job: JobId,
    },
    /// A job cannot be made; its claims are gone.
    Failed {
        /// Which.
        job: JobId,
        /// Why.
        failure: JobFailure,
    },
    /// Nobody claims a job: the planner knows no more of it.
    Forgotten(JobId),
    /// A claim is on a job that is not known: it is to be made again when the job was told.
    Unknown {
        /// The claim.
        claim: ClaimId,
        /// On which job.
        job: JobId,
    },
    /// A stream is of a process that goes by another's name, while that one is there and well: it is to
    /// be closed, with these words.
    NameTaken {
        /// Whose.
        worker: WorkerId,
        /// Which process says it is that worker.
        incarnation: u64,
        /// Which is known to be it.
        by: u64,
    },
    /// A worker speaks on a stream that it did not open here: the stream is to be closed, so that it
    /// says who it is.
    NotGreeted {
        /// Whose.
        worker: WorkerId,
        /// Which.
        stream: u64,
    },
    /// A worker goes by a later term than this one: if the ledger agrees, this planner's time is
    /// over. Until then the worker counts as silent.
    Outranked {
        /// Which.
        worker: WorkerId,
        /// By whom.
        term: Term,
    },
    /// Something to log and count; nothing needs to be done.
    Noted(Note),
}

/// Why a job cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFailure {
    /// Where.
    pub segment: u32,
    /// How often it was tried.
    pub attempts: u32,
    /// Who tried.
    pub devices: Vec<DeviceId>,
    /// Who is to blame; none if it ended every process that tried.
    pub class: Option<FailureClass>,
    /// The last thing that was said.
    pub words: String,
}

/// What an operator may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A worker is silent.
    Suspected(WorkerId),
    /// A worker lost what it held.
    Fenced {
        /// Which.
        worker: WorkerId,
        /// What it held.
        leases: Vec<LeaseId>,
        /// How one knows.
        reason: FencedBy,
    },
    /// A device failed too often.
    Quarantined {
        /// Which.
        device: DeviceId,
        /// For how long it is left alone.
        pause: Millis,
    },
    /// A device gave the known answer.
    Trusted(DeviceId),
    /// A lease made no progress.
    Stalled(LeaseId),
    /// The planner itself was woken late by so much.
    Late(Millis),
}

/// How one knows that a worker is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FencedBy {
    /// It said nothing for too long.
    Silence,
    /// Its stream broke.
    Break,
    /// Its process was replaced by another.
    Restart,
}
