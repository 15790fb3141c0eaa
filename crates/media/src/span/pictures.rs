//! Packets of picture into upright, progressive frames in their slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use segue_model::{Deinterlace, DeinterlaceMethod, FrameClock, Orientation, Time, VideoFacts};

use super::order::SpanOrder;
use super::slots::{Placed, Slots};
use super::window;
use crate::Error;
use crate::av::{Decoder, Frame, Graph, Input, Packet};
use crate::error::Blame;

/// A frame that several renditions read.
pub(super) type Picture = Arc<Frame>;

/// How long before the first picture that is needed all are decoded.
const DECODER_SETTLES: Time = Time::from_secs(1);

/// Decodes a span's picture once, for all renditions.
pub(super) struct Pictures<'a> {
    facts: &'a VideoFacts,
    /// The slots that pictures are put into.
    clock: FrameClock,
    /// How many of them there are for each of the source's.
    per_slot: i64,
    start: Time,
    /// How much later pictures are shown than in the source.
    delay: Time,
    entry: Option<i64>,
    decoder: Decoder,
    /// Filters that see every frame before renditions part; `None` if there are none.
    filters: Option<String>,
    graph: Option<Graph>,
    exact: bool,
    slots: Slots<Picture>,
    /// Packets and frames the decoder complained about.
    damaged: &'a AtomicU64,
    /// The latest picture and its slot, until the next bears it out.
    latest: Option<(i64, Frame)>,
    /// The slot of the one before.
    last_slot: Option<i64>,
    lead_in: LeadIn,
}

