//! Demuxes and decodes a run of segments as a player would, and hears what libav says to it.

use std::collections::HashMap;

use segue_model::Time;

use super::finding::{Finding, Track, TrackKind};
use super::frames::{Container, hash};
use super::nal::{Framing, NalCodec};
use super::packed;
use super::reel::Feed;
use super::report::{AudioReport, FaultKind, VerifyError, VideoReport};
use super::timing::{FrameTime, Order};
use crate::av::log::Listener;
use crate::av::{AvError, Decoder, Frame, Input, Packet, Parser, StreamKind};
use crate::{Cancel, Error};

/// What was learned of a playlist's media.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) video: Option<VideoReport>,
    pub(super) audio: Option<AudioReport>,
    /// The AAC object type, if the sound is AAC.
    pub(super) audio_object: Option<u32>,
    pub(super) findings: Vec<Finding>,
    /// What libav said of each segment: the first words, and how often.
    pub(super) words: HashMap<usize, (String, usize)>,
    /// Sizes decoded, by the first segment that had them.
    pub(super) sizes: Vec<(usize, (u32, u32))>,
    /// The latest TS timestamp of each track, to undo its wrapping at 33 bits.
    pub(super) clock: HashMap<Track, i64>,
}

/// A stream being decoded.
struct Lane {
    track: Track,
    decoder: Option<Decoder>,
    nal: Option<NalCodec>,
    framing: Framing,
    parser: Option<Parser>,
    /// Coded video sequences so far.
    sequence: u32,
    time_base: Time,
    /// The segment of its last packet: packets cut out of one TS packet have no position.
    segment: usize,
    /// Its packets in that segment so far.
    place: usize,
    sequence_sets: HashMap<u8, Vec<u8>>,
    shape: Option<(u32, u32)>,
}

/// What a packet says about itself.
#[derive(Default)]
struct Seen {
    random_access: bool,
    order: Option<Order>,
    sequence_sets: Vec<Vec<u8>>,
}

/// Something a decoder made.
enum Made {
    Picture(u32, u32),
    Sound(u32, u32),
}

/// Verifies one run; the reel has its first segment.
pub(super) fn run(
    feed: &Feed,
    cancel: &Cancel,
    heard: &mut Heard,
    on_segment: &mut dyn FnMut(usize),
) -> Result<(), VerifyError> {
    let listener = Listener::start();
    let first = feed.reel().latest();
    match Input::open(Box::new(feed.clone()), cancel, true) {
        Ok(input) => {
            let run = Run { feed, heard, listener, lanes: HashMap::new(), numbers: [0, 0] };
            run.read_all(input, on_segment)?;
        }
        Err(error) => {
            let words = listener.take().into_iter().next().unwrap_or_else(|| error.to_string());
            fatal(error)?;
            heard.say(first, vec![words]);
        }
    }
    // The demuxer may have given up before the end.
    while feed.reel().advance() {}
    for (segment, words) in std::mem::take(&mut feed.reel().words) {
        heard.say(segment, vec![words]);
    }
    Ok(())
}

/// Ends verification where it is not the stream's fault.
fn fatal(error: Error) -> Result<(), VerifyError> {
    match error {
        Error::Cancelled => Err(VerifyError::Cancelled),
        Error::Worker { .. } => Err(VerifyError::Machine(error.to_string())),
        Error::Source { .. } | Error::Io(_) => Ok(()),
    }
}

impl Heard {
    fn say(&mut self, segment: usize, words: Vec<String>) {
        for word in words {
            let (_, times) = self.words.entry(segment).or_insert((word, 0));
            *times += 1;
        }
    }
}

struct Run<'a> {
    feed: &'a Feed,
    heard: &'a mut Heard,
    listener: Listener,
    lanes: HashMap<u32, Option<Lane>>,
    /// Pictures and sounds so far.
    numbers: [u32; 2],
}

