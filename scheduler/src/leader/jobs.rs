//! The table of jobs: what is known of each, how far it is, who watches it. Which of its segments are
//! made by whom is the planner's business.

use std::collections::BTreeSet;

use segue_api::v1;
use segue_dispatch::planner::{Event, JobFacts, JobFailure, JobView, LeaseView};
use segue_hls::keys;
use segue_model::pool::ClaimId;
use segue_model::{JobId, SegmentId};
use segue_store::Loss;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::errands::Loaded;
use super::owner::Owner;
use super::{Known, Page, Snapshot};
use crate::ledger::FAILURES_MAX;
use crate::meters;
use crate::summary::{Failed, Summary};

/// What the store did not have is not looked for again for so long.
const ABSENT: u64 = 5_000;
const ABSENT_MAX: usize = 10_000;

/// How far a job's description is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Reading {
    #[default]
    No,
    /// In the background, after all that are claimed.
    SomeTime,
    /// It is being read.
    Now,
}

/// How far a complete job's playlists are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Listing {
    #[default]
    No,
    UnderWay,
    Done,
}

/// A job that is planned with, claimed, being read, or that failed.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub summary: Option<Summary>,
    /// Whether the planner knows it.
    pub planned: bool,
    pub reading: Reading,
    pub listing: Listing,
    /// What it lacks of its source, when it is complete.
    pub loss: Loss,
    pub failed: Option<Failed>,
    /// Cancelled when the failure is past: it is not to be written any more.
    pardoned: CancellationToken,
    pub claims: BTreeSet<ClaimId>,
    /// Its place among those that were claimed.
    pub claimed: u64,
    pub watchers: Option<watch::Sender<Snapshot>>,
    /// Segments that were published when this was last looked at.
    published: u32,
    total: u32,
}

impl Entry {
    /// Whether somebody is told what happens to it.
    pub fn is_looked_at(&self) -> bool {
        self.watchers.is_some() || !self.claims.is_empty()
    }

    fn is_needed(&self) -> bool {
        self.is_wanted() || self.failed.is_some()
    }

    /// Whether what is in the store of it has to stay there.
    pub fn is_wanted(&self) -> bool {
        self.planned
            || self.reading != Reading::No
            || !self.claims.is_empty()
            || self.listing == Listing::UnderWay
    }
}

