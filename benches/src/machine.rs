//! What the numbers were measured on.

use std::process::Command;

/// Date, commit and kind of machine, for the head of the tables.
pub fn heading() -> String {
    let date = said("date", &["-u", "+%Y-%m-%d"]);
    let commit = said("git", &["describe", "--always", "--dirty"]);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ffmpeg = said("ffmpeg", &["-version"]);
    let version = ffmpeg.split_whitespace().nth(2).unwrap_or("?").to_owned();
    let load = load().map_or("?".to_owned(), |load| format!("{load:.1}"));
    format!(
        "Measured {date}, commit {commit}; {cores} cores of {}, ffmpeg {version}, load average \
         before the run {load}.",
        processor()
    )
}

/// All cores, shared out evenly; where there are fewer than parts, parts share them.
pub fn shared_out(parts: u32) -> Vec<Vec<u32>> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    let part = |number: u32| -> Vec<u32> {
        let own = (0..cores).filter(|core| core * parts / cores == number).collect::<Vec<_>>();
        if own.is_empty() { vec![number % cores] } else { own }
    };
    (0..parts).map(part).collect()
}

/// The load average of the last minute.
pub fn load() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or("an unknown processor").to_owned()
}

fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    text.unwrap_or_default().lines().next().unwrap_or("?").trim().to_owned()
}
