//! Viewers who are in a hurry: what must not be done beside them, or before what they wait for.

use std::collections::BTreeMap;

use segue_dispatch::planner::{Demand, Event, LeaseView, Purpose, View};
use segue_model::JobId;
use segue_model::pool::{ClaimId, LeaseId, Order, WorkerId};

use crate::jobs::LENGTH;
use crate::weather::CLEAR_AT;
use crate::world::World;

/// Whoever is so near to running dry is not well ahead: 30 s of read-ahead less the 12 s that may be
/// lacking, and 2 s in which nothing is heard and nobody looks at the clock.
const NEAR_DRY: u64 = 16_000;
/// What the weather did is over after so long.
const SETTLES: u64 = 20_000;
/// What storage failed is not tried again for so long, and nothing need make way for it.
const PAUSE_MAX: u64 = 16_000;
/// Of those that wait, so many are seen to.
const SEEN_TO: usize = 4;
/// So often more of a span may be heard of before it makes way: one does in an event, so that two who
/// were before this viewer are seen to first.
const UNSEEN: u32 = 2;

/// What the planner was told that viewers need.
#[derive(Default)]
pub struct Hurry {
    demands: BTreeMap<ClaimId, (JobId, Demand, u64)>,
    /// Who waits while a lease makes what that viewer needs later: what was last ready of it, and how
    /// often it was heard of more.
    kept_waiting: BTreeMap<(ClaimId, LeaseId), (u32, u32)>,
    /// How many spans of a film were begun for viewers in clear weather.
    begun: BTreeMap<JobId, u32>,
}

impl Hurry {
    /// Another planner knows of none.
    pub fn clear(&mut self) {
        *self = Hurry::default();
    }

    /// The planner is about to hear this.
    pub fn told(&mut self, event: &Event) {
        match event {
            Event::Claim { id, claim } => {
                self.demands.remove(id);
                let Purpose::Playback(demand) = claim.purpose else { return };
                let until = claim.until.map_or(u64::MAX, |until| until.0);
                self.demands.insert(*id, (claim.job, demand, until));
            }
            Event::Unclaim(id) => drop(self.demands.remove(id)),
            _ => {}
        }
    }

    /// Who comes to what a lease makes.
    fn watching(&self, now: u64, lease: &LeaseView) -> Vec<(ClaimId, Demand)> {
        let comes = |(job, demand, until): &(JobId, Demand, u64)| {
            let same = !demand.renditions.intersection(lease.renditions).is_empty();
            *job == lease.job && same && now <= *until && demand.segment < lease.span.end
        };
        let watching = self.demands.iter().filter(|(_, of)| comes(of));
        watching.map(|(claim, (_, demand, _))| (*claim, *demand)).collect()
    }
}

impl World {
    /// A batch order that is new, and of this planner.
    pub fn check_beside(&mut self, worker: WorkerId, order: &Order) {
        let Some(planner) = self.planner.as_ref().filter(|_| !order.playback) else { return };
        let runs_dry_at = |lease: &LeaseView| {
            let due = |(_, demand): (ClaimId, Demand)| {
                let before = lease.ready_through.saturating_sub(demand.segment);
                demand.due.0 + u64::from(before) * LENGTH
            };
            self.hurry.watching(self.now, lease).into_iter().map(due).min()
        };
        let beside = planner.view().leases.into_iter().find(|lease| {
            lease.worker == worker
                && lease.device == order.device
                && lease.playback
                && !lease.ended
                && lease.ready_through < lease.span.end
                && runs_dry_at(lease).is_some_and(|at| at < self.now + NEAR_DRY)
        });
        if let Some(lease) = beside {
            let what = format!("{order:?} beside {lease:?}");
            self.checks.broke("no batch is begun beside who is not well ahead", what);
        }
    }

    /// An order that is new, and of this planner: who has too few devices for all who watch does not
    /// take them from one for another, a segment at a time.
    pub fn check_back_and_forth(&mut self, order: &Order) {
        if !order.playback || self.now < CLEAR_AT + SETTLES {
            return;
        }
        let begun = self.hurry.begun.entry(order.job).or_default();
        *begun += 1;
        let begun = *begun;
        let Some(film) = self.films.iter().find(|film| film.id == order.job) else { return };
        let viewers = self.viewers.iter().filter(|viewer| self.films[viewer.film].id == order.job);
        let most = (film.segments / 4 + 6) * viewers.count() as u32;
        if !film.is_bad() && begun > most {
            let what = format!("{order:?} is number {begun} of {} segments", film.segments);
            self.checks.broke("nobody's devices go back and forth", what);
        }
    }

    /// After every event: nobody waits for a device that makes what the same viewer needs later.
    pub fn check_kept_waiting(&mut self, view: &View) {
        let mut kept = BTreeMap::new();
        for (_, claim) in view.waiting.iter().take(SEEN_TO) {
            let Some((job, demand, _)) = self.hurry.demands.get(claim).copied() else { continue };
            let failed = demand.renditions.iter().any(|rendition| {
                let segment = (job, rendition, demand.segment);
                self.checks.since_failure(self.now, segment).is_some_and(|ago| ago < PAUSE_MAX)
            });
            let film = self.films.iter().find(|film| film.id == job);
            let is_good = film.is_some_and(|film| !film.is_bad());
            if failed || !is_good || !self.lacks(view, job, &demand) {
                continue;
            }
            let later = view.leases.iter().filter(|lease| self.is_later(view, lease, *claim, job));
            kept.extend(later.map(|lease| ((*claim, lease.id), (lease.ready_through, 0))));
        }
        for (key, (ready, news)) in &mut kept {
            let Some(before) = self.hurry.kept_waiting.get(key) else { continue };
            *news = before.1 + u32::from(*ready > before.0);
            if *news > UNSEEN {
                let what = format!("{key:?} up to {ready} of {:?}", view.leases);
                self.checks.broke("what is needed sooner does not wait for what is later", what);
            }
        }
        self.hurry.kept_waiting = kept;
    }

    /// Whether nobody has or makes a viewer's next segment.
    fn lacks(&self, view: &View, job: JobId, demand: &Demand) -> bool {
        let at = demand.segment;
        demand.renditions.iter().all(|rendition| {
            let held = view.leases.iter().any(|lease| {
                let has = lease.span.first <= at && at < lease.span.end;
                lease.job == job && lease.renditions.contains(rendition) && has
            });
            !held && !self.store.contains(&(job, rendition, at))
        })
    }

    /// Whether a lease makes what only this viewer comes to, and later than what it waits for.
    fn is_later(&self, view: &View, lease: &LeaseView, claim: ClaimId, job: JobId) -> bool {
        let watching = self.hurry.watching(self.now, lease);
        let there = |worker: &&segue_dispatch::planner::WorkerView| worker.id == lease.worker;
        let worker = view.workers.iter().find(there).filter(|worker| worker.available);
        let device = worker.and_then(|worker| worker.devices.get(usize::from(lease.device)));
        let well = device.is_some_and(|device| device.trusted);
        let only = watching.len() == 1 && watching[0].0 == claim;
        lease.job == job
            && lease.playback
            && !lease.ended
            && well
            && only
            && !self.checks.ended_at((job, watching[0].1.segment), (lease.worker, lease.device))
            && lease.ready_through > watching[0].1.segment
            && lease.ready_through + 1 < lease.span.end
    }
}
