//! A playlist's segments as one stream: fetched one at a time, looked at, and handed on.
//!
//! A player feeds its demuxer the init section and then one segment after the other; so does
//! this. Each segment is checked when it is reached. What cannot be demuxed at all ends a *run*,
//! as EXT-X-DISCONTINUITY and another init section do; the next run begins after it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use segue_model::Time;

use super::boxes::{self, BoxError, InitSection};
use super::finding::{Finding, Track};
use super::frames::{self, Container};
use super::location::FetchError;
use super::nal::Framing;
use super::packed;
use super::playlist::{Entry, Init, MediaList};
use super::report::{FaultKind, VerifyError};
use super::timing::{FrameTime, Order, SegmentTimes, TrackTimes};
use super::ts;
use crate::av::log;
use crate::{ByteSource, Cancel};

/// An init section in force.
pub(super) struct LoadedInit {
    pub(super) named: Init,
    pub(super) bytes: Arc<[u8]>,
    pub(super) section: InitSection,
    /// The first segment that uses it.
    pub(super) first: usize,
}

/// See the module.
pub(super) struct Reel {
    pub(super) list: Arc<MediaList>,
    cancel: Cancel,
    next: usize,
    current: Arc<[u8]>,
    current_start: u64,
    /// The segments of this run and where each begins in it; init sections come before.
    run: Vec<(usize, u64)>,
    pub(super) times: Vec<SegmentTimes>,
    /// Which segments could be read: the others are out of the picture.
    pub(super) readable: Vec<bool>,
    pub(super) findings: Vec<Finding>,
    counters: ts::Counters,
    pub(super) container: Option<Container>,
    pub(super) inits: Vec<LoadedInit>,
    /// Which of them this run has. The last one may be the next run's already.
    run_init: Option<usize>,
    /// Init sections that could not be had: told once, not for each segment.
    failed_inits: Vec<Option<Init>>,
    /// What the demuxer said while it read each segment.
    pub(super) words: Vec<(usize, String)>,
    /// Why verification must end.
    pub(super) stop: Option<VerifyError>,
}

/// Why a segment is out.
enum Out {
    Finding(FaultKind, String),
    Stop(VerifyError),
}

impl Out {
    fn fault(kind: FaultKind, detail: impl Into<String>) -> Out {
        Out::Finding(kind, detail.into())
    }
}

impl From<FetchError> for Out {
    fn from(error: FetchError) -> Out {
        match error {
            FetchError::Missing(why) => Out::Finding(FaultKind::SegmentMissing, why),
            FetchError::Cancelled => Out::Stop(VerifyError::Cancelled),
        }
    }
}

impl From<BoxError> for Out {
    fn from(error: BoxError) -> Out {
        match error {
            BoxError::Truncated(what) => Out::Finding(FaultKind::SegmentTruncated, what),
            BoxError::Malformed(what) => Out::Finding(FaultKind::SegmentMalformed, what),
            BoxError::UnknownTrack(id) => {
                let what = format!("it has a track {id}, which the init section does not have");
                Out::Finding(FaultKind::InitMismatch, what)
            }
        }
    }
}

impl Reel {
    pub(super) fn new(list: Arc<MediaList>, cancel: &Cancel) -> Reel {
        Reel {
            list,
            cancel: cancel.clone(),
            next: 0,
            current: Arc::new([]),
            current_start: 0,
            run: Vec::new(),
            times: Vec::new(),
            readable: Vec::new(),
            findings: Vec::new(),
            counters: ts::Counters::default(),
            container: None,
            inits: Vec::new(),
            run_init: None,
            failed_inits: Vec::new(),
            words: Vec::new(),
            stop: None,
        }
    }

    /// How many segments were reached.
    pub(super) fn reached(&self) -> usize {
        self.next
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.is_some() || self.next >= self.list.segments.len()
    }

    /// Starts a run; `false` if its first segment turned out unreadable.
    pub(super) fn begin_run(&mut self) -> bool {
        self.run.clear();
        self.current = Arc::new([]);
        self.current_start = 0;
        self.advance()
    }

