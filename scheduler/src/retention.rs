//! What goes when the store holds more than it may: whole jobs that nobody wants, those first that
//! were wanted longest ago. The leader is asked before each, and asks for a job that is on its way out
//! only when it is gone.
//!
//! Not yet: parts of jobs that are wanted. If those alone are too much, that is said, and a metric
//! shows it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use segue_model::JobId;
use segue_store::{JobUsage, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::clock::unix_ms;
use crate::leader::Leader;
use crate::ledger::Ledger;
use crate::meters;

/// That a job is wanted is written down again after so long.
const NOTE_AFTER: u64 = 600_000;
/// Turns from one look at the store to the next while there is room.
const CALM: u32 = 10;

/// How much a store may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// At most so many bytes.
    pub bytes: u64,
    /// From one look at the store to the next while it is nearly full: each lists all that is in it.
    /// While there is room it is looked at ten times more seldom.
    pub every: Duration,
}

impl Keep {
    /// So many bytes, looked at each minute when it matters.
    pub fn bytes(bytes: u64) -> Keep {
        Keep { bytes, every: Duration::from_secs(60) }
    }
}

/// Keeps a store within its limit.
pub struct Retention {
    /// What that is.
    pub keep: Keep,
    /// Where.
    pub store: Store,
    /// Where it is written when a job was wanted last.
    pub ledger: Ledger,
    /// Who knows what is wanted now.
    pub leader: Leader,
    /// When jobs were wanted last, as far as it is known; milliseconds since 1970.
    pub wanted: HashMap<JobId, u64>,
}

impl Retention {
    /// Looks now and then, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.keep_within() => {}
        }
    }

    async fn keep_within(&mut self) {
        let (mut was_too_much, mut calm) = (false, 0);
        loop {
            // First of all: those who need something say so again when a scheduler starts.
            tokio::time::sleep(self.keep.every).await;
            let Ok(needed) = self.leader.needed().await else { continue };
            self.note(&needed).await;
            if calm > 0 {
                calm -= 1;
                continue;
            }
            let held = match self.look(needed).await {
                Ok(held) => held,
                Err(error) => {
                    warn!(%error, "what the store holds is not known: nothing is removed");
                    continue;
                }
            };
            calm = if is_nearly_full(held, self.keep.bytes) { 0 } else { CALM - 1 };
            let over = held.saturating_sub(self.keep.bytes);
            if over > 0 && !was_too_much {
                warn!(
                    bytes = over,
                    limit = self.keep.bytes,
                    "the store holds more than it may, and all of it is wanted: raise --keep, or \
                     cancel something"
                );
            }
            was_too_much = over > 0;
        }
    }

    /// Removes what is to go. Returns how many bytes there are then.
    async fn look(&mut self, needed: Vec<JobId>) -> Result<u64, StoreError> {
        let usage = self.store.usage().await?;
        let needed: HashSet<JobId> = needed.into_iter().collect();
        let mut held: u64 = usage.values().map(|job| job.bytes).sum();
        for job in to_go(&usage, &self.wanted, &needed, self.keep.bytes) {
            // More may go than was listed: some of it was written since.
            held = held.saturating_sub(self.remove(job).await);
        }
        meters::store_held(held);
        Ok(held)
    }

    async fn note(&mut self, needed: &[JobId]) {
        let now = unix_ms();
        let is_old = |job: &&JobId| {
            self.wanted.get(job).is_none_or(|at| now.saturating_sub(*at) > NOTE_AFTER)
        };
        let old: Vec<JobId> = needed.iter().filter(is_old).copied().collect();
        // If it cannot be written, the next look tries again; what is known here counts anyway.
        let noted = old.is_empty() || self.ledger.wanted(old.clone(), now).await.is_ok();
        if noted {
            self.wanted.extend(old.into_iter().map(|job| (job, now)));
        }
    }

    async fn remove(&mut self, job: JobId) -> u64 {
        if !self.leader.let_go(job).await.unwrap_or(false) {
            return 0;
        }
        let removed = self.store.remove(job).await;
        // If that is not heard, the process ends.
        let _ = self.leader.gone(job).await;
        match removed {
            Ok(bytes) => {
                info!(%job, bytes, "removed: nobody wanted it for longest");
                meters::count("segue_jobs_removed_total", 1);
                self.wanted.remove(&job);
                // What is not forgotten there is only a row too many.
                let _ = self.ledger.unwanted(job).await;
                bytes
            }
            Err(error) => {
                warn!(%job, %error, "a job could not be removed");
                0
            }
        }
    }
}

