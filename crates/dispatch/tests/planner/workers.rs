//! Who is there: streams, silence, terms, drains, families, and what goes on across them.

use segue_dispatch::planner::{Decision, Event, JobFacts, Policy};
use segue_model::Span;
use segue_model::pool::{
    Beat, Capabilities, DeviceCapabilities, EncoderFamily, Hello, Order, Term,
};

use crate::bench::{ALICE, BOB, Bench, SETTLED, film, job, making, processor};

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

#[test]
fn whoever_is_well_keeps_its_name_and_whoever_is_gone_is_followed() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    let hello = |incarnation| Hello {
        worker: ALICE,
        incarnation,
        stream: 1,
        capabilities: Capabilities { name: String::new(), devices: vec![processor()] },
    };
    // Whether it began before or after.
    for incarnation in [0, 2] {
        let decisions = bench.tell(SETTLED, Event::Connected(hello(incarnation)));
        assert_eq!(decisions, [Decision::NameTaken { worker: ALICE, incarnation, by: 1 }]);
    }
    bench.breaks(SETTLED + 10, ALICE);
    // The clock of its machine went back.
    let decisions = bench.tell(SETTLED + 20, Event::Connected(hello(0)));
    assert!(!decisions.iter().any(|d| matches!(d, Decision::NameTaken { .. })), "{decisions:?}");
    let silent = SETTLED + 20 + Policy::default().suspect_idle + 100;
    bench.tell(silent, Event::Tick);
    let decisions = bench.tell(silent, Event::Connected(hello(2)));
    assert!(!decisions.iter().any(|d| matches!(d, Decision::NameTaken { .. })), "{decisions:?}");
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
