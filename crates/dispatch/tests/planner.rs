//! The planner's rules, one at a time. How they hold together is the simulator's business.

use segue_dispatch::planner::{Claim, Cuts, Decision, Demand, Event, JobFacts, Policy, Purpose};
use segue_dispatch::{Moment, Planner};
use segue_model::pool::{
    Beat, Capabilities, ClaimId, Desired, DeviceCapabilities, EncoderFamily, Hello, Order,
    Renditions, Resources, SpanEnd, SpanStatus, Status, Term, WorkerId,
};
use segue_model::{FailureClass, Hash, JobId, Span, SpanFailure};

const ALICE: WorkerId = WorkerId(1);
const BOB: WorkerId = WorkerId(2);
const BATCH: ClaimId = ClaimId(1);
const VIEWER: ClaimId = ClaimId(2);
const SETTLED: u64 = 700;

/// A planner, and what it said last to each worker.
struct Bench {
    planner: Planner,
    desired: std::collections::BTreeMap<WorkerId, Desired>,
    sequence: u64,
}

impl Bench {
    fn new() -> Bench {
        let planner = Planner::new(Term(1), Policy::default(), Moment(0));
        Bench { planner, desired: Default::default(), sequence: 0 }
    }

    fn tell(&mut self, now: u64, event: Event) -> Vec<Decision> {
        let decisions = self.planner.handle(Moment(now), event);
        for decision in &decisions {
            if let Decision::Desire { worker, desired } = decision {
                self.desired.insert(*worker, desired.clone());
            }
        }
        decisions
    }

    fn connect(&mut self, now: u64, worker: WorkerId) {
        let device = DeviceCapabilities {
            name: "processor".to_owned(),
            family: EncoderFamily::X264,
            capacity: Resources { cpu_ms: 4_000, memory_mib: 4_000, ..Resources::default() },
            calibration: Resources { cpu_ms: 1_000, memory_mib: 100, ..Resources::default() },
            spans_max: 8,
            batch_spans: 1,
        };
        let capabilities = Capabilities { name: "worker".to_owned(), devices: vec![device] };
        let hello = Hello { worker, incarnation: 1, stream: 1, capabilities };
        self.tell(now, Event::Connected(hello));
        self.says(now, worker, Vec::new());
    }

    fn says(&mut self, now: u64, worker: WorkerId, spans: Vec<SpanStatus>) -> Vec<Decision> {
        self.sequence += 1;
        let applied = self.desired.get(&worker).map(|d| (d.answer.term, d.answer.version));
        let beat = Beat {
            worker,
            incarnation: 1,
            stream: 1,
            sequence: self.sequence,
            content: self.sequence,
            applied: applied.unwrap_or_default(),
        };
        self.tell(now, Event::Status(Status { beat, spans, draining: false, screened: vec![] }))
    }

    fn orders(&self, worker: WorkerId) -> Vec<Order> {
        self.desired.get(&worker).map(|desired| desired.orders.clone()).unwrap_or_default()
    }

    fn job(&mut self, now: u64, segments: u32) {
        let facts = JobFacts {
            id: job(),
            cuts: Cuts::Even { length: 2_000, segments, end: u64::from(segments) * 2_000 },
            kind: 1,
            decode_per_mille: 500,
            renditions_per_mille: vec![500],
            lead_in: 0,
            families: vec![EncoderFamily::X264],
            published: Vec::new(),
        };
        self.tell(now, Event::Job(facts));
    }

    fn batch(&mut self, now: u64) {
        let purpose = Purpose::Batch { renditions: Renditions::only(0), deadline: None };
        let claim = Claim { job: job(), purpose, until: None };
        self.tell(now, Event::Claim { id: BATCH, claim });
    }

    fn watches(&mut self, now: u64, segment: u32) {
        let demand = Demand { renditions: Renditions::only(0), segment, due: Moment(now) };
        let claim = Claim { job: job(), purpose: Purpose::Playback(demand), until: None };
        self.tell(now, Event::Claim { id: VIEWER, claim });
    }
}

fn job() -> JobId {
    JobId(Hash::of(b"film"))
}

fn making(order: Order, ready_through: u32) -> SpanStatus {
    SpanStatus {
        order,
        ready_through,
        published_through: ready_through,
        gaps: Vec::new(),
        measured: None,
        end: None,
    }
}

fn failed(order: Order, class: FailureClass) -> SpanStatus {
    let failure = SpanFailure { class, message: "no".to_owned(), log: Vec::new() };
    SpanStatus { end: Some(SpanEnd::Failed(failure)), ..making(order, order.span.first) }
}

#[test]
fn a_worker_is_told_nothing_before_it_said_what_it_holds() {
    let mut bench = Bench::new();
    bench.job(0, 10);
    bench.batch(0);
    let capabilities = Capabilities { name: String::new(), devices: Vec::new() };
    let hello = Hello { worker: ALICE, incarnation: 1, stream: 1, capabilities };
    assert_eq!(bench.tell(SETTLED, Event::Connected(hello)), []);
}

#[test]
fn a_batch_is_spread_over_all_workers_and_no_segment_given_twice() {
    let mut bench = Bench::new();
    bench.job(0, 12);
    bench.connect(0, ALICE);
    bench.connect(0, BOB);
    bench.batch(SETTLED);
    let mut spans: Vec<Span> =
        [ALICE, BOB].iter().flat_map(|w| bench.orders(*w)).map(|order| order.span).collect();
    spans.sort_by_key(|span| span.first);
    assert_eq!(spans, [Span { first: 0, end: 4 }, Span { first: 4, end: 8 }]);
}

