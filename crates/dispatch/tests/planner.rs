//! The planner's rules, one at a time. How they hold together is the simulator's business.

use std::collections::BTreeMap;

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
    desired: BTreeMap<WorkerId, Desired>,
    streams: BTreeMap<WorkerId, u64>,
    sequence: u64,
}

impl Bench {
    fn new() -> Bench {
        let planner = Planner::new(Term(1), Policy::default(), Moment(0));
        Bench { planner, desired: BTreeMap::new(), streams: BTreeMap::new(), sequence: 0 }
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
        self.connect_with(now, worker, processor());
    }

    fn connect_with(&mut self, now: u64, worker: WorkerId, device: DeviceCapabilities) {
        self.open_stream(now, worker, device);
        self.says(now, worker, Vec::new());
    }

    fn open_stream(&mut self, now: u64, worker: WorkerId, device: DeviceCapabilities) {
        let stream = self.streams.entry(worker).or_default();
        *stream += 1;
        let capabilities = Capabilities { name: "worker".to_owned(), devices: vec![device] };
        let hello = Hello { worker, incarnation: 1, stream: *stream, capabilities };
        self.tell(now, Event::Connected(hello));
    }

    fn reconnects(&mut self, now: u64, worker: WorkerId, spans: Vec<SpanStatus>) {
        self.open_stream(now, worker, processor());
        self.says(now, worker, spans);
    }

    fn breaks(&mut self, now: u64, worker: WorkerId) {
        let stream = self.streams[&worker];
        self.tell(now, Event::Broken { worker, stream });
    }

    fn says(&mut self, now: u64, worker: WorkerId, spans: Vec<SpanStatus>) -> Vec<Decision> {
        let beat = self.beat(worker);
        self.tell(now, Event::Status(Status { beat, spans, draining: false, screened: vec![] }))
    }

    fn beat(&mut self, worker: WorkerId) -> Beat {
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

    fn orders(&self, worker: WorkerId) -> Vec<Order> {
        self.desired.get(&worker).map(|desired| desired.orders.clone()).unwrap_or_default()
    }

    fn job(&mut self, now: u64, segments: u32) {
        self.tell(now, Event::Job(film("film", segments)));
    }

    fn batch(&mut self, now: u64) {
        self.batch_of(now, BATCH, "film");
    }

    fn batch_of(&mut self, now: u64, id: ClaimId, name: &str) {
        let purpose = Purpose::Batch { renditions: Renditions::only(0), deadline: None };
        let claim = Claim { job: named(name), purpose, until: None };
        self.tell(now, Event::Claim { id, claim });
    }

    fn watches(&mut self, now: u64, segment: u32) {
        self.watches_film(now, VIEWER, "film", segment);
    }

    fn watches_film(&mut self, now: u64, id: ClaimId, name: &str, segment: u32) {
        let demand = Demand { renditions: Renditions::only(0), segment, due: Moment(now) };
        let claim = Claim { job: named(name), purpose: Purpose::Playback(demand), until: None };
        self.tell(now, Event::Claim { id, claim });
    }

    /// Jobs that somebody has orders for.
    fn made(&self) -> Vec<JobId> {
        let orders = self.desired.values().flat_map(|desired| &desired.orders);
        orders.map(|order| order.job).collect()
    }
}

/// Four times as fast as one watches.
fn processor() -> DeviceCapabilities {
    DeviceCapabilities {
        name: "processor".to_owned(),
        family: EncoderFamily::X264,
        capacity: Resources { cpu_ms: 4_000, memory_mib: 4_000, ..Resources::default() },
        calibration: Resources { cpu_ms: 1_000, memory_mib: 100, ..Resources::default() },
        spans_max: 8,
        batch_spans: 1,
    }
}

fn film(name: &str, segments: u32) -> JobFacts {
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

fn named(name: &str) -> JobId {
    JobId(Hash::of(name.as_bytes()))
}

fn job() -> JobId {
    named("film")
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
    assert_eq!(spans, [Span { first: 0, end: 6 }, Span { first: 6, end: 12 }]);
}

#[test]
fn a_silent_worker_is_suspected_and_then_loses_its_spans_to_another() {
    let mut bench = Bench::new();
    bench.job(0, 1);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED, ALICE, vec![making(order, 0)]);
    bench.connect(SETTLED + 10, BOB);
    for at in 1..=4 {
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
    assert_eq!(bench.planner.view().jobs, 1, "somebody may come back to it");
    let decisions = bench.tell(SETTLED + 60_010, Event::Tick);
    assert!(decisions.contains(&Decision::Forgotten(job())));
    let view = bench.planner.view();
    assert_eq!((view.jobs, view.claims, view.leases.len()), (0, 0, 0));
}

#[test]
fn viewers_whom_nobody_can_serve_keep_nobody_else_waiting() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    bench.connect(0, BOB);
    for number in 0..9 {
        let name = format!("graphics {number}");
        let facts = JobFacts { families: vec![EncoderFamily::Vaapi], ..film(&name, 10) };
        bench.tell(SETTLED, Event::Job(facts));
        bench.watches_film(SETTLED, ClaimId(100 + number), &name, 0);
    }
    bench.job(SETTLED, 10);
    bench.tell(SETTLED, Event::Job(film("batch", 10)));
    bench.watches(SETTLED + 1, 0);
    assert_eq!(bench.made(), [job()]);
    bench.batch_of(SETTLED + 2, BATCH, "batch");
    assert!(bench.made().contains(&named("batch")));
}

#[test]
fn viewers_who_need_too_much_keep_nobody_waiting_who_needs_little() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    bench.job(0, 10);
    bench.watches(SETTLED, 0);
    for number in 0..9 {
        let name = format!("large {number}");
        let facts = JobFacts { kind: 2, renditions_per_mille: vec![4_000], ..film(&name, 10) };
        bench.tell(SETTLED, Event::Job(facts));
        bench.watches_film(SETTLED, ClaimId(100 + number), &name, 0);
    }
    bench.tell(SETTLED, Event::Job(film("small", 10)));
    bench.watches_film(SETTLED + 1, ClaimId(99), "small", 0);
    assert_eq!(bench.made(), [job(), named("small")]);
}