impl<'a> Pictures<'a> {
    /// `entry`: the tick that decoding starts from, see [`super::reader::Reader::entry`].
    pub(super) fn open(
        input: &Input,
        order: &'a SpanOrder,
        facts: &'a VideoFacts,
        entry: Option<i64>,
        damaged: &'a AtomicU64,
    ) -> Result<Pictures<'a>, Error> {
        let (job, span) = (&order.job, order.span);
        let stream = input
            .stream(facts.stream)
            .ok_or_else(|| Error::source("the picture's stream is not there any more"))?;
        let decoder = Decoder::open(&stream.parameters()?, stream.time_base(), order.threads)
            .blame_source(&format!("the picture ({}) cannot be decoded here", facts.codec))?;
        let clock = job.recipe.clock(facts);
        // What is done before renditions part is the same for all of them.
        let video = job.recipe.renditions.iter().find_map(|rendition| rendition.video.as_ref());
        let filters = video.and_then(|video| filters(video.deinterlace, video.orientation));
        Ok(Pictures {
            facts,
            clock,
            per_slot: (clock.rate / facts.clock.rate).round(),
            start: job.facts.start,
            delay: job.recipe.picture_delay(),
            entry,
            decoder,
            filters,
            graph: None,
            exact: job.recipe.exact,
            slots: Slots::new(
                &job.timeline,
                &clock,
                job.recipe.counts_from(facts),
                span,
                job.recipe.frame_rate(facts).recip().unwrap_or(Time::new(1, 25)),
                window::encoder_pre_roll(job, span, order.urgent),
            ),
            damaged,
            latest: None,
            last_slot: None,
            lead_in: LeadIn::until(
                window::picture_from(job, span, order.urgent),
                job.facts.start,
                facts,
            ),
        })
    }

    /// Whether everything the span needs has been given out.
    pub(super) fn is_done(&self) -> bool {
        self.slots.is_done()
    }

    /// When the last frame that was decoded begins.
    pub(super) fn last_seen(&self) -> Option<Time> {
        self.slots.last_seen().map(|slot| self.clock.time_of(slot))
    }

    /// Decodes a packet and gives out what comes of it.
    pub(super) fn feed(
        &mut self,
        packet: &Packet,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.decoder.skip_unreferenced(self.lead_in.can_skip(packet.pts()));
        self.decode(Some(packet), place)
    }

    /// There are no more packets: gives out what is left, and holds the last picture to the end.
    /// False if there was no picture at all.
    pub(super) fn finish(
        &mut self,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        self.decode(None, place)?;
        if let Some((slot, frame)) = self.latest.take() {
            self.show(slot, frame, place)?;
        }
        if let Some(mut graph) = self.graph.take() {
            graph.push(None).blame_worker("the filters failed")?;
            self.drain(&mut graph, place)?;
        }
        let mut placed = Vec::new();
        let found = self.slots.finish(|it| placed.push(it));
        placed.into_iter().try_for_each(place)?;
        Ok(found)
    }

    fn decode(
        &mut self,
        packet: Option<&Packet>,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut frames = Vec::new();
        let keep = |frame: &mut Frame| -> Result<(), crate::AvError> {
            frames.push(frame.take());
            Ok(())
        };
        let before = self.decoder.damaged;
        self.decoder.decode(packet, keep).blame_worker("the decoder failed")?;
        self.damaged.fetch_add(self.decoder.damaged - before, Ordering::Relaxed);
        let ends = packet.is_none();
        frames.into_iter().try_for_each(|frame| self.order(frame, ends, place))
    }

    /// Keeps pictures whose timestamps rise, as filters want them. One that the next contradicts had
    /// a wrong timestamp; shown, it would hide everything up to there.
    ///
    /// `ends`: they come because there are no more packets. Then those without a timestamp follow each
    /// other: some containers have none for the last that are shown.
    fn order(
        &mut self,
        frame: Frame,
        ends: bool,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let slot = match (frame.best_timestamp(), &self.latest) {
            (Some(tick), _) if self.entry.is_some_and(|entry| tick < entry) => return Ok(()),
            (Some(tick), _) => {
                self.slot_of(Time::from_ticks(tick, self.facts.time_base) - self.start)
            }
            (None, Some((latest, _))) if ends => {
                let rate = self.facts.frame_rate.nominal();
                let frame = rate.recip().unwrap_or(Time::new(1, 25));
                let shown = self.clock.time_of(*latest) - self.delay;
                self.slot_of(shown + frame)
            }
            (None, _) => return Ok(()),
        };
        let is_late = self.last_slot.is_some_and(|last| slot <= last);
        // Two frames in one slot would be one anyway.
        if is_late || self.latest.as_ref().is_some_and(|(latest, _)| slot == *latest) {
            return Ok(());
        }
        match self.latest.replace((slot, frame)) {
            Some((before, frame)) if before < slot => {
                self.last_slot = Some(before);
                self.show(before, frame, place)
            }
            _ => Ok(()),
        }
    }

    /// The slot of a picture of the source's. A container's jitter vanishes in the source's own slots.
    fn slot_of(&self, time: Time) -> i64 {
        self.facts.clock.slot_of(time) * self.per_slot
    }

    fn show(
        &mut self,
        slot: i64,
        mut frame: Frame,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        frame.set_pts(slot);
        let Some(filters) = self.filters.clone() else { return self.put(slot, frame, place) };
        // The picture may change its size or format in the middle: filters start anew.
        if let Some(mut ended) = self.graph.take_if(|graph| !graph.suits(&frame)) {
            ended.push(None).blame_worker("the filters failed")?;
            self.drain(&mut ended, place)?;
        }
        if self.graph.is_none() {
            let base = slot_length(&self.clock);
            let made = Graph::new(&frame, base, &filters, 1, self.exact);
            self.graph = Some(made.blame_worker("the filters cannot be set up")?);
        }
        self.through_graph(frame, place)
    }

    fn through_graph(
        &mut self,
        mut frame: Frame,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(mut graph) = self.graph.take() else { return Ok(()) };
        graph.push(Some(&mut frame)).blame_worker("the filters failed")?;
        self.drain(&mut graph, place)?;
        self.graph = Some(graph);
        Ok(())
    }

    fn drain(
        &mut self,
        graph: &mut Graph,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let base = graph.time_base().unwrap_or_else(|| slot_length(&self.clock));
        while let Some(frame) = graph.pull().blame_worker("the filters failed")? {
            let Some(pts) = frame.pts() else { continue };
            // The deinterlacer counts in half slots.
            let slot = (Time::from_ticks(pts, base) * self.clock.rate).round();
            self.put(slot, frame, place)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        slot: i64,
        frame: Frame,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut placed = Vec::new();
        self.slots.push(slot, Arc::new(frame), |it| placed.push(it));
        placed.into_iter().try_for_each(place)
    }
}

