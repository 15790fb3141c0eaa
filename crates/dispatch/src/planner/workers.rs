//! Who is there: streams that open and break, silence, drains, and which devices may be given
//! work. What a status says of leases is read in `reports`.

use segue_model::pool::{DeviceCapabilities, DeviceId, EncoderFamily, Hello, WorkerId};

use super::device::{Device, Health, Places};
use super::timers::Timer;
use super::worker::Worker;
use super::{Decision, FencedBy, Note, Planner};
use crate::Moment;

/// With this many workers or more, a third of them silent at once says more about us than about
/// them.
const CROWD_MIN: u32 = 3;

impl Planner {
    pub(super) fn connect(&mut self, hello: Hello) {
        let at = self.worker_index.get(&hello.worker).copied();
        let at = at.unwrap_or_else(|| {
            let drain = self.drains.contains(&hello.worker);
            let worker = Worker { drain, ..Worker::new(hello.worker, self.now) };
            let at = self.workers.insert(worker);
            self.worker_index.insert(hello.worker, at);
            at
        });
        let worker = &self.workers[at];
        let is_other = hello.incarnation != worker.incarnation;
        if is_other && worker.connected && !worker.suspected {
            // Whichever began later: a newcomer that was given the name by mistake takes nothing away, and
            // one that follows a process which is gone comes again when that is known.
            let (worker, incarnation, by) = (worker.id, hello.incarnation, worker.incarnation);
            self.decisions.push(Decision::NameTaken { worker, incarnation, by });
            return;
        }
        if !is_other && hello.stream <= worker.stream {
            return;
        }
        if hello.incarnation != worker.incarnation {
            self.fence(at, FencedBy::Restart);
            self.workers[at].broken_off.clear();
        }
        let now = self.now;
        self.leave_strangers(at);
        let worker = &mut self.workers[at];
        let was_connected = std::mem::replace(&mut worker.connected, true);
        worker.incarnation = hello.incarnation;
        worker.stream = hello.stream;
        worker.heard_at = now;
        worker.busy_since = now;
        worker.sequence = 0;
        worker.content = 0;
        worker.draining = false;
        worker.screened.clear();
        let was_suspected = std::mem::replace(&mut worker.suspected, false);
        self.connected += u32::from(!was_connected);
        self.suspected -= u32::from(was_suspected);
        self.equip(at, hello.capabilities.devices);
        self.watch_worker(at);
        self.touch(at);
    }

    /// Brings a worker's devices to what it says it has; what is known of them stays.
    fn equip(&mut self, worker: u32, capabilities: Vec<DeviceCapabilities>) {
        let id = self.workers[worker].id;
        let known = self.workers[worker].devices.len();
        for device in self.workers[worker].devices.split_off(known.min(capabilities.len())) {
            self.remove_device(device);
        }
        for (index, capabilities) in capabilities.into_iter().enumerate() {
            let Ok(number) = u16::try_from(index) else { break };
            match self.workers[worker].devices.get(index).copied() {
                Some(device) => {
                    let state = &mut self.devices[device];
                    if state.capabilities.family != capabilities.family {
                        self.leave_indices(device);
                    }
                    self.devices[device].capabilities = capabilities;
                }
                None => {
                    let name = DeviceId { worker: id, device: number };
                    let device = self.devices.insert(Device::new(name, worker, capabilities));
                    self.workers[worker].devices.push(device);
                }
            }
        }
        self.reindex_all(worker);
    }

    fn remove_device(&mut self, device: u32) {
        // Also those that have ended and are still being stored.
        let held = &self.workers[self.devices[device].worker].leases;
        let of_it = held.iter().map(|(_, at)| *at).filter(|at| self.leases[*at].device == device);
        for lease in of_it.collect::<Vec<_>>() {
            self.lose(lease, None);
        }
        self.leave_indices(device);
        self.set_timer(Timer::Device(device), None);
        self.devices.remove(device);
    }

    pub(super) fn broken(&mut self, worker: WorkerId, stream: u64) {
        let Some(at) = self.worker_index.get(&worker).copied() else { return };
        if self.workers[at].connected && self.workers[at].stream == stream {
            let leases = self.workers[at].leases.iter();
            let held = leases.map(|(id, lease)| (*id, self.leases[*lease].ended)).collect();
            self.fence(at, FencedBy::Break);
            self.leave_strangers(at);
            let worker = &mut self.workers[at];
            worker.broken_off = held;
            worker.connected = false;
            let was_suspected = std::mem::replace(&mut worker.suspected, false);
            self.connected -= 1;
            self.suspected -= u32::from(was_suspected);
            self.reindex_all(at);
            self.watch_worker(at);
        }
    }

    /// Takes everything from a worker; nobody is blamed.
    fn fence(&mut self, at: u32, reason: FencedBy) {
        let leases = self.workers[at].leases.clone();
        if !leases.is_empty() || reason == FencedBy::Silence {
            let worker = self.workers[at].id;
            let leases = leases.iter().map(|(id, _)| *id).collect();
            self.noted(Note::Fenced { worker, leases, reason });
        }
        for (_, lease) in leases {
            // Losing one may end its job, and with it others.
            if self.leases.get(lease).is_some_and(|lease| lease.worker == at) {
                self.lose(lease, None);
            }
        }
        self.touch(at);
    }

