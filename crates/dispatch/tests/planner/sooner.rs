//! What is needed sooner comes first, also among viewers: who makes way, and who does not.

use segue_dispatch::planner::{Event, JobFacts};
use segue_model::pool::{ClaimId, DeviceCapabilities, Order, Resources, WorkerId};

use crate::bench::{ALICE, BATCH, BOB, Bench, SETTLED, VIEWER, film, making, named, processor};

const OTHER: ClaimId = ClaimId(9);
const CAROL: WorkerId = WorkerId(3);

fn with_speed(per_mille: u32) -> DeviceCapabilities {
    let capacity = Resources { cpu_ms: per_mille, memory_mib: 4_000, ..Resources::default() };
    DeviceCapabilities { capacity, ..processor() }
}

/// Two workers of one speed, and a film that is watched to its end from its beginning, in a moment.
fn two_that_share(speed: u32, in_a_moment: u64) -> Bench {
    let mut bench = Bench::new();
    bench.job(0, 1_000);
    bench.connect_with(0, ALICE, with_speed(speed));
    bench.connect_with(0, BOB, with_speed(speed));
    let demand = bench.demand_to_end(0, SETTLED + in_a_moment);
    bench.demands(SETTLED, VIEWER, "film", demand);
    bench
}

fn watches_to_end(bench: &mut Bench, now: u64) {
    let demand = bench.demand_to_end(0, SETTLED);
    bench.demands(now, VIEWER, "film", demand);
}

/// Who makes the film's beginning, and who what comes later.
fn first_and_later(bench: &Bench) -> (WorkerId, WorkerId, Order) {
    let begins = |worker| bench.orders(worker)[0].span.first == 0;
    let (first, later) = if begins(ALICE) { (ALICE, BOB) } else { (BOB, ALICE) };
    (first, later, bench.orders(later)[0])
}

/// What a worker goes on with for viewers.
fn for_viewers(bench: &Bench, worker: WorkerId) -> Vec<Order> {
    bench.orders(worker).into_iter().filter(|order| order.playback).collect()
}

#[test]
fn what_a_viewer_waits_for_is_made_before_what_the_same_viewer_comes_to_later() {
    let mut bench = two_that_share(200, 0);
    let (first, later, order) = first_and_later(&bench);
    let begun = order.span.first;
    bench.says(SETTLED + 9_000, later, vec![making(order, begun)]);
    bench.breaks(SETTLED + 10_000, first);
    let orders = bench.orders(later);
    let cut = orders.iter().find(|now| now.lease == order.lease).expect("a segment is at hand");
    assert_eq!((cut.span.end, cut.playback), (begun + 1, false));
    let near = for_viewers(&bench, later);
    assert_eq!((near.len(), near[0].span.first), (1, 0), "{near:?}");
    assert!(near[0].span.end <= begun, "{near:?}");

    // And then it goes on behind that, without having been interrupted again.
    let mut given = vec![order.lease, near[0].lease];
    let mut now = SETTLED + 11_000;
    let mut made = 0;
    while made < begun + 4 {
        now += 10_000;
        made += 1;
        assert!(now < 600_000, "{made}");
        let spans = bench.orders(later).into_iter().map(|order| {
            let ready = made.clamp(order.span.first, order.span.end);
            let ready = if order.playback { ready } else { order.span.end };
            let mut said = making(order, ready);
            let over = !order.playback && ready == order.span.end;
            said.end = over.then_some(segue_model::pool::SpanEnd::Done);
            said
        });
        bench.says(now, later, spans.collect());
        watches_to_end(&mut bench, now);
        given.extend(for_viewers(&bench, later).iter().map(|order| order.lease));
    }
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), 3, "one for what was missing, one for all that follows");
}

#[test]
fn a_span_that_is_at_its_end_makes_way_too_and_so_does_one_at_its_last_segment() {
    for lacks in [0, 1] {
        let mut bench = two_that_share(200, 0);
        let (first, later, order) = first_and_later(&bench);
        bench.says(SETTLED + 9_000, later, vec![making(order, order.span.end - lacks)]);
        let now = bench.orders(later)[0];
        // Where it was led on it is at its end again.
        let said = making(now, now.span.end - lacks);
        bench.says(SETTLED + 9_900, later, vec![said]);
        let waiting = bench.orders(later)[0];
        assert!(waiting.lease == order.lease && waiting.playback, "{waiting:?}");
        bench.breaks(SETTLED + 10_000, first);
        let near = for_viewers(&bench, later);
        assert_eq!((near.len(), near[0].span.first), (1, 0), "{lacks}: {near:?}");
    }
}

