//! Real lines, run both ways: by a plain ffmpeg and by what stands in its place, in trees of their
//! own, with inputs that are made for them; and what came out compared.
//!
//! What jobs may do unlike ffmpeg is in [`crate::tolerance`] and docs/jellyfin.md; commands and
//! copies are an ffmpeg's own work and may differ in nothing. A line that the plain ffmpeg here cannot
//! run (for want of a GPU, of a private encoder) is run for libx264 and aac instead, if that is easily
//! told ([`stand_in`]): by both, but of a job only by the plain one. Otherwise it must fail in its
//! place, too, where it is no job; a job must be made and be decoded without a complaint.
//!
//! Start at [`run`]; [`plan`] says what becomes of a line's paths, [`layout`] what its films are.

pub mod bitmaps;
pub mod films;
pub mod layout;
pub mod outputs;
pub mod plan;
pub mod play;
pub mod stand_in;

use std::fmt;
use std::fs;
use std::path::Path;

use segue_ffmpeg::{Answer, CommandLine, Surroundings, decide};
use serde::Deserialize;

use crate::compare::differences;
use crate::error::ContractError;
use plan::Plan;
use play::{Kit, Played, look, play};

/// The lines that are run if no others are given: those of the tests of `crates/ffmpeg`.
const LINES: &str = include_str!("../../../ffmpeg/tests/lines.json");

/// A line as it was found.
#[derive(Clone, Debug, Deserialize)]
pub struct Line {
    /// What it is called.
    pub id: String,
    /// Its words; usually the program's name is the first.
    pub argv: Vec<String>,
}

/// What was found of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Both did the same; what a reader should know of how that was seen.
    Same(Vec<String>),
    /// What differs.
    Differs(Vec<String>),
    /// Its words. What stands in its place did as it should: failed, too, or made the job.
    PlainCannot(String),
    /// Why not.
    NotRun(String),
}

/// Reads lines: an array, or an object on each line.
///
/// # Errors
/// When it is neither.
pub fn read(path: Option<&Path>) -> Result<Vec<Line>, ContractError> {
    let text = match path {
        None => LINES.to_owned(),
        Some(path) => fs::read_to_string(path).map_err(ContractError::file(path))?,
    };
    let read = match text.trim_start().starts_with('[') {
        true => serde_json::from_str(&text),
        false => text.lines().filter(|line| !line.is_empty()).map(serde_json::from_str).collect(),
    };
    read.map_err(|source| ContractError::NoLines {
        path: path.unwrap_or(Path::new("lines.json")).to_owned(),
        source,
    })
}

/// Runs a line both ways in `directory`.
///
/// # Errors
/// When a program cannot be started, or the judge cannot be run.
pub fn run(
    line: &Line,
    (plain, drop_in): (&Path, &Path),
    directory: &Path,
    kit: &Kit<'_>,
) -> Result<(Answer, Outcome), ContractError> {
    let (answer, plan) = Plan::of(&line.argv);
    let programs = (plain, drop_in);
    let why = match plan {
        Ok(plan) => return Ok((answer, both(&line.id, &plan, programs, directory, kit)?)),
        Err(why) => why,
    };
    // Where only a server's private options are in the way.
    let (program, words) = plan::parted(&line.argv);
    // What cannot be split cannot be stood in for either: it is not run, for the reason above.
    let parsed = CommandLine::parse(program, &words).ok();
    let Some(plan) = parsed.and_then(|line| stood_in(&line, answer)) else {
        return Ok((answer, Outcome::NotRun(why)));
    };
    let outcome = match both(&line.id, &plan, programs, directory, kit)? {
        Outcome::Same(mut notes) => {
            notes.push(format!("without what is in the way: {why}"));
            Outcome::Same(notes)
        }
        other => other,
    };
    Ok((answer, outcome))
}

