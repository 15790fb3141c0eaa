//! Who is served, and in which order: viewers, batches, and those who wait.

use std::collections::BTreeMap;

use segue_dispatch::Moment;
use segue_dispatch::planner::{Claim, Decision, Demand, Event, JobFacts, Policy, Purpose};
use segue_model::pool::{
    ClaimId, DeviceCapabilities, EncoderFamily, Renditions, Resources, SpanEnd, SpanStatus,
};
use segue_model::{SegmentId, Span};

use crate::bench::{
    ALICE, BATCH, BOB, Bench, SETTLED, VIEWER, film, job, making, named, processor,
};

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
        let (segment, due) = (100 + viewer * 50, Moment(SETTLED));
        let demand = Demand { renditions, segment, due, to_end: false };
        let claim = Claim { job: job(), purpose: Purpose::Playback(demand), until: None };
        bench.tell(SETTLED + 10, Event::Claim { id: ClaimId(10 + u64::from(viewer)), claim });
    }
    let orders = bench.orders(ALICE);
    let batch = orders.iter().find(|order| order.lease == batch.lease);
    assert_eq!(batch.map(|order| order.span.end), Some(6));
    assert_eq!(orders.iter().filter(|order| order.playback).count(), 3);
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
fn a_claim_on_a_job_that_is_not_known_is_answered() {
    let mut bench = Bench::new();
    let purpose = Purpose::Batch { renditions: Renditions::only(0), deadline: None };
    let claim = Claim { job: job(), purpose, until: None };
    let decisions = bench.tell(SETTLED, Event::Claim { id: BATCH, claim });
    assert_eq!(decisions, [Decision::Unknown { claim: BATCH, job: job() }]);
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
fn one_job_is_looked_at_without_the_others() {
    let mut bench = Bench::new();
    bench.job(0, 12);
    bench.batch(0);
    let waiting = bench.planner.job(job()).expect("known");
    assert!(waiting.waiting && waiting.leases.is_empty());
    assert_eq!((waiting.published, waiting.total), (0, 12));

    bench.connect(SETTLED, ALICE);
    let order = bench.orders(ALICE)[0];
    bench.says(
        SETTLED + 1_000,
        ALICE,
        vec![SpanStatus { published_through: 3, ..making(order, 4) }],
    );
    let running = bench.planner.job(job()).expect("known");
    assert_eq!((running.published, running.waiting), (3, false));
    assert_eq!((running.leases[0].worker, running.leases[0].ready_through), (ALICE, 4));
    let is_published = |index| bench.planner.is_published(job(), SegmentId { rendition: 0, index });
    assert!(is_published(2) && !is_published(3) && !is_published(99));
    assert_eq!(bench.planner.counts(job()), Some((3, 12)));
    assert_eq!(bench.planner.job(named("another")), None);
}

#[test]
fn what_is_behind_a_process_that_stands_still_is_given_to_others_long_before_it_counts_as_hung() {
    for (workers, slots) in [(&[ALICE, BOB][..], 1), (&[ALICE][..], 2)] {
        let mut bench = Bench::new();
        bench.job(0, 40);
        for worker in workers {
            bench.connect_with(
                0,
                *worker,
                DeviceCapabilities { batch_spans: slots, ..processor() },
            );
        }
        bench.batch(SETTLED);
        let orders: Vec<_> = workers.iter().flat_map(|worker| bench.orders(*worker)).collect();
        assert_eq!(orders.len(), 2);
        let hung = orders[0];
        // All but that make a segment in half a second, as was reckoned.
        let (mut now, mut ready) = (SETTLED, BTreeMap::new());
        let is_kept = |bench: &Bench| {
            let mut orders = bench.desired.values().flat_map(|desired| &desired.orders);
            orders.any(|order| order.lease == hung.lease && order.span.len() > 1)
        };
        while is_kept(&bench) {
            now += 500;
            assert!(now < SETTLED + Policy::default().stall, "it keeps {}", hung.span);
            for worker in workers {
                let mut spans = Vec::new();
                for order in bench.orders(*worker) {
                    let ready = ready.entry(order.lease).or_insert(order.span.first);
                    *ready += u32::from(order.lease != hung.lease && *ready < order.span.end);
                    let end = (*ready == order.span.end).then_some(SpanEnd::Done);
                    spans.push(SpanStatus { end, ..making(order, *ready) });
                }
                bench.says(now, *worker, spans);
            }
        }
    }
}

#[test]
fn a_viewer_does_not_wait_for_a_batch_that_stands_still() {
    let mut bench = Bench::new();
    // Whoever begins anew takes longer than the other says it will take, again and again.
    bench.tell(0, Event::Job(JobFacts { lead_in: 8_000, ..film("film", 40) }));
    bench.connect(0, ALICE);
    bench.batch(SETTLED);
    let hung = bench.orders(ALICE)[0];
    bench.connect(SETTLED + 10, BOB);
    bench.says(SETTLED + 500, ALICE, vec![making(hung, 1)]);
    bench.watches(SETTLED + 600, 3);
    let mut now = SETTLED + 600;
    while !bench.orders(BOB).iter().any(|order| order.playback && order.span.first == 3) {
        now += 250;
        assert!(now < SETTLED + 5_000, "{:?} {:?}", bench.orders(ALICE), bench.orders(BOB));
        let told = bench.orders(ALICE).into_iter();
        let spans = told.map(|order| making(order, 1.max(order.span.first))).collect();
        bench.says(now, ALICE, spans);
        let told = bench.orders(BOB).into_iter();
        let spans = told.map(|order| making(order, order.span.first)).collect();
        bench.says(now, BOB, spans);
    }
}
