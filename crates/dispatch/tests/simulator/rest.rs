//! Viewers who want all that follows: what is made for them beyond what they are near, and what not.

use std::collections::BTreeMap;

use segue_dispatch::planner::{Event, LeaseView, Purpose, View};
use segue_model::pool::{ClaimId, Order, Renditions, Term};
use segue_model::{JobId, Span};

use crate::weather::CLEAR_AT;
use crate::world::World;

/// With nothing else to do, the rest of a film is there after so long.
const REST_MAX: u64 = 240_000;
/// A playhead so many segments ahead of what is reported has news that are under way.
const NEAR: u32 = 8;

/// What the planner was told that viewers want to the end.
#[derive(Default)]
pub struct Rests(BTreeMap<ClaimId, Rest>);

struct Rest {
    job: JobId,
    from: u32,
    renditions: Renditions,
    until: u64,
}

impl Rests {
    /// Another planner knows of none.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The planner is about to hear this.
    pub fn told(&mut self, event: &Event) {
        match event {
            Event::Claim { id, claim } => {
                self.0.remove(id);
                let Purpose::Playback(demand) = &claim.purpose else { return };
                if demand.to_end {
                    let (from, renditions) = (demand.segment, demand.renditions);
                    let until = claim.until.map_or(u64::MAX, |until| until.0);
                    self.0.insert(*id, Rest { job: claim.job, from, renditions, until });
                }
            }
            Event::Unclaim(id) => drop(self.0.remove(id)),
            _ => {}
        }
    }

    fn wants(&self, now: u64, job: JobId, rendition: u32, index: u32) -> bool {
        self.0.values().any(|rest| {
            let is_it = rest.job == job && rest.renditions.contains(rendition);
            is_it && rest.from <= index && now <= rest.until
        })
    }
}

impl World {
    /// Whether a viewer stands still until the rest of its film is there. In weather that breaks
    /// films for good nobody waits for that.
    pub fn waits_for_the_rest(&mut self, at: usize) -> bool {
        let viewer = &self.viewers[at];
        let film = &self.films[viewer.film];
        if !viewer.to_end || !viewer.has_begun() || !self.is_clear() || film.is_bad() {
            return false;
        }
        let (job, from, segments) = (film.id, viewer.next, film.segments);
        let is_stored = |r: u32, index: u32| self.store.contains(&(job, r, index));
        let missing = viewer
            .renditions
            .iter()
            .flat_map(|r| (from..segments).map(move |index| (r, index)))
            .find(|(r, index)| !is_stored(*r, *index));
        if let Some(missing) = missing
            && self.now > CLEAR_AT + REST_MAX
        {
            let what = format!("viewer {at} at {from} still has no {missing:?}");
            self.checks.broke("what follows is made to the end while there is room for it", what);
        }
        missing.is_some()
    }

    /// A batch order that is new, and of this planner.
    pub fn check_rest(&mut self, order: &Order) {
        if order.playback {
            return;
        }
        let first = order.span.first;
        if let Some(unwanted) = order.renditions.iter().find(|r| !self.wants(order.job, *r, first))
        {
            let what = format!("{order:?}, rendition {unwanted}");
            self.checks.broke("what is given out without hurry is wanted, from there on", what);
        }
        let there = |viewer: &crate::jobs::Viewer| {
            // Who leaves says so at once; a planner that stands still hears it when it goes on.
            let left_at = viewer.left_at.unwrap_or(u64::MAX);
            let is_it = viewer.to_end && self.films[viewer.film].id == order.job;
            is_it && left_at.max(self.planner_frozen_until) >= self.now
        };
        if !self.batch_wants(order.job) && !self.viewers.iter().any(there) {
            let what = format!("{order:?} at {}", self.now);
            self.checks.broke("when all have left nothing more is given out", what);
        }
    }

    /// After every event: what a batch span is at is wanted, or its last segment.
    pub fn check_unwanted(&mut self, view: &View) {
        let term = Term(self.term);
        let goes_on = |lease: &&LeaseView| {
            let Span { end, .. } = lease.span;
            lease.id.term == term
                && !lease.playback
                && !lease.ended
                && lease.ready_through + 1 < end
        };
        let unwanted = view.leases.iter().filter(goes_on).find(|lease| {
            let comes_to = lease.ready_through + 1 + NEAR;
            !lease.renditions.iter().any(|r| self.wants(lease.job, r, comes_to))
        });
        if let Some(lease) = unwanted {
            let what = format!("{lease:?}");
            self.checks.broke("what nobody wants ends with the segment at hand", what);
        }
    }

    fn wants(&self, job: JobId, rendition: u32, index: u32) -> bool {
        self.batch_wants(job) || self.rests.wants(self.now, job, rendition, index)
    }

    fn batch_wants(&self, job: JobId) -> bool {
        self.films.iter().any(|film| film.id == job && film.batch_open())
    }
}
