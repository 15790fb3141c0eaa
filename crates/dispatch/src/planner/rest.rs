//! What is wanted of a job without hurry: all of it by batches, and the rest of it, from their
//! playheads on, by viewers who want it to its end. Both are given out alike.

use segue_model::Span;
use segue_model::pool::Renditions;

use super::Planner;
use super::event::{Demand, Purpose};
use super::job::{Job, Lease, Next, Opening};
use crate::Moment;

/// A viewer that is so many segments ahead of what is known to be ready has news that are under way
/// here; one that is farther ahead went elsewhere.
pub(super) const NEAR: u32 = 8;

/// From `from` to the film's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rest {
    pub from: u32,
    pub renditions: Renditions,
}

impl Rest {
    /// What a claim wants without hurry, if it wants anything so.
    pub fn of(purpose: &Purpose) -> Option<Rest> {
        match *purpose {
            Purpose::Batch { renditions, .. } => Some(Rest { from: 0, renditions }),
            Purpose::Playback(Demand { to_end: false, .. }) => None,
            Purpose::Playback(Demand { renditions, segment, .. }) => {
                Some(Rest { from: segment, renditions })
            }
        }
    }
}

impl Job {
    /// The renditions in which some of it is wanted without hurry.
    pub fn batch_renditions(&self) -> Renditions {
        self.rests.values().fold(Renditions::NONE, |all, rest| all.union(rest.renditions))
    }

    /// The first segment that is wanted without hurry of a rendition.
    pub fn wanted_from(&self, rendition: u32) -> Option<u32> {
        let rests = self.rests.values().filter(|rest| rest.renditions.contains(rendition));
        rests.map(|rest| rest.from).min()
    }

    /// Those of `renditions` of which segment `index` is wanted without hurry.
    pub fn wanted_at(&self, index: u32, renditions: Renditions) -> Renditions {
        let wanted = |rendition: &u32| self.wanted_from(*rendition).is_some_and(|at| at <= index);
        renditions.iter().filter(wanted).collect()
    }

    /// The first open run at or after `from` that is wanted without hurry.
    pub fn next_for_batch(&self, from: u32, now: Moment) -> Next {
        if self.rests.is_empty() {
            return Next::default();
        }
        self.next_open_where(now, |rendition| self.wanted_from(rendition), from)
    }

    /// How many segments are open and wanted without hurry.
    pub fn open_for_batch(&self) -> u32 {
        self.open_segments(self.batch_renditions())
    }

    /// How many segments are open in any of these, of what is wanted without hurry.
    pub fn open_segments(&self, renditions: Renditions) -> u32 {
        self.most(renditions, |job, r, from| job.open_from(r, from))
    }

    /// How many segments are not published in some of these, of what is wanted without hurry.
    pub fn unpublished(&self, renditions: Renditions) -> u32 {
        self.most(renditions, |job, r, from| job.unpublished_from(r, from))
    }

    fn most(&self, renditions: Renditions, count: impl Fn(&Job, u32, u32) -> u32) -> u32 {
        let of = |rendition| Some(count(self, rendition, self.wanted_from(rendition)?));
        renditions.iter().filter_map(of).max().unwrap_or(0)
    }

    /// Whether somebody wants what a batch lease comes to.
    fn wants_more_of(&self, lease: &Lease) -> bool {
        let comes_to = lease.ready_through.saturating_add(1 + NEAR);
        !self.wanted_at(comes_to, lease.renditions).is_empty()
    }

    /// What of a batch span that could be stolen is worth it.
    pub fn wanted_of(&self, span: Span, renditions: Renditions) -> Option<Opening> {
        let renditions = self.wanted_at(span.first, renditions);
        (!renditions.is_empty()).then_some(Opening { span, renditions })
    }
}

impl Planner {
    /// Takes note of what a claim wants without hurry. What nobody wants any more is ended.
    pub(super) fn set_rest(&mut self, job: u32, claim: u32, rest: Option<Rest>) {
        let state = &mut self.jobs[job];
        let rest = rest.map(|Rest { from, renditions }| {
            let renditions = state.known(renditions);
            Rest { from, renditions }
        });
        let before = match rest {
            Some(rest) => state.rests.insert(claim, rest),
            None => state.rests.remove(&claim),
        };
        if before.is_some() && before != rest {
            self.end_unwanted(job);
        }
    }

    /// Batch spans that nobody wants any more end with the segment at hand.
    pub(super) fn end_unwanted(&mut self, job: u32) {
        let state = &self.jobs[job];
        let unwanted = state.leases.iter().copied().filter(|at| {
            let lease = &self.leases[*at];
            !lease.playback && !state.wants_more_of(lease)
        });
        for lease in unwanted.collect::<Vec<_>>() {
            self.cut_to_current(lease);
        }
    }

    /// The same, of every job.
    pub(super) fn end_all_unwanted(&mut self) {
        let jobs: Vec<u32> = self.jobs.iter().map(|(at, _)| at).collect();
        for job in jobs {
            self.end_unwanted(job);
        }
    }
}
