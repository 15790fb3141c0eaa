//! What the planner decides is done here: told to workers, to the ledger, or to the log.

use segue_api::v1::connect_response::Says;
use segue_dispatch::planner::{Decision, FencedBy, Note};
use tonic::Status;
use tracing::{debug, info, warn};

use super::owner::Owner;
use crate::meters;

impl Owner {
    pub(super) fn decide(&mut self, decision: Decision) {
        match decision {
            Decision::Desire { worker, desired } => {
                let jobs = desired.orders.iter().map(|order| order.job);
                self.dirty.extend(jobs.collect::<Vec<_>>());
                self.send(worker, Says::Desired(desired.into()));
            }
            Decision::Answer { worker, answer } => {
                self.send(worker, Says::Answer(answer.into()));
            }
            Decision::Finished { claim, job } => self.fulfilled(claim, job),
            Decision::Failed { job, failure } => self.job_failed(job, &failure),
            Decision::Forgotten(job) => self.forgotten(job),
            Decision::Unknown { claim: _, job } => self.load_soon(job),
            // Told where its stream was opened.
            Decision::NameTaken { .. } => {}
            Decision::NotGreeted { worker, stream } => {
                let words = format!(
                    "worker {} is not known here by stream {stream}: say Hello on a new one",
                    worker.0
                );
                self.close(worker, Status::aborted(words));
            }
            Decision::Outranked { worker, term } => {
                if !std::mem::replace(&mut self.outranked, true) {
                    warn!(worker = worker.0, term = term.0, own = self.term.0, "outranked");
                    self.errands.outlive(worker, term, self.term);
                }
            }
            Decision::Noted(note) => self.note_down(note),
        }
    }

    fn note_down(&mut self, note: Note) {
        match note {
            Note::Suspected(worker) => {
                meters::count("segue_suspicions_total", 1);
                info!(worker = worker.0, "a worker is silent");
            }
            Note::Fenced { worker, leases, reason } => {
                let reason = match reason {
                    FencedBy::Silence => "silence",
                    FencedBy::Break => "break",
                    FencedBy::Restart => "restart",
                };
                meters::fenced(reason);
                warn!(worker = worker.0, spans = leases.len(), reason, "a worker lost its spans");
            }
            Note::Quarantined { device, pause } => {
                meters::count("segue_quarantines_total", 1);
                warn!(%device, pause_ms = pause, "a device failed too often and is left alone");
            }
            Note::Trusted(device) => info!(%device, "a device is trusted again"),
            Note::Stalled(lease) => {
                meters::count("segue_stalls_total", 1);
                warn!(%lease, "a span made no progress");
            }
            Note::Late(millis) => {
                meters::count("segue_late_ticks_total", 1);
                debug!(millis, "the scheduler itself woke late");
            }
        }
    }
}
