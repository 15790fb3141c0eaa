//! The boundary rules: tables of known films, and properties of all films.

#[path = "../../model/tests/sample/mod.rs"]
mod film;

use proptest::prelude::*;
use segue_hls::{BoundaryError, timeline};
use segue_model::{BoundaryRule, FrameClock, FrameRate, JobRequest, Time, Timeline};

fn secs(text: &str) -> Time {
    text.parse().expect("a time")
}

fn every(step: i64, until: i64) -> Vec<Time> {
    (0..until).step_by(step as usize).map(Time::from_secs).collect()
}

fn grid(segment: &str) -> BoundaryRule {
    BoundaryRule::Grid { segment: secs(segment) }
}

fn greedy(segment: &str) -> BoundaryRule {
    BoundaryRule::KeyframesGreedy { segment: secs(segment) }
}

fn cumulative(segment: &str) -> BoundaryRule {
    BoundaryRule::KeyframesCumulative { segment: secs(segment) }
}

/// Durations of the segments, as a test writes them.
fn cut(rule: BoundaryRule, duration: &str, keyframes: &[Time]) -> Vec<String> {
    let timeline = timeline(rule, secs(duration), keyframes).expect("a timeline");
    (0..timeline.segments()).map(|index| timeline.duration_of(index).to_string()).collect()
}

#[test]
fn a_grid_ends_with_the_film() {
    assert_eq!(cut(grid("2"), "6", &[]), ["2", "2", "2"]);
    assert_eq!(cut(grid("2"), "7", &[]), ["2", "2", "2", "1"]);
    assert_eq!(cut(grid("1001/500"), "1001/250", &[]), ["1001/500", "1001/500"]);
}

#[test]
fn a_runt_of_less_than_a_quarter_goes_with_the_segment_before() {
    assert_eq!(cut(grid("2"), "6.499", &[]), ["2", "2", "2499/1000"]);
    assert_eq!(cut(grid("2"), "6.5", &[]), ["2", "2", "2", "1/2"]);
}

#[test]
fn multiples_leave_a_short_last_segment_as_it_is() {
    let multiples = |segment| BoundaryRule::Multiples { segment: secs(segment) };
    assert_eq!(cut(multiples("2"), "6.04", &[]), ["2", "2", "2", "1/25"]);
    assert_eq!(cut(multiples("2"), "6", &[]), ["2", "2", "2"]);
    assert_eq!(cut(multiples("2"), "1", &[]), ["1"]);
}

#[test]
fn seconds_count_from_the_first_picture_where_pictures_stand_at_multiples_of_a_frame() {
    let starts = |boundaries, frames: i64, late: &str| {
        let mut facts = film::film();
        let (rate, late) = (Time::from_secs(24), secs(late));
        let video = facts.video.as_mut().expect("a picture");
        (video.frame_rate, video.start) = (FrameRate::Constant(rate), late);
        video.clock = FrameClock { start: late, rate };
        video.end = late + Time::from_secs(frames) / rate;
        facts.duration = video.end;
        let request = JobRequest { boundaries, frame_grid: true, ..JobRequest::default() };
        let recipe = request.resolve(&facts).expect("a recipe");
        let timeline = segue_hls::timeline_of(&recipe, &facts).expect("a timeline");
        let starts = (0..=timeline.segments()).map(|index| timeline.start_of(index).to_string());
        starts.collect::<Vec<_>>()
    };
    let multiples = BoundaryRule::Multiples { segment: secs("3") };
    // The first picture is the second frame's, as are what segments count from and the film's end.
    assert_eq!(starts(multiples, 145, "0.021"), ["0", "73/24", "145/24", "73/12"]);
    assert_eq!(starts(multiples, 144, "0.021"), ["0", "73/24", "145/24"]);
    assert_eq!(starts(multiples, 145, "0.007"), ["0", "3", "6", "145/24"]);
    assert_eq!(starts(multiples, 1, "0.021"), ["0", "1/12"]);
    assert_eq!(starts(grid("3"), 144, "0.021"), ["0", "73/24", "145/24"]);
    assert_eq!(starts(grid("3"), 150, "0.021"), ["0", "73/24", "151/24"]);
}