/// Pictures between the keyframe that decoding starts from and the first that is needed.
///
/// Those that no other picture refers to need not be decoded, but for the last before the first that
/// is needed, which may be held at a boundary.
struct LeadIn {
    /// The tick of the first picture that is needed.
    end: i64,
    /// Skipping ends here: decoders learn from what they decode in how far pictures are reordered.
    skip_end: i64,
    /// The latest picture seen that is not after `end`.
    latest: Option<i64>,
}

impl LeadIn {
    fn until(from: Time, start: Time, facts: &VideoFacts) -> LeadIn {
        let tick = |time: Time| ((time + start) / facts.time_base).floor();
        LeadIn { end: tick(from), skip_end: tick(from - DECODER_SETTLES), latest: None }
    }

    /// Whether the picture of a packet, if none refers to it, is of no use. `pts`: its tick.
    fn can_skip(&mut self, pts: Option<i64>) -> bool {
        let Some(pts) = pts.filter(|pts| *pts <= self.end) else { return false };
        let superseded = self.latest.is_some_and(|latest| pts < latest);
        self.latest = self.latest.max(Some(pts));
        superseded && pts < self.skip_end
    }
}

fn slot_length(clock: &FrameClock) -> Time {
    clock.rate.recip().unwrap_or(Time::new(1, 240))
}

/// libav's words for making frames of fields and turning them; `None` if neither is wanted.
fn filters(deinterlace: Option<Deinterlace>, orientation: Orientation) -> Option<String> {
    let mut chain = Vec::new();
    if let Some(Deinterlace { method, every_field, marked_only }) = deinterlace {
        let method = match method {
            DeinterlaceMethod::Yadif => "yadif",
            DeinterlaceMethod::Bwdif => "bwdif",
        };
        let mode = if every_field { "send_field" } else { "send_frame" };
        let which = if marked_only { "interlaced" } else { "all" };
        chain.push(format!("{method}=mode={mode}:parity=auto:deint={which}"));
    }
    if orientation.mirrored {
        chain.push("hflip".to_owned());
    }
    let turns = match orientation.quarter_turns % 4 {
        1 => &["transpose=clock"][..],
        2 => &["hflip", "vflip"][..],
        3 => &["transpose=cclock"][..],
        _ => &[],
    };
    chain.extend(turns.iter().map(|turn| (*turn).to_owned()));
    (!chain.is_empty()).then(|| chain.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decoding order of showing times, skipped or not; the first that is needed is shown at 100.
    fn skipped(shown: &[i64]) -> Vec<bool> {
        let mut lead_in = LeadIn { end: 100, skip_end: 90, latest: None };
        shown.iter().map(|pts| lead_in.can_skip(Some(*pts))).collect()
    }

    #[test]
    fn pictures_that_others_follow_before_the_span_are_skipped() {
        assert_eq!(skipped(&[0, 40, 20, 10, 30]), [false, false, true, true, true]);
    }

    #[test]
    fn the_last_picture_before_the_span_is_decoded_as_it_may_be_held() {
        // Nothing is shown between 60 and what comes long after the boundary.
        assert_eq!(skipped(&[0, 300, 40, 20, 60]), [false, false, false, true, false]);
    }

    #[test]
    fn pictures_right_before_the_span_are_decoded_as_decoders_learn_from_them() {
        assert_eq!(skipped(&[50, 98, 95, 91, 80]), [false, false, false, false, true]);
    }

    #[test]
    fn pictures_of_the_span_or_without_a_time_are_decoded() {
        assert_eq!(skipped(&[100, 140, 120, 101]), [false; 4]);
        assert!(!LeadIn { end: 100, skip_end: 90, latest: Some(80) }.can_skip(None));
    }
}
