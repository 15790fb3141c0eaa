//! Gives, lengthens, shortens and ends leases, and draws the consequences of how they end. Which
//! lease goes to whom is decided in `place`.

use segue_model::pool::{LeaseId, Order, Renditions, SpanEnd};
use segue_model::{FailureClass, Span};

use super::job::{Lease, Opening};
use super::timers::Timer;
use super::trouble::{Loss, Verdict};
use super::{Decision, JobFailure, Planner};

impl Planner {
    pub(super) fn give(&mut self, job: u32, opening: Opening, device: u32, playback: bool) -> u32 {
        self.epoch += 1;
        let id = LeaseId { term: self.term, epoch: self.epoch };
        let Opening { mut span, renditions } = opening;
        let family = self.devices[device].capabilities.family;
        if self.crosses(job, family) {
            // A second opinion is about one segment.
            span.end = span.first + 1;
        } else {
            // The first one, or one that goes on where nobody came back.
            self.jobs[job].family = Some(family);
        }
        let at = self.hold(id, job, device, (span, renditions), playback);
        let worker = self.devices[device].worker;
        self.touch(worker);
        self.end_overtaken(job, span.first, renditions);
        at
    }

    /// Goes on with a lease of an earlier term.
    pub(super) fn adopt(&mut self, job: u32, worker: u32, device: u32, order: Order) -> u32 {
        let family = self.devices[device].capabilities.family;
        self.jobs[job].family.get_or_insert(family);
        let at =
            self.hold(order.lease, job, device, (order.span, order.renditions), order.playback);
        self.touch(worker);
        self.rewake(job);
        at
    }

    fn hold(
        &mut self,
        id: LeaseId,
        job: u32,
        device: u32,
        (span, renditions): (Span, Renditions),
        playback: bool,
    ) -> u32 {
        let state = &self.jobs[job];
        let holder = &self.devices[device];
        let effort = holder.effort(state.kind, renditions, state.per_mille(renditions));
        let left = if playback { holder.left_for_playback() } else { holder.left() };
        let worker = holder.worker;
        let lease = Lease {
            id,
            job,
            worker,
            device,
            span,
            renditions,
            playback,
            to_end: false,
            parted: false,
            pressed: false,
            needs: holder.needs(effort),
            counted: true,
            ready_through: span.first,
            published_through: span.first,
            gaps: Vec::new(),
            first_gap: u32::MAX,
            pace: holder.pace(effort, left, state.segment_length()),
            progress_at: self.now,
            standstill: 0,
            version: self.workers[worker].version + 1,
            ended: false,
            tail: None,
            shared: None,
            learned: 0,
            timer: None,
        };
        let needs = lease.needs;
        let at = self.leases.insert(lease);
        let state = &mut self.jobs[job];
        state.take(Opening { span, renditions });
        state.leases.insert(at);
        state.add_maker(at, span.first, renditions);
        let holder = &mut self.devices[device];
        holder.leases.insert(at);
        if playback {
            holder.playback = holder.playback.plus(needs);
        } else {
            holder.batch = holder.batch.plus(needs);
            holder.batch_leases += 1;
        }
        let worker_state = &mut self.workers[worker];
        if worker_state.leases.is_empty() {
            worker_state.busy_since = self.now;
        }
        worker_state.add(id, at);
        let look = self.now + self.policy.suspect;
        if worker_state.timer.is_none_or(|timer| timer > look) {
            self.set_timer(Timer::Worker(worker), Some(look));
        }
        self.retail(at);
        self.reindex(device);
        self.set_timer(Timer::Lease(at), Some(self.now + self.look_after(at)));
        at
    }

    /// Lets a span go on to `end`.
    pub(super) fn extend(&mut self, at: u32, end: u32) {
        let lease = &mut self.leases[at];
        let more = Span { first: lease.span.end, end };
        let waited = lease.left() == 0;
        lease.span.end = end;
        if waited {
            lease.progress_at = self.now;
        }
        let (id, job, worker, renditions) = (lease.id, lease.job, lease.worker, lease.renditions);
        self.jobs[job].take(Opening { span: more, renditions });
        self.jobs[job].make_again(id, more, renditions);
        self.touch(worker);
        self.retail(at);
        let watch = self.now + self.stall_after(at);
        if self.leases[at].timer.is_none() {
            self.set_timer(Timer::Lease(at), Some(watch));
        }
    }

