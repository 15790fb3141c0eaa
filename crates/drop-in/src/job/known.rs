//! Workers that were heard of, and which of them is asked next for what nobody says where it is: while
//! the scheduler is away they go on, and only they know how far they are.

use std::time::Duration;

use tokio::time::Instant;

/// Who had nothing to give is asked again after this.
const PAUSE: Duration = Duration::from_millis(250);
/// The same for who gave no answer worth the name: perhaps it is gone.
const PAUSE_FAILED: Duration = Duration::from_secs(1);
/// Who is silent for so long does not hold up that others are asked.
const TURN: Duration = Duration::from_millis(250);
/// So many are remembered. Those that end are followed by others at other addresses.
const WORKERS: usize = 16;

/// Workers, with the most likely to have what comes next in front.
#[derive(Debug, Default)]
pub struct KnownWorkers {
    workers: Vec<Worker>,
    /// Whose answer the others wait for, for as long as a turn lasts.
    turn: Option<(String, Instant)>,
}

#[derive(Debug)]
struct Worker {
    address: String,
    /// When it may be asked; not while an answer is due.
    again: Option<Instant>,
}

/// A question to a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it is.
    pub address: String,
    /// It is not to look into the store. One of them is enough for that; and on NFS, who looks too
    /// early does not see for a while what others put there. Most of the time the first one puts it
    /// there itself.
    pub at_hand: bool,
}

/// What came of a question, or of something that a worker was said to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It gave it.
    Gave,
    /// It does not have it, and may get it.
    Lacks,
    /// It said nothing, or nothing of use.
    Failed,
}

impl KnownWorkers {
    /// A worker is said to have something.
    pub fn heard_of(&mut self, address: &str, now: Instant) {
        if !self.workers.iter().any(|worker| worker.address == address) {
            self.workers.insert(0, Worker { address: address.to_owned(), again: Some(now) });
            self.workers.truncate(WORKERS);
        }
    }

    /// Who is to be asked now, if anybody: an answer is due then.
    pub fn ask(&mut self, now: Instant) -> Option<Question> {
        if self.turn.as_ref().is_some_and(|(_, until)| now < *until) {
            return None;
        }
        let may_be = |worker: &Worker| worker.again.is_some_and(|again| again <= now);
        let place = self.workers.iter().position(may_be)?;
        let worker = &mut self.workers[place];
        worker.again = None;
        let address = worker.address.clone();
        self.turn = Some((address.clone(), now + TURN));
        Some(Question { address, at_hand: place > 0 })
    }

    /// When somebody may be asked, unless an answer comes before.
    pub fn due(&self) -> Option<Instant> {
        let again = self.workers.iter().filter_map(|worker| worker.again).min()?;
        Some(self.turn.as_ref().map_or(again, |(_, until)| again.max(*until)))
    }

