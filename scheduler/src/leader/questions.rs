//! Who is asked to look at a source, and whose answer counts. Decides only; the owner sends.
//!
//! The same source asked for by many at once is one question, and an answer is believed for a while:
//! a thousand submits of one film look at it once. A worker that fails is not believed at once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use segue_api::Described;
use segue_dispatch::{Millis, Moment};
use segue_model::pool::WorkerId;
use segue_model::{FailureClass, Fingerprint, SourceFacts, SpanFailure};

use super::Answer;

/// A worker looks at so many sources at once.
const AT_ONCE_MAX: usize = 4;
/// So many workers are asked before their failures are believed.
const ASKED_MAX: usize = 4;
/// So many have to blame the source, if there are so many.
const ACCUSERS: usize = 2;
/// After so many were lost over a source nobody else is sent to it.
const LOST_MAX: u32 = 2;
/// Who waits for an answer waits so long.
const PATIENCE: Millis = 30_000;
/// Whoever looks at a source for longer is not waited for; who asks again until then joins in.
const LOOKING_MAX: Millis = 600_000;
/// Files do not change from one second to the next, and the worker that reads one compares it to its
/// fingerprint.
const BELIEVED: Millis = 10_000;
const BELIEVED_MAX: usize = 1_000;

/// What is known of a source.
#[derive(Debug)]
pub struct Found {
    /// Which state of it was looked at.
    pub fingerprint: Fingerprint,
    /// What it is.
    pub facts: SourceFacts,
}

/// Why nothing is known of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDescribed {
    /// There is no worker.
    Nobody,
    /// All workers look at other sources.
    Busy,
    /// Who looks at it is not done yet.
    TooLong,
    /// Those that looked say why.
    Failed(SpanFailure),
}

#[derive(Debug)]
struct Waiter {
    until: Moment,
    answer: Answer<Result<Arc<Found>, NotDescribed>>,
}

#[derive(Debug)]
struct Question {
    source: String,
    asked: Option<(WorkerId, Moment)>,
    failed: Vec<(WorkerId, SpanFailure)>,
    /// How many streams broke while their workers looked at it.
    lost: u32,
    waiters: Vec<Waiter>,
}

impl Question {
    /// Whether somebody still waits for an answer.
    fn is_wanted(&self) -> bool {
        self.waiters.iter().any(|waiter| !waiter.answer.is_closed())
    }
}

/// An order to look at a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who is asked.
    pub worker: WorkerId,
    /// Names the question.
    pub question: u64,
    /// What to look at.
    pub source: String,
}

/// All open questions, and the latest answers.
#[derive(Debug, Default)]
pub struct Questions {
    latest: u64,
    open: BTreeMap<u64, Question>,
    by_source: HashMap<String, u64>,
    believed: HashMap<String, (Moment, Arc<Found>)>,
}

impl Questions {
    /// Somebody wants to know what a source is.
    pub fn ask(
        &mut self,
        now: Moment,
        source: String,
        answer: Answer<Result<Arc<Found>, NotDescribed>>,
    ) {
        if let Some((at, found)) = self.believed.get(&source)
            && now.since(*at) < BELIEVED
        {
            // Who asked may be gone.
            let _ = answer.send(Ok(found.clone()));
            return;
        }
        let waiter = Waiter { until: now + PATIENCE, answer };
        let known = self.by_source.get(&source).and_then(|number| self.open.get_mut(number));
        if let Some(question) = known {
            return question.waiters.push(waiter);
        }
        self.latest += 1;
        self.by_source.insert(source.clone(), self.latest);
        let (failed, waiters) = (Vec::new(), vec![waiter]);
        let question = Question { source, asked: None, failed, lost: 0, waiters };
        self.open.insert(self.latest, question);
    }

    /// Gives the questions that nobody looks into to `workers`, whoever has the fewest. Those that
    /// nobody waits for are dropped.
    pub fn assign(&mut self, now: Moment, workers: &[WorkerId]) -> Vec<Asked> {
        if self.open.values().all(|question| question.asked.is_some()) {
            return Vec::new();
        }
        self.drop_unwanted();
        let mut load: BTreeMap<WorkerId, usize> = workers.iter().map(|w| (*w, 0)).collect();
        for (worker, _) in self.open.values().filter_map(|question| question.asked) {
            if let Some(load) = load.get_mut(&worker) {
                *load += 1;
            }
        }
        let (mut asked, mut hopeless) = (Vec::new(), Vec::new());
        for (number, question) in self.open.iter_mut().filter(|(_, q)| q.asked.is_none()) {
            let failed = |worker: &WorkerId| question.failed.iter().any(|(w, _)| w == worker);
            let fresh = load.iter_mut().filter(|(worker, _)| !failed(worker));
            match fresh.min_by_key(|(_, load)| **load) {
                None if question.failed.is_empty() => {}
                None => hopeless.push(*number),
                Some((_, load)) if *load >= AT_ONCE_MAX => {}
                Some((worker, load)) => {
                    *load += 1;
                    question.asked = Some((*worker, now));
                    let source = question.source.clone();
                    asked.push(Asked { worker: *worker, question: *number, source });
                }
            }
        }
        for number in hopeless {
            self.give_up(number);
        }
        asked
    }