#[test]
fn a_silent_worker_is_suspected_and_then_loses_its_spans_to_another() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED, ALICE, vec![making(order, 0)]);
    for at in 1..=4 {
        bench.connect(SETTLED + at * 1_000 - 990, BOB);
        bench.says(SETTLED + at * 900, BOB, Vec::new());
    }
    assert_eq!(bench.orders(BOB).first().map(|order| order.span), Some(order.span));
    assert!(bench.orders(ALICE).is_empty());
}

#[test]
fn what_a_dead_worker_published_is_not_made_again() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 100, ALICE, vec![making(order, 2)]);
    bench.tell(SETTLED + 200, Event::Broken { worker: ALICE, stream: 1 });
    bench.connect(SETTLED + 300, BOB);
    let spans: Vec<Span> = bench.orders(BOB).iter().map(|order| order.span).collect();
    assert_eq!(spans, [Span { first: 2, end: 4 }]);
}

#[test]
fn a_viewers_span_is_made_ahead_of_the_viewer_and_no_farther() {
    let mut bench = Bench::new();
    bench.job(0, 1_000);
    bench.connect(0, ALICE);
    bench.watches(SETTLED, 100);
    let order = bench.orders(ALICE)[0];
    assert_eq!(order.span.first, 100);
    let ahead = u64::from(order.span.len()) * 2_000;
    let policy = Policy::default();
    assert!((policy.read_ahead..=policy.read_ahead + policy.chunk).contains(&ahead), "{ahead}");
}

#[test]
fn a_batch_makes_way_for_viewers_within_a_segment() {
    let mut bench = Bench::new();
    bench.job(0, 400);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let batch = bench.orders(ALICE)[0];
    bench.says(SETTLED, ALICE, vec![making(batch, 5)]);
    for viewer in 0..3 {
        let renditions = Renditions::only(0);
        let demand = Demand { renditions, segment: 100 + viewer * 50, due: Moment(SETTLED) };
        let claim = Claim { job: job(), purpose: Purpose::Playback(demand), until: None };
        bench.tell(SETTLED + 10, Event::Claim { id: ClaimId(10 + u64::from(viewer)), claim });
    }
    let orders = bench.orders(ALICE);
    let batch = orders.iter().find(|order| order.lease == batch.lease);
    assert_eq!(batch.map(|order| order.span.end), Some(6));
    assert_eq!(orders.iter().filter(|order| order.playback).count(), 3);
}

#[test]
fn one_device_that_blames_the_source_is_not_believed_and_two_are() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.connect(0, BOB);
    bench.batch(SETTLED);
    for at in 1..20 {
        for worker in [ALICE, BOB] {
            let spans = bench.orders(worker).into_iter();
            let spans = spans.map(|order| failed(order, FailureClass::Source)).collect();
            for decision in bench.says(SETTLED + at * 10, worker, spans) {
                if let Decision::Failed { failure, .. } = decision {
                    assert_eq!(failure.devices.len(), 2);
                    return assert_eq!(failure.words, "no");
                }
            }
        }
    }
    panic!("two devices agreed, and were not believed");
}

#[test]
fn what_storage_failed_is_retried_after_a_pause_and_nobody_is_blamed() {
    let mut bench = Bench::new();
    bench.job(0, 1);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 10, ALICE, vec![failed(order, FailureClass::Transient)]);
    assert!(bench.orders(ALICE).is_empty());
    bench.says(SETTLED + 900, ALICE, Vec::new());
    assert!(bench.orders(ALICE).is_empty());
    bench.says(SETTLED + 1_020, ALICE, Vec::new());
    assert_eq!(bench.orders(ALICE).first().map(|order| order.span), Some(order.span));
    assert!(bench.planner.view().workers[0].devices[0].trusted);
}

#[test]
fn a_device_that_fails_again_and_again_is_left_alone_and_asked_before_it_returns() {
    let mut bench = Bench::new();
    bench.job(0, 100);
    bench.connect(0, ALICE);
    bench.connect(0, BOB);
    bench.batch(SETTLED);
    let mut now = SETTLED;
    while bench.planner.view().workers[0].devices[0].trusted {
        now += 10;
        assert!(now < 60_000);
        let spans = bench.orders(ALICE).into_iter();
        let spans = spans.map(|order| failed(order, FailureClass::Worker)).collect();
        bench.says(now, ALICE, spans);
        let held = bench.orders(BOB).into_iter().map(|order| making(order, order.span.first));
        bench.says(now, BOB, held.collect());
    }
    bench.says(now + 500, ALICE, Vec::new());
    assert!(bench.orders(ALICE).is_empty());
    bench.says(now + 2_100, ALICE, Vec::new());
    assert_eq!(bench.desired[&ALICE].screenings.len(), 1);
}

#[test]
fn a_job_that_is_finished_is_forgotten() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    let decisions = bench.says(SETTLED + 10, ALICE, vec![making(order, 4)]);
    assert!(decisions.contains(&Decision::Finished { claim: BATCH, job: job() }));
    assert!(decisions.contains(&Decision::Forgotten(job())));
    let view = bench.planner.view();
    assert_eq!((view.jobs, view.claims, view.leases.len()), (0, 0, 0));
}
