//! Who wants what: jobs, claims, and the queues they wait in. Admission control belongs here, in
//! `claim`, when it comes.

use std::collections::BTreeSet;

use segue_model::pool::{ClaimId, LeaseId, Renditions};
use segue_model::{JobId, SegmentId, Span};

use super::job::Job;
use super::queue::Line;
use super::rest::{NEAR, Rest};
use super::timers::Timer;
use super::{Claim, Decision, Demand, JobFacts, Planner, Purpose};
use crate::Moment;

impl Demand {
    /// Whether who wanted this went elsewhere, rather than on: seeks end what was begun for them.
    fn is_left_for(&self, other: &Demand) -> bool {
        let on = self.segment..=self.segment.saturating_add(NEAR);
        !on.contains(&other.segment) || self.renditions != other.renditions
    }
}

/// A claim as the planner keeps it.
#[derive(Debug)]
pub(super) struct Wish {
    pub id: ClaimId,
    pub job: u32,
    pub claim: Claim,
    /// When it came, among all.
    pub arrival: u64,
    /// Its place among the waiting streams.
    pub queued: Option<(Line, Moment)>,
    pub wake: Option<Moment>,
    pub expiry: Option<Moment>,
}

impl Wish {
    pub fn demand(&self) -> Option<Demand> {
        match self.claim.purpose {
            Purpose::Playback(demand) => Some(demand),
            Purpose::Batch { .. } => None,
        }
    }
}

impl Planner {
    pub(super) fn learn_job(&mut self, facts: JobFacts) {
        let id = facts.id;
        if let Some(job) = self.job_index.get(&id).copied() {
            let state = &mut self.jobs[job];
            state.family = state.family.or(facts.family);
            state.unclaimed_until = self.now + self.policy.unclaimed;
            for (rendition, span) in facts.published {
                state.publish(rendition, span);
            }
            self.queue_batch(job);
            return self.finish_batches(job, id);
        }
        let unclaimed_until = self.now + self.policy.unclaimed;
        let job = self.jobs.insert(Job::new(facts, unclaimed_until));
        self.job_index.insert(id, job);
        self.set_timer(Timer::Job(job), Some(unclaimed_until));
        self.welcome_strangers(id);
    }

    pub(super) fn claim(&mut self, id: ClaimId, claim: Claim) {
        let known = self.claim_index.get(&id).copied();
        // Claims come again all the time, and of the same job.
        let same_job = known.map(|at| self.claims[at].job);
        let same_job = same_job.filter(|job| self.jobs[*job].id == claim.job);
        let Some(job) = same_job.or_else(|| self.job_index.get(&claim.job).copied()) else {
            self.decisions.push(Decision::Unknown { claim: id, job: claim.job });
            return;
        };
        let same_kind = |at: &u32| {
            let wish = &self.claims[*at];
            let batch = matches!(claim.purpose, Purpose::Batch { .. });
            wish.job == job && wish.demand().is_none() == batch
        };
        let at = match known.filter(same_kind) {
            Some(at) => at,
            None => {
                if let Some(at) = known {
                    self.drop_claim(at);
                }
                self.arrivals += 1;
                let arrival = self.arrivals;
                let claim = claim.clone();
                let wish = Wish { id, job, claim, arrival, queued: None, wake: None, expiry: None };
                let at = self.claims.insert(wish);
                self.claim_index.insert(id, at);
                at
            }
        };
        self.expire(at, claim.until);
        let purpose = claim.purpose.clone();
        let before = self.claims[at].demand();
        self.claims[at].claim = claim;
        self.set_rest(job, at, Rest::of(&purpose));
        match purpose {
            Purpose::Playback(demand) => {
                self.jobs[job].streams.insert(at);
                self.weigh_for(job, &demand);
                if let Some(before) = before.filter(|before| before.is_left_for(&demand)) {
                    self.stop_unwatched(job, before);
                }
                self.await_turn(at);
            }
            Purpose::Batch { .. } => self.finish_batches(job, self.jobs[job].id),
        }
        self.queue_batch(job);
    }

    /// Sees to it that a claim lapses. Most are renewed long before: an earlier timer is left as it is,
    /// and looks again.
    pub(super) fn expire(&mut self, at: u32, until: Option<Moment>) {
        let looked_at = self.claims[at].expiry;
        if until.is_none_or(|until| looked_at.is_none_or(|looked_at| looked_at > until)) {
            self.set_timer(Timer::Claim(at), until);
        }
    }

