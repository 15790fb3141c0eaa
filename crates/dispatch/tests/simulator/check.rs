//! The rules that hold at every step of every life, whatever the weather.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::hash::{Hash, Hasher};

use segue_dispatch::Planner;
use segue_dispatch::planner::{Decision, DeviceView, FencedBy, LeaseView, Note, Policy};
use segue_model::pool::{
    ClaimId, Desired, EncoderFamily, LeaseId, Order, SpanEnd, Status, Term, WorkerId,
};
use segue_model::{FailureClass, JobId, SegmentId, Span};

use crate::jobs::LENGTH;
use crate::world::World;

/// After so long a silence nothing is left with a worker: words that come 2 s late, fencing, twice its
/// time in a crowd, and 2 s for forgiveness and late ticks.
const FENCED_AFTER: u64 = 10_000;
/// What a worker may still have in its queue when it is fenced.
const TROUBLE_LASTS: u64 = 6_000;

#[derive(Default)]
pub struct Checks {
    pub broken: Option<String>,
    pub steps: u64,
    pub lines: Vec<String>,
    pub keep_lines: bool,
    digest: std::hash::DefaultHasher,
    led_at: u64,
    known: BTreeSet<JobId>,
    fenced: BTreeMap<LeaseId, FencedBy>,
    versions: BTreeMap<WorkerId, (Term, u64)>,
    repeated: BTreeMap<WorkerId, (Term, u64, u64)>,
    /// Of which rendition and segment, and when.
    store_failures: BTreeMap<(JobId, u32, u32), u64>,
    /// Segments at which somebody blamed the source.
    blamed: BTreeSet<(JobId, u32)>,
    seen_failures: BTreeSet<LeaseId>,
    /// On which devices a process ended with a segment still to be made.
    ended_at: BTreeSet<(JobId, u32, WorkerId, u16)>,
    given: BTreeSet<LeaseId>,
    /// When somebody of a family could be given work last.
    seen_at: [u64; EncoderFamily::ALL.len()],
}

impl Checks {
    pub fn broke(&mut self, rule: &str, what: impl ToString) {
        let what = what.to_string();
        self.broken.get_or_insert_with(|| format!("{rule}: {what}"));
    }

    pub fn log(&mut self, at: u64, what: &impl Debug) {
        let line = format!("{at} {what:?}");
        line.hash(&mut self.digest);
        if self.keep_lines {
            self.lines.push(line);
        }
    }

    pub fn digest(&self) -> u64 {
        self.digest.clone().finish()
    }

    pub fn led(&mut self, now: u64) {
        self.led_at = now;
        self.known.clear();
    }

    /// Since when there is this planner.
    pub fn led_at(&self) -> u64 {
        self.led_at
    }

    pub fn died(&mut self) {
        self.known.clear();
        self.store_failures.clear();
        self.blamed.clear();
        self.ended_at.clear();
        self.seen_failures.clear();
    }

    pub fn knows(&mut self, job: JobId) {
        self.known.insert(job);
    }

    pub fn is_known(&self, job: JobId) -> bool {
        self.known.contains(&job)
    }

    pub fn forgotten(&mut self, job: JobId) {
        self.known.remove(&job);
    }

    /// Whether this very state was sent before on the same stream.
    pub fn is_repeated(&mut self, worker: WorkerId, desired: &Desired) -> bool {
        let answer = desired.answer;
        let state = (answer.term, answer.version, answer.stream);
        self.repeated.insert(worker, state) == Some(state)
    }

    pub fn decided(&mut self, now: u64, decision: &Decision) {
        if !matches!(decision, Decision::Answer { .. }) {
            self.log(now, decision);
        }
        if let Decision::Noted(Note::Fenced { leases, reason, .. }) = decision {
            self.fenced.extend(leases.iter().map(|lease| (*lease, *reason)));
        }
    }

