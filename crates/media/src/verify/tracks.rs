//! Whether every segment has the tracks the others have, and begins where decoding can begin.

use segue_model::Time;

use super::finding::{Finding, Track, TrackKind};
use super::playlist::MediaList;
use super::report::FaultKind;
use super::run::Heard;
use super::timing::{SegmentTimes, TrackTimes, tracks, usual_frame};

/// Checks presence and first pictures.
///
/// With EXT-X-INDEPENDENT-SEGMENTS every segment must begin with a picture that needs no earlier
/// one. Without it RFC 8216 allows others, and ffmpeg's `split_by_time` makes them; a segment is
/// then told only if at least three in four of the others do begin so: what was meant is clear.
pub(super) fn check(
    list: &MediaList,
    segments: &[SegmentTimes],
    readable: &[bool],
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for track in tracks(segments) {
        for (at, segment) in segments.iter().enumerate() {
            if readable[at] && segment.track(track).is_none() && is_expected(track, at, segments) {
                let what = format!("no {}, though other segments have it", track.kind.name());
                findings.push(Finding::new(at, FaultKind::TrackMissing, what));
            }
        }
        if track.kind == TrackKind::Picture {
            findings.extend(first_pictures(list, track, segments));
        }
    }
    findings
}

/// Within this of a segment's beginning or end, a track begins or ends with the segment.
fn near() -> Time {
    Time::from_millis(250)
}

/// Tracks may come and go at a discontinuity, and begin and end by themselves in the middle of a
/// segment: only segments between others with the track must have it, and those beside one that has
/// it to its edge.
fn is_expected(track: Track, at: usize, segments: &[SegmentTimes]) -> bool {
    let first = segments[..=at].iter().rposition(|segment| !segment.continues).unwrap_or(0);
    let after = segments[at + 1..].iter().position(|segment| !segment.continues);
    let end = after.map_or(segments.len(), |after| at + 1 + after);
    let has = |segment: &SegmentTimes| segment.track(track).is_some();
    let before = segments[first..at].iter().rfind(|segment| has(segment));
    let after = segments[at + 1..end].iter().find(|segment| has(segment));
    match (before, after) {
        (Some(_), Some(_)) => true,
        (Some(before), None) => !ends_within(track, before),
        (None, Some(after)) => !begins_within(track, after),
        (None, None) => false,
    }
}

/// When a segment begins, by all of its tracks but one.
fn begins(but: Track, segment: &SegmentTimes) -> Option<Time> {
    let others = segment.tracks.iter().filter(|other| other.track != but);
    others.filter(|other| !other.frames.is_empty()).map(TrackTimes::earliest).min()
}

fn ends_within(track: Track, segment: &SegmentTimes) -> bool {
    let own = segment.track(track).map(|own| own.end(Time::ZERO));
    let begins = begins(track, segment);
    own.zip(begins).is_some_and(|(own, begins)| own + near() < begins + segment.declared)
}

fn begins_within(track: Track, segment: &SegmentTimes) -> bool {
    let own = segment.track(track).map(TrackTimes::earliest);
    own.zip(begins(track, segment)).is_some_and(|(own, begins)| begins + near() < own)
}

fn first_pictures(list: &MediaList, track: Track, segments: &[SegmentTimes]) -> Vec<Finding> {
    let first = |segment: &SegmentTimes| Some(segment.track(track)?.frames.first()?.random_access);
    let firsts: Vec<Option<bool>> = segments.iter().map(first).collect();
    let good = firsts.iter().filter(|first| **first == Some(true)).count();
    let bad = firsts.iter().filter(|first| **first == Some(false)).count();
    if !list.independent && bad * 3 > good {
        return Vec::new();
    }
    let why =
        if list.independent { "EXT-X-INDEPENDENT-SEGMENTS promises it" } else { "the others do" };
    let what = format!("it does not begin with a picture that can be decoded by itself; {why}");
    let bad = firsts.iter().enumerate().filter(|(_, first)| **first == Some(false));
    bad.map(|(at, _)| Finding::new(at, FaultKind::NoKeyframe, what.as_str())).collect()
}

/// Counts frames for the report.
pub(super) fn count(segments: &[SegmentTimes], heard: &mut Heard) {
    let frames = |kind| {
        let track = Track { kind, number: 0 };
        segments
            .iter()
            .filter_map(|segment| segment.track(track))
            .map(|times| times.frames.len())
            .sum()
    };
    if let Some(video) = &mut heard.video {
        video.pictures = frames(TrackKind::Picture);
        let frame = usual_frame(Track { kind: TrackKind::Picture, number: 0 }, segments);
        video.frame_rate = frame.map(|frame| 1.0 / frame.as_secs_f64());
    }
    if let Some(audio) = &mut heard.audio {
        audio.packets = frames(TrackKind::Sound);
    }
}

#[cfg(test)]
mod tests {
    use super::super::timing::FrameTime;
    use super::*;

    const PICTURE: Track = Track { kind: TrackKind::Picture, number: 0 };
    const SOUND: Track = Track { kind: TrackKind::Sound, number: 0 };

    /// Segments of two seconds with pictures, and sound from and to these hundredths of a second.
    fn segments(sounds: &[Option<(i64, i64)>]) -> Vec<SegmentTimes> {
        let times = |track, from: i64, to: i64| {
            let frame = |at| FrameTime { presentation: at, duration: 2, ..FrameTime::default() };
            let frames = (from..to).step_by(2).map(frame).collect();
            TrackTimes { track, time_base: Time::new(1, 100), frames }
        };
        let segment = |(at, sound): (usize, &Option<(i64, i64)>)| {
            let picture = times(PICTURE, at as i64 * 200, at as i64 * 200 + 200);
            let sound = sound.map(|(from, to)| times(SOUND, from, to));
            let tracks = [Some(picture), sound].into_iter().flatten().collect();
            SegmentTimes { continues: at > 0, tracks, declared: Time::from_secs(2) }
        };
        sounds.iter().enumerate().map(segment).collect()
    }

    fn lacking(sounds: &[Option<(i64, i64)>]) -> Vec<usize> {
        let segments = segments(sounds);
        let lacks =
            |at: &usize| segments[*at].track(SOUND).is_none() && is_expected(SOUND, *at, &segments);
        (0..segments.len()).filter(lacks).collect()
    }

    #[test]
    fn sound_may_end_in_a_segment_and_not_with_it() {
        assert_eq!(lacking(&[Some((0, 200)), Some((200, 260)), None, None]), []);
        assert_eq!(lacking(&[Some((0, 200)), Some((200, 400)), None]), [2]);
    }

    #[test]
    fn sound_may_begin_in_a_segment_and_not_with_it() {
        assert_eq!(lacking(&[None, Some((310, 400)), Some((400, 600))]), []);
        assert_eq!(lacking(&[None, Some((200, 400))]), [0]);
    }

    #[test]
    fn sound_may_not_be_missing_between_two_segments_that_have_it() {
        assert_eq!(lacking(&[Some((0, 100)), None, Some((500, 600))]), [1]);
    }
}