    pub(super) fn unclaim(&mut self, id: ClaimId) {
        if let Some(at) = self.claim_index.get(&id).copied() {
            self.drop_claim(at);
        }
    }

    pub(super) fn drop_claim(&mut self, at: u32) {
        self.leave_queue(at);
        self.set_timer(Timer::Stream(at), None);
        self.set_timer(Timer::Claim(at), None);
        let Some(wish) = self.claims.remove(at) else { return };
        self.claim_index.remove(&wish.id);
        self.jobs[wish.job].streams.remove(&at);
        self.set_rest(wish.job, at, None);
        if let Some(demand) = wish.demand() {
            self.stop_unwatched(wish.job, demand);
            self.weigh_for(wish.job, &demand);
        }
        self.jobs[wish.job].unclaimed_until = self.now + self.policy.unclaimed;
        self.queue_batch(wish.job);
    }

    /// A viewer left a place, or altogether: what nobody else comes to there ends with the segment at
    /// hand, and makes way like a batch.
    fn stop_unwatched(&mut self, job: u32, left: Demand) {
        let ahead = self.segments_ahead(job, &left);
        for lease in self.jobs[job].makers_near(left.segment, ahead, left.renditions) {
            let (span, renditions) = (self.leases[lease].span, self.leases[lease].renditions);
            let comes = |demand: Demand| {
                let ahead = self.segments_ahead(job, &demand);
                !demand.renditions.intersection(renditions).is_empty()
                    && demand.segment <= span.end
                    && span.first <= demand.segment.saturating_add(ahead)
            };
            let streams = self.jobs[job].streams.iter();
            let watched = streams.filter_map(|at| self.claims[*at].demand()).any(comes);
            if self.leases[lease].playback && !watched {
                self.demote(lease);
            }
        }
    }

    /// How far ahead of a viewer something may be made for it, in segments.
    pub(super) fn segments_ahead(&self, job: u32, demand: &Demand) -> u32 {
        let ahead = self.policy.read_ahead_of(demand) + self.policy.chunk;
        let segments = ahead / self.jobs[job].segment_length() + 1;
        u32::try_from(segments).unwrap_or(u32::MAX)
    }

    pub(super) fn doom_if_unclaimed(&mut self, at: u32) {
        let job = &self.jobs[at];
        if job.is_unclaimed() && job.unclaimed_until <= self.now {
            self.doomed.push(at);
        }
    }

    /// Drops jobs that failed or that nobody wants, once nothing else looks at them.
    pub(super) fn bury(&mut self) {
        for at in std::mem::take(&mut self.doomed) {
            let Some(job) = self.jobs.get(at) else { continue };
            if !job.failed && !job.is_unclaimed() {
                continue;
            }
            let claims = job.streams.iter().chain(job.rests.keys());
            for claim in claims.copied().collect::<BTreeSet<_>>() {
                self.drop_claim(claim);
            }
            self.drop_leases(at);
            self.set_timer(Timer::Job(at), None);
            self.leave_batch_queues(at);
            if let Some(job) = self.jobs.remove(at) {
                self.job_index.remove(&job.id);
                self.decisions.push(Decision::Forgotten(job.id));
            }
        }
    }

    pub(super) fn published(&mut self, job: JobId, rendition: u32, span: Span) {
        let Some(at) = self.job_index.get(&job).copied() else { return };
        if self.jobs[at].publish(rendition, span) {
            self.finish_batches(at, job);
            self.queue_batch(at);
        }
    }

    /// What was taken to be published has to be made again.
    pub(super) fn vanished(&mut self, job: JobId, segment: SegmentId) {
        let Some(at) = self.job_index.get(&job).copied() else { return };
        let SegmentId { rendition, index } = segment;
        if rendition >= Renditions::MAX {
            return;
        }
        let coming = self.jobs[at].leases.iter().map(|lease| &self.leases[*lease]).find(|lease| {
            let ahead = lease.ready_through <= index && index < lease.span.end;
            ahead && lease.renditions.contains(rendition)
        });
        let coming = coming.map(|lease| lease.id);
        let through = LeaseId { term: self.term, epoch: self.epoch };
        self.jobs[at].vanish(segment, through, coming);
        if coming.is_none() {
            let span = self.jobs[at].clip(Span { first: index, end: index.saturating_add(1) });
            let renditions = self.jobs[at].known(Renditions::only(rendition));
            self.jobs[at].reopen(span, renditions);
            self.rewake(at);
        }
    }

