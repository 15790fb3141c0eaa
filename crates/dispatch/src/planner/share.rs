//! Who watches a film to its end has it sooner while devices are idle: they take what is farther ahead
//! of the viewer from the one that makes it. Nothing comes later for that.

use segue_model::Span;
use segue_model::pool::EncoderFamily;

use super::job::Opening;
use super::place::CANDIDATES;
use super::{Demand, Planner};
use crate::Millis;

impl Planner {
    /// Notes for whom a span is made.
    pub(super) fn note_viewer(&mut self, at: u32, demand: &Demand) {
        let parted = self.goes_on_elsewhere(at, demand);
        let lease = &mut self.leases[at];
        lease.to_end |= demand.to_end;
        lease.parted |= parted;
        self.retail(at);
    }

    /// Keeps a lease's place among those that may be shared.
    pub(super) fn keep_shareable(&mut self, at: u32) {
        let lease = &self.leases[at];
        let long = lease.left() >= 2 * self.chunk_segments(lease.job);
        let left = u64::from(lease.left()) * lease.seeming_pace();
        let shared = (lease.playback && lease.to_end && !lease.ended && long).then_some(left);
        let before = std::mem::replace(&mut self.leases[at].shared, shared);
        if let Some(before) = before {
            self.shareable.remove(&(before, at));
        }
        if let Some(shared) = shared {
            self.shareable.insert((shared, at));
        }
    }

    /// Lets the idle help those who watch to the end, but for families that are `wanted` by viewers
    /// who have nothing.
    pub(super) fn share_ahead(&mut self, wanted: &[EncoderFamily]) {
        loop {
            let longest = self.shareable.iter().rev().take(CANDIDATES).map(|(_, at)| *at);
            let longest: Vec<u32> = longest.collect();
            if !longest.into_iter().any(|at| self.share(at, wanted)) {
                return;
            }
        }
    }

    /// The viewer comes to the beginning first: whoever makes that keeps a quarter, and is the next to
    /// be idle. Cutting what is left into halves would have all of it sooner, and most of it later.
    fn share(&mut self, at: u32, wanted: &[EncoderFamily]) -> bool {
        let Some((helper, segments)) = self.helper(at, wanted) else { return false };
        let lease = &self.leases[at];
        let (job, renditions, end) = (lease.job, lease.renditions, lease.span.end);
        let span = Span { first: end - segments, end };
        self.shorten(at, span.first);
        let shared = Opening { span, renditions };
        let helps = self.give(job, shared, helper, true);
        let lease = &mut self.leases[helps];
        (lease.to_end, lease.parted) = (true, true);
        self.retail(helps);
        true
    }

    /// Who is idle and makes the last segments of a span sooner, and how many of them.
    fn helper(&self, at: u32, wanted: &[EncoderFamily]) -> Option<(u32, u32)> {
        let lease = &self.leases[at];
        let state = &self.jobs[lease.job];
        let rest = Span { first: lease.ready_through + 1, end: lease.span.end };
        // What has to be given out bit by bit is left alone.
        let well = self.workers[lease.worker].is_available()
            && state.is_missing(rest, lease.renditions)
            && state.troubles.range(rest.first..rest.end).next().is_none();
        let watched = state.streams.iter().filter_map(|stream| self.claims[*stream].demand());
        if !well || !watched.into_iter().any(|demand| demand.to_end) {
            return None;
        }
        let mut families = self.families(lease.job).into_iter();
        families.find_map(|family| {
            let free = self.free_for_playback[family as usize].iter().rev();
            let mut free = free.filter(|_| !wanted.contains(&family)).take(CANDIDATES);
            free.find_map(|(_, device)| Some((*device, self.help_of(*device, at)?)))
        })
    }

    /// How many of a span's last segments an idle device has sooner, if that is worth a seek.
    fn help_of(&self, device: u32, at: u32) -> Option<u32> {
        let (holder, lease) = (&self.devices[device], &self.leases[at]);
        let state = &self.jobs[lease.job];
        let idle = holder.leases.iter().all(|held| self.leases[*held].left() == 0);
        let per_mille = state.per_mille(lease.renditions);
        let effort = holder.effort(state.kind, lease.renditions, per_mille);
        let room = holder.left_for_playback();
        let fits = holder.needs(effort).fits_in(room) || holder.playback == Default::default();
        if device == lease.device || !idle || !fits {
            return None;
        }
        let length = state.segment_length();
        let pace = holder.pace(effort, room, length);
        let lead_in = pace * state.lead_in / length;
        let (left, theirs) = (Millis::from(lease.left()), lease.seeming_pace());
        let least = Millis::from(self.chunk_segments(lease.job));
        // The last of them must not come later than it would, nor the first.
        let segments = (left * 3 / 4)
            .min((left * theirs).saturating_sub(lead_in) / pace)
            .min(left.saturating_sub(least));
        let kept = left - segments;
        let sooner = lead_in + pace < (kept + 1) * theirs;
        let all = (lead_in + segments * pace).max(kept * theirs);
        let worth_it = segments >= least && sooner && all * 10 <= left * theirs * 9;
        worth_it.then_some(segments as u32)
    }

    /// The least that is worth a span of its own to who waits for it.
    pub(super) fn chunk_segments(&self, job: u32) -> u32 {
        let segments = self.policy.chunk.div_ceil(self.jobs[job].segment_length());
        u32::try_from(segments).unwrap_or(u32::MAX)
    }
}