#[test]
fn a_batch_makes_way_when_a_device_runs_all_the_processes_it_may() {
    let mut bench = Bench::new();
    let device = DeviceCapabilities { spans_max: 1, ..processor() };
    bench.connect_with(0, ALICE, device);
    bench.job(0, 30);
    bench.tell(0, Event::Job(film("watched", 30)));
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 10, ALICE, vec![making(order, 2)]);
    bench.watches_film(SETTLED + 20, VIEWER, "watched", 0);
    let cut = bench.orders(ALICE)[0];
    assert_eq!(cut.span, Span { first: 0, end: 3 });
    let done = SpanStatus { end: Some(SpanEnd::Done), ..making(cut, 3) };
    bench.says(SETTLED + 500, ALICE, vec![done]);
    assert_eq!(bench.made(), [named("watched")]);
}

#[test]
fn who_goes_by_a_later_term_is_not_blamed_for_what_it_does_not_do() {
    let mut bench = Bench::new();
    bench.job(0, 10);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let mut outranked = false;
    for now in (SETTLED..60_000).step_by(250) {
        let beat = Beat { applied: (Term(2), 1), ..bench.beat(ALICE) };
        let decisions = bench.tell(now, Event::Beat(beat));
        outranked |= decisions.contains(&Decision::Outranked { worker: ALICE, term: Term(2) });
        let failed = decisions.iter().any(|d| matches!(d, Decision::Failed { .. }));
        assert!(!failed, "{decisions:?}");
    }
    assert!(outranked);
    let view = bench.planner.view();
    assert!(view.leases.is_empty());
    assert!(view.workers[0].devices[0].trusted);
}

