//! Jobs on their way out of the store, and those on their way in: never the same at the same time.

use std::collections::{HashMap, HashSet};

use segue_dispatch::Moment;
use segue_model::JobId;

use super::Answer;
use super::owner::{Owner, reply};

/// Who asked for a job is given so long to tell it.
const ARRIVING: u64 = 60_000;

/// What is being removed, and what must not be.
#[derive(Debug, Default)]
pub(super) struct Going {
    going: HashSet<JobId>,
    /// Who waits until something is gone.
    waiting: Vec<(JobId, Answer<bool>)>,
    /// Jobs that are about to be told, and until when that is believed.
    arriving: HashMap<JobId, Moment>,
}

impl Going {
    /// Whether it is being removed.
    pub fn contains(&self, job: JobId) -> bool {
        self.going.contains(&job)
    }

    /// Forgets those that were to be told and never were.
    pub fn tidy(&mut self, now: Moment) {
        self.arriving.retain(|_, until| *until > now);
    }

    /// It was told, or is not going to be.
    pub fn arrived(&mut self, job: JobId) {
        self.arriving.remove(&job);
    }
}

impl Owner {
    pub(super) fn asked_for(&mut self, job: JobId, answer: Answer<bool>) {
        if self.going.contains(job) {
            return self.going.waiting.push((job, answer));
        }
        let at_work = self.is_at_work(job);
        if !at_work {
            self.going.arriving.insert(job, self.now + ARRIVING);
        }
        reply(answer, at_work);
    }

    /// Jobs that must not be removed.
    pub(super) fn needed(&mut self) -> Vec<JobId> {
        self.going.tidy(self.now);
        let known = self.jobs.iter().filter(|(_, entry)| entry.is_wanted()).map(|(job, _)| *job);
        known.chain(self.going.arriving.keys().copied()).collect()
    }

    pub(super) fn let_go(&mut self, job: JobId) -> bool {
        let arriving = self.going.arriving.get(&job).is_some_and(|until| *until > self.now);
        let wanted = self.jobs.get(&job).is_some_and(|entry| entry.is_wanted());
        let free = !arriving && !wanted;
        if free {
            self.going.going.insert(job);
        }
        free
    }

    pub(super) fn gone(&mut self, job: JobId) {
        self.going.going.remove(&job);
        self.absent.remove(&job);
        let waiting = std::mem::take(&mut self.going.waiting);
        for (asked, answer) in waiting {
            if asked != job {
                self.going.waiting.push((asked, answer));
            } else if !answer.is_closed() {
                self.asked_for(asked, answer);
            }
        }
    }
}
