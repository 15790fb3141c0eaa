//! What goes wrong in a seed's life: how bad the network is all the time, and what happens when.

use crate::chance::Chance;

/// When the faults end; afterwards everything has to come right.
pub const CLEAR_AT: u64 = 45_000;
/// When everything must have come right.
pub const OVER_AT: u64 = 600_000;

/// The constant part. Rates are per ten thousand.
#[derive(Clone, Debug)]
pub struct Weather {
    pub loss: u64,
    pub doubled: u64,
    pub delay_max: u64,
    /// A message that takes up to two seconds.
    pub very_late: u64,
    /// A process that crashes, is killed or hangs, per segment.
    pub crash: u64,
    pub kill: u64,
    pub hang: u64,
    /// A process that stops early, as if it were done or told to.
    pub early: u64,
    pub faults: Vec<(u64, Fault)>,
}

/// Something that happens once.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// The worker's process is gone; whether its stream breaks with it.
    Crash { host: usize, silent: bool, back_after: u64 },
    /// The whole host stands still.
    Freeze { host: usize, length: u64 },
    /// Nothing gets through in either direction.
    Partition { host: usize, length: u64 },
    /// The stream breaks, both ends live.
    Break { host: usize },
    /// Every process on a device fails at once.
    BlackHole { host: usize, length: u64 },
    /// A device blames sources that are good.
    Liar { host: usize, length: u64 },
    /// The host is this many times slower.
    Slow { host: usize, factor: u64, length: u64 },
    /// The store takes nothing.
    StoreStalls { length: u64 },
    /// The store refuses everything.
    StoreErrs { length: u64 },
    /// The scheduler stands still, and its messages queue up.
    SchedulerFreezes { length: u64 },
    /// The scheduler is replaced by one that knows nothing.
    SchedulerRestarts { after: u64 },
    /// A worker is asked to leave, and comes back.
    Leave { host: usize, back_after: u64 },
    /// A published segment is lost.
    Vanish,
    /// What a worker says of a span makes no sense.
    Babble { host: usize, length: u64 },
}

impl Weather {
    pub fn of(chance: &mut Chance, hosts: usize) -> Weather {
        let calm = chance.happens(1_000);
        let mild = |chance: &mut Chance, most: u64| if calm { 0 } else { chance.below(most + 1) };
        let mut weather = Weather {
            loss: mild(chance, 500),
            doubled: mild(chance, 500),
            delay_max: 5 + mild(chance, 250),
            very_late: mild(chance, 100),
            crash: mild(chance, 150),
            kill: mild(chance, 100),
            hang: mild(chance, 60),
            early: mild(chance, 60),
            faults: Vec::new(),
        };
        let count = if calm { 0 } else { chance.between(1, 12) };
        for _ in 0..count {
            let at = chance.between(500, CLEAR_AT - 1_000);
            weather.faults.push((at, Fault::any(chance, hosts)));
        }
        weather
    }
}

impl Fault {
    fn any(chance: &mut Chance, hosts: usize) -> Fault {
        let host = chance.below(hosts as u64) as usize;
        let length = chance.between(200, 9_000);
        match chance.below(15) {
            0 => Fault::Crash { host, silent: true, back_after: length },
            1 => Fault::Crash { host, silent: false, back_after: length },
            2 => Fault::Freeze { host, length },
            3 => Fault::Partition { host, length: length * 2 },
            4 | 5 => Fault::Break { host },
            // One of the two only, and always the first: two liars together are believed.
            6 => Fault::BlackHole { host: 0, length },
            7 => Fault::Liar { host: 0, length },
            8 => Fault::Slow { host, factor: chance.between(2, 10), length: length * 2 },
            9 => Fault::StoreStalls { length },
            10 => Fault::StoreErrs { length },
            11 => Fault::SchedulerFreezes { length: length.min(6_000) },
            12 => Fault::SchedulerRestarts { after: length.min(4_000) },
            13 => Fault::Babble { host, length },
            _ if chance.happens(5_000) => Fault::Leave { host, back_after: length * 2 },
            _ => Fault::Vanish,
        }
    }
}
