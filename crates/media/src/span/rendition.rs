//! Pictures of one rendition into encoded segments.
//!
//! An encoder works through the whole span, with an IDR at each boundary, after settling on a few
//! pictures before it: one that begins with each segment spends its bits worse than players let pass
//! (benches/README.md). A segment that somebody waits for has an encoder to itself, which gives it
//! out at its end and not when it has seen the next. Under the exact recipe each segment has one, as
//! its bytes must not depend on the span; those are single-threaded, and work side by side.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{Scope, ScopedJoinHandle};

use segue_model::{FrameClock, Time, VideoSettings};

use super::part::{Part, VideoPart};
use super::pictures::Picture;
use super::slots::Placed;
use super::window::ENCODER_FRAMES_MAX;
use crate::Error;
use crate::av::{EncodedPacket, Frame, Graph, VideoEncoder, VideoEncoderSettings};
use crate::contract;
use crate::error::Blame;

/// What a rendition's encoders have in common.
#[derive(Clone, Copy)]
pub(super) struct Encoding<'a> {
    /// Index into the recipe.
    pub(super) rendition: u32,
    pub(super) video: &'a VideoSettings,
    pub(super) clock: FrameClock,
    /// When keyframes within segments are counted from.
    pub(super) counts_from: Time,
    pub(super) frame_rate: Time,
    pub(super) threads: u32,
    pub(super) exact: bool,
    /// A segment that has an encoder to itself though the recipe is not exact.
    pub(super) alone: Option<u32>,
    /// Encoders at work at once.
    pub(super) segments_at_once: usize,
    /// Frames that may wait for each: all of a segment's, where encoders work side by side.
    pub(super) waiting: usize,
    /// Packets that came out of encoders.
    pub(super) encoded: &'a AtomicU64,
}

impl Encoding<'_> {
    /// Which keyframe of the film a picture belongs to, where there are several in a segment.
    fn keyframe_at(&self, slot: i64) -> i64 {
        let apart = self.video.keyframes.filter(|apart| apart.is_positive());
        apart.map_or(0, |apart| ((self.clock.time_of(slot) - self.counts_from) / apart).floor())
    }
}

/// Scales and encodes what comes in until the channel closes.
pub(super) fn run<'scope, 'env>(
    scope: &'scope Scope<'scope, 'env>,
    encoding: Encoding<'scope>,
    pictures: &Receiver<Placed<Picture>>,
    parts: &SyncSender<Part>,
) -> Result<(), Error> {
    let mut scaler = Scaler { encoding, graph: None };
    let mut current: Option<SyncSender<ToEncoder>> = None;
    let mut busy: Vec<ScopedJoinHandle<'scope, Result<(), Error>>> = Vec::new();
    // What the encoder after the one that is alone settles on.
    let mut settling = VecDeque::with_capacity(ENCODER_FRAMES_MAX);
    for placed in pictures {
        let (segment, slot, frame) = match placed {
            Placed::Before { slot, frame } => (None, slot, frame),
            Placed::Frame { segment, slot, frame } => (Some(segment), slot, frame),
            Placed::End { segment, next_slot } => {
                let told =
                    current.as_ref().map(|it| it.send(ToEncoder::End { segment, next_slot }));
                if matches!(told, Some(Err(_))) {
                    break;
                }
                if encoding.exact || encoding.alone == Some(segment) {
                    current = None;
                }
                continue;
            }
        };
        let mut scaled = scaler.scale(&frame)?;
        scaled.set_pts(slot);
        let mut frames = Vec::new();
        if current.is_none() {
            if busy.len() >= encoding.segments_at_once.max(1) {
                finish(busy.remove(0))?;
            }
            let (sender, inbox) = sync_channel(encoding.waiting);
            let parts = parts.clone();
            busy.push(scope.spawn(move || encode(encoding, &inbox, &parts)));
            current = Some(sender);
            frames.extend(settling.drain(..));
        }
        if segment.is_some() && segment == encoding.alone {
            if settling.len() == ENCODER_FRAMES_MAX {
                settling.pop_front();
            }
            let frame = scaled.share().blame_worker("out of memory")?;
            settling.push_back(ToEncoder::Frame { segment: None, slot, frame });
        }
        frames.push(ToEncoder::Frame { segment, slot, frame: scaled });
        // An encoder that is gone says why when it is joined.
        let mut sent = frames.into_iter().map(|it| current.as_ref().map(|to| to.send(it)));
        if sent.any(|sent| matches!(sent, Some(Err(_)))) {
            break;
        }
    }
    drop(current);
    busy.into_iter().try_for_each(finish)
}

