use segue_dispatch::planner::Cuts;
use segue_dispatch::session::Event as Happened;
use segue_model::pool::{Measured, Screened, SpanEnd};
use segue_model::{FailureClass, Hash, JobId, SegmentId, Span, SpanFailure};

use super::*;

const SECOND: Millis = 1_000;
/// Two hours of segments of 2 s are an hour of work for one runner.
const PACE: Millis = SECOND;
const LEAD_IN: Millis = SECOND;

fn facts(segments: u32, published: Vec<(u32, Span)>) -> JobFacts {
    let length = 2 * SECOND;
    JobFacts {
        id: JobId(Hash::of(b"job")),
        cuts: Cuts::Even { length, segments, end: length * Millis::from(segments) },
        kind: 1,
        decode_per_mille: 150,
        renditions_per_mille: vec![350],
        lead_in: 2 * SECOND,
        families: vec![EncoderFamily::X264],
        family: None,
        published,
    }
}

/// What a runner does: a span, and when it has made the next segment of it.
#[derive(Clone, Copy, Debug)]
struct Busy {
    order: Order,
    end: u32,
    next: u32,
    at: Millis,
}

/// Runners that take a second to begin a span and a second for each segment, but for what `fails`.
struct World<F> {
    pool: Pool,
    now: Millis,
    runners: Vec<Vec<Busy>>,
    made: Vec<u32>,
    begun: Vec<Span>,
    left_alone: u32,
    finished: bool,
    failed: Option<JobFailure>,
    fails: F,
}

impl<F: FnMut(usize, u32) -> Option<SpanEnd>> World<F> {
    fn new(runners: u32, facts: JobFacts, fails: F) -> World<F> {
        let pool = Pool::new(runners, 1, Moment(0));
        let mut world = World {
            pool,
            now: 0,
            runners: vec![Vec::new(); runners as usize],
            made: vec![0; facts.cuts.segments() as usize],
            begun: Vec::new(),
            left_alone: 0,
            finished: false,
            failed: None,
            fails,
        };
        let news = world.pool.begin(Moment(0), facts);
        world.hear(news);
        world
    }

    fn hear(&mut self, news: Vec<News>) {
        for news in news {
            match news {
                News::Start { runner, order } => {
                    self.begun.push(order.span);
                    let Span { first, end } = order.span;
                    let busy_until = self.runners[runner].last().map_or(self.now, |last| last.at);
                    let at = busy_until + LEAD_IN + PACE;
                    self.runners[runner].push(Busy { order, end, next: first, at });
                }
                News::Move { lease, end } => {
                    let all = self.runners.iter_mut().flatten();
                    all.filter(|busy| busy.order.lease == lease).for_each(|busy| busy.end = end);
                }
                News::Stop(lease) => {
                    for runner in &mut self.runners {
                        runner.retain(|busy| busy.order.lease != lease);
                    }
                }
                News::Screen { runner, screening } => {
                    let screened = Happened::Screened(Screened { screening, passed: true });
                    let news = self.pool.tell(Moment(self.now), runner, screened);
                    self.hear(news);
                }
                News::LeftAlone { .. } => self.left_alone += 1,
                News::Finished => self.finished = true,
                News::Failed(failure) => self.failed = Some(failure),
            }
        }
    }

    fn make(&mut self, runner: usize) {
        let Some(busy) = self.runners[runner].first_mut() else { return };
        let (lease, index) = (busy.order.lease, busy.next);
        let events = match (self.fails)(runner, index) {
            Some(end) => {
                self.runners[runner].remove(0);
                vec![Happened::Ended { lease, end }]
            }
            None => {
                busy.next += 1;
                busy.at += PACE;
                if busy.next >= busy.end {
                    self.runners[runner].remove(0);
                }
                self.made[index as usize] += 1;
                let segment = SegmentId { rendition: 0, index };
                let effort = Resources { cpu_ms: 500, ..Resources::default() };
                let measured = Measured { segments: 1, pace_ms: PACE as u32, effort };
                vec![
                    Happened::Measured { lease, measured },
                    Happened::Ready { lease, segment },
                    Happened::Published { lease, segment },
                ]
            }
        };
        for event in events {
            let news = self.pool.tell(Moment(self.now), runner, event);
            self.hear(news);
        }
    }

    /// Until all is made or cannot be.
    fn run(mut self) -> Self {
        while !self.finished && self.failed.is_none() {
            let next = |(at, busy): (usize, &Vec<Busy>)| busy.first().map(|busy| (busy.at, at));
            let next = self.runners.iter().enumerate().filter_map(next).min();
            let due = self.pool.deadline().map_or(u64::MAX, |at| at.0.max(self.now));
            match next.filter(|(at, _)| *at <= due) {
                Some((at, runner)) => {
                    self.now = self.now.max(at);
                    self.make(runner);
                }
                None => {
                    self.now = due;
                    let news = self.pool.tick(Moment(due));
                    self.hear(news);
                }
            }
            assert!(self.now < 10_000 * SECOND, "it never ends: {:?}", self.runners);
        }
        self
    }
}

