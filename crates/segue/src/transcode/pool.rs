//! A pool within this process: the planner that schedulers run, and for each runner the session that
//! workers have. What travels between machines elsewhere is handed over here.
//!
//! Pure: never does I/O or reads a clock. Start at [`Pool::tell`].

use std::collections::VecDeque;

use segue_dispatch::planner::{
    Claim, Decision, Event, JobFacts, JobFailure, LeaseView, Note, Policy, Purpose,
};
use segue_dispatch::session::{self, Action, Patience};
use segue_dispatch::{Millis, Moment, Planner, Session};
use segue_model::JobId;
use segue_model::pool::{
    Capabilities, ClaimId, DeviceCapabilities, EncoderFamily, LeaseId, Order, Renditions,
    Resources, Screening, Term, WorkerId,
};

use crate::bars::SpanShown;

/// Within one process nobody is cut off, and nothing waits for a network: what guards against that is
/// put off for longer than anything runs. Span processes that hang are their runner's business.
const NEVER: Millis = 20 * 24 * 3_600_000;
/// What a second of the reference work takes of a processor, about; all runners are alike, so that it
/// matters only until the first segments are measured.
const GUESS: Resources = Resources { video_ms: 0, render_ms: 0, cpu_ms: 1_000, memory_mib: 0 };
/// Files that cannot be read, and processes that cannot be started, are waited for half a minute: with
/// pauses of 1, 2, 4, 8 and 16 s.
const TRANSIENT_MAX: u32 = 6;
const TERM: Term = Term(1);
const CLAIM: ClaimId = ClaimId(1);

/// What a runner is to do, or what came of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// Begin a span.
    Start {
        /// Who.
        runner: usize,
        /// What.
        order: Order,
    },
    /// A span ends elsewhere now.
    Move {
        /// Which.
        lease: LeaseId,
        /// The segment after its last.
        end: u32,
    },
    /// Nobody wants more of a span.
    Stop(LeaseId),
    /// See whether processes work at all.
    Screen {
        /// Who.
        runner: usize,
        /// What to answer to.
        screening: Screening,
    },
    /// A runner's processes failed too often.
    LeftAlone {
        /// Whose.
        runner: usize,
        /// For so long; then it is screened.
        pause: Millis,
    },
    /// All of the job is there.
    Finished,
    /// It cannot be made.
    Failed(JobFailure),
}

/// A planner and its sessions.
pub struct Pool {
    planner: Planner,
    sessions: Vec<Session>,
    job: Option<JobId>,
    news: Vec<News>,
}

/// What one side says to the other.
enum Letter {
    ToPlanner(Event),
    ToSession(usize, session::Event),
}

impl Pool {
    /// For so many runners, each of which keeps so many threads busy, with nothing to do yet.
    pub fn new(runners: u32, threads: u32, now: Moment) -> Pool {
        let planner = Planner::new(TERM, policy(), now);
        let session = |number: u32| {
            let id = WorkerId(number.into());
            Session::new(id, 1, capabilities(threads), patience(), now)
        };
        let sessions = (0..runners).map(session).collect();
        Pool { planner, sessions, job: None, news: Vec::new() }
    }

    /// Gives out all that `facts` says is not there yet.
    pub fn begin(&mut self, now: Moment, facts: JobFacts) -> Vec<News> {
        self.job = Some(facts.id);
        let renditions = Renditions::first(facts.renditions_per_mille.len() as u32);
        let purpose = Purpose::Batch { renditions, deadline: None };
        let claim = Claim { job: facts.id, purpose, until: None };
        // Everybody is there when the work is shared out.
        let all = 0..self.sessions.len();
        let mut letters: VecDeque<_> =
            all.map(|runner| Letter::ToSession(runner, session::Event::Connected)).collect();
        self.deliver(now, &mut letters);
        letters.push_back(Letter::ToPlanner(Event::Job(facts)));
        letters.push_back(Letter::ToPlanner(Event::Claim { id: CLAIM, claim }));
        self.deliver(now, &mut letters);
        std::mem::take(&mut self.news)
    }

    /// Something happened to a runner.
    pub fn tell(&mut self, now: Moment, runner: usize, event: session::Event) -> Vec<News> {
        self.deliver(now, &mut VecDeque::from([Letter::ToSession(runner, event)]));
        std::mem::take(&mut self.news)
    }

    /// Time has passed.
    pub fn tick(&mut self, now: Moment) -> Vec<News> {
        let all = 0..self.sessions.len();
        let mut letters: VecDeque<_> =
            all.map(|runner| Letter::ToSession(runner, session::Event::Tick)).collect();
        letters.push_back(Letter::ToPlanner(Event::Tick));
        self.deliver(now, &mut letters);
        std::mem::take(&mut self.news)
    }