    /// A status is about to be heard: what failed by it is remembered.
    pub fn said(&mut self, now: u64, planner: Option<&Planner>, status: &Status) {
        let leases = planner.map_or(Vec::new(), |planner| planner.view().leases);
        for span in &status.spans {
            let Some(end) = &span.end else { continue };
            let Order { lease, job, span: Span { first, .. }, renditions, device, .. } = span.order;
            // Whatever its worker says: before its beginning it did not fail.
            let at = span.ready_through.max(first);
            self.ended_at.insert((job, at, status.beat.worker, device));
            let SpanEnd::Failed(failure) = end else { continue };
            if failure.class == FailureClass::Source {
                // Also of leases that are gone on with only now.
                self.blamed.insert((job, at));
            }
            let is_held = |held: &&LeaseView| held.id == lease && held.worker == status.beat.worker;
            let held = leases.iter().find(is_held).filter(|held| !held.ended && at < held.span.end);
            let transient = failure.class == FailureClass::Transient;
            if held.is_some() && transient && self.seen_failures.insert(lease) {
                let failed = renditions.iter().map(|rendition| ((job, rendition, at), now));
                self.store_failures.extend(failed);
            }
        }
    }

    /// Whether a device came to nothing with a segment: then others are to try it first.
    pub fn ended_at(&self, segment: (JobId, u32), (worker, device): (WorkerId, u16)) -> bool {
        self.ended_at.contains(&(segment.0, segment.1, worker, device))
    }

    /// How long ago storage failed at a segment, if it did.
    pub fn since_failure(&self, now: u64, segment: (JobId, u32, u32)) -> Option<u64> {
        self.store_failures.get(&segment).map(|failed_at| now - failed_at)
    }
}

impl World {
    /// A desired state is about to be sent.
    pub fn check_desired(&mut self, worker: WorkerId, desired: &Desired) {
        let state = (desired.answer.term, desired.answer.version);
        let before = self.checks.versions.insert(worker, state);
        if before.is_some_and(|before| before > state) {
            self.checks.broke("versions grow", format!("{worker:?}: {before:?} then {state:?}"));
        }
        for order in &desired.orders {
            // What an earlier term gave is gone on with.
            let own = order.lease.term == desired.answer.term;
            if self.checks.given.insert(order.lease) && own {
                self.check_pause(order);
                self.check_waiting(worker, order);
                self.check_family(worker, order);
                self.check_rest(order);
                self.check_beside(worker, order);
                self.check_back_and_forth(order);
            }
            self.check_throttle(order);
        }
    }

    /// Whatever else is made with it: what failed a moment ago is not in it.
    fn check_pause(&mut self, order: &Order) {
        let Order { job, span, renditions, .. } = *order;
        let all =
            renditions.iter().flat_map(|r| (span.first..span.end).map(move |at| (job, r, at)));
        let waited = all.filter_map(|it| self.checks.since_failure(self.now, it)).min();
        if let Some(waited) = waited.filter(|waited| *waited < Policy::default().pause) {
            let what = format!("{order:?} after {waited} ms");
            self.checks.broke("what storage failed is retried after a pause", what);
        }
    }

    fn check_waiting(&mut self, worker: WorkerId, order: &Order) {
        let Some(planner) = &self.planner else { return };
        let view = planner.view();
        let Some(family) = view.family_of(worker, order.device) else { return };
        let waits = |claim: &ClaimId| {
            let viewer = self.viewers.iter().find(|viewer| viewer.id == *claim);
            let film = viewer.map(|viewer| &self.films[viewer.film]);
            film.is_some_and(|film| match film.family {
                Some(pinned) => pinned == family,
                None => film.families.contains(&family),
            })
        };
        if !order.playback && view.waiting.iter().any(|(_, claim)| waits(claim)) {
            let what = format!("{order:?} while {:?} wait", view.waiting);
            self.checks.broke("no batch is begun while a viewer waits for a device", what);
        }
    }

