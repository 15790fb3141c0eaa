//! Which viewers' spans must not be slowed down: as long as a stream is not well ahead of its viewer,
//! no batch is begun on the devices that make it.

use super::job::Lease;
use super::{Demand, Planner};

impl Planner {
    /// Sees whether what a lease makes is wanted soon, as something of it changed.
    pub(super) fn weigh(&mut self, at: u32) {
        let lease = &self.leases[at];
        let streams = self.jobs[lease.job].streams.iter();
        let mut demands = streams.filter_map(|stream| self.claims[*stream].demand());
        let makes = lease.playback && !lease.ended && lease.left() > 0;
        let pressed = makes && demands.any(|demand| self.is_pressed_by(lease, &demand));
        self.set_pressed(at, pressed);
    }

    /// The same of all that a viewer comes to, as it moved or left.
    pub(super) fn weigh_for(&mut self, job: u32, demand: &Demand) {
        let ahead = self.segments_ahead(job, demand);
        for at in self.jobs[job].makers_near(demand.segment, ahead, demand.renditions) {
            // A film may have very many viewers: all are asked only where that may matter.
            if self.leases[at].pressed || self.is_pressed_by(&self.leases[at], demand) {
                self.weigh(at);
            }
        }
    }

    fn is_pressed_by(&self, lease: &Lease, demand: &Demand) -> bool {
        let comes = demand.segment < lease.span.end
            && !demand.renditions.intersection(lease.renditions).is_empty();
        let due = self.jobs[lease.job].due(demand, lease.ready_through);
        comes && due + self.policy.behind < self.now + self.policy.read_ahead_of(demand)
    }

    fn set_pressed(&mut self, at: u32, pressed: bool) {
        let lease = &mut self.leases[at];
        if std::mem::replace(&mut lease.pressed, pressed) != pressed {
            let device = lease.device;
            self.reindex(device);
        }
    }
}
