//! Decides which span is made next, and what a failure means. Never does I/O or reads a clock.
//!
//! Segments that are missing lie in pieces. A lease takes a span off a piece; what was not made of
//! it comes back as a piece of its own that remembers what happened at its first segment. Start at
//! [`Work::next`].

use std::time::{Duration, Instant};

use segue_model::{FailureClass, Span, Time};

/// Fewer segments than this are not worth a seek, the pictures between a keyframe and the first of
/// them, and encoders that settle.
const SPAN_MIN: u32 = 4;
/// A segment that ended so many processes is not tried again.
const DEATHS_MAX: u32 = 3;
/// Somebody who kills processes, or a machine short of memory, is outlasted for a while: the film is
/// not to blame. After a few deaths at once, with pauses of 1, 2, 4, 8 and then 16 s.
const KILLS_MAX: u32 = 20;
const KILLS_AT_ONCE: u32 = 4;
/// So many failures of processes that live to tell them.
const WORKER_FAILURES_MAX: u32 = 3;
/// So many processes must find the same fault with the source.
const SOURCE_FAILURES_MAX: u32 = 2;
/// Pauses of 1, 2, 4, 8 and 16 s, for storage to come back.
const TRANSIENT_FAILURES_MAX: u32 = 6;

/// The right to make a span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// What to make.
    pub span: Span,
    history: History,
}

/// What happened so far at the first segment of a piece.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct History {
    deaths: u32,
    kills: u32,
    worker: u32,
    source: u32,
    transient: u32,
}

/// How a lease came to nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Its process crashed, or hung.
    Death,
    /// Its process was killed from outside.
    Kill,
    /// Its process says why.
    Failure(FailureClass),
}

/// What follows from a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// These segments go to another process, after a pause.
    Again {
        /// What is left.
        rest: Span,
        /// How long to wait.
        pause: Duration,
    },
    /// So many processes have failed at this segment that another will not do better.
    GiveUp {
        /// Which segment.
        segment: u32,
        /// How many processes.
        attempts: u32,
    },
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    span: Span,
    history: History,
    not_before: Option<Instant>,
}

/// All segments that are still to be made.
pub struct Work {
    jobs: u32,
    pieces: Vec<Piece>,
    leased: u32,
    /// How much film must be decoded in vain before a span that begins with a segment.
    lead_in: Vec<Time>,
}

impl Work {
    /// For `jobs` processes at once. `missing` are runs of segments, rising; `lead_in` says for each
    /// segment how much film must be decoded in vain before a span that begins with it.
    pub fn new(missing: Vec<Span>, jobs: u32, lead_in: Vec<Time>) -> Work {
        let piece = |span| Piece { span, history: History::default(), not_before: None };
        let pieces = missing.into_iter().filter(|span| !span.is_empty()).map(piece).collect();
        Work { jobs: jobs.max(1), pieces, leased: 0, lead_in }
    }

    /// The next span, if there is one to make now.
    pub fn next(&mut self, now: Instant) -> Option<Lease> {
        let due = |piece: &Piece| piece.not_before.is_none_or(|at| at <= now);
        let at = self.pieces.iter().position(due)?;
        let left = self.pieces.iter().map(|piece| piece.span.len()).sum();
        let length = span_length(left, self.jobs, self.leased);
        let end = self.cut(self.pieces[at].span, length);
        let piece = &mut self.pieces[at];
        let lease = Lease { span: Span { first: piece.span.first, end }, history: piece.history };
        *piece = Piece {
            span: Span { first: end, ..piece.span },
            history: History::default(),
            not_before: None,
        };
        if piece.span.is_empty() {
            self.pieces.remove(at);
        }
        self.leased += 1;
        Some(lease)
    }

    /// Where a span of about `length` segments off `piece` ends: where the next begins cheaply.
    fn cut(&self, piece: Span, length: u32) -> u32 {
        let leeway = length / 4;
        if piece.len() <= length + leeway {
            return piece.end;
        }
        let wanted = piece.first + length;
        let cost = |end: &u32| {
            let lead_in = self.lead_in.get(*end as usize).copied().unwrap_or(Time::ZERO);
            // Less than a second is not worth moving for.
            (lead_in.floor(), end.abs_diff(wanted))
        };
        (wanted - leeway..=wanted + leeway).min_by_key(cost).unwrap_or(wanted)
    }

    /// When the next span is due, if all that are left have to wait.
    pub fn next_due(&self) -> Option<Instant> {
        self.pieces.iter().filter_map(|piece| piece.not_before).min()
    }

    /// Whether nothing is left to make and nothing is being made.
    pub fn is_finished(&self) -> bool {
        self.pieces.is_empty() && self.leased == 0
    }

    /// A lease whose segments were all made.
    pub fn done(&mut self, _lease: Lease) {
        self.leased = self.leased.saturating_sub(1);
    }

