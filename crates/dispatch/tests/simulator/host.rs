//! A worker's host: the very session, driven as its daemon would drive it, with processes that take
//! simulated time.

use std::collections::{BTreeMap, BTreeSet};

use segue_dispatch::session::Patience;
use segue_dispatch::{Moment, Session};
use segue_model::JobId;
use segue_model::pool::{
    Capabilities, DeviceCapabilities, EncoderFamily, LeaseId, Order, Resources, WorkerId,
};

use crate::chance::Chance;

#[derive(Debug)]
pub struct Host {
    pub id: WorkerId,
    pub session: Option<Session>,
    pub incarnation: u64,
    pub capabilities: Capabilities,
    /// Film seconds per second of a device, in thousandths.
    pub speed: u64,
    /// Its clock has nothing to do with anybody's.
    pub offset: u64,
    pub stream: u64,
    pub connected: bool,
    pub sequence: u64,
    pub processes: BTreeMap<LeaseId, Process>,
    /// What may be read from it.
    pub memory: BTreeMap<LeaseId, BTreeSet<(JobId, u32, u32)>>,
    pub frozen_until: u64,
    pub cut_off_until: u64,
    pub black_hole_until: u64,
    pub liar_until: u64,
    pub babbles_until: u64,
    pub slow: (u64, u64),
    /// When a tick is due, so that only one is under way.
    pub tick_at: Option<u64>,
    pub leaving: Option<u64>,
    // For the checks.
    pub silent_since: Option<u64>,
    pub troubled_until: u64,
    pub faults: u32,
    pub heard_at: u64,
    /// Words that were lost since one came through.
    pub unheard: u32,
    pub begun: BTreeSet<LeaseId>,
}

/// A span process.
#[derive(Clone, Debug)]
pub struct Process {
    pub order: Order,
    /// Tells it from an earlier one of the same lease.
    pub number: u64,
    pub next: u32,
    pub working: bool,
    pub hung: bool,
    pub backlog: BTreeSet<(u32, u32)>,
}

impl Host {
    pub fn new(chance: &mut Chance, index: usize, weak: bool) -> Host {
        let devices = 1 + usize::from(chance.happens(3_000));
        let speed = if weak { chance.between(700, 1_300) } else { chance.between(2_500, 12_000) };
        // Two devices of the one family are always there somewhere.
        let graphics = [index > 1 && chance.happens(4_000), chance.happens(4_000)];
        let family = |number: usize| match graphics[number] {
            true => EncoderFamily::Vaapi,
            false => EncoderFamily::X264,
        };
        let device = |number: usize| DeviceCapabilities {
            name: format!("device {number}"),
            family: family(number),
            capacity: Resources { video_ms: 0, render_ms: 0, cpu_ms: 4_000, memory_mib: 8_000 },
            calibration: Resources {
                video_ms: 0,
                render_ms: 0,
                cpu_ms: (4_000_000 / speed) as u32,
                memory_mib: 100,
            },
            spans_max: 8,
            batch_spans: 1,
        };
        let name = format!("host {index}");
        Host {
            id: WorkerId(index as u64 + 1),
            session: None,
            incarnation: 0,
            capabilities: Capabilities { name, devices: (0..devices).map(device).collect() },
            speed,
            offset: chance.below(1_000_000),
            stream: 0,
            connected: false,
            sequence: 0,
            processes: BTreeMap::new(),
            memory: BTreeMap::new(),
            frozen_until: 0,
            cut_off_until: 0,
            black_hole_until: 0,
            liar_until: 0,
            babbles_until: 0,
            slow: (1, 0),
            tick_at: None,
            leaving: None,
            silent_since: None,
            troubled_until: 0,
            faults: 0,
            heard_at: 0,
            unheard: 0,
            begun: BTreeSet::new(),
        }
    }

    pub fn start(&mut self, now: u64) {
        self.incarnation += 1;
        // The one before may still be fenced, and this one not be known yet.
        self.troubled_until = self.troubled_until.max(now);
        let capabilities = self.capabilities.clone();
        let (id, patience) = (self.id, Patience::default());
        let session = Session::new(id, self.incarnation, capabilities, patience, self.clock(now));
        self.session = Some(session);
        self.stream = 0;
        self.connected = false;
        self.begun.clear();
        self.leaving = None;
    }

    pub fn stop(&mut self) {
        self.session = None;
        self.connected = false;
        self.processes.clear();
        self.memory.clear();
    }

    pub fn clock(&self, now: u64) -> Moment {
        Moment(now + self.offset)
    }

    /// How long the next segment of a process takes.
    pub fn pace(&self, now: u64, order: &Order, length: u64) -> u64 {
        let beside =
            self.processes.values().filter(|p| p.order.device == order.device && p.working);
        let slow = if now < self.slow.1 { self.slow.0 } else { 1 };
        length * 1000 * beside.count().max(1) as u64 * slow / self.speed
    }

    pub fn has(&self, job: JobId, rendition: u32, index: u32) -> bool {
        self.memory.values().any(|made| made.contains(&(job, rendition, index)))
    }
}
