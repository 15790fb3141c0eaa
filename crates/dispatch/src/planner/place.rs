//! Decides who makes what next: viewers by when they run dry, then batches on what is idle, then
//! the tails of batches that would keep others waiting. A second copy of a segment that will be
//! late (hedging) belongs beside [`Planner::serve`] when it comes.

use std::collections::BTreeSet;

use segue_model::Span;
use segue_model::pool::EncoderFamily;

use super::job::{Job, Opening};
use super::queue::Walk;
use super::timers::Timer;
use super::{Demand, Planner};
use crate::{Millis, Moment};

/// After so long it is seen whether somebody else has sooner what a slow lease has late.
const LOOK_AGAIN: Millis = 250;
/// So many devices, those with most left first, are looked at for one span.
pub(super) const CANDIDATES: usize = 8;
/// So many of the jobs of which only tails are left are looked at.
const STEAL_JOBS_MAX: usize = 4;
/// What is due this soon does not wait for everybody to say what they have.
const URGENT: Millis = 1_000;
/// A lease that is this near a segment has it soon enough.
const REACH: u32 = 2;
/// Fewer segments than this are not worth a seek and a pipeline of their own.
const SPAN_MIN: u32 = 8;

impl Planner {
    pub(super) fn place(&mut self) {
        self.place_viewers();
        if self.now >= self.settled_at {
            let wanted = self.wanted_by_viewers();
            self.share_ahead(&wanted);
            self.place_batches(&wanted);
            self.steal_tails(&wanted);
        }
    }

    fn place_viewers(&mut self) {
        let mut walk = Walk::default();
        let mut relieved = BTreeSet::new();
        let mut cleared = false;
        let mut in_need = [0; EncoderFamily::ALL.len()];
        while let Some((line, (due, claim))) = self.waiting.next(&walk) {
            if self.now < self.settled_at && due > self.now + URGENT {
                break;
            }
            // Once in a pass: what is given back must not be taken and given back for ever.
            if let Some(lease) = self.late_lease(claim)
                && !(relieved.insert(claim) && self.shorten_late_lease(claim, lease))
            {
                self.look_again(claim);
                continue;
            }
            match self.serve(claim) {
                Ok(()) => self.await_turn(claim),
                Err(opening) if line.rides => match self.ridden(self.claims[claim].job, opening) {
                    // Its worker is silent; that is over soon, one way or the other.
                    Some(_) => self.look_again(claim),
                    None => self.stand_in_line(claim, due, false),
                },
                Err(opening) => {
                    // One span in a pass: what follows from that is seen before the next one.
                    let made_way = self.clear_the_way(claim, opening, &mut in_need, !cleared);
                    cleared |= made_way;
                    if !made_way {
                        walk.pass_over(line, (due, claim));
                    }
                }
            }
        }
    }

    fn look_again(&mut self, claim: u32) {
        self.leave_queue(claim);
        self.set_timer(Timer::Stream(claim), Some(self.now + LOOK_AGAIN));
    }