#[test]
fn a_second_span_of_a_viewer_makes_way_for_who_has_none() {
    let mut bench = two_that_share(1_200, 10_000);
    let (first, later, order) = first_and_later(&bench);
    let before = bench.orders(first);
    bench.tell(SETTLED + 10, Event::Job(film("other", 100)));
    bench.watches_film(SETTLED + 100, OTHER, "other", 0);
    assert_eq!(bench.orders(first), before, "nobody loses what is needed next");
    let near = for_viewers(&bench, later);
    assert_eq!(near.iter().map(|order| order.job).collect::<Vec<_>>(), [named("other")]);
    let cut = bench.orders(later).into_iter().find(|now| now.lease == order.lease);
    assert_eq!(cut.map(|cut| cut.span.len()), Some(1));
}

#[test]
fn nobody_loses_the_span_it_lives_on_to_another_viewer() {
    let mut bench = two_that_share(1_200, 10_000);
    for (number, name) in ["other", "third", "fourth"].into_iter().enumerate() {
        bench.tell(SETTLED + 10, Event::Job(film(name, 100)));
        bench.watches_film(SETTLED + 100, ClaimId(50 + number as u64), name, 0);
    }
    let spans = |bench: &Bench| {
        let all = [ALICE, BOB].into_iter().flat_map(|worker| for_viewers(bench, worker));
        all.map(|order| (order.lease, order.job)).collect::<Vec<_>>()
    };
    let before = spans(&bench);
    assert_eq!(before.len(), 2, "{before:?}");
    for ready in 1..20 {
        let now = SETTLED + u64::from(ready) * 1_000;
        for worker in [ALICE, BOB] {
            let told = bench.orders(worker).into_iter().filter(|order| order.playback);
            let said =
                told.map(|order| making(order, (order.span.first + ready).min(order.span.end)));
            bench.says(now, worker, said.collect());
        }
        assert_eq!(spans(&bench), before);
    }
}

#[test]
fn what_is_at_hand_on_a_silent_worker_is_not_put_off() {
    let mut bench = two_that_share(200, 0);
    let (first, later, order) = first_and_later(&bench);
    bench.says(SETTLED + 9_000, later, vec![making(order, order.span.first)]);
    for now in (SETTLED + 9_100..SETTLED + 11_000).step_by(100) {
        let spans = bench.orders(first).into_iter();
        let spans = spans.map(|order| making(order, order.span.first)).collect();
        bench.says(now, first, spans);
    }
    bench.breaks(SETTLED + 11_010, first);
    let orders = bench.orders(later);
    assert_eq!(orders.len(), 1, "who knows whether it is there");
    assert!(orders[0].lease == order.lease && orders[0].span.end >= order.span.end, "{orders:?}");
}

#[test]
fn no_batch_is_begun_beside_a_viewer_who_is_not_well_ahead() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    bench.job(0, 1_000);
    bench.tell(0, Event::Job(film("batch", 100)));
    bench.watches(SETTLED, 0);
    bench.batch_of(SETTLED + 10, BATCH, "batch");
    let order = bench.orders(ALICE)[0];
    bench.says(SETTLED + 1_000, ALICE, vec![making(order, 9)]);
    assert!(!bench.made().contains(&named("batch")), "{:?}", bench.orders(ALICE));
    bench.says(SETTLED + 1_100, ALICE, vec![making(order, 10)]);
    assert!(bench.made().contains(&named("batch")), "{:?}", bench.orders(ALICE));
    assert!(bench.orders(ALICE).iter().any(|now| now.lease == order.lease), "both go on");
}

#[test]
fn batches_are_begun_where_no_viewer_is_in_need() {
    let mut bench = Bench::new();
    bench.connect(0, ALICE);
    bench.connect(0, BOB);
    bench.job(0, 1_000);
    bench.tell(0, Event::Job(film("batch", 100)));
    bench.watches(SETTLED, 0);
    bench.batch_of(SETTLED + 10, BATCH, "batch");
    let batch = |worker| bench.orders(worker).iter().any(|order| !order.playback);
    let watched = |worker| bench.orders(worker).iter().any(|order| order.playback);
    assert_ne!(batch(ALICE), watched(ALICE));
    assert_ne!(batch(BOB), watched(BOB));
}