    /// A worker says what it found.
    pub fn answered(&mut self, now: Moment, worker: WorkerId, described: Described) {
        let Described { question: number, outcome } = described;
        let Some(question) = self.open.get_mut(&number) else { return };
        let failure = match outcome {
            Ok((fingerprint, facts)) => {
                let found = Arc::new(Found { fingerprint, facts });
                self.believe(now, number, &found);
                return self.conclude(number, &Ok(found));
            }
            Err(failure) => failure,
        };
        if question.asked.is_none_or(|(asked, _)| asked != worker) {
            return;
        }
        question.asked = None;
        question.failed.push((worker, failure));
        let accuses = |(_, failure): &&(_, SpanFailure)| failure.class == FailureClass::Source;
        let accusers = question.failed.iter().filter(accuses).count();
        if accusers >= ACCUSERS || question.failed.len() >= ASKED_MAX {
            self.give_up(number);
        }
    }

    /// What was found of a source may not be so any more.
    pub fn doubt(&mut self, source: &str) {
        self.believed.remove(source);
    }

    /// A question did not get to who was to be asked.
    pub fn not_sent(&mut self, number: u64) {
        if let Some(question) = self.open.get_mut(&number) {
            question.asked = None;
        }
    }

    /// A worker's stream is gone: others are asked what it was. A source that costs one worker after
    /// the other is left alone.
    pub fn gone(&mut self, worker: WorkerId) {
        let mut deadly = Vec::new();
        for (number, question) in &mut self.open {
            if question.asked.is_none_or(|(asked, _)| asked != worker) {
                continue;
            }
            question.asked = None;
            question.lost += 1;
            if question.lost >= LOST_MAX {
                question.failed.push((worker, lost(question.lost)));
                deadly.push(*number);
            }
        }
        for number in deadly {
            self.give_up(number);
        }
    }

    /// When [`Questions::expire`] has something to do.
    pub fn deadline(&self) -> Option<Moment> {
        let waiters = self.open.values().flat_map(|question| &question.waiters);
        let asked = self.open.values().filter_map(|question| question.asked);
        waiters.map(|waiter| waiter.until).chain(asked.map(|(_, at)| at + LOOKING_MAX)).min()
    }

    /// Those that waited too long are told so.
    pub fn expire(&mut self, now: Moment, anybody: bool) {
        let mut over = Vec::new();
        for (number, question) in &mut self.open {
            let why = match (question.asked, anybody) {
                (Some(_), _) => NotDescribed::TooLong,
                (None, true) => NotDescribed::Busy,
                (None, false) => NotDescribed::Nobody,
            };
            let waiters = std::mem::take(&mut question.waiters);
            let (late, patient) = waiters.into_iter().partition(|waiter| waiter.until <= now);
            question.waiters = patient;
            for Waiter { answer, .. } in Vec::from_iter::<Vec<Waiter>>(late) {
                let _ = answer.send(Err(why.clone()));
            }
            let looked_too_long =
                question.asked.is_some_and(|(_, at)| now.since(at) >= LOOKING_MAX);
            let unwanted = question.waiters.is_empty() && question.asked.is_none();
            if looked_too_long || unwanted {
                over.push(*number);
            }
        }
        for number in over {
            self.conclude(number, &Err(NotDescribed::TooLong));
        }
        self.believed.retain(|_, (at, _)| now.since(*at) < BELIEVED);
    }

    fn drop_unwanted(&mut self) {
        let unwanted = |question: &Question| question.asked.is_none() && !question.is_wanted();
        for (_, question) in self.open.extract_if(.., |_, question| unwanted(question)) {
            self.by_source.remove(&question.source);
        }
    }

    fn believe(&mut self, now: Moment, number: u64, found: &Arc<Found>) {
        let Some(question) = self.open.get(&number) else { return };
        if self.believed.len() >= BELIEVED_MAX {
            self.believed.retain(|_, (at, _)| now.since(*at) < BELIEVED / 2);
        }
        if self.believed.len() < BELIEVED_MAX {
            self.believed.insert(question.source.clone(), (now, found.clone()));
        }
    }

    /// Nobody else can be asked: who blames the source is believed first.
    fn give_up(&mut self, number: u64) {
        let Some(question) = self.open.get(&number) else { return };
        let rank = |(_, failure): &&(WorkerId, SpanFailure)| failure.class == FailureClass::Source;
        if let Some((_, failure)) = question.failed.iter().max_by_key(rank) {
            let failed = NotDescribed::Failed(failure.clone());
            self.conclude(number, &Err(failed));
        }
    }

    fn conclude(&mut self, number: u64, outcome: &Result<Arc<Found>, NotDescribed>) {
        let Some(question) = self.open.remove(&number) else { return };
        self.by_source.remove(&question.source);
        for waiter in question.waiters {
            let _ = waiter.answer.send(outcome.clone());
        }
    }
}

fn lost(workers: u32) -> SpanFailure {
    let message = format!(
        "{workers} workers were lost while they looked at it; their own logs may say why, or their \
         systems': it may take more memory than they have"
    );
    SpanFailure { class: FailureClass::Worker, message, log: Vec::new() }
}

