//! Whether frames follow each other as they should: within segments and where they join.
//!
//! Pure: fed with the frames of each segment, whatever the container. Decode times and sound are
//! judged here, pictures, which may be held, in [`pictures`].

use segue_model::Time;

use super::finding::{Finding, Jump, Track, TrackKind};
use super::pictures;
use super::report::FaultKind;

/// What is known of a segment's frames.
#[derive(Clone, Debug)]
pub(super) struct SegmentTimes {
    /// It goes on where the segment before ends: nothing missing, no EXT-X-DISCONTINUITY.
    pub(super) continues: bool,
    pub(super) tracks: Vec<TrackTimes>,
    /// EXTINF in seconds.
    pub(super) declared: Time,
}

/// A track's frames within a segment, in decode order.
#[derive(Clone, Debug)]
pub(super) struct TrackTimes {
    pub(super) track: Track,
    /// Seconds per tick.
    pub(super) time_base: Time,
    pub(super) frames: Vec<FrameTime>,
}

/// One frame; times in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct FrameTime {
    pub(super) presentation: i64,
    pub(super) decode: i64,
    /// 0 where nobody says.
    pub(super) duration: i64,
    /// Decoding can begin here.
    pub(super) random_access: bool,
    /// Bytes of coded data.
    pub(super) size: u32,
    /// A hash of the coded data.
    pub(super) hash: u64,
    /// Its place among the pictures that are shown, where the codec tells.
    pub(super) order: Option<Order>,
}

/// A picture's place among those that are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Counts coded video sequences: places compare only within one.
    pub(super) sequence: u32,
    /// H.264's and HEVC's picture order count.
    pub(super) count: i32,
}

impl SegmentTimes {
    pub(super) fn track(&self, track: Track) -> Option<&TrackTimes> {
        self.tracks.iter().find(|times| times.track == track && !times.frames.is_empty())
    }
}

impl TrackTimes {
    pub(super) fn time(&self, ticks: i64) -> Time {
        Time::from_ticks(ticks, self.time_base)
    }

    /// When the first frame in decode order is shown.
    pub(super) fn start(&self) -> Time {
        self.time(self.frames.first().map_or(0, |frame| frame.presentation))
    }

    /// The frames as they are shown, with their times.
    pub(super) fn shown(&self) -> Vec<(Time, FrameTime)> {
        let mut frames = self.frames.clone();
        frames.sort_by_key(|frame| frame.presentation);
        frames.into_iter().map(|frame| (self.time(frame.presentation), frame)).collect()
    }

    /// When the earliest is shown.
    pub(super) fn earliest(&self) -> Time {
        self.time(self.frames.iter().map(|frame| frame.presentation).min().unwrap_or(0))
    }

    /// When the last ends; a frame without duration lasts for `frame`.
    pub(super) fn end(&self, frame: Time) -> Time {
        let end = |last: &FrameTime| {
            let duration = if last.duration > 0 { self.time(last.duration) } else { frame };
            self.time(last.presentation) + duration
        };
        self.frames.iter().map(end).max().unwrap_or(Time::ZERO)
    }
}

/// All tracks that any segment has.
pub(super) fn tracks(segments: &[SegmentTimes]) -> Vec<Track> {
    let mut tracks: Vec<Track> =
        segments.iter().flat_map(|segment| &segment.tracks).map(|times| times.track).collect();
    tracks.sort_unstable();
    tracks.dedup();
    tracks
}

/// The usual distance between a track's frames.
pub(super) fn usual_frame(track: Track, segments: &[SegmentTimes]) -> Option<Time> {
    let mut distances: Vec<Time> = segments
        .iter()
        .filter_map(|segment| segment.track(track))
        .flat_map(|times| distances(&times.shown()))
        .filter(|distance| distance.is_positive())
        .collect();
    let middle = distances.len() / 2;
    (!distances.is_empty()).then(|| *distances.select_nth_unstable(middle).1)
}

fn distances(shown: &[(Time, FrameTime)]) -> Vec<Time> {
    shown.windows(2).map(|pair| pair[1].0 - pair[0].0).collect()
}

/// Checks each track through all segments.
pub(super) fn check(segments: &[SegmentTimes]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for track in tracks(segments) {
        let Some(frame) = usual_frame(track, segments) else { continue };
        let decode = decode_times(track, frame, segments);
        let is_told = |segment: usize| {
            decode.iter().any(|finding: &Finding| finding.segment == Some(segment))
        };
        let shown = match track.kind {
            TrackKind::Picture => pictures::check(track, frame, segments),
            TrackKind::Sound => sounds(track, frame, segments),
        };
        // A step back in decode time is an overlap too: it is told once.
        let is_overlap = |finding: &Finding| {
            matches!(finding.kind, FaultKind::PictureOverlap | FaultKind::SoundOverlap)
        };
        findings.extend(
            shown
                .into_iter()
                .filter(|finding| !(is_overlap(finding) && finding.segment.is_some_and(is_told))),
        );
        findings.extend(decode);
    }
    findings
}