    /// Lets a span end sooner; what is behind `end` is open again.
    pub(super) fn cut(&mut self, at: u32, end: u32) {
        let job = self.leases[at].job;
        if self.shorten(at, end) {
            self.rewake(job);
        }
    }

    /// The same, for who gives the rest away at once. Whether there is a rest.
    pub(super) fn shorten(&mut self, at: u32, end: u32) -> bool {
        let lease = &mut self.leases[at];
        if end >= lease.span.end || lease.ended {
            return false;
        }
        let rest = Span { first: end, end: lease.span.end };
        lease.span.end = end;
        let (job, worker, renditions) = (lease.job, lease.worker, lease.renditions);
        self.jobs[job].reopen(rest, renditions);
        self.touch(worker);
        self.retail(at);
        true
    }

    /// Lets a span end with the segment that is being made.
    pub(super) fn cut_to_current(&mut self, at: u32) {
        let end = self.leases[at].ready_through + 1;
        self.cut(at, end);
    }

    /// Lets a batch make way for a viewer.
    pub(super) fn yield_batch(&mut self, at: u32) {
        self.cut_to_current(at);
        self.discount(at);
    }

    /// Nobody watches what a lease makes: it counts as a batch, and ends with the segment at hand.
    pub(super) fn demote(&mut self, at: u32) {
        let lease = &mut self.leases[at];
        lease.playback = false;
        let device = &mut self.devices[lease.device];
        if lease.counted {
            device.playback = device.playback.minus(lease.needs);
            device.batch = device.batch.plus(lease.needs);
            device.batch_leases += 1;
        }
        let (device, worker) = (lease.device, lease.worker);
        self.cut_to_current(at);
        self.touch(worker);
        self.retail(at);
        self.reindex(device);
    }

    /// Lets a viewer's span make way: for what is due sooner, or as it is of no more use.
    pub(super) fn put_off(&mut self, at: u32) {
        self.demote(at);
        self.discount(at);
        self.reindex(self.leases[at].device);
    }

    /// A viewer's span that is at its end waits there to go on. It does not if others make what
    /// follows: then its device can do something else.
    pub(super) fn end_if_overtaken(&mut self, at: u32) {
        let lease = &self.leases[at];
        let next = Span { first: lease.span.end, end: lease.span.end + 1 };
        let waits = lease.playback && !lease.ended && lease.left() == 0;
        let next = Opening { span: next, renditions: lease.renditions };
        if waits && !self.jobs[lease.job].is_open(next) {
            self.put_off(at);
        }
    }

    /// The same, of those whose next segment is `first`.
    fn end_overtaken(&mut self, job: u32, first: u32, renditions: Renditions) {
        let Some(before) = first.checked_sub(1) else { return };
        let makers = renditions.iter().filter_map(|r| self.jobs[job].maker(r, before));
        let makers: std::collections::BTreeSet<u32> = makers.collect();
        for at in makers {
            if self.leases[at].span.end == first {
                self.end_if_overtaken(at);
            }
        }
    }

    /// A device reckons with a lease no longer.
    fn discount(&mut self, at: u32) {
        let lease = &mut self.leases[at];
        if !std::mem::replace(&mut lease.counted, false) {
            return;
        }
        let device = &mut self.devices[lease.device];
        if lease.playback {
            device.playback = device.playback.minus(lease.needs);
        } else {
            device.batch = device.batch.minus(lease.needs);
            device.batch_leases -= 1;
        }
    }

    /// A lease's process is gone.
    fn release(&mut self, at: u32) {
        self.discount(at);
        // What is not stored for long is somebody else's then.
        self.set_timer(Timer::Lease(at), Some(self.now + self.policy.storage));
        let lease = &mut self.leases[at];
        lease.ended = true;
        let device = lease.device;
        self.jobs[lease.job].remove_maker(at, lease.span.first, lease.renditions);
        self.devices[device].leases.remove(&at);
        self.retail(at);
        self.reindex(device);
    }

    /// Takes a lease off the books.
    fn strike_out(&mut self, at: u32) {
        self.release(at);
        self.set_timer(Timer::Lease(at), None);
        let Some(lease) = self.leases.remove(at) else { return };
        self.jobs[lease.job].leases.remove(&at);
        self.workers[lease.worker].remove(lease.id);
        self.touch(lease.worker);
    }

