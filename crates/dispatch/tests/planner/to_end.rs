//! Viewers who want all that follows, to the film's end: what is near as any viewer, the rest as a
//! batch, and no longer than they are there.

use segue_dispatch::Moment;
use segue_dispatch::planner::{Demand, Event, LeaseView, Policy};
use segue_model::Span;
use segue_model::pool::{
    ClaimId, DeviceCapabilities, Order, Renditions, Resources, SpanEnd, SpanStatus, WorkerId,
};

use crate::bench::{ALICE, BOB, Bench, SETTLED, VIEWER, job, making, named, processor};

const OTHER: ClaimId = ClaimId(9);

/// Orders of both workers that are for viewers, or not.
fn orders(bench: &Bench, playback: bool) -> Vec<Order> {
    let all = [ALICE, BOB].into_iter().flat_map(|worker| bench.orders(worker));
    all.filter(|order| order.playback == playback).collect()
}

fn pool(segments: u32) -> Bench {
    let mut bench = Bench::new();
    bench.job(0, segments);
    bench.connect(0, ALICE);
    bench.connect(0, BOB);
    bench
}

/// Where the only batch span of the pool is.
fn batch(bench: &Bench) -> (WorkerId, Order) {
    let batches = orders(bench, false);
    assert_eq!(batches.len(), 1, "{batches:?}");
    let holds = |worker: &WorkerId| bench.orders(*worker).contains(&batches[0]);
    (*[ALICE, BOB].iter().find(|worker| holds(worker)).expect("a holder"), batches[0])
}

#[test]
fn a_minute_is_made_as_for_any_viewer_and_what_is_beyond_as_a_batch() {
    let mut bench = pool(1_000);
    let (renditions, due) = (Renditions::only(0), Moment(SETTLED));
    let demand = Demand { renditions, segment: 100, due, to_end: true };
    bench.demands(SETTLED, VIEWER, "film", demand);
    let mut near: Vec<Span> = orders(&bench, true).iter().map(|order| order.span).collect();
    near.sort_by_key(|span| span.first);
    let policy = Policy::default();
    let end = near.last().expect("something is made").end;
    assert_eq!(near[0].first, 100);
    assert!(near.windows(2).all(|two| two[0].end == two[1].first), "{near:?}");
    let minute = policy.read_ahead_to_end..=policy.read_ahead_to_end + policy.chunk;
    assert!(minute.contains(&(u64::from(end - 100) * 2_000)), "{end}");
    assert_eq!(orders(&bench, false), [], "the minute comes first");
    for worker in [ALICE, BOB] {
        let spans = bench.orders(worker).into_iter();
        let spans = spans.map(|order| making(order, order.span.end)).collect();
        bench.says(SETTLED + 100, worker, spans);
    }
    let rest = orders(&bench, false).into_iter().map(|order| order.span);
    let mut rest: Vec<Span> = rest.filter(|span| span.first >= end).collect();
    rest.sort_by_key(|span| span.first);
    assert_eq!(rest.first().map(|span| span.first), Some(end));
    assert_eq!(rest.last().map(|span| span.end), Some(1_000));
    assert!(rest.windows(2).all(|two| two[0].end == two[1].first), "{rest:?}");
}

#[test]
fn without_it_nothing_beyond_the_read_ahead_is_made() {
    let mut bench = pool(1_000);
    bench.watches(SETTLED, 100);
    assert!(orders(&bench, false).is_empty());
    assert!(!bench.planner.job(job()).expect("known").waiting);
}

#[test]
fn a_job_of_which_the_rest_is_wanted_waits_while_nobody_is_there() {
    let mut bench = Bench::new();
    bench.job(0, 1_000);
    let (renditions, due) = (Renditions::only(0), Moment(u64::MAX / 2));
    let demand = Demand { renditions, segment: 998, due, to_end: true };
    bench.demands(SETTLED, VIEWER, "film", demand);
    assert!(bench.planner.job(job()).expect("known").waiting);
    bench.demands(SETTLED + 10, VIEWER, "film", Demand { to_end: false, ..demand });
    assert!(!bench.planner.job(job()).expect("known").waiting);
}

