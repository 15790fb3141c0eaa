//! Whether frames come at a constant rate, and at which.
//!
//! Pure. A rate is believed only when every timestamp seen fits it: the first frames without
//! exception, and each keyframe of the whole film. A wrong answer costs frames (two of them in one
//! slot), so doubt means variable.

use segue_model::{FrameClock, FrameRate, Time};

/// Rates that films are made at.
const USUAL: [(i64, i64); 14] = [
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (12, 1),
    (15, 1),
    (100, 1),
    (120_000, 1001),
    (120, 1),
];

/// What is known of when frames are shown.
pub(super) struct Evidence<'a> {
    /// What the container says or libav computed over the file.
    pub(super) average: Option<Time>,
    /// The lowest rate that libav found all timestamps to fit.
    pub(super) base: Option<Time>,
    /// How coarse timestamps are.
    pub(super) time_base: Time,
    /// When the first frame is shown.
    pub(super) first: Time,
    /// When the first frames are shown, rising.
    pub(super) head: &'a [Time],
    /// When keyframes are shown, rising.
    pub(super) keyframes: &'a [Time],
}

/// The constant rate that all evidence fits, or the average.
pub(super) fn frame_rate(evidence: &Evidence<'_>) -> FrameRate {
    let measured = measured_rate(evidence.head);
    let guesses = [evidence.average, measured, evidence.base];
    let usual = |near: Time| {
        let close = move |rate: &Time| (*rate - near).abs() * 200 <= near;
        USUAL.iter().map(|&(num, den)| Time::new(num, den)).filter(close)
    };
    let candidates = guesses.into_iter().flatten().filter(|rate| sane(*rate));
    for guess in candidates.clone() {
        // In a short film a usual rate and its neighbour both fit: then it is what it says.
        let said = usual(guess).filter(|rate| *rate == guess);
        for rate in said.chain(usual(guess)).chain([guess]) {
            if fits(rate, evidence) {
                return FrameRate::Constant(rate);
            }
        }
    }
    FrameRate::Variable(candidates.clone().next().unwrap_or(Time::from_secs(25)))
}

/// Frames per second in any stretch of a second or more, at most, as the slots of the clock hold them.
///
/// `listed` tells when all frames are shown, rising, if that is known. When they are decoded will do:
/// those are other times, but as dense, as each frame is decoded when an earlier one is shown.
pub(super) fn frame_rate_max(
    frame_rate: FrameRate,
    head: &[Time],
    listed: impl FnOnce() -> Option<Vec<Time>>,
) -> Time {
    let FrameRate::Variable(average) = frame_rate else { return frame_rate.nominal() };
    match listed() {
        // The claimed average may be that of the film this one was made from. The real one is higher
        // where all is less than a second.
        Some(times) => {
            let slots = slots(&times);
            densest(&slots).max(mean(&slots).unwrap_or(average))
        }
        // Whatever the container claims: its claims, too, are of what was probed.
        None => densest(&slots(head)).max(FrameRate::UNCOUNTED).max(average),
    }
}

/// The slots that frames at `times` are put into.
fn slots(times: &[Time]) -> Vec<i64> {
    let Some(&start) = times.first() else { return Vec::new() };
    let clock = FrameClock { start, rate: FrameClock::FINE };
    let mut slots: Vec<i64> = times.iter().map(|time| clock.slot_of(*time)).collect();
    slots.dedup();
    slots
}

/// Frames per second from the first to the last.
fn mean(slots: &[i64]) -> Option<Time> {
    let length = slots.last()? - slots.first()?;
    (length > 0).then(|| FrameClock::FINE * Time::new(slots.len() as i64 - 1, length))
}

