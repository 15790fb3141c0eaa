//! What the planner knows of a job: which segments are published, which are open (neither published
//! nor leased), who works on it and who wants it. Decides nothing about workers.

use std::collections::{BTreeMap, BTreeSet};

use segue_model::pool::{EncoderFamily, LeaseId, Renditions, Resources};
use segue_model::{JobId, SegmentId, Span};

use super::event::{Cuts, JobFacts};
use super::queue::Line;
use super::rest::Rest;
use super::trouble::Trouble;
use crate::{Millis, Moment, Runs};

/// A job that is known.
#[derive(Debug)]
pub(super) struct Job {
    pub id: JobId,
    pub cuts: Cuts,
    pub kind: u64,
    pub lead_in: Millis,
    pub families: Vec<EncoderFamily>,
    /// The family its segments are made by; chosen with the first span, whoever led then.
    pub family: Option<EncoderFamily>,
    decode_per_mille: u32,
    renditions: Vec<Row>,
    /// Leases whose process may still make something, and ended ones with something to publish.
    pub leases: BTreeSet<u32>,
    /// Batch leases by the time that is left of them: the longest is worth a steal.
    pub tails: BTreeSet<(Millis, u32)>,
    /// Playback claims.
    pub streams: BTreeSet<u32>,
    /// Claims that want some of it without hurry, and what.
    pub rests: BTreeMap<u32, Rest>,
    /// What failed at segments that are still missing.
    pub troubles: BTreeMap<u32, Trouble>,
    /// Its place among the jobs with open batch work, while it has some.
    pub queued: Option<(Line, (Moment, u64))>,
    /// Its place among the jobs of which only tails are left.
    pub stealable: Option<(Moment, u64)>,
    /// What was published and is not there: only who got it later may say that it is published.
    vanished: BTreeMap<(u32, u32), Vanished>,
    /// When it is dropped if nobody claims it by then.
    pub unclaimed_until: Moment,
    pub failed: bool,
    pub timer: Option<Moment>,
}

/// One rendition's segments.
#[derive(Debug)]
struct Row {
    per_mille: u32,
    published: Runs,
    unpublished: u32,
    open: Runs,
    /// Leases whose process may still make something of it, by the first segment of their span:
    /// they do not overlap.
    makers: BTreeSet<(u32, u32)>,
}

/// Who is not believed about a segment.
#[derive(Clone, Copy, Debug)]
struct Vanished {
    /// Leases up to this one ...
    through: LeaseId,
    /// ... but for the one that had yet to make it.
    except: Option<LeaseId>,
}

/// A run that could be given to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opening {
    pub span: Span,
    pub renditions: Renditions,
}

/// What there is to give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Next {
    /// This, now.
    pub opening: Option<Opening>,
    /// Before it something failed, and is tried again then.
    pub paused: Option<Moment>,
}

impl Job {
    pub fn new(facts: JobFacts, unclaimed_until: Moment) -> Job {
        let whole = Span { first: 0, end: facts.cuts.segments() };
        let row = |per_mille: &u32| Row {
            per_mille: *per_mille,
            published: Runs::default(),
            unpublished: whole.len(),
            open: Runs::of(whole),
            makers: BTreeSet::new(),
        };
        let most = Renditions::MAX as usize;
        let mut job = Job {
            id: facts.id,
            cuts: facts.cuts,
            kind: facts.kind,
            lead_in: facts.lead_in,
            families: facts.families,
            family: facts.family,
            decode_per_mille: facts.decode_per_mille,
            renditions: facts.renditions_per_mille.iter().take(most).map(row).collect(),
            leases: BTreeSet::new(),
            tails: BTreeSet::new(),
            streams: BTreeSet::new(),
            rests: BTreeMap::new(),
            troubles: BTreeMap::new(),
            queued: None,
            stealable: None,
            vanished: BTreeMap::new(),
            unclaimed_until,
            failed: false,
            timer: None,
        };
        for (rendition, span) in facts.published {
            job.publish(rendition, span);
        }
        job
    }

    /// Those of `renditions` that it has.
    pub fn known(&self, renditions: Renditions) -> Renditions {
        renditions.intersection(Renditions::first(self.renditions.len() as u32))
    }

    /// What of a span from outside is on the timeline.
    pub fn clip(&self, span: Span) -> Span {
        let end = self.cuts.segments();
        Span { first: span.first.min(end), end: span.end.min(end) }
    }

