//! Who makes a film: ffmpeg, or the drop-in with one of two pools that have the same cores.

use std::process::Command;

use segue_api::Client;
use tokio::runtime::Runtime;

use super::stand_in::StandIn;
use crate::machine;
use crate::measure::processor_time_of_all;
use crate::pool::house::{House, pinned, until_idle};
use crate::pool::runtime;

/// Who.
#[derive(Clone, Copy, PartialEq)]
pub enum Arm {
    Ffmpeg,
    /// Pinned to the cores that each of two workers has.
    FfmpegOnHalf,
    OneWorker,
    TwoWorkers,
}

impl Arm {
    pub fn name(self) -> &'static str {
        match self {
            Arm::Ffmpeg => "ffmpeg",
            Arm::FfmpegOnHalf => "ffmpeg, half of the cores",
            Arm::OneWorker => "drop-in, one worker",
            Arm::TwoWorkers => "drop-in, two workers, half of the cores each",
        }
    }
}

/// A pool, and the drop-in that asks it.
struct Pool {
    house: House,
    drop_in: StandIn,
    client: Client,
}

/// All of them, started.
pub struct Arms {
    runtime: Runtime,
    one: Pool,
    two: Pool,
}

impl Arms {
    /// Starts both pools. The one that has no turn is idle.
    pub fn start() -> anyhow::Result<Arms> {
        let runtime = runtime()?;
        let pool = |workers: u32| -> anyhow::Result<Pool> {
            let house = House::start(&machine::shared_out(workers))?;
            let drop_in = StandIn::new(&house)?;
            let client = runtime.block_on(house.client())?;
            Ok(Pool { house, drop_in, client })
        };
        let (one, two) = (pool(1)?, pool(2)?);
        Ok(Arms { runtime, one, two })
    }

    /// The program, without words.
    pub fn program(&self, arm: Arm) -> Command {
        match (arm, self.pool(arm)) {
            (_, Some(pool)) => pool.drop_in.called("ffmpeg"),
            (Arm::FfmpegOnHalf, None) => pinned(&Command::new("ffmpeg"), self.two.house.cores(0)),
            (_, None) => Command::new("ffmpeg"),
        }
    }

    /// What the drop-in would do with a line.
    pub fn expect_job(&self, words: &[String]) -> anyhow::Result<()> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        self.one.drop_in.expect("ffmpeg", &words, "job")
    }

    /// Waits until its pool, if it has one, does nothing any more.
    pub fn rest(&self, arm: Arm) -> anyhow::Result<()> {
        match self.pool(arm) {
            Some(pool) => self.runtime.block_on(until_idle(&pool.client)),
            None => Ok(()),
        }
    }

    /// Processor time so far, in seconds, of its scheduler, and of its workers with all their
    /// processes.
    pub fn spent(&self, arm: Arm) -> (f64, f64) {
        let Some(Pool { house, .. }) = self.pool(arm) else { return (0.0, 0.0) };
        let of = |pid: u32| processor_time_of_all(pid).as_secs_f64();
        let workers = (0..house.workers.len()).map(|number| of(house.worker_pid(number))).sum();
        (of(house.scheduler_pid()), workers)
    }

    fn pool(&self, arm: Arm) -> Option<&Pool> {
        match arm {
            Arm::Ffmpeg | Arm::FfmpegOnHalf => None,
            Arm::OneWorker => Some(&self.one),
            Arm::TwoWorkers => Some(&self.two),
        }
    }
}
