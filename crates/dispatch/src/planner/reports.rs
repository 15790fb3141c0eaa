//! Reads what workers say of their leases. A status is believed about what is published whoever
//! says it; about everything else only from who holds the lease.

use segue_model::pool::{Beat, LeaseId, Renditions, Screened, SpanEnd, SpanStatus, Status};
use segue_model::{JobId, Span};

use super::job::Lease;
use super::timers::Timer;
use super::{Decision, Note, Planner};

/// Nobody is that slow.
const PACE_MAX: u64 = 3_600_000;

impl Planner {
    /// Takes note of a sign of life. The worker, if it was one.
    pub(super) fn beat(&mut self, beat: Beat) -> Option<u32> {
        let Some(at) = self.worker_index.get(&beat.worker).copied() else {
            let Beat { worker, stream, .. } = beat;
            self.decisions.push(Decision::NotGreeted { worker, stream });
            return None;
        };
        let worker = &mut self.workers[at];
        let current = worker.connected
            && worker.incarnation == beat.incarnation
            && worker.stream == beat.stream;
        // What was overtaken on the way says nothing any more.
        if !current || beat.sequence <= worker.sequence {
            return None;
        }
        let ranked = beat.applied.0 <= self.term;
        if !ranked {
            let (worker, term) = (worker.id, beat.applied.0);
            self.decisions.push(Decision::Outranked { worker, term });
            return None;
        }
        worker.sequence = beat.sequence;
        worker.applied = beat.applied;
        let behind = beat.applied != (self.term, worker.version);
        let told_long_ago = self.now.since(worker.sent_at) >= self.policy.resend;
        self.hear(at);
        if behind && told_long_ago {
            self.changed.insert(at);
        }
        Some(at)
    }

    pub(super) fn status(&mut self, status: Status) -> Option<u32> {
        let Status { beat, spans, draining, screened } = status;
        let at = self.beat(beat)?;
        let first = !self.workers[at].has_spoken();
        self.workers[at].content = beat.content;
        let was_draining = std::mem::replace(&mut self.workers[at].draining, draining);
        if first || was_draining != draining {
            self.touch(at);
            self.reindex_all(at);
        }
        if draining && !was_draining {
            self.hand_over(at);
        }
        self.read_screened(at, screened);
        self.drop_missing(at, &spans);
        let mut strangers = Vec::new();
        for span in spans {
            match self.workers[at].lease(span.order.lease) {
                Some(lease) => self.progress(lease, &span),
                None => strangers.extend(self.stranger(at, span)),
            }
        }
        self.keep_strangers(at, strangers);
        self.workers[at].broken_off.clear();
        Some(at)
    }

    fn read_screened(&mut self, at: u32, screened: Vec<Screened>) {
        if self.workers[at].screened == screened {
            return;
        }
        for Screened { screening, passed } in &screened {
            let index = usize::from(screening.device);
            let Some(device) = self.workers[at].devices.get(index).copied() else { continue };
            if self.devices[device].screening(self.term) != Some(*screening) {
                continue;
            }
            let pause = self.devices[device].screened(&self.policy, self.now, *passed);
            if *passed {
                let id = self.devices[device].id;
                self.noted(Note::Trusted(id));
            }
            self.leave_alone(device, pause);
            self.touch(at);
        }
        self.workers[at].screened = screened;
    }

    /// A worker that knows of a lease and does not hold it has given it up.
    fn drop_missing(&mut self, at: u32, spans: &[SpanStatus]) {
        let worker = &self.workers[at];
        let (term, version) = worker.applied;
        if term != self.term {
            return;
        }
        let told = |lease: u32| self.leases[lease].version <= version;
        let held = |id: LeaseId| spans.iter().any(|span| span.order.lease == id);
        let given_up = worker.leases.iter().filter(|(id, lease)| told(*lease) && !held(*id));
        for (id, _) in given_up.copied().collect::<Vec<_>>() {
            if let Some(lease) = self.workers[at].lease(id) {
                self.lose(lease, Some(&SpanEnd::Returned));
            }
        }
    }

    fn progress(&mut self, at: u32, said: &SpanStatus) {
        let lease = &self.leases[at];
        let job = lease.job;
        let job_id = self.jobs[job].id;
        if said.order.job != job_id || said.order.span.first != lease.span.first {
            return;
        }
        self.note_ready(at, said);
        self.note_published(at, said);
        if let Some(end) = &said.end {
            // It was done with what it knew of; that there is more was under way to it.
            let knew_less = said.ready_through >= said.order.span.end;
            let done = *end == SpanEnd::Done && knew_less;
            self.end_lease(at, said.ready_through, end, done);
        }
        self.close_if_published(at);
        self.finish_batches(job, job_id);
    }

    fn note_ready(&mut self, at: u32, said: &SpanStatus) {
        let lease = &mut self.leases[at];
        if let Some(guess) = said.measured.filter(|measured| measured.segments == 0) {
            // From the pictures of a segment that is under way. It earns patience, and teaches nothing.
            lease.pace = lease.pace.max(u64::from(guess.pace_ms).min(PACE_MAX));
        }
        let before = lease.ready_through;
        let ready = said.ready_through.min(lease.span.end);
        if ready <= before {
            return;
        }
        lease.ready_through = ready;
        lease.progress_at = self.now;
        lease.standstill = 0;
        let (job, device, renditions) = (lease.job, lease.device, lease.renditions);
        if let Some(measured) = said.measured.filter(|measured| measured.segments > lease.learned) {
            lease.learned = measured.segments;
            lease.pace = u64::from(measured.pace_ms).max(1);
            let kind = self.jobs[job].kind;
            self.devices[device].learn(kind, renditions, measured);
        }
        if before == self.leases[at].span.first && self.leases[at].timer.is_some() {
            // The next segment has no lead-in to excuse it.
            self.set_timer(Timer::Lease(at), Some(self.now + self.look_after(at)));
        }
        self.devices[device].praise(ready - before);
        self.refute(job, Span { first: before, end: ready }, renditions, device);
        self.retail(at);
        self.end_if_overtaken(at);
    }

