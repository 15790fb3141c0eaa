//! A planner on a bench: told one thing at a time, at moments that a test chooses.

use std::collections::BTreeMap;

use segue_dispatch::planner::{Claim, Cuts, Decision, Demand, Event, JobFacts, Policy, Purpose};
use segue_dispatch::{Moment, Planner};
use segue_model::pool::{
    Beat, Capabilities, ClaimId, Desired, DeviceCapabilities, EncoderFamily, Hello, Order,
    Renditions, Resources, SpanEnd, SpanStatus, Status, Term, WorkerId,
};
use segue_model::{FailureClass, Hash, JobId, SpanFailure};

pub const ALICE: WorkerId = WorkerId(1);
pub const BOB: WorkerId = WorkerId(2);
pub const BATCH: ClaimId = ClaimId(1);
pub const VIEWER: ClaimId = ClaimId(2);
pub const SETTLED: u64 = 700;

/// A planner, and what it said last to each worker.
pub struct Bench {
    pub planner: Planner,
    pub desired: BTreeMap<WorkerId, Desired>,
    pub streams: BTreeMap<WorkerId, u64>,
    pub sequence: u64,
}

impl Bench {
    pub fn new() -> Bench {
        let planner = Planner::new(Term(1), Policy::default(), Moment(0));
        Bench { planner, desired: BTreeMap::new(), streams: BTreeMap::new(), sequence: 0 }
    }

    pub fn tell(&mut self, now: u64, event: Event) -> Vec<Decision> {
        let decisions = self.planner.handle(Moment(now), event);
        for decision in &decisions {
            if let Decision::Desire { worker, desired } = decision {
                self.desired.insert(*worker, desired.clone());
            }
        }
        decisions
    }

    pub fn connect(&mut self, now: u64, worker: WorkerId) {
        self.connect_with(now, worker, processor());
    }

    pub fn connect_with(&mut self, now: u64, worker: WorkerId, device: DeviceCapabilities) {
        self.open_stream(now, worker, device);
        self.says(now, worker, Vec::new());
    }

    pub fn open_stream(&mut self, now: u64, worker: WorkerId, device: DeviceCapabilities) {
        let stream = self.streams.entry(worker).or_default();
        *stream += 1;
        let capabilities = Capabilities { name: "worker".to_owned(), devices: vec![device] };
        let hello = Hello { worker, incarnation: 1, stream: *stream, capabilities };
        self.tell(now, Event::Connected(hello));
    }

    pub fn reconnects(&mut self, now: u64, worker: WorkerId, spans: Vec<SpanStatus>) {
        self.open_stream(now, worker, processor());
        self.says(now, worker, spans);
    }

    pub fn breaks(&mut self, now: u64, worker: WorkerId) {
        let stream = self.streams[&worker];
        self.tell(now, Event::Broken { worker, stream });
    }

    pub fn says(&mut self, now: u64, worker: WorkerId, spans: Vec<SpanStatus>) -> Vec<Decision> {
        let beat = self.beat(worker);
        self.tell(now, Event::Status(Status { beat, spans, draining: false, screened: vec![] }))
    }

    pub fn beat(&mut self, worker: WorkerId) -> Beat {
        self.sequence += 1;
        let applied = self.desired.get(&worker).map(|d| (d.answer.term, d.answer.version));
        Beat {
            worker,
            incarnation: 1,
            stream: self.streams[&worker],
            sequence: self.sequence,
            content: self.sequence,
            applied: applied.unwrap_or_default(),
        }
    }

    pub fn orders(&self, worker: WorkerId) -> Vec<Order> {
        self.desired.get(&worker).map(|desired| desired.orders.clone()).unwrap_or_default()
    }

    pub fn job(&mut self, now: u64, segments: u32) {
        self.tell(now, Event::Job(film("film", segments)));
    }

    pub fn batch(&mut self, now: u64) {
        self.batch_of(now, BATCH, "film");
    }

    pub fn batch_of(&mut self, now: u64, id: ClaimId, name: &str) {
        let purpose = Purpose::Batch { renditions: Renditions::only(0), deadline: None };
        let claim = Claim { job: named(name), purpose, until: None };
        self.tell(now, Event::Claim { id, claim });
    }

    pub fn watches(&mut self, now: u64, segment: u32) {
        self.watches_film(now, VIEWER, "film", segment);
    }

    pub fn watches_film(&mut self, now: u64, id: ClaimId, name: &str, segment: u32) {
        let (renditions, due) = (Renditions::only(0), Moment(now));
        self.demands(now, id, name, Demand { renditions, segment, due, to_end: false });
    }

    /// Somebody who watches, and wants all that follows; what is near was there before.
    pub fn wants_the_rest(&mut self, now: u64, id: ClaimId, segment: u32) {
        let (renditions, due) = (Renditions::only(0), Moment(now + 50_000));
        self.demands(now, id, "film", Demand { renditions, segment, due, to_end: true });
    }

    /// What somebody wants at a segment who began the film at `begun`, and wants all that follows.
    pub fn demand_to_end(&self, segment: u32, begun: u64) -> Demand {
        let due = Moment(begun + u64::from(segment) * 2_000);
        Demand { renditions: Renditions::only(0), segment, due, to_end: true }
    }

    pub fn demands(&mut self, now: u64, id: ClaimId, name: &str, demand: Demand) {
        let claim = Claim { job: named(name), purpose: Purpose::Playback(demand), until: None };
        self.tell(now, Event::Claim { id, claim });
    }

    /// Jobs that somebody has orders for.
    pub fn made(&self) -> Vec<JobId> {
        let orders = self.desired.values().flat_map(|desired| &desired.orders);
        orders.map(|order| order.job).collect()
    }
}

/// Four times as fast as one watches.
pub fn processor() -> DeviceCapabilities {
    DeviceCapabilities {
        name: "processor".to_owned(),
        family: EncoderFamily::X264,
        capacity: Resources { cpu_ms: 4_000, memory_mib: 4_000, ..Resources::default() },
        calibration: Resources { cpu_ms: 1_000, memory_mib: 100, ..Resources::default() },
        spans_max: 8,
        batch_spans: 1,
    }
}

pub fn film(name: &str, segments: u32) -> JobFacts {
    JobFacts {
        id: named(name),
        cuts: Cuts::Even { length: 2_000, segments, end: u64::from(segments) * 2_000 },
        kind: 1,
        decode_per_mille: 500,
        renditions_per_mille: vec![500],
        lead_in: 0,
        families: vec![EncoderFamily::X264],
        family: None,
        published: Vec::new(),
    }
}

pub fn named(name: &str) -> JobId {
    JobId(Hash::of(name.as_bytes()))
}

pub fn job() -> JobId {
    named("film")
}

pub fn making(order: Order, ready_through: u32) -> SpanStatus {
    SpanStatus {
        order,
        ready_through,
        published_through: ready_through,
        gaps: Vec::new(),
        measured: None,
        end: None,
    }
}

pub fn failed(order: Order, class: FailureClass) -> SpanStatus {
    let failure = SpanFailure { class, message: "no".to_owned(), log: Vec::new() };
    SpanStatus { end: Some(SpanEnd::Failed(failure)), ..making(order, order.span.first) }
}