/// How many leases Alice gets within ten seconds, if each ends at once like this.
fn leases_that_end(end: &SpanEnd) -> usize {
    let mut bench = Bench::new();
    bench.job(0, 1);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let mut seen = std::collections::BTreeSet::new();
    for now in (SETTLED..SETTLED + 10_000).step_by(10) {
        let orders = bench.orders(ALICE);
        seen.extend(orders.iter().map(|order| order.lease));
        let ended = |order: Order| SpanStatus { end: Some(end.clone()), ..making(order, 0) };
        bench.says(now, ALICE, orders.into_iter().map(ended).collect());
    }
    seen.len()
}

#[test]
fn what_is_handed_back_again_and_again_is_not_given_again_at_once_for_ever() {
    assert!(leases_that_end(&SpanEnd::Returned) < 12);
    assert!(leases_that_end(&SpanEnd::Done) < 12);
    assert!(leases_that_end(&SpanEnd::Killed) < 12);
}

#[test]
fn what_one_device_cannot_hold_in_memory_another_one_tries() {
    let mut bench = Bench::new();
    bench.job(0, 1);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    bench.connect(SETTLED, BOB);
    let mut now = SETTLED;
    while bench.orders(BOB).is_empty() {
        now += 100;
        assert!(now < 60_000, "Bob is never asked");
        let killed = |order| SpanStatus { end: Some(SpanEnd::Killed), ..making(order, 0) };
        let orders = bench.orders(ALICE);
        let decisions = bench.says(now, ALICE, orders.into_iter().map(killed).collect());
        let failed = decisions.iter().any(|d| matches!(d, Decision::Failed { .. }));
        assert!(!failed, "{decisions:?}");
        bench.says(now, BOB, Vec::new());
    }
}

#[test]
fn a_claim_on_a_job_that_is_not_known_is_answered() {
    let mut bench = Bench::new();
    let purpose = Purpose::Batch { renditions: Renditions::only(0), deadline: None };
    let claim = Claim { job: job(), purpose, until: None };
    let decisions = bench.tell(SETTLED, Event::Claim { id: BATCH, claim });
    assert_eq!(decisions, [Decision::Unknown { claim: BATCH, job: job() }]);
}

#[test]
fn a_process_that_was_replaced_is_told_so() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    let capabilities = Capabilities { name: String::new(), devices: Vec::new() };
    let hello = Hello { worker: ALICE, incarnation: 0, stream: 1, capabilities };
    let decisions = bench.tell(SETTLED, Event::Connected(hello));
    assert_eq!(decisions, [Decision::Replaced { worker: ALICE, incarnation: 0, newer: 1 }]);
}

#[test]
fn a_rendition_is_kept_in_its_family_until_nobody_of_it_comes_back() {
    let mut bench = Bench::new();
    let graphics = DeviceCapabilities { family: EncoderFamily::Vaapi, ..processor() };
    bench.connect(0, ALICE);
    let families = vec![EncoderFamily::Vaapi, EncoderFamily::X264];
    let made_by = Some(EncoderFamily::Vaapi);
    let facts = JobFacts { families, family: made_by, ..film("film", 10) };
    bench.tell(SETTLED, Event::Job(facts));
    bench.watches(SETTLED, 0);
    assert_eq!(bench.made(), [], "Alice would cross into another family");
    bench.connect_with(SETTLED + 900, BOB, graphics);
    assert_eq!(bench.orders(BOB).len(), 1);
    bench.breaks(SETTLED + 1_000, BOB);
    for after in (1_100..=3_900).step_by(100) {
        bench.says(SETTLED + after, ALICE, Vec::new());
        assert!(bench.orders(ALICE).is_empty(), "{after} ms after it began");
    }
    bench.says(SETTLED + 4_000, ALICE, Vec::new());
    bench.says(SETTLED + 4_100, ALICE, Vec::new());
    assert!(!bench.orders(ALICE).is_empty(), "somebody waits, and nobody else is there");
}

#[test]
fn a_span_goes_on_when_its_workers_stream_comes_back() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 10, ALICE, vec![making(order, 1)]);
    bench.breaks(SETTLED + 20, ALICE);
    assert!(bench.planner.view().leases.is_empty());
    bench.reconnects(SETTLED + 400, ALICE, vec![making(order, 2)]);
    assert_eq!(bench.orders(ALICE), [order]);
}

