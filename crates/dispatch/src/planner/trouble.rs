//! Decides what a failure means for the segment it happened at: again and when, or never. Knows no
//! device but by name; what a failure means for a device is decided in `device`.

use segue_model::FailureClass;
use segue_model::pool::{DeviceId, Renditions};

use super::event::JobFailure;
use super::policy::Policy;
use crate::{Millis, Moment};

/// A segment that ended so many processes is not tried again.
const DEATHS_MAX: u32 = 3;
/// Somebody who kills processes is outlasted: after a few deaths at once, with growing pauses.
const KILLS_MAX: u32 = 20;
/// So often a segment is killed, or handed back, before that tells against who did it.
const PATIENCE: u32 = 4;
const WORKER_FAILURES_MAX: u32 = 3;
/// So many healthy devices must find the same fault with the source.
const SOURCE_DEVICES: u32 = 2;
/// Storage may be away for long; that is nobody's fault, and no reason to give up a job.
const PAUSE_DOUBLINGS_MAX: u32 = 4;
/// In a pool of one device there is no second opinion: it is asked so often.
const ALONE_MAX: u32 = 5;

/// How a lease came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Its process crashed, or hung.
    Death,
    /// Its process was killed from outside.
    Kill,
    /// Its worker handed it back, and does not say that it leaves.
    Return,
    /// Its process says why.
    Failure(FailureClass, String),
}

/// What happened so far at a segment that is still missing.
#[derive(Clone, Debug, Default)]
pub(super) struct Trouble {
    /// Not to be tried before.
    pub not_before: Moment,
    /// In which renditions; what others went well says nothing.
    pub renditions: Renditions,
    /// Devices that failed at it, by their own or the source's fault.
    pub failed_on: Vec<DeviceId>,
    /// Devices that blame the source.
    pub accusers: Vec<DeviceId>,
    deaths: u32,
    kills: u32,
    returns: u32,
    worker: u32,
    source: u32,
    transient: u32,
}

/// What follows from a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is tried again, at the trouble's `not_before`.
    Again,
    /// It is not.
    GiveUp(JobFailure),
}

impl Trouble {
    /// Takes note of a loss at `segment`. `alone`: the pool has no other device that could try.
    /// `trusted`: the device is healthy, so that its word counts.
    pub fn note(
        &mut self,
        policy: &Policy,
        now: Moment,
        (segment, device): (u32, DeviceId),
        loss: &Loss,
        (alone, trusted): (bool, bool),
    ) -> Verdict {
        let blames_source = matches!(loss, Loss::Failure(FailureClass::Source, _));
        let count = match loss {
            Loss::Death => &mut self.deaths,
            Loss::Kill => &mut self.kills,
            Loss::Return => &mut self.returns,
            Loss::Failure(FailureClass::Worker, _) => &mut self.worker,
            Loss::Failure(FailureClass::Source, _) => &mut self.source,
            Loss::Failure(FailureClass::Transient, _) => &mut self.transient,
        };
        *count += 1;
        let attempts = *count;
        let known = self.failed_on.contains(&device);
        let blameless = match loss {
            // A device that is too small for it kills it every time.
            Loss::Kill | Loss::Return => attempts <= PATIENCE,
            Loss::Failure(class, _) => *class == FailureClass::Transient,
            Loss::Death => false,
        };
        // A word that did not count is asked for again when the device is trusted.
        let unheard = blames_source && !trusted;
        if !blameless && !unheard && !known {
            self.failed_on.push(device);
        }
        if blames_source && trusted && !self.accusers.contains(&device) {
            self.accusers.push(device);
        }
        let others = self.failed_on.len() > 1;
        let hopeless = match loss {
            Loss::Death => attempts >= if others { DEATHS_MAX } else { ALONE_MAX },
            Loss::Kill => attempts >= KILLS_MAX,
            Loss::Failure(FailureClass::Worker, _) => {
                attempts >= if others { WORKER_FAILURES_MAX } else { ALONE_MAX }
            }
            Loss::Failure(FailureClass::Source, _) => {
                self.accusers.len() as u32 >= SOURCE_DEVICES || attempts >= ALONE_MAX
            }
            Loss::Failure(FailureClass::Transient, _) => {
                policy.transient_max.is_some_and(|most| attempts >= most)
            }
            Loss::Return => false,
        };
        // One device's word, however often, fails nothing as long as there is another to ask.
        let heard_enough = match loss {
            Loss::Failure(FailureClass::Source, _) => {
                alone || self.accusers.len() as u32 >= SOURCE_DEVICES
            }
            // It is not the devices that are asked.
            Loss::Failure(FailureClass::Transient, _) => true,
            _ => alone || others,
        };
        if hopeless && heard_enough {
            let (class, words) = match loss {
                Loss::Death | Loss::Kill | Loss::Return => {
                    (None, "its process ended each time".to_owned())
                }
                Loss::Failure(class, words) => (Some(*class), words.clone()),
            };
            let devices =
                if blames_source { self.accusers.clone() } else { self.failed_on.clone() };
            return Verdict::GiveUp(JobFailure { segment, attempts, devices, class, words });
        }
        // A loss of another kind does not cut a pause short.
        let again_at = now + self.pause(policy, loss, attempts, known);
        self.not_before = self.not_before.max(again_at);
        Verdict::Again
    }

    fn pause(&self, policy: &Policy, loss: &Loss, attempts: u32, same_device: bool) -> Millis {
        let doubled = |times: u32| policy.pause << times.min(PAUSE_DOUBLINGS_MAX);
        match loss {
            Loss::Failure(FailureClass::Transient, _) => doubled(attempts - 1),
            Loss::Kill | Loss::Return => match attempts.checked_sub(PATIENCE + 1) {
                Some(times) => doubled(times),
                None => 0,
            },
            // Another device tries at once; the same one not.
            _ if same_device => doubled(attempts.saturating_sub(2)),
            _ => 0,
        }
    }
}