    /// Sees how long a worker has been silent, and when to look again.
    pub(super) fn watch_worker(&mut self, at: u32) {
        let worker = &self.workers[at];
        let forgotten_at = worker.heard_at + self.policy.remember;
        let next = if !worker.connected {
            if self.now >= forgotten_at {
                return self.forget_worker(at);
            }
            forgotten_at
        } else if self.now < self.forgive_until {
            self.forgive_until
        } else {
            self.judge_silence(at)
        };
        self.set_timer(Timer::Worker(at), Some(next));
    }

    fn judge_silence(&mut self, at: u32) -> Moment {
        let worker = &self.workers[at];
        let suspected_at = self.suspected_at(worker);
        if !worker.suspected {
            if self.now < suspected_at {
                return suspected_at;
            }
            let id = worker.id;
            self.workers[at].suspected = true;
            self.suspected += 1;
            self.noted(Note::Suspected(id));
            self.reindex_all(at);
        }
        // A crowd that falls silent together is more likely to be alive than we are to be well.
        let crowd = self.connected >= CROWD_MIN && self.suspected * 3 > self.connected;
        let patience = if crowd { 2 * self.policy.fence } else { self.policy.fence };
        let worker = &self.workers[at];
        let fenced_at = worker.heard_at + patience;
        if self.now < fenced_at {
            return fenced_at.min(self.now + self.policy.suspect);
        }
        if !worker.leases.is_empty() {
            self.fence(at, FencedBy::Silence);
        }
        self.now + self.policy.remember
    }

    fn suspected_at(&self, worker: &Worker) -> Moment {
        if worker.leases.is_empty() {
            worker.heard_at + self.policy.suspect_idle
        } else {
            worker.heard_at.max(worker.busy_since) + self.policy.suspect
        }
    }

    /// A sign of life.
    pub(super) fn hear(&mut self, at: u32) {
        let worker = &mut self.workers[at];
        worker.heard_at = self.now;
        if std::mem::replace(&mut worker.suspected, false) {
            self.suspected -= 1;
            self.reindex_all(at);
            self.watch_worker(at);
        }
    }

    fn forget_worker(&mut self, at: u32) {
        self.fence(at, FencedBy::Silence);
        self.leave_strangers(at);
        for device in std::mem::take(&mut self.workers[at].devices) {
            self.remove_device(device);
        }
        self.set_timer(Timer::Worker(at), None);
        self.changed.remove(&at);
        if let Some(worker) = self.workers.remove(at) {
            self.worker_index.remove(&worker.id);
            self.connected -= u32::from(worker.connected);
            self.suspected -= u32::from(worker.suspected);
        }
    }

    pub(super) fn drain(&mut self, worker: WorkerId, drain: bool) {
        // Also of workers that are not known yet, or no more.
        if drain {
            self.drains.insert(worker);
        } else {
            self.drains.remove(&worker);
        }
        let Some(at) = self.worker_index.get(&worker).copied() else { return };
        if std::mem::replace(&mut self.workers[at].drain, drain) != drain {
            self.touch(at);
            self.reindex_all(at);
            if drain {
                self.hand_over(at);
            }
        }
    }

    /// What a worker has not begun goes to others.
    pub(super) fn hand_over(&mut self, at: u32) {
        for (_, lease) in self.workers[at].leases.clone() {
            self.cut_to_current(lease);
        }
    }

    /// Every job had the chance to become known: what is still strange is not gone on with.
    pub(super) fn dismiss_strangers(&mut self) {
        let holders: Vec<u32> = self.strangers.values().flatten().copied().collect();
        for worker in holders {
            self.leave_strangers(worker);
            self.touch(worker);
        }
    }

    pub(super) fn leave_strangers(&mut self, worker: u32) {
        for span in std::mem::take(&mut self.workers[worker].strangers) {
            if let Some(holders) = self.strangers.get_mut(&span.order.job) {
                holders.remove(&worker);
                if holders.is_empty() {
                    self.strangers.remove(&span.order.job);
                }
            }
        }
    }

    pub(super) fn end_quarantine(&mut self, device: u32) {
        let state = &mut self.devices[device];
        if matches!(state.health, Health::Quarantined(_)) {
            state.health = Health::Screened;
            let worker = state.worker;
            self.touch(worker);
        }
    }

    /// Something failed that may be a device's fault.
    pub(super) fn strike(&mut self, device: u32, strikes: u32) {
        let pause = self.devices[device].strike(&self.policy, self.now, strikes);
        self.leave_alone(device, pause);
    }

    pub(super) fn leave_alone(&mut self, device: u32, pause: Option<u64>) {
        if let Some(pause) = pause {
            let id = self.devices[device].id;
            self.noted(Note::Quarantined { device: id, pause });
            self.set_timer(Timer::Device(device), Some(self.now + pause));
        }
        self.reindex(device);
    }