    /// A lease that came to nothing from segment `first_missing` on.
    pub fn lost(&mut self, lease: Lease, first_missing: u32, loss: Loss, now: Instant) -> Verdict {
        self.leased = self.leased.saturating_sub(1);
        // Somebody got further: whatever happened before, happened elsewhere.
        let known =
            if first_missing == lease.span.first { lease.history } else { History::default() };
        let (history, attempts, attempts_max) = known.and(loss);
        if attempts >= attempts_max {
            return Verdict::GiveUp { segment: first_missing, attempts };
        }
        let pause = match loss {
            Loss::Failure(FailureClass::Transient) => {
                Duration::from_secs(1 << (attempts - 1).min(4))
            }
            Loss::Kill if attempts > KILLS_AT_ONCE => {
                Duration::from_secs(1 << (attempts - KILLS_AT_ONCE - 1).min(4))
            }
            _ => Duration::ZERO,
        };
        let rest = Span { first: first_missing, end: lease.span.end };
        let not_before = (pause > Duration::ZERO).then(|| now + pause);
        // In front: what is late is made first.
        let at = self.pieces.partition_point(|piece| piece.span.first < rest.first);
        self.pieces.insert(at, Piece { span: rest, history, not_before });
        Verdict::Again { rest, pause }
    }
}

impl History {
    /// With another loss; how many of its kind that makes, and how many are too many.
    fn and(mut self, loss: Loss) -> (History, u32, u32) {
        let (count, most) = match loss {
            Loss::Death => (&mut self.deaths, DEATHS_MAX),
            Loss::Kill => (&mut self.kills, KILLS_MAX),
            Loss::Failure(FailureClass::Worker) => (&mut self.worker, WORKER_FAILURES_MAX),
            Loss::Failure(FailureClass::Source) => (&mut self.source, SOURCE_FAILURES_MAX),
            Loss::Failure(FailureClass::Transient) => (&mut self.transient, TRANSIENT_FAILURES_MAX),
        };
        *count += 1;
        let attempts = *count;
        (self, attempts, most)
    }
}

