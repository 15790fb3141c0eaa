//! How fast the planner decides: orders per second, the slowest events, and how the cost of an
//! order grows with the pool. One core, nothing but the planner. Takes about 15 s:
//!
//! `cargo run --release -p segue-dispatch --example planner_speed`

use std::time::{Duration, Instant};

use segue_dispatch::planner::{Claim, Cuts, Decision, Demand, Event, JobFacts, Policy, Purpose};
use segue_dispatch::{Moment, Planner};
use segue_model::pool::{
    Beat, Capabilities, ClaimId, DeviceCapabilities, EncoderFamily, Hello, LeaseId, Order,
    Renditions, Resources, SpanStatus, Status, Term, WorkerId,
};
use segue_model::{Hash, JobId};

const SEGMENT: u64 = 2_000;
const SEGMENTS: u32 = 3_600;
/// How much of the film goes by while it is measured.
const PLAYED: u64 = 24_000;

fn main() {
    println!("workers  streams   orders/s   events/s   p50 us   p99 us   max us   us/order");
    let mut costs = Vec::new();
    for (workers, streams) in [(10, 100), (100, 1_000), (1_000, 10_000), (10_000, 100_000)] {
        costs.push((f64::from(workers), measure(workers, streams)));
    }
    let (first, last) = (costs[0], costs[costs.len() - 1]);
    let exponent = (last.1 / first.1).ln() / (last.0 / first.0).ln();
    println!("cost per order grows with exponent {exponent:.3}");
}

struct Pool {
    planner: Planner,
    took: Vec<Duration>,
    /// What each worker holds, as its last desired state says.
    orders: Vec<Vec<Order>>,
    known: std::collections::BTreeMap<LeaseId, u32>,
    sequences: Vec<u64>,
    given: u64,
    applied: Vec<(Term, u64)>,
}

impl Pool {
    fn tell(&mut self, now: u64, event: Event) {
        let begun = Instant::now();
        let decisions = self.planner.handle(Moment(now), event);
        self.took.push(begun.elapsed());
        for decision in decisions {
            if let Decision::Desire { worker, desired } = decision {
                let at = worker.0 as usize;
                for order in &desired.orders {
                    // A new lease, or an old one with another end.
                    let before = self.known.insert(order.lease, order.span.end);
                    self.given += u64::from(before != Some(order.span.end));
                }
                self.applied[at] = (desired.answer.term, desired.answer.version);
                self.orders[at] = desired.orders;
            }
        }
    }

    fn head(&mut self, worker: usize) -> Beat {
        self.sequences[worker] += 1;
        Beat {
            worker: WorkerId(worker as u64),
            incarnation: 1,
            stream: 1,
            sequence: self.sequences[worker],
            content: self.sequences[worker],
            applied: self.applied[worker],
        }
    }

    /// A worker that made and stored all it was told to.
    fn status(&mut self, worker: usize) -> Event {
        let done = |order: &Order| SpanStatus {
            order: *order,
            ready_through: order.span.end,
            published_through: order.span.end,
            gaps: Vec::new(),
            measured: None,
            end: None,
        };
        let spans = self.orders[worker].iter().map(done).collect();
        let beat = self.head(worker);
        Event::Status(Status { beat, spans, draining: false, screened: Vec::new() })
    }
}

fn measure(workers: u32, streams: u32) -> f64 {
    let planner = Planner::new(Term(1), Policy::default(), Moment(0));
    let count = workers as usize;
    let mut pool = Pool {
        planner,
        took: Vec::new(),
        orders: vec![Vec::new(); count],
        known: Default::default(),
        sequences: vec![0; count],
        given: 0,
        applied: vec![(Term(0), 0); count],
    };
    for worker in 0..count {
        pool.tell(0, Event::Connected(hello(worker as u64)));
        let status = pool.status(worker);
        pool.tell(0, status);
    }
    for stream in 0..u64::from(streams) {
        pool.tell(0, Event::Job(film(stream)));
    }
    // From here on it counts: everybody begins to watch, and goes on.
    pool.took.clear();
    let begun = Instant::now();
    let mut now = 1_000;
    while now < PLAYED {
        for stream in 0..u64::from(streams) {
            // Viewers begin and report all over a quarter of a film's chunk.
            if (now / 250 + stream).is_multiple_of(24) {
                let played = now.saturating_sub(1_000) / SEGMENT;
                pool.tell(now, demand(stream, played as u32, now));
            }
        }
        for worker in 0..count {
            if (now / 250 + worker as u64).is_multiple_of(4) {
                let status = pool.status(worker);
                pool.tell(now, status);
            } else {
                let mut beat = pool.head(worker);
                beat.content = 0;
                pool.tell(now, Event::Beat(beat));
            }
        }
        now += 250;
    }
    let all: Duration = pool.took.iter().sum();
    assert!(begun.elapsed() >= all);
    report(workers, streams, pool, all)
}

fn report(workers: u32, streams: u32, mut pool: Pool, all: Duration) -> f64 {
    pool.took.sort_unstable();
    let events = pool.took.len();
    let micros = |at: usize| pool.took[at.min(events - 1)].as_secs_f64() * 1e6;
    let seconds = all.as_secs_f64();
    let per_order = seconds * 1e6 / pool.given.max(1) as f64;
    println!(
        "{workers:7} {streams:8} {:10.0} {:10.0} {:8.2} {:8.2} {:8.0} {per_order:10.2}",
        pool.given as f64 / seconds,
        events as f64 / seconds,
        micros(events / 2),
        micros(events * 99 / 100),
        micros(events - 1),
    );
    per_order
}

fn hello(worker: u64) -> Hello {
    let device = DeviceCapabilities {
        name: "device".to_owned(),
        family: EncoderFamily::Vaapi,
        capacity: Resources {
            video_ms: 1_000,
            render_ms: 1_000,
            cpu_ms: 8_000,
            memory_mib: 16_000,
        },
        calibration: Resources { video_ms: 60, render_ms: 30, cpu_ms: 100, memory_mib: 200 },
        spans_max: 32,
        batch_spans: 2,
    };
    let capabilities = Capabilities { name: format!("worker {worker}"), devices: vec![device] };
    Hello { worker: WorkerId(worker), incarnation: 1, stream: 1, capabilities }
}

fn film(stream: u64) -> JobFacts {
    JobFacts {
        id: JobId(Hash::of(&stream.to_le_bytes())),
        cuts: Cuts::Even {
            length: SEGMENT,
            segments: SEGMENTS,
            end: u64::from(SEGMENTS) * SEGMENT,
        },
        kind: stream % 7,
        decode_per_mille: 400,
        renditions_per_mille: vec![500, 100],
        lead_in: 1_000,
        families: vec![EncoderFamily::Vaapi],
        family: None,
        published: Vec::new(),
    }
}

fn demand(stream: u64, segment: u32, now: u64) -> Event {
    let renditions = Renditions::first(2);
    let demand = Demand { renditions, segment, due: Moment(now + 1_000), to_end: false };
    let job = JobId(Hash::of(&stream.to_le_bytes()));
    let until = Some(Moment(now + 60_000));
    let claim = Claim { job, purpose: Purpose::Playback(demand), until };
    Event::Claim { id: ClaimId(stream), claim }
}
