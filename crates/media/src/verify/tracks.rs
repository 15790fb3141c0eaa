//! Whether every segment has the tracks the others have, and begins where decoding can begin.

use super::finding::{Finding, Track, TrackKind};
use super::playlist::MediaList;
use super::report::FaultKind;
use super::run::Heard;
use super::timing::{SegmentTimes, tracks, usual_frame};

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

/// Tracks may come and go at a discontinuity: only segments that go on from, or into, one with the
/// track must have it.
fn is_expected(track: Track, at: usize, segments: &[SegmentTimes]) -> bool {
    let before = segments[..=at].iter().rposition(|segment| !segment.continues).unwrap_or(0);
    let after = segments[at + 1..].iter().position(|segment| !segment.continues);
    let end = after.map_or(segments.len(), |after| at + 1 + after);
    segments[before..end].iter().any(|segment| segment.track(track).is_some())
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