fn finish(handle: ScopedJoinHandle<'_, Result<(), Error>>) -> Result<(), Error> {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

enum ToEncoder {
    /// `segment`: `None` for what only lets the encoder settle.
    Frame {
        segment: Option<u32>,
        slot: i64,
        frame: Frame,
    },
    End {
        segment: u32,
        next_slot: i64,
    },
}

/// Encodes what comes until the channel closes; gives out each segment whose end was seen.
fn encode(
    encoding: Encoding<'_>,
    frames: &Receiver<ToEncoder>,
    parts: &SyncSender<Part>,
) -> Result<(), Error> {
    let mut encoder = open(encoding)?;
    let mut cutter = Cutter::default();
    for message in frames {
        match message {
            ToEncoder::Frame { segment, slot, mut frame } => {
                let nth = encoding.keyframe_at(slot);
                frame.set_intra(segment.is_some_and(|segment| cutter.begin(segment, slot, nth)));
                encode_next(encoding, &mut encoder, Some(&frame), &mut cutter)?;
            }
            ToEncoder::End { segment, next_slot } => cutter.end(segment, next_slot),
        }
        while let Some(open) = cutter.take_passed() {
            give(encoding, open, &encoder, parts)?;
        }
    }
    encode_next(encoding, &mut encoder, None, &mut cutter)?;
    while let Some(open) = cutter.open.pop_front() {
        give(encoding, open, &encoder, parts)?;
    }
    Ok(())
}

/// Encodes a frame (`None`: there are no more) into the segments of `cutter`. Each packet counts when
/// it comes out: the last of a slow encoder take a minute, and whoever watches must see them come.
fn encode_next(
    encoding: Encoding<'_>,
    encoder: &mut VideoEncoder,
    frame: Option<&Frame>,
    cutter: &mut Cutter,
) -> Result<(), Error> {
    let mut put = |packet| {
        encoding.encoded.fetch_add(1, Ordering::Relaxed);
        cutter.put(packet);
    };
    encoder.encode(frame, &mut put).blame_worker("the encoder failed")
}

fn open(encoding: Encoding<'_>) -> Result<VideoEncoder, Error> {
    let mut encoder = VideoEncoder::open(&VideoEncoderSettings {
        video: encoding.video,
        slots_per_second: encoding.clock.rate,
        frame_rate: encoding.frame_rate,
        threads: encoding.threads,
        exact: encoding.exact,
    })
    .blame_worker("libx264 cannot be opened with these settings")?;
    let depth = encoder.reorder_depth();
    let allowed = encoding.video.contract.reorder_depth;
    if depth > u32::from(allowed) {
        return Err(Error::worker(format!(
            "the encoder reorders {depth} frames, the job allows {allowed}"
        )));
    }
    let parameters = encoder.parameters().blame_worker("the encoder has no header")?;
    contract::check_h264(parameters.extradata(), &encoding.video.contract)?;
    Ok(encoder)
}

fn give(
    encoding: Encoding<'_>,
    open: OpenSegment,
    encoder: &VideoEncoder,
    parts: &SyncSender<Part>,
) -> Result<(), Error> {
    let OpenSegment { segment, next_slot, mut packets, .. } = open;
    // Its end was not seen: the span was called off.
    let next_slot = next_slot.ok_or(Error::Cancelled)?;
    let depth = usize::from(encoding.video.contract.reorder_depth);
    set_decode_slots(&mut packets, depth, next_slot);
    let parameters = encoder.parameters().blame_worker("the encoder has no header")?;
    let part = VideoPart { rendition: encoding.rendition, segment, packets, parameters };
    // Nobody is listening when the span has failed elsewhere.
    parts.send(Part::Video(part)).map_err(|_| Error::Cancelled)
}

/// Cuts one encoder's packets into segments.
#[derive(Default)]
struct Cutter {
    /// Segments that frames have gone into and packets may still come of, rising.
    open: VecDeque<OpenSegment>,
}

struct OpenSegment {
    segment: u32,
    first_slot: i64,
    /// Which keyframe of the film its latest frame belongs to.
    keyframe: i64,
    /// Where the picture after it comes; `None` while frames still go in.
    next_slot: Option<i64>,
    packets: Vec<EncodedPacket>,
}

impl Cutter {
    /// Notes a frame that goes in; whether it is a keyframe: its segment's first, or the first that
    /// belongs to `keyframe`.
    fn begin(&mut self, segment: u32, slot: i64, keyframe: i64) -> bool {
        if let Some(open) = self.open.back_mut().filter(|open| open.segment == segment) {
            return std::mem::replace(&mut open.keyframe, keyframe) != keyframe;
        }
        let (first_slot, next_slot, packets) = (slot, None, Vec::new());
        self.open.push_back(OpenSegment { segment, first_slot, keyframe, next_slot, packets });
        true
    }

    fn end(&mut self, segment: u32, next_slot: i64) {
        if let Some(open) = self.open.iter_mut().find(|open| open.segment == segment) {
            open.next_slot = Some(next_slot);
        }
    }

    /// Takes what comes out. Packets of frames before the first segment are of no use.
    fn put(&mut self, packet: EncodedPacket) {
        let owner = self.open.iter_mut().rev().find(|open| open.first_slot <= packet.pts);
        if let Some(open) = owner {
            open.packets.push(packet);
        }
    }

    /// The first segment, once packets of the next come: all of its own came before the IDR.
    fn take_passed(&mut self) -> Option<OpenSegment> {
        let next_has_begun = self.open.get(1).is_some_and(|next| !next.packets.is_empty());
        if next_has_begun { self.open.pop_front() } else { None }
    }
}

/// Decode times from showing times alone: frame j (in decoding order) is decoded when the j-th
/// picture shown less `depth` is shown. The first `depth` of a segment are a slot apart before its
/// first picture, where the last segment has no decode time: its pictures are in slots before this
/// one's, and its last decode time is at least `depth` pictures earlier.
fn set_decode_slots(packets: &mut [EncodedPacket], depth: usize, next_slot: i64) {
    let mut shown: Vec<i64> = packets.iter().map(|packet| packet.pts).collect();
    shown.sort_unstable();
    let Some(&first) = shown.first() else { return };
    let decoded = |at: usize| match at.checked_sub(depth) {
        Some(earlier) => shown[earlier],
        None => first - (depth - at) as i64,
    };
    let count = packets.len();
    for (at, packet) in packets.iter_mut().enumerate() {
        packet.dts = decoded(at);
        let next = if at + 1 < count { decoded(at + 1) } else { next_slot - depth as i64 };
        packet.duration = next - packet.dts;
    }
}

/// Brings pictures to a rendition's size and to 8-bit 4:2:0.
struct Scaler<'a> {
    encoding: Encoding<'a>,
    graph: Option<Graph>,
}

