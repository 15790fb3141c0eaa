//! Which frame is shown in which segment, and where a picture is held.
//!
//! Pure: slots and frames in, placed frames out. Every decision depends only on the timeline and on
//! frames near the segment, never on where the span began. Start at [`Slots::push`].

use segue_model::{FrameClock, Span, Time, Timeline};

/// A frame with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Placed<F> {
    /// Lets an encoder settle on `frame`, which is shown before the span; nothing of it is kept.
    Before { slot: i64, frame: F },
    /// Encode `frame` in `segment`, shown from `slot` on.
    Frame { segment: u32, slot: i64, frame: F },
    /// `segment` is complete; the picture after it comes at `next_slot`.
    End { segment: u32, next_slot: i64 },
}

/// Puts a span's frames into their segments.
///
/// A segment that would begin more than a frame late, or not at all (variable rates, gaps, a source
/// that ends early), begins with the picture that is still on the screen, repeated at the boundary.
pub(super) struct Slots<F> {
    /// First slot of each segment of the span, and of the one after it.
    first_slots: Vec<i64>,
    span: Span,
    /// Frames from here on are given out although they come before the span.
    before: i64,
    /// How many slots after its boundary a segment's first frame may come.
    late: i64,
    /// The segment being filled.
    current: u32,
    /// The last slot given out.
    last: Option<i64>,
    /// The picture on the screen.
    held: Option<(i64, F)>,
}

/// The first slot of segment `index`. The film's first segment begins with what seconds are counted from:
/// with a picture that is moved to before the film; and where one is to stand a little behind the film's
/// start, nothing is held in its place.
pub(super) fn first_slot(
    timeline: &Timeline,
    clock: &FrameClock,
    counts_from: Time,
    index: u32,
) -> i64 {
    clock.slot_from(if index == 0 { counts_from } else { timeline.start_of(index) })
}

impl<F: Clone> Slots<F> {
    /// For the segments of `span`, with frames that come `nominal` apart, and those of `pre_roll`
    /// before it.
    pub(super) fn new(
        timeline: &Timeline,
        clock: &FrameClock,
        counts_from: Time,
        span: Span,
        nominal: Time,
        pre_roll: Time,
    ) -> Slots<F> {
        let before = clock.slot_from(timeline.start_of(span.first) - pre_roll);
        let first_slots = (span.first..=span.end)
            .map(|index| first_slot(timeline, clock, counts_from, index))
            .collect();
        let late = (nominal * clock.rate * Time::new(3, 2)).floor();
        Slots { first_slots, span, before, late, current: span.first, last: None, held: None }
    }

    /// Takes the next frame in showing order. Frames before the span are only remembered.
    pub(super) fn push(&mut self, slot: i64, frame: F, mut place: impl FnMut(Placed<F>)) {
        if self.is_done() || self.held.as_ref().is_some_and(|(held, _)| slot <= *held) {
            return;
        }
        if slot >= self.first_slot(self.span.first) {
            while !self.is_done() && slot >= self.first_slot(self.current + 1) {
                self.end_current(Some((slot, &frame)), &mut place);
            }
            if !self.is_done() {
                if !self.has_begun() && slot > self.first_slot(self.current) + self.late {
                    self.hold(Some(&frame), &mut place);
                }
                self.give(slot, frame.clone(), &mut place);
            }
        } else if slot >= self.before {
            place(Placed::Before { slot, frame: frame.clone() });
        }
        self.held = Some((slot, frame));
    }

    /// There are no more frames: holds the last one to the end of the span. False if there never
    /// was a frame to hold.
    pub(super) fn finish(&mut self, mut place: impl FnMut(Placed<F>)) -> bool {
        if self.held.is_none() && !self.is_done() {
            return false;
        }
        while !self.is_done() {
            self.end_current(None, &mut place);
        }
        true
    }

    /// Whether all segments are complete.
    pub(super) fn is_done(&self) -> bool {
        self.current >= self.span.end
    }

    /// The last slot a frame of the source was seen in.
    pub(super) fn last_seen(&self) -> Option<i64> {
        self.held.as_ref().map(|(slot, _)| *slot)
    }

    fn first_slot(&self, segment: u32) -> i64 {
        self.first_slots[(segment - self.span.first) as usize]
    }

    fn has_begun(&self) -> bool {
        self.last.is_some_and(|last| last >= self.first_slot(self.current))
    }

    fn give(&mut self, slot: i64, frame: F, place: &mut impl FnMut(Placed<F>)) {
        // A segment shorter than a slot pushes what follows on by one.
        let slot = self.last.map_or(slot, |last| slot.max(last + 1));
        self.last = Some(slot);
        place(Placed::Frame { segment: self.current, slot, frame });
    }

    /// Shows at the boundary what is on the screen; before the first frame, that one.
    fn hold(&mut self, next: Option<&F>, place: &mut impl FnMut(Placed<F>)) {
        let held = self.held.as_ref().map(|(_, frame)| frame).or(next).cloned();
        if let Some(frame) = held {
            self.give(self.first_slot(self.current), frame, place);
        }
    }

