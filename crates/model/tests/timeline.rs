//! Slots of the frame clock, boundaries of the timeline, and the spans between them.

use proptest::prelude::*;
use segue_model::{FrameClock, SampleGrid, Span, Time, Timeline, TimelineError};

fn seconds(boundaries: &[i64]) -> Vec<Time> {
    boundaries.iter().copied().map(Time::from_secs).collect()
}

fn clock(rate: Time) -> FrameClock {
    FrameClock { start: Time::new(1, 48), rate }
}

#[test]
fn a_coarse_container_s_jitter_vanishes() {
    // 24000/1001 frames a second in Matroska's milliseconds.
    let clock = FrameClock { start: Time::ZERO, rate: Time::new(24_000, 1001) };
    for slot in [0, 1, 2, 3, 1_000, 172_627] {
        let rounded = Time::from_millis(clock.time_of(slot).to_ticks(1000));
        assert_eq!(clock.slot_of(rounded), slot);
    }
}

#[test]
fn a_frame_of_variable_rate_moves_by_at_most_half_a_slot() {
    let clock = clock(FrameClock::FINE);
    for millis in 0..50 {
        let time = Time::from_millis(millis);
        let moved = (clock.time_of(clock.slot_of(time)) - time).abs();
        assert!(moved <= Time::new(1, 480), "{time} by {moved}");
    }
}

#[test]
fn a_packet_is_put_on_the_nearest_place_of_its_grid() {
    let grid = SampleGrid { frame_size: 1024, origin: -1000 };
    for (sample, place) in [(-1000, -1000), (-489, -1000), (-488, 24), (0, 24), (-1513, -2024)] {
        assert_eq!(grid.nearest(sample), place, "{sample}");
    }
}

#[test]
fn a_timeline_needs_a_segment() {
    assert_eq!(Timeline::new(vec![]), Err(TimelineError::Empty));
    assert_eq!(Timeline::new(seconds(&[0])), Err(TimelineError::Empty));
}

#[test]
fn boundaries_rise_and_the_error_says_which_does_not() {
    assert_eq!(Timeline::new(seconds(&[0, 2, 2, 4])), Err(TimelineError::NotRising(2)));
    assert_eq!(Timeline::new(seconds(&[1, 0])), Err(TimelineError::NotRising(1)));
}

#[test]
fn a_timeline_has_a_largest_length() {
    let boundaries = |segments: usize| (0..=segments as i64).map(Time::from_secs).collect();
    let most = Timeline::SEGMENTS_MAX;
    assert_eq!(
        Timeline::new(boundaries(most)).map(|timeline| timeline.segments() as usize),
        Ok(most)
    );
    assert_eq!(Timeline::new(boundaries(most + 1)), Err(TimelineError::TooLong(most + 1)));
}

#[test]
fn a_segment_holds_its_start_and_not_its_end() {
    let timeline = Timeline::new(seconds(&[0, 2, 5])).expect("a timeline");
    for (time, segment) in [("-1", 0), ("0", 0), ("1.999", 0), ("2", 1), ("5", 1), ("99", 1)] {
        assert_eq!(timeline.segment_at(time.parse().expect("a time")), segment, "{time}");
    }
    assert_eq!(timeline.duration_of(1), Time::from_secs(3));
    assert_eq!((timeline.start_of(2), timeline.end()), (Time::from_secs(5), Time::from_secs(5)));
    assert_eq!(timeline.whole(), Span { first: 0, end: 2 });
}

#[test]
fn a_stored_timeline_is_checked_when_read() {
    let timeline = Timeline::new(seconds(&[0, 2, 5])).expect("a timeline");
    let json = serde_json::to_string(&timeline).expect("json");
    assert_eq!(json, r#"["0","2","5"]"#);
    assert_eq!(serde_json::from_str::<Timeline>(&json).expect("a timeline"), timeline);
    for bad in ["[]", r#"["0"]"#, r#"["0","2","1"]"#, r#"["0","x"]"#] {
        serde_json::from_str::<Timeline>(bad).expect_err(bad);
    }
}

#[test]
fn a_span_says_what_it_covers() {
    let span = |first, end| Span { first, end };
    assert_eq!((span(3, 8).len(), span(3, 8).to_string()), (5, "segments 3-7".to_owned()));
    assert_eq!(span(3, 4).to_string(), "segment 3");
    for empty in [span(3, 3), span(4, 3)] {
        assert_eq!((empty.is_empty(), empty.len()), (true, 0), "{empty:?}");
        assert_eq!(empty.to_string(), "no segments");
    }
}

proptest! {
    #[test]
    fn a_slot_s_time_is_in_that_slot(
        slot in -1_000_000i64..100_000_000, num in 1i64..240_000, den in 1i64..2_000,
    ) {
        let clock = clock(Time::new(num, den));
        prop_assert_eq!(clock.slot_of(clock.time_of(slot)), slot);
        prop_assert_eq!(clock.slot_from(clock.time_of(slot)), slot);
        prop_assert!(clock.time_of(slot) < clock.time_of(slot + 1));
    }

    #[test]
    fn the_first_slot_from_a_time_is_not_before_it(millis in -10_000i64..10_000_000) {
        let clock = clock(Time::new(30_000, 1001));
        let time = Time::from_millis(millis);
        let slot = clock.slot_from(time);
        prop_assert!(clock.time_of(slot) >= time);
        prop_assert!(clock.time_of(slot - 1) < time);
    }

    #[test]
    fn every_moment_of_a_film_is_in_exactly_one_segment(
        gaps in prop::collection::vec(1i64..5_000, 1..50), at in 0i64..100_000,
    ) {
        let mut boundaries = vec![Time::ZERO];
        for gap in gaps {
            boundaries.push(boundaries[boundaries.len() - 1] + Time::from_millis(gap));
        }
        let timeline = Timeline::new(boundaries).expect("rising");
        let time = Time::from_millis(at);
        let segment = timeline.segment_at(time);
        prop_assert!(timeline.start_of(segment) <= time);
        prop_assert!(time < timeline.start_of(segment + 1) || time >= timeline.end());
    }
}