    /// A worker answered.
    pub fn answered(&mut self, address: &str, answer: Answer, now: Instant) {
        if self.turn.as_ref().is_some_and(|(of, _)| of == address) {
            self.turn = None;
        }
        let Some(place) = self.workers.iter().position(|worker| worker.address == address) else {
            return;
        };
        match answer {
            // Who has one has the next soonest: that is asked for at once.
            Answer::Gave => {
                self.workers[place].again = Some(now);
                self.workers[..=place].rotate_right(1);
            }
            Answer::Lacks => self.workers[place].again = Some(now + PAUSE),
            Answer::Failed => {
                self.workers[place].again = Some(now + PAUSE_FAILED);
                self.workers[place..].rotate_left(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of which the first was heard of last.
    fn known(addresses: &[&str], now: Instant) -> KnownWorkers {
        let mut known = KnownWorkers::default();
        addresses.iter().rev().for_each(|address| known.heard_of(address, now));
        known
    }

    fn asked(known: &mut KnownWorkers, now: Instant) -> Option<String> {
        known.ask(now).map(|question| question.address)
    }

    /// Who is asked at `now`, where each lacks it.
    fn round(known: &mut KnownWorkers, now: Instant) -> Vec<String> {
        let next = || {
            let address = asked(known, now)?;
            known.answered(&address, Answer::Lacks, now);
            Some(address)
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_is_asked_in_turn_and_all_again_after_a_pause() {
        let now = Instant::now();
        let mut known = known(&["a", "b", "c"], now);
        assert_eq!(round(&mut known, now), ["a", "b", "c"]);
        assert_eq!(known.due(), Some(now + PAUSE));
        assert_eq!(asked(&mut known, now + PAUSE / 2), None);
        assert_eq!(round(&mut known, now + PAUSE), ["a", "b", "c"]);
    }

    #[test]
    fn who_gave_something_last_is_asked_first_and_at_once() {
        let now = Instant::now();
        let mut known = known(&["a", "b", "c"], now);
        assert_eq!(asked(&mut known, now).as_deref(), Some("a"));
        known.answered("a", Answer::Lacks, now);
        assert_eq!(asked(&mut known, now).as_deref(), Some("b"));
        known.answered("b", Answer::Gave, now);
        assert_eq!(known.due(), Some(now));
        assert_eq!(round(&mut known, now), ["b", "c"]);
        // Also of what it was said to have.
        known.answered("c", Answer::Gave, now);
        assert_eq!(round(&mut known, now + PAUSE), ["c", "b", "a"]);
    }

    #[test]
    fn who_is_silent_holds_up_nobody_for_long_and_is_not_asked_twice() {
        let now = Instant::now();
        let mut known = known(&["a", "b"], now);
        assert_eq!(asked(&mut known, now).as_deref(), Some("a"));
        assert_eq!(asked(&mut known, now), None);
        assert_eq!(known.due(), Some(now + TURN));
        let later = now + TURN;
        assert_eq!(round(&mut known, later), ["b"]);
        assert_eq!(round(&mut known, later + PAUSE), ["b"]);
        known.answered("a", Answer::Failed, later + PAUSE);
        assert_eq!(round(&mut known, later + PAUSE + PAUSE_FAILED), ["b", "a"]);
    }

    #[test]
    fn an_answer_that_comes_late_ends_nobody_elses_turn() {
        let now = Instant::now();
        let mut known = known(&["a", "b", "c"], now);
        asked(&mut known, now);
        let later = now + TURN;
        assert_eq!(asked(&mut known, later).as_deref(), Some("b"));
        known.answered("a", Answer::Failed, later);
        assert_eq!(asked(&mut known, later), None);
        assert_eq!(known.due(), Some(later + TURN));
    }

    #[test]
    fn the_first_alone_looks_into_the_store() {
        let now = Instant::now();
        let mut known = known(&["a", "b"], now);
        let question = |address: &str, at_hand| Question { address: address.to_owned(), at_hand };
        assert_eq!(known.ask(now), Some(question("a", false)));
        known.answered("a", Answer::Failed, now);
        assert_eq!(known.ask(now), Some(question("b", false)));
        known.answered("b", Answer::Lacks, now);
        assert_eq!(known.ask(now + PAUSE_FAILED), Some(question("b", false)));
        known.answered("b", Answer::Lacks, now + PAUSE_FAILED);
        assert_eq!(known.ask(now + PAUSE_FAILED), Some(question("a", true)));
    }

    #[test]
    fn who_was_heard_of_long_ago_is_forgotten_and_nobody_is_known_twice() {
        let now = Instant::now();
        let mut known = KnownWorkers::default();
        assert_eq!((known.ask(now), known.due()), (None, None));
        for number in 0..=WORKERS {
            known.heard_of(&number.to_string(), now);
            known.heard_of(&number.to_string(), now);
        }
        let latest: Vec<String> = (1..=WORKERS).rev().map(|number| number.to_string()).collect();
        assert_eq!(round(&mut known, now), latest);
        // An answer of somebody who is not known any more is not missed.
        known.answered("0", Answer::Gave, now);
        assert_eq!(round(&mut known, now), [""; 0]);
    }
}