#[test]
fn a_span_whose_job_is_not_known_yet_goes_on_for_a_while() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    let mut old = Bench::new();
    old.job(0, 4);
    old.connect(0, ALICE);
    old.batch(SETTLED);
    let order = Order {
        lease: segue_model::pool::LeaseId { term: Term(0), epoch: 7 },
        ..old.orders(ALICE)[0]
    };
    for now in (SETTLED..9_000).step_by(500) {
        bench.says(now, ALICE, vec![making(order, 1)]);
        assert_eq!(bench.orders(ALICE), [order], "at {now}");
    }
    bench.says(10_100, ALICE, vec![making(order, 1)]);
    assert!(bench.orders(ALICE).is_empty());
}

#[test]
fn storage_that_takes_nothing_for_minutes_costs_a_worker_its_lease_and_not_its_name() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    let stuck = SpanStatus { published_through: 0, ..making(order, 2) };
    let held = |bench: &Bench| bench.orders(ALICE).iter().any(|held| held.lease == order.lease);
    for now in (SETTLED..110_000).step_by(250) {
        bench.says(now, ALICE, vec![stuck.clone()]);
        assert!(held(&bench), "at {now}");
    }
    for now in (110_000..160_000).step_by(250) {
        bench.says(now, ALICE, if held(&bench) { vec![stuck.clone()] } else { Vec::new() });
    }
    assert!(!held(&bench));
    assert!(bench.planner.view().workers[0].devices[0].trusted);
}

/// A device that makes one film as fast as it is watched, and not two.
fn slow_processor() -> DeviceCapabilities {
    let capacity = Resources { cpu_ms: 1_200, memory_mib: 4_000, ..Resources::default() };
    DeviceCapabilities { capacity, ..processor() }
}

#[test]
fn those_who_watch_go_on_whoever_else_waits() {
    let mut bench = Bench::new();
    bench.connect_with(0, ALICE, slow_processor());
    bench.job(0, 100);
    bench.watches(SETTLED, 0);
    for number in 0..9 {
        let name = format!("late {number}");
        bench.tell(SETTLED, Event::Job(film(&name, 100)));
        bench.watches_film(SETTLED, ClaimId(100 + number), &name, 0);
    }
    let mut made = 0;
    for now in (SETTLED..60_000).step_by(1_000) {
        bench.watches(now, ((now - SETTLED) / 2_000) as u32);
        let order = bench.orders(ALICE)[0];
        made = order.span.end.min(made + 1);
        bench.says(now, ALICE, vec![making(order, made)]);
    }
    assert!(made > 40, "of 30 segments that were watched {made} were made");
}

#[test]
fn a_seek_is_not_kept_waiting_by_what_it_left() {
    let mut bench = Bench::new();
    bench.connect_with(0, ALICE, slow_processor());
    bench.job(0, 1_000);
    bench.watches(SETTLED, 0);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 2_000, ALICE, vec![making(order, order.span.end)]);
    bench.watches(SETTLED + 2_100, 500);
    let begins: Vec<u32> = bench.orders(ALICE).iter().map(|order| order.span.first).collect();
    assert_eq!(begins, [0, 500]);
    assert!(!bench.orders(ALICE)[0].playback, "it may end at once");
}

#[test]
fn who_leaves_makes_room_with_the_segment_at_hand() {
    let mut bench = Bench::new();
    bench.connect_with(0, ALICE, slow_processor());
    bench.job(0, 100);
    bench.tell(0, Event::Job(film("next", 100)));
    bench.watches(SETTLED, 0);
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 1_000, ALICE, vec![making(order, 1)]);
    bench.tell(SETTLED + 1_100, Event::Unclaim(VIEWER));
    assert_eq!(bench.orders(ALICE)[0].span, Span { first: 0, end: 2 });
    bench.watches_film(SETTLED + 1_200, ClaimId(9), "next", 0);
    assert!(bench.made().contains(&named("next")));
}

