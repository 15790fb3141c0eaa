//! What the planner knows, for metrics, administrators, clients and tests. [`Planner::view`] reads
//! everything: not for every event. What is asked of one job costs what that job has.

use segue_model::pool::{ClaimId, DeviceId, EncoderFamily, LeaseId, Renditions, WorkerId};
use segue_model::{JobId, SegmentId, Span};

use super::Planner;
use super::device::Health;
use crate::Moment;

/// Everything at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Known workers, also those that are away for a while.
    pub workers: Vec<WorkerView>,
    /// Every lease.
    pub leases: Vec<LeaseView>,
    /// Known jobs.
    pub jobs: usize,
    /// Claims on them.
    pub claims: usize,
    /// Viewers that could be given something and were not, for want of devices, and when each runs
    /// dry; the first to do so first.
    pub waiting: Vec<(Moment, ClaimId)>,
    /// Jobs with batch work that nobody does yet.
    pub batches_queued: usize,
    /// Moments that are waited for.
    pub timers: usize,
}

/// A worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerView {
    /// Which.
    pub id: WorkerId,
    /// Whether its stream is open.
    pub connected: bool,
    /// Whether it is silent.
    pub suspected: bool,
    /// Whether it is to be empty, or wants to leave.
    pub draining: bool,
    /// Whether it may be given work.
    pub available: bool,
    /// Its devices.
    pub devices: Vec<DeviceView>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceView {
    /// Which.
    pub id: DeviceId,
    /// What its segments are kin to.
    pub family: EncoderFamily,
    /// Whether it is given work.
    pub trusted: bool,
    /// Until when it is left alone.
    pub quarantined_until: Option<Moment>,
    /// Spans on it.
    pub spans: usize,
}

/// A lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseView {
    /// Which.
    pub id: LeaseId,
    /// Whose.
    pub worker: WorkerId,
    /// On which of its devices.
    pub device: u16,
    /// Of which job.
    pub job: JobId,
    /// What.
    pub span: Span,
    /// Of which renditions.
    pub renditions: Renditions,
    /// For a viewer.
    pub playback: bool,
    /// What is ready of it.
    pub ready_through: u32,
    /// Whether its process is gone.
    pub ended: bool,
}

/// One job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobView {
    /// Segments of all renditions that are published.
    pub published: u32,
    /// Segments of all renditions.
    pub total: u32,
    /// Whether there is something to do that is wanted now and that nobody was given yet.
    pub waiting: bool,
    /// Who works on it, and who is still to store what was made.
    pub leases: Vec<LeaseView>,
}

impl View {
    /// What a worker's device makes is kin to.
    pub fn family_of(&self, worker: WorkerId, device: u16) -> Option<EncoderFamily> {
        let worker = self.workers.iter().find(|known| known.id == worker)?;
        worker.devices.get(usize::from(device)).map(|device| device.family)
    }
}

impl Planner {
    /// Everything at a glance.
    pub fn view(&self) -> View {
        let waiting = self.waiting.all().into_iter().map(|(due, at)| (due, self.claims[at].id));
        View {
            workers: self.workers.iter().map(|(at, _)| self.view_worker(at)).collect(),
            leases: self.leases.iter().map(|(at, _)| self.view_lease(at)).collect(),
            jobs: self.jobs.len(),
            claims: self.claims.len(),
            waiting: waiting.collect(),
            batches_queued: self.batch_queue.len(),
            timers: self.timers.len(),
        }
    }

    /// One job, if it is known.
    pub fn job(&self, id: JobId) -> Option<JobView> {
        let job = &self.jobs[*self.job_index.get(&id)?];
        let (published, total) = job.counts();
        let queued = |stream: &u32| self.claims[*stream].queued.is_some();
        let waiting = job.streams.iter().any(queued) || job.open_for_batch() > 0;
        let leases = job.leases.iter().map(|at| self.view_lease(*at)).collect();
        Some(JobView { published, total, waiting, leases })
    }

    /// How many segments of a job are published, and how many there are.
    pub fn counts(&self, id: JobId) -> Option<(u32, u32)> {
        Some(self.jobs[*self.job_index.get(&id)?].counts())
    }

    /// Whether a segment is published, as far as is known.
    pub fn is_published(&self, id: JobId, segment: SegmentId) -> bool {
        self.job_index.get(&id).is_some_and(|at| self.jobs[*at].is_published(segment))
    }

    /// Whether a worker is to be left alone: it wants to leave, or an administrator wants it empty.
    pub fn leaves(&self, worker: WorkerId) -> bool {
        self.worker_index.get(&worker).is_some_and(|at| self.workers[*at].leaves())
    }

    /// Workers that others can read from: those that are well, and of them those that do not leave, if
    /// there is one.
    pub fn readers(&self) -> Vec<WorkerId> {
        let well = self.workers.iter().map(|(_, worker)| worker);
        let well = well.filter(|worker| worker.connected && !worker.suspected);
        let (leaving, staying): (Vec<_>, Vec<_>) = well.partition(|worker| worker.leaves());
        let those = if staying.is_empty() { leaving } else { staying };
        those.into_iter().map(|worker| worker.id).collect()
    }

    fn view_worker(&self, at: u32) -> WorkerView {
        let worker = &self.workers[at];
        let device = |at: &u32| {
            let device = &self.devices[*at];
            let quarantined_until = match device.health {
                Health::Quarantined(until) => Some(until),
                Health::Trusted | Health::Screened => None,
            };
            let (id, trusted, spans) = (device.id, device.is_trusted(), device.leases.len());
            let family = device.capabilities.family;
            DeviceView { id, family, trusted, quarantined_until, spans }
        };
        WorkerView {
            id: worker.id,
            connected: worker.connected,
            suspected: worker.suspected,
            draining: worker.leaves(),
            available: worker.is_available(),
            devices: worker.devices.iter().map(device).collect(),
        }
    }

    fn view_lease(&self, at: u32) -> LeaseView {
        let lease = &self.leases[at];
        LeaseView {
            id: lease.id,
            worker: self.workers[lease.worker].id,
            device: self.devices[lease.device].id.device,
            job: self.jobs[lease.job].id,
            span: lease.span,
            renditions: lease.renditions,
            playback: lease.playback,
            ready_through: lease.ready_through,
            ended: lease.ended,
        }
    }
}