    /// Segments were made that others could not make: it was not the segments' fault.
    fn refute(&mut self, job: u32, made: Span, renditions: Renditions, by: u32) {
        let by = self.devices[by].id;
        let troubled = self.jobs[job].troubles.range(made.first..made.end);
        let over = troubled.filter(|(_, trouble)| {
            trouble.renditions.intersection(renditions) == trouble.renditions
        });
        let troubled: Vec<u32> = over.map(|(segment, _)| *segment).collect();
        for segment in troubled {
            let Some(trouble) = self.jobs[job].troubles.remove(&segment) else { continue };
            for accuser in trouble.accusers.into_iter().filter(|accuser| *accuser != by) {
                let worker = self.worker_index.get(&accuser.worker);
                let devices = worker.map(|worker| &self.workers[*worker].devices);
                let device = devices.and_then(|all| all.get(usize::from(accuser.device)));
                if let Some(device) = device.copied() {
                    self.strike(device, 2);
                }
            }
        }
    }

    fn note_published(&mut self, at: u32, said: &SpanStatus) {
        let lease = &mut self.leases[at];
        // What is said of more than was ordered is not listened to, and may be true another time.
        let through = said.published_through.min(said.order.span.end);
        if lease.published_through == through && lease.gaps == said.gaps {
            return;
        }
        lease.published_through = through;
        lease.gaps.clone_from(&said.gaps);
        lease.first_gap = said.gaps.iter().map(|gap| gap.index).min().unwrap_or(u32::MAX);
        lease.progress_at = self.now;
        let (job, renditions) = (lease.job, lease.renditions);
        self.publish_all(job, renditions, said);
    }

    fn publish_all(&mut self, job: u32, renditions: Renditions, said: &SpanStatus) {
        for rendition in renditions.iter() {
            for run in said.published(rendition) {
                self.jobs[job].publish_by(said.order.lease, rendition, run);
            }
        }
    }

    /// A lease that is not known here: the rest of a fenced one, or of an earlier term.
    fn stranger(&mut self, worker: u32, mut said: SpanStatus) -> Option<SpanStatus> {
        let broken_off = self.workers[worker].broken_off.get(&said.order.lease).copied();
        if broken_off == Some(true) {
            // How it ended is judged already: only what it made is of interest.
            said.order.span.end = said.ready_through.min(said.order.span.end);
        }
        let order = said.order;
        let goes_on = order.lease.term < self.term || broken_off.is_some();
        let Some(job) = self.job_index.get(&order.job).copied() else {
            return (goes_on && self.now < self.strangers_until).then_some(said);
        };
        let renditions = self.jobs[job].known(order.renditions);
        self.publish_all(job, renditions, &said);
        let span = self.jobs[job].clip(order.span);
        let device = self.workers[worker].devices.get(usize::from(order.device)).copied();
        let whole = !span.is_empty() && !renditions.is_empty() && span.first == order.span.first;
        if let Some(device) = device.filter(|_| goes_on && whole)
            && self.jobs[job].is_free(span, renditions)
            // It would hold what vanished without making it.
            && !self.jobs[job].disowns(order.lease, span, renditions)
        {
            let order = segue_model::pool::Order { span, renditions, ..order };
            let lease = self.adopt(job, worker, device, order);
            self.progress(lease, &said);
            // Who wanted it may have left meanwhile; of earlier terms that is known later.
            if order.lease.term == self.term || self.now >= self.strangers_until {
                self.end_unwanted(job);
            }
        } else {
            self.finish_batches(job, order.job);
        }
        None
    }

    fn keep_strangers(&mut self, worker: u32, strangers: Vec<SpanStatus>) {
        let orders = |spans: &[SpanStatus]| spans.iter().map(|s| s.order).collect::<Vec<_>>();
        if orders(&self.workers[worker].strangers) != orders(&strangers) {
            self.touch(worker);
        }
        self.leave_strangers(worker);
        for span in &strangers {
            self.strangers.entry(span.order.job).or_default().insert(worker);
        }
        self.workers[worker].strangers = strangers;
    }

    /// A job became known: who already works on it goes on.
    pub(super) fn welcome_strangers(&mut self, job: JobId) {
        for worker in self.strangers.get(&job).cloned().unwrap_or_default() {
            let all = self.workers[worker].strangers.clone();
            let (mine, others) = all.into_iter().partition(|span| span.order.job == job);
            self.keep_strangers(worker, others);
            let mine: Vec<SpanStatus> = mine;
            for span in mine {
                self.stranger(worker, span);
            }
        }
    }

    /// Keeps a lease's places by what is left of it.
    pub(super) fn retail(&mut self, at: u32) {
        let lease: &mut Lease = &mut self.leases[at];
        let left = u64::from(lease.left()) * lease.seeming_pace();
        let tail = (!lease.playback && !lease.ended && lease.left() > 1).then_some(left);
        let before = std::mem::replace(&mut lease.tail, tail);
        let tails = &mut self.jobs[lease.job].tails;
        if let Some(before) = before {
            tails.remove(&(before, at));
        }
        if let Some(tail) = tail {
            tails.insert((tail, at));
        }
        self.keep_shareable(at);
        self.keep_parted(at);
        self.weigh(at);
    }
}