    /// Joins across families are a last resort.
    fn check_family(&mut self, worker: WorkerId, order: &Order) {
        let Some(planner) = &self.planner else { return };
        let Some(family) = planner.view().family_of(worker, order.device) else { return };
        let Some(film) = self.films.iter_mut().find(|film| film.id == order.job) else { return };
        let term = order.lease.term;
        if film.pinned_by != term && !film.told {
            // Who leads now knows of nothing, and may begin with another one.
            film.family = None;
        }
        film.pinned_by = term;
        // One segment that was blamed may be a second opinion: that is asked of any family.
        let blamed = self.checks.blamed.contains(&(order.job, order.span.first));
        let second_opinion = blamed && order.span.len() == 1;
        if film.family.is_none() && second_opinion {
            // On what another order, of the same moment, begins.
            return;
        }
        let pinned = *film.family.get_or_insert(family);
        let seen_at = self.checks.seen_at[pinned as usize].max(self.checks.led_at);
        if family == pinned {
            return;
        }
        if self.now >= seen_at + Policy::default().cross {
            // And stays with the new one, but for a second opinion.
            film.family = (!second_opinion).then_some(family);
        } else if !second_opinion {
            let what = format!("{order:?} on {family:?}, {pinned:?} was there at {seen_at}");
            self.checks.broke("a rendition is kept in its family", what);
        }
    }

    fn check_throttle(&mut self, order: &Order) {
        let Some(film) = self.films.iter().find(|film| film.id == order.job) else { return };
        if !order.playback {
            return;
        }
        // A chunk may be begun at the end of what is read ahead, and ends with a whole segment.
        let most = film.read_to + Policy::default().chunk + 2 * LENGTH;
        let end = u64::from(order.span.end) * LENGTH;
        if end > most {
            let what = format!("{order:?} up to {end} ms, read ahead to {} ms", film.read_to);
            self.checks.broke("what nobody is near is not made for viewers", what);
        }
    }

    /// After every event.
    pub fn check_planner(&mut self) {
        let Some(planner) = &self.planner else { return };
        let view = planner.view();
        for worker in &view.workers {
            let usable = |device: &&DeviceView| worker.available && device.trusted;
            for device in worker.devices.iter().filter(usable) {
                self.checks.seen_at[device.family as usize] = self.now;
            }
        }
        for (at, one) in view.leases.iter().enumerate() {
            let begins = one.ready_through.max(one.span.first);
            for other in &view.leases[at + 1..] {
                let theirs = other.ready_through.max(other.span.first);
                let same = one.job == other.job
                    && !one.renditions.intersection(other.renditions).is_empty();
                let first = begins.max(theirs);
                // What either has ready the other may be making: only two that both make it count, and
                // what is stored already nobody is given any more.
                let both = one.renditions.intersection(other.renditions);
                let is_stored = |index| {
                    let is =
                        |rendition| planner.is_published(one.job, SegmentId { rendition, index });
                    both.iter().all(is)
                };
                let mut shared = first..one.span.end.min(other.span.end);
                if same && !shared.all(is_stored) {
                    let what = format!("{one:?} and {other:?}");
                    return self.checks.broke("no segment is leased twice", what);
                }
            }
        }
        self.check_unwanted(&view);
        self.check_kept_waiting(&view);
        let awake = self.planner_frozen_until + 4_000 < self.now;
        for host in &self.hosts {
            let Some(since) = host.silent_since else { continue };
            let long_ago = self.now > since.max(self.planner_frozen_until) + FENCED_AFTER;
            if long_ago && awake && self.checks.led_at < since {
                let held = view.leases.iter().find(|lease| lease.worker == host.id);
                if let Some(lease) = held {
                    let what = format!("{lease:?}, silent since {since}");
                    return self.checks.broke("a silent worker loses what it holds", what);
                }
            }
        }
    }