#[test]
fn multiples_end_with_the_last_picture() {
    let lengths = |rate: Time, frames: i64, duration: &str| {
        let mut facts = film::film();
        let video = facts.video.as_mut().expect("a picture");
        (video.frame_rate, video.clock) =
            (FrameRate::Constant(rate), FrameClock { start: Time::ZERO, rate });
        video.end = Time::from_secs(frames) / rate;
        facts.duration = secs(duration);
        let boundaries = BoundaryRule::Multiples { segment: secs("3") };
        let request = JobRequest { boundaries, ..JobRequest::default() };
        let recipe = request.resolve(&facts).expect("a recipe");
        let timeline = segue_hls::timeline_of(&recipe, &facts).expect("a timeline");
        let lengths = (0..timeline.segments()).map(|index| timeline.duration_of(index).to_string());
        lengths.collect::<Vec<_>>()
    };
    // The 289th frame would come at 12.012 s, when the film ends: nothing is shown after 12 s.
    let ntsc = Time::new(24_000, 1_001);
    assert_eq!(lengths(ntsc, 288, "12.012"), ["3", "3", "3", "753/250"]);
    assert_eq!(lengths(ntsc, 289, "12.053"), ["3", "3", "3", "3", "53/1000"]);
    assert_eq!(lengths(Time::from_secs(25), 151, "6.04"), ["3", "3", "1/25"]);
    // Sound that goes on is in the last picture's segment.
    assert_eq!(lengths(Time::from_secs(25), 150, "20"), ["3", "17"]);
}

#[test]
fn a_film_shorter_than_a_quarter_of_a_segment_is_one_segment() {
    assert_eq!(cut(grid("2"), "0.04", &[]), ["1/25"]);
    assert_eq!(cut(cumulative("2"), "0.04", &every(1, 1)), ["1/25"]);
}

#[test]
fn a_grid_takes_no_notice_of_keyframes() {
    assert_eq!(cut(grid("2"), "4", &every(3, 4)), ["2", "2"]);
}

#[test]
fn greedy_counts_from_the_previous_boundary_and_cumulative_from_the_start() {
    let keyframes = every(3, 24);
    assert_eq!(cut(greedy("4"), "24", &keyframes), ["6", "6", "6", "6"]);
    assert_eq!(cut(cumulative("4"), "24", &keyframes), ["6", "3", "3", "6", "3", "3"]);
}

#[test]
fn a_keyframe_exactly_on_the_target_cuts() {
    assert_eq!(cut(greedy("2"), "5", &every(1, 5)), ["2", "2", "1"]);
    assert_eq!(cut(cumulative("2"), "5", &every(1, 5)), ["2", "2", "1"]);
}

#[test]
fn after_a_gap_the_cumulative_rule_cuts_at_every_keyframe_until_it_has_caught_up() {
    let mut keyframes = vec![Time::ZERO];
    keyframes.extend((10..20).map(Time::from_secs));
    assert_eq!(
        cut(cumulative("4"), "20", &keyframes),
        // Targets 4, 8, 12, 16; after 10 and 11 it is in step again.
        ["10", "1", "1", "4", "4"]
    );
    assert_eq!(cut(greedy("4"), "20", &keyframes), ["10", "4", "4", "2"]);
}

#[test]
fn keyframes_outside_of_the_film_are_passed_over() {
    let keyframes: Vec<Time> = [-4, 0, 4, 8, 12].map(Time::from_secs).to_vec();
    assert_eq!(cut(cumulative("4"), "8", &keyframes), ["4", "4"]);
    assert_eq!(cut(greedy("4"), "8", &keyframes), ["4", "4"]);
}

#[test]
fn a_film_with_one_keyframe_is_one_segment() {
    assert_eq!(cut(greedy("4"), "60", &[Time::ZERO]), ["60"]);
    assert_eq!(cut(cumulative("4"), "60", &[Time::ZERO]), ["60"]);
}

#[test]
fn a_film_without_a_duration_is_refused() {
    for duration in [Time::ZERO, Time::from_secs(-1)] {
        assert_eq!(timeline(grid("2"), duration, &[]), Err(BoundaryError::Duration(duration)));
    }
}

#[test]
fn a_segment_length_of_nothing_is_refused() {
    let refused = timeline(grid("0"), secs("5"), &[]);
    assert_eq!(refused, Err(BoundaryError::Segment(Time::ZERO)));
    let refused = timeline(greedy("-2"), secs("5"), &every(1, 5));
    assert_eq!(refused, Err(BoundaryError::Segment(secs("-2"))));
}

#[test]
fn a_keyframe_rule_without_keyframes_says_what_to_use_instead() {
    for rule in [greedy("2"), cumulative("2")] {
        let refused = timeline(rule, secs("5"), &[]).expect_err("no keyframes");
        assert_eq!(refused, BoundaryError::NoKeyframes);
        assert!(refused.to_string().contains("`grid`"), "{refused}");
    }
}

