//! A line that makes HLS, watched as Jellyfin watches it: a segment can be served when the next one's
//! file is there, or when the process has ended. Standard input stays open, as Jellyfin's does.
//!
//! Jellyfin looks every 100 ms; here every millisecond, so that the arms are compared and not when
//! somebody happened to look.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use super::line::{Line, segment};
use crate::first_segment::Running;
use crate::measure::{descendants, has_ended, processor_time};
use crate::pool::house::LONG;
use crate::pool::ms;
use crate::workplace;

/// How often files are looked for.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// How often memory is looked at, which is a kernel's work of some tenths of a millisecond.
const WEIGH_EVERY: Duration = Duration::from_millis(200);

/// What a playback that came to its end was like.
pub struct Played {
    /// When each segment could be served, since the start, in milliseconds.
    pub servable: Vec<f64>,
    /// Until the process had ended, in seconds.
    pub wall: f64,
    /// Processor time of the process and all it waited for, in seconds.
    pub cpu: f64,
    /// The most memory it had (PSS, with its children's), in bytes; only if it was weighed.
    pub memory: u64,
}

/// One that runs; killed when dropped.
pub struct Playback {
    running: Running,
    began: Instant,
    first: u32,
    scratch: TempDir,
}

impl Playback {
    /// Starts it: `program` is the command without words.
    pub fn start(
        mut program: Command,
        film: &Path,
        first: u32,
        number: u32,
    ) -> anyhow::Result<Playback> {
        let scratch = workplace::scratch()?;
        let to = scratch.path().join("transcodes");
        std::fs::create_dir(&to)?;
        let line = Line { film, first, number, to: &to };
        program.args(line.words()).stdin(Stdio::piped()).stdout(Stdio::null());
        program.stderr(File::create(scratch.path().join("log"))?);
        let began = Instant::now();
        let child = program.spawn().with_context(|| format!("cannot start {program:?}"))?;
        Ok(Playback { running: Running(child), began, first, scratch })
    }

    /// Whether segment `number` has its name.
    pub fn has(&self, number: u32) -> bool {
        self.segment(number).exists()
    }

    /// A segment's file.
    fn segment(&self, number: u32) -> PathBuf {
        segment(&self.scratch.path().join("transcodes"), number)
    }

    /// Since it was started.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Whether the process has ended; it must have ended well.
    pub fn has_ended(&mut self) -> anyhow::Result<bool> {
        if !has_ended(&self.running.0)? {
            return Ok(false);
        }
        let status = self.running.0.wait()?;
        ensure!(status.success(), "it ended with {status}: {}", self.said());
        Ok(true)
    }

    /// Waits until segment `number` has its name, or can be served at once because all is done.
    pub fn until(&mut self, number: u32) -> anyhow::Result<()> {
        while !self.has(number) {
            let ended = self.has_ended()?;
            ensure!(
                !ended || self.has(number),
                "it ended without segment {number}: {}",
                self.said()
            );
            ensure!(self.elapsed() < LONG, "segment {number} does not come: {}", self.said());
            std::thread::sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Watches it to its end; `segments` is how many the film has at least.
    pub fn watch(mut self, segments: u32, weigh: bool) -> anyhow::Result<Played> {
        let mut servable = Vec::new();
        let (mut memory, mut weighed, mut moved) = (0, Duration::ZERO, Duration::ZERO);
        let pid = self.running.0.id();
        // What it took can be read as long as nobody has asked how it ended.
        while !has_ended(&self.running.0)? {
            while self.has(self.next(&servable) + 1) {
                moved = self.elapsed();
                servable.push(ms(moved));
            }
            ensure!(self.elapsed() - moved < LONG, "it makes nothing: {}", self.said());
            if weigh && self.elapsed() - weighed >= WEIGH_EVERY {
                weighed = self.elapsed();
                memory = memory.max(proportional(pid));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        let (wall, cpu) = (self.elapsed(), processor_time(pid)?);
        self.has_ended()?;
        while self.has(self.next(&servable)) {
            servable.push(ms(wall));
        }
        let made = self.next(&servable);
        // A film may be some pictures longer than it was asked to be.
        ensure!(made >= segments, "it made {made} segments of {segments}: {}", self.said());
        Ok(Played { servable, wall: wall.as_secs_f64(), cpu: cpu.as_secs_f64(), memory })
    }

    fn next(&self, servable: &[f64]) -> u32 {
        self.first + servable.len() as u32
    }

    /// The end of what it said on standard error.
    pub fn said(&self) -> String {
        let text = std::fs::read(self.scratch.path().join("log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(2_000)..]).into_owned();
        text.trim().to_owned()
    }
}

/// PSS of a process and its descendants: /proc/PID/smaps_rollup.
fn proportional(pid: u32) -> u64 {
    let of = |pid: u32| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    descendants(pid).into_iter().filter_map(of).sum()
}