fn both(
    id: &str,
    plan: &Plan,
    (plain, drop_in): (&Path, &Path),
    directory: &Path,
    kit: &Kit<'_>,
) -> Result<Outcome, ContractError> {
    let mut notes = Vec::new();
    let mut beside = None;
    if plan.answer == Answer::Job
        && let Some((line, why)) = stand_in::as_jobs_do(&plan.line)
    {
        // Without such a line the one that was found is run by both, and may differ.
        beside = Plan::of_line(line, plan.answer).ok();
        notes.extend(beside.is_some().then_some(why));
    }
    let asked = beside.as_ref().unwrap_or(plan);
    let mut one = match play(asked, plain, &directory.join("plain"), kit) {
        // Its inputs could not be made.
        Err(ContractError::Judge { words, .. }) => {
            let words = words.lines().next().unwrap_or_default();
            return Ok(Outcome::NotRun(format!("its inputs cannot be made here: {words}")));
        }
        other => other?,
    };
    if one.endless {
        return Ok(Outcome::NotRun(format!("plain ffmpeg runs after {:?}", kit.patience)));
    }
    let mut reason = one.reason();
    let mut other = None;
    if !one.succeeded()
        && let Some(plan) = stood_in(&asked.line, plan.answer)
    {
        let played = play(&plan, plain, &directory.join("plain"), kit)?;
        if played.succeeded() {
            notes.push(format!("libx264's and aac's line, as plain ffmpeg cannot here: {reason}"));
            one = played;
            other = Some(plan);
        } else {
            reason = format!("{reason}; nor libx264's and aac's line: {}", played.reason());
        }
    }
    // A job is made of the line as it was found.
    let tested = other.as_ref().filter(|_| plan.answer != Answer::Job).unwrap_or(plan);
    let mut two = play(tested, drop_in, &directory.join("drop-in"), kit)?;
    look(&mut two, plan, kit)?;
    if plan.answer == Answer::Job && two.says_command() {
        notes.push("made as a command, for its source".to_owned());
    }
    if one.succeeded() {
        look(&mut one, plan, kit)?;
        let found = differences(id, &one.record, &two.record);
        let mut words: Vec<String> = found
            .iter()
            .map(|found| format!("{}: {}: {}", found.rule.name(), found.subject, found.words))
            .collect();
        if !two.succeeded() {
            words.insert(0, two.reason());
        }
        if words.is_empty() {
            return Ok(Outcome::Same(notes));
        }
        words.extend(notes.into_iter().map(|note| format!("({note})")));
        return Ok(Outcome::Differs(words));
    }
    let wrong = match (plan.answer == Answer::Job, two.succeeded()) {
        (true, false) => Some(format!("it is a job, and fails: {}", two.reason())),
        (true, true) => complaint(&two),
        (false, true) => Some(format!("succeeds where plain ffmpeg fails: {reason}")),
        (false, false) if two.endless => Some("it does not end".to_owned()),
        (false, false) => None,
    };
    Ok(wrong.map_or(Outcome::PlainCannot(reason), |wrong| Outcome::Differs(vec![wrong])))
}

/// The line that stands in for this one where it can be told, and is to be answered in the same way.
fn stood_in(line: &CommandLine, answer: Answer) -> Option<Plan> {
    let line = stand_in::stand_in(line)?;
    let same = decide(&line, Surroundings::default()).answer == answer;
    if same { Plan::of_line(line, answer).ok() } else { None }
}

/// What a decoder says of a job that there is nothing to compare with.
fn complaint(played: &Played) -> Option<String> {
    let mut notes = played.record.notes.iter();
    notes.find(|note| note.starts_with("decoding:")).cloned()
}

impl Outcome {
    /// Which of the four, as tables have them.
    fn place(&self) -> usize {
        match self {
            Self::Same(_) => 0,
            Self::Differs(_) => 1,
            Self::PlainCannot(_) => 2,
            Self::NotRun(_) => 3,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const TOLD: usize = 6;
        match self {
            Self::Same(notes) if notes.is_empty() => f.write_str("same"),
            Self::Same(notes) => write!(f, "same ({})", notes.join("; ")),
            Self::Differs(words) => {
                write!(f, "differs")?;
                words.iter().take(TOLD).try_for_each(|word| write!(f, "\n    {word}"))?;
                match words.len().saturating_sub(TOLD) {
                    0 => Ok(()),
                    more => write!(f, "\n    and {more} more"),
                }
            }
            Self::PlainCannot(why) => write!(f, "plain ffmpeg cannot here: {why}"),
            Self::NotRun(why) => write!(f, "not run: {why}"),
        }
    }
}

const ANSWERS: [Answer; 5] =
    [Answer::Here, Answer::Job, Answer::CopyHere, Answer::Command, Answer::Fallback];

/// How many lines of each answer had which outcome.
#[derive(Clone, Debug, Default)]
pub struct Table([[usize; 4]; 5]);

impl Table {
    /// Counts a line.
    pub fn add(&mut self, answer: Answer, outcome: &Outcome) {
        let row = ANSWERS.iter().position(|other| *other == answer).unwrap_or_default();
        self.0[row][outcome.place()] += 1;
    }

    /// How many differ.
    pub fn differ(&self) -> usize {
        self.0.iter().map(|row| row[1]).sum()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:>6} {:>8} {:>13} {:>8}",
            "answer", "same", "differs", "plain cannot", "not run"
        )?;
        for (answer, row) in ANSWERS.iter().zip(&self.0) {
            let [same, differs, cannot, not_run] = row;
            let answer = answer.to_string();
            writeln!(f, "{answer:<10} {same:>6} {differs:>8} {cannot:>13} {not_run:>8}")?;
        }
        Ok(())
    }
}