fn undisturbed(segments: u32, runners: u32) -> World<impl FnMut(usize, u32) -> Option<SpanEnd>> {
    World::new(runners, facts(segments, Vec::new()), |_, _| None).run()
}

#[test]
fn everything_is_made_once() {
    for (segments, runners) in [(1, 2), (4, 2), (10, 2), (60, 2), (3600, 2), (3600, 16), (7, 7)] {
        let world = undisturbed(segments, runners);
        assert!(world.finished);
        assert_eq!(world.made, vec![1; segments as usize], "{segments} by {runners}");
    }
}

#[test]
fn runners_end_at_about_the_same_time() {
    // In hundredths of what it would take if nothing were lost.
    let found = [(10, 2), (60, 2), (3600, 2), (74, 4), (150, 8), (250, 16), (3600, 16)].map(
        |(segments, runners)| {
            undisturbed(segments, runners).now * u64::from(runners) / 10 / u64::from(segments)
        },
    );
    let bounds = [125, 115, 102, 120, 120, 120, 105];
    let kept = found.iter().zip(bounds).all(|(found, bound)| *found <= bound);
    assert!(kept, "{found:?} of {bounds:?}");
}

#[test]
fn one_runner_makes_everything_in_one_span() {
    assert_eq!(undisturbed(3600, 1).begun, [Span { first: 0, end: 3600 }]);
}

#[test]
fn what_is_there_is_not_made_again_and_what_is_apart_is_made_apart() {
    let there = [(0, 3), (5, 9), (10, 20)].map(|(first, end)| (0, Span { first, end }));
    let world = World::new(1, facts(20, there.to_vec()), |_, _| None).run();
    assert_eq!(world.begun, [Span { first: 3, end: 5 }, Span { first: 9, end: 10 }]);
}

#[test]
fn a_runner_that_fails_once_costs_only_what_it_had_begun() {
    let mut died = false;
    let dies = |runner, index| {
        let dies = runner == 0 && index == 3 && !std::mem::replace(&mut died, true);
        dies.then_some(SpanEnd::Died)
    };
    let world = World::new(2, facts(40, Vec::new()), dies).run();
    assert!(world.finished);
    assert_eq!(world.made, [1; 40]);
}

#[test]
fn a_segment_that_ends_every_process_ends_the_job_and_is_named() {
    // With nobody else to try it, one runner is asked more often.
    for (runners, attempts) in [(1, 5), (2, 3), (4, 3)] {
        let dies = |_, index| (index == 17).then_some(SpanEnd::Died);
        let failure = World::new(runners, facts(40, Vec::new()), dies).run().failed.unwrap();
        assert_eq!((failure.segment, failure.attempts), (17, attempts));
    }
}

#[test]
fn whoever_kills_processes_is_outlasted() {
    let mut kills = 0;
    let killed = |_, index| {
        kills += 1;
        (index < 4 && kills < 12).then_some(SpanEnd::Killed)
    };
    let world = World::new(1, facts(4, Vec::new()), killed).run();
    assert!(world.finished, "{:?}", world.failed);
    // For a minute or so, with pauses.
    assert!(world.now > 20 * SECOND, "{}", world.now);
}

#[test]
fn a_source_that_two_processes_find_damaged_ends_the_job() {
    for runners in [1, 2] {
        let failure = SpanFailure {
            class: FailureClass::Source,
            message: "no such luck".to_owned(),
            log: Vec::new(),
        };
        let fails = |_, index| (index == 5).then(|| SpanEnd::Failed(failure.clone()));
        let failed = World::new(runners, facts(20, Vec::new()), fails).run().failed.unwrap();
        assert_eq!((failed.segment, failed.class), (5, Some(FailureClass::Source)));
        assert!(failed.words.contains("no such luck"), "{failed:?}");
    }
}

#[test]
fn storage_that_stays_away_ends_the_job_after_half_a_minute() {
    for runners in [1, 2, 4] {
        let failure = SpanFailure {
            class: FailureClass::Transient,
            message: "the disk is gone".to_owned(),
            log: Vec::new(),
        };
        let fails = |_, _| Some(SpanEnd::Failed(failure.clone()));
        let world = World::new(runners, facts(60, Vec::new()), fails).run();
        let failed = world.failed.unwrap();
        assert_eq!((failed.attempts, failed.class), (6, Some(FailureClass::Transient)));
        assert!((30 * SECOND..120 * SECOND).contains(&world.now), "{}", world.now);
    }
}

#[test]
fn nobody_waits_for_a_process_that_hangs_but_for_its_segment() {
    // The first process stops in its first segment for two minutes, as long as patience may be.
    let mut world = World::new(2, facts(60, Vec::new()), |_, _| None);
    let hangs = world.runners[0][0];
    world.runners[0][0].at = 120 * SECOND;
    let world = world.run();
    assert_eq!(world.now, 120 * SECOND);
    let (first, second) = (hangs.order.span.first, hangs.order.span.first + 1);
    assert_eq!(world.made, [1; 60]);
    assert!(world.begun.contains(&hangs.order.span) && world.begun.len() > 2);
    assert!(world.begun.iter().any(|span| span.first == second), "{first}: {:?}", world.begun);
}
