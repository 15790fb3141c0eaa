//! Owns the work while it is done: gives leases to runners, and decides what their reports mean.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use segue_media::span::SpanReport;
use segue_model::{Span, SpanFailure, Time};

use super::closing;
use super::runner::{Outcome, Report, Runner, Shop};
use super::work::{Lease, Loss, Verdict, Work};
use crate::ending::{Ending, with_causes};
use crate::interrupt::Interrupt;
use crate::output::OutputError;
use crate::progress::{Event, Reporter, Tally};
use crate::span_process::{Death, EndedBy, SpanProcess};

/// One run over a directory.
pub struct Foreman<'a> {
    shop: Arc<Shop>,
    reporter: &'a mut Reporter,
    interrupt: Interrupt,
    work: Work,
    tally: Tally,
    since: Instant,
    found: Found,
}

/// What came to light on the way.
#[derive(Debug, Default)]
pub struct Found {
    /// Span processes that died.
    pub deaths: u64,
    /// What decoders complained about.
    pub damaged: u64,
    /// By how much the film ended early.
    pub short_by: Option<Time>,
}

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
        let work = Work::new(missing, jobs);
        let (since, found) = (Instant::now(), Found::default());
        Foreman { shop, reporter, interrupt, work, tally, since, found }
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
        closing::show(&self.shop, &self.tally, &self.found, was_finished, self.reporter);
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
            while let Some(runner) = idle.pop() {
                match self.work.next(Instant::now()) {
                    Some(lease) => runners[runner].give(lease),
                    None => {
                        idle.push(runner);
                        break;
                    }
                }
            }
            if self.work.is_finished() {
                return Ok(());
            }
            let Some(report) = self.next_report(inbox, !idle.is_empty()) else { continue };
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

    /// `None` when nothing came before a waiting span is due and somebody is free to make it, or the
    /// clock on the bar should go on.
    fn next_report(&mut self, inbox: &Receiver<Report>, free: bool) -> Option<Report> {
        let tick = Duration::from_secs(1);
        let due = self.work.next_due().filter(|_| free);
        let due = due.map(|at| at.saturating_duration_since(Instant::now()));
        match inbox.recv_timeout(due.unwrap_or(tick).min(tick)) {
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
            Outcome::Done(report) => {
                self.work.done(lease);
                self.note_report(report);
                return Ok(());
            }
            Outcome::Output(error) => return Err(self.refused(&error)),
            Outcome::SourceChanged => return Err(self.source_changed()),
            Outcome::Died(death) => {
                self.found.deaths += 1;
                let loss = if death.ended_by.from_outside() { Loss::Kill } else { Loss::Death };
                (loss, End::Death(death))
            }
            Outcome::Failed(failure) => (Loss::Failure(failure.class), End::Failure(failure)),
        };
        let Some(first_missing) = self.shop.output.first_missing(lease.span) else {
            // It died of its last breath: everything is there.
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

    fn note_report(&mut self, report: SpanReport) {
        self.found.damaged += report.damaged;
        self.found.short_by = self.found.short_by.max(report.short_by);
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
        let name = self.shop.source.path().display();
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
        let name = self.shop.source.path().display();
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