impl Scaler<'_> {
    fn scale(&mut self, picture: &Picture) -> Result<Frame, Error> {
        let mut frame = picture.share().blame_worker("out of memory")?;
        // A picture that is held is older than the one before it; filters here look at one at a
        // time, and its slot is set afterwards.
        if self.graph.as_ref().is_none_or(|graph| !graph.suits(&frame)) {
            let VideoSettings { width, height, .. } = self.encoding.video;
            let flags = if self.encoding.exact {
                "bicubic+accurate_rnd+full_chroma_int+bitexact"
            } else {
                "bicubic"
            };
            let filters = format!(
                "scale=w={width}:h={height}:flags={flags}:out_range=limited,setsar=1,format=yuv420p"
            );
            let threads = if self.encoding.exact { 1 } else { self.encoding.threads };
            let graph =
                Graph::new(&frame, Time::new(1, 240), &filters, threads, self.encoding.exact);
            self.graph = Some(graph.blame_worker("the scaler cannot be set up")?);
        }
        let graph = self.graph.as_mut().expect("a scaler was just made");
        graph.push(Some(&mut frame)).blame_worker("the scaler failed")?;
        graph
            .pull()
            .blame_worker("the scaler failed")?
            .ok_or_else(|| Error::worker("the scaler gave no picture"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(shown: &[i64], depth: usize, next: i64) -> Vec<EncodedPacket> {
        let packet = |pts: &i64| EncodedPacket {
            pts: *pts,
            dts: 0,
            duration: 0,
            keyframe: false,
            data: vec![],
        };
        let mut packets: Vec<_> = shown.iter().map(packet).collect();
        set_decode_slots(&mut packets, depth, next);
        packets
    }

    #[test]
    fn decode_times_rise_across_segments_whose_encoders_reorder_differently() {
        // The same depth for all, though the middle one has no B-frames.
        let segments = [
            segment(&[0, 4, 2, 1, 3], 2, 5),
            segment(&[5, 6, 7, 8, 9], 2, 10),
            segment(&[10, 14, 12, 11, 13], 2, 15),
        ];
        let times: Vec<i64> = segments.iter().flatten().map(|packet| packet.dts).collect();
        assert_eq!(times, (-2..13).collect::<Vec<_>>());
    }

    #[test]
    fn decode_times_rise_after_frames_in_successive_fine_slots() {
        let before = segment(&[0, 90, 91, 92], 2, 93);
        let after = segment(&[93, 300], 2, 480);
        assert!(before.last().unwrap().dts < after[0].dts);
        assert!(after.windows(2).all(|pair| pair[0].dts < pair[1].dts));
    }

    #[test]
    fn durations_reach_from_each_decode_time_to_the_next_across_joins() {
        let before = segment(&[0, 4, 2, 1, 3], 2, 5);
        let after = segment(&[5, 6], 2, 7);
        let all: Vec<_> = before.iter().chain(&after).collect();
        assert!(all.windows(2).all(|pair| pair[0].dts + pair[0].duration == pair[1].dts));
    }

    #[test]
    fn nothing_is_decoded_after_it_is_shown() {
        let packets = segment(&[0, 40, 20, 10, 30], 2, 50);
        assert!(packets.iter().all(|packet| packet.dts <= packet.pts));
    }
}