#[test]
fn nothing_before_the_playhead_is_made() {
    let mut bench = pool(60);
    bench.wants_the_rest(SETTLED, VIEWER, 20);
    let mut now = SETTLED;
    while bench.planner.counts(job()) != Some((40, 60)) {
        now += 500;
        assert!(now < SETTLED + 60_000, "{:?}", bench.planner.counts(job()));
        for worker in [ALICE, BOB] {
            let orders = bench.orders(worker);
            assert!(orders.iter().all(|order| order.span.first >= 20), "{orders:?}");
            let spans = orders.into_iter().map(|order| SpanStatus {
                end: (!order.playback).then_some(SpanEnd::Done),
                ..making(order, order.span.end)
            });
            bench.says(now, worker, spans.collect());
        }
    }
    bench.tell(now + 1_000, Event::Tick);
    let view = bench.planner.job(job()).expect("known");
    let is_over = |lease: &LeaseView| lease.ready_through == lease.span.end;
    assert!(!view.waiting && view.leases.iter().all(is_over), "{view:?}");
}

#[test]
fn what_nobody_wants_any_more_ends_with_the_segment_at_hand() {
    let leave: [fn(&mut Bench, u64); 3] = [
        |bench, now| drop(bench.tell(now, Event::Unclaim(VIEWER))),
        |bench, now| bench.watches(now, 0),
        // Far behind the span that is being made.
        |bench, now| bench.wants_the_rest(now, VIEWER, 995),
    ];
    for leave in leave {
        let mut bench = pool(1_000);
        bench.wants_the_rest(SETTLED, VIEWER, 0);
        let all = orders(&bench, false);
        assert!(!all.is_empty());
        for worker in [ALICE, BOB] {
            let spans = bench.orders(worker).into_iter();
            let spans = spans.map(|order| making(order, order.span.first + 3)).collect();
            bench.says(SETTLED + 1_500, worker, spans);
        }
        leave(&mut bench, SETTLED + 1_600);
        for order in all {
            let now = orders(&bench, false).into_iter().find(|now| now.lease == order.lease);
            assert_eq!(now.map(|now| now.span.end), Some(order.span.first + 4));
        }
    }
}

#[test]
fn a_playhead_that_moves_on_disturbs_nothing() {
    let mut bench = pool(1_000);
    let moves = |bench: &mut Bench, now: u64, segment: u32| {
        let (renditions, due) = (Renditions::only(0), Moment(now + 50_000));
        bench.demands(now, VIEWER, "film", Demand { renditions, segment, due, to_end: true });
    };
    moves(&mut bench, SETTLED, 0);
    let before = orders(&bench, false);
    for segment in 1..20 {
        let now = SETTLED + u64::from(segment) * 500;
        for worker in [ALICE, BOB] {
            let spans = bench.orders(worker).into_iter();
            let spans = spans.map(|order| making(order, order.span.first + segment)).collect();
            bench.says(now, worker, spans);
        }
        moves(&mut bench, now, segment);
    }
    let after = orders(&bench, false);
    assert!(!before.is_empty() && before.iter().all(|order| after.contains(order)), "{after:?}");
}

#[test]
fn of_two_viewers_the_one_who_is_behind_says_where_the_rest_begins() {
    let mut bench = pool(1_000);
    bench.wants_the_rest(SETTLED, VIEWER, 900);
    let far = orders(&bench, false);
    assert!(far.iter().all(|order| order.span.first > 900), "{far:?}");
    bench.wants_the_rest(SETTLED + 10, OTHER, 100);
    // The second viewer's rest begins before what is made already.
    let mut all = Vec::new();
    for now in [SETTLED + 500, SETTLED + 1_000] {
        for worker in [ALICE, BOB] {
            let spans = bench.orders(worker).into_iter().map(|order| SpanStatus {
                end: (!order.playback).then_some(SpanEnd::Done),
                ..making(order, order.span.end)
            });
            bench.says(now, worker, spans.collect());
        }
        all.extend(orders(&bench, false));
    }
    assert!(all.iter().any(|order| (101..900).contains(&order.span.first)), "{all:?}");
    bench.tell(SETTLED + 1_010, Event::Unclaim(OTHER));
    let leases = bench.planner.view().leases;
    let goes_on = |lease: &&LeaseView| lease.ready_through + 1 < lease.span.end;
    let early = leases.iter().filter(goes_on).find(|lease| (101..900).contains(&lease.span.first));
    assert_eq!(early, None);
}

