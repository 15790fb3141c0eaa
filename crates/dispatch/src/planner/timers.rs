//! What happens because time goes by. One queue; each thing has at most one place in it.

use segue_model::pool::{EncoderFamily, SpanEnd};
use segue_model::{FailureClass, SpanFailure};

use super::{Note, Planner};
use crate::{Millis, Moment};

/// A segment that takes so many times as long as others is overdue ...
const OVERDUE: Millis = 4;
/// ... and not before this.
const OVERDUE_MIN: Millis = 2_000;

/// Whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Everybody had the chance to say what there is.
    Settled,
    /// And a job that is not known by now is not known.
    Strangers,
    /// Nobody of a family came back.
    Family(EncoderFamily),
    /// A worker may be silent.
    Worker(u32),
    /// A device's quarantine is over.
    Device(u32),
    /// A lease may hang.
    Lease(u32),
    /// A stream's next chunk comes into sight.
    Stream(u32),
    /// A claim lapses.
    Claim(u32),
    /// What failed may be tried again, or a job is claimed by nobody.
    Job(u32),
}

impl Planner {
    pub(super) fn run_timers(&mut self) {
        while let Some((at, timer)) = self.timers.first().copied() {
            if at > self.now {
                break;
            }
            self.timers.pop_first();
            self.due(timer);
        }
    }

    fn due(&mut self, timer: Timer) {
        match timer {
            // What follows is decided by `place`, as after every event.
            Timer::Settled | Timer::Family(_) => {}
            Timer::Strangers => {
                self.dismiss_strangers();
                // Who wanted what earlier terms gave out has said so by now.
                self.end_all_unwanted();
            }
            Timer::Worker(worker) => {
                self.workers[worker].timer = None;
                self.watch_worker(worker);
            }
            Timer::Device(device) => {
                self.devices[device].timer = None;
                self.end_quarantine(device);
            }
            Timer::Lease(lease) => {
                self.leases[lease].timer = None;
                self.watch_lease(lease);
            }
            Timer::Stream(claim) => {
                self.claims[claim].wake = None;
                self.await_turn(claim);
            }
            Timer::Claim(claim) => {
                self.claims[claim].expiry = None;
                match self.claims[claim].claim.until {
                    Some(until) if until > self.now => self.expire(claim, Some(until)),
                    _ => self.drop_claim(claim),
                }
            }
            Timer::Job(job) => {
                self.jobs[job].timer = None;
                self.queue_batch(job);
                self.doom_if_unclaimed(job);
            }
        }
    }

    /// Sets the one timer of something; the old one, if any, is gone.
    pub(super) fn set_timer(&mut self, timer: Timer, at: Option<Moment>) {
        let slot = match timer {
            Timer::Settled | Timer::Strangers | Timer::Family(_) => return,
            Timer::Worker(worker) => &mut self.workers[worker].timer,
            Timer::Device(device) => &mut self.devices[device].timer,
            Timer::Lease(lease) => &mut self.leases[lease].timer,
            Timer::Stream(claim) => &mut self.claims[claim].wake,
            Timer::Claim(claim) => &mut self.claims[claim].expiry,
            Timer::Job(job) => &mut self.jobs[job].timer,
        };
        let before = std::mem::replace(slot, at);
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.timers.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.timers.insert((at, timer));
        }
    }

    fn watch_lease(&mut self, lease: u32) {
        let state = &self.leases[lease];
        let waits = state.left() == 0 && !state.ended;
        if waits {
            return;
        }
        let stored = !state.ended
            && state.published_through >= state.ready_through
            && state.first_gap >= state.ready_through;
        // What waits for storage does not hang, and is given more time.
        let patience = if stored { self.stall_after(lease) } else { self.policy.storage };
        // If the worker is silent, that is its own case.
        let silent = self.workers[state.worker].suspected;
        let over_at = if silent { self.now } else { state.progress_at } + patience;
        if over_at > self.now {
            self.note_standstill(lease);
            let look = over_at.min(self.now + self.look_after(lease));
            self.set_timer(Timer::Lease(lease), Some(look));
            return;
        }
        let id = state.id;
        self.noted(Note::Stalled(id));
        let end = if stored {
            SpanEnd::Died
        } else {
            let message = format!("nothing was stored for {} s", patience / 1000);
            let class = FailureClass::Transient;
            SpanEnd::Failed(SpanFailure { class, message, log: Vec::new() })
        };
        self.lose(lease, Some(&end));
    }

    /// Whatever holds a batch span up, what is behind it need not wait for that: it becomes a tail
    /// that is worth stealing.
    fn note_standstill(&mut self, lease: u32) {
        let overdue = self.overdue_after(lease);
        let state = &mut self.leases[lease];
        let stands = self.now.since(state.progress_at);
        if !state.playback && !state.ended && stands >= overdue {
            state.standstill = stands;
            let job = state.job;
            self.retail(lease);
            self.rewake(job);
        }
    }

    /// When a lease is to be looked at again, if nothing is heard of it.
    pub(super) fn look_after(&self, lease: u32) -> Millis {
        let stall = self.stall_after(lease);
        if self.leases[lease].playback { stall } else { stall.min(self.overdue_after(lease)) }
    }

    /// Paces vary; a segment that takes so long is held up by something.
    pub(super) fn overdue_after(&self, lease: u32) -> Millis {
        let state = &self.leases[lease];
        let job = &self.jobs[state.job];
        let is_first = state.ready_through == state.span.first;
        let lead_in = if is_first { state.pace * job.lead_in / job.segment_length() } else { 0 };
        (OVERDUE * (state.pace + lead_in)).max(OVERDUE_MIN).max(2 * state.standstill)
    }

    pub(super) fn stall_after(&self, lease: u32) -> Millis {
        let state = &self.leases[lease];
        let is_first = state.ready_through == state.span.first;
        let least = if is_first { self.policy.stall_first } else { self.policy.stall };
        least.max(state.pace * 8)
    }
}