    /// When to call [`Pool::tick`] if nothing happens before.
    pub fn deadline(&self) -> Option<Moment> {
        let sessions = self.sessions.iter().filter_map(Session::deadline);
        sessions.chain(self.planner.deadline()).min()
    }

    /// What is being made.
    pub fn spans(&self) -> Vec<SpanShown> {
        let job = self.job.and_then(|job| self.planner.job(job));
        let leases = job.map(|job| job.leases).unwrap_or_default();
        let running = leases.into_iter().filter(|lease| !lease.ended);
        let shown = |lease: LeaseView| SpanShown {
            worker: format!("worker {}", lease.worker.0 + 1),
            span: lease.span,
            ready_through: lease.ready_through,
        };
        running.map(shown).collect()
    }

    /// Until nobody has anything to say any more.
    fn deliver(&mut self, now: Moment, letters: &mut VecDeque<Letter>) {
        while let Some(letter) = letters.pop_front() {
            match letter {
                Letter::ToPlanner(event) => {
                    for decision in self.planner.handle(now, event) {
                        letters.extend(self.decided(decision));
                    }
                }
                Letter::ToSession(runner, event) => {
                    let Some(session) = self.sessions.get_mut(runner) else { continue };
                    for action in session.handle(now, event) {
                        letters.extend(self.acts(runner, action));
                    }
                }
            }
        }
    }

    fn decided(&mut self, decision: Decision) -> Option<Letter> {
        match decision {
            Decision::Desire { worker, desired } => {
                let desired = session::Event::Desired(desired);
                return Some(Letter::ToSession(worker.0 as usize, desired));
            }
            Decision::Answer { worker, answer } => {
                let answer = session::Event::Answer(answer);
                return Some(Letter::ToSession(worker.0 as usize, answer));
            }
            Decision::Finished { .. } => self.news.push(News::Finished),
            Decision::Failed { failure, .. } => self.news.push(News::Failed(failure)),
            Decision::Noted(Note::Quarantined { device, pause }) => {
                self.news.push(News::LeftAlone { runner: device.worker.0 as usize, pause });
            }
            // There is one job, which was told before it was claimed; one planner; and no session is
            // ever replaced.
            Decision::Forgotten(_)
            | Decision::Unknown { .. }
            | Decision::NameTaken { .. }
            | Decision::NotGreeted { .. }
            | Decision::Outranked { .. }
            // What runners see, they tell themselves.
            | Decision::Noted(_) => {}
        }
        None
    }

    fn acts(&mut self, runner: usize, action: Action) -> Option<Letter> {
        match action {
            Action::Hello(hello) => return Some(Letter::ToPlanner(Event::Connected(hello))),
            Action::Status(status) => return Some(Letter::ToPlanner(Event::Status(status))),
            Action::Beat(beat) => return Some(Letter::ToPlanner(Event::Beat(beat))),
            Action::Start(order) => self.news.push(News::Start { runner, order }),
            Action::Move { lease, end } => self.news.push(News::Move { lease, end }),
            Action::Stop(lease) => self.news.push(News::Stop(lease)),
            Action::Screen(screening) => self.news.push(News::Screen { runner, screening }),
            // What is made is in its place already; and nobody leaves.
            Action::Release(_) | Action::Leave => {}
        }
        None
    }
}

fn policy() -> Policy {
    Policy {
        suspect: NEVER,
        suspect_idle: NEVER,
        fence: NEVER,
        lease: 2 * NEVER,
        stall: NEVER,
        stall_first: NEVER,
        storage: NEVER,
        settle: 0,
        // Nobody else is coming.
        alone_after: 0,
        transient_max: Some(TRANSIENT_MAX),
        ..Policy::default()
    }
}

fn patience() -> Patience {
    let (beat, beat_idle) = (NEVER, NEVER);
    let (hang, hang_first, storage) = (NEVER, NEVER, NEVER);
    Patience { beat, beat_idle, hang, hang_first, storage, ..Patience::default() }
}

/// A runner as a worker: one processor, one span at a time.
fn capabilities(threads: u32) -> Capabilities {
    let capacity = Resources { cpu_ms: threads.max(1) * 1_000, ..Resources::default() };
    let device = DeviceCapabilities {
        name: "x264".to_owned(),
        family: EncoderFamily::X264,
        capacity,
        calibration: GUESS,
        spans_max: 1,
        batch_spans: 1,
    };
    Capabilities { name: "runner".to_owned(), devices: vec![device] }
}

#[cfg(test)]
mod tests;