    /// What a second of film costs, in thousandths of the reference work.
    pub fn per_mille(&self, renditions: Renditions) -> u32 {
        let rows = renditions.iter().filter_map(|r| self.renditions.get(r as usize));
        rows.fold(self.decode_per_mille, |sum, row| sum.saturating_add(row.per_mille))
    }

    /// How long a segment is, on average.
    pub fn segment_length(&self) -> Millis {
        let segments = self.cuts.segments();
        (self.cuts.start(segments) / Millis::from(segments.max(1))).max(1)
    }

    /// Notes what is durable; says whether any of it is news.
    pub fn publish(&mut self, rendition: u32, span: Span) -> bool {
        let span = self.clip(span);
        let Some(row) = self.renditions.get_mut(rendition as usize) else { return false };
        let new = row.published.insert(span);
        if new == 0 {
            return false;
        }
        row.unpublished -= new;
        row.open.remove(span);
        true
    }

    /// Notes what is durable, as a worker says of a lease.
    pub fn publish_by(&mut self, lease: LeaseId, rendition: u32, span: Span) {
        if self.vanished.is_empty() {
            self.publish(rendition, span);
            return;
        }
        let mut said = Runs::of(span);
        for index in self.disowned(lease, rendition, span) {
            said.remove(Span { first: index, end: index + 1 });
        }
        for run in said.iter() {
            self.publish(rendition, run);
        }
    }

    /// Segments of a span that a lease made, and that had to be made again since.
    fn disowned(&self, lease: LeaseId, rendition: u32, span: Span) -> Vec<u32> {
        let vanished = self.vanished.range((rendition, span.first)..(rendition, span.end));
        let disowned = vanished
            .filter(|(_, vanished)| lease <= vanished.through && Some(lease) != vanished.except);
        disowned.map(|((_, index), _)| *index).collect()
    }

    /// Whether a lease made something of a span that has to be made again, and is not yet.
    pub fn disowns(&self, lease: LeaseId, span: Span, renditions: Renditions) -> bool {
        renditions.iter().any(|rendition| {
            let row = self.renditions.get(rendition as usize);
            let is_made = |index| row.is_some_and(|row| row.published.contains(index));
            self.disowned(lease, rendition, span).into_iter().any(|index| !is_made(index))
        })
    }

    /// Gives back all that a lease held and nobody else does by now, but for what is published.
    pub fn reopen_all_of(&mut self, lease: LeaseId, span: Span, renditions: Renditions) {
        for rendition in renditions.iter() {
            let mut held = Runs::of(span);
            for index in self.disowned(lease, rendition, span) {
                held.remove(Span { first: index, end: index + 1 });
            }
            for run in held.iter() {
                self.reopen(run, Renditions::only(rendition));
            }
        }
    }

    /// Forgets that something was durable, whatever leases up to `through` say, also those that are not
    /// heard of yet; `except` has yet to make it.
    pub fn vanish(&mut self, segment: SegmentId, through: LeaseId, except: Option<LeaseId>) {
        let SegmentId { rendition, index } = segment;
        let span = self.clip(Span { first: index, end: index.saturating_add(1) });
        let Some(row) = self.renditions.get_mut(rendition as usize) else { return };
        if !span.is_empty() {
            row.unpublished += row.published.remove(span);
            self.vanished.insert((rendition, index), Vanished { through, except });
        }
    }

    /// A lease goes on with a span: what vanished of it, it has yet to make, however old it is.
    pub fn make_again(&mut self, lease: LeaseId, span: Span, renditions: Renditions) {
        for rendition in renditions.iter() {
            let vanished = self.vanished.range_mut((rendition, span.first)..(rendition, span.end));
            vanished.for_each(|(_, vanished)| vanished.except = Some(lease));
        }
    }

    /// Takes what is to be leased.
    pub fn take(&mut self, opening: Opening) {
        for rendition in opening.renditions.iter() {
            self.renditions[rendition as usize].open.remove(opening.span);
        }
    }

    /// A lease is about to make a span.
    pub fn add_maker(&mut self, lease: u32, first: u32, renditions: Renditions) {
        for rendition in renditions.iter() {
            self.renditions[rendition as usize].makers.insert((first, lease));
        }
    }