impl Owner {
    pub(super) fn knows(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|entry| entry.planned)
    }

    /// Whether it is planned with, and not all of it taken to be made.
    pub(super) fn is_at_work(&self, job: JobId) -> bool {
        self.jobs.get(&job).is_some_and(|entry| entry.planned && entry.listing != Listing::Done)
    }

    /// The job's entry; made, and put first among those that were claimed.
    pub(super) fn claimed_entry(&mut self, job: JobId) -> &mut Entry {
        self.latest += 1;
        let entry = self.jobs.entry(job).or_default();
        self.recency.remove(&entry.claimed);
        entry.claimed = self.latest;
        self.recency.insert(self.latest, job);
        entry
    }

    /// Has a job read that somebody needs now.
    pub(super) fn load_soon(&mut self, job: JobId) {
        let absent = self.absent.get(&job).is_some_and(|at| self.now.since(*at) < ABSENT);
        if absent || self.going.contains(job) {
            return self.nobody_has(job);
        }
        if !self.jobs.contains_key(&job) {
            self.claimed_entry(job);
        }
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        if entry.reading != Reading::Now && !entry.planned {
            entry.reading = Reading::Now;
            self.errands.load(job);
        }
    }

    /// A job is known now: the planner is told, and then what was claimed of it.
    pub(super) fn learn(&mut self, loaded: Loaded) {
        let (published, total) = loaded.counts();
        let Loaded { facts, summary, listed, loss } = loaded;
        let job = facts.id;
        if !self.jobs.contains_key(&job) {
            self.claimed_entry(job);
        }
        let summary = self.names.share(summary);
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        entry.reading = Reading::No;
        entry.summary = Some(summary);
        let news = !std::mem::replace(&mut entry.planned, true);
        let gone = match entry.listing {
            // Somebody removed some of what was all there.
            Listing::Done if !news => missing(&facts),
            _ => Vec::new(),
        };
        if news {
            (entry.published, entry.total) = (published, total);
        }
        if listed {
            entry.listing = Listing::Done;
            entry.loss = loss;
        }
        self.absent.remove(&job);
        self.going.arrived(job);
        self.plan(Event::Job(facts));
        for segment in gone {
            self.plan(Event::Vanished { job, segment });
        }
        if news {
            self.claim_again(job);
        }
        self.dirty.insert(job);
    }

    /// The store does not have it.
    pub(super) fn not_loaded(&mut self, job: JobId) {
        if self.absent.len() >= ABSENT_MAX {
            self.absent.clear();
        }
        self.absent.insert(job, self.now);
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.reading = Reading::No;
        }
        if !self.knows(job) {
            self.nobody_has(job);
        }
    }

    /// Who claims a job that is not there is told so.
    fn nobody_has(&mut self, job: JobId) {
        self.lose_viewers(job);
        let claimed = self.jobs.get(&job).is_some_and(|entry| !entry.claims.is_empty());
        if claimed {
            let message = "its description is gone from the store: submit it again".to_owned();
            self.fail(job, Failed { class: None, message, segment: 0 });
        }
        self.dirty.insert(job);
    }

    pub(super) fn job_failed(&mut self, job: JobId, failure: &JobFailure) {
        self.fail(job, Failed::of(failure));
    }

    fn fail(&mut self, job: JobId, failed: Failed) {
        meters::job_failed(failed.class_name());
        let summary = self.jobs.get(&job).and_then(|entry| entry.summary.as_ref());
        if let Some(summary) = summary {
            // The film may be another one now: who asks again has it looked at again.
            self.questions.doubt(&summary.source);
        }
        warn!(%job, words = %failed.message, "a job failed");
        self.lose_viewers(job);
        let written = self.drop_claims_of(job);
        self.remember_failure(job, failed.clone());
        let entry = self.jobs.get(&job);
        let pardoned = entry.map(|entry| entry.pardoned.clone()).unwrap_or_default();
        self.errands.remember(job, failed, written, pardoned);
        self.dirty.insert(job);
    }

    pub(super) fn remember_failure(&mut self, job: JobId, failed: Failed) {
        if !self.jobs.contains_key(&job) {
            self.claimed_entry(job);
        }
        if let Some(entry) = self.jobs.get_mut(&job)
            && entry.failed.replace(failed).is_none()
        {
            self.failures.push_back(job);
        }
        if self.failures.len() > FAILURES_MAX as usize
            && let Some(oldest) = self.failures.pop_front()
            && let Some(entry) = self.jobs.get_mut(&oldest)
        {
            entry.failed = None;
            self.dirty.insert(oldest);
        }
    }

    /// It is asked for again; says whether it had failed.
    pub(super) fn pardon(&mut self, job: JobId) -> bool {
        let Some(entry) = self.jobs.get_mut(&job) else { return false };
        let had_failed = entry.failed.take().is_some();
        if had_failed {
            std::mem::take(&mut entry.pardoned).cancel();
            self.failures.retain(|other| *other != job);
            self.dirty.insert(job);
        }
        had_failed
    }

    /// The planner knows no more of it.
    pub(super) fn forgotten(&mut self, job: JobId) {
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.planned = false;
            if entry.failed.is_none() {
                entry.summary = None;
            }
        }
        self.dirty.insert(job);
        // It was dropped for want of claims; one that came since needs it again.
        if self.jobs.get(&job).is_some_and(|entry| !entry.claims.is_empty()) {
            self.load_soon(job);
        }
    }

    /// Looks how far a job is: counts what is new, and has a complete one listed.
    pub(super) fn take_stock(&mut self, job: JobId) {
        let Some((published, total)) = self.planner.counts(job) else { return };
        let Some(entry) = self.jobs.get_mut(&job) else { return };
        let new = published.saturating_sub(entry.published);
        (entry.published, entry.total) = (published, total);
        meters::count("segue_segments_published_total", new.into());
        if published == total && entry.listing == Listing::No {
            entry.listing = Listing::UnderWay;
            self.errands.list(job);
        }
    }

    /// A job can be played from the store alone.
    pub(super) fn listed(&mut self, job: JobId, loss: Loss) {
        info!(%job, "a job is finished");
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.listing = Listing::Done;
            entry.loss = loss;
        }
        self.release_fulfilled(job);
        self.dirty.insert(job);
    }

    /// Forgets what nobody needs.
    pub(super) fn tidy(&mut self, job: JobId) {
        let told = !self.untold.contains(&job);
        if told
            && self.jobs.get(&job).is_some_and(|entry| !entry.is_needed())
            && let Some(entry) = self.jobs.remove(&job)
        {
            self.recency.remove(&entry.claimed);
        }
    }

    pub(super) fn get(&self, job: JobId) -> Known {
        let entry = self.jobs.get(&job);
        match entry.filter(|entry| entry.summary.is_some()) {
            Some(_) => Known::Here(Box::new(self.info(job))),
            None => Known::Elsewhere {
                failed: entry.and_then(|entry| entry.failed.as_ref()).map(Failed::to_wire),
                claims: self.claim_infos(job),
            },
        }
    }

    pub(super) fn list(&self, before: Option<u64>, most: usize) -> Page {
        let all = self.recency.range(..before.unwrap_or(u64::MAX)).rev();
        let page: Vec<_> = all.take(most).collect();
        let more = page.len() == most;
        let next = page.last().map(|(number, _)| **number).filter(|_| more);
        let jobs = page.into_iter().map(|(_, job)| (*job, self.get(*job))).collect();
        Page { jobs, next }
    }

    fn info(&self, job: JobId) -> v1::JobInfo {
        let summary = self.jobs.get(&job).and_then(|entry| entry.summary.as_ref());
        let bare = v1::JobInfo { job: job.to_string(), ..v1::JobInfo::default() };
        let progress = self.progress(job);
        let finished = progress.state() == v1::JobState::Finished;
        let loss = self.jobs.get(&job).map(|entry| entry.loss).unwrap_or_default();
        let url = || self.errands.store.url(job, keys::MULTIVARIANT);
        v1::JobInfo {
            playlist: finished.then(url).unwrap_or_default(),
            progress: Some(progress),
            claims: self.claim_infos(job),
            damaged: loss.damaged,
            short_by_ms: loss.short_by_ms,
            ..summary.map_or(bare, |summary| summary.info(job))
        }
    }

    pub(super) fn progress(&self, job: JobId) -> v1::Progress {
        let Some(entry) = self.jobs.get(&job) else { return v1::Progress::default() };
        let view = self.planner.job(job);
        let state = state(entry, view.as_ref());
        let spans = view.iter().flat_map(|view| &view.leases);
        let spans = spans.filter(|lease| !lease.ended).map(|lease| self.span_info(lease));
        v1::Progress {
            state: state.into(),
            published: view.as_ref().map_or(entry.published, |view| view.published),
            total: view.as_ref().map_or(entry.total, |view| view.total),
            spans: spans.collect(),
            failure: entry.failed.as_ref().map(Failed::to_wire),
        }
    }

    fn span_info(&self, lease: &LeaseView) -> v1::SpanInfo {
        let worker = self.workers.get(&lease.worker);
        v1::SpanInfo {
            worker: worker.map(|worker| worker.name.clone()).unwrap_or_default(),
            first: lease.span.first,
            end: lease.span.end,
            ready_through: lease.ready_through,
            playback: lease.playback,
        }
    }

    pub(super) fn watch(&mut self, job: JobId) -> Option<watch::Receiver<Snapshot>> {
        let entry = self.jobs.get(&job)?;
        if entry.summary.is_none() && entry.claims.is_empty() {
            return None;
        }
        let snapshot = self.snapshot(job);
        let entry = self.jobs.get_mut(&job)?;
        if let Some(watchers) = &entry.watchers {
            // What those before were told last may be long over.
            watchers.send_replace(snapshot);
            return Some(watchers.subscribe());
        }
        let (watchers, receiver) = watch::channel(snapshot);
        entry.watchers = Some(watchers);
        Some(receiver)
    }

    fn snapshot(&self, job: JobId) -> Snapshot {
        let info = self.info(job);
        let state = info.progress.as_ref().map_or(v1::JobState::Unspecified, |p| p.state());
        let over = matches!(state, v1::JobState::Finished | v1::JobState::Failed);
        let last = over || info.claims.is_empty();
        Snapshot { info, last }
    }

    pub(super) fn tell_watchers(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get(&job) else { return };
        let watched = entry.watchers.as_ref().is_some_and(|w| w.receiver_count() > 0);
        if watched {
            let snapshot = self.snapshot(job);
            let last = snapshot.last;
            let watchers = self.jobs.get_mut(&job).and_then(|entry| entry.watchers.as_mut());
            if let Some(watchers) = watchers {
                watchers.send_if_modified(|told| {
                    let news = *told != snapshot;
                    *told = snapshot;
                    news
                });
            }
            if !last {
                return;
            }
        }
        if let Some(entry) = self.jobs.get_mut(&job) {
            entry.watchers = None;
        }
    }
}

/// Segments that are not published.
fn missing(facts: &JobFacts) -> Vec<SegmentId> {
    let there = |segment: &SegmentId| {
        let mut runs = facts.published.iter().filter(|(at, _)| *at == segment.rendition);
        runs.any(|(_, run)| (run.first..run.end).contains(&segment.index))
    };
    let renditions = 0..facts.renditions_per_mille.len() as u32;
    let of =
        |rendition| (0..facts.cuts.segments()).map(move |index| SegmentId { rendition, index });
    renditions.flat_map(of).filter(|segment| !there(segment)).collect()
}

fn state(entry: &Entry, view: Option<&JobView>) -> v1::JobState {
    use v1::JobState::{Failed, Finished, Idle, Running, Waiting};
    if entry.failed.is_some() {
        return Failed;
    }
    match view {
        Some(view) if view.published == view.total => match entry.listing {
            Listing::Done => Finished,
            // The playlists are missing yet.
            Listing::No | Listing::UnderWay => Running,
        },
        Some(view) if !view.leases.is_empty() => Running,
        Some(view) if view.waiting => Waiting,
        Some(_) => Idle,
        None if entry.claims.is_empty() => Idle,
        // It is still being read.
        None => Waiting,
    }
}
