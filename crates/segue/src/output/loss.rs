//! What of the source did not make it into segments. Pure: the journal keeps it, the output says
//! which segments are there.

use segue_model::{Span, Time};

/// What was missing or damaged in a part of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceLoss {
    /// Frames and packets that decoders complained about.
    pub damaged: u64,
    /// By how much the source ended early: that much is a held picture and silence.
    pub short_by: Option<Time>,
}

impl SourceLoss {
    /// Whether there is nothing to tell.
    pub fn is_none(self) -> bool {
        self == SourceLoss::default()
    }

    fn and(self, other: SourceLoss) -> SourceLoss {
        SourceLoss {
            damaged: self.damaged.saturating_add(other.damaged),
            short_by: self.short_by.max(other.short_by),
        }
    }
}

/// Makes notes of what the process of one lease counts, each about the segments it came up in.
///
/// A process that goes on where another died sees again what that one had seen: on its way to its
/// first segment, and as far as the other had read ahead. It may not be told with every death.
#[derive(Debug)]
pub struct LossCount {
    /// The first segment without a note.
    next: u32,
    /// The latest note.
    latest: (Span, u64),
    counted: u64,
    /// So many of the first may have been told already,
    known: u64,
    /// up to this segment.
    known_until: u32,
}

impl LossCount {
    /// For a lease from segment `first` on; before `known_until`, `known` come up again.
    pub(super) fn new(first: u32, known: u64, known_until: u32) -> LossCount {
        let latest = (Span { first, end: first }, 0);
        LossCount { next: first, latest, counted: 0, known, known_until }
    }

    /// What to note before segment `index` gets its name, when `damaged` were counted until then.
    pub fn note(&mut self, index: u32, damaged: u64) -> (Span, SourceLoss) {
        let added = damaged.saturating_sub(self.counted);
        self.counted = self.counted.max(damaged);
        if index >= self.known_until {
            self.known = 0;
        }
        let again = added.min(self.known);
        self.known -= again;
        let added = added - again;
        if index >= self.next {
            self.latest = (Span { first: self.next, end: index + 1 }, added);
            self.next = index + 1;
        } else {
            // Another rendition's: the same segments get a new note in place of the last.
            self.latest.1 += added;
        }
        let (span, damaged) = self.latest;
        (span, SourceLoss { damaged, short_by: None })
    }
}

/// Whether this note changes what is told: one without loss does where it takes another's place.
pub(super) fn is_news(noted: &[(Span, SourceLoss)], span: Span, loss: SourceLoss) -> bool {
    let overlaps = |other: &Span| other.first < span.end && span.first < other.end;
    match noted.iter().rev().find(|(other, _)| overlaps(other)) {
        None => !loss.is_none(),
        Some(latest) => *latest != (span, loss),
    }
}

