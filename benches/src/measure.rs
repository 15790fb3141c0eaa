//! Runs a command and measures it from outside, with everything it starts.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// What one run took.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Processor time, user and system, of the process and all it waited for.
    pub cpu: Duration,
    /// From its start to its end.
    pub wall: Duration,
    /// The sum of the highest resident sets of the processes that were alive together, in bytes.
    pub memory: u64,
}

/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs it to its end.
pub fn run(command: &mut Command) -> anyhow::Result<Cost> {
    let began = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {command:?}"))?;
    let mut memory = 0;
    while !has_ended(&child)? {
        memory = memory.max(resident(child.id()));
        std::thread::sleep(LOOK_EVERY);
    }
    // Looking every 20 ms would be lost in runs of seconds, but not in short ones.
    let wall = began.elapsed();
    let cpu = processor_time(child.id())?;
    let status = child.wait()?;
    let mut words = String::new();
    if let Some(mut stderr) = child.stderr.take() {
        use std::io::Read;
        stderr.read_to_string(&mut words).context("cannot read what it says")?;
    }
    ensure!(status.success(), "{command:?} ended with {status}: {}", words.trim());
    Ok(Cost { cpu, wall, memory })
}

/// Whether it is a zombie: its counters can still be read then, and include its children's.
pub fn has_ended(child: &Child) -> anyhow::Result<bool> {
    let pid = Pid::from_child(child);
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    Ok(waitid(WaitId::Pid(pid), options)?.is_some())
}

/// proc_pid_stat(5): fields 14 to 17 are user and system time of the process and of the children it
/// waited for, in ticks of which every Linux shows 100 a second.
pub fn processor_time(pid: u32) -> anyhow::Result<Duration> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is a name in parentheses that may hold anything.
    let (_, fields) = text.rsplit_once(')').context("/proc/PID/stat has another form")?;
    let ticks = fields.split_whitespace().skip(11).take(4).map(str::parse::<u64>);
    let ticks: u64 = ticks.collect::<Result<Vec<_>, _>>()?.iter().sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Processor time of a process and its descendants, so far.
pub fn processor_time_of_all(pid: u32) -> Duration {
    // One that ended since it was listed has told its parent what it took.
    descendants(pid).into_iter().filter_map(|pid| processor_time(pid).ok()).sum()
}

/// The highest resident sets of a process and its descendants, added up.
fn resident(pid: u32) -> u64 {
    descendants(pid).into_iter().filter_map(high_water_mark).sum()
}

/// A process, its children, theirs, and so on.
pub fn descendants(pid: u32) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![pid];
    while let Some(pid) = waiting.pop() {
        if found.insert(pid) {
            waiting.extend(children(pid));
        }
    }
    found
}

fn high_water_mark(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Children are listed with the thread that started them.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let listed = threads.filter_map(|it| fs::read_to_string(it.path().join("children")).ok());
    let listed: String = listed.collect();
    listed.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// The middle value; of an even number, the mean of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// The median of `of[i] / to[i]`, and the smallest and largest of these ratios: two arms that took
/// turns saw the same load.
pub fn paired(of: &[f64], to: &[f64]) -> (f64, f64, f64) {
    let ratios: Vec<f64> = of.iter().zip(to).map(|(of, to)| of / to).collect();
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let most = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (median(ratios), least, most)
}

/// `1.01 (0.98-1.04)`.
pub fn ratio_cell(of: &[f64], to: &[f64]) -> String {
    let (middle, least, most) = paired(of, to);
    format!("{middle:.3} ({least:.2}-{most:.2})")
}
