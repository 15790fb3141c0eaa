//! Runs a line in a tree of its own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use segue_ffmpeg::Program;

use super::films::Shelf;
use super::outputs;
use super::plan::{Plan, within, work};
use crate::error::ContractError;
use crate::judge::{Judge, sibling};
use crate::play::process::{Order, Process, ending};
use crate::record::ScenarioRecord;
use crate::rule::Rule;

/// What lines are run with.
pub struct Kit<'a> {
    /// Where inputs come from.
    pub shelf: &'a Shelf,
    /// Who looks at what came out.
    pub judge: &'a Judge,
    /// How long a run may take.
    pub patience: Duration,
}

/// A run that is over.
pub struct Played {
    /// Where it ran, and what it said.
    pub place: Place,
    /// How it ended.
    pub status: String,
    /// Standard error.
    pub lines: Vec<String>,
    /// Whether its end had to be made.
    pub endless: bool,
    /// What was seen.
    pub record: ScenarioRecord,
}

/// The directory of a run.
#[derive(Clone, Debug)]
pub struct Place {
    /// Paths of the line lie below it.
    pub tree: PathBuf,
    /// Standard output.
    pub stdout: PathBuf,
    /// What the harness needs beside.
    pub aside: PathBuf,
    /// What lay there before.
    pub given: BTreeSet<PathBuf>,
}

impl Played {
    /// Whether it ended with success.
    pub fn succeeded(&self) -> bool {
        self.status == "code 0"
    }

    /// The words that tell most of why it failed, which are never the very last ones.
    pub fn reason(&self) -> String {
        const TELLING: &[&str] = &[
            "Unknown encoder",
            "Unknown decoder",
            "Unrecognized option",
            "Option not found",
            "No such filter",
            "not found",
            "No device",
            "Cannot load",
            "Device creation failed",
            "Error setting option",
            "Impossible",
            "Could not",
            "Svt[error]",
            "Unknown",
            "Invalid",
            "No such",
        ];
        let lines = || self.lines.iter().map(|line| line.trim());
        let telling = TELLING.iter().find_map(|word| lines().find(|line| line.contains(word)));
        let words = telling.or_else(|| lines().rfind(|line| !line.is_empty())).unwrap_or_default();
        let words = words.replace(&self.place.tree.display().to_string(), "");
        let mut parts = words.split(" @ 0x");
        let begin = parts.next().unwrap_or_default().to_owned();
        // Addresses are each run's own.
        let rest = parts.map(|part| part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
        rest.fold(begin, |words, part| words + part).chars().take(140).collect()
    }

    /// Whether an ffmpeg of a worker spoke, and not `segue-ffmpeg` of a job.
    pub fn says_command(&self) -> bool {
        let mut versions = self.lines.iter().filter(|line| line.starts_with("ffmpeg version"));
        versions.any(|line| !line.contains("-segue"))
    }
}

/// Runs a line by an ffmpeg, or by the ffprobe beside it, and notes how it ended.
///
/// # Errors
/// When it cannot be started, or its inputs cannot be made.
pub fn play(
    plan: &Plan,
    ffmpeg: &Path,
    directory: &Path,
    kit: &Kit<'_>,
) -> Result<Played, ContractError> {
    let place = set(plan, directory, kit)?;
    let program = match plan.program {
        Program::Ffmpeg => ffmpeg.to_owned(),
        Program::Ffprobe => sibling(ffmpeg),
    };
    let words = plan.words(&place.tree);
    let said = directory.join("line.json");
    let text = serde_json::json!({ "program": program, "words": words }).to_string();
    fs::write(&said, text).map_err(ContractError::file(&said))?;
    let order = Order {
        program: &program,
        words,
        directory: Some(&work(&place.tree)),
        input: true,
        output: Some(place.stdout.clone()),
    };
    let mut record = ScenarioRecord::default();
    let mut process = Process::start(order)?;
    let status = process.wait(kit.patience);
    if status.is_none() {
        process.kill();
    }
    process.linger(&mut record, "run");
    process.clear();
    record.fact(Rule::ExitCode, "run", ending(status));
    let (status, endless) = (ending(status), status.is_none());
    Ok(Played { place, status, lines: process.lines(), endless, record })
}

/// Notes what came out of a run.
///
/// # Errors
/// When the judge cannot be run.
pub fn look(played: &mut Played, plan: &Plan, kit: &Kit<'_>) -> Result<(), ContractError> {
    outputs::note_all(&mut played.record, plan, &played.place, kit.judge)?;
    outputs::note_words(&mut played.record, &played.lines);
    Ok(())
}

/// An empty tree with the line's inputs in it.
fn set(plan: &Plan, directory: &Path, kit: &Kit<'_>) -> Result<Place, ContractError> {
    // Remains of an earlier run; that there are none is the usual case.
    let _ = fs::remove_dir_all(directory);
    let make = |path: &Path| fs::create_dir_all(path).map_err(ContractError::file(path));
    let (tree, aside) = (directory.join("tree"), directory.join("aside"));
    make(&aside)?;
    plan.directories.iter().try_for_each(|path| make(&within(&tree, path)))?;
    let mut given = BTreeSet::new();
    for (path, stuff) in &plan.placed {
        let (from, to) = (kit.shelf.file(stuff)?, within(&tree, path));
        to.parent().map_or(Ok(()), make)?;
        if fs::hard_link(&from, &to).is_err() {
            fs::copy(&from, &to).map_err(ContractError::file(&to))?;
        }
        given.insert(to);
    }
    for (path, film) in &plan.lists {
        let to = within(&tree, path);
        to.parent().map_or(Ok(()), make)?;
        let film = within(&tree, film).display().to_string();
        let text = format!("file '{film}'\nfile '{film}'\n");
        fs::write(&to, text).map_err(ContractError::file(&to))?;
        given.insert(to);
    }
    Ok(Place { tree, stdout: directory.join("stdout"), aside, given })
}
