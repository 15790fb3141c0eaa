//! Owns the work while it is done: gives leases to runners, and decides what their reports mean.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use segue_media::span::lead_in;
use segue_model::{Span, SpanFailure, Time};

use super::closing;
use super::runner::{Outcome, Report, Runner, Shop};
use super::work::{Lease, Loss, Verdict, Work};
use crate::ending::{Ending, with_causes};
use crate::interrupt::Interrupt;
use crate::output::OutputError;
use crate::progress::{Event, Reporter, Tally};
use segue_worker::span_process::{Death, EndedBy, SpanProcess};

/// One run over a directory.
pub struct Foreman<'a> {
    shop: Arc<Shop>,
    reporter: &'a mut Reporter,
    interrupt: Interrupt,
    work: Work,
    tally: Tally,
    since: Instant,
    /// Span processes that died.
    deaths: u64,
}

/// How often the clock on the bar goes on.
const TICK: Duration = Duration::from_secs(1);

impl<'a> Foreman<'a> {
    /// Sees what there is to do.
    pub fn new(
        jobs: u32,
        shop: Arc<Shop>,
        reporter: &'a mut Reporter,
        interrupt: Interrupt,
    ) -> Foreman<'a> {
        let missing = shop.output.missing();
        let left: u32 = missing.iter().map(|span| span.len()).sum();
        let jobs = jobs.min(left).max(1);
        let job = shop.output.job();
        let renditions = job.recipe.renditions.len() as i64;
        let segments = i64::from(job.timeline.segments()) * renditions.max(1);
        let tally = Tally {
            segments: segments as u64,
            made: shop.output.made(),
            made_now: 0,
            film_per_segment: job.timeline.end() / Time::from_secs(segments),
            processes: jobs,
            elapsed: Duration::ZERO,
        };
        let lead_in = (0..job.timeline.segments()).map(|index| lead_in(job, index)).collect();
        let work = Work::new(missing, jobs, lead_in);
        Foreman { shop, reporter, interrupt, work, tally, since: Instant::now(), deaths: 0 }
    }

    /// Makes what is missing, and lets players in.
    pub fn run(
        mut self,
        first: Option<SpanProcess>,
        reports: Sender<Report>,
        inbox: &Receiver<Report>,
    ) -> Result<(), Ending> {
        let was_finished = self.shop.output.is_finished();
        self.announce(was_finished);
        if !was_finished {
            self.make_all(first, reports, inbox)?;
            self.shop.output.finish().map_err(|error| self.refused(&error))?;
        }
        self.tally.elapsed = self.since.elapsed();
        self.reporter.end();
        closing::show(&self.shop, &self.tally, self.deaths, was_finished, self.reporter);
        Ok(())
    }

    fn announce(&mut self, was_finished: bool) {
        let job = self.shop.output.job();
        let begun = Event::Job {
            id: job.id,
            source: &job.source.url,
            segments: self.tally.segments,
            made: self.tally.made,
            duration: job.timeline.end().as_secs_f64(),
            processes: self.tally.processes,
        };
        if was_finished {
            self.reporter.event(&begun);
            return;
        }
        if self.tally.made > 0 {
            let Tally { made, segments, .. } = self.tally;
            self.reporter.say(&format!("going on: {made} of {segments} segments are there"));
        }
        self.reporter.begin(&self.tally, &begun);
    }

    fn make_all(
        &mut self,
        mut first: Option<SpanProcess>,
        reports: Sender<Report>,
        inbox: &Receiver<Report>,
    ) -> Result<(), Ending> {
        let mut runners = Vec::new();
        let mut made = Ok(());
        for number in 0..self.tally.processes as usize {
            match Runner::start(number, self.shop.clone(), first.take(), reports.clone()) {
                Ok(runner) => runners.push(runner),
                Err(error) => made = Err(Ending::Failed(format!("{error}: try fewer --jobs"))),
            }
        }
        if made.is_ok() {
            made = self.lead(&runners, inbox);
        }
        if made.is_err() {
            self.shop.spawner.kill_all();
        }
        for runner in runners {
            runner.join();
        }
        if made.is_err() {
            self.shop.output.leave();
        }
        made
    }

    fn lead(&mut self, runners: &[Runner], inbox: &Receiver<Report>) -> Result<(), Ending> {
        let mut idle: Vec<usize> = (0..runners.len()).rev().collect();
        loop {
            for (runner, lease) in hand_out(&mut self.work, &mut idle, Instant::now()) {
                runners[runner].give(lease);
            }
            if self.work.is_finished() {
                return Ok(());
            }
            let wait = wait(&self.work, !idle.is_empty(), Instant::now());
            let Some(report) = self.next_report(inbox, wait) else { continue };
            if self.interrupt.happened() {
                return Err(self.interrupted());
            }
            match report {
                Report::Started { pid, unenforced } => self.reporter.process(pid, &unenforced),
                Report::Published { id, bytes, pid } => {
                    self.tally.made += 1;
                    self.tally.made_now += 1;
                    let rendition =
                        &self.shop.output.job().recipe.renditions[id.rendition as usize];
                    let (rendition, index) = (&rendition.name, id.index);
                    self.reporter.event(&Event::Segment { rendition, index, bytes, pid });
                    self.show();
                }
                Report::Returned { runner, lease, outcome } => {
                    self.returned(lease, outcome)?;
                    idle.push(runner);
                }
                Report::Interrupted => return Err(self.interrupted()),
            }
        }
    }

    /// `None` when nothing came in that time.
    fn next_report(&mut self, inbox: &Receiver<Report>, wait: Duration) -> Option<Report> {
        match inbox.recv_timeout(wait) {
            Ok(report) => Some(report),
            // This thread holds a sender: the channel cannot close.
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                self.show();
                None
            }
        }
    }

    fn show(&mut self) {
        self.tally.elapsed = self.since.elapsed();
        self.reporter.advance(&self.tally);
    }

    fn returned(&mut self, lease: Lease, outcome: Outcome) -> Result<(), Ending> {
        let (loss, end) = match outcome {
            Outcome::Done => {
                self.work.done(lease);
                return Ok(());
            }
            Outcome::Output(error) => return Err(self.refused(&error)),
            Outcome::SourceChanged => return Err(self.source_changed()),
            Outcome::Died(death) => {
                self.deaths += 1;
                let loss = if death.ended_by.from_outside() { Loss::Kill } else { Loss::Death };
                (loss, End::Death(death))
            }
            Outcome::Failed(failure) => (Loss::Failure(failure.class), End::Failure(failure)),
        };
        let Some(first_missing) = self.shop.output.first_missing(lease.span) else {
            // Too late to do harm: everything is there.
            self.tell(&end, lease.span.end - 1, None);
            self.work.done(lease);
            return Ok(());
        };
        match self.work.lost(lease, first_missing, loss, Instant::now()) {
            Verdict::Again { rest, pause } => {
                self.tell(&end, first_missing, Some(rest));
                if !pause.is_zero() {
                    self.reporter.say(&format!("waiting {} s before that", pause.as_secs()));
                }
                Ok(())
            }
            Verdict::GiveUp { segment, attempts } => {
                self.tell(&end, segment, None);
                Err(self.hopeless(segment, attempts, &end))
            }
        }
    }

    fn tell(&self, end: &End, segment: u32, rest: Option<Span>) {
        match end {
            End::Death(death) => self.reporter.died(death, segment, rest),
            End::Failure(failure) if rest.is_some() => self.reporter.note(&format!(
                "{} at segment {segment}: trying again in another process",
                failure.message
            )),
            End::Failure(_) => {}
        }
    }

    fn hopeless(&self, segment: u32, attempts: u32, end: &End) -> Ending {
        let name = self.shop.source.name();
        let at = self.shop.output.job().timeline.start_of(segment).as_secs_f64();
        let at = format!("segment {segment} ({} into the film)", crate::progress::clock(at));
        let text = match end {
            End::Death(death) => {
                let last = death.last_words.last();
                let last = last.map(|line| format!("; it last said: {line}")).unwrap_or_default();
                let advice = match death.ended_by {
                    EndedBy::Signal(libc::SIGKILL) => {
                        ": if memory is short, try --jobs 1; otherwise the film may be damaged there"
                    }
                    _ => ": the film is probably damaged there",
                };
                format!("{name}: {at} ended {attempts} span processes; {death}{last}{advice}")
            }
            End::Failure(failure) => {
                let last = failure.log.last();
                let last = last.map(|line| format!(" ({line})")).unwrap_or_default();
                let (class, message) = (failure.class, &failure.message);
                format!("{name}: {at} failed {attempts} times: {message}{last} [{class}]")
            }
        };
        Ending::Failed(self.with_what_is_kept(text))
    }

    fn interrupted(&self) -> Ending {
        Ending::Interrupted(self.with_what_is_kept("interrupted".to_owned()))
    }

    fn refused(&self, error: &OutputError) -> Ending {
        Ending::Failed(self.with_what_is_kept(with_causes(error)))
    }

    fn source_changed(&self) -> Ending {
        let name = self.shop.source.name();
        let directory = self.shop.output.directory().display();
        let what_now = if self.shop.output.made() == 0 {
            "start again when it stays as it is".to_owned()
        } else {
            format!(
                "the segments in {directory} show what it was: remove that directory, and start \
                 again when the film stays as it is"
            )
        };
        Ending::Failed(format!("{name} was changed or replaced while it was read: {what_now}"))
    }

    fn with_what_is_kept(&self, text: String) -> String {
        let (made, segments) = (self.shop.output.made(), self.tally.segments);
        if made == 0 {
            return text;
        }
        format!(
            "{text}: {made} of {segments} segments are kept, the same command goes on from there"
        )
    }
}

