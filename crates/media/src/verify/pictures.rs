//! Whether pictures are missing, there twice, or in another segment's time.
//!
//! What counts as a hole is decided here. Sources of variable rate hold pictures for as long as
//! they like, so a long wait alone is no fault. It is one where the codec's own count of pictures
//! (Annex: picture order count) skips; and, as that count begins anew at an IDR picture, where a
//! wait ends at a join, alone, in a stream that holds no picture as long elsewhere: pictures lost
//! at joins are what makes joins seen.

use segue_model::Time;

use super::finding::{Finding, Jump, Track};
use super::report::FaultKind;
use super::timing::{FrameTime, SegmentTimes, TrackTimes, blame, joined, seconds};

/// From one picture to the next that is shown.
struct Distance {
    /// The segment of the later one.
    segment: usize,
    at_join: bool,
    /// One of the two is all its segment shows: held, as under sound that goes on.
    held: bool,
    from: Time,
    length: Time,
    /// How far the codec's count goes on; unknown over IDR pictures.
    counted: Option<i32>,
}

impl Distance {
    fn between(
        segment: usize,
        at_join: bool,
        a: (Time, FrameTime),
        b: (Time, FrameTime),
    ) -> Distance {
        let counted =
            a.1.order.zip(b.1.order).and_then(|(a, b)| {
                (a.sequence == b.sequence).then(|| b.count.saturating_sub(a.count))
            });
        Distance { segment, at_join, held: false, from: a.0, length: b.0 - a.0, counted }
    }
}

/// Checks a picture track; `frame` is the usual distance.
pub(super) fn check(track: Track, frame: Time, segments: &[SegmentTimes]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut row: Vec<Distance> = Vec::new();
    for at in 0..segments.len() {
        let Some(times) = segments[at].track(track) else { continue };
        let shown = times.shown();
        if let Some((before, _)) = joined(track, at, segments) {
            match join(track, at, frame, before, times, segments[at - 1].declared) {
                Ok(distance) => row.extend(distance),
                Err(finding) => findings.push(finding),
            }
        }
        if let Some(pair) = shown.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let what = format!("two pictures at {}", seconds(pair[0].0));
            findings.push(Finding::new(at, FaultKind::Repeated, what));
        }
        row.extend(shown.windows(2).map(|pair| Distance::between(at, false, pair[0], pair[1])));
    }
    findings.extend(holes(track, frame, segments, &row));
    findings
}

/// The distance over a join, or what is wrong with it; the segment before lasts for `declared`.
fn join(
    track: Track,
    at: usize,
    frame: Time,
    before: &TrackTimes,
    times: &TrackTimes,
    declared: Time,
) -> Result<Option<Distance>, Finding> {
    let (old, new) = (before.shown(), times.shown());
    let (Some(&last), Some(&first)) = (old.last(), new.first()) else { return Ok(None) };
    if first.0 > last.0 {
        let distance = Distance::between(at, true, last, first);
        // A longer one is a segment that is missing.
        let held = old.len() == 1 || (new.len() == 1 && distance.length <= declared);
        return Ok(Some(Distance { held, ..distance }));
    }
    // Cut elsewhere than at a keyframe, pictures that are decoded after the cut may be shown
    // before it. They must not be shown twice, though.
    let starts_anywhere = times.frames.first().is_some_and(|frame| !frame.random_access);
    let is_old = |time: Time| old.binary_search_by_key(&time, |(time, _)| *time).is_ok();
    if starts_anywhere && times.start() >= last.0 && !new.iter().any(|(time, _)| is_old(*time)) {
        return Ok(None);
    }
    let what = format!(
        "it begins at {}, the segment before ends at {}",
        seconds(first.0),
        seconds(last.0 + frame)
    );
    let jump = Jump { track, into: at, by: first.0 - last.0 - frame, frame };
    Err(Finding::new(at, FaultKind::PictureOverlap, what).jumping(jump))
}

fn holes(track: Track, frame: Time, segments: &[SegmentTimes], row: &[Distance]) -> Vec<Finding> {
    let is_long = |distance: &Distance| distance.length * 2 > frame * 3;
    let step = usual_step(row);
    let is_skipped = |distance: &Distance| {
        distance.counted.zip(step).is_some_and(|(counted, step)| counted >= step.saturating_mul(2))
    };
    let is_held =
        |distance: &&Distance| !distance.at_join && is_long(distance) && !is_skipped(distance);
    let held = row.iter().filter(is_held).map(|distance| distance.length).max();
    let is_even = is_even(frame, row);
    let mut findings = Vec::new();
    for (place, distance) in row.iter().enumerate().filter(|(_, distance)| is_long(distance)) {
        let neighbours = [place.checked_sub(1), Some(place + 1)];
        let alone =
            !neighbours.into_iter().flatten().filter_map(|place| row.get(place)).any(is_long);
        let is_longest = held.is_none_or(|held| held < distance.length);
        let stands_out = distance.at_join && !distance.held && is_even && alone && is_longest;
        if !stands_out && !is_skipped(distance) {
            continue;
        }
        let what = format!(
            "no picture for {} after {}; {} is usual",
            seconds(distance.length),
            seconds(distance.from),
            seconds(frame)
        );
        let kind = FaultKind::PictureGap;
        findings.push(if distance.at_join {
            let by = distance.length - frame;
            let jump = Jump { track, into: distance.segment, by, frame };
            Finding::new(blame(jump, segments), kind, what).jumping(jump)
        } else {
            Finding::new(distance.segment, kind, what)
        });
    }
    // One for each segment: a broken one would fill pages.
    findings.dedup_by_key(|finding| (finding.segment, finding.jump.is_some()));
    findings
}

