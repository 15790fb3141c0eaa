//! What a worker's daemon does for its session: processes, uploads, screenings.

use segue_dispatch::session::{Action, Event};
use segue_model::pool::{LeaseId, Measured, Order, Resources, Screened, Screening, SpanEnd};
use segue_model::{FailureClass, SegmentId, SpanFailure};

use crate::host::Process;
use crate::jobs::LENGTH;
use crate::world::{Happening, Up, World};

/// A process waits when so much of what it made is not stored.
const BACKLOG_MAX: usize = 12;
/// The daemon tries to store a segment so often.
const TRIES_MAX: u32 = 4;

impl World {
    pub fn tell_session(&mut self, host: usize, event: Event) {
        let state = &mut self.hosts[host];
        let clock = state.clock(self.now);
        let Some(session) = &mut state.session else { return };
        let actions = session.handle(clock, event);
        let next = session.deadline();
        for action in actions {
            self.act(host, action);
        }
        let state = &mut self.hosts[host];
        if state.session.is_none() {
            return;
        }
        if let Some(at) = next {
            let at = at.0.saturating_sub(state.offset).max(self.now + 1);
            if state.tick_at.is_none_or(|tick| tick > at || tick < self.now) {
                state.tick_at = Some(at);
                self.at(at, Happening::HostTick { host });
            }
        }
        self.check_host(host);
    }

    fn act(&mut self, host: usize, action: Action) {
        let stream = self.hosts[host].stream;
        match action {
            Action::Hello(hello) => self.send_up(host, stream, Up::Hello(hello)),
            Action::Status(status) => {
                self.hosts[host].sequence = status.beat.sequence;
                self.send_up(host, stream, Up::Status(status));
            }
            Action::Beat(beat) => {
                self.hosts[host].sequence = beat.sequence;
                self.send_up(host, stream, Up::Beat(beat));
            }
            Action::Start(order) => self.start_process(host, order),
            Action::Move { lease, end } => {
                if let Some(process) = self.hosts[host].processes.get_mut(&lease) {
                    process.order.span.end = end;
                }
                self.go_on(host, lease, 0);
            }
            Action::Stop(lease) => {
                self.hosts[host].processes.remove(&lease);
            }
            Action::Release(lease) => {
                self.hosts[host].memory.remove(&lease);
            }
            Action::Screen(screening) => {
                let life = self.hosts[host].incarnation;
                let at = self.now + self.chance.between(50, 500);
                self.at(at, Happening::Screened { host, screening, life });
            }
            Action::Leave => {
                let back_at = self.hosts[host].leaving.unwrap_or(self.now + 1_000);
                let connected = self.hosts[host].connected;
                self.hosts[host].stop();
                self.hosts[host].silent_since.get_or_insert(self.now);
                if connected {
                    self.at(self.now + 5, Happening::Up { host, stream, words: Up::Broken });
                }
                self.at(back_at, Happening::Restart { host });
            }
        }
    }

    fn start_process(&mut self, host: usize, order: Order) {
        self.check_start(host, &order);
        self.processes += 1;
        let process = Process {
            order,
            number: self.processes,
            next: order.span.first,
            working: false,
            hung: false,
            backlog: Default::default(),
        };
        self.hosts[host].processes.insert(order.lease, process);
        self.hosts[host].memory.entry(order.lease).or_default();
        self.go_on(host, order.lease, 1_000);
    }

    /// A process makes its next segment, if there is one to make.
    fn go_on(&mut self, host: usize, lease: LeaseId, lead_in: u64) {
        let now = self.now;
        let state = &mut self.hosts[host];
        let Some(process) = state.processes.get_mut(&lease) else { return };
        let idle = process.working
            || process.hung
            || process.next >= process.order.span.end
            || process.backlog.len() >= BACKLOG_MAX;
        if idle {
            return;
        }
        process.working = true;
        let (order, number) = (process.order, process.number);
        let pace = state.pace(now, &order, LENGTH + lead_in);
        let pace = pace * self.chance.between(80, 120) / 100;
        let broken = state.black_hole_until > now && order.device == 0;
        let took = if broken { 20 } else { pace.max(1) };
        self.at(now + took, Happening::Made { host, lease, number });
    }