    /// The segment that holds a byte of this run.
    pub(super) fn segment_at(&self, position: u64) -> Option<usize> {
        let after = self.run.partition_point(|(_, start)| *start <= position);
        Some(self.run.get(after.saturating_sub(1))?.0)
    }

    /// The last segment read in this run.
    pub(super) fn latest(&self) -> usize {
        self.run.last().map_or(0, |(segment, _)| *segment)
    }

    /// Notes what libav has said while it read the current segment.
    ///
    /// It asks for more only when it has read all that it was given, so that whatever it says in
    /// between is about this segment, also while it probes far ahead.
    pub(super) fn listen(&mut self) {
        let latest = self.latest();
        let words = log::heard().into_iter().filter(|words| is_about_the_container(words));
        self.words.extend(words.map(|words| (latest, words)));
    }

    /// Makes the next segment the current one. `false` at the end of the run.
    pub(super) fn advance(&mut self) -> bool {
        let list = self.list.clone();
        let Some(entry) = list.segments.get(self.next) else { return false };
        if self.stop.is_some() || (!self.run.is_empty() && entry.discontinuity) {
            return false;
        }
        let at = self.next;
        let continues = at > 0 && !entry.discontinuity && self.readable[at - 1];
        let same_init = match self.take_init(entry, at, continues) {
            Ok(same) => same,
            Err(out) => return self.leave_out(entry, out),
        };
        if !same_init && !self.run.is_empty() {
            return false;
        }
        if !continues {
            self.counters = ts::Counters::default();
        }
        match self.look(entry, at) {
            Ok((times, bytes)) => {
                self.times.push(SegmentTimes {
                    continues,
                    tracks: times,
                    declared: entry.duration,
                });
                self.readable.push(true);
                self.append(at, bytes);
                true
            }
            Err(out) => self.leave_out(entry, out),
        }
    }

    fn leave_out(&mut self, entry: &Entry, out: Out) -> bool {
        let kind_is_init = matches!(&out, Out::Finding(FaultKind::InitMissing, _));
        match out {
            Out::Finding(FaultKind::InitMissing, _) if self.failed_inits.contains(&entry.init) => {}
            Out::Finding(kind, detail) => self.findings.push(Finding::new(self.next, kind, detail)),
            Out::Stop(error) => self.stop = Some(error),
        }
        if kind_is_init {
            self.failed_inits.push(entry.init.clone());
        }
        self.times.push(SegmentTimes {
            continues: false,
            tracks: Vec::new(),
            declared: entry.duration,
        });
        self.readable.push(false);
        self.next += 1;
        false
    }

    fn append(&mut self, at: usize, bytes: Vec<u8>) {
        let end = self.current_start + self.current.len() as u64;
        self.next += 1;
        let has_init = self.list.segments[at].init.is_some();
        if self.run.is_empty() {
            self.run_init = self.inits.len().checked_sub(1).filter(|_| has_init);
        }
        let init = self.run_init.filter(|_| self.run.is_empty());
        match init.map(|init| &self.inits[init]) {
            Some(init) => {
                self.run.push((at, init.bytes.len() as u64));
                self.current = init.bytes.iter().copied().chain(bytes).collect();
                self.current_start = 0;
            }
            None => {
                self.run.push((at, end));
                self.current_start = end;
                self.current = bytes.into();
            }
        }
    }

