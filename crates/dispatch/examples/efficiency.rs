//! How well the planner shares one film out: the time that workers of different speeds take together,
//! against what they would take if none of them ever waited or read anything twice. In simulated time,
//! the planner and sessions that ship; some seconds of real time:
//!
//! `cargo run --release --locked -p segue-dispatch --example efficiency`

use std::collections::{BTreeMap, BTreeSet};

use segue_dispatch::planner::{Claim, Cuts, Decision, Event, JobFacts, Policy, Purpose};
use segue_dispatch::session::{self, Action, Patience};
use segue_dispatch::{Moment, Planner, Session};
use segue_model::pool::{
    Capabilities, ClaimId, DeviceCapabilities, EncoderFamily, LeaseId, Measured, Order, Renditions,
    Resources, Term, WorkerId,
};
use segue_model::{Hash, JobId, SegmentId, Span};

const SEGMENT: u64 = 2_000;
/// Film that a span reads before its first segment: half of a keyframe distance of 5 s.
const LEAD_IN: u64 = 2_500;
/// From one machine to another.
const NETWORK: u64 = 2;

fn main() {
    println!("workers  speeds      film   takes    ideal    efficiency");
    for workers in [2, 8, 64, 256] {
        for (slow, fast) in [(4, 4), (2, 8)] {
            // An hour for each 32 workers: a film where there are few, a season where there are many.
            let minutes = (workers * 60 / 32).max(30);
            measure(workers, (slow, fast), minutes * 60 * 1000 / SEGMENT);
        }
    }
}

/// `speeds`: the slowest and the fastest, in film seconds per second.
fn measure(workers: u64, speeds: (u64, u64), segments: u64) {
    let mut pool = Pool::new(workers, speeds, segments as u32);
    let begun = pool.settle();
    let took = pool.run() - begun;
    let together: u64 = pool.hosts.iter().map(|host| host.speed).sum();
    let ideal = segments * SEGMENT * 1000 / together;
    println!(
        "{workers:7}  {:4}-{}x  {:5} min  {:6.1} s  {:6.1} s  {:.3}",
        speeds.0,
        speeds.1,
        segments * SEGMENT / 60_000,
        took as f64 / 1000.0,
        ideal as f64 / 1000.0,
        ideal as f64 / took as f64
    );
}

struct Host {
    session: Session,
    /// Film milliseconds per second.
    speed: u64,
    running: BTreeMap<LeaseId, Running>,
    tick: Option<u64>,
}

struct Running {
    order: Order,
    next: u32,
    busy: bool,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Tell(usize),
    Tick(usize),
    PlannerTick,
    Made(usize, LeaseId),
}

struct Pool {
    now: u64,
    count: u64,
    queue: BTreeSet<(u64, u64, Happening)>,
    /// What is on its way to the planner or to a host, by the number of its happening.
    events: BTreeMap<u64, Event>,
    words: BTreeMap<u64, session::Event>,
    planner: Planner,
    planner_tick: Option<u64>,
    hosts: Vec<Host>,
    segments: u32,
    finished: bool,
}

impl Pool {
    fn new(workers: u64, (slow, fast): (u64, u64), segments: u32) -> Pool {
        let host = |index: u64| {
            let speed = (slow * (workers - 1 - index) + fast * index) * 1000 / (workers - 1).max(1);
            let device = DeviceCapabilities {
                name: "processor".to_owned(),
                family: EncoderFamily::X264,
                capacity: Resources { cpu_ms: 1_000, memory_mib: 8_000, ..Resources::default() },
                calibration: Resources {
                    cpu_ms: (1_000_000 / speed) as u32,
                    memory_mib: 100,
                    ..Resources::default()
                },
                spans_max: 8,
                batch_spans: 1,
            };
            let capabilities = Capabilities { name: index.to_string(), devices: vec![device] };
            let (id, patience) = (WorkerId(index), Patience::default());
            let session = Session::new(id, 1, capabilities, patience, Moment(0));
            Host { session, speed, running: BTreeMap::new(), tick: None }
        };
        Pool {
            now: 0,
            count: 0,
            queue: BTreeSet::new(),
            events: BTreeMap::new(),
            words: BTreeMap::new(),
            planner: Planner::new(Term(1), Policy::default(), Moment(0)),
            planner_tick: None,
            hosts: (0..workers).map(host).collect(),
            segments,
            finished: false,
        }
    }

    /// Everybody connects; then the film is asked for. When that was.
    fn settle(&mut self) -> u64 {
        for host in 0..self.hosts.len() {
            self.tell_session(host, session::Event::Connected);
        }
        self.run_until(|pool| pool.now >= 2_000);
        let end = u64::from(self.segments) * SEGMENT;
        let job = JobId(Hash::of(b"film"));
        self.tell_planner(Event::Job(JobFacts {
            id: job,
            cuts: Cuts::Even { length: SEGMENT, segments: self.segments, end },
            kind: 1,
            decode_per_mille: 500,
            renditions_per_mille: vec![500],
            lead_in: LEAD_IN,
            families: vec![EncoderFamily::X264],
            family: None,
            published: Vec::new(),
        }));
        let purpose = Purpose::Batch { renditions: Renditions::only(0), deadline: None };
        let claim = Claim { job, purpose, until: None };
        self.tell_planner(Event::Claim { id: ClaimId(1), claim });
        self.now
    }