/// By how much the codec's count usually goes on from picture to picture: some count fields.
fn usual_step(row: &[Distance]) -> Option<i32> {
    let mut steps: Vec<i32> = row.iter().filter_map(|distance| distance.counted).collect();
    let middle = steps.len() / 2;
    let step = (!steps.is_empty()).then(|| *steps.select_nth_unstable(middle).1);
    step.filter(|step| *step > 0)
}

/// Whether nearly all pictures within segments are equally far apart.
fn is_even(frame: Time, row: &[Distance]) -> bool {
    let within = row.iter().filter(|distance| !distance.at_join);
    let even =
        within.clone().filter(|distance| (distance.length - frame).abs() * 4 <= frame).count();
    even * 20 >= within.count() * 19
}

#[cfg(test)]
mod tests {
    use super::super::finding::TrackKind;
    use super::super::timing::Order;
    use super::*;

    const TRACK: Track = Track { kind: TrackKind::Picture, number: 0 };

    /// Segments of pictures at these hundredths of a second; one has one for each row.
    fn found(rows: &[&[i64]]) -> Vec<(Option<usize>, FaultKind)> {
        let segments: Vec<SegmentTimes> =
            rows.iter().enumerate().map(|(at, row)| segment(at, row)).collect();
        let found = check(TRACK, Time::from_millis(40), &segments);
        found.into_iter().map(|finding| (finding.segment, finding.kind)).collect()
    }

    fn segment(at: usize, row: &[i64]) -> SegmentTimes {
        let frame = |(place, time): (usize, &i64)| FrameTime {
            presentation: *time,
            decode: *time,
            random_access: place == 0,
            order: Some(Order { sequence: at as u32, count: 2 * place as i32 }),
            ..FrameTime::default()
        };
        let frames = row.iter().enumerate().map(frame).collect();
        let tracks = vec![TrackTimes { track: TRACK, time_base: Time::new(1, 100), frames }];
        SegmentTimes { continues: at > 0, tracks, declared: Time::from_millis(200) }
    }

    const FIRST: &[i64] = &[0, 4, 8, 12, 16];

    #[test]
    fn pictures_missing_at_a_join_are_told_of_the_segment_that_lacks_them() {
        assert_eq!(found(&[FIRST, &[20, 24, 28, 32, 36]]), []);
        assert_eq!(found(&[FIRST, &[24, 28, 32, 36]]), [(Some(1), FaultKind::PictureGap)]);
        assert_eq!(found(&[&[0, 4, 8], &[20, 24, 28, 32, 36]]), [(Some(0), FaultKind::PictureGap)]);
    }

    #[test]
    fn a_last_picture_that_is_held_under_sound_is_no_hole_and_a_missing_segment_is() {
        assert_eq!(found(&[FIRST, &[20, 24, 28], &[40]]), []);
        assert_eq!(found(&[FIRST, &[20, 24, 28], &[40], &[60]]), []);
        assert_eq!(found(&[FIRST, &[40]]), [(Some(1), FaultKind::PictureGap)]);
    }

    #[test]
    fn a_source_that_holds_pictures_may_hold_them_over_joins() {
        let even: Vec<i64> = (0..60).map(|place| 100 + 4 * place).collect();
        assert_eq!(found(&[FIRST, &[20, 24, 60], &[100, 104], &even[2..]]), []);
    }

    #[test]
    fn what_the_codec_counted_and_is_not_there_is_missing() {
        let mut segment = segment(0, &[0, 4, 12, 16, 20]);
        assert_eq!(check(TRACK, Time::from_millis(40), &[segment.clone()]), []);
        for frame in &mut segment.tracks[0].frames[2..] {
            frame.order = Some(Order { sequence: 0, count: frame.presentation as i32 / 2 });
        }
        let found = check(TRACK, Time::from_millis(40), &[segment]);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, FaultKind::PictureGap);
    }

    #[test]
    fn one_time_for_two_pictures_is_a_repetition_and_an_earlier_one_an_overlap() {
        assert_eq!(found(&[&[0, 4, 4, 8]]), [(Some(0), FaultKind::Repeated)]);
        assert_eq!(found(&[FIRST, &[16, 20, 24]]), [(Some(1), FaultKind::PictureOverlap)]);
    }
}
