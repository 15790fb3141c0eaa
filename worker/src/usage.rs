//! What a process took of the machine, from `/proc`.

use std::fs;
use std::time::{Duration, Instant};

/// Ticks of the kernel's counts in a second: 100 wherever Linux shows them to programs.
const TICKS: u64 = 100;
/// Nor are pages of another size on the machines that Segue runs on.
const PAGE: u64 = 4096;

/// Watches a process from a moment on.
pub struct Usage {
    pid: u32,
    since: Instant,
    paused: Duration,
    cpu_before: Duration,
}

/// What it took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spent {
    /// While it was not held up.
    pub worked: Duration,
    /// On all cores together.
    pub cpu: Duration,
    /// Now, in mebibytes.
    pub memory_mib: u32,
}

impl Usage {
    /// From now on.
    pub fn begin(pid: u32) -> Usage {
        Usage { pid, since: Instant::now(), paused: Duration::ZERO, cpu_before: cpu(pid) }
    }

    /// It was held up for so long.
    pub fn pause(&mut self, length: Duration) {
        self.paused += length;
    }

    /// Up to now.
    pub fn spent(&self) -> Spent {
        Spent {
            worked: self.since.elapsed().saturating_sub(self.paused),
            cpu: cpu(self.pid).saturating_sub(self.cpu_before),
            memory_mib: memory_mib(self.pid),
        }
    }
}

/// Nothing of a process that is gone.
fn cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Duration::from_millis(ticks(&stat) * 1000 / TICKS)
}

/// In user and in kernel mode: fields 14 and 15 of proc(5)'s `stat`. The name before them may hold
/// anything.
fn ticks(stat: &str) -> u64 {
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = after_name.split_ascii_whitespace().skip(11).take(2);
    fields.filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn memory_mib(pid: u32) -> u32 {
    let statm = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap_or_default();
    let resident = statm.split_ascii_whitespace().nth(1).and_then(|field| field.parse().ok());
    ((resident.unwrap_or(0u64) * PAGE) >> 20) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194304 100 0 0 0 25 5 0 0 20 0 1 0 100 1000 10";
        assert_eq!(ticks(stat), 30);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn this_process_has_memory() {
        assert!(memory_mib(std::process::id()) > 0);
    }
}