    fn end_current(&mut self, next: Option<(i64, &F)>, place: &mut impl FnMut(Placed<F>)) {
        if !self.has_begun() {
            self.hold(next.map(|(_, frame)| frame), place);
        }
        let boundary = self.first_slot(self.current + 1);
        let next_slot = match next {
            Some((slot, _)) if slot <= boundary + self.late => slot,
            _ => boundary,
        };
        let next_slot = self.last.map_or(next_slot, |last| next_slot.max(last + 1));
        place(Placed::End { segment: self.current, next_slot });
        self.current += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten slots a second, boundaries every second.
    fn slots(first: u32, end: u32) -> Slots<u32> {
        let timeline = Timeline::new((0..=9).map(Time::from_secs).collect()).unwrap();
        let clock = FrameClock { start: Time::ZERO, rate: Time::from_secs(10) };
        let span = Span { first, end };
        Slots::new(&timeline, &clock, Time::ZERO, span, Time::new(1, 10), Time::ZERO)
    }

    fn run(first: u32, end: u32, frames: &[i64]) -> Vec<(u32, Option<i64>, u32)> {
        let mut placed = Vec::new();
        let mut slots = slots(first, end);
        let mut place = |it| {
            placed.push(match it {
                Placed::Frame { segment, slot, frame } => (segment, Some(slot), frame),
                Placed::End { segment, next_slot } => (segment, None, next_slot as u32),
                Placed::Before { .. } => panic!("no pre-roll was asked for"),
            });
        };
        for slot in frames {
            slots.push(*slot, *slot as u32, &mut place);
        }
        slots.finish(&mut place);
        placed
    }

    #[test]
    fn frames_go_where_their_time_says() {
        assert_eq!(
            run(1, 2, &[8, 9, 10, 15, 20]),
            [(1, Some(10), 10), (1, Some(15), 15), (1, None, 20)]
        );
    }

    #[test]
    fn a_segment_without_frames_holds_the_last_picture_at_its_boundary() {
        assert_eq!(
            run(0, 4, &[0, 7, 31]),
            [
                (0, Some(0), 0),
                (0, Some(7), 7),
                (0, None, 10),
                (1, Some(10), 7),
                (1, None, 20),
                (2, Some(20), 7),
                // A frame this little late needs no help, and the one before it reaches up to it.
                (2, None, 31),
                (3, Some(31), 31),
                (3, None, 40),
            ]
        );
    }

    #[test]
    fn a_late_first_frame_is_preceded_by_the_held_one() {
        let placed = run(1, 2, &[9, 14, 20]);
        assert_eq!(placed, [(1, Some(10), 9), (1, Some(14), 14), (1, None, 20)]);
    }

    #[test]
    fn before_the_first_picture_that_picture_is_shown() {
        let placed = run(0, 2, &[14, 20]);
        assert_eq!(
            placed,
            [(0, Some(0), 14), (0, None, 10), (1, Some(10), 14), (1, Some(14), 14), (1, None, 20)]
        );
    }

    #[test]
    fn the_first_picture_is_in_the_first_segment_though_it_is_moved_to_before_the_film() {
        let timeline = Timeline::new((0..=2).map(Time::from_secs).collect()).unwrap();
        let clock = FrameClock { start: Time::new(-1, 25), rate: Time::from_secs(10) };
        let span = Span { first: 0, end: 1 };
        let frame = Time::new(1, 10);
        let mut slots = Slots::new(&timeline, &clock, clock.start, span, frame, Time::ZERO);
        let mut placed = Vec::new();
        // The second segment begins between the slots 10 and 11.
        (0..12).for_each(|slot| slots.push(slot, (), |it| placed.push(it)));
        assert_eq!(placed[0], Placed::Frame { segment: 0, slot: 0, frame: () });
        assert_eq!(placed[11..], [Placed::End { segment: 0, next_slot: 11 }]);
    }

    #[test]
    fn a_source_that_ends_early_is_held_to_the_end_of_the_span() {
        let placed = run(1, 3, &[9, 10]);
        assert_eq!(placed, [(1, Some(10), 10), (1, None, 20), (2, Some(20), 10), (2, None, 30)]);
    }

    #[test]
    fn the_same_segments_come_of_any_span_that_holds_them() {
        let frames = [0, 3, 4, 11, 12, 38, 39, 40, 55, 61, 62, 88];
        let whole = run(0, 9, &frames);
        for first in 0..9 {
            for end in first + 1..=9 {
                let part = run(first, end, &frames);
                let same: Vec<_> =
                    whole.iter().filter(|it| (first..end).contains(&it.0)).copied().collect();
                assert_eq!(part, same, "{first}..{end}");
            }
        }
    }

    #[test]
    fn frames_of_the_pre_roll_come_first_and_change_nothing_else() {
        let timeline = Timeline::new((0..=9).map(Time::from_secs).collect()).unwrap();
        let clock = FrameClock { start: Time::ZERO, rate: Time::from_secs(10) };
        let span = Span { first: 2, end: 3 };
        let (frame, before) = (Time::new(1, 10), Time::new(3, 10));
        let mut slots = Slots::new(&timeline, &clock, Time::ZERO, span, frame, before);
        let mut placed = Vec::new();
        for slot in [15, 16, 17, 19, 20, 25, 30] {
            slots.push(slot, (), |it| placed.push(it));
        }
        assert_eq!(placed[..2], [17, 19].map(|slot| Placed::Before { slot, frame: () }));
        assert_eq!(placed[2], Placed::Frame { segment: 2, slot: 20, frame: () });
        assert_eq!(placed.len(), 5);
    }

    #[test]
    fn two_frames_in_one_slot_are_one() {
        assert_eq!(run(0, 1, &[0, 5, 5, 10]), [(0, Some(0), 0), (0, Some(5), 5), (0, None, 10)]);
    }
}
