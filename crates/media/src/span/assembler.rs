//! Encoded tracks into segment files, in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use segue_model::{Job, SegmentId, Span};

use super::order::{Progress, SpanEvent};
use super::packaging;
use super::part::{Part, SoundPart, VideoPart};
use crate::Error;

/// How often progress is told.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// One rendition being put together.
pub(super) struct Line {
    /// Index into the recipe.
    pub(super) rendition: u32,
    pub(super) has_video: bool,
    /// Which of the span's tracks it carries.
    pub(super) track: Option<usize>,
}

/// Waits for segments' parts and makes files of them.
pub(super) struct Assembler<'a> {
    job: &'a Job,
    lines: Vec<Line>,
    /// The next segment of each line.
    next: Vec<u32>,
    end: u32,
    video: BTreeMap<(u32, u32), VideoPart>,
    /// Several renditions may carry the same sound.
    sound: BTreeMap<(usize, u32), Arc<SoundPart>>,
    /// The init section given out for each line.
    inits: Vec<Option<Vec<u8>>>,
    /// Frames and packets that decoders complained about.
    damaged: &'a AtomicU64,
}

impl<'a> Assembler<'a> {
    pub(super) fn new(
        job: &'a Job,
        span: Span,
        lines: Vec<Line>,
        damaged: &'a AtomicU64,
    ) -> Assembler<'a> {
        Assembler {
            job,
            next: vec![span.first; lines.len()],
            inits: lines.iter().map(|_| None).collect(),
            lines,
            end: span.end,
            video: BTreeMap::new(),
            sound: BTreeMap::new(),
            damaged,
        }
    }

    /// Hands out segments until all parts have come.
    pub(super) fn run(
        mut self,
        parts: &Receiver<Part>,
        progress: &(dyn Fn() -> Progress + Sync),
        on_event: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
    ) -> Result<(), Error> {
        let mut told = (Progress::default(), Instant::now());
        loop {
            match parts.recv_timeout(TELL_EVERY) {
                Ok(part) => {
                    self.put(part);
                    self.give_out(on_event)?;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            let now = progress();
            if now != told.0 && told.1.elapsed() >= TELL_EVERY {
                told = (now, Instant::now());
                on_event(SpanEvent::Progress(now))?;
            }
        }
        match self.next.iter().find(|next| **next < self.end) {
            // Somebody upstream failed and says why.
            Some(_) => Err(Error::Cancelled),
            None => Ok(()),
        }
    }

    fn put(&mut self, part: Part) {
        match part {
            Part::Video(part) => {
                self.video.insert((part.rendition, part.segment), part);
            }
            Part::Sound(part) => {
                self.sound.insert((part.track, part.segment), Arc::new(part));
            }
        }
    }

    fn give_out(
        &mut self,
        on_event: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
    ) -> Result<(), Error> {
        for at in 0..self.lines.len() {
            while let Some((video, sound)) = self.take(at) {
                let (rendition, index) = (self.lines[at].rendition, self.next[at]);
                self.next[at] += 1;
                let made = packaging::package(self.job, index, video.as_ref(), sound.as_deref())?;
                if let Some(init) = made.init {
                    self.give_init(at, init, on_event)?;
                }
                let id = SegmentId { rendition, index };
                // Counted before the parts that it went into came here.
                let damaged = self.damaged.load(Ordering::Relaxed);
                on_event(SpanEvent::Segment { id, bytes: made.bytes, damaged })?;
            }
        }
        let oldest = self.next.iter().min().copied().unwrap_or(self.end);
        self.sound.retain(|(_, segment), _| *segment >= oldest);
        Ok(())
    }

    /// The parts of a line's next segment, once all are there.
    fn take(&mut self, at: usize) -> Option<(Option<VideoPart>, Option<Arc<SoundPart>>)> {
        let (line, next) = (&self.lines[at], self.next[at]);
        let sound = line.track.map(|track| self.sound.get(&(track, next)).cloned());
        let sound = match sound {
            Some(None) => return None,
            Some(Some(part)) => Some(part),
            None => None,
        };
        if next >= self.end {
            return None;
        }
        let video =
            if line.has_video { Some(self.video.remove(&(line.rendition, next))?) } else { None };
        Some((video, sound))
    }

    fn give_init(
        &mut self,
        at: usize,
        init: Vec<u8>,
        on_event: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
    ) -> Result<(), Error> {
        match &self.inits[at] {
            None => {
                let rendition = self.lines[at].rendition;
                on_event(SpanEvent::Init { rendition, bytes: init.clone() })?;
                self.inits[at] = Some(init);
                Ok(())
            }
            Some(first) if *first == init => Ok(()),
            Some(_) => {
                Err(Error::worker("an encoder changed its header from one segment to the next"))
            }
        }
    }
}