/// The highest rate in any stretch of `slots` that lasts a second or a little more.
fn densest(slots: &[i64]) -> Time {
    let second = FrameClock::FINE.round();
    let mut densest = Time::ZERO;
    let mut end = 0;
    for (begin, slot) in slots.iter().enumerate() {
        while slots.get(end).is_some_and(|other| other - slot < second) {
            end += 1;
        }
        let frames = (end - begin) as i64;
        // The last second may not be full.
        let length = slots.get(end).map_or(second, |other| other - slot);
        densest = densest.max(FrameClock::FINE * frames / Time::from_secs(length));
        if end == slots.len() {
            break;
        }
    }
    densest
}

fn sane(rate: Time) -> bool {
    rate >= Time::new(1, 2) && rate <= Time::from_secs(240)
}

fn measured_rate(head: &[Time]) -> Option<Time> {
    let (first, last) = (head.first()?, head.last()?);
    let frames = Time::from_secs(head.len() as i64 - 1);
    (*last > *first).then(|| frames / (*last - *first))
}

/// Whether frames are one slot apart at the head, and every keyframe is near its slot.
fn fits(rate: Time, evidence: &Evidence<'_>) -> bool {
    let Some(frame) = rate.recip() else { return false };
    // Container ticks round. Beyond that, no frame may move further than it would in the slots of a
    // variable rate.
    let rounding = evidence.time_base + evidence.time_base / Time::from_secs(2);
    let leeway = rounding.max(Time::HALF / FrameClock::FINE).min(frame * Time::new(2, 5));
    let near = |time: &Time| {
        let slots = (*time - evidence.first) * rate;
        (slots - Time::from_secs(slots.round())).abs() <= leeway * rate
    };
    let successive = |pair: &[Time]| ((pair[1] - pair[0]) * rate).round() >= 1;
    let gaps = evidence.head.windows(2).filter(|pair| ((pair[1] - pair[0]) * rate).round() > 1);
    evidence.head.iter().all(near)
        && evidence.head.windows(2).all(successive)
        // A rate that leaves most slots empty is a multiple of the real one.
        && gaps.count() * 10 <= evidence.head.len()
        && evidence.keyframes.iter().filter(|time| **time >= evidence.first).all(near)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(times: impl Iterator<Item = Time>) -> Vec<Time> {
        times.collect()
    }

    fn judge(
        head: &[Time],
        keyframes: &[Time],
        average: Option<Time>,
        base: Option<Time>,
    ) -> FrameRate {
        let time_base = Time::new(1, 1000);
        frame_rate(&Evidence { average, base, time_base, first: head[0], head, keyframes })
    }

    fn rounded_to_millis(rate: Time, count: i64) -> Vec<Time> {
        frames((0..count).map(|n| Time::from_millis((Time::from_secs(n * 1000) / rate).round())))
    }

    #[test]
    fn millisecond_rounding_does_not_make_a_rate_variable() {
        let ntsc = Time::new(24_000, 1001);
        let head = rounded_to_millis(ntsc, 200);
        let far = [Time::from_secs(1001 * 5)];
        assert_eq!(judge(&head, &far, None, None), FrameRate::Constant(ntsc));
    }

    #[test]
    fn of_two_rates_that_a_short_film_fits_it_has_the_one_it_says() {
        for rate in [(24, 1), (24_000, 1001), (60, 1), (60_000, 1001), (120, 1)] {
            let rate = Time::new(rate.0, rate.1);
            let head = rounded_to_millis(rate, 20);
            assert_eq!(judge(&head, &[], Some(rate), None), FrameRate::Constant(rate));
        }
    }

    #[test]
    fn a_keyframe_off_the_grid_later_in_the_film_makes_the_rate_variable() {
        let head = rounded_to_millis(Time::from_secs(25), 200);
        let off = [Time::from_millis(100_017)];
        assert!(matches!(judge(&head, &off, None, None), FrameRate::Variable(_)));
    }

    #[test]
    fn interlaced_streams_whose_base_rate_is_the_field_rate_keep_their_frame_rate() {
        let head = rounded_to_millis(Time::from_secs(25), 100);
        let rate = judge(&head, &[], Some(Time::from_secs(25)), Some(Time::from_secs(50)));
        assert_eq!(rate, FrameRate::Constant(Time::from_secs(25)));
    }

    #[test]
    fn uneven_spacing_is_variable_and_keeps_its_average() {
        let head = frames([0, 30, 90, 100, 170, 200, 290].iter().map(|ms| Time::from_millis(*ms)));
        let average = Time::from_secs(20);
        assert_eq!(judge(&head, &[], Some(average), None), FrameRate::Variable(average));
    }

    #[test]
    fn a_missing_frame_or_two_leaves_the_rate_constant() {
        let all = rounded_to_millis(Time::from_secs(30), 100);
        let head: Vec<_> =
            all.iter().enumerate().filter(|(n, _)| *n != 40).map(|(_, t)| *t).collect();
        let base = Some(Time::from_secs(30));
        assert_eq!(judge(&head, &[], None, base), FrameRate::Constant(Time::from_secs(30)));
    }

    /// The most of a film that has 20 frames a second on average.
    fn most(head: &[Time], listed: Option<&[Time]>) -> Time {
        let average = FrameRate::Variable(Time::from_secs(20));
        frame_rate_max(average, head, || listed.map(<[Time]>::to_vec))
    }

    /// Frames at `rates`, each for so many frames, one behind the other.
    fn at_rates(rates: &[(i64, usize)]) -> Vec<Time> {
        let gaps = rates.iter().flat_map(|&(rate, count)| vec![Time::new(1, rate); count]);
        gaps.scan(Time::from_secs(7), |at, gap| Some(std::mem::replace(at, *at + gap))).collect()
    }

    #[test]
    fn a_constant_rate_is_its_own_most() {
        let head = at_rates(&[(100, 250)]);
        let rate = frame_rate_max(FrameRate::Constant(Time::from_secs(50)), &head, || None);
        assert_eq!(rate, Time::from_secs(50));
    }

    #[test]
    fn the_most_of_a_variable_rate_is_its_densest_second_where_frames_are_listed() {
        // 48 a second for 1.5 s, after what the head shows.
        let listed = at_rates(&[(10, 300), (48, 72), (16, 30)]);
        assert_eq!(most(&listed[..250], Some(&listed)), Time::from_secs(48));
        // A burst of less than a second counts with the slower frames beside it: 40 frames in half
        // a second, then 5.
        let listed = at_rates(&[(10, 50), (80, 40), (10, 50)]);
        assert_eq!(most(&listed[..9], Some(&listed)), Time::from_secs(45));
        // Whatever the average is said to be.
        let listed = at_rates(&[(10, 50)]);
        assert_eq!(most(&listed, Some(&listed)), Time::from_secs(10));
        // In less than a second: the rate at which they come, though there are fewer.
        let listed = at_rates(&[(80, 32)]);
        assert_eq!(most(&listed, Some(&listed)), Time::from_secs(80));
    }

    #[test]
    fn frames_that_share_a_slot_count_once() {
        let listed = frames((0..240).map(|n| Time::new(n / 2, 60) + Time::new(n % 2, 1000)));
        assert_eq!(most(&listed, Some(&listed)), Time::from_secs(60));
    }

    #[test]
    fn where_nobody_counted_a_variable_rate_reaches_sixty_or_what_the_head_shows() {
        assert_eq!(most(&at_rates(&[(10, 250)]), None), FrameRate::UNCOUNTED);
        assert_eq!(most(&at_rates(&[(120, 250)]), None), Time::from_secs(120));
        let claimed = FrameRate::Variable(Time::from_secs(90));
        assert_eq!(frame_rate_max(claimed, &at_rates(&[(10, 250)]), || None), claimed.nominal());
    }

    #[test]
    fn a_single_picture_has_some_rate() {
        let head = [Time::ZERO];
        assert_eq!(judge(&head, &[], None, None), FrameRate::Variable(Time::from_secs(25)));
    }
}
