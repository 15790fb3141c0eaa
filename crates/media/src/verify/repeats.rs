//! Whether a segment sends frames again that an earlier one sent, under new times.
//!
//! Equal coded bytes alone prove nothing: a still picture, black, silence and steady tones give
//! equal packets for ever. So a repetition is a row of packets that equals an earlier row, packet
//! by packet, whose members differ among themselves, and which, for pictures, have more in them
//! than "nothing moves". Sound that comes back by itself (a sweep that starts over, a loop) makes
//! such rows too, so it is only judged where there is no picture, and by whole segments; and only
//! what the segment right before sent is told, as that is how a segment is sent twice.

use std::collections::{HashMap, HashSet};

use super::finding::{Finding, Track, TrackKind};
use super::report::FaultKind;
use super::timing::{FrameTime, SegmentTimes, tracks};

/// A row shorter than this may be chance.
const ROW: usize = 6;
/// A picture that depends on others and says that nothing moves takes fewer bytes.
const STILL_PICTURE: u32 = 160;

/// Finds segments that repeat earlier ones; one finding for each.
pub(super) fn check(segments: &[SegmentTimes]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let has_picture = tracks(segments).into_iter().any(|track| track.kind != TrackKind::Sound);
    for track in tracks(segments) {
        let told = |at: usize, findings: &[Finding]| {
            findings.iter().any(|finding: &Finding| finding.segment == Some(at))
        };
        for (at, from, row) in repetitions(track, segments) {
            let whole = segments[at].track(track).is_some_and(|times| row >= times.frames.len());
            let judged = track.kind != TrackKind::Sound || (whole && !has_picture);
            if judged && from + 1 == at && !told(at, &findings) {
                let what = format!(
                    "{row} coded {} packets are those of segment {from}",
                    track.kind.name()
                );
                findings.push(Finding::new(at, FaultKind::Repeated, what));
            }
        }
    }
    findings
}

/// (segment, the earlier one, packets).
fn repetitions(track: Track, segments: &[SegmentTimes]) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    // Where each packet was seen last: (segment, place).
    let mut seen: HashMap<u64, (usize, usize)> = HashMap::new();
    for (at, segment) in segments.iter().enumerate() {
        let Some(times) = segment.track(track) else { continue };
        let mut longest: Option<(usize, usize)> = None;
        let mut row: Vec<FrameTime> = Vec::new();
        let mut last: Option<(usize, usize)> = None;
        for frame in &times.frames {
            let here = seen.get(&frame.hash).copied();
            let follows =
                matches!((last, here), (Some((a, b)), Some((c, d))) if a == c && b + 1 == d);
            if !follows {
                row.clear();
            }
            if let Some((from, _)) = here {
                row.push(*frame);
                if longest.is_none_or(|(_, length)| row.len() > length) && is_telling(track, &row) {
                    longest = Some((from, row.len()));
                }
            }
            last = here;
        }
        found.extend(longest.map(|(from, length)| (at, from, length)));
        for (place, frame) in times.frames.iter().enumerate() {
            seen.insert(frame.hash, (at, place));
        }
    }
    found
}

fn is_telling(track: Track, row: &[FrameTime]) -> bool {
    let different: HashSet<u64> = row.iter().map(|frame| frame.hash).collect();
    let moving = |frame: &&FrameTime| !frame.random_access && frame.size > STILL_PICTURE;
    let moves =
        track.kind == TrackKind::Sound || row.iter().filter(moving).count() * 2 >= row.len();
    row.len() >= ROW && different.len() == row.len() && moves
}
