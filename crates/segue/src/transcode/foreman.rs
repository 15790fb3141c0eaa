//! Owns the work while it is done: tells the pool what runners report, tells runners what it decides,
//! and people what that means.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use segue_dispatch::Moment;
use segue_dispatch::planner::JobFailure;
use segue_dispatch::session::Event as Happened;
use segue_model::pool::{LeaseId, Order, Screened, SpanEnd};
use segue_model::{Span, SpanFailure, Time};

use super::closing;
use super::pool::{News, Pool};
use super::runner::{Outcome, Report, Runner, Shop, Task};
use crate::ending::{Ending, with_causes};
use crate::interrupt::Interrupt;
use crate::output::OutputError;
use crate::progress::{Event, Reporter, Tally};
use segue_worker::Control;
use segue_worker::span_process::{Death, EndedBy, SpanProcess};

/// One run over a directory.
pub struct Foreman<'a> {
    shop: Arc<Shop>,
    reporter: &'a mut Reporter,
    interrupt: Interrupt,
    controls: HashMap<LeaseId, Arc<Control>>,
    tally: Tally,
    since: Instant,
    /// Span processes that died.
    deaths: u64,
    /// How a lease was lost last.
    last_end: Option<End>,
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
            workers: jobs,
            elapsed: Duration::ZERO,
        };
        let (controls, since) = (HashMap::new(), Instant::now());
        Foreman { shop, reporter, interrupt, controls, tally, since, deaths: 0, last_end: None }
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
            workers: self.tally.workers,
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
        for number in 0..self.tally.workers as usize {
            match Runner::start(number, self.shop.clone(), first.take(), reports.clone()) {
                Ok(runner) => runners.push(runner),
                Err(error) => made = Err(Ending::Failed(format!("{error}: try fewer --jobs"))),
            }
        }
        if made.is_ok() {
            made = self.lead(&runners, inbox);
        }
        // Whatever is still at work, nobody waits for it.
        self.controls.values().for_each(|control| control.stop());
        self.shop.spawner.kill_all();
        for runner in runners {
            runner.join();
        }
        if made.is_err() {
            self.shop.output.leave();
        }
        made
    }

    fn lead(&mut self, runners: &[Runner], inbox: &Receiver<Report>) -> Result<(), Ending> {
        let output = &self.shop.output;
        let facts = segue_scheduler::job_facts(output.job(), output.published());
        let mut pool = Pool::new(runners.len() as u32, self.shop.threads, self.now());
        let mut news = pool.begin(self.now(), facts);
        loop {
            let mut is_finished = false;
            for news in news {
                match news {
                    News::Start { runner, order } => {
                        let control = Arc::new(Control::new(order.span.end));
                        self.controls.insert(order.lease, control.clone());
                        runners[runner].give(Task::Make(order, control));
                    }
                    News::Move { lease, end } => {
                        self.controls.get(&lease).inspect(|control| control.move_end(end));
                    }
                    News::Stop(lease) => {
                        self.controls.remove(&lease).inspect(|control| control.stop());
                    }
                    News::Screen { runner, screening } => {
                        runners[runner].give(Task::Screen(screening));
                    }
                    News::LeftAlone { runner, pause } => self.reporter.note(&format!(
                        "processes of worker {} fail again and again: it pauses for {} s and is tried \
                         before it goes on",
                        runner + 1,
                        pause.div_ceil(1000)
                    )),
                    News::Finished => is_finished = true,
                    News::Failed(failure) => return Err(self.hopeless(&failure)),
                }
            }
            if is_finished {
                return Ok(());
            }
            self.show(&pool);
            // The caller holds a sender: the channel cannot close.
            let report = inbox.recv_timeout(self.wait(&pool)).ok();
            if self.interrupt.happened() {
                return Err(self.interrupted());
            }
            news = match report {
                Some(report) => self.reported(report, &mut pool)?,
                None => pool.tick(self.now()),
            };
        }
    }

    /// The pool's clock.
    fn now(&self) -> Moment {
        Moment(self.since.elapsed().as_millis() as u64)
    }

    fn wait(&self, pool: &Pool) -> Duration {
        let due = pool.deadline().map_or(TICK, |at| Duration::from_millis(at.since(self.now())));
        due.min(TICK)
    }

    fn reported(&mut self, report: Report, pool: &mut Pool) -> Result<Vec<News>, Ending> {
        let now = self.now();
        Ok(match report {
            Report::Started { pid, unenforced } => {
                self.reporter.process(pid, &unenforced);
                Vec::new()
            }
            Report::Published { lease, runner, id, bytes, pid, measured } => {
                if let Some(bytes) = bytes {
                    self.tally.made += 1;
                    self.tally.made_now += 1;
                    let renditions = &self.shop.output.job().recipe.renditions;
                    let rendition = &renditions[id.rendition as usize].name;
                    self.reporter.event(&Event::Segment { rendition, index: id.index, bytes, pid });
                }
                // What is made is in its place already.
                let happened = [
                    Happened::Measured { lease, measured },
                    Happened::Ready { lease, segment: id },
                    Happened::Published { lease, segment: id },
                ];
                happened.into_iter().flat_map(|event| pool.tell(now, runner, event)).collect()
            }
            Report::Returned { runner, order, outcome } => {
                let lease = order.lease;
                // What was taken from it meanwhile is another's.
                let end = self.controls.remove(&lease).map_or(order.span.end, |it| it.end());
                let order = Order { span: Span { end, ..order.span }, ..order };
                match self.returned(order, outcome)? {
                    Some(end) => pool.tell(now, runner, Happened::Ended { lease, end }),
                    None => Vec::new(),
                }
            }
            Report::Screened { runner, screening, passed } => {
                pool.tell(now, runner, Happened::Screened(Screened { screening, passed }))
            }
            Report::Interrupted => return Err(self.interrupted()),
        })
    }

    fn show(&mut self, pool: &Pool) {
        self.tally.elapsed = self.since.elapsed();
        self.reporter.advance(&self.tally, &pool.spans());
    }

    /// How a lease was lost, if it was.
    fn returned(&mut self, order: Order, outcome: Outcome) -> Result<Option<SpanEnd>, Ending> {
        let (end, how) = match outcome {
            Outcome::Done => return Ok(None),
            Outcome::Output(error) => return Err(self.refused(&error)),
            Outcome::SourceChanged => return Err(self.source_changed()),
            Outcome::Died(death) => {
                self.deaths += 1;
                let from_outside = death.ended_by.from_outside();
                let end = if from_outside { SpanEnd::Killed } else { SpanEnd::Died };
                (end, End::Death(death))
            }
            Outcome::Failed(failure) => (SpanEnd::Failed(failure.clone()), End::Failure(failure)),
        };
        let segment = self.shop.output.first_missing(order.span, order.renditions);
        match &how {
            End::Death(death) => {
                let last = order.span.end.saturating_sub(1);
                self.reporter.died(death, segment.unwrap_or(last), segment.is_some());
            }
            End::Failure(failure) => {
                if let Some(segment) = segment {
                    let message = &failure.message;
                    self.reporter
                        .note(&format!("{message} at segment {segment}: it is tried again"));
                }
            }
        }
        self.last_end = Some(how);
        Ok(Some(end))
    }

    fn hopeless(&self, failure: &JobFailure) -> Ending {
        let JobFailure { segment, attempts, words, .. } = failure;
        let name = self.shop.source.name();
        let at = self.shop.output.job().timeline.start_of(*segment).as_secs_f64();
        let at = format!("segment {segment} ({} into the film)", crate::progress::clock(at));
        let text = match &self.last_end {
            None => format!("{name}: {at} failed {attempts} times: {words}"),
            Some(End::Death(death)) => {
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
            Some(End::Failure(failure)) => {
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
