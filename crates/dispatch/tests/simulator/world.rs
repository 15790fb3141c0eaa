//! A seed's life: hosts, network, store, viewers and a scheduler's shell around the very planner,
//! in simulated time. Everything that happens comes from one queue and one stream of chance.

use std::collections::{BTreeMap, BTreeSet};

use segue_dispatch::planner::{Decision, Event, JobFacts, Policy};
use segue_dispatch::{Moment, Planner, session};
use segue_model::pool::{Answer, Beat, ClaimId, Desired, Hello, LeaseId, Screening, Status, Term};
use segue_model::{JobId, SegmentId};

use crate::chance::Chance;
use crate::check::Checks;
use crate::flaw::Flaw;
use crate::host::Host;
use crate::hurry::Hurry;
use crate::jobs::{Film, Viewer};
use crate::rest::Rests;
use crate::weather::{CLEAR_AT, Fault, OVER_AT, Weather};

/// What is under way.
#[derive(Clone, Debug)]
pub enum Happening {
    Up {
        host: usize,
        stream: u64,
        words: Up,
    },
    Down {
        host: usize,
        stream: u64,
        /// Which of the worker's processes the stream is of: each counts its own from one.
        life: u64,
        words: Down,
    },
    /// The worker's end sees that its stream broke.
    Cut {
        host: usize,
        stream: u64,
    },
    Reconnect {
        host: usize,
    },
    Restart {
        host: usize,
    },
    HostTick {
        host: usize,
    },
    PlannerTick,
    Told(Event),
    Lead,
    Made {
        host: usize,
        lease: LeaseId,
        number: u64,
    },
    Stored {
        host: usize,
        lease: LeaseId,
        segment: (u32, u32),
        tries: u32,
        life: u64,
    },
    Screened {
        host: usize,
        screening: Screening,
        life: u64,
    },
    Watch {
        viewer: usize,
    },
    Fault(Fault),
}

#[derive(Clone, Debug)]
pub enum Up {
    Hello(Hello),
    Status(Status),
    Beat(Beat),
    Broken,
}

#[derive(Clone, Debug)]
pub enum Down {
    Desired(Desired),
    Answer(Answer),
}

pub struct World {
    pub now: u64,
    order: u64,
    queue: BTreeMap<(u64, u64), Happening>,
    pub chance: Chance,
    pub weather: Weather,
    pub flaw: Option<Flaw>,
    pub planner: Option<Planner>,
    pub term: u64,
    pub planner_tick: Option<u64>,
    pub planner_frozen_until: u64,
    pub hosts: Vec<Host>,
    pub films: Vec<Film>,
    pub viewers: Vec<Viewer>,
    pub rests: Rests,
    pub hurry: Hurry,
    /// Whether there is too little for all, all the time.
    pub weak: bool,
    pub store: BTreeSet<(JobId, u32, u32)>,
    pub store_stalls_until: u64,
    pub store_errs_until: u64,
    pub processes: u64,
    pub checks: Checks,
    /// The last beat of each host, for a flaw that makes them up.
    pub last_beats: BTreeMap<usize, (u64, Beat)>,
    /// Whose each host's streams are, as the scheduler was greeted.
    greeted: BTreeMap<(usize, u64), u64>,
}

