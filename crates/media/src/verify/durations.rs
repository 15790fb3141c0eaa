//! Whether EXTINF says how long segments last.

use segue_model::Time;

use super::finding::{Finding, Jump, Track, TrackKind};
use super::playlist::MediaList;
use super::report::FaultKind;
use super::timing::{SegmentTimes, TrackTimes, seconds, tracks, usual_frame};

/// Checks EXTINF against the segments and against EXT-X-TARGETDURATION.
pub(super) fn check(list: &MediaList, segments: &[SegmentTimes]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = too_long(list).into_iter().collect();
    let Some(track) = leading_track(segments) else { return findings };
    let Some(frame) = usual_frame(track, segments) else { return findings };
    for (at, segment) in segments.iter().enumerate() {
        let Some(times) = segment.track(track) else { continue };
        let entry = &list.segments[at];
        let real = match segments.get(at + 1).filter(|next| next.continues) {
            Some(next) => next.track(track).map(|next| until_next(times, next)),
            None => Some(until_end(segment, times, frame)),
        };
        // A segment begins with the first frame after its boundary, so that each end may be up to
        // one frame off, and both together by less than two.
        let slack =
            frame * Time::new(3, 2) + entry.precision * Time::new(1, 2) + Time::from_millis(1);
        let Some(real) = real else { continue };
        if entry.duration < real.shortest - slack || entry.duration > real.longest + slack {
            let what = format!(
                "EXTINF says {}, it lasts {}",
                seconds(entry.duration),
                seconds(real.likely)
            );
            let by = real.likely - entry.duration;
            let jump = Jump { track, into: at + 1, by, frame };
            findings.push(Finding::new(at, FaultKind::WrongDuration, what).jumping(jump));
        }
    }
    findings
}

/// Segments above the target: a player that trusts it buffers too little. Told once.
fn too_long(list: &MediaList) -> Option<Finding> {
    let target = list.target?;
    let is_above =
        |duration: Time| u64::try_from(duration.round()).is_ok_and(|rounded| rounded > target);
    let mut above = list.segments.iter().enumerate().filter(|(_, entry)| is_above(entry.duration));
    let (at, entry) = above.next()?;
    let more = match above.count() {
        0 => String::new(),
        more => format!(", and {more} more segments"),
    };
    let what = format!(
        "EXTINF {} is {} when rounded, the target {target}{more}",
        seconds(entry.duration),
        entry.duration.round()
    );
    Some(Finding::new(at, FaultKind::TargetDuration, what))
}

/// The track whose frames decide where segments begin: the picture, if there is one.
pub(super) fn leading_track(segments: &[SegmentTimes]) -> Option<Track> {
    tracks(segments).into_iter().next()
}

/// What a segment's duration may be said to be.
#[derive(Clone, Copy, Debug)]
struct Span {
    shortest: Time,
    longest: Time,
    likely: Time,
}

/// From first frame to first frame: packagers count from the first in decode order or from the
/// first shown.
fn until_next(times: &TrackTimes, next: &TrackTimes) -> Span {
    let likely = next.start() - times.start();
    let shown = next.earliest() - times.earliest();
    Span { shortest: likely.min(shown), longest: likely.max(shown), likely }
}

/// To the end of the last frame. How long that is shown is only known by its duration, and
/// packagers differ in whether sound that goes on counts.
fn until_end(segment: &SegmentTimes, times: &TrackTimes, frame: Time) -> Span {
    let start = times.start();
    let end = times.end(frame);
    let last_decoded =
        times.frames.last().map_or(start, |last| times.time(last.presentation)) + frame;
    let longest = segment
        .tracks
        .iter()
        .filter(|other| other.track.kind == TrackKind::Sound)
        .map(|sound| sound.end(Time::ZERO))
        .fold(end, Time::max);
    // Muxers without packet durations (variable rate) count the usual frame for each.
    let counted = frame * times.frames.len() as i64;
    let likely = end - start;
    Span {
        shortest: likely.min(last_decoded - start).min(counted),
        longest: (longest - start).max(counted),
        likely,
    }
}
