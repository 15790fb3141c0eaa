//! Viewers: each is a playback claim for as long as its client's stream is open and ten seconds longer,
//! and is told what becomes of the segments it comes to next.

use std::collections::{BTreeMap, HashMap, HashSet};

use segue_api::v1;
use segue_dispatch::planner::JobView;
use segue_dispatch::{Millis, Moment};
use segue_model::pool::{ClaimId, Renditions, WorkerId};
use segue_model::{JobId, SegmentId};

use super::claims::{Wanted, Why, claim_id};
use super::owner::Owner;
use super::{ToViewers, Viewer};

/// A viewer is told of so many segments from its playhead on.
const AHEAD: u32 = 40;
/// A client whose stream broke may come back within this; its viewers have that much buffered.
const GRACE: Millis = 10_000;

/// A stream of a client that speaks for viewers.
#[derive(Debug)]
pub(super) struct ViewerStream {
    outgoing: ToViewers,
    claims: HashSet<ClaimId>,
    /// Jobs whose viewers were dropped, and that it could not be told yet.
    lost: HashSet<JobId>,
}

/// What a viewer needs, and what its client was told.
#[derive(Debug)]
pub(super) struct Watching {
    stream: u64,
    pub renditions: Renditions,
    pub segment: u32,
    pub due: Moment,
    pub to_end: bool,
    told: BTreeMap<(u32, u32), Whereabouts>,
}

/// Where a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    Nowhere,
    At(WorkerId),
    Published,
}

/// Rendition and index of segments, and where each is now.
type News = Vec<((u32, u32), Whereabouts)>;

impl Owner {
    /// Everybody who watches by way of a stream, and what they need.
    pub(super) fn demand(&mut self, stream: u64, viewers: Vec<Viewer>, outgoing: ToViewers) {
        let state = self.viewers.entry(stream).or_insert_with(|| ViewerStream {
            outgoing,
            claims: HashSet::new(),
            lost: HashSet::new(),
        });
        let mut gone = state.claims.clone();
        for viewer in viewers {
            if let Some(id) = self.place_viewer(stream, viewer) {
                gone.remove(&id);
            }
        }
        for id in gone {
            self.drop_claim(id);
        }
        if self.viewers.get(&stream).is_some_and(|state| !state.lost.is_empty()) {
            self.catch_up(stream);
        }
    }

    fn place_viewer(&mut self, stream: u64, viewer: Viewer) -> Option<ClaimId> {
        let Viewer { name, job, renditions, segment, due_in_ms, to_end } = viewer;
        if self.jobs.get(&job).is_some_and(|entry| entry.failed.is_some()) {
            self.viewers.get_mut(&stream)?.lost.insert(job);
            return None;
        }
        // Another stream's viewer of that name is another viewer.
        let text = format!("viewer {stream}/{name}");
        let id = claim_id(job, &text);
        let due = self.now + Millis::from(due_in_ms);
        self.viewers.get_mut(&stream)?.claims.insert(id);
        match self.claims.get_mut(&id) {
            Some(Wanted { why: Why::Viewer(watching), .. }) => {
                (watching.renditions, watching.segment) = (renditions, segment);
                (watching.due, watching.to_end) = (due, to_end);
                // What is behind the playhead is of no interest any more.
                watching.told.retain(|(_, index), _| *index >= segment);
            }
            _ => {
                let told = BTreeMap::new();
                let watching = Watching { stream, renditions, segment, due, to_end, told };
                let why = Why::Viewer(Box::new(watching));
                self.claims.insert(id, Wanted { job, text: text.into(), why });
                self.claimed_entry(job).claims.insert(id);
            }
        }
        self.tell_claim(id);
        self.dirty.insert(job);
        Some(id)
    }

    /// A stream broke: its viewers are waited for.
    pub(super) fn viewers_gone(&mut self, stream: u64) {
        let Some(state) = self.viewers.remove(&stream) else { return };
        self.behind.remove(&stream);
        let until = self.now + GRACE;
        self.lapsing.extend(state.claims.into_iter().map(|claim| (until, claim)));
    }

    /// A viewer's claim is gone.
    pub(super) fn viewer_dropped(&mut self, id: ClaimId, watching: &Watching) {
        if let Some(state) = self.viewers.get_mut(&watching.stream) {
            state.claims.remove(&id);
        }
    }

    /// A job is not there, or failed: its viewers are dropped, and told.
    pub(super) fn lose_viewers(&mut self, job: JobId) {
        let claims = self.jobs.get(&job).map(|entry| entry.claims.clone()).unwrap_or_default();
        for id in claims {
            let Some(Wanted { why: Why::Viewer(watching), .. }) = self.claims.get(&id) else {
                continue;
            };
            let stream = watching.stream;
            self.drop_claim(id);
            if let Some(state) = self.viewers.get_mut(&stream) {
                state.lost.insert(job);
                self.behind.insert(stream);
            }
        }
    }