/// How a lease was lost, for words.
enum End {
    Death(Death),
    Failure(SpanFailure),
}

/// Gives everybody who is idle a span, as long as there are any to make now.
fn hand_out(work: &mut Work, idle: &mut Vec<usize>, now: Instant) -> Vec<(usize, Lease)> {
    let mut given = Vec::new();
    while let Some(runner) = idle.pop() {
        let Some(lease) = work.next(now) else {
            idle.push(runner);
            break;
        };
        given.push((runner, lease));
    }
    given
}

/// How long to wait for a report before looking at the work again: until a span that waits is due,
/// if somebody is free to make it. If nobody is, there is nothing to do about it before a report
/// comes.
fn wait(work: &Work, is_somebody_free: bool, now: Instant) -> Duration {
    let due = work.next_due().filter(|_| is_somebody_free);
    due.map_or(TICK, |at| at.saturating_duration_since(now).min(TICK))
}

#[cfg(test)]
mod tests {
    use segue_model::FailureClass;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Pieces of one segment each: 0, 4 and 8.
    fn work() -> Work {
        let pieces = [0, 4, 8].map(|first| Span { first, end: first + 1 });
        Work::new(pieces.to_vec(), 2, Vec::new())
    }

    fn firsts(given: &[(usize, Lease)]) -> Vec<(usize, u32)> {
        given.iter().map(|(runner, lease)| (*runner, lease.span.first)).collect()
    }