impl Run<'_> {
    fn read_all(
        mut self,
        mut input: Input,
        on_segment: &mut dyn FnMut(usize),
    ) -> Result<(), VerifyError> {
        let mut reached = self.feed.reel().latest();
        loop {
            let packet = input.read();
            let mut reel = self.feed.reel();
            reel.listen();
            let at = reel.latest();
            drop(reel);
            match packet {
                Ok(Some(packet)) => self.packet(&input, &packet)?,
                Ok(None) => break,
                Err(error) => {
                    let words = error.to_string();
                    fatal(error)?;
                    self.heard.say(at, vec![words]);
                    break;
                }
            }
            if at != reached {
                reached = at;
                on_segment(at);
            }
        }
        for stream in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.decode(stream, None)?;
        }
        Ok(())
    }

    fn packet(&mut self, input: &Input, packet: &Packet) -> Result<(), VerifyError> {
        let stream = packet.stream();
        if !self.lanes.contains_key(&stream) {
            let lane = self.open(input, stream)?;
            self.lanes.insert(stream, lane);
        }
        let Some(Some(lane)) = self.lanes.get_mut(&stream) else { return Ok(()) };
        let mut reel = self.feed.reel();
        let segment = packet.position().and_then(|position| reel.segment_at(position));
        lane.enter(segment.unwrap_or(lane.segment));
        let picture = lane.look(packet);
        if reel.container == Some(Container::Ts) {
            let before = reel.last_frame(lane.segment, lane.track);
            match ts_frame(lane, packet, &picture, before, &mut self.heard.clock) {
                Some(frame) => reel.add_frame(lane.segment, lane.track, lane.time_base, frame),
                None => {
                    let what = format!("a {} packet has no time", lane.track.kind.name());
                    let finding = Finding::new(lane.segment, FaultKind::TimestampMissing, what);
                    self.heard.findings.push(finding);
                }
            }
        } else if let Some(order) = picture.order {
            let size = packet.data().len();
            reel.set_order(lane.segment, lane.track, lane.place, size, order);
        }
        lane.place += 1;
        drop(reel);
        self.parameters(stream, picture.sequence_sets);
        self.decode(stream, Some(packet))
    }

    fn open(&mut self, input: &Input, index: u32) -> Result<Option<Lane>, VerifyError> {
        let Some(stream) = input.stream(index) else { return Ok(None) };
        let kind = match stream.kind() {
            StreamKind::Video => TrackKind::Picture,
            StreamKind::Audio => TrackKind::Sound,
            StreamKind::Cover | StreamKind::Subtitle | StreamKind::Other => return Ok(None),
        };
        let number = self.numbers[kind as usize];
        self.numbers[kind as usize] += 1;
        let first = self.feed.reel().latest();
        let parameters =
            stream.parameters().map_err(|error| VerifyError::Machine(error.to_string()))?;
        let decoder = match Decoder::open(&parameters, stream.time_base(), 1) {
            Ok(decoder) => Some(decoder),
            Err(error) => {
                self.heard.say(first, vec![format!("{}: {error}", stream.codec())]);
                None
            }
        };
        let words = self.listener.take();
        self.heard.say(first, words);
        match kind {
            TrackKind::Picture if number == 0 && self.heard.video.is_none() => {
                let (width, height) = stream.size();
                self.heard.video = Some(VideoReport {
                    codec: stream.codec(),
                    width,
                    height,
                    ..VideoReport::default()
                });
            }
            TrackKind::Sound if number == 0 && self.heard.audio.is_none() => {
                self.heard.audio = Some(AudioReport {
                    codec: stream.codec(),
                    sample_rate: stream.sample_rate(),
                    channels: stream.channels(),
                    packets: 0,
                });
                // libav counts object types from 0, the standard from 1.
                self.heard.audio_object =
                    u32::try_from(stream.profile()).ok().map(|profile| profile + 1);
            }
            _ => {}
        }
        let nal = NalCodec::named(&stream.codec());
        Ok(Some(Lane {
            track: Track { kind, number },
            decoder,
            nal,
            framing: self.feed.reel().picture_framing(),
            parser: nal.and_then(|_| Parser::open(&parameters)),
            sequence: 0,
            time_base: stream.time_base(),
            segment: first,
            place: 0,
            sequence_sets: HashMap::new(),
            shape: None,
        }))
    }

    /// Parameter sets in band must stay the same until a discontinuity.
    fn parameters(&mut self, stream: u32, sets: Vec<Vec<u8>>) {
        let Some(Some(lane)) = self.lanes.get_mut(&stream) else { return };
        let Some(codec) = lane.nal else { return };
        for set in sets {
            if let Some(video) = self.heard.video.as_mut().filter(|_| lane.track.number == 0) {
                video.codec_string = video.codec_string.take().or_else(|| codec.codec_string(&set));
            }
            let Some(id) = codec.sequence_set_id(&set) else { continue };
            let is_other = lane.sequence_sets.get(&id).is_some_and(|known| *known != set);
            lane.sequence_sets.insert(id, set);
            if is_other {
                let what = "another sequence parameter set without EXT-X-DISCONTINUITY";
                let finding = Finding::new(lane.segment, FaultKind::ParametersChanged, what);
                self.heard.findings.push(finding);
            }
        }
    }

    fn decode(&mut self, stream: u32, packet: Option<&Packet>) -> Result<(), VerifyError> {
        let Some(Some(lane)) = self.lanes.get_mut(&stream) else { return Ok(()) };
        let Some(decoder) = &mut lane.decoder else { return Ok(()) };
        let damaged = decoder.damaged;
        let mut made = Vec::new();
        let kind = lane.track.kind;
        decoder
            .decode(packet, |frame: &mut Frame| {
                made.push(match kind {
                    TrackKind::Picture => Made::Picture(frame.size().0, frame.size().1),
                    TrackKind::Sound => Made::Sound(frame.sample_rate(), frame.channels()),
                });
                Ok::<_, AvError>(())
            })
            .map_err(|error| VerifyError::Machine(error.to_string()))?;
        let mut words = self.listener.take();
        if words.is_empty() && decoder.damaged > damaged {
            words.push(format!("a damaged {} frame", kind.name()));
        }
        let segment = lane.segment;
        for made in made {
            lane.made(made, self.heard);
        }
        self.heard.say(segment, words);
        Ok(())
    }
}