    /// Loads the init section a segment needs; whether it is the one in force.
    fn take_init(&mut self, entry: &Entry, at: usize, continues: bool) -> Result<bool, Out> {
        let Some(named) = &entry.init else { return Ok(true) };
        if self.inits.last().is_some_and(|init| init.named == *named) {
            return Ok(true);
        }
        let missing =
            |why: String| Out::fault(FaultKind::InitMissing, format!("{}: {why}", named.uri));
        let resource =
            named.resource.as_ref().ok_or_else(|| missing("it may not be named here".into()))?;
        let bytes = match resource.fetch(&self.cancel) {
            Ok(bytes) => bytes,
            Err(FetchError::Missing(why)) => return Err(missing(why)),
            Err(FetchError::Cancelled) => return Err(Out::Stop(VerifyError::Cancelled)),
        };
        if self.inits.last().is_some_and(|init| *init.bytes == *bytes) {
            return Ok(true);
        }
        let section = if ts::is_ts(&bytes) {
            // TS may have its tables there.
            InitSection::default()
        } else {
            InitSection::parse(&bytes).map_err(|error| {
                let (BoxError::Truncated(what) | BoxError::Malformed(what)) = error else {
                    return missing("no init section".to_owned());
                };
                missing(what)
            })?
        };
        if section.tracks.iter().any(|track| track.is_encrypted()) {
            let error =
                VerifyError::Encrypted { playlist: named.uri.clone(), method: "CENC".to_owned() };
            return Err(Out::Stop(error));
        }
        let changed = continues && !self.inits.is_empty();
        if changed {
            let what = format!(
                "{} is other than the init section before, without EXT-X-DISCONTINUITY",
                named.uri
            );
            self.findings.push(Finding::new(at, FaultKind::InitChanged, what));
        }
        self.inits.push(LoadedInit {
            named: named.clone(),
            bytes: bytes.into(),
            section,
            first: at,
        });
        Ok(false)
    }

    /// Fetches a segment and checks its structure: its frames (TS has them told by the demuxer
    /// later) and the bytes to demux.
    fn look(&mut self, entry: &Entry, at: usize) -> Result<(Vec<TrackTimes>, Vec<u8>), Out> {
        let resource = entry.resource.as_ref().ok_or_else(|| {
            Out::fault(FaultKind::SegmentMissing, "a playlist from the network may not name this")
        })?;
        let bytes = resource.fetch(&self.cancel)?;
        if bytes.is_empty() {
            return Err(Out::fault(FaultKind::SegmentEmpty, "no bytes"));
        }
        if let Some((_, length)) = resource.range
            && (bytes.len() as u64) < length
        {
            let what = format!("the byte range has {length} bytes, {} are there", bytes.len());
            return Err(Out::fault(FaultKind::SegmentTruncated, what));
        }
        let container = Container::of(&bytes).or(self.container).ok_or_else(|| {
            Out::fault(
                FaultKind::SegmentMalformed,
                "neither MPEG-TS nor MP4 fragments nor packed audio",
            )
        })?;
        self.container.get_or_insert(container);
        match container {
            Container::Ts => self.look_at_ts(at, bytes),
            Container::Mp4 => self.look_at_mp4(entry, bytes),
            Container::Packed => self.look_at_packed(at, bytes),
        }
    }

    fn look_at_ts(&mut self, at: usize, bytes: Vec<u8>) -> Result<(Vec<TrackTimes>, Vec<u8>), Out> {
        let look = ts::inspect(&bytes, &mut self.counters);
        if look.scrambled {
            let error = VerifyError::Encrypted {
                playlist: self.list.segments[at].uri.clone(),
                method: "scrambled TS".to_owned(),
            };
            return Err(Out::Stop(error));
        }
        let mut faults = look.faults.into_iter();
        if !look.readable
            && let Some((kind, what)) = faults.next()
        {
            return Err(Out::Finding(kind, what));
        }
        self.findings.extend(faults.map(|(kind, what)| Finding::new(at, kind, what)));
        Ok((Vec::new(), bytes))
    }

    fn look_at_mp4(
        &mut self,
        entry: &Entry,
        bytes: Vec<u8>,
    ) -> Result<(Vec<TrackTimes>, Vec<u8>), Out> {
        let section = match self.inits.last().filter(|_| entry.init.is_some()) {
            Some(init) => &init.section,
            None => {
                return Err(Out::fault(FaultKind::InitMissing, "MP4 fragments without EXT-X-MAP"));
            }
        };
        let samples = boxes::samples(&bytes, section)?;
        if samples.is_empty() {
            return Err(Out::fault(FaultKind::SegmentEmpty, "no sample"));
        }
        Ok((frames::of_mp4(section, &samples, &bytes), bytes))
    }