#[test]
fn a_batch_wants_everything_whoever_else_wants_the_rest() {
    let mut bench = pool(400);
    bench.wants_the_rest(SETTLED, VIEWER, 300);
    bench.batch(SETTLED + 10);
    let mut now = SETTLED + 10;
    let mut finished = 0;
    while finished == 0 {
        now += 500;
        assert!(now < SETTLED + 60_000, "{:?}", bench.planner.counts(job()));
        for worker in [ALICE, BOB] {
            let spans = bench.orders(worker).into_iter().map(|order| SpanStatus {
                end: (!order.playback).then_some(SpanEnd::Done),
                ..making(order, order.span.end)
            });
            let decisions = bench.says(now, worker, spans.collect());
            finished += decisions
                .iter()
                .filter(|d| matches!(d, segue_dispatch::planner::Decision::Finished { .. }))
                .count();
        }
    }
    assert_eq!((finished, bench.planner.counts(job())), (1, Some((400, 400))));
    assert_eq!(bench.planner.view().claims, 1, "who watches still does");
}

#[test]
fn a_viewer_who_leaves_takes_nothing_from_a_batch() {
    let mut bench = pool(400);
    bench.batch(SETTLED);
    bench.wants_the_rest(SETTLED + 10, VIEWER, 0);
    let before = orders(&bench, false);
    bench.tell(SETTLED + 20, Event::Unclaim(VIEWER));
    for order in before {
        assert!(orders(&bench, false).iter().any(|now| now.lease == order.lease));
    }
    assert!(bench.planner.job(job()).expect("known").leases.iter().any(|l| l.span.len() > 1));
}

#[test]
fn it_makes_way_for_other_viewers_as_a_batch_does() {
    let mut bench = Bench::new();
    let capacity = Resources { cpu_ms: 2_600, memory_mib: 4_000, ..Resources::default() };
    bench.connect_with(0, ALICE, DeviceCapabilities { capacity, ..processor() });
    bench.job(0, 1_000);
    bench.tell(0, Event::Job(crate::bench::film("watched", 30)));
    bench.wants_the_rest(SETTLED, VIEWER, 0);
    let (_, rest) = batch(&bench);
    bench.says(
        SETTLED + 10,
        ALICE,
        vec![making(bench.orders(ALICE)[0], 1), making(rest, rest.span.first)],
    );
    bench.watches_film(SETTLED + 20, OTHER, "watched", 0);
    assert!(bench.made().contains(&named("watched")));
    let (_, cut) = batch(&bench);
    assert_eq!(cut.span.len(), 1);
}

#[test]
fn what_an_earlier_term_gave_out_ends_if_nobody_says_in_time_that_it_is_wanted() {
    for comes_back in [false, true] {
        let mut bench = Bench::new();
        bench.job(0, 400);
        let span = Span { first: 200, end: 400 };
        let lease = segue_model::pool::LeaseId { term: segue_model::pool::Term(0), epoch: 7 };
        let renditions = Renditions::only(0);
        let order = Order { lease, job: job(), span, renditions, device: 0, playback: false };
        bench.reconnects(10, ALICE, vec![making(order, 210)]);
        assert_eq!(bench.orders(ALICE)[0].span, span);
        if comes_back {
            bench.wants_the_rest(9_000, VIEWER, 150);
        }
        bench.says(9_500, ALICE, vec![making(order, 220)]);
        bench.tell(Policy::default().strangers, Event::Tick);
        let end = bench.orders(ALICE).into_iter().find(|now| now.lease == lease);
        let end = end.expect("it has a segment at hand").span.end;
        assert_eq!(end == 221, !comes_back, "{end}");
    }
}