impl World {
    pub fn of(seed: u64, flaw: Option<Flaw>) -> World {
        let mut chance = Chance::of(seed);
        let weak = chance.happens(2_500);
        let hosts = chance.between(2, if weak { 3 } else { 6 }) as usize;
        let weather = Weather::of(&mut chance, hosts);
        let hosts = (0..hosts).map(|index| Host::new(&mut chance, index, weak)).collect();
        let films = 0..chance.between(1, 5);
        let films: Vec<Film> = films.map(|index| Film::of(&mut chance, index, weak)).collect();
        let viewers = (0..chance.below(7)).map(|index| Viewer::of(&mut chance, index, &films));
        let viewers = viewers.collect();
        let mut world = World {
            now: 0,
            order: 0,
            queue: BTreeMap::new(),
            chance,
            weather,
            flaw,
            planner: None,
            term: 0,
            planner_tick: None,
            planner_frozen_until: 0,
            hosts,
            films,
            viewers,
            rests: Rests::default(),
            hurry: Hurry::default(),
            weak,
            store: BTreeSet::new(),
            store_stalls_until: 0,
            store_errs_until: 0,
            processes: 0,
            checks: Checks::default(),
            last_beats: BTreeMap::new(),
            greeted: BTreeMap::new(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.at(0, Happening::Lead);
        for host in 0..self.hosts.len() {
            let at = self.chance.below(1_000);
            self.at(at, Happening::Restart { host });
        }
        for viewer in 0..self.viewers.len() {
            self.at(self.viewers[viewer].begins_at, Happening::Watch { viewer });
        }
        for (at, fault) in self.weather.faults.clone() {
            self.at(at, Happening::Fault(fault));
        }
    }

    /// Lives until all is done or time is over; what was wrong, if anything was.
    pub fn live(&mut self) -> Option<String> {
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > OVER_AT {
                break;
            }
            self.now = at;
            self.checks.log(at, &happening);
            self.happen(happening);
            if self.checks.broken.is_some() {
                break;
            }
            if at > CLEAR_AT && self.is_all_done() {
                self.check_end();
                return self.checks.broken.take();
            }
        }
        if self.checks.broken.is_none() {
            self.check_unfinished();
        }
        self.checks.broken.take()
    }

    pub fn at(&mut self, at: u64, happening: Happening) {
        self.order += 1;
        self.queue.insert((at.max(self.now), self.order), happening);
    }

    pub fn is_clear(&self) -> bool {
        self.now >= CLEAR_AT
    }

    fn is_all_done(&self) -> bool {
        let viewers = self.viewers.iter().all(|viewer| viewer.done);
        let films = self.films.iter().all(|film| film.is_settled());
        let calm = || {
            let Some(planner) = &self.planner else { return false };
            let view = planner.view();
            let mut devices = view.workers.iter().flat_map(|worker| &worker.devices);
            view.jobs == 0 && devices.all(|device| device.trusted)
        };
        viewers && films && calm()
    }

    fn happen(&mut self, happening: Happening) {
        // Who stands still finds everything in its queue when it goes on.
        if let Some(until) = self.standstill(&happening) {
            return self.at(until, happening);
        }
        match happening {
            Happening::Up { host, stream, words } => self.up(host, stream, words),
            Happening::Down { host, stream, life, words } => {
                if self.hosts[host].incarnation == life {
                    self.down(host, stream, words);
                }
            }
            Happening::Cut { host, stream } => self.cut(host, stream),
            Happening::Reconnect { host } => self.connect(host),
            Happening::Restart { host } => {
                if self.hosts[host].session.is_none() {
                    self.hosts[host].start(self.now);
                    self.connect(host);
                }
            }
            Happening::HostTick { host } => {
                // An earlier one was set since; this one is forgotten.
                if self.hosts[host].tick_at.is_some_and(|at| at <= self.now) {
                    self.hosts[host].tick_at = None;
                    self.tell_session(host, session::Event::Tick);
                }
            }
            Happening::PlannerTick => {
                if self.planner_tick.is_some_and(|at| at <= self.now) {
                    self.planner_tick = None;
                    self.tell_planner(Event::Tick);
                }
            }
            Happening::Told(event) => self.tell_planner(event),
            Happening::Lead => self.lead(),
            Happening::Made { host, lease, number } => self.made(host, lease, number),
            Happening::Stored { host, lease, segment, tries, life } => {
                if self.hosts[host].incarnation == life && self.hosts[host].session.is_some() {
                    self.stored(host, lease, segment, tries);
                }
            }
            Happening::Screened { host, screening, life } => self.screened(host, screening, life),
            Happening::Watch { viewer } => self.watch(viewer),
            Happening::Fault(fault) => self.fault(fault),
        }
    }

    fn standstill(&self, happening: &Happening) -> Option<u64> {
        let until = match happening {
            Happening::Down { host, .. }
            | Happening::Cut { host, .. }
            | Happening::Restart { host }
            | Happening::Reconnect { host }
            | Happening::HostTick { host }
            | Happening::Made { host, .. }
            | Happening::Stored { host, .. }
            | Happening::Screened { host, .. } => self.hosts[*host].frozen_until,
            Happening::Up { .. } | Happening::PlannerTick => self.planner_frozen_until,
            _ => 0,
        };
        (until > self.now).then_some(until)
    }

    // The scheduler's shell.

    fn lead(&mut self) {
        self.term += 1;
        let policy: Policy = Flaw::policy(self.flaw);
        self.planner = Some(Planner::new(Term(self.term), policy, Moment(self.now)));
        self.checks.led(self.now);
        self.rests.clear();
        self.hurry.clear();
        for film in 0..self.films.len() {
            if self.films[film].batch_open() {
                self.tell_film(film);
                let (id, claim) = self.films[film].batch_claim();
                self.tell_planner(Event::Claim { id, claim });
            }
        }
    }

    /// As a scheduler does that reads job and segments from the store.
    pub fn tell_film(&mut self, film: usize) {
        let facts: JobFacts = self.films[film].facts(&self.store);
        self.films[film].told = facts.family.is_some();
        self.checks.knows(facts.id);
        self.tell_planner(Event::Job(facts));
    }

    pub fn tell_planner(&mut self, event: Event) {
        if self.planner_frozen_until > self.now {
            return self.at(self.planner_frozen_until, Happening::Told(event));
        }
        let Some(planner) = &mut self.planner else { return };
        self.rests.told(&event);
        self.hurry.told(&event);
        let decisions = planner.handle(Moment(self.now), event);
        self.checks.steps += 1;
        let next = planner.deadline();
        for decision in decisions {
            self.decided(decision);
        }
        if let Some(Moment(at)) = next
            && self.planner_tick.is_none_or(|tick| tick > at.max(self.now))
        {
            let at = at.max(self.now);
            self.planner_tick = Some(at);
            let late = if self.chance.happens(30) { self.chance.below(250) } else { 0 };
            self.at(at + late, Happening::PlannerTick);
        }
        self.check_planner();
    }

    fn decided(&mut self, decision: Decision) {
        self.checks.decided(self.now, &decision);
        match decision {
            Decision::Desire { worker, desired } => {
                self.check_desired(worker, &desired);
                let host = (worker.0 - 1) as usize;
                let repeated = self.checks.is_repeated(worker, &desired);
                if self.flaw == Some(Flaw::NeverRepeats) && repeated {
                    return;
                }
                self.send_down(host, desired.answer.stream, Down::Desired(desired));
            }
            Decision::Answer { worker, answer } => {
                let host = (worker.0 - 1) as usize;
                self.send_down(host, answer.stream, Down::Answer(answer));
            }
            Decision::Finished { claim, job } => self.finished(claim, job),
            Decision::Failed { job, failure } => self.failed(job, &failure),
            Decision::Forgotten(job) => self.checks.forgotten(job),
            Decision::Noted(note) => self.check_note(&note),
            // Whoever wants it says so again soon.
            Decision::Unknown { .. } => {}
            // Closed, and tried again.
            Decision::NameTaken { worker, incarnation, .. } => {
                let host = (worker.0 - 1) as usize;
                if self.hosts[host].incarnation == incarnation {
                    let stream = self.hosts[host].stream;
                    self.at(self.now, Happening::Cut { host, stream });
                }
            }
            Decision::NotGreeted { worker, stream } => {
                let host = (worker.0 - 1) as usize;
                self.at(self.now, Happening::Cut { host, stream });
            }
            Decision::Outranked { worker, term } => {
                let what = format!("{worker:?} goes by {term:?}, {} leads", self.term);
                self.checks.broke("nobody goes by who never led", what);
            }
        }
    }

    fn finished(&mut self, claim: ClaimId, job: JobId) {
        let mut batches = self.films.iter_mut().filter(|film| film.batch_claim().0 == claim);
        let Some(film) = batches.find(|film| film.id == job) else { return };
        film.finished = true;
        let lacking = film.missing(&self.store);
        if let Some((rendition, index)) = lacking {
            self.checks.broke(
                "a batch is finished only when all is published",
                format!("claim {claim:?}: rendition {rendition} segment {index} is not"),
            );
        }
    }

    // The network.

    fn delay(&mut self) -> u64 {
        if !self.is_clear() && self.chance.happens(self.weather.very_late) {
            return self.chance.between(300, 2_000);
        }
        let most = if self.is_clear() { 5 } else { self.weather.delay_max };
        self.chance.between(1, most)
    }

    fn is_lost(&mut self, host: usize) -> bool {
        let cut_off = self.hosts[host].cut_off_until > self.now;
        cut_off || (!self.is_clear() && self.chance.happens(self.weather.loss))
    }

    pub fn send_up(&mut self, host: usize, stream: u64, words: Up) {
        let sacred = matches!(words, Up::Hello(_) | Up::Broken);
        if !sacred && self.is_lost(host) {
            self.hosts[host].unheard += 1;
            return;
        }
        if !sacred && !self.is_clear() && self.chance.happens(self.weather.doubled) {
            let at = self.now + self.delay();
            self.at(at, Happening::Up { host, stream, words: words.clone() });
        }
        let at = self.now + self.delay();
        self.at(at, Happening::Up { host, stream, words });
    }

    fn send_down(&mut self, host: usize, stream: u64, words: Down) {
        if self.is_lost(host) {
            return;
        }
        let life = self.greeted.get(&(host, stream)).copied().unwrap_or(0);
        if !self.is_clear() && self.chance.happens(self.weather.doubled) {
            let at = self.now + self.delay();
            self.at(at, Happening::Down { host, stream, life, words: words.clone() });
        }
        let at = self.now + self.delay();
        self.at(at, Happening::Down { host, stream, life, words });
    }

    fn up(&mut self, host: usize, stream: u64, words: Up) {
        let worker = self.hosts[host].id;
        self.hosts[host].unheard = 0;
        if self.planner.is_none() {
            return self.at(self.now + 50, Happening::Cut { host, stream });
        }
        if self.hosts[host].cut_off_until > self.now && !matches!(words, Up::Broken) {
            // Opening a stream fails; anything else is lost on the way.
            if matches!(words, Up::Hello(_)) {
                self.at(self.now + 500, Happening::Cut { host, stream });
            }
            return;
        }
        match words {
            Up::Hello(hello) => {
                self.greeted.insert((host, stream), hello.incarnation);
                self.tell_planner(Event::Connected(hello));
            }
            Up::Status(status) => {
                let mut status = match self.flaw {
                    Some(flaw) => flaw.hears(status),
                    None => status,
                };
                if self.hosts[host].babbles_until > self.now {
                    self.garble(&mut status);
                }
                self.checks.said(self.now, self.planner.as_ref(), &status);
                self.last_beats.insert(host, (self.now, status.beat));
                self.tell_planner(Event::Status(status));
            }
            Up::Beat(beat) => {
                self.last_beats.insert(host, (self.now, beat));
                self.tell_planner(Event::Beat(beat));
            }
            Up::Broken => self.tell_planner(Event::Broken { worker, stream }),
        }
        self.make_up_beats();
    }

    /// What a worker of another mind could say. Not what is published: nobody could tell.
    fn garble(&mut self, status: &mut Status) {
        let most = self.chance.below(3) as u32 * (u32::MAX / 2);
        let Some(span) = status.spans.last_mut() else { return };
        match self.chance.below(8) {
            0 => span.ready_through = most,
            // What it says to hold beyond that, it goes on with.
            1 => span.order.span.end = span.order.span.first,
            2 => span.order.device = most as u16,
            3 => span.order.renditions = segue_model::pool::Renditions::NONE,
            4 => span.gaps.push(SegmentId { rendition: most, index: most }),
            5 => span.order.lease.epoch = u64::from(most),
            6 => {
                let measured = span.measured.as_mut();
                measured.into_iter().for_each(|m| (m.pace_ms, m.segments) = (most, most));
            }
            _ => span.end = Some(segue_model::pool::SpanEnd::Done),
        }
    }

    /// What a planner that takes every silence for life would see.
    fn make_up_beats(&mut self) {
        if self.flaw != Some(Flaw::NeverFences) {
            return;
        }
        for host in 0..self.hosts.len() {
            let Some((at, beat)) = self.last_beats.get_mut(&host) else { continue };
            if self.now >= *at + 250 {
                *at = self.now;
                beat.sequence += 1;
                let beat = *beat;
                self.tell_planner(Event::Beat(beat));
            }
        }
    }

    fn down(&mut self, host: usize, stream: u64, words: Down) {
        let state = &mut self.hosts[host];
        if self.flaw != Some(Flaw::BeginsLate) && (state.stream != stream || !state.connected) {
            return;
        }
        if state.session.is_none() || state.cut_off_until > self.now {
            return;
        }
        state.heard_at = self.now;
        let event = match words {
            Down::Answer(answer) => session::Event::Answer(answer),
            Down::Desired(desired) => {
                let applied = state.session.as_ref().map_or(0, |s| s.applied().1);
                let sent = (state.stream, state.sequence);
                let desired = match self.flaw {
                    Some(flaw) => flaw.reads(desired, applied, sent),
                    None => desired,
                };
                session::Event::Desired(desired)
            }
        };
        self.tell_session(host, event);
    }

    pub fn connect(&mut self, host: usize) {
        if self.hosts[host].session.is_none() || self.hosts[host].connected {
            return;
        }
        if self.planner.is_none() || self.hosts[host].cut_off_until > self.now {
            return self.at(self.now + 300, Happening::Reconnect { host });
        }
        let state = &mut self.hosts[host];
        state.connected = true;
        state.stream += 1;
        state.heard_at = self.now;
        self.tell_session(host, session::Event::Connected);
    }

    fn cut(&mut self, host: usize, stream: u64) {
        let state = &mut self.hosts[host];
        if !state.connected || state.stream != stream || state.session.is_none() {
            return;
        }
        state.connected = false;
        self.tell_session(host, session::Event::Disconnected { stream });
        let at = self.now + self.chance.between(50, 800);
        self.at(at, Happening::Reconnect { host });
    }

    /// Both ends see it, each in its time.
    pub fn break_stream(&mut self, host: usize) {
        let stream = self.hosts[host].stream;
        if self.hosts[host].connected {
            let (there, here) = (self.chance.below(40), self.chance.below(40));
            self.at(self.now + there, Happening::Up { host, stream, words: Up::Broken });
            self.at(self.now + here, Happening::Cut { host, stream });
        }
    }
}