/// The loss in those segments that are there, when it was noted like this, oldest first.
///
/// What was noted of a span stands until every segment of it is gone or was made again: a directory
/// whose segments were removed does not count everything twice.
pub(super) fn standing(noted: &[(Span, SourceLoss)], is_there: &[bool]) -> SourceLoss {
    let mut later = vec![false; is_there.len()];
    let mut all = SourceLoss::default();
    for (span, loss) in noted.iter().rev() {
        let indices = span.first as usize..(span.end as usize).min(is_there.len());
        if indices.clone().any(|index| is_there[index] && !later[index]) {
            all = all.and(*loss);
        }
        indices.for_each(|index| later[index] = true);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(first: u32, end: u32, damaged: u64) -> (Span, SourceLoss) {
        (Span { first, end }, SourceLoss { damaged, short_by: None })
    }

    fn short(first: u32, end: u32, seconds: i64) -> (Span, SourceLoss) {
        let short_by = Some(Time::from_secs(seconds));
        (Span { first, end }, SourceLoss { damaged: 0, short_by })
    }

    #[test]
    fn losses_of_different_spans_add_up_and_the_end_comes_once() {
        let noted = [damaged(0, 4, 3), short(6, 8, 2), damaged(4, 6, 1), short(8, 10, 1)];
        let all = SourceLoss { damaged: 4, short_by: Some(Time::from_secs(2)) };
        assert_eq!(standing(&noted, &[true; 10]), all);
    }

    #[test]
    fn what_was_made_again_counts_as_it_came_out_last() {
        // By other spans, as when there are more processes.
        let noted = [damaged(0, 4, 3), damaged(0, 2, 1), damaged(2, 8, 2)];
        assert_eq!(standing(&noted, &[true; 8]).damaged, 3);
        let noted = [damaged(0, 4, 3), damaged(2, 4, 2)];
        assert_eq!(standing(&noted, &[true; 8]).damaged, 5);
    }

    #[test]
    fn what_is_not_there_has_lost_nothing() {
        let noted = [damaged(0, 2, 3), damaged(2, 4, 1), damaged(900, u32::MAX, 1)];
        assert_eq!(standing(&noted, &[false, true, false, false]).damaged, 3);
        assert!(standing(&noted, &[false; 4]).is_none());
    }

    #[test]
    fn a_note_without_loss_is_news_only_where_it_takes_the_place_of_another() {
        let noted = [damaged(0, 4, 3)];
        let none = SourceLoss::default();
        assert!(!is_news(&[], Span { first: 0, end: 2 }, none));
        assert!(!is_news(&noted, Span { first: 4, end: 6 }, none));
        assert!(is_news(&noted, Span { first: 3, end: 6 }, none));
        assert!(!is_news(&noted, noted[0].0, noted[0].1));
        let again = [damaged(0, 4, 3), damaged(0, 4, 0)];
        assert!(standing(&again, &[true; 4]).is_none());
    }

    #[test]
    fn renditions_of_one_segment_have_one_note() {
        let mut count = LossCount::new(4, 0, 4);
        assert_eq!(count.note(4, 1), damaged(4, 5, 1));
        assert_eq!(count.note(4, 3), damaged(4, 5, 3));
        assert_eq!(count.note(5, 3), damaged(5, 6, 0));
        assert_eq!(count.note(4, 4), damaged(5, 6, 1));
        assert_eq!(count.note(8, 6), damaged(6, 9, 2));
    }

    /// Numbers that are the same in every run.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (self.0 >> 33) as usize % end
        }
    }

    const SEGMENTS: usize = 24;

    /// A directory and a film with so much damage in each segment.
    struct Film {
        damage: Vec<u64>,
        /// Segments decoded before the first of a span, and after one before it is ready.
        lead_in: usize,
        ahead: usize,
        noted: Vec<(Span, SourceLoss)>,
        made: [Vec<bool>; 2],
    }

    impl Film {
        fn new(numbers: &mut Numbers) -> Film {
            let spot = numbers.below(SEGMENTS);
            let everywhere = numbers.below(3) == 0;
            let damage = |at| u64::from(everywhere || at == spot) * (1 + numbers.below(3) as u64);
            let damage = (0..SEGMENTS).map(damage).collect();
            let (lead_in, ahead) = (numbers.below(5), numbers.below(5));
            let made = [vec![false; SEGMENTS], vec![false; SEGMENTS]];
            Film { damage, lead_in, ahead, noted: Vec::new(), made }
        }

        fn is_there(&self) -> Vec<bool> {
            (0..SEGMENTS).map(|at| self.made.iter().any(|made| made[at])).collect()
        }

        fn told(&self) -> u64 {
            standing(&self.noted, &self.is_there()).damaged
        }

        fn truth(&self) -> u64 {
            self.damage.iter().sum()
        }

        /// Makes what is missing before `end`, in two renditions, until it is killed after so many
        /// of the things it does.
        fn work(&mut self, end: usize, mut alive_for: usize, numbers: &mut Numbers) {
            let is_missing = |at: &usize| self.made.iter().any(|made| !made[*at]);
            let Some(first) = (0..end).find(is_missing) else { return };
            let near = self.is_there();
            let reach = first.saturating_sub(self.lead_in + self.ahead);
            let near: Vec<_> = (0..first).map(|at| at >= reach && near[at]).collect();
            let known = standing(&self.noted, &near).damaged;
            let mut count = LossCount::new(first as u32, known, (first + self.ahead + 1) as u32);
            let mut seen = 0;
            for index in first..end {
                for rendition in 0..2 {
                    seen = seen.max(index + numbers.below(self.ahead + 1)).min(SEGMENTS - 1);
                    let decoded = first.saturating_sub(self.lead_in)..=seen;
                    let (span, loss) = count.note(index as u32, self.damage[decoded].iter().sum());
                    for step in 0..2 {
                        if alive_for == 0 {
                            return;
                        }
                        alive_for -= 1;
                        match step {
                            0 if is_news(&self.noted, span, loss) => self.noted.push((span, loss)),
                            0 => {}
                            _ => self.made[rendition][index] = true,
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn damage_is_told_once_when_nobody_dies() {
        for seed in 0..100 {
            let mut numbers = Numbers(seed);
            let mut film = Film::new(&mut numbers);
            film.work(SEGMENTS, usize::MAX, &mut numbers);
            assert_eq!(film.told(), film.truth(), "seed {seed}");
        }
    }

    #[test]
    fn whoever_is_killed_damage_is_told_and_at_most_twice() {
        for seed in 0..2000 {
            let mut numbers = Numbers(seed);
            let mut film = Film::new(&mut numbers);
            let patience = [4, 8, 40][numbers.below(3)];
            while film.made.iter().flatten().any(|made| !made) {
                let alive_for = numbers.below(patience) + 1;
                film.work(SEGMENTS, alive_for, &mut numbers);
            }
            let (told, truth) = (film.told(), film.truth());
            assert!((1..=2 * truth).contains(&told), "seed {seed}: {told} of {truth}");
        }
    }
}