impl Lane {
    fn enter(&mut self, segment: usize) {
        if segment != self.segment {
            self.segment = segment;
            self.place = 0;
        }
    }

    fn look(&mut self, packet: &Packet) -> Seen {
        let Some(codec) = self.nal else {
            return Seen { random_access: packet.is_keyframe(), ..Seen::default() };
        };
        let picture = codec.look(self.framing, packet.data());
        self.sequence += u32::from(picture.begins_sequence);
        let count = self.parser.as_mut().map(|parser| parser.picture_order(packet));
        let order = count.map(|count| Order { sequence: self.sequence, count });
        Seen { random_access: picture.random_access, order, sequence_sets: picture.sequence_sets }
    }

    /// Notes a frame's shape; it must not change within a run.
    fn made(&mut self, made: Made, heard: &mut Heard) {
        let shape = match made {
            Made::Picture(width, height) => (width, height),
            Made::Sound(rate, channels) => (rate, channels),
        };
        let before = self.shape.replace(shape);
        if before == Some(shape) {
            return;
        }
        if self.track.number == 0 {
            match made {
                Made::Picture(width, height) => {
                    heard.sizes.push((self.segment, shape));
                    if let Some(video) = heard.video.as_mut().filter(|_| before.is_none()) {
                        (video.width, video.height) = (width, height);
                    }
                }
                Made::Sound(rate, channels) => {
                    if let Some(audio) = heard.audio.as_mut().filter(|_| before.is_none()) {
                        (audio.sample_rate, audio.channels) = (rate, channels);
                    }
                }
            }
        }
        let Some(before) = before else { return };
        let (kind, what) = match self.track.kind {
            TrackKind::Picture => (
                FaultKind::ParametersChanged,
                format!("pictures go from {}x{} to {}x{}", before.0, before.1, shape.0, shape.1),
            ),
            TrackKind::Sound => (
                FaultKind::SoundChanged,
                format!(
                    "from {} Hz, {} channels to {} Hz, {} channels",
                    before.0, before.1, shape.0, shape.1
                ),
            ),
        };
        let what = format!("{what} without EXT-X-DISCONTINUITY");
        heard.findings.push(Finding::new(self.segment, kind, what));
    }
}

/// What the demuxer says of a TS packet; `None` if it has no time.
fn ts_frame(
    lane: &Lane,
    packet: &Packet,
    seen: &Seen,
    before: Option<&FrameTime>,
    clock: &mut HashMap<Track, i64>,
) -> Option<FrameTime> {
    // Only the first audio frame of a PES packet has a time of its own. libav leaves the others
    // without one when it has seen too little to know how long they last.
    let is_inner = packet.position().is_none() && lane.track.kind == TrackKind::Sound;
    let follows = before.filter(|_| is_inner);
    let follows = follows.map(|before| before.presentation.saturating_add(before.duration));
    let presentation = packet.pts().or(follows)?;
    let decode = packet.dts().unwrap_or(presentation);
    // Timestamps have 33 bits. What libav makes of a wrap depends on where it began to read.
    const WRAP: i64 = 1 << 33;
    let last = *clock.entry(lane.track).or_insert(decode);
    let nearest = (decode - last + WRAP / 2).rem_euclid(WRAP) - WRAP / 2 + last;
    clock.insert(lane.track, nearest);
    let known = (packet.duration() > 0).then(|| packet.duration());
    let duration = known.or_else(|| packed::duration(packet.data(), 90_000)).unwrap_or(0);
    Some(FrameTime {
        presentation: nearest + (presentation - decode),
        decode: nearest,
        duration,
        random_access: seen.random_access,
        size: packet.data().len() as u32,
        hash: hash(packet.data()),
        order: seen.order,
    })
}
