//! What is wanted in a seed's life: films to be made whole, and viewers.

use std::collections::BTreeSet;

use segue_dispatch::Moment;
use segue_dispatch::planner::{Claim, Cuts, Demand, Event, JobFacts, JobFailure, Policy, Purpose};
use segue_model::pool::{ClaimId, EncoderFamily, Renditions, Term};
use segue_model::{FailureClass, Hash, JobId, Span};

use crate::chance::Chance;
use crate::flaw::Flaw;
use crate::weather::CLEAR_AT;
use crate::world::{Happening, World};

/// How long a segment is.
pub const LENGTH: u64 = 2_000;
/// How far ahead a player fetches.
const BUFFER: u64 = 20_000;
/// Once the weather is clear and this much time went by, nobody waits longer than `STALL_MAX`.
const CALM_AFTER: u64 = 40_000;
const STALL_MAX: u64 = 8_000;

/// A job, and what is wrong with its source.
#[derive(Debug)]
pub struct Film {
    pub id: JobId,
    pub index: u64,
    pub segments: u32,
    pub renditions: u32,
    pub batch: bool,
    pub finished: bool,
    pub failed: bool,
    /// Cannot be read from there.
    pub bad_at: Option<u32>,
    /// Ends every process that comes here.
    pub poison_at: Option<u32>,
    /// The farthest that anybody's read-ahead went, in milliseconds.
    pub read_to: u64,
    pub families: Vec<EncoderFamily>,
    /// Whose encoder makes it.
    pub family: Option<EncoderFamily>,
    /// Under whose lead.
    pub pinned_by: Term,
    /// Whether who leads was told.
    pub told: bool,
}

impl Film {
    pub fn of(chance: &mut Chance, index: u64, weak: bool) -> Film {
        let segments = chance.between(8, if weak { 24 } else { 60 }) as u32;
        let wrong = chance.below(10);
        let at = chance.below(segments.into()) as u32;
        Film {
            id: JobId(Hash::of(&index.to_le_bytes())),
            index,
            segments,
            renditions: chance.between(1, 3) as u32,
            batch: chance.happens(7_000),
            finished: false,
            failed: false,
            bad_at: (wrong == 0).then_some(at),
            poison_at: (wrong == 1).then_some(at),
            read_to: 0,
            families: match chance.below(4) {
                0 => vec![EncoderFamily::Vaapi, EncoderFamily::X264],
                1 => vec![EncoderFamily::X264, EncoderFamily::Vaapi],
                _ => vec![EncoderFamily::X264],
            },
            family: None,
            pinned_by: Term(0),
            told: false,
        }
    }

    pub fn is_bad(&self) -> bool {
        self.bad_at.is_some() || self.poison_at.is_some()
    }

    pub fn batch_open(&self) -> bool {
        self.batch && !self.finished && !self.failed
    }

    pub fn is_settled(&self) -> bool {
        !self.batch_open()
    }

    pub fn batch_claim(&self) -> (ClaimId, Claim) {
        let renditions = Renditions::first(self.renditions);
        let purpose = Purpose::Batch { renditions, deadline: None };
        (ClaimId(1000 + self.index), Claim { job: self.id, purpose, until: None })
    }

    pub fn facts(&self, store: &BTreeSet<(JobId, u32, u32)>) -> JobFacts {
        let mine = store.iter().filter(|(job, _, _)| *job == self.id);
        // What is stored says by whom it was made.
        let family = self.family.filter(|_| mine.clone().next().is_some());
        let published = mine.map(|(_, r, i)| (*r, Span { first: *i, end: *i + 1 })).collect();
        let end = u64::from(self.segments) * LENGTH;
        JobFacts {
            id: self.id,
            cuts: Cuts::Even { length: LENGTH, segments: self.segments, end },
            kind: 1,
            decode_per_mille: 500,
            renditions_per_mille: vec![500 / self.renditions; self.renditions as usize],
            lead_in: 1_000,
            families: self.families.clone(),
            family,
            published,
        }
    }

