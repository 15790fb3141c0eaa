//! Makes things go wrong.

use segue_dispatch::Planner;
use segue_dispatch::planner::Event;
use segue_dispatch::session;
use segue_model::SegmentId;

use crate::weather::{CLEAR_AT, Fault};
use crate::world::{Happening, Up, World};

impl World {
    pub fn fault(&mut self, fault: Fault) {
        let now = self.now;
        // Whatever lasts is over when the weather clears.
        let until = |length: u64| (now + length).min(CLEAR_AT);
        match fault {
            Fault::Crash { host, silent, back_after } => {
                self.crash(host, silent);
                self.at(until(back_after), Happening::Restart { host });
            }
            Fault::Freeze { host, length } => {
                let state = &mut self.hosts[host];
                state.frozen_until = state.frozen_until.max(until(length));
                state.troubled_until = state.troubled_until.max(state.frozen_until);
                state.faults += 1;
            }
            Fault::Partition { host, length } => {
                let state = &mut self.hosts[host];
                state.cut_off_until = state.cut_off_until.max(until(length));
                state.troubled_until = state.troubled_until.max(state.cut_off_until);
                if state.session.is_some() {
                    state.silent_since.get_or_insert(now);
                }
                if self.chance.happens(5_000) {
                    let stream = self.hosts[host].stream;
                    let at = self.hosts[host].cut_off_until + self.chance.below(200);
                    self.at(at, Happening::Up { host, stream, words: Up::Broken });
                    self.at(at, Happening::Cut { host, stream });
                }
            }
            Fault::Break { host } => self.break_stream(host),
            Fault::BlackHole { host, length } => {
                self.hosts[host].black_hole_until = until(length);
            }
            Fault::Liar { host, length } => self.hosts[host].liar_until = until(length),
            Fault::Slow { host, factor, length } => {
                self.hosts[host].slow = (factor, until(length));
                self.hosts[host].faults += u32::from(factor > 5);
            }
            Fault::StoreStalls { length } => self.store_stalls_until = until(length),
            Fault::StoreErrs { length } => self.store_errs_until = until(length),
            Fault::SchedulerFreezes { length } => self.planner_frozen_until = until(length),
            Fault::SchedulerRestarts { after } => self.scheduler_dies(after),
            Fault::Leave { host, back_after } => {
                if self.hosts[host].session.is_some() {
                    self.hosts[host].leaving = Some(until(back_after));
                    self.tell_session(host, session::Event::Drain);
                }
            }
            Fault::Vanish => self.vanish(),
            Fault::Babble { host, length } => {
                self.hosts[host].babbles_until = until(length);
                self.hosts[host].faults += 1;
                self.hosts[host].troubled_until =
                    self.hosts[host].troubled_until.max(until(length));
            }
        }
    }

    fn crash(&mut self, host: usize, silent: bool) {
        let state = &mut self.hosts[host];
        if state.session.is_none() {
            return;
        }
        let (stream, connected) = (state.stream, state.connected);
        state.troubled_until = state.troubled_until.max(self.now);
        state.silent_since.get_or_insert(self.now);
        state.stop();
        if !silent && connected {
            let at = self.now + self.chance.below(20);
            self.at(at, Happening::Up { host, stream, words: Up::Broken });
        }
    }

    fn scheduler_dies(&mut self, after: u64) {
        if self.planner.take().is_none() {
            return;
        }
        self.planner_tick = None;
        self.planner_frozen_until = self.now;
        self.last_beats.clear();
        self.checks.died();
        for host in 0..self.hosts.len() {
            let stream = self.hosts[host].stream;
            let at = self.now + self.chance.below(50);
            self.at(at, Happening::Cut { host, stream });
        }
        self.at((self.now + after).min(CLEAR_AT), Happening::Lead);
    }

    fn vanish(&mut self) {
        // Who cannot be told yet may call finished what was whole when it last looked.
        if self.planner_frozen_until > self.now {
            return;
        }
        let any = self.chance.below(self.store.len() as u64) as usize;
        let Some((job, rendition, index)) = self.store.iter().nth(any).copied() else { return };
        if self.films.iter().any(|film| film.id == job && film.finished) {
            return;
        }
        // Nobody reads a segment from the store before the planner said that it is there; what its
        // worker still holds may not have been told.
        let said = |planner: &Planner| planner.is_published(job, SegmentId { rendition, index });
        let is_held = self.hosts.iter().any(|host| host.has(job, rendition, index));
        if is_held || !self.planner.as_ref().is_some_and(said) {
            return;
        }
        self.store.remove(&(job, rendition, index));
        self.checks.log(self.now, &("vanished", job, rendition, index));
        self.tell_planner(Event::Vanished { job, segment: SegmentId { rendition, index } });
    }
}