#[cfg(test)]
mod tests {
    use segue_model::{FailureClass, SpanFailure};
    use tokio::sync::oneshot;

    use super::*;

    const ANNA: WorkerId = WorkerId(1);
    const BERT: WorkerId = WorkerId(2);

    type Told = oneshot::Receiver<Result<Arc<Found>, NotDescribed>>;

    fn ask(questions: &mut Questions, at: u64, source: &str) -> Told {
        let (answer, told) = oneshot::channel();
        questions.ask(Moment(at), source.to_owned(), answer);
        told
    }

    fn fails(question: u64, class: FailureClass, message: &str) -> Described {
        let failure = SpanFailure { class, message: message.to_owned(), log: Vec::new() };
        Described { question, outcome: Err(failure) }
    }

    fn why(mut told: Told) -> NotDescribed {
        told.try_recv().expect("an answer").expect_err("no film")
    }

    #[test]
    fn who_finds_nobody_for_half_a_minute_is_told_so() {
        let mut questions = Questions::default();
        let mut told = ask(&mut questions, 0, "a");
        assert_eq!(questions.assign(Moment(0), &[]), []);
        questions.expire(Moment(29_999), false);
        assert!(told.try_recv().is_err(), "too early");
        assert_eq!(questions.deadline(), Some(Moment(30_000)));
        questions.expire(Moment(30_000), false);
        assert_eq!(why(told), NotDescribed::Nobody);
        assert_eq!(questions.deadline(), None);
    }

    #[test]
    fn a_worker_is_asked_a_few_things_at_once_and_the_rest_waits() {
        let mut questions = Questions::default();
        let told: Vec<_> = (0..6).map(|n| ask(&mut questions, 0, &n.to_string())).collect();
        assert_eq!(questions.assign(Moment(0), &[ANNA]).len(), AT_ONCE_MAX);
        assert_eq!(questions.assign(Moment(1), &[ANNA, BERT]).len(), 2);
        questions.gone(BERT);
        questions.expire(Moment(30_000), true);
        let why: Vec<_> = told.into_iter().map(why).collect();
        assert_eq!(why[0], NotDescribed::TooLong);
        assert_eq!(why[5], NotDescribed::Busy);
    }

    #[test]
    fn who_asks_again_joins_the_look_that_is_under_way() {
        let mut questions = Questions::default();
        let first = ask(&mut questions, 0, "a");
        assert_eq!(questions.assign(Moment(0), &[ANNA]).len(), 1);
        questions.expire(Moment(30_000), true);
        assert_eq!(why(first), NotDescribed::TooLong);
        let second = ask(&mut questions, 31_000, "a");
        assert_eq!(questions.assign(Moment(31_000), &[ANNA]), []);
        questions.answered(Moment(40_000), ANNA, fails(1, FailureClass::Source, "no film"));
        // Nobody else can be asked.
        assert_eq!(questions.assign(Moment(40_000), &[ANNA]), []);
        assert!(matches!(why(second), NotDescribed::Failed(f) if f.message == "no film"));
    }

    #[test]
    fn up_to_four_workers_are_asked_and_who_blames_the_source_is_quoted() {
        let mut questions = Questions::default();
        let told = ask(&mut questions, 0, "a");
        let workers: Vec<WorkerId> = (1..9).map(WorkerId).collect();
        for n in 0..ASKED_MAX as u64 {
            let asked = questions.assign(Moment(n), &workers);
            let class = if n == 1 { FailureClass::Source } else { FailureClass::Worker };
            questions.answered(Moment(n), asked[0].worker, fails(1, class, &n.to_string()));
        }
        assert!(matches!(why(told), NotDescribed::Failed(f) if f.message == "1"));
    }

    #[test]
    fn a_source_that_costs_two_workers_is_left_alone() {
        let mut questions = Questions::default();
        let told = ask(&mut questions, 0, "a");
        for worker in [ANNA, BERT] {
            assert_eq!(questions.assign(Moment(1), &[worker]).len(), 1);
            // What does not get there costs nobody.
            questions.not_sent(1);
            assert_eq!(questions.assign(Moment(1), &[worker]).len(), 1);
            questions.gone(worker);
        }
        assert_eq!(questions.assign(Moment(2), &[ANNA, BERT]), []);
        let NotDescribed::Failed(failure) = why(told) else { panic!("they failed") };
        assert_eq!(failure.class, FailureClass::Worker);
        assert!(failure.message.starts_with("2 workers were lost"), "{}", failure.message);
    }

    #[test]
    fn what_nobody_waits_for_is_not_looked_at() {
        let mut questions = Questions::default();
        let told = ask(&mut questions, 0, "a");
        assert_eq!(questions.assign(Moment(0), &[ANNA]).len(), 1);
        drop(told);
        questions.gone(ANNA);
        assert_eq!(questions.assign(Moment(1), &[BERT]), []);
        drop(ask(&mut questions, 2, "a"));
        assert_eq!(questions.assign(Moment(2), &[BERT]), []);
        assert_eq!(questions.deadline(), None);
    }
}