/// Whether the limit may be reached soon.
fn is_nearly_full(held: u64, limit: u64) -> bool {
    held >= limit - limit / 10
}

/// Which jobs go, in order: the rests of earlier removals, then as many as it takes to come below the
/// limit.
fn to_go(
    usage: &BTreeMap<JobId, JobUsage>,
    wanted: &HashMap<JobId, u64>,
    needed: &HashSet<JobId>,
    limit: u64,
) -> Vec<JobId> {
    let mut held: u64 = usage.values().map(|job| job.bytes).sum();
    let since = |job: &JobId, usage: &JobUsage| {
        wanted.get(job).copied().unwrap_or(0).max(usage.written_unix_ms)
    };
    let idle = usage.iter().filter(|(job, _)| !needed.contains(job));
    let mut idle: Vec<_> =
        idle.map(|(job, usage)| ((usage.described, since(job, usage), *job), usage)).collect();
    idle.sort_unstable_by_key(|(order, _)| *order);
    let mut going = Vec::new();
    for ((described, _, job), usage) in idle {
        if described && held <= limit {
            break;
        }
        held -= usage.bytes;
        going.push(job);
    }
    going
}

#[cfg(test)]
mod tests {
    use segue_model::Hash;

    use super::*;

    fn job(number: u8) -> JobId {
        JobId(Hash([number; 32]))
    }

    fn kept(bytes: u64, described: bool, written_unix_ms: u64) -> JobUsage {
        JobUsage { objects: 1, bytes, described, written_unix_ms }
    }

    #[test]
    fn what_was_wanted_longest_ago_goes_first_and_no_more_than_must() {
        let usage = BTreeMap::from([
            (job(1), kept(10, true, 100)),
            (job(2), kept(10, true, 200)),
            (job(3), kept(10, true, 300)),
        ]);
        // The oldest was played again since.
        let wanted = HashMap::from([(job(1), 400)]);
        let nobody = HashSet::new();
        assert_eq!(to_go(&usage, &wanted, &nobody, 30), []);
        assert_eq!(to_go(&usage, &wanted, &nobody, 29), [job(2)]);
        assert_eq!(to_go(&usage, &wanted, &nobody, 10), [job(2), job(3)]);
        assert_eq!(to_go(&usage, &wanted, &nobody, 0), [job(2), job(3), job(1)]);
        assert_eq!(to_go(&usage, &wanted, &HashSet::from([job(2), job(1)]), 5), [job(3)]);
    }

    #[test]
    fn a_store_is_nearly_full_from_nine_tenths_on() {
        assert!(!is_nearly_full(89, 100) && is_nearly_full(90, 100));
        assert!(is_nearly_full(0, 0) && !is_nearly_full(0, 1));
        assert!(!is_nearly_full(1 << 63, u64::MAX) && is_nearly_full(u64::MAX, u64::MAX));
    }

    #[test]
    fn the_rest_of_a_removal_goes_whatever_the_limit_is() {
        let usage = BTreeMap::from([(job(1), kept(10, false, 500)), (job(2), kept(10, true, 1))]);
        assert_eq!(to_go(&usage, &HashMap::new(), &HashSet::new(), 1000), [job(1)]);
        // Unless somebody is about to make it again.
        assert_eq!(to_go(&usage, &HashMap::new(), &HashSet::from([job(1)]), 1000), []);
    }
}