/// About how long the next span is when `left` segments are: long ones first and short ones last, so
/// that all processes end at about the same time. A short film is shared out at once.
fn span_length(left: u32, jobs: u32, leased: u32) -> u32 {
    if jobs == 1 || (leased == 0 && left <= jobs * SPAN_MIN * 2) {
        return left.div_ceil(jobs);
    }
    let idle = jobs.saturating_sub(leased).max(1);
    left.div_ceil(jobs * 2).max(SPAN_MIN).min(left.div_ceil(idle))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(first: u32, end: u32) -> Span {
        Span { first, end }
    }

    fn work(segments: u32, jobs: u32) -> (Work, Instant) {
        (Work::new(vec![span(0, segments)], jobs, Vec::new()), Instant::now())
    }

    fn lengths(segments: u32, jobs: u32) -> Vec<u32> {
        let (mut work, now) = work(segments, jobs);
        std::iter::from_fn(|| work.next(now)).map(|lease| lease.span.len()).collect()
    }

    #[test]
    fn spans_cover_everything_once_and_end_with_short_ones() {
        for (segments, jobs) in [(1, 2), (4, 2), (10, 2), (60, 2), (3600, 2), (3600, 16), (7, 64)] {
            let lengths = lengths(segments, jobs);
            assert_eq!(lengths.iter().sum::<u32>(), segments);
            assert!(lengths.is_sorted_by(|a, b| a.max(&SPAN_MIN) + 1 >= *b), "{lengths:?}");
        }
        assert_eq!(lengths(7, 64), [1; 7]);
        assert_eq!(lengths(3600, 2)[..2], [900, 675]);
    }

    /// When the last of `jobs` processes ends, of which each takes as long for a span as for so many
    /// segments and one more.
    fn makespan(segments: u32, jobs: u32) -> u32 {
        let (mut work, now) = work(segments, jobs);
        let mut busy: Vec<(u32, Lease)> = Vec::new();
        let mut clock = 0;
        loop {
            while busy.len() < jobs as usize
                && let Some(lease) = work.next(now)
            {
                busy.push((clock + lease.span.len() + 1, lease));
            }
            let Some(first) = (0..busy.len()).min_by_key(|at| busy[*at].0) else { return clock };
            let (ends, lease) = busy.swap_remove(first);
            clock = ends;
            work.done(lease);
        }
    }

    #[test]
    fn processes_end_at_about_the_same_time() {
        // In hundredths of what it would take if nothing were lost.
        let found = [(10, 2), (60, 2), (3600, 2), (74, 4), (150, 8), (250, 16), (3600, 16)]
            .map(|(segments, jobs)| makespan(segments, jobs) * jobs * 100 / segments);
        let bounds = [120, 130, 103, 140, 140, 150, 110];
        let kept = found.iter().zip(bounds).all(|(found, bound)| *found <= bound);
        assert!(kept, "{found:?} of {bounds:?}");
    }

    #[test]
    fn one_process_makes_everything_in_one_span() {
        assert_eq!(lengths(3600, 1), [3600]);
    }

    #[test]
    fn spans_begin_where_little_is_decoded_in_vain() {
        // Keyframes 10 s apart and segments of 2 s: a span should begin right after a keyframe.
        let lead_in = (0..60).map(|index| Time::from_secs(index * 2 % 10)).collect();
        let mut work = Work::new(vec![span(0, 60)], 2, lead_in);
        let now = Instant::now();
        let firsts: Vec<_> =
            std::iter::from_fn(|| work.next(now)).map(|lease| lease.span.first).collect();
        assert!(firsts.iter().filter(|first| *first % 5 == 0).count() >= 5, "{firsts:?}");
        let lead_in = (0..60).map(|index| Time::from_secs((index + 1) * 2 % 10)).collect();
        let mut work = Work::new(vec![span(0, 60)], 2, lead_in);
        let firsts: Vec<_> =
            std::iter::from_fn(|| work.next(now)).map(|lease| lease.span.first).collect();
        assert!(firsts.iter().filter(|first| *first % 5 == 4).count() >= 4, "{firsts:?}");
    }

    #[test]
    fn pieces_that_are_apart_are_never_made_in_one_span() {
        let mut work = Work::new(vec![span(3, 5), span(9, 10)], 1, Vec::new());
        let now = Instant::now();
        let spans: Vec<_> = std::iter::from_fn(|| work.next(now)).map(|l| l.span).collect();
        assert_eq!(spans, [span(3, 5), span(9, 10)]);
    }

    #[test]
    fn what_a_dead_process_left_is_made_next() {
        let (mut work, now) = work(60, 2);
        let first = work.next(now).unwrap();
        assert_eq!(first.span, span(0, 15));
        let verdict = work.lost(first, 3, Loss::Death, now);
        assert_eq!(verdict, Verdict::Again { rest: span(3, 15), pause: Duration::ZERO });
        assert_eq!(work.next(now).unwrap().span.first, 3);
    }

    #[test]
    fn a_segment_that_ends_three_processes_ends_the_job() {
        let (mut work, now) = work(4, 1);
        for _ in 0..2 {
            let lease = work.next(now).unwrap();
            assert!(matches!(work.lost(lease, 0, Loss::Death, now), Verdict::Again { .. }));
        }
        let lease = work.next(now).unwrap();
        let verdict = work.lost(lease, 0, Loss::Death, now);
        assert_eq!(verdict, Verdict::GiveUp { segment: 0, attempts: 3 });
    }

    #[test]
    fn whoever_kills_processes_is_outlasted_with_growing_pauses() {
        let (mut work, mut now) = work(4, 1);
        let mut pauses = Vec::new();
        for _ in 1..KILLS_MAX {
            let lease = work.next(now).unwrap();
            let Verdict::Again { pause, .. } = work.lost(lease, 0, Loss::Kill, now) else {
                panic!("given up after {pauses:?}");
            };
            pauses.push(pause.as_secs());
            now += pause;
        }
        assert_eq!(pauses[..10], [0, 0, 0, 0, 1, 2, 4, 8, 16, 16]);
        let lease = work.next(now).unwrap();
        let verdict = work.lost(lease, 0, Loss::Kill, now);
        assert_eq!(verdict, Verdict::GiveUp { segment: 0, attempts: KILLS_MAX });
    }

    #[test]
    fn a_span_that_gets_further_each_time_is_tried_for_ever() {
        let (mut work, now) = work(30, 1);
        for made in 1..20 {
            let lease = work.next(now).unwrap();
            assert!(matches!(work.lost(lease, made, Loss::Death, now), Verdict::Again { .. }));
        }
    }

    #[test]
    fn two_processes_that_agree_on_the_source_end_the_job() {
        let (mut work, now) = work(4, 1);
        let loss = Loss::Failure(FailureClass::Source);
        let lease = work.next(now).unwrap();
        assert!(matches!(work.lost(lease, 0, loss, now), Verdict::Again { .. }));
        let lease = work.next(now).unwrap();
        assert_eq!(work.lost(lease, 0, loss, now), Verdict::GiveUp { segment: 0, attempts: 2 });
    }

    #[test]
    fn trouble_with_storage_is_retried_after_a_growing_pause_and_the_rest_goes_on() {
        let (mut work, now) = work(8, 2);
        let loss = Loss::Failure(FailureClass::Transient);
        let lease = work.next(now).unwrap();
        let verdict = work.lost(lease, 0, loss, now);
        let second = Duration::from_secs(1);
        assert!(matches!(verdict, Verdict::Again { pause, .. } if pause == second));
        assert_eq!(work.next_due(), Some(now + second));
        assert_eq!(work.next(now).unwrap().span.first, 4);
        let again = std::iter::from_fn(|| work.next(now + second)).find(|l| l.span.first == 0);
        let verdict = work.lost(again.unwrap(), 0, loss, now);
        assert!(matches!(verdict, Verdict::Again { pause, .. } if pause == 2 * second));
    }

    #[test]
    fn work_is_finished_when_every_lease_has_come_back() {
        let (mut work, now) = work(2, 1);
        let lease = work.next(now).unwrap();
        assert!(work.next(now).is_none());
        assert!(!work.is_finished());
        work.done(lease);
        assert!(work.is_finished());
    }
}