    /// Batch claims of which everything is published are fulfilled.
    pub(super) fn finish_batches(&mut self, job: u32, id: JobId) {
        let state = &self.jobs[job];
        if state.rests.is_empty() || state.failed {
            return;
        }
        let is_batch = |at: &u32| self.claims[*at].demand().is_none();
        let done = state.rests.iter().filter(|(_, rest)| state.is_complete(rest.renditions));
        for at in done.map(|(at, _)| *at).filter(is_batch).collect::<Vec<_>>() {
            let claim = self.claims[at].id;
            self.decisions.push(Decision::Finished { claim, job: id });
            self.drop_claim(at);
        }
    }

    /// Something of a job is open again.
    pub(super) fn rewake(&mut self, job: u32) {
        for stream in self.jobs[job].streams.iter().copied().collect::<Vec<_>>() {
            self.await_turn(stream);
        }
        self.queue_batch(job);
    }

    /// Puts a stream where it belongs: among those that wait, or to sleep until its next chunk
    /// comes into sight.
    pub(super) fn await_turn(&mut self, at: u32) {
        self.leave_queue(at);
        let wish = &self.claims[at];
        let Some(demand) = wish.demand() else { return };
        let job = &self.jobs[wish.job];
        let next = job.next_open(demand.segment, demand.renditions, self.now);
        let due = next.opening.map(|opening| job.due(&demand, opening.span.first));
        let late = self.late_lease(at);
        let due = late.map(|_| demand.due).or(due);
        let read_ahead = self.policy.read_ahead_of(&demand);
        if let Some(due) = due.filter(|due| *due - read_ahead <= self.now) {
            let rides = next.opening.is_some_and(|it| self.ridden(wish.job, it).is_some());
            return self.stand_in_line(at, due, rides && late.is_none());
        }
        let begins = due.map(|due| due - read_ahead);
        let wake = [begins, next.paused].into_iter().flatten().min();
        self.set_timer(Timer::Stream(at), wake);
    }

    /// Puts a stream among those that wait.
    pub(super) fn stand_in_line(&mut self, at: u32, due: Moment, rides: bool) {
        self.leave_queue(at);
        let wish = &self.claims[at];
        let Some(demand) = wish.demand() else { return };
        let line = self.jobs[wish.job].line(demand.renditions).riding(rides);
        self.claims[at].queued = Some((line, due));
        self.waiting.insert(line, (due, at));
    }

    pub(super) fn leave_queue(&mut self, at: u32) {
        if let Some((line, due)) = self.claims[at].queued.take() {
            self.waiting.remove(line, (due, at));
        }
    }

    /// Puts a job where it belongs: among those with open batch work, those of which only tails are
    /// left, or neither.
    pub(super) fn queue_batch(&mut self, at: u32) {
        let job = &self.jobs[at];
        let next = job.next_for_batch(0, self.now);
        let place = self.batch_place(at);
        let job = &self.jobs[at];
        let line = |place| (job.line(job.batch_renditions()), place);
        let queued = place.filter(|_| next.opening.is_some()).map(line);
        let stealable = place.filter(|_| next.opening.is_none() && !job.tails.is_empty());
        if (job.queued, job.stealable) != (queued, stealable) {
            self.leave_batch_queues(at);
            if let Some((line, place)) = queued {
                self.batch_queue.insert(line, (place, at));
            }
            if let Some(place) = stealable {
                self.steal_queue.insert((place, at));
            }
            let job = &mut self.jobs[at];
            (job.queued, job.stealable) = (queued, stealable);
        }
        let job = &self.jobs[at];
        // What is over already is buried with this event.
        let lapses = job.is_unclaimed() && job.unclaimed_until > self.now;
        let unclaimed = lapses.then_some(job.unclaimed_until);
        self.set_timer(Timer::Job(at), [next.paused, unclaimed].into_iter().flatten().min());
    }

    fn batch_place(&self, job: u32) -> Option<(Moment, u64)> {
        let place = |at: &u32| {
            let wish = &self.claims[*at];
            let deadline = match wish.claim.purpose {
                Purpose::Batch { deadline, .. } => deadline,
                Purpose::Playback(_) => None,
            };
            (deadline.unwrap_or(Moment(u64::MAX)), wish.arrival)
        };
        self.jobs[job].rests.keys().map(place).min()
    }

    fn leave_batch_queues(&mut self, at: u32) {
        let job = &mut self.jobs[at];
        if let Some((line, place)) = job.queued.take() {
            self.batch_queue.remove(line, (place, at));
        }
        if let Some(place) = job.stealable.take() {
            self.steal_queue.remove(&(place, at));
        }
    }
}