#[test]
fn what_another_viewer_comes_to_is_made_on_when_one_leaves() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    bench.job(0, 100);
    bench.watches(SETTLED, 0);
    bench.watches_film(SETTLED, ClaimId(9), "film", 1);
    let before = bench.orders(ALICE);
    bench.tell(SETTLED + 1_100, Event::Unclaim(VIEWER));
    assert_eq!(bench.orders(ALICE), before);
}

#[test]
fn of_a_bad_source_a_device_of_another_family_is_asked_if_there_is_no_other() {
    let mut bench = Bench::new();
    let graphics = DeviceCapabilities { family: EncoderFamily::Vaapi, ..processor() };
    bench.connect_with(0, ALICE, graphics);
    bench.connect(0, BOB);
    let families = vec![EncoderFamily::Vaapi, EncoderFamily::X264];
    bench.tell(0, Event::Job(JobFacts { families, ..film("film", 10) }));
    bench.batch(SETTLED);
    for now in (SETTLED..60_000).step_by(100) {
        for worker in [ALICE, BOB] {
            let orders = bench.orders(worker).into_iter();
            let spans = orders.map(|order| failed(order, FailureClass::Source)).collect();
            for decision in bench.says(now, worker, spans) {
                if let Decision::Failed { failure, .. } = decision {
                    assert_eq!(failure.devices.len(), 2);
                    return;
                }
            }
        }
        let asked = bench.orders(BOB).first().map(|order| order.span.len());
        assert!(asked.is_none_or(|length| length == 1), "a second opinion is about one segment");
    }
    panic!("it is tried for ever");
}

#[test]
fn a_worker_that_the_scheduler_slept_past_is_still_known() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    bench.tell(SETTLED + 700_000, Event::Tick);
    let decisions = bench.says(SETTLED + 700_100, ALICE, Vec::new());
    assert!(!decisions.is_empty(), "it is answered");
    bench.job(SETTLED + 700_200, 10);
    bench.batch(SETTLED + 700_200);
    assert_eq!(bench.made(), [job()]);
}

#[test]
fn a_worker_that_is_not_known_is_told_to_say_who_it_is() {
    let mut bench = Bench::new();
    bench.streams.insert(ALICE, 3);
    let decisions = bench.says(SETTLED, ALICE, Vec::new());
    assert_eq!(decisions, [Decision::NotGreeted { worker: ALICE, stream: 3 }]);
}

#[test]
fn what_is_made_and_never_stored_is_made_by_somebody_else() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    let done = SpanStatus {
        published_through: 0,
        end: Some(SpanEnd::Done),
        ..making(order, order.span.end)
    };
    let held = |bench: &Bench| bench.orders(ALICE).iter().any(|held| held.lease == order.lease);
    let mut again = None;
    for now in (SETTLED..150_000).step_by(250) {
        let spans = if held(&bench) { vec![done.clone()] } else { Vec::new() };
        bench.says(now, ALICE, spans);
        again = again.or(bench.orders(ALICE).into_iter().find(|o| o.lease != order.lease));
    }
    assert!(again.is_some(), "nobody makes it again");
}

#[test]
fn a_death_is_judged_once_however_often_the_stream_breaks() {
    let mut bench = Bench::new();
    bench.job(0, 4);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    let died = SpanStatus { published_through: 0, end: Some(SpanEnd::Died), ..making(order, 1) };
    bench.says(SETTLED + 10, ALICE, vec![died.clone()]);
    for round in 1..6 {
        let now = SETTLED + round * 1_000;
        bench.breaks(now, ALICE);
        bench.reconnects(now + 100, ALICE, vec![died.clone()]);
    }
    assert!(bench.planner.view().workers[0].devices[0].trusted);
}

#[test]
fn a_drain_is_kept_for_a_worker_that_is_not_there_yet() {
    let mut bench = Bench::new();
    bench.tell(0, Event::Drain { worker: ALICE, drain: true });
    bench.connect(0, ALICE);
    bench.job(SETTLED, 10);
    bench.batch(SETTLED);
    assert!(bench.desired[&ALICE].drain && bench.orders(ALICE).is_empty());
    bench.tell(SETTLED, Event::Drain { worker: ALICE, drain: false });
    assert_eq!(bench.orders(ALICE).len(), 1);
}