    /// A process ended, as its worker says. What it made stays its worker's until it is published.
    /// `done`: it reached the end that it knew of.
    pub(super) fn end_lease(&mut self, at: u32, ready_through: u32, end: &SpanEnd, done: bool) {
        let lease = &mut self.leases[at];
        let ready = ready_through.clamp(lease.span.first, lease.span.end);
        let rest = Span { first: ready, end: lease.span.end };
        lease.ready_through = ready;
        lease.span.end = ready;
        let (job, device, renditions) = (lease.job, lease.device, lease.renditions);
        if !lease.ended {
            self.release(at);
        }
        if rest.is_empty() {
            return;
        }
        self.jobs[job].reopen(rest, renditions);
        if !done {
            self.judge(job, (ready, renditions), device, end);
        }
        self.rewake(job);
    }

    /// A lease is over, with all that is not published of it.
    pub(super) fn lose(&mut self, at: u32, end: Option<&SpanEnd>) {
        let lease = &self.leases[at];
        // What an ended one lacks is to be stored, not to be made.
        let missing = match lease.ended {
            true => lease.published_through.min(lease.first_gap).max(lease.span.first),
            false => lease.ready_through,
        };
        let (job, device) = (lease.job, lease.device);
        let (id, span, renditions) = (lease.id, lease.span, lease.renditions);
        self.strike_out(at);
        self.jobs[job].reopen_all_of(id, span, renditions);
        if let Some(end) = end {
            self.judge(job, (missing, renditions), device, end);
        }
        self.rewake(job);
    }

    /// An ended lease of which everything is published is over.
    pub(super) fn close_if_published(&mut self, at: u32) {
        let Some(lease) = self.leases.get(at) else { return };
        if lease.ended
            && lease.published_through >= lease.span.end
            && lease.first_gap >= lease.span.end
        {
            self.strike_out(at);
        }
    }

    /// Draws the consequences of a failure for the segment it happened at and the device.
    fn judge(
        &mut self,
        job: u32,
        (segment, renditions): (u32, Renditions),
        device: u32,
        end: &SpanEnd,
    ) {
        let loss = match end {
            // What a worker hands back to leave, or because it is to be empty, is no failure.
            SpanEnd::Returned if !self.workers[self.devices[device].worker].is_available() => {
                return;
            }
            SpanEnd::Returned => Loss::Return,
            SpanEnd::Died => Loss::Death,
            SpanEnd::Killed => Loss::Kill,
            SpanEnd::Done => {
                Loss::Failure(FailureClass::Worker, "it ended before its span did".to_owned())
            }
            SpanEnd::Failed(failure) => Loss::Failure(failure.class, failure.message.clone()),
        };
        let alone = self.is_alone(job, device);
        let trusted = self.devices[device].is_trusted();
        let id = self.devices[device].id;
        let trouble = self.jobs[job].troubles.entry(segment).or_default();
        trouble.renditions = trouble.renditions.union(renditions);
        let others: Vec<_> =
            trouble.failed_on.iter().filter(|other| **other != id).copied().collect();
        let (policy, now) = (&self.policy, self.now);
        let verdict = trouble.note(policy, now, (segment, id), &loss, (alone, trusted));
        if matches!(loss, Loss::Death | Loss::Failure(FailureClass::Worker, _)) {
            if others.is_empty() {
                self.strike(device, 1);
            } else {
                // Two devices failed at it: it is the segment that is bad.
                self.acquit(&others);
            }
        }
        if let Verdict::GiveUp(failure) = verdict {
            self.fail_job(job, failure);
        }
    }

    fn acquit(&mut self, devices: &[segue_model::pool::DeviceId]) {
        for id in devices {
            let Some(worker) = self.worker_index.get(&id.worker) else { continue };
            let devices = &self.workers[*worker].devices;
            if let Some(device) = devices.get(usize::from(id.device)) {
                self.devices[*device].acquit();
            }
        }
    }

    fn fail_job(&mut self, job: u32, failure: JobFailure) {
        let state = &mut self.jobs[job];
        if std::mem::replace(&mut state.failed, true) {
            return;
        }
        let id = state.id;
        self.decisions.push(Decision::Failed { job: id, failure });
        self.doomed.push(job);
    }

    pub(super) fn drop_leases(&mut self, job: u32) {
        for lease in self.jobs[job].leases.clone() {
            self.strike_out(lease);
        }
    }
}
