//! Who makes way for a viewer whom nobody can serve: batches, and then what other spans of viewers make
//! that is needed later. A viewer never loses the span it lives on to another one: with too few
//! devices those who watch go on watching, and nobody's device goes back and forth.

use segue_model::pool::EncoderFamily;

use super::job::{Job, Opening};
use super::place::CANDIDATES;
use super::{Demand, Planner};
use crate::Millis;

impl Planner {
    /// Keeps a lease's place among those whose viewers have another one before.
    pub(super) fn keep_parted(&mut self, at: u32) {
        let lease = &self.leases[at];
        let family = self.devices[lease.device].capabilities.family;
        if lease.playback && lease.parted && !lease.ended {
            self.parted[family as usize].insert(at);
        } else if lease.parted {
            // A worker may have come back with a device of another family in its place.
            for family in &mut self.parted {
                family.remove(&at);
            }
        }
    }

    /// Nobody can make a viewer's span. If that is because batches have all the processes that a
    /// device may run, one of them makes way; one for each viewer, `in_need` by family so far. If
    /// it is because of what is needed later, that does if `viewers_may`, and the viewer is served at
    /// once: whether it was so.
    pub(super) fn clear_the_way(
        &mut self,
        claim: u32,
        opening: Opening,
        in_need: &mut [u32],
        viewers_may: bool,
    ) -> bool {
        let job = self.claims[claim].job;
        let state = &self.jobs[job];
        let per_mille = state.per_mille(opening.renditions);
        for family in self.families(job) {
            in_need[family as usize] += 1;
            if in_need[family as usize] <= self.clearing[family as usize] {
                return false;
            }
            let suits = |at: &u32| {
                let device = &self.devices[*at];
                let effort = device.effort(state.kind, opening.renditions, per_mille);
                device.needs(effort).fits_in(device.left_for_playback())
                    || device.playback == Default::default()
            };
            let crowded = self.crowded[family as usize].iter().copied();
            let Some(device) = crowded.into_iter().find(suits) else { continue };
            let leases = self.devices[device].leases.iter().copied();
            if let Some(batch) = leases.into_iter().find(|at| self.leases[*at].is_counted_batch()) {
                self.yield_batch(batch);
                self.reindex(device);
                return false;
            }
        }
        let later = if viewers_may { self.latest(claim, opening) } else { None };
        later.into_iter().for_each(|later| self.put_off(later));
        later.is_some()
    }

    /// The span of a viewer that is needed latest, if it is later than what `claim` lacks, and its
    /// device could make that.
    fn latest(&self, claim: u32, opening: Opening) -> Option<u32> {
        let wish = &self.claims[claim];
        let (job, demand) = (wish.job, wish.demand()?);
        let families = self.families_at(job, opening.span.first);
        let ahead = self.segments_ahead(job, &demand);
        let own = self.jobs[job].makers_near(opening.span.first, ahead, demand.renditions);
        let others = families.iter().flat_map(|family| {
            self.parted[*family as usize].iter().rev().take(CANDIDATES).copied()
        });
        let mut latest = None;
        for at in own.into_iter().chain(others) {
            if self.could_make(at, job, opening, &families)
                && let Some(slack) = self.slack(at, (claim, &demand), opening)
                && latest.is_none_or(|(most, _)| slack > most)
            {
                latest = Some((slack, at));
            }
        }
        latest.map(|(_, at)| at)
    }

    /// Whether a viewer's lease may make way, and its device could make a span instead. One that waits at
    /// its end for its viewer to come nearer has nothing to give back but its place.
    fn could_make(&self, at: u32, job: u32, opening: Opening, families: &[EncoderFamily]) -> bool {
        let lease = &self.leases[at];
        let device = &self.devices[lease.device];
        let state = &self.jobs[job];
        let effort =
            device.effort(state.kind, opening.renditions, state.per_mille(opening.renditions));
        let room = device.left_for_playback().plus(lease.needs);
        lease.playback
            && !lease.ended
            // What was given a moment ago was given in view of all this.
            && lease.version <= self.workers[lease.worker].version
            && families.contains(&device.capabilities.family)
            && self.workers[lease.worker].is_available()
            && device.is_trusted()
            && !self.is_passed_over(job, opening.span.first, lease.device)
            // What stands still may hold up the whole device.
            && self.now.since(lease.progress_at) < self.overdue_after(at)
            && (device.needs(effort).fits_in(room) || device.playback == lease.needs)
    }

    /// How much later what a lease would give back is needed than what a viewer lacks; none if
    /// somebody else would miss it.
    fn slack(&self, at: u32, (claim, demand): (u32, &Demand), opening: Opening) -> Option<Millis> {
        let lease = &self.leases[at];
        let job = &self.jobs[lease.job];
        let next = lease.ready_through + 1;
        let mut least: Option<Millis> = None;
        for stream in &job.streams {
            let Some(theirs) = self.claims[*stream].demand() else { continue };
            let comes = theirs.segment < lease.span.end
                && !theirs.renditions.intersection(lease.renditions).is_empty();
            if !comes {
                continue;
            }
            let slack = if *stream == claim {
                // However late it is, it cannot be watched in another order.
                let from = job.cuts.start(opening.span.first);
                job.cuts.start(next).checked_sub(from + self.policy.sooner)?
            } else {
                let lacked = self.jobs[self.claims[claim].job].due(demand, opening.span.first);
                let soonest =
                    lacked.max(self.now) + self.policy.sooner + self.risk(at, claim, opening);
                let due = job.due(&theirs, next);
                if due < soonest || !self.goes_on_elsewhere(at, &theirs) {
                    return None;
                }
                due.since(soonest)
            };
            least = Some(least.map_or(slack, |least| least.min(slack)));
        }
        // Whom it is for may not have said so yet.
        least
    }

    /// When its device could come back to a lease's next segment: after the one at hand, and a chunk of
    /// the other film.
    fn risk(&self, at: u32, claim: u32, opening: Opening) -> Millis {
        let lease = &self.leases[at];
        let job = self.claims[claim].job;
        let device = &self.devices[lease.device];
        let state = &self.jobs[job];
        let effort =
            device.effort(state.kind, opening.renditions, state.per_mille(opening.renditions));
        let length = state.segment_length();
        let pace = device.pace(effort, device.left_for_playback().plus(lease.needs), length);
        let chunk = Millis::from(self.chunk_segments(job));
        let lead_in = |pace: Millis, job: &Job| pace * job.lead_in / job.segment_length();
        let back = 2 * lease.seeming_pace() + lead_in(lease.seeming_pace(), &self.jobs[lease.job]);
        back + lead_in(pace, state) + chunk * pace
    }

    /// Whether a viewer's next segments are made by another lease than this.
    pub(super) fn goes_on_elsewhere(&self, at: u32, demand: &Demand) -> bool {
        let parted = &self.leases[at];
        let makers = self.jobs[parted.job].makers_near(demand.segment, 0, demand.renditions);
        makers.into_iter().map(|other| &self.leases[other]).any(|other| {
            other.playback
                && other.left() > 0
                && other.span.first < parted.span.first
                && other.span.end > demand.segment
                && self.workers[other.worker].is_available()
        })
    }
}