    /// Tells a job's viewers what is new of the segments they come to.
    pub(super) fn tell_viewers(&mut self, job: JobId) {
        let Some(entry) = self.jobs.get(&job) else { return };
        let is_viewer =
            |id: &ClaimId| matches!(self.claims.get(id), Some(Wanted { why: Why::Viewer(_), .. }));
        let viewers: Vec<ClaimId> = entry.claims.iter().copied().filter(is_viewer).collect();
        if viewers.is_empty() {
            return;
        }
        let Some(view) = self.planner.job(job) else { return };
        let mut readers = None;
        let mut news: HashMap<u64, Vec<v1::SegmentState>> = HashMap::new();
        let mut noted = Vec::new();
        for id in viewers {
            let Some((stream, fresh)) = self.news_for(id, job, &view) else { continue };
            let said = fresh.iter().map(|(segment, place)| {
                let at = match place {
                    Whereabouts::Nowhere => None,
                    Whereabouts::At(worker) => Some(*worker),
                    Whereabouts::Published => {
                        let readers = readers.get_or_insert_with(|| self.planner.readers());
                        reader(readers, job, *segment, maker(&view, *segment))
                    }
                };
                self.to_wire(job, *segment, *place, at)
            });
            news.entry(stream).or_default().extend(said);
            noted.push((stream, id, fresh));
        }
        for (stream, segments) in news {
            let Some(state) = self.viewers.get(&stream) else { continue };
            let response = v1::DemandResponse { segments, lost_jobs: Vec::new() };
            if state.outgoing.try_send(Ok(response)).is_err() {
                self.behind.insert(stream);
                continue;
            }
            for (_, id, fresh) in noted.iter().filter(|(of, ..)| *of == stream) {
                if let Some(Wanted { why: Why::Viewer(watching), .. }) = self.claims.get_mut(id) {
                    watching.told.extend(fresh.iter().copied());
                }
            }
        }
    }

    /// What a viewer's client does not know yet.
    fn news_for(&self, id: ClaimId, job: JobId, view: &JobView) -> Option<(u64, News)> {
        let Why::Viewer(watching) = &self.claims.get(&id)?.why else { return None };
        self.viewers.get(&watching.stream)?;
        let summary = self.jobs.get(&job)?.summary.as_ref()?;
        let end = watching.segment.saturating_add(AHEAD).min(summary.segments);
        let known = Renditions::first((summary.renditions.len() as u32).min(Renditions::MAX));
        let mut fresh = Vec::new();
        for rendition in watching.renditions.intersection(known).iter() {
            for index in watching.segment..end {
                let place = self.whereabouts(job, view, SegmentId { rendition, index });
                let told = watching.told.get(&(rendition, index)).copied();
                if told.unwrap_or(Whereabouts::Nowhere) != place {
                    fresh.push(((rendition, index), place));
                }
            }
        }
        (!fresh.is_empty()).then_some((watching.stream, fresh))
    }

    fn whereabouts(&self, job: JobId, view: &JobView, segment: SegmentId) -> Whereabouts {
        if self.planner.is_published(job, segment) {
            return Whereabouts::Published;
        }
        let SegmentId { rendition, index } = segment;
        maker(view, (rendition, index)).map_or(Whereabouts::Nowhere, Whereabouts::At)
    }

    fn to_wire(
        &self,
        job: JobId,
        (rendition, index): (u32, u32),
        place: Whereabouts,
        at: Option<WorkerId>,
    ) -> v1::SegmentState {
        let worker = at.and_then(|worker| self.workers.get(&worker));
        let worker_address = worker.map(|worker| worker.address.clone()).unwrap_or_default();
        let published = place == Whereabouts::Published;
        v1::SegmentState { job: job.to_string(), rendition, index, published, worker_address }
    }

    /// Tells a stream what it had no room for.
    pub(super) fn catch_up(&mut self, stream: u64) {
        let Some(state) = self.viewers.get_mut(&stream) else { return };
        if !state.lost.is_empty() {
            let lost_jobs = state.lost.iter().map(ToString::to_string).collect();
            let response = v1::DemandResponse { segments: Vec::new(), lost_jobs };
            match state.outgoing.try_send(Ok(response)) {
                Ok(()) => state.lost.clear(),
                Err(_) => drop(self.behind.insert(stream)),
            }
        }
        let Some(state) = self.viewers.get(&stream) else { return };
        let jobs = state.claims.iter().filter_map(|id| Some(self.claims.get(id)?.job));
        for job in jobs.collect::<HashSet<_>>() {
            self.tell_viewers(job);
        }
    }
}

/// Who made a segment not long ago.
fn maker(view: &JobView, (rendition, index): (u32, u32)) -> Option<WorkerId> {
    let holder = view.leases.iter().find(|lease| {
        let made = lease.span.first <= index && index < lease.ready_through;
        made && lease.renditions.contains(rendition)
    });
    holder.map(|lease| lease.worker)
}

/// Who reads a segment from the store for those who do not see it: who made it, as it may still have
/// it at hand, or else each of those that are well in turn.
fn reader(
    readers: &[WorkerId],
    job: JobId,
    (rendition, index): (u32, u32),
    maker: Option<WorkerId>,
) -> Option<WorkerId> {
    if let Some(maker) = maker.filter(|maker| readers.contains(maker)) {
        return Some(maker);
    }
    // Not all that is watched begins with the same one.
    let turn = u64::from(index) + u64::from(rendition) + u64::from(job.0.0[0]);
    let turn = turn.checked_rem(readers.len() as u64)?;
    readers.get(turn as usize).copied()
}