#[test]
fn more_segments_than_a_timeline_holds_are_refused_before_they_are_made() {
    let (segment, duration) = (secs("0.5"), secs("9223372036854775807"));
    let refused = timeline(BoundaryRule::Grid { segment }, duration, &[]);
    assert_eq!(refused, Err(BoundaryError::TooMany { duration, segment }));

    let longest = Time::from_secs(Timeline::SEGMENTS_MAX as i64) * 2;
    let most = timeline(grid("2"), longest - Time::from_secs(1), &[]).expect("just fits");
    assert_eq!(most.segments() as usize, Timeline::SEGMENTS_MAX);
}

#[test]
fn too_many_keyframes_to_cut_at_are_refused() {
    let count = Timeline::SEGMENTS_MAX as i64 + 2;
    let keyframes: Vec<Time> = (0..count).map(Time::from_secs).collect();
    let refused = timeline(greedy("0.5"), Time::from_secs(count), &keyframes);
    assert!(matches!(refused, Err(BoundaryError::TooMany { .. })), "{refused:?}");
}

fn lengths() -> impl Strategy<Value = Time> {
    (1i64..=60_000, prop::sample::select(vec![1_000i64, 1_001, 24_000, 90_000]))
        .prop_map(|(num, den)| Time::new(num * 30, den))
}

fn keyframes() -> impl Strategy<Value = Vec<Time>> {
    prop::collection::vec(1i64..20_000, 1..200).prop_map(|gaps| {
        let mut at = 0;
        let mut keyframes = Vec::new();
        for gap in gaps {
            keyframes.push(Time::new(at, 1_001));
            at += gap;
        }
        keyframes
    })
}

proptest! {
    #[test]
    fn every_timeline_covers_its_film_exactly(
        segment in lengths(), duration in lengths(), keyframes in keyframes(), kind in 0..3,
    ) {
        let rule = match kind {
            0 => BoundaryRule::Grid { segment },
            1 => BoundaryRule::KeyframesGreedy { segment },
            _ => BoundaryRule::KeyframesCumulative { segment },
        };
        let timeline = timeline(rule, duration, &keyframes).expect("a timeline");
        prop_assert_eq!(timeline.start_of(0), Time::ZERO);
        prop_assert_eq!(timeline.end(), duration);
        let sum = (0..timeline.segments())
            .fold(Time::ZERO, |sum, index| sum + timeline.duration_of(index));
        prop_assert_eq!(sum, duration);
        prop_assert!(timeline.boundaries().windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_grid_is_regular_but_for_its_last_segment(segment in lengths(), duration in lengths()) {
        let timeline = timeline(BoundaryRule::Grid { segment }, duration, &[]).expect("a timeline");
        let last = timeline.segments() - 1;
        for index in 0..last {
            prop_assert_eq!(timeline.start_of(index), segment * i64::from(index));
        }
        let tail = timeline.duration_of(last);
        prop_assert!(tail * 4 < segment * 5, "{tail} is a segment and a quarter or more");
        prop_assert!(last == 0 || tail * 4 >= segment, "{tail} is a runt");
    }

    #[test]
    fn keyframe_rules_cut_at_the_first_keyframe_that_will_do(
        segment in lengths(), duration in lengths(), keyframes in keyframes(),
    ) {
        for cumulative in [false, true] {
            let rule = if cumulative {
                BoundaryRule::KeyframesCumulative { segment }
            } else {
                BoundaryRule::KeyframesGreedy { segment }
            };
            let timeline = timeline(rule, duration, &keyframes).expect("a timeline");
            for index in 0..timeline.segments() {
                let (start, end) = (timeline.start_of(index), timeline.start_of(index + 1));
                let target =
                    if cumulative { segment * i64::from(index + 1) } else { start + segment };
                // Nothing between the target and the cut would have done.
                let first = keyframes.iter().find(|at| **at > start && **at >= target);
                prop_assert_eq!(end, first.copied().unwrap_or(duration).min(duration));
            }
        }
    }

    #[test]
    fn no_times_panic(
        segment in (any::<i64>(), 1..i64::MAX), duration in (any::<i64>(), 1..i64::MAX),
        keyframes in prop::collection::vec((any::<i64>(), 1..i64::MAX), 0..20), kind in 0..3,
    ) {
        let time = |(num, den)| Time::new(num, den);
        let segment = time(segment);
        let rule = match kind {
            0 => BoundaryRule::Grid { segment },
            1 => BoundaryRule::KeyframesGreedy { segment },
            _ => BoundaryRule::KeyframesCumulative { segment },
        };
        let keyframes: Vec<Time> = keyframes.into_iter().map(time).collect();
        if let Ok(timeline) = timeline(rule, time(duration), &keyframes) {
            prop_assert_eq!(timeline.end(), time(duration));
        }
    }
}
