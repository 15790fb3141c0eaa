//! Who wants what: claims by their text, those of batches and those of viewers. Each is told to the
//! planner when its job is known there, and again whenever the job becomes known anew.

use segue_api::v1;
use segue_dispatch::Moment;
use segue_dispatch::planner::{Claim, Demand, Event, Purpose};
use segue_model::pool::{ClaimId, Renditions};
use segue_model::{Hash, JobId};
use tracing::info;

use super::Cancelled;
use super::jobs::{Listing, Reading};
use super::owner::Owner;
use super::viewers::Watching;
use crate::cost::first_number;
use crate::ledger::{BatchClaim, Written};

/// A claim, as it was made.
#[derive(Debug)]
pub(super) struct Wanted {
    pub job: JobId,
    pub text: Box<str>,
    pub why: Why,
}

#[derive(Debug)]
pub(super) enum Why {
    Batch {
        deadline: Option<Moment>,
        written: Written,
        /// All of it is published: it goes when the job's playlists are there.
        fulfilled: bool,
    },
    Viewer(Box<Watching>),
}

/// What a claim is called among the machines.
pub(super) fn claim_id(job: JobId, text: &str) -> ClaimId {
    let Hash(hash) = Hash::of(&[&job.0.0, text.as_bytes()].concat());
    ClaimId(first_number(hash))
}

impl Owner {
    /// Batch claims of an earlier leader.
    pub(super) fn remember_claims(&mut self, claims: Vec<(BatchClaim, Written)>) {
        let mut jobs = Vec::new();
        self.claims.reserve(claims.len());
        self.jobs.reserve(claims.len());
        for (claim, written) in claims {
            let job = claim.job;
            self.enter_batch(claim, written);
            if let Some(entry) = self.jobs.get_mut(&job)
                && entry.reading == Reading::No
            {
                entry.reading = Reading::SomeTime;
                jobs.push(job);
            }
        }
        if !jobs.is_empty() {
            info!(jobs = jobs.len(), "jobs were claimed before");
            self.errands.load_all(jobs);
        }
    }

    fn enter_batch(&mut self, claim: BatchClaim, written: Written) -> ClaimId {
        let BatchClaim { job, claim: text, deadline_unix_ms } = claim;
        let id = claim_id(job, &text);
        let deadline = deadline_unix_ms.map(|at| self.clock.of_unix_ms(at));
        let why = Why::Batch { deadline, written, fulfilled: false };
        self.claims.insert(id, Wanted { job, text: text.into(), why });
        self.claimed_entry(job).claims.insert(id);
        id
    }

    /// A batch claim that is durable.
    pub(super) fn claim_batch(&mut self, claim: BatchClaim, written: Written) {
        let job = claim.job;
        self.pardon(job);
        let id = self.enter_batch(claim, written);
        self.tell_claim(id);
        self.dirty.insert(job);
    }

    /// Tells the planner of a claim, or has its job read first.
    pub(super) fn tell_claim(&mut self, id: ClaimId) {
        let Some(wanted) = self.claims.get(&id) else { return };
        let job = wanted.job;
        if !self.knows(job) {
            return self.load_soon(job);
        }
        let purpose = match &wanted.why {
            Why::Batch { fulfilled: true, .. } => return,
            Why::Batch { deadline, .. } => {
                let count = self.jobs.get(&job).and_then(|entry| entry.summary.as_ref());
                let count = count.map_or(Renditions::MAX, |s| s.renditions.len() as u32);
                let renditions = Renditions::first(count.min(Renditions::MAX));
                Purpose::Batch { renditions, deadline: *deadline }
            }
            Why::Viewer(watching) => {
                let Watching { renditions, segment, due, to_end, .. } = **watching;
                Purpose::Playback(Demand { renditions, segment, due, to_end })
            }
        };
        self.plan(Event::Claim { id, claim: Claim { job, purpose, until: None } });
    }

