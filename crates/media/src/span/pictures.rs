//! Packets of picture into upright, progressive frames in their slots.

use std::sync::Arc;

use segue_model::{FrameClock, Job, Orientation, Span, Time, VideoFacts};

use super::slots::{Placed, Slots};
use super::window;
use crate::Error;
use crate::av::{Decoder, Frame, Graph, Input, Packet};
use crate::error::Blame;

/// A frame that several renditions read.
pub(super) type Picture = Arc<Frame>;

/// Decodes a span's picture once, for all renditions.
pub(super) struct Pictures<'a> {
    facts: &'a VideoFacts,
    start: Time,
    entry: Option<i64>,
    decoder: Decoder,
    /// Filters that see every frame before renditions part; `None` if there are none.
    filters: Option<String>,
    graph: Option<Graph>,
    exact: bool,
    slots: Slots<Picture>,
    last_slot: Option<i64>,
}

impl<'a> Pictures<'a> {
    /// `entry`: the tick that decoding starts from, see [`super::reader::Reader::entry`].
    pub(super) fn open(
        input: &Input,
        job: &'a Job,
        facts: &'a VideoFacts,
        span: Span,
        entry: Option<i64>,
        threads: u32,
    ) -> Result<Pictures<'a>, Error> {
        let stream = input
            .stream(facts.stream)
            .ok_or_else(|| Error::source("the picture's stream is not there any more"))?;
        let decoder = Decoder::open(&stream.parameters()?, stream.time_base(), threads)
            .blame_source(&format!("the picture ({}) cannot be decoded here", facts.codec))?;
        let deinterlace = job
            .recipe
            .renditions
            .iter()
            .flat_map(|rendition| &rendition.video)
            .any(|v| v.deinterlace);
        Ok(Pictures {
            facts,
            start: job.facts.start,
            entry,
            decoder,
            filters: filters(deinterlace, facts.orientation),
            graph: None,
            exact: job.recipe.exact,
            slots: Slots::new(
                &job.timeline,
                &facts.clock,
                span,
                facts.frame_rate.nominal().recip().unwrap_or(Time::new(1, 25)),
                window::encoder_pre_roll(job, span),
            ),
            last_slot: None,
        })
    }

    /// Whether everything the span needs has been given out.
    pub(super) fn is_done(&self) -> bool {
        self.slots.is_done()
    }

    /// Packets and frames the decoder complained about.
    pub(super) fn damaged(&self) -> u64 {
        self.decoder.damaged
    }

    /// When the last frame that was decoded begins.
    pub(super) fn last_seen(&self) -> Option<Time> {
        self.slots.last_seen().map(|slot| self.facts.clock.time_of(slot))
    }

    /// Decodes a packet and gives out what comes of it.
    pub(super) fn feed(
        &mut self,
        packet: &Packet,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.decode(Some(packet), place)
    }

    /// There are no more packets: gives out what is left, and holds the last picture to the end.
    /// False if there was no picture at all.
    pub(super) fn finish(
        &mut self,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        self.decode(None, place)?;
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
        self.decoder.decode(packet, keep).blame_worker("the decoder failed")?;
        frames.into_iter().try_for_each(|frame| self.show(frame, place))
    }

    fn show(
        &mut self,
        mut frame: Frame,
        place: &mut dyn FnMut(Placed<Picture>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let Some(tick) = frame.best_timestamp() else { return Ok(()) };
        if self.entry.is_some_and(|entry| tick < entry) {
            return Ok(());
        }
        let time = Time::from_ticks(tick, self.facts.time_base) - self.start;
        let slot = self.facts.clock.slot_of(time);
        // Filters want rising timestamps; two frames in one slot would be one anyway.
        if self.last_slot.is_some_and(|last| slot <= last) {
            return Ok(());
        }
        self.last_slot = Some(slot);
        frame.set_pts(slot);
        let Some(filters) = self.filters.clone() else { return self.put(slot, frame, place) };
        // The picture may change its size or format in the middle: filters start anew.
        if let Some(mut ended) = self.graph.take_if(|graph| !graph.suits(&frame)) {
            ended.push(None).blame_worker("the filters failed")?;
            self.drain(&mut ended, place)?;
        }
        if self.graph.is_none() {
            let base = slot_length(&self.facts.clock);
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
        let base = graph.time_base().unwrap_or_else(|| slot_length(&self.facts.clock));
        while let Some(frame) = graph.pull().blame_worker("the filters failed")? {
            let Some(pts) = frame.pts() else { continue };
            // The deinterlacer counts in half slots.
            let slot = (Time::from_ticks(pts, base) * self.facts.clock.rate).round();
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

fn slot_length(clock: &FrameClock) -> Time {
    clock.rate.recip().unwrap_or(Time::new(1, 240))
}

/// libav's words for making frames progressive and upright; `None` if they are.
fn filters(deinterlace: bool, orientation: Orientation) -> Option<String> {
    let mut chain = Vec::new();
    if deinterlace {
        // One frame for two fields; frames that are not interlaced pass unchanged.
        chain.push("bwdif=mode=send_frame:parity=auto:deint=interlaced");
    }
    if orientation.mirrored {
        chain.push("hflip");
    }
    chain.extend(match orientation.quarter_turns % 4 {
        1 => &["transpose=clock"][..],
        2 => &["hflip", "vflip"][..],
        3 => &["transpose=cclock"][..],
        _ => &[],
    });
    (!chain.is_empty()).then(|| chain.join(","))
}
