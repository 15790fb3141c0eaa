//! The drop-in, held to what a media server can notice: a program that behaves as Jellyfin does plays
//! scenarios against plain ffmpeg and against `segue-ffmpeg` on a real pool, and compares.
//!
//! `cargo test` plays the short form; `make test-dropin` plays all of it, also under faults.

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::Signal;
use support::drop_in::{beside, drop_in};
use support::pool::{Pool, until};
use tempfile::TempDir;

/// A pool that runs commands, and a media server's folder with ffmpeg and ffprobe.
struct House {
    pool: Pool,
    here: TempDir,
}

impl House {
    fn new(workers: usize) -> House {
        let pool = Pool::with_commands(workers, &[]);
        let here = tempfile::tempdir().unwrap();
        for name in ["ffmpeg", "ffprobe"] {
            symlink(drop_in(), here.path().join(name)).unwrap();
        }
        House { pool, here }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    /// What was played was no command.
    fn has_made_a_job(&self) {
        let jobs = Path::new(&self.pool.store).join("jobs");
        assert_eq!(fs::read_dir(jobs).expect("the store has jobs").count(), 1);
    }

    /// `contract both`, plain ffmpeg and the drop-in.
    fn contract(&self, more: &[&str]) -> Command {
        self.compare("both", more)
    }

    /// `contract both` or `contract corpus`.
    fn compare(&self, what: &str, more: &[&str]) -> Command {
        let mut command = Command::new(beside("contract", "segue-contract"));
        command.arg(what).arg("--drop-in").arg(self.path("ffmpeg")).args(more);
        command.arg("--out").arg(self.path("contract"));
        // Making films takes a while.
        let target = drop_in().ancestors().nth(2).expect("a target directory");
        command.arg("--films").arg(target.join("contract/films"));
        command.env("SEGUE_SCHEDULER", self.pool.url()).env("SEGUE_FALLBACK", "never");
        command.env("SEGUE_CACHE", self.path("cache"));
        command
    }
}

fn must_agree(mut command: Command) {
    let status = command.status().expect("the harness runs");
    assert!(status.success(), "{status}: what differs is said above");
}

#[test]
fn a_media_server_notices_no_difference() {
    must_agree(House::new(2).contract(&["--short"]));
}

#[test]
#[ignore = "eight minutes; `make test-dropin` plays it"]
fn a_media_server_notices_no_difference_in_any_scenario() {
    must_agree(House::new(2).contract(&[]));
}

/// One of each answer: a job in transport streams, another beside libx264's line, a copy, what is asked
/// of ffprobe, and attachments by a command.
#[test]
fn real_lines_make_the_same_both_ways() {
    let lines = [
        ("jellyfin-003", "job"),
        ("jellyfin-052", "job"),
        ("jellyfin-008", "copy here"),
        ("jellyfin-057", "here"),
        ("jellyfin-022", "command"),
    ];
    let only: Vec<&str> = lines.iter().flat_map(|(id, _)| ["--only", id]).collect();
    let ran = House::new(2).compare("corpus", &only).output().expect("the harness runs");
    let told = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{told}{}", String::from_utf8_lossy(&ran.stderr));
    for (id, answer) in lines {
        let line = told.lines().find(|line| line.starts_with(id)).expect("it is told of");
        assert!(line.starts_with(&format!("{id:<16} {answer:<9} same")), "{line}");
        assert!(!line.contains("made as a command"), "{line}");
    }
}

#[test]
#[ignore = "three minutes; part of `make test-dropin`"]
fn every_real_line_makes_the_same_both_ways() {
    must_agree(House::new(2).compare("corpus", &[]));
}

#[test]
#[ignore = "part of `make test-dropin`"]
fn a_killed_worker_is_a_late_segment_and_nothing_else() {
    let house = House::new(2);
    let worker = house.pool.worker(0).pid().as_raw_nonzero();
    let hook = format!("segment-3-ready=kill -9 {worker}");
    must_agree(house.contract(&["--scenario", "vod-long", "--on-event", &hook]));
    house.has_made_a_job();
}

#[test]
#[ignore = "part of `make test-dropin`"]
fn a_restarted_scheduler_is_a_late_segment_and_nothing_else() {
    let mut house = House::new(2);
    let (asked, done) = (house.path("asked"), house.path("done"));
    let hook = format!(
        "segment-3-ready=touch {}; while [ ! -e {} ]; do sleep 0.05; done",
        asked.display(),
        done.display()
    );
    let mut playing = house.contract(&["--scenario", "vod-long", "--on-event", &hook]);
    let mut playing = playing.stdin(Stdio::null()).spawn().expect("the harness runs");
    until("the moment to restart the scheduler", || reached(&asked, &mut playing).then_some(()));
    house.pool.scheduler().signal(Signal::KILL);
    house.pool.scheduler = None;
    house.pool.start_scheduler();
    fs::write(&done, "").unwrap();
    assert!(playing.wait().expect("it can be waited for").success());
    house.has_made_a_job();
}

fn reached(path: &Path, playing: &mut Child) -> bool {
    let ended = playing.try_wait().expect("it can be waited for");
    assert!(ended.is_none(), "the harness ended before");
    path.exists()
}