    /// The first of two spans has trouble with its storage, and is due again a second later.
    fn after_trouble(work: &mut Work, idle: &mut Vec<usize>, now: Instant) -> Lease {
        let given = hand_out(work, idle, now);
        assert_eq!(firsts(&given), [(0, 0), (1, 4)]);
        let [(trouble, lost), (_, other)] = <[_; 2]>::try_from(given).expect("two were given");
        work.lost(lost, 0, Loss::Failure(FailureClass::Transient), now);
        idle.push(trouble);
        other
    }

    #[test]
    fn a_piece_that_falls_due_when_no_runner_is_idle_is_given_out_as_soon_as_one_is() {
        let (mut work, mut idle, now) = (work(), vec![1, 0], Instant::now());
        let other = after_trouble(&mut work, &mut idle, now);
        assert_eq!(firsts(&hand_out(&mut work, &mut idle, now)), [(0, 8)]);

        // Long due, and everybody is busy: only a report can help, and waiting for one costs nothing.
        let later = now + 5 * SECOND;
        assert_eq!(hand_out(&mut work, &mut idle, later), []);
        assert_eq!(wait(&work, !idle.is_empty(), later), TICK);

        work.done(other);
        idle.push(1);
        assert_eq!(firsts(&hand_out(&mut work, &mut idle, later)), [(1, 0)]);
    }

    #[test]
    fn a_runner_that_is_idle_gets_a_piece_when_it_falls_due_and_not_before() {
        let (mut work, mut idle, now) = (work(), vec![1, 0], Instant::now());
        let other = after_trouble(&mut work, &mut idle, now);
        work.done(other);
        idle.insert(0, 1);
        assert_eq!(firsts(&hand_out(&mut work, &mut idle, now)), [(0, 8)]);
        assert_eq!(idle, [1]);

        let half = now + SECOND / 2;
        assert_eq!(hand_out(&mut work, &mut idle, half), []);
        assert_eq!(wait(&work, !idle.is_empty(), half), SECOND / 2);
        assert_eq!(wait(&work, !idle.is_empty(), now + SECOND), Duration::ZERO);
        assert_eq!(firsts(&hand_out(&mut work, &mut idle, now + SECOND)), [(1, 0)]);
    }
}
