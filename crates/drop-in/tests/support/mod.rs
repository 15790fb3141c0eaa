//! The program in a place of its own, beside plain ffmpeg.
#![allow(dead_code, reason = "each test file uses some of it")]

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use segue_drop_in::config::Config;
use segue_drop_in::kept::Kept;
use tempfile::TempDir;

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub const FFMPEG: &str = "/usr/bin/ffmpeg";
pub const FFPROBE: &str = "/usr/bin/ffprobe";

/// The program, with settings and a cache of its own, and nobody at its scheduler's address.
pub struct DropIn {
    pub directory: TempDir,
    variables: Vec<(String, String)>,
}

impl DropIn {
    pub fn new() -> DropIn {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let variables = [
            ("PATH", "/usr/bin:/bin".to_owned()),
            ("SEGUE_CACHE", at("cache")),
            ("SEGUE_LOCAL_FFMPEG", FFMPEG.to_owned()),
            ("SEGUE_LOCAL_FFPROBE", FFPROBE.to_owned()),
            // Nothing listens there.
            ("SEGUE_SCHEDULER", "http://127.0.0.1:1".to_owned()),
            ("HOME", at("home")),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).to_vec();
        DropIn { directory, variables }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> DropIn {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    pub fn without(mut self, name: &str) -> DropIn {
        self.variables.retain(|(known, _)| known != name);
        self
    }

    pub fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn cache(&self) -> PathBuf {
        self.at("cache")
    }

    pub fn kept(&self) -> Kept {
        let config = Config { cache: Some(self.cache()), ..Config::default() };
        Kept::new(&config, &|_| None)
    }

    pub fn command<W: AsRef<OsStr>>(&self, words: &[W]) -> Command {
        self.command_as(Path::new(env!("CARGO_BIN_EXE_segue-ffmpeg")), words)
    }

    /// Called by another name.
    pub fn command_as<W: AsRef<OsStr>>(&self, program: &Path, words: &[W]) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(words).current_dir(self.directory.path()).stdin(Stdio::null());
        command
    }

    pub fn run<W: AsRef<OsStr>>(&self, words: &[W]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The same, done by ffmpeg itself.
    pub fn plain<W: AsRef<OsStr>>(&self, words: &[W]) -> Output {
        let mut command = Command::new(FFMPEG);
        command.env_clear().env("PATH", "/usr/bin:/bin").args(words);
        command.current_dir(self.directory.path()).stdin(Stdio::null()).output().unwrap()
    }

    /// A program of a few words for a shell. A process of its own writes it: a file that is open for
    /// writing here would be so in every child that another test starts just now, and cannot be run.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.at(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$1" && chmod 755 "$1""#;
        let written =
            Command::new("/bin/sh").args(["-c", write, "sh"]).arg(&path).arg(text).status();
        assert!(written.unwrap().success());
        path
    }

    /// A short film.
    pub fn film(&self, name: impl AsRef<Path>, seconds: u32) -> PathBuf {
        let path = self.at(name);
        let picture = format!("testsrc2=size=64x64:rate=10:duration={seconds}");
        let made = Command::new(FFMPEG)
            .args(["-v", "error", "-f", "lavfi", "-i", &picture, "-c:v", "mpeg4"])
            .args([OsStr::new("-f"), OsStr::new("matroska"), path.as_os_str()])
            .stdin(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        path
    }
}

/// What was said, in lines.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(bytes).lines().map(str::to_owned).collect()
}

/// Its own lines among ffmpeg's.
pub fn own_lines(bytes: &[u8]) -> Vec<String> {
    lines(bytes).into_iter().filter(|line| line.starts_with("segue-ffmpeg: ")).collect()
}

/// Waits for a condition.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < PATIENCE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end.
pub fn end(child: &mut Child) -> ExitStatus {
    let mut status = None;
    until("the end", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

/// Reads standard error as far as a line that holds `text`, and goes on reading.
pub fn says(child: &mut Child, text: &str) -> String {
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert!(stderr.read_line(&mut line).unwrap() > 0, "it ended without saying {text}");
        if line.contains(text) {
            break;
        }
    }
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        let _ = stderr.read_to_end(&mut rest);
    });
    line
}