    pub fn missing(&self, store: &BTreeSet<(JobId, u32, u32)>) -> Option<(u32, u32)> {
        let all = (0..self.renditions).flat_map(|r| (0..self.segments).map(move |i| (r, i)));
        all.into_iter().find(|(r, i)| !store.contains(&(self.id, *r, *i)))
    }
}

/// Somebody who watches a film.
#[derive(Debug)]
pub struct Viewer {
    pub film: usize,
    pub renditions: Renditions,
    pub begins_at: u64,
    pub next: u32,
    /// When segment 0 would be due, as the film goes; signed, as one may begin in the middle.
    anchor: i64,
    pub done: bool,
    stalled_since: Option<u64>,
    leaves_at: u64,
    pub id: ClaimId,
    begun: bool,
    /// Whether all that follows is wanted; then, in clear weather, it stands still until it is there.
    pub to_end: bool,
    pub left_at: Option<u64>,
}

impl Viewer {
    pub fn of(chance: &mut Chance, index: u64, films: &[Film]) -> Viewer {
        let film = chance.below(films.len() as u64) as usize;
        let all = films[film].renditions;
        let rendition = chance.below(all.into()) as u32;
        let one = Renditions::only(rendition);
        let leaves_at =
            if chance.happens(2_000) { chance.between(5_000, 60_000) } else { u64::MAX };
        Viewer {
            film,
            renditions: if chance.happens(5_000) { one } else { Renditions::first(all) },
            begins_at: chance.between(0, 30_000),
            next: chance.below(films[film].segments.into()) as u32 / 2,
            anchor: 0,
            done: false,
            stalled_since: None,
            leaves_at,
            id: ClaimId(index),
            begun: false,
            to_end: chance.happens(4_000),
            left_at: None,
        }
    }
}

impl Viewer {
    pub fn has_begun(&self) -> bool {
        self.begun
    }
}

impl World {
    /// A viewer's player fetches what there is, plays, and says what it needs.
    pub fn watch(&mut self, at: usize) {
        let now = self.now;
        let viewer = &self.viewers[at];
        let film = viewer.film;
        if self.films[film].failed || now >= viewer.leaves_at {
            return self.leave(at);
        }
        let (mut next, segments) = (viewer.next, self.films[film].segments);
        let seeks = !self.is_clear() && viewer.begun && self.chance.happens(100);
        let begins = !self.viewers[at].begun || seeks;
        if seeks {
            next = self.chance.below(segments.into()) as u32;
        }
        let stands = self.waits_for_the_rest(at);
        let viewer = &mut self.viewers[at];
        if stands {
            // Its buffer is full, and stays so.
            viewer.anchor = (now + BUFFER) as i64 - (u64::from(next) * LENGTH) as i64;
        }
        if begins {
            viewer.begun = true;
            viewer.anchor = (now + 1_000) as i64 - (u64::from(next) * LENGTH) as i64;
        }
        let due = |anchor: i64, next: u32| anchor + (u64::from(next) * LENGTH) as i64;
        let (anchor, renditions) = (viewer.anchor, viewer.renditions);
        while !stands
            && next < segments
            && due(anchor, next) <= (now + BUFFER) as i64
            && renditions.iter().all(|rendition| self.is_there(film, rendition, next))
        {
            next += 1;
        }
        let viewer = &mut self.viewers[at];
        let moved = next != viewer.next;
        viewer.next = next;
        if next >= segments {
            return self.leave(at);
        }
        let late = now as i64 - due(anchor, next);
        if late > 0 {
            // It stands still, and all that follows is due later.
            viewer.anchor += late;
        }
        let since = viewer.stalled_since.filter(|_| !moved && late > 0).unwrap_or(now);
        viewer.stalled_since = Some(since);
        let calm = now > CLEAR_AT + CALM_AFTER && since > CLEAR_AT + CALM_AFTER;
        if calm && !self.weak && now - since > STALL_MAX && !self.films[film].is_bad() {
            self.checks.broke(
                "viewers are served before batches, and in time",
                format!("viewer {at} waits for segment {next} for {} ms", now - since),
            );
        }
        self.demand(at);
        let again = now + self.chance.between(300, 600);
        self.at(again, Happening::Watch { viewer: at });
    }