    fn run(&mut self) -> u64 {
        self.run_until(|pool| pool.finished);
        self.now
    }

    fn run_until(&mut self, over: impl Fn(&Pool) -> bool) {
        while !over(self) {
            let Some((at, number, happening)) = self.queue.pop_first() else { return };
            self.now = at;
            match happening {
                Happening::Tell(host) => {
                    if let Some(event) = self.events.remove(&number) {
                        self.tell_planner(event);
                    } else if let Some(words) = self.words.remove(&number) {
                        self.tell_session(host, words);
                    }
                }
                Happening::Tick(host) => {
                    if self.hosts[host].tick == Some(at) {
                        self.hosts[host].tick = None;
                        self.tell_session(host, session::Event::Tick);
                    }
                }
                Happening::PlannerTick => {
                    if self.planner_tick == Some(at) {
                        self.planner_tick = None;
                        self.tell_planner(Event::Tick);
                    }
                }
                Happening::Made(host, lease) => self.made(host, lease),
            }
        }
    }

    fn at(&mut self, at: u64, happening: Happening) -> u64 {
        self.count += 1;
        self.queue.insert((at, self.count, happening));
        self.count
    }

    fn tell_planner(&mut self, event: Event) {
        let decisions = self.planner.handle(Moment(self.now), event);
        for decision in decisions {
            let (worker, words) = match decision {
                Decision::Desire { worker, desired } => (worker, session::Event::Desired(desired)),
                Decision::Answer { worker, answer } => (worker, session::Event::Answer(answer)),
                Decision::Finished { .. } => {
                    self.finished = true;
                    continue;
                }
                _ => continue,
            };
            let number = self.at(self.now + NETWORK, Happening::Tell(worker.0 as usize));
            self.words.insert(number, words);
        }
        if let Some(Moment(at)) = self.planner.deadline() {
            let at = at.max(self.now + 1);
            self.planner_tick = Some(at);
            self.at(at, Happening::PlannerTick);
        }
    }

    fn tell_session(&mut self, host: usize, event: session::Event) {
        let actions = self.hosts[host].session.handle(Moment(self.now), event);
        for action in actions {
            let event = match action {
                Action::Hello(hello) => Event::Connected(hello),
                Action::Status(status) => Event::Status(status),
                Action::Beat(beat) => Event::Beat(beat),
                Action::Start(order) => {
                    let running = Running { order, next: order.span.first, busy: false };
                    self.hosts[host].running.insert(order.lease, running);
                    self.go_on(host, order.lease, LEAD_IN);
                    continue;
                }
                Action::Move { lease, end } => {
                    if let Some(running) = self.hosts[host].running.get_mut(&lease) {
                        running.order.span.end = end;
                    }
                    self.go_on(host, lease, 0);
                    continue;
                }
                Action::Stop(lease) => {
                    self.hosts[host].running.remove(&lease);
                    continue;
                }
                Action::Release(_) | Action::Screen(_) | Action::Leave => continue,
            };
            let number = self.at(self.now + NETWORK, Happening::Tell(host));
            self.events.insert(number, event);
        }
        if let Some(Moment(at)) = self.hosts[host].session.deadline() {
            let at = at.max(self.now + 1);
            self.hosts[host].tick = Some(at);
            self.at(at, Happening::Tick(host));
        }
    }

    /// `lead_in`: film that is decoded first, at half of what encoding it as well would take.
    fn go_on(&mut self, host: usize, lease: LeaseId, lead_in: u64) {
        let state = &mut self.hosts[host];
        let Some(running) = state.running.get_mut(&lease) else { return };
        let Span { end, .. } = running.order.span;
        if running.busy || running.next >= end {
            return;
        }
        running.busy = true;
        let lead_in = if running.next == 0 { 0 } else { lead_in };
        let took = (SEGMENT + lead_in / 2) * 1000 / state.speed;
        self.at(self.now + took, Happening::Made(host, lease));
    }

    fn made(&mut self, host: usize, lease: LeaseId) {
        let state = &mut self.hosts[host];
        let Some(running) = state.running.get_mut(&lease) else { return };
        running.busy = false;
        let index = running.next;
        if index >= running.order.span.end {
            return;
        }
        running.next += 1;
        let segments = running.next - running.order.span.first;
        let pace_ms = (SEGMENT * 1000 / state.speed) as u32;
        let cpu_ms = (1_000_000 / state.speed) as u32;
        let effort = Resources { cpu_ms, memory_mib: 100, ..Resources::default() };
        let measured = Measured { segments, pace_ms, effort };
        let segment = SegmentId { rendition: 0, index };
        self.go_on(host, lease, 0);
        self.tell_session(host, session::Event::Measured { lease, measured });
        self.tell_session(host, session::Event::Ready { lease, segment });
        self.tell_session(host, session::Event::Published { lease, segment });
    }
}
