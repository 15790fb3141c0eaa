//! What each word of a line means to Segue: the reasons behind an answer.

use serde::Serialize;

/// One option or file, and what it means to Segue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// As it stands on the line; in parentheses what is missing on it.
    pub option: String,
    /// What follows from it.
    pub verdict: Verdict,
    /// In words.
    pub meaning: String,
}

/// What follows from an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The job has it.
    Understood,
    /// What comes out is the same with and without it.
    Immaterial,
    /// The job does what is asked, and ffmpeg itself does not quite: it is said where.
    Differs,
    /// Because of it the line is no job.
    Prevents,
}

impl Verdict {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Understood => "understood",
            Verdict::Immaterial => "immaterial",
            Verdict::Differs => "differs",
            Verdict::Prevents => "no job",
        }
    }
}

/// Findings as they come.
#[derive(Debug, Default)]
pub(crate) struct Findings(pub Vec<Finding>);

/// What reading one option gives: a verdict and the words for it.
pub(crate) type Meaning = (Verdict, String);

pub(crate) fn understood(meaning: impl Into<String>) -> Meaning {
    (Verdict::Understood, meaning.into())
}

pub(crate) fn immaterial(meaning: impl Into<String>) -> Meaning {
    (Verdict::Immaterial, meaning.into())
}

pub(crate) fn differs(meaning: impl Into<String>) -> Meaning {
    (Verdict::Differs, meaning.into())
}

pub(crate) fn prevents(meaning: impl Into<String>) -> Meaning {
    (Verdict::Prevents, meaning.into())
}

/// Of an option that nothing here knows.
pub(crate) fn unknown() -> Meaning {
    prevents(UNKNOWN)
}

const UNKNOWN: &str = "Segue does not know what this changes, so ffmpeg itself has to run";

impl Finding {
    /// Prevents a job only because nothing is known of it.
    pub(crate) fn is_unknown(&self) -> bool {
        self.meaning == UNKNOWN
    }
}

impl Findings {
    pub fn add(&mut self, option: impl ToString, (verdict, meaning): Meaning) {
        self.0.push(Finding { option: option.to_string(), verdict, meaning });
    }

    pub fn first_preventing(&self) -> Option<&Finding> {
        self.0.iter().find(|finding| finding.verdict == Verdict::Prevents)
    }
}