/// The segment before, if this one goes on from it and both have the track.
pub(super) fn joined(
    track: Track,
    at: usize,
    segments: &[SegmentTimes],
) -> Option<(&TrackTimes, &TrackTimes)> {
    let segment = &segments[at];
    let before = segments.get(at.checked_sub(1)?).filter(|_| segment.continues)?;
    Some((before.track(track)?, segment.track(track)?))
}

fn decode_times(track: Track, frame: Time, segments: &[SegmentTimes]) -> Vec<Finding> {
    let name = track.kind.name();
    let mut findings = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        if let Some((before, times)) = joined(track, at, segments)
            && let (Some(last), Some(first)) = (before.frames.last(), times.frames.first())
        {
            let (last, next) = (before.time(last.decode), times.time(first.decode));
            if next <= last {
                let what = format!("{name}: {} after {} at the join", seconds(next), seconds(last));
                let by = joint_jump(track, at, segments).unwrap_or(next - last - frame);
                let jump = Jump { track, into: at, by, frame };
                findings.push(Finding::new(at, FaultKind::DecodeTime, what).jumping(jump));
                continue;
            }
        }
        let Some(times) = segment.track(track) else { continue };
        let mut pairs = times.frames.windows(2);
        if let Some(pair) = pairs.find(|pair| pair[1].decode <= pair[0].decode) {
            let [last, next] = [pair[0].decode, pair[1].decode].map(|ticks| times.time(ticks));
            let what = format!("{name}: {} after {}", seconds(next), seconds(last));
            findings.push(Finding::new(at, FaultKind::DecodeTime, what));
        }
    }
    findings
}

/// How far the start of a segment is from where the segment before and its EXTINF put it.
pub(super) fn joint_jump(track: Track, at: usize, segments: &[SegmentTimes]) -> Option<Time> {
    let (before, times) = joined(track, at, segments)?;
    Some(times.start() - before.start() - segments[at - 1].declared)
}

/// Which side of a jump at the join into `into` is wrong: when that segment begins on time, the
/// one before ended early.
pub(super) fn blame(jump: Jump, segments: &[SegmentTimes]) -> usize {
    let late = joint_jump(jump.track, jump.into, segments);
    let on_time = late.is_some_and(|late| late.abs() * 2 < jump.by.abs());
    if on_time { jump.into.saturating_sub(1) } else { jump.into }
}

fn sounds(track: Track, frame: Time, segments: &[SegmentTimes]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let slack = (frame * Time::new(1, 8)).max(Time::from_millis(2));
    for (at, segment) in segments.iter().enumerate() {
        let Some(times) = segment.track(track) else { continue };
        let before = joined(track, at, segments)
            .and_then(|(before, _)| Some((before, before.frames.last()?)));
        let mut last = before
            .map(|(before, last)| (before.time(last.presentation), before.time(last.duration)));
        for (place, next) in times.frames.iter().enumerate() {
            let start = times.time(next.presentation);
            if let Some((last, duration)) = last {
                let duration = if duration.is_positive() { duration } else { frame };
                let by = start - (last + duration);
                if by.abs() > slack {
                    findings.push(sound_jump(track, at, place == 0, start, by, frame, segments));
                    // One fault a segment: a broken one would fill pages.
                    break;
                }
            }
            last = Some((start, times.time(next.duration)));
        }
    }
    findings
}

fn sound_jump(
    track: Track,
    at: usize,
    is_join: bool,
    start: Time,
    by: Time,
    frame: Time,
    segments: &[SegmentTimes],
) -> Finding {
    let (kind, what) = if by.is_positive() {
        (FaultKind::SoundGap, format!("no sound for {} before {}", seconds(by), seconds(start)))
    } else {
        let what =
            format!("at {} there is still {} of sound to come", seconds(start), seconds(-by));
        (FaultKind::SoundOverlap, what)
    };
    if !is_join {
        return Finding::new(at, kind, what);
    }
    let jump = Jump { track, into: at, by, frame };
    Finding::new(blame(jump, segments), kind, what).jumping(jump)
}

/// Seconds for a person.
pub(super) fn seconds(time: Time) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
