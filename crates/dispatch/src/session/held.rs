//! One span as its worker holds it: what is made and stored of it, and whether it goes on.

use std::collections::BTreeMap;

use segue_model::pool::{Measured, Order, SpanEnd, SpanStatus};
use segue_model::{SegmentId, Span};

use super::Patience;
use crate::{Millis, Moment, Runs};

/// A span, and how far it is.
#[derive(Debug)]
pub(super) struct Held {
    pub order: Order,
    pub measured: Option<Measured>,
    rows: BTreeMap<u32, Row>,
    progress_at: Moment,
    /// Since when it waits for storage, if it does.
    waits_since: Option<Moment>,
    ended: Option<SpanEnd>,
}

/// One rendition of it.
#[derive(Debug, Default)]
struct Row {
    made: Runs,
    stored: Runs,
}

impl Held {
    pub fn new(order: Order, now: Moment) -> Held {
        let rows = order.renditions.iter().map(|rendition| (rendition, Row::default())).collect();
        let (measured, waits_since, ended) = (None, None, None);
        Held { order, measured, rows, progress_at: now, waits_since, ended }
    }

    pub fn is_running(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether it makes no more, and all that it made is stored.
    pub fn is_over(&self) -> bool {
        !self.is_running() && self.is_stored()
    }

    /// Its process did something.
    pub fn gets_on(&mut self, now: Moment) {
        self.progress_at = now;
        self.waits_since = None;
    }

    /// It waits for storage, and may have done so before.
    pub fn waits(&mut self, now: Moment) {
        self.waits_since.get_or_insert(now);
    }

    /// Whether that is news.
    pub fn made(&mut self, now: Moment, segment: SegmentId) -> bool {
        let Some(row) = self.rows.get_mut(&segment.rendition) else { return false };
        self.progress_at = now;
        row.made.insert(Span { first: segment.index, end: segment.index + 1 }) > 0
    }

    /// Whether that is news.
    pub fn stored(&mut self, now: Moment, segment: SegmentId) -> bool {
        let Some(row) = self.rows.get_mut(&segment.rendition) else { return false };
        self.progress_at = now;
        row.stored.insert(Span { first: segment.index, end: segment.index + 1 }) > 0
    }

    /// It was made in vain.
    pub fn lost(&mut self, segment: SegmentId) {
        if let Some(row) = self.rows.get_mut(&segment.rendition) {
            row.made.remove(Span { first: segment.index, end: segment.index + 1 });
        }
    }

    /// It makes no more. If that is for lack of storage, what is not stored is lost.
    pub fn end(&mut self, end: SpanEnd) {
        if let SpanEnd::Failed(failure) = &end
            && failure.class == segue_model::FailureClass::Transient
        {
            for row in self.rows.values_mut() {
                row.made = row.stored.clone();
            }
        }
        self.ended = Some(end);
    }

    pub fn set_end(&mut self, now: Moment, end: u32) {
        if self.ready_through() >= self.order.span.end {
            self.progress_at = now;
        }
        self.order.span.end = end;
    }

    pub fn ready_through(&self) -> u32 {
        self.through(|row| &row.made)
    }

    /// The first segment that some rendition lacks.
    fn through(&self, of: impl Fn(&Row) -> &Runs) -> u32 {
        let first = self.order.span.first;
        let run = |row| of(row).from(first).filter(|run| run.first == first);
        self.rows.values().map(|row| run(row).map_or(first, |run| run.end)).min().unwrap_or(first)
    }

    /// `in_haste`: nobody will want it to go on.
    pub fn is_finished(&self, now: Moment, patience: &Patience, in_haste: bool) -> bool {
        let at_end = self.ready_through() >= self.order.span.end;
        at_end && now >= self.progress_at + self.linger(patience, in_haste)
    }

    fn linger(&self, patience: &Patience, in_haste: bool) -> Millis {
        if self.order.playback && !in_haste { patience.linger } else { 0 }
    }

    /// What waits for storage, or at its end, does not hang.
    pub fn hangs(&self, now: Moment, patience: &Patience) -> bool {
        self.may_hang()
            && self.waits_since.is_none()
            && now >= self.progress_at + self.hang_after(patience)
    }

    /// Whether it waited for storage for as long as anybody should. What it made is another matter:
    /// that is held, and read from here.
    pub fn waited_enough(&self, now: Moment, patience: &Patience) -> bool {
        self.may_hang() && self.waits_since.is_some_and(|since| now >= since + patience.storage)
    }

    fn may_hang(&self) -> bool {
        let at_end = self.ready_through() >= self.order.span.end;
        !at_end && self.is_stored()
    }

    fn is_stored(&self) -> bool {
        let stored = |row: &Row| row.made.iter().all(|run| row.stored.missing_in(run).is_empty());
        self.rows.values().all(stored)
    }

    fn hang_after(&self, patience: &Patience) -> Millis {
        match self.measured {
            Some(measured) => {
                let least =
                    if measured.segments == 0 { patience.hang_first } else { patience.hang };
                least.max(Millis::from(measured.pace_ms) * 8)
            }
            None => patience.hang_first,
        }
    }

    /// When it may be at its end, or hang.
    pub fn deadline(&self, patience: &Patience, in_haste: bool) -> Option<Moment> {
        if !self.is_running() {
            return None;
        }
        if self.ready_through() >= self.order.span.end {
            return Some(self.progress_at + self.linger(patience, in_haste));
        }
        let patience = match self.waits_since {
            Some(since) => since + patience.storage,
            None => self.progress_at + self.hang_after(patience),
        };
        self.is_stored().then_some(patience)
    }

    pub fn status(&self) -> SpanStatus {
        let first = self.order.span.first;
        let last = |row: &Row| row.stored.iter().last().map_or(first, |run| run.end);
        let published_through = self.rows.values().map(last).max().unwrap_or(first);
        let all = Span { first, end: published_through };
        let mut gaps: Vec<SegmentId> = Vec::new();
        for (rendition, row) in &self.rows {
            for hole in row.stored.missing_in(all).iter() {
                let id = |index| SegmentId { rendition: *rendition, index };
                gaps.extend((hole.first..hole.end).map(id));
            }
        }
        SpanStatus {
            order: self.order,
            ready_through: self.ready_through(),
            published_through,
            gaps,
            measured: self.measured,
            end: self.ended.clone(),
        }
    }
}