    fn look_at_packed(
        &mut self,
        at: usize,
        bytes: Vec<u8>,
    ) -> Result<(Vec<TrackTimes>, Vec<u8>), Out> {
        let mut look = packed::inspect(&bytes);
        if let Some((kind, what)) = look.faults.drain(..).next() {
            return Err(Out::Finding(kind, what));
        }
        if look.frames.is_empty() {
            return Err(Out::fault(FaultKind::SegmentEmpty, "no audio frame"));
        }
        // Without a time of its own a segment goes on where the one before ended.
        let before = at.checked_sub(1).and_then(|before| {
            let times = self.times[before].tracks.first()?;
            times.frames.last().map(|last| last.presentation.saturating_add(last.duration))
        });
        let start = look.timestamp.or(before).unwrap_or(0);
        Ok((vec![frames::of_packed(&look, start, &bytes)], bytes[look.start..].to_vec()))
    }

    /// How this run's pictures are divided into NAL units.
    pub(super) fn picture_framing(&self) -> Framing {
        let init = self.run_init.map(|init| &self.inits[init].section);
        let is_picture = |track: &&boxes::InitTrack| &track.handler == b"vide";
        let track = init.and_then(|init| init.tracks.iter().find(is_picture));
        track.map_or(Framing::AnnexB, boxes::InitTrack::framing)
    }

    /// Adds a frame that the demuxer told of.
    pub(super) fn add_frame(
        &mut self,
        segment: usize,
        track: Track,
        time_base: Time,
        frame: FrameTime,
    ) {
        let Some(times) = self.times.get_mut(segment) else { return };
        match times.tracks.iter_mut().find(|times| times.track == track) {
            Some(times) => times.frames.push(frame),
            None => times.tracks.push(TrackTimes { track, time_base, frames: vec![frame] }),
        }
    }

    /// The last frame told of a segment's track.
    pub(super) fn last_frame(&self, segment: usize, track: Track) -> Option<&FrameTime> {
        self.times.get(segment)?.track(track)?.frames.last()
    }

    /// Adds a picture's place to what the boxes say of it.
    pub(super) fn set_order(
        &mut self,
        segment: usize,
        track: Track,
        place: usize,
        size: usize,
        order: Order,
    ) {
        let times = self.times.get_mut(segment);
        let tracks = times.map(|times| times.tracks.as_mut_slice()).unwrap_or_default();
        let own = tracks.iter_mut().find(|times| times.track == track);
        if let Some(frame) = own.and_then(|times| times.frames.get_mut(place))
            && frame.size as usize == size
        {
            frame.order = Some(order);
        }
    }
}

/// Whether libav speaks as a demuxer of what is concatenated here, and of what is not told more
/// exactly elsewhere: damaged TS packets by [`ts`], the order of times by [`super::timing`].
/// Decoders are heard when [`super::run`] decodes, not when libav probes.
fn is_about_the_container(words: &str) -> bool {
    let Some((_, said)) = words
        .split_once("] ")
        .filter(|_| words.starts_with("[mpegts]") || words.starts_with("[mov,mp4,"))
    else {
        return false;
    };
    let is_elsewhere = said.starts_with("Packet corrupt") || said.ends_with("out of order");
    // What follows "Packet corrupt" is said by itself.
    !is_elsewhere && !matches!(said, "." | ", dropped.")
}

/// The demuxer's end of a reel.
#[derive(Clone)]
pub(super) struct Feed(Arc<Mutex<Reel>>);

impl Feed {
    pub(super) fn new(reel: Reel) -> Feed {
        Feed(Arc::new(Mutex::new(reel)))
    }

    pub(super) fn reel(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ByteSource for Feed {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let mut reel = self.reel();
        loop {
            let end = reel.current_start + reel.current.len() as u64;
            if (reel.current_start..end).contains(&position) {
                let rest = &reel.current[(position - reel.current_start) as usize..];
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest[..count]);
                return Ok(count);
            }
            reel.listen();
            // It is read on from where it is and never back.
            if position < reel.current_start || !reel.advance() {
                return Ok(0);
            }
        }
    }

    fn size(&self) -> Option<u64> {
        None
    }
}