    /// A lease makes no more.
    pub fn remove_maker(&mut self, lease: u32, first: u32, renditions: Renditions) {
        for rendition in renditions.iter() {
            self.renditions[rendition as usize].makers.remove(&(first, lease));
        }
    }

    /// The only lease that may be making a segment: the last that begins with it or before.
    pub fn maker(&self, rendition: u32, segment: u32) -> Option<u32> {
        let row = self.renditions.get(rendition as usize)?;
        let (_, lease) = row.makers.range(..=(segment, u32::MAX)).next_back()?;
        Some(*lease)
    }

    /// Leases that make what is up to `behind` segments after `segment`, or ends there.
    pub fn makers_near(&self, segment: u32, behind: u32, renditions: Renditions) -> Vec<u32> {
        let last = segment.saturating_add(behind);
        let rows = renditions.iter().filter_map(|r| self.renditions.get(r as usize));
        let near = rows.flat_map(|row| {
            let before = row.makers.range(..=(segment, u32::MAX)).next_back();
            let after = row.makers.range((segment, u32::MAX)..=(last, u32::MAX));
            before.into_iter().chain(after).map(|(_, lease)| *lease)
        });
        let mut near: Vec<u32> = near.collect();
        near.sort_unstable();
        near.dedup();
        near
    }

    /// The line it stands in for work on these.
    pub fn line(&self, renditions: Renditions) -> Line {
        let families = match &self.family {
            Some(family) => std::slice::from_ref(family),
            None => &self.families[..],
        };
        Line::of(families, self.kind, renditions)
    }

    /// Gives back what a lease will not make, but for what is published.
    pub fn reopen(&mut self, span: Span, renditions: Renditions) {
        for rendition in renditions.iter() {
            let row = &mut self.renditions[rendition as usize];
            for run in row.published.missing_in(span).iter() {
                row.open.insert(run);
            }
        }
    }

    /// Whether nobody holds what of this is not published.
    pub fn is_free(&self, span: Span, renditions: Renditions) -> bool {
        renditions.iter().all(|rendition| {
            let Some(row) = self.renditions.get(rendition as usize) else { return false };
            let missing = row.published.missing_in(span);
            missing.iter().all(|run| row.open.missing_in(run).is_empty())
        })
    }

    /// Whether all of `opening` could be leased.
    pub fn is_open(&self, opening: Opening) -> bool {
        !opening.span.is_empty()
            && opening.renditions.iter().all(|rendition| {
                let row = self.renditions.get(rendition as usize);
                let run = row.and_then(|row| row.open.from(opening.span.first));
                run.is_some_and(|run| {
                    run.first == opening.span.first && run.end >= opening.span.end
                })
            })
    }

    /// Whether nothing of this is published.
    pub fn is_missing(&self, span: Span, renditions: Renditions) -> bool {
        renditions.iter().all(|rendition| {
            let row = self.renditions.get(rendition as usize);
            row.is_some_and(|row| {
                row.published.from(span.first).is_none_or(|run| run.first >= span.end)
            })
        })
    }

    /// Whether every segment of these is published.
    pub fn is_complete(&self, renditions: Renditions) -> bool {
        renditions
            .iter()
            .all(|r| self.renditions.get(r as usize).is_none_or(|r| r.unpublished == 0))
    }

    /// How many segments of all renditions are published, and how many there are.
    pub fn counts(&self) -> (u32, u32) {
        let total = self.cuts.segments().saturating_mul(self.renditions.len() as u32);
        let missing = self.renditions.iter().fold(0u32, |sum, r| sum.saturating_add(r.unpublished));
        (total.saturating_sub(missing), total)
    }

    /// Whether it has that segment, and the store too.
    pub fn is_published(&self, segment: SegmentId) -> bool {
        let row = self.renditions.get(segment.rendition as usize);
        row.is_some_and(|row| row.published.contains(segment.index))
    }

    /// How many segments of a rendition are open from `from` on.
    pub fn open_from(&self, rendition: u32, from: u32) -> u32 {
        self.renditions.get(rendition as usize).map_or(0, |row| row.open.len_from(from))
    }

    /// How many segments of a rendition are not published from `from` on.
    pub fn unpublished_from(&self, rendition: u32, from: u32) -> u32 {
        let Some(row) = self.renditions.get(rendition as usize) else { return 0 };
        match from {
            0 => row.unpublished,
            _ => self.cuts.segments().saturating_sub(from) - row.published.len_from(from),
        }
    }

