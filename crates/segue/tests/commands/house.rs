//! A pool that runs commands, and what is asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Pid;
use tempfile::TempDir;

use crate::support::pool::{Pool, children_of, until};

/// A line without blanks in its words.
pub fn line(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// A pool whose workers run commands, and a directory to run them in.
pub struct House {
    pub pool: Pool,
    pub here: TempDir,
}

impl House {
    pub fn new(workers: usize) -> House {
        House::with(workers, &[])
    }

    pub fn with(workers: usize, more: &[(&str, &str)]) -> House {
        let pool = Pool::with_commands(workers, more);
        House { pool, here: tempfile::tempdir().unwrap() }
    }

    pub fn scratch(&self) -> PathBuf {
        self.pool.scratch.path().join("commands")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    /// A line that runs on the pool, in its directory.
    pub fn ffmpeg(&self, words: &[&str]) -> Command {
        self.program("ffmpeg", words)
    }

    pub fn program(&self, program: &str, words: &[&str]) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_segue")).with_file_name("examples/run_on_pool");
        assert!(built.exists(), "build it: cargo build -p segue --examples");
        let mut command = Command::new(built);
        command.arg(self.pool.url()).arg(program).args(words).current_dir(self.here.path());
        command.stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.ffmpeg(words).output().unwrap()
    }

    pub fn succeed(&self, words: &[&str]) -> Output {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        output
    }

    /// The processes of commands, on all workers.
    pub fn commands(&self) -> Vec<Pid> {
        let workers = self.pool.workers.iter().flatten();
        let children = workers.flat_map(|worker| children_of(worker.pid()));
        let is_ffmpeg = |pid: &Pid| {
            let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid()));
            name.unwrap_or_default().trim() == "ffmpeg"
        };
        children.filter(is_ffmpeg).collect()
    }

    pub fn command(&self) -> Pid {
        until("ffmpeg runs", || self.commands().first().copied())
    }

    pub fn nothing_is_left(&self) {
        until("no directory is left", || {
            fs::read_dir(self.scratch()).unwrap().next().is_none().then_some(())
        });
        // It is killed before that, and reaped when the kernel is done with it.
        until("no ffmpeg is left", || self.commands().is_empty().then_some(()));
    }
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The same line by the ffmpeg that is here.
pub fn plain(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new("ffmpeg");
    command.args(words).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

pub fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Runs a line both ways in directories of their own, and compares all files and the exit code.
pub fn assert_alike(
    house: &House,
    prepare: impl Fn(&Path),
    words: &[&str],
) -> BTreeMap<String, Vec<u8>> {
    let there = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    prepare(there.path());
    prepare(here.path());
    let expected = plain(there.path(), words);
    let output = house.ffmpeg(words).current_dir(here.path()).output().unwrap();
    assert_eq!(output.status.code(), expected.status.code(), "{}", text(&output.stderr));
    assert!(output.stdout == expected.stdout, "standard output differs");
    let (made, due) = (files(here.path()), files(there.path()));
    assert_eq!(made.keys().collect::<Vec<_>>(), due.keys().collect::<Vec<_>>());
    for (name, bytes) in &due {
        assert!(
            made[name] == *bytes,
            "{name} differs: {} for {} bytes",
            made[name].len(),
            bytes.len()
        );
    }
    made
}

/// Ten minutes in a few megabytes: more than is fetched whole, so that it is streamed.
pub fn large(directory: &Path) -> PathBuf {
    let path = directory.join("large film.mkv");
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x180:r=25:d=40",
            "-f",
            "lavfi",
        ])
        .args([
            "-i",
            "sine=d=40",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-qp",
            "8",
            "-g",
            "50",
        ])
        .args(["-c:a", "pcm_s16le", "-ar", "48000", "-ac", "2"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    assert!(fs::metadata(&path).unwrap().len() > 9 << 20, "it would be fetched whole");
    path
}

/// Some seconds at a rate whose pictures do not fall on whole seconds. In Matroska each comes late by
/// half a picture: that is what ffmpeg makes of AAC's priming.
pub fn uneasy(directory: &Path, name: &str) -> PathBuf {
    let path = directory.join(name);
    let words = line(
        "-v error -y -f lavfi -i testsrc2=s=320x180:r=24000/1001:d=9.5 -f lavfi -i sine=d=9.5:r=48000 \
         -c:v libx264 -preset ultrafast -g 48 -c:a aac",
    );
    let made = Command::new("ffmpeg").args(words).arg(&path).status();
    assert!(made.unwrap().success());
    path
}

pub const EXACT: [&str; 6] = ["-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "1"];

pub fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// For ever, as fast as a film plays.
pub fn endless(out: &str) -> Vec<&str> {
    let endless = "-v error -re -f lavfi -i testsrc2=s=64x64:r=10 -c:v mpeg2video -f mpegts -y";
    line(endless).into_iter().chain([out]).collect()
}