    pub fn check_note(&mut self, note: &Note) {
        match note {
            Note::Fenced { worker, reason: FencedBy::Silence, .. } => {
                let host = &self.hosts[(worker.0 - 1) as usize];
                let well = host.session.is_some()
                    && host.connected
                    && host.frozen_until <= self.now
                    && host.silent_since.is_none()
                    // One that was idle says a word a second, and may be given something between two.
                    && host.unheard < 2
                    && host.troubled_until + TROUBLE_LASTS < self.now;
                if well {
                    let what = format!("{worker:?} at {}", self.now);
                    self.checks.broke("no healthy worker is fenced for silence", what);
                }
            }
            Note::Quarantined { device, .. } => {
                let host = &self.hosts[(device.worker.0 - 1) as usize];
                // Who claims to have made what is bad makes liars of those who say so.
                let babbles = self.hosts.iter().any(|host| host.babbles_until > 0);
                let contradicted = babbles && self.films.iter().any(|film| film.bad_at.is_some());
                if host.faults == 0 && !contradicted {
                    let what = format!("{device} at {}", self.now);
                    self.checks.broke("no device is blamed that did nothing", what);
                }
            }
            _ => {}
        }
    }

    pub fn check_start(&mut self, host: usize, order: &Order) {
        let state = &mut self.hosts[host];
        if !state.begun.insert(order.lease) {
            self.checks.broke("no lease is begun twice", format!("{order:?}"));
        }
        // A stream that broke is known to be broken at one end before the other.
        let fenced = self.checks.fenced.get(&order.lease);
        if fenced.is_some_and(|reason| *reason != FencedBy::Break || !state.connected) {
            let what = format!("{order:?} on host {host}, fenced by {fenced:?}");
            self.checks.broke("no fenced order is begun", what);
        }
    }

    /// After everything a worker does.
    pub fn check_host(&mut self, host: usize) {
        let state = &mut self.hosts[host];
        if state.cut_off_until <= self.now && state.connected && state.frozen_until <= self.now {
            state.silent_since = None;
        }
        // Renewal is reckoned from what was sent before the last answer came: it ends sooner than this.
        let most = Policy::default().lease + 50;
        let alone = self.now.saturating_sub(state.heard_at.max(state.frozen_until));
        if !state.processes.is_empty() && alone > most {
            let what = format!("host {host} hears nothing for {alone} ms and goes on");
            self.checks.broke("a lease ends by its worker's clock", what);
        }
    }

    /// All is done: nothing must be left.
    pub fn check_end(&mut self) {
        let expected = self.films.iter().filter(|film| film.failed && film.batch);
        let good = expected.clone().find(|film| !film.is_bad());
        if let Some(film) = good {
            // Crashes and kills may end a job, but only in weather that has them all the time.
            let weather = &self.weather;
            if weather.crash + weather.kill + weather.hang == 0 {
                self.checks.broke("no good film fails", format!("{film:?}"));
            }
        }
        let bad = self.films.iter().find(|film| film.batch && film.is_bad() && film.finished);
        if let Some(film) = bad {
            self.checks.broke("no bad film is finished", format!("{film:?}"));
        }
        let Some(planner) = &self.planner else { return };
        let view = planner.view();
        let left = (view.jobs, view.claims, view.leases.len());
        if left != (0, 0, 0) {
            let what = format!("{left:?} jobs, claims and leases, {:?}", view.leases.first());
            self.checks.broke("nothing is remembered of what is over", what);
        }
    }

    pub fn check_unfinished(&mut self) {
        let films: Vec<_> = self.films.iter().filter(|film| !film.is_settled()).collect();
        let viewers: Vec<_> = self.viewers.iter().filter(|viewer| !viewer.done).collect();
        let view = self.planner.as_ref().map(Planner::view);
        let what = format!("{films:?} {viewers:?} {view:#?}");
        self.checks.broke("everything comes right when the weather clears", what);
    }
}