    pub(super) fn reindex_all(&mut self, worker: u32) {
        for at in 0..self.workers[worker].devices.len() {
            self.reindex(self.workers[worker].devices[at]);
        }
    }

    /// Puts a device where it belongs among those with free capacity.
    pub(super) fn reindex(&mut self, at: u32) {
        let device = &self.devices[at];
        let usable = self.workers[device.worker].is_available() && device.is_trusted();
        let room = device.leases.len() < usize::from(device.capabilities.spans_max);
        let pressed = device.leases.iter().any(|at| self.leases[*at].pressed);
        let batch_room = room
            && !pressed
            && device.batch_leases < u32::from(device.capabilities.batch_spans)
            && !device.is_overfull();
        let idle_spans =
            u64::from(device.capabilities.batch_spans).saturating_sub(device.batch_leases.into());
        let full = usable && !room;
        let clearing = full && device.leases.iter().any(|at| self.leases[*at].makes_way());
        let places = Places {
            playback: (usable && room).then(|| device.playback_speed()),
            batch: (usable && batch_room).then(|| device.batch_speed()),
            crowded: full && !clearing && device.batch_leases > 0,
            clearing,
            speed: if usable { u64::from(device.speed_alone()) } else { 0 },
            idle: if usable && batch_room { idle_spans * device.span_speed() } else { 0 },
        };
        self.move_to(at, places);
    }

    fn leave_indices(&mut self, at: u32) {
        self.move_to(at, Places::default());
    }

    fn move_to(&mut self, at: u32, places: Places) {
        let device = &mut self.devices[at];
        let family = device.capabilities.family;
        let before = std::mem::replace(&mut device.places, places);
        let index = family as usize;
        move_key(&mut self.free_for_playback[index], at, before.playback, places.playback);
        move_key(&mut self.free_for_batch[index], at, before.batch, places.batch);
        if places.crowded {
            self.crowded[index].insert(at);
        } else if before.crowded {
            self.crowded[index].remove(&at);
        }
        self.clearing[index] += u32::from(places.clearing);
        self.clearing[index] -= u32::from(before.clearing);
        self.speed[index] += places.speed;
        self.speed[index] -= before.speed;
        self.idle_speed[index] += places.idle;
        self.idle_speed[index] -= before.idle;
        if self.speed[index] > 0 {
            self.absent_since[index] = None;
        } else if self.absent_since[index].is_none() {
            self.absent_since[index] = Some(self.now);
            self.timers.insert((self.now + self.policy.cross, Timer::Family(family)));
        }
    }

    /// Families whose devices may make a job, in the order to try them.
    pub(super) fn families(&self, job: u32) -> Vec<EncoderFamily> {
        let job = &self.jobs[job];
        match job.family {
            // Joins across families are a last resort: only when nobody of the right one comes back.
            Some(family) if !self.is_gone(family) => vec![family],
            _ => job.families.clone(),
        }
    }

    /// The same for a segment: where a device blames the source, any family may say whether it is right.
    pub(super) fn families_at(&self, job: u32, segment: u32) -> Vec<EncoderFamily> {
        let mut families = self.families(job);
        let state = &self.jobs[job];
        let blamed = |trouble: &super::trouble::Trouble| !trouble.accusers.is_empty();
        if state.troubles.get(&segment).is_some_and(blamed) {
            let others = state.families.iter().filter(|family| !families.contains(family));
            families.extend(others.copied().collect::<Vec<_>>());
        }
        families
    }

    /// Whether giving a job's work to a family breaks with the one that is there.
    pub(super) fn crosses(&self, job: u32, family: EncoderFamily) -> bool {
        let own = self.jobs[job].family;
        own.is_some_and(|own| own != family && !self.is_gone(own))
    }

    fn is_gone(&self, family: EncoderFamily) -> bool {
        // Who slept does not know who is there.
        let awake = self.now >= self.forgive_until;
        let since = self.absent_since[family as usize];
        awake && since.is_some_and(|since| self.now.since(since) >= self.policy.cross)
    }

    /// Whether no device but this one would be given a job, nor one that may be coming back.
    pub(super) fn is_alone(&self, job: u32, device: u32) -> bool {
        let families = &self.jobs[job].families;
        let since = self.policy.alone_after;
        let there = |other: &Device| {
            let worker = &self.workers[other.worker];
            let near = worker.connected || self.now.since(worker.heard_at) < since;
            // Who leaves by itself may be back in a moment, of another version.
            near && !worker.drain
        };
        let mut others = self.devices.iter().filter(|(at, other)| {
            *at != device && families.contains(&other.capabilities.family) && there(other)
        });
        self.now >= self.settled_at + since && others.next().is_none()
    }
}

fn move_key(
    index: &mut std::collections::BTreeSet<(u32, u32)>,
    at: u32,
    before: Option<u32>,
    after: Option<u32>,
) {
    if before == after {
        return;
    }
    if let Some(key) = before {
        index.remove(&(key, at));
    }
    if let Some(key) = after {
        index.insert((key, at));
    }
}