    /// Tells the planner all claims of a job that it did not know.
    pub(super) fn claim_again(&mut self, job: JobId) {
        let claims = self.jobs.get(&job).map(|entry| entry.claims.clone()).unwrap_or_default();
        for id in claims {
            self.tell_claim(id);
        }
    }

    /// Drops a claim from all tables; what of it the ledger has is the caller's concern.
    pub(super) fn drop_claim(&mut self, id: ClaimId) -> Option<Wanted> {
        let wanted = self.claims.remove(&id)?;
        if let Why::Viewer(watching) = &wanted.why {
            self.viewer_dropped(id, watching);
        }
        if let Some(entry) = self.jobs.get_mut(&wanted.job) {
            entry.claims.remove(&id);
        }
        self.dirty.insert(wanted.job);
        self.plan(Event::Unclaim(id));
        Some(wanted)
    }

    /// Drops all claims of a job; the latest of them that the ledger has.
    pub(super) fn drop_claims_of(&mut self, job: JobId) -> Written {
        let claims = self.jobs.get(&job).map(|entry| entry.claims.clone()).unwrap_or_default();
        let dropped = claims.into_iter().filter_map(|id| self.drop_claim(id));
        let written = dropped.filter_map(|wanted| match wanted.why {
            Why::Batch { written, .. } => Some(written),
            Why::Viewer(_) => None,
        });
        written.max().unwrap_or_default()
    }

    /// Everything that a batch wanted is published.
    pub(super) fn fulfilled(&mut self, id: ClaimId, job: JobId) {
        if let Some(Wanted { why: Why::Batch { fulfilled, .. }, .. }) = self.claims.get_mut(&id) {
            *fulfilled = true;
        }
        self.dirty.insert(job);
        if self.jobs.get(&job).is_some_and(|entry| entry.listing == Listing::Done) {
            self.release_fulfilled(job);
        }
    }

    /// What is fulfilled and can be played is nobody's claim any more.
    pub(super) fn release_fulfilled(&mut self, job: JobId) {
        let claims = self.jobs.get(&job).map(|entry| entry.claims.clone()).unwrap_or_default();
        for id in claims {
            let Some(Wanted { why: Why::Batch { fulfilled: true, written, .. }, text, .. }) =
                self.claims.get(&id)
            else {
                continue;
            };
            self.errands.forget(job, text.to_string(), *written);
            self.drop_claim(id);
        }
    }

    /// Drops a claim by its text, or all; and says what the ledger has to forget.
    pub(super) fn cancel(
        &mut self,
        job: JobId,
        text: Option<&str>,
    ) -> (Cancelled, Vec<(String, Written)>) {
        let Some(entry) = self.jobs.get(&job) else {
            return (Cancelled { known: false, still_claimed: false }, Vec::new());
        };
        let is_meant = |id: &ClaimId| {
            let wanted = self.claims.get(id);
            wanted.is_some_and(|wanted| text.is_none_or(|text| *wanted.text == *text))
        };
        let meant: Vec<ClaimId> = entry.claims.iter().copied().filter(is_meant).collect();
        let mut batches = Vec::new();
        for id in meant {
            let Some(Wanted { text, why, .. }) = self.drop_claim(id) else { continue };
            if let Why::Batch { written, .. } = why {
                batches.push((text.into(), written));
            }
        }
        let still_claimed = self.jobs.get(&job).is_some_and(|entry| !entry.claims.is_empty());
        (Cancelled { known: true, still_claimed }, batches)
    }

    pub(super) fn claim_infos(&self, job: JobId) -> Vec<v1::ClaimInfo> {
        let claims = self.jobs.get(&job).into_iter().flat_map(|entry| &entry.claims);
        let info = |wanted: &Wanted| v1::ClaimInfo {
            claim: wanted.text.to_string(),
            batch: matches!(wanted.why, Why::Batch { .. }),
        };
        claims.filter_map(|id| self.claims.get(id)).map(info).collect()
    }
}
