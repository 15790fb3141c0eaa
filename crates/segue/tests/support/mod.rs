//! Runs the real program and watches it as a script would: by its JSON lines, its exit code, its
//! directory, and its processes.

// Each test file uses its own part of this.
#![allow(dead_code)]

pub mod draws;
pub mod drop_in;
pub mod machine;
pub mod media;
pub mod network;
pub mod pool;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde_json::Value;

/// Far longer than anything here takes, so that a hang fails instead of hanging.
const LONG: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// What tests ask for, so that a short film has many segments.
pub const SEGMENTS: [&str; 2] = ["--segment-length", "0.5"];

/// The program, without its surroundings.
pub fn segue() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_segue"));
    // Whoever runs the tests may have a pool of their own.
    command.env_remove("SEGUE_SCHEDULER");
    command
}

/// `segue transcode INPUT --to DIRECTORY`, exact, in short segments.
pub fn transcode(input: &Path, directory: &Path) -> Command {
    let mut command = segue();
    command.arg("transcode").arg(input).arg("--to").arg(directory);
    command.args(SEGMENTS).args(["--exact", "--preset", "medium"]);
    command
}

/// The film: 8.3 s of picture and sound, 17 segments.
pub fn film() -> PathBuf {
    segue_lab::source("h264-aac-mkv")
}

/// A run that is watched by its JSON lines.
pub struct Run {
    child: Child,
    lines: BufReader<ChildStdout>,
    /// Every event so far.
    pub events: Vec<Value>,
}

impl Run {
    /// Starts it.
    pub fn start(command: &mut Command) -> Run {
        let mut child = command
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        Run { child, lines, events: Vec::new() }
    }

    /// The next event; `None` when it says no more.
    pub fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).expect("text is said");
        if line.is_empty() {
            return None;
        }
        let event: Value = serde_json::from_str(&line).expect("a line is a JSON object");
        self.events.push(event.clone());
        Some(event)
    }

    /// Waits for the next event of a kind.
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next() {
                Some(event) if event["event"] == kind => return event,
                Some(_) => {}
                None => {
                    let errors = self.errors();
                    panic!("no {kind} came, but {:#?}\n{errors}", self.events);
                }
            }
        }
    }

    /// Waits until a process is ready, and gives its id.
    pub fn process(&mut self) -> Pid {
        pid(&self.until("process_started"))
    }

    /// How often an event of a kind came.
    pub fn count(&self, kind: &str) -> usize {
        self.events.iter().filter(|event| event["event"] == kind).count()
    }

    /// The parent's process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends the parent a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the parent is there");
    }

    fn errors(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).expect("errors are text");
        }
        text
    }

    /// Hears it out. Gives how it ended, and what it wrote to standard error.
    pub fn finish(&mut self) -> (ExitStatus, String) {
        while self.next().is_some() {}
        let errors = self.errors();
        (self.child.wait().expect("the child can be waited for"), errors)
    }

    /// Hears it out; it must end well.
    pub fn succeed(mut self) -> Vec<Value> {
        let (status, errors) = self.finish();
        assert!(status.success(), "{status}: {errors}\n{:#?}", self.events);
        std::mem::take(&mut self.events)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process an event is about.
pub fn pid(event: &Value) -> Pid {
    let pid = event["pid"].as_i64().expect("the event names a process");
    Pid::from_raw(pid as i32).expect("a process id is positive")
}

/// A process that is watched for its end.
pub struct Watched(OwnedFd);

impl Watched {
    /// Watches a process that is there.
    pub fn new(pid: Pid) -> Watched {
        Watched(pidfd_open(pid, PidfdFlags::empty()).expect("the process is there"))
    }

    /// Waits for its end.
    pub fn must_end(&self) {
        let mut descriptors = [PollFd::new(&self.0, PollFlags::IN)];
        let ended = poll(&mut descriptors, Some(&LONG)).expect("processes can be waited for");
        assert_eq!(ended, 1, "the process is still there");
    }
}

/// Runs to the end; gives the exit code, standard output and standard error.
pub fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text is said");
    (status.code(), text(stdout), text(stderr))
}

/// Everything below a directory that a player may read, by name: not the journal, and not what a
/// store is just putting, or was when its worker was killed.
pub fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    names(directory)
        .into_iter()
        .filter(|name| name != Path::new(".segue-journal") && !name.to_string_lossy().contains('#'))
        .map(|name| (name.clone(), fs::read(directory.join(&name)).expect("a file is readable")))
        .collect()
}

/// The names of all files below a directory.
pub fn names(directory: &Path) -> Vec<PathBuf> {
    let mut names = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a directory is readable") {
            let path = entry.expect("an entry is readable").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(directory).expect("it is below").to_owned());
            }
        }
    }
    names.sort();
    names
}

/// Nothing may be left of files that were not finished.
pub fn assert_nothing_unfinished(directory: &Path) {
    let unfinished = |name: &PathBuf| name.extension() == Some("part".as_ref());
    assert_eq!(names(directory).into_iter().find(unfinished), None);
}