    /// Families that viewers wait for: nothing of those is given to batches.
    fn wanted_by_viewers(&self) -> Vec<EncoderFamily> {
        let waiting = self.waiting.heads().map(|(_, claim)| self.claims[claim].job);
        let mut wanted: Vec<_> = waiting.flat_map(|job| self.families(job)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        wanted
    }

    /// A lease has what the viewer needs now, but will have it too late: the rest of it is made by
    /// somebody else, if anybody has it sooner. Whether that is so.
    fn shorten_late_lease(&mut self, claim: u32, lease: u32) -> bool {
        let wish = &self.claims[claim];
        let Some(demand) = wish.demand() else { return false };
        let state = &self.leases[lease];
        let span = Span { first: demand.segment, end: state.span.end };
        let rest = Opening { span, renditions: state.renditions };
        let arrival = state.arrival(self.now, demand.segment);
        let chosen = self.choose_for_viewer(wish.job, rest);
        if chosen.is_none_or(|(_, ready)| ready >= arrival) {
            return false;
        }
        // Stays in its place in the queue: what it waits for is open now.
        let queued = wish.queued;
        self.cut(lease, demand.segment);
        self.leave_queue(claim);
        if let Some((line, due)) = queued {
            self.claims[claim].queued = queued;
            self.waiting.insert(line, (due, claim));
        }
        true
    }

    /// The lease that has a viewer's next segment and is too far from it.
    pub(super) fn late_lease(&self, claim: u32) -> Option<u32> {
        let wish = &self.claims[claim];
        let demand = wish.demand()?;
        let at = demand.segment;
        let holders = demand.renditions.iter().filter_map(|r| self.jobs[wish.job].maker(r, at));
        holders.into_iter().find(|lease| {
            let lease = &self.leases[*lease];
            lease.span.first < at
                && at < lease.span.end
                && at >= lease.ready_through + REACH
                && lease.arrival(self.now, at) > demand.due.max(self.now)
        })
    }

    /// Gives a stream its next chunk; fails with what nobody can make.
    fn serve(&mut self, claim: u32) -> Result<(), Opening> {
        let wish = &self.claims[claim];
        let Some(demand) = wish.demand() else { return Ok(()) };
        let job = wish.job;
        let next = self.jobs[job].next_open(demand.segment, demand.renditions, self.now);
        let Some(opening) = next.opening else { return Ok(()) };
        let due = self.jobs[job].due(&demand, opening.span.first);
        let read_ahead = self.policy.read_ahead_of(&demand);
        if due - read_ahead > self.now {
            return Ok(());
        }
        let going_on = self.extendable(job, opening).map(|(lease, whole)| {
            let arrival = self.leases[lease].arrival(self.now, opening.span.first);
            (lease, whole, arrival)
        });
        // Most streams only go on, and in time: then nobody else need be looked for.
        let in_time = going_on.is_some_and(|(_, _, arrival)| arrival <= due);
        let chosen = if in_time { None } else { self.choose_for_viewer(job, opening) };
        if let Some((lease, whole, arrival)) = going_on
            && chosen.is_none_or(|(_, other)| other >= arrival)
        {
            let end = self.chunk_end(job, &demand, whole.span, read_ahead);
            self.leases[lease].to_end |= demand.to_end;
            self.extend(lease, end);
            return Ok(());
        }
        let Some((device, _)) = chosen else { return Err(opening) };
        let end = self.chunk_end(job, &demand, opening.span, 0);
        let span = Span { end, ..opening.span };
        let lease = self.give(job, Opening { span, ..opening }, device, true);
        self.note_viewer(lease, &demand);
        self.make_room(device);
        Ok(())
    }

    /// Where a chunk ends: at least `chunk` after its beginning, and `ahead` of the viewer.
    fn chunk_end(&self, job: u32, demand: &Demand, open: Span, ahead: Millis) -> u32 {
        let job = &self.jobs[job];
        let from = job.cuts.start(open.first);
        let seen = (self.now + ahead).since(demand.due) + job.cuts.start(demand.segment);
        let until = (from + self.policy.chunk).max(if ahead > 0 { seen } else { 0 });
        let mut end = open.first + 1;
        while end < open.end && job.cuts.start(end) < until {
            end += 1;
        }
        end
    }

    /// A viewer's span that ends where this begins, and what it would make of it.
    fn extendable(&self, job: u32, opening: Opening) -> Option<(u32, Opening)> {
        let at = self.ridden(job, opening)?;
        let lease = &self.leases[at];
        let whole = Opening { renditions: lease.renditions, ..opening };
        let can = self.workers[lease.worker].is_available() && self.jobs[job].is_open(whole);
        can.then_some((at, whole))
    }

    /// A viewer's span that ends where this begins, and may go on if its worker is well.
    pub(super) fn ridden(&self, job: u32, opening: Opening) -> Option<u32> {
        let state = &self.jobs[job];
        // What failed before is not hung onto a span that goes well.
        if state.troubles.contains_key(&opening.span.first) {
            return None;
        }
        let before = opening.span.first.checked_sub(1)?;
        let at = state.maker(opening.renditions.iter().next()?, before)?;
        let lease = &self.leases[at];
        let worker = &self.workers[lease.worker];
        let goes_on = lease.playback
            && lease.span.end == opening.span.first
            && lease.renditions.intersection(opening.renditions) == opening.renditions
            && !worker.drain
            && !worker.draining
            && !self.crosses(job, self.devices[lease.device].capabilities.family)
            && self.devices[lease.device].is_trusted();
        goes_on.then_some(at)
    }

    /// The device that has a viewer's span soonest, as far as one can tell, and when.
    fn choose_for_viewer(&self, job: u32, opening: Opening) -> Option<(u32, Moment)> {
        let state = &self.jobs[job];
        let length = state.segment_length();
        let per_mille = state.per_mille(opening.renditions);
        let mut weak = None;
        for family in self.families_at(job, opening.span.first) {
            let free = self.free_for_playback[family as usize].iter().rev();
            let free = free.filter(|(_, at)| !self.is_passed_over(job, opening.span.first, *at));
            for (_, at) in free.take(CANDIDATES) {
                let device = &self.devices[*at];
                let effort = device.effort(state.kind, opening.renditions, per_mille);
                let left = device.left_for_playback();
                let pace = device.pace(effort, left, length);
                let ready = self.now + pace + pace * state.lead_in / length;
                if device.needs(effort).fits_in(left) {
                    return Some((*at, ready));
                }
                // Too weak for real time even when idle; still better than nothing.
                if weak.is_none() && device.playback == Default::default() {
                    weak = Some((*at, ready));
                }
            }
        }
        weak
    }

    /// Whether a device failed at a segment that another could try.
    pub(super) fn is_passed_over(&self, job: u32, segment: u32, device: u32) -> bool {
        let state = &self.jobs[job];
        if !state.failed_on(segment, self.devices[device].id) {
            return false;
        }
        let families = self.families_at(job, segment);
        let free = families.iter().flat_map(|f| self.free_for_playback[*f as usize].iter().rev());
        let mut others = free.map(|(_, other)| self.devices[*other].id);
        // Who blames the source is not asked again before all others were.
        let accusers = self.jobs[job].troubles.get(&segment).map(|trouble| &trouble.accusers);
        let accuses = |id| accusers.is_some_and(|accusers| accusers.contains(&id));
        let second_opinion = accuses(self.devices[device].id);
        others.any(|other| !state.failed_on(segment, other) || (second_opinion && !accuses(other)))
    }

    /// Batches make way for what a device was just given.
    fn make_room(&mut self, device: u32) {
        for lease in self.devices[device].leases.clone() {
            if !self.devices[device].is_overfull() {
                break;
            }
            if self.leases[lease].is_counted_batch() {
                self.yield_batch(lease);
            }
        }
        self.reindex(device);
    }

    fn place_batches(&mut self, wanted: &[EncoderFamily]) {
        let mut walk = Walk::default();
        // With nobody idle, thousands need not be asked what they need.
        while self.is_anybody_idle(wanted)
            && let Some((line, (place, job))) = self.batch_queue.next(&walk)
        {
            match self.next_batch(job, wanted) {
                Some((opening, device)) => {
                    let length = self.batch_length(job, opening, device);
                    let end = opening.span.end.min(opening.span.first + length);
                    let span = Span { end, ..opening.span };
                    self.give(job, Opening { span, ..opening }, device, false);
                }
                None => walk.pass_over(line, (place, job)),
            }
            self.queue_batch(job);
        }
    }

    /// Whether there is a device for batches, of none of the families that are `wanted` by viewers.
    fn is_anybody_idle(&self, wanted: &[EncoderFamily]) -> bool {
        let mut families = EncoderFamily::ALL.iter().filter(|family| !wanted.contains(family));
        families.any(|family| !self.free_for_batch[*family as usize].is_empty())
    }

    /// The first open batch work of a job that somebody can do.
    fn next_batch(&self, job: u32, wanted: &[EncoderFamily]) -> Option<(Opening, u32)> {
        let state = &self.jobs[job];
        let mut from = 0;
        for _ in 0..CANDIDATES {
            let opening = state.next_for_batch(from, self.now).opening?;
            if let Some(device) = self.choose_for_batch(job, opening, wanted, None) {
                return Some((opening, device));
            }
            if !state.troubles.contains_key(&opening.span.first) {
                return None;
            }
            // Those that are free failed at it: they can go on behind it.
            from = opening.span.first + 1;
        }
        None
    }

    /// A device for a batch span, of none of the families that are `wanted` by viewers.
    fn choose_for_batch(
        &self,
        job: u32,
        opening: Opening,
        wanted: &[EncoderFamily],
        except: Option<u32>,
    ) -> Option<u32> {
        let state = &self.jobs[job];
        let per_mille = state.per_mille(opening.renditions);
        let families = self.families_at(job, opening.span.first).into_iter();
        let families = families.filter(|family| !wanted.contains(family));
        families.into_iter().find_map(|family| {
            let free = self.free_for_batch[family as usize].iter().rev().map(|(_, at)| *at);
            let free = free.filter(|at| !self.is_passed_over(job, opening.span.first, *at));
            free.take(CANDIDATES).find(|at| {
                let device = &self.devices[*at];
                let effort = device.effort(state.kind, opening.renditions, per_mille);
                Some(*at) != except
                    && (device.leases.is_empty() || device.needs(effort).fits_in(device.left()))
            })
        })
    }

    /// All that is open is shared out at once among those who have nothing to do, to each device by its
    /// speed, as every span costs a seek and a lead-in. Where that was reckoned wrong, tails are stolen.
    fn batch_length(&self, job: u32, opening: Opening, device: u32) -> u32 {
        let state = &self.jobs[job];
        let mine = self.devices[device].span_speed().max(1);
        let families = self.families(job);
        let speed = |of: &[u64]| families.iter().map(|family| of[*family as usize]).sum::<u64>();
        let share = |segments: u32, of: u64| {
            (u64::from(segments) * mine).div_ceil(of.max(mine)).min(u64::from(segments)) as u32
        };
        let part = share(state.open_segments(opening.renditions), speed(&self.idle_speed));
        // Of what is still to be made at all never more than the own part: the others want some, too.
        let whole = share(state.unpublished(opening.renditions), speed(&self.speed));
        part.max(SPAN_MIN).min(whole).max(1)
    }

    fn steal_tails(&mut self, wanted: &[EncoderFamily]) {
        let jobs: Vec<u32> =
            self.steal_queue.iter().take(STEAL_JOBS_MAX).map(|(_, job)| *job).collect();
        for job in jobs {
            while self.steal_tail(job, wanted) {}
        }
    }

    /// Gives the end of a long batch span to somebody idle, so that both end together.
    fn steal_tail(&mut self, job: u32, wanted: &[EncoderFamily]) -> bool {
        let tails = self.jobs[job].tails.iter().rev().take(CANDIDATES).map(|(_, victim)| *victim);
        let victims: Vec<u32> = tails.collect();
        victims.into_iter().any(|victim| self.steal_from(job, victim, wanted))
    }

    fn steal_from(&mut self, job: u32, victim: u32, wanted: &[EncoderFamily]) -> bool {
        let state = &self.jobs[job];
        let lease = &self.leases[victim];
        let span = Span { first: lease.ready_through + 1, end: lease.span.end };
        let Some(opening) = state.wanted_of(span, lease.renditions) else { return false };
        // A device gains nothing from halving its own work, unless a process of it stands still.
        let except = (lease.standstill == 0).then_some(lease.device);
        let Some(thief) = self.choose_for_batch(job, opening, wanted, except) else {
            return false;
        };
        let device = &self.devices[thief];
        let renditions = opening.renditions;
        let effort = device.effort(state.kind, renditions, state.per_mille(renditions));
        let length = state.segment_length();
        let pace = device.pace(effort, device.left(), length);
        let lead_in = pace * state.lead_in / length;
        let (left, theirs) = (Millis::from(lease.left()), lease.seeming_pace());
        let share = (left * theirs).saturating_sub(lead_in) / (theirs + pace).max(1);
        let share = share.min(left - 1) as u32;
        // Worth it only if all is over clearly sooner.
        let after =
            ((left - Millis::from(share)) * theirs).max(lead_in + Millis::from(share) * pace);
        if share == 0 || after * 10 > left * theirs * 9 {
            return false;
        }
        let end = lease.span.end;
        self.shorten(victim, end - share);
        let stolen = Opening { span: Span { first: end - share, end }, renditions };
        if !self.jobs[job].is_open(stolen) {
            // Some of it is published: what is left is given out as it lies.
            self.rewake(job);
            return false;
        }
        self.give(job, stolen, thief, false);
        self.queue_batch(job);
        true
    }
}

impl Job {
    /// When a viewer runs dry without segment `index`.
    pub(super) fn due(&self, demand: &Demand, index: u32) -> Moment {
        demand.due + self.cuts.start(index).saturating_sub(self.cuts.start(demand.segment))
    }

    /// Whether a device failed at a segment before.
    fn failed_on(&self, segment: u32, device: segue_model::pool::DeviceId) -> bool {
        self.troubles.get(&segment).is_some_and(|trouble| trouble.failed_on.contains(&device))
    }

    /// Whether nobody wants it.
    pub(super) fn is_unclaimed(&self) -> bool {
        self.streams.is_empty() && self.rests.is_empty()
    }
}