    fn demand(&mut self, at: usize) {
        let viewer = &self.viewers[at];
        let due = (viewer.anchor + (u64::from(viewer.next) * LENGTH) as i64).max(0) as u64;
        let (id, job, film) = (viewer.id, self.films[viewer.film].id, viewer.film);
        let (renditions, segment) = (viewer.renditions, viewer.next);
        let played = (u64::from(segment) * LENGTH).saturating_sub(due.saturating_sub(self.now));
        let put_off = if self.flaw == Some(Flaw::PutsViewersOff) { 60_000 } else { 0 };
        let due = Moment(due + put_off);
        let to_end = viewer.to_end && self.flaw != Some(Flaw::ForgetsTheRest);
        let demand = Demand { renditions, segment, due, to_end };
        let read_to = played + Policy::default().read_ahead_of(&demand);
        self.films[film].read_to = self.films[film].read_to.max(read_to);
        let purpose = if viewer.to_end && self.flaw == Some(Flaw::WantsItWhole) {
            Purpose::Batch { renditions, deadline: None }
        } else {
            Purpose::Playback(demand)
        };
        let until = Some(Moment(self.now + 5_000)).filter(|_| !self.keeps_claim(at));
        if self.planner.is_some() {
            if !self.checks.is_known(job) {
                self.tell_film(film);
            }
            let claim = Claim { job, purpose, until };
            self.tell_planner(Event::Claim { id, claim });
        }
    }

    fn leave(&mut self, at: usize) {
        self.viewers[at].done = true;
        self.viewers[at].left_at = Some(self.now);
        let id = self.viewers[at].id;
        if !self.keeps_claim(at) {
            self.tell_planner(Event::Unclaim(id));
        }
    }

    fn keeps_claim(&self, at: usize) -> bool {
        let to_end = self.viewers[at].to_end;
        self.flaw == Some(Flaw::KeepsClaims) || (to_end && self.flaw == Some(Flaw::KeepsTheRest))
    }

    fn is_there(&self, film: usize, rendition: u32, index: u32) -> bool {
        let job = self.films[film].id;
        let reachable = |host: &&crate::host::Host| {
            host.cut_off_until <= self.now && host.frozen_until <= self.now
        };
        self.store.contains(&(job, rendition, index))
            || self.hosts.iter().filter(reachable).any(|host| host.has(job, rendition, index))
    }

    /// Whether a job may fail is for its source to say, and for more than one device.
    pub fn failed(&mut self, job: JobId, failure: &JobFailure) {
        let mut devices = failure.devices.clone();
        devices.dedup();
        if self.flaw == Some(Flaw::BelievesOne) {
            devices.truncate(1);
        }
        let Some(film) = self.films.iter_mut().find(|film| film.id == job) else { return };
        film.failed = true;
        let bad = film.is_bad();
        // One whose like was not heard of for so long is alone, and believed.
        let lately = self.now.saturating_sub(Policy::default().alone_after);
        let others = self.last_beats.iter().filter(|(host, _)| {
            devices.iter().all(|device| device.worker != self.hosts[**host].id)
        });
        let long_there = self.checks.led_at() + Policy::default().alone_after <= self.now;
        let alone = long_there && others.clone().all(|(_, (heard_at, _))| *heard_at <= lately);
        if devices.len() < 2 && !alone {
            let what = format!("{failure:?}");
            self.checks.broke("no job fails by one device's word", what);
        } else if !bad && failure.class == Some(FailureClass::Source) {
            let what = format!("{failure:?}");
            self.checks.broke("no good source is called bad", what);
        }
    }
}