#[test]
fn a_viewers_span_that_others_go_on_with_keeps_no_device() {
    let mut bench = two_that_share(1_200, 10_000);
    let (first, _, later) = first_and_later(&bench);
    let near = bench.orders(first)[0];
    assert_eq!(near.span.end, later.span.first);
    bench.says(SETTLED + 9_000, first, vec![making(near, near.span.end)]);
    let now = bench.orders(first).into_iter().find(|now| now.lease == near.lease);
    assert_eq!(now.map(|now| now.playback), Some(false), "its worker need not keep the process");
    assert!(for_viewers(&bench, first).iter().all(|order| order.span.first > later.span.first));
}

/// When the segments of a film that is watched to its end can be served in order, by devices that
/// make one in `PACE` if they make nothing else.
fn served(workers: &[WorkerId], segments: u32) -> Vec<u64> {
    const PACE: u64 = 500;
    const STEP: u64 = 50;
    let mut bench = Bench::new();
    bench.tell(0, Event::Job(JobFacts { lead_in: 500, ..film("film", segments) }));
    for worker in workers {
        bench.connect(0, *worker);
    }
    let mut done = std::collections::BTreeMap::new();
    let mut there = std::collections::BTreeSet::new();
    let mut served = Vec::new();
    let mut now = SETTLED;
    watches_to_end(&mut bench, now);
    while served.len() < segments as usize {
        now += STEP;
        assert!(now < 200_000, "{served:?}");
        for worker in workers {
            let orders = bench.orders(*worker);
            let mut spans = Vec::new();
            let is_busy = |order: &&Order| {
                let (made, _) = done.get(&order.lease).copied().unwrap_or((0, 0));
                order.span.first + made < order.span.end
            };
            let busy = orders.iter().filter(is_busy).count() as u64;
            for order in orders {
                // Half of a lead-in is as good as decoded for nothing.
                let (made, work) = done.entry(order.lease).or_insert((0, 0));
                if order.span.first + *made < order.span.end {
                    *work += STEP / busy.max(1);
                    let lead_in = if order.span.first == 0 { 0 } else { PACE / 4 };
                    let wanted = PACE + if *made == 0 { lead_in } else { 0 };
                    if *work >= wanted {
                        (*made, *work) = (*made + 1, 0);
                        there.insert(order.span.first + *made - 1);
                    }
                }
                let ready = (order.span.first + *made).min(order.span.end);
                let mut said = making(order, ready);
                let over = !order.playback && ready == order.span.end;
                said.end = over.then_some(segue_model::pool::SpanEnd::Done);
                spans.push(said);
            }
            bench.says(now, *worker, spans);
        }
        while there.contains(&(served.len() as u32)) {
            served.push(now - SETTLED);
        }
        let mut demand = bench.demand_to_end(served.len() as u32, SETTLED);
        demand.segment = demand.segment.min(segments - 1);
        bench.demands(now, VIEWER, "film", demand);
    }
    served
}

#[test]
fn one_device_makes_the_beginning_as_if_nothing_followed() {
    let served = served(&[ALICE], 60);
    for (index, at) in served.iter().enumerate().take(24) {
        assert_eq!(*at, (index as u64 + 1) * 500, "segment {index}");
    }
    // Whatever is begun beside its end.
    assert!(served[59] <= 60 * 500 + 2_000, "{served:?}");
}

#[test]
fn a_second_device_has_most_of_a_film_there_clearly_sooner_and_nothing_later() {
    for segments in [30, 45, 60] {
        let served = served(&[ALICE, BOB], segments);
        let alone = |index: usize| (index as u64 + 1) * 500;
        let ratio = |(index, at): (usize, &u64)| at * 1_000 / alone(index);
        let mut ratios: Vec<u64> = served.iter().enumerate().map(ratio).collect();
        ratios.sort_unstable();
        let (median, most) = (ratios[ratios.len() / 2], ratios[ratios.len() - 1]);
        assert!(median <= 750, "{median} of 1000 with {segments} segments: {served:?}");
        assert!(most <= 1_100, "{most} of 1000 with {segments} segments: {served:?}");
        assert!(*served.last().expect("all") * 10 <= alone(segments as usize - 1) * 7);
    }
}

#[test]
fn many_idle_devices_make_a_minute_together_without_cutting_it_to_bits() {
    let mut bench = Bench::new();
    bench.job(0, 1_000);
    let workers: Vec<WorkerId> = (0..20).map(|number| WorkerId(CAROL.0 + number)).collect();
    for worker in &workers {
        bench.connect(0, *worker);
    }
    watches_to_end(&mut bench, SETTLED);
    let spans = workers.iter().flat_map(|worker| for_viewers(&bench, *worker));
    let lengths: Vec<u32> = spans.map(|order| order.span.len()).collect();
    assert!(lengths.len() > 3 && lengths.iter().all(|length| *length >= 3), "{lengths:?}");
}
