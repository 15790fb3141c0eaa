//! What a failure means: for a segment, for a device, for a job.

use segue_dispatch::planner::{Decision, Event, JobFacts};
use segue_model::FailureClass;
use segue_model::pool::{
    DeviceCapabilities, EncoderFamily, Measured, Order, Resources, SpanEnd, SpanStatus,
};

use crate::bench::{ALICE, BOB, Bench, SETTLED, failed, film, making, processor};

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
fn slow_work_is_given_the_time_that_its_first_pictures_say_it_takes() {
    let mut bench = Bench::new();
    bench.job(0, 100);
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let order = bench.orders(ALICE)[0];
    let mut said = making(order, 0);
    // A segment in 100 s; it gets 800.
    let pace_ms = 100_000;
    said.measured = Some(Measured { segments: 0, pace_ms, effort: Resources::default() });
    for second in 1..700 {
        bench.says(SETTLED + second * 1000, ALICE, vec![said.clone()]);
    }
    assert_eq!(bench.orders(ALICE), [order]);
    for second in 700..900 {
        bench.says(SETTLED + second * 1000, ALICE, vec![said.clone()]);
    }
    assert_ne!(bench.orders(ALICE), [order]);
}