    pub fn made(&mut self, host: usize, lease: LeaseId, number: u64) {
        let state = &mut self.hosts[host];
        let Some(process) = state.processes.get_mut(&lease).filter(|p| p.number == number) else {
            return;
        };
        process.working = false;
        let (order, index) = (process.order, process.next);
        if index >= order.span.end {
            return;
        }
        if let Some(end) = self.mishap(host, &order, index) {
            self.hosts[host].processes.remove(&lease);
            return self.tell_session(host, Event::Ended { lease, end });
        }
        if self.hosts[host].processes.get(&lease).is_none_or(|process| process.hung) {
            return;
        }
        let state = &mut self.hosts[host];
        let life = state.incarnation;
        if let Some(process) = state.processes.get_mut(&lease) {
            process.next += 1;
            process.backlog.extend(order.renditions.iter().map(|rendition| (rendition, index)));
        }
        let pace_ms = state.pace(self.now, &order, LENGTH) as u32;
        let effort = Resources {
            cpu_ms: (4_000_000 / state.speed) as u32,
            memory_mib: 100,
            ..Resources::default()
        };
        let measured = Measured { segments: index + 1 - order.span.first, pace_ms, effort };
        self.tell_session(host, Event::Measured { lease, measured });
        for rendition in order.renditions.iter() {
            let memory = self.hosts[host].memory.entry(lease).or_default();
            memory.insert((order.job, rendition, index));
            self.tell_session(
                host,
                Event::Ready { lease, segment: SegmentId { rendition, index } },
            );
            let at = self.now + self.chance.between(5, 150);
            let segment = (rendition, index);
            self.at(at, Happening::Stored { host, lease, segment, tries: 0, life });
        }
        self.go_on(host, lease, 0);
    }

    /// What goes wrong with a segment, if anything does.
    fn mishap(&mut self, host: usize, order: &Order, index: u32) -> Option<SpanEnd> {
        let film = self.films.iter().find(|film| film.id == order.job)?;
        let (bad, poison) = (film.bad_at, film.poison_at);
        let failed = |class, message: &str| {
            let (message, log) = (message.to_owned(), Vec::new());
            Some(SpanEnd::Failed(SpanFailure { class, message, log }))
        };
        let state = &mut self.hosts[host];
        if order.device == 0 && state.black_hole_until > self.now {
            state.faults += 1;
            return failed(FailureClass::Worker, "the device is lost");
        }
        if bad.is_some_and(|bad| bad <= index) {
            return failed(FailureClass::Source, "invalid data");
        }
        if order.device == 0 && state.liar_until > self.now && self.chance.happens(5_000) {
            state.faults += 1;
            return failed(FailureClass::Source, "invalid data, or so I say");
        }
        if poison == Some(index) {
            state.faults += 1;
            return Some(SpanEnd::Died);
        }
        if self.is_clear() {
            return None;
        }
        let weather = (self.weather.crash, self.weather.kill, self.weather.hang);
        if self.chance.happens(weather.0) {
            self.hosts[host].faults += 1;
            return Some(SpanEnd::Died);
        }
        if self.chance.happens(weather.1) {
            return Some(SpanEnd::Killed);
        }
        if self.chance.happens(self.weather.early) {
            self.hosts[host].faults += 1;
            let done = self.chance.happens(5_000);
            return Some(if done { SpanEnd::Done } else { SpanEnd::Returned });
        }
        if self.chance.happens(weather.2) {
            self.hosts[host].faults += 1;
            let process = self.hosts[host].processes.get_mut(&order.lease);
            process.into_iter().for_each(|process| process.hung = true);
        }
        None
    }

    pub fn stored(&mut self, host: usize, lease: LeaseId, segment: (u32, u32), tries: u32) {
        let (now, life) = (self.now, self.hosts[host].incarnation);
        let Some(memory) = self.hosts[host].memory.get(&lease) else { return };
        let (rendition, index) = segment;
        let Some(id) = memory.iter().find(|(_, r, i)| (*r, *i) == segment).copied() else { return };
        let stalled = self.store_stalls_until > now;
        let again = |world: &mut World, at: u64, tries: u32| {
            world.at(at, Happening::Stored { host, lease, segment, tries, life });
        };
        if stalled {
            let at = self.store_stalls_until + self.chance.below(300);
            return again(self, at, tries);
        }
        if self.store_errs_until > now {
            if tries + 1 < TRIES_MAX {
                return again(self, now + 200, tries + 1);
            }
            self.hosts[host].processes.remove(&lease);
            self.hosts[host].memory.get_mut(&lease).into_iter().for_each(|all| all.clear());
            let (message, log) = ("the store is unavailable".to_owned(), Vec::new());
            let class = FailureClass::Transient;
            let end = SpanEnd::Failed(SpanFailure { class, message, log });
            return self.tell_session(host, Event::Ended { lease, end });
        }
        self.store.insert(id);
        if let Some(process) = self.hosts[host].processes.get_mut(&lease) {
            process.backlog.remove(&segment);
        }
        let segment = SegmentId { rendition, index };
        self.tell_session(host, Event::Published { lease, segment });
        self.go_on(host, lease, 0);
    }

    pub fn screened(&mut self, host: usize, screening: Screening, life: u64) {
        let state = &self.hosts[host];
        if state.incarnation == life {
            let passed = state.black_hole_until <= self.now || screening.device != 0;
            self.tell_session(host, Event::Screened(Screened { screening, passed }));
        }
    }
}
