//! Where one scenario is played: the ffmpeg under test, a directory, and the record it fills.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use super::process::{Order, Process, ending};
use crate::content::{View, note};
use crate::error::ContractError;
use crate::events::{Event, Listener};
use crate::films::Films;
use crate::jellyfin::words::split;
use crate::judge::{Judge, sibling};
use crate::record::ScenarioRecord;
use crate::rule::Rule;

/// How scenarios are played.
#[derive(Clone)]
pub struct Settings {
    /// How long anything may take before it counts as never. Jellyfin itself waits for ever.
    pub patience: Duration,
    /// How far ahead of the viewer the throttler lets a process run; Jellyfin's default is 180 s.
    pub throttle_seconds: f64,
    /// How long a stream without requests lives; Jellyfin's is 60 s.
    pub idle: Duration,
    /// Whether lines for hardware are replaced by libx264's, where a plain ffmpeg has none.
    pub stand_in: bool,
    /// What is called at named moments.
    pub listener: Option<Listener>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(60),
            throttle_seconds: 30.0,
            idle: Duration::from_secs(1),
            stand_in: false,
            listener: None,
        }
    }
}

/// Where one scenario is played.
pub struct Stage<'a> {
    /// How.
    pub settings: &'a Settings,
    /// With what.
    pub films: &'a Films,
    /// Who looks at what comes out.
    pub judge: &'a Judge,
    /// What is tested.
    pub ffmpeg: PathBuf,
    /// Its ffprobe.
    pub ffprobe: PathBuf,
    /// A directory of the scenario's own, empty at first.
    pub directory: PathBuf,
    /// Its name.
    pub scenario: &'a str,
    /// What was seen.
    pub record: ScenarioRecord,
}

/// A process that ran to its end.
pub struct Ran {
    /// How it ended.
    pub status: Option<ExitStatus>,
    /// Standard error.
    pub lines: Vec<String>,
    /// Standard output.
    pub output: Vec<u8>,
}

impl<'a> Stage<'a> {
    /// An empty stage below `directory`.
    ///
    /// # Errors
    /// When its directory cannot be made.
    pub fn new(
        scenario: &'a str,
        ffmpeg: &Path,
        directory: &Path,
        (settings, films, judge): (&'a Settings, &'a Films, &'a Judge),
    ) -> Result<Self, ContractError> {
        let directory = directory.join(scenario);
        // Remains of an earlier run; that there are none is the usual case.
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).map_err(ContractError::file(&directory))?;
        let directory = fs::canonicalize(&directory).map_err(ContractError::file(&directory))?;
        let ffprobe = sibling(ffmpeg);
        let record = ScenarioRecord::default();
        Ok(Self {
            settings,
            films,
            judge,
            ffmpeg: ffmpeg.to_owned(),
            ffprobe,
            directory,
            scenario,
            record,
        })
    }

    /// A directory in the scenario's own, made now.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn place(&self, name: &str) -> Result<PathBuf, ContractError> {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).map_err(ContractError::file(&path))?;
        Ok(path)
    }

    /// Tells the listener of a moment.
    ///
    /// # Errors
    /// When a hook fails.
    pub fn event(
        &self,
        name: String,
        process: Option<u32>,
        replica: usize,
    ) -> Result<(), ContractError> {
        let Some(listener) = &self.settings.listener else { return Ok(()) };
        let (scenario, directory) = (self.scenario.to_owned(), self.directory.clone());
        listener(&Event { name, scenario, process, replica, directory })
    }

    /// Runs ffmpeg to its end as Jellyfin runs what it only waits for, and notes how it ended.
    ///
    /// # Errors
    /// When it cannot be started, or never ends.
    pub fn ran(&mut self, subject: &str, line: &str) -> Result<Ran, ContractError> {
        self.ran_in(subject, line, None)
    }

    /// As [`Stage::ran`], in a directory.
    ///
    /// # Errors
    /// When it cannot be started, or never ends.
    pub fn ran_in(
        &mut self,
        subject: &str,
        line: &str,
        directory: Option<&Path>,
    ) -> Result<Ran, ContractError> {
        let ran = self.ran_somehow(subject, line, directory)?;
        self.record.fact(Rule::ExitCode, subject, ending(ran.status));
        Ok(ran)
    }

    /// As [`Stage::ran_in`], where Jellyfin does not look at how it ends.
    ///
    /// # Errors
    /// When it cannot be started, or never ends.
    pub fn ran_somehow(
        &mut self,
        subject: &str,
        line: &str,
        directory: Option<&Path>,
    ) -> Result<Ran, ContractError> {
        let program = self.ffmpeg.clone();
        self.record.notes.push(format!("{subject}: ffmpeg {line}"));
        let order =
            Order { program: &program, words: split(line), directory, input: false, output: None };
        let mut process = Process::start(order)?;
        self.until_end(subject, &mut process)
    }

    /// Waits for a process's end and for the end of all that it started.
    ///
    /// # Errors
    /// When it never ends.
    pub fn until_end(
        &mut self,
        subject: &str,
        process: &mut Process,
    ) -> Result<Ran, ContractError> {
        let status = process.wait(self.settings.patience);
        if status.is_none() {
            let words = format!("it runs after {:?}", self.settings.patience);
            self.record.broke(Rule::NeverReady, subject, words);
            process.kill();
        }
        process.linger(&mut self.record, subject);
        process.clear();
        if status.is_none() {
            return Err(ContractError::Over);
        }
        Ok(Ran { status, lines: process.lines(), output: process.output() })
    }

    /// Notes what is in a file that came out.
    ///
    /// # Errors
    /// When the judge cannot be run.
    pub fn note_file(&mut self, subject: &str, path: &Path) -> Result<(), ContractError> {
        let tracks = if path.exists() { self.judge.tracks(path)? } else { None };
        let shifted = path.extension().is_some_and(|extension| extension == "ts");
        note(&mut self.record, subject, tracks.as_deref(), View { shifted, run: None });
        Ok(())
    }
}

/// The names in a directory, sorted.
pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
