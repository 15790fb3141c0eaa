//! Which process of a worker is at work, and its end.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};

use crate::measure::descendants;

/// Long enough for who works to be told from who waits.
const LOOK: Duration = Duration::from_millis(15);

/// The child of a worker that does most.
pub fn busiest_child(worker: u32) -> anyhow::Result<u32> {
    let before = spent(worker);
    std::thread::sleep(LOOK);
    let after = spent(worker);
    let grown = |pid: &u32| after[pid].saturating_sub(before.get(pid).copied().unwrap_or(0));
    after.keys().copied().filter(|pid| *pid != worker).max_by_key(grown).context("it has no child")
}

/// SIGKILL.
pub fn kill(pid: u32) -> anyhow::Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?).context("no process is 0")?;
    Ok(kill_process(pid, Signal::KILL)?)
}

/// Nanoseconds of processor time of each: /proc/PID/task/TID/schedstat.
fn spent(worker: u32) -> BTreeMap<u32, u64> {
    let of = |pid: &u32| -> u64 {
        let threads =
            std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let texts =
            threads.filter_map(|it| std::fs::read_to_string(it.path().join("schedstat")).ok());
        texts.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
    };
    descendants(worker).into_iter().map(|pid| (pid, of(&pid))).collect()
}
