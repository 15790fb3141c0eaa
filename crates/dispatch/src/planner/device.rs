//! What is known of a device: what it has left, what work costs on it, whether it is trusted.

use std::collections::{BTreeMap, BTreeSet};

use segue_model::pool::{
    DeviceCapabilities, DeviceId, Measured, Renditions, Resources, Screening, Term,
};

use super::policy::Policy;
use crate::{Millis, Moment};

/// Strikes are counted in thousandths, so that good segments can wear them off.
const STRIKE: u32 = 1000;
const STRIKES_MAX: u32 = 3 * STRIKE;
/// A good segment makes up for this much.
const FORGIVEN_PER_SEGMENT: u32 = STRIKE / 10;
/// After so many good segments the next quarantine is a first one again.
const GOOD_SEGMENTS_MIN: u32 = 100;
/// Kinds of work a device remembers the cost of.
const KINDS_MAX: usize = 64;
/// A viewer is not given a device that would just do: paces vary.
const MARGIN_PER_MILLE: u32 = 1150;

/// A device of a known worker.
#[derive(Debug)]
pub(super) struct Device {
    pub id: DeviceId,
    pub worker: u32,
    pub capabilities: DeviceCapabilities,
    /// Leases with a process.
    pub leases: BTreeSet<u32>,
    /// What viewers' leases take.
    pub playback: Resources,
    /// What batch leases take that were not told to stop.
    pub batch: Resources,
    pub batch_leases: u32,
    pub health: Health,
    strikes: u32,
    quarantines: u32,
    /// How often it was to be screened, ever: an answer to an earlier screening is none to this.
    screenings: u32,
    good: u32,
    learned: BTreeMap<(u64, Renditions), Resources>,
    pub places: Places,
    pub timer: Option<Moment>,
}

/// Where a device is in the indices of its family.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Places {
    /// Among those that take viewers, by this.
    pub playback: Option<u32>,
    /// Among those that take batches, by this.
    pub batch: Option<u32>,
    /// Among those that run all the processes they may, batches among them.
    pub crowded: bool,
    /// The same, but one of those was told to end.
    pub clearing: bool,
    /// What it counts for in the family's speed.
    pub speed: u64,
    /// How much of that nothing is made with.
    pub idle: u64,
}

/// Whether a device is given work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Trusted,
    /// Left alone until then.
    Quarantined(Moment),
    /// Asked for the known answer.
    Screened,
}

impl Device {
    pub fn new(id: DeviceId, worker: u32, capabilities: DeviceCapabilities) -> Device {
        Device {
            id,
            worker,
            capabilities,
            leases: BTreeSet::new(),
            playback: Resources::default(),
            batch: Resources::default(),
            batch_leases: 0,
            health: Health::Trusted,
            strikes: 0,
            quarantines: 0,
            screenings: 0,
            good: 0,
            learned: BTreeMap::new(),
            places: Places::default(),
            timer: None,
        }
    }

    /// What a second of film takes of it: as learned, or reckoned from its calibration.
    pub fn effort(&self, kind: u64, renditions: Renditions, per_mille: u32) -> Resources {
        let learned = self.learned.get(&(kind, renditions));
        learned.copied().unwrap_or_else(|| self.capabilities.calibration.per_mille(per_mille))
    }

    /// What making a film as fast as it is watched takes, with a margin.
    pub fn needs(&self, effort: Resources) -> Resources {
        Resources { memory_mib: effort.memory_mib, ..effort.per_mille(MARGIN_PER_MILLE) }
    }

    pub fn learn(&mut self, kind: u64, renditions: Renditions, measured: Measured) {
        if self.learned.len() >= KINDS_MAX && !self.learned.contains_key(&(kind, renditions)) {
            self.learned.pop_first();
        }
        let known = self.learned.entry((kind, renditions)).or_insert(measured.effort);
        *known = known.towards(measured.effort);
    }

    /// What is left for viewers: batches make way.
    pub fn left_for_playback(&self) -> Resources {
        self.capabilities.capacity.minus(self.playback)
    }

    pub fn left(&self) -> Resources {
        self.left_for_playback().minus(self.batch)
    }

    pub fn is_overfull(&self) -> bool {
        !self.playback.plus(self.batch).fits_in(self.capabilities.capacity)
    }

    /// How fast it makes the reference work alone, in thousandths of real time.
    pub fn speed_alone(&self) -> u32 {
        self.capabilities.capacity.speed_per_mille(self.capabilities.calibration)
    }

    /// How fast each of its batch spans goes when it has all it may have, in thousandths of real time.
    pub fn span_speed(&self) -> u64 {
        u64::from(self.speed_alone()) / u64::from(self.capabilities.batch_spans.max(1))
    }

    /// How fast new work would go beside what viewers have: batches share until they make way.
    pub fn playback_speed(&self) -> u32 {
        let speed = self.left_for_playback().speed_per_mille(self.capabilities.calibration);
        if self.batch_leases > 0 { speed / 4 * 3 } else { speed }
    }

    pub fn batch_speed(&self) -> u32 {
        self.left().speed_per_mille(self.capabilities.calibration)
    }

    /// How long a segment of `length` takes if it gets all that is left; at least a hundredth of
    /// the device, however full it is.
    pub fn pace(&self, effort: Resources, left: Resources, length: Millis) -> Millis {
        let all = self.capabilities.capacity.speed_per_mille(effort);
        let speed = left.speed_per_mille(effort).max(all / 100).max(1);
        (length * 1000 / Millis::from(speed)).clamp(1, 3_600_000)
    }

    pub fn is_trusted(&self) -> bool {
        self.health == Health::Trusted
    }

    /// A segment was made.
    pub fn praise(&mut self, segments: u32) {
        self.strikes = self.strikes.saturating_sub(segments.saturating_mul(FORGIVEN_PER_SEGMENT));
        self.good = self.good.saturating_add(segments);
        if self.good >= GOOD_SEGMENTS_MIN {
            self.quarantines = 0;
        }
    }

    /// Something failed that may be its fault; says for how long it is left alone, if it is.
    pub fn strike(&mut self, policy: &Policy, now: Moment, strikes: u32) -> Option<Millis> {
        self.good = 0;
        self.strikes = self.strikes.saturating_add(strikes * STRIKE);
        (self.strikes >= STRIKES_MAX && self.is_trusted()).then(|| self.quarantine(policy, now))
    }

    /// It was not its fault after all.
    pub fn acquit(&mut self) {
        self.strikes = self.strikes.saturating_sub(STRIKE);
    }

    fn quarantine(&mut self, policy: &Policy, now: Moment) -> Millis {
        let doubled = policy.quarantine << self.quarantines.min(20);
        let pause = doubled.min(policy.quarantine_max);
        self.quarantines += 1;
        self.screenings += 1;
        self.health = Health::Quarantined(now + pause);
        pause
    }

    /// What it is to be asked, while it is.
    pub fn screening(&self, term: Term) -> Option<Screening> {
        let asked = self.health == Health::Screened;
        asked.then_some(Screening { term, device: self.id.device, round: self.screenings })
    }

    /// It answered; says for how long it is left alone if that was wrong.
    pub fn screened(&mut self, policy: &Policy, now: Moment, passed: bool) -> Option<Millis> {
        if passed {
            self.health = Health::Trusted;
            // One more failure of two, and it is out again.
            self.strikes = STRIKES_MAX - STRIKE * 3 / 2;
            return None;
        }
        Some(self.quarantine(policy, now))
    }
}