    /// The first open run at or after `from`, as far as it is open in the same renditions and none
    /// of it has to wait.
    pub fn next_open(&self, from: u32, renditions: Renditions, now: Moment) -> Next {
        self.next_open_where(now, |rendition| renditions.contains(rendition).then_some(0), from)
    }

    /// The same, of renditions from where `begin` says.
    pub fn next_open_where(
        &self,
        now: Moment,
        begin: impl Fn(u32) -> Option<u32>,
        from: u32,
    ) -> Next {
        let mut next = Next::default();
        let mut from = from;
        while let Some(opening) = self.first_open(from, &begin) {
            let first = opening.span.first;
            if let Some(trouble) = self.troubles.get(&first).filter(|t| t.not_before > now) {
                let at = trouble.not_before;
                next.paused = Some(next.paused.map_or(at, |paused| paused.min(at)));
                from = first + 1;
                continue;
            }
            // What failed before is tried by itself, so that it takes nothing else down.
            let rest = self.troubles.range(first..opening.span.end);
            let troubled = rest.map(|(segment, _)| *segment).find(|segment| *segment > first);
            let end = troubled.unwrap_or(opening.span.end);
            next.opening = Some(Opening { span: Span { first, end }, ..opening });
            break;
        }
        next
    }

    fn first_open(&self, from: u32, begin: impl Fn(u32) -> Option<u32>) -> Option<Opening> {
        let known = 0..self.renditions.len() as u32;
        let open = |rendition: u32| {
            let from = begin(rendition)?.max(from);
            self.renditions[rendition as usize].open.from(from)
        };
        let first = known.clone().filter_map(|r| Some(open(r)?.first)).min()?;
        let at = |rendition: &u32| open(*rendition).is_some_and(|run| run.first == first);
        let renditions: Renditions = known.filter(at).collect();
        let end = renditions.iter().filter_map(|r| Some(open(r)?.end)).min()?;
        Some(Opening { span: Span { first, end }, renditions })
    }
}

/// The right to make a span.
#[derive(Debug)]
pub(super) struct Lease {
    pub id: LeaseId,
    pub job: u32,
    pub worker: u32,
    pub device: u32,
    pub span: Span,
    pub renditions: Renditions,
    pub playback: bool,
    /// For one who wants all that follows.
    pub to_end: bool,
    /// Another one makes what its viewer comes to before.
    pub parted: bool,
    /// Its viewer's stream is not far ahead yet.
    pub pressed: bool,
    /// What it is reckoned to take of its device.
    pub needs: Resources,
    /// Whether its device reckons with it: not when it ended or was told to make way.
    pub counted: bool,
    pub ready_through: u32,
    pub published_through: u32,
    /// What is not published before that.
    pub gaps: Vec<SegmentId>,
    /// The first segment that one of them is in.
    pub first_gap: u32,
    /// Milliseconds per segment: measured, or at first reckoned.
    pub pace: Millis,
    pub progress_at: Moment,
    /// Since then no segment came for so long that this is what the next one takes, at the least; 0
    /// while it is not overdue.
    pub standstill: Millis,
    /// The first desired state that has it.
    pub version: u64,
    /// Its process is gone; what it made is being published.
    pub ended: bool,
    /// Its place in the job's tails.
    pub tail: Option<Millis>,
    /// Its place among those that may be shared.
    pub shared: Option<Millis>,
    /// Segments whose measured effort was learned from.
    pub learned: u32,
    pub timer: Option<Moment>,
}

impl Lease {
    /// Whether it can make way for a viewer, and was not told to.
    pub fn is_counted_batch(&self) -> bool {
        !self.playback && self.counted
    }

    /// Whether it is a batch that was told to make way, and still has its process.
    pub fn makes_way(&self) -> bool {
        !self.playback && !self.counted && !self.ended
    }

    /// How many segments are still to be made.
    pub fn left(&self) -> u32 {
        self.span.end.saturating_sub(self.ready_through)
    }

    /// Milliseconds per segment, as it seems now.
    pub fn seeming_pace(&self) -> Millis {
        self.pace.max(self.standstill)
    }

    /// When segment `index` is reckoned to be ready.
    pub fn arrival(&self, now: Moment, index: u32) -> Moment {
        now + self.seeming_pace() * Millis::from((index + 1).saturating_sub(self.ready_through))
    }
}
