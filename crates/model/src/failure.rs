//! What went wrong, as data: who is to blame decides what happens next.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whose fault a failure is. It crosses every process and wire as data, never as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// The source cannot be read as media: fails the job once two healthy devices agree.
    Source,
    /// This worker, process or device failed: retried elsewhere, the device is suspect.
    Worker,
    /// Storage or network: retried after a pause, nobody is blamed.
    Transient,
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FailureClass::Source => "source",
            FailureClass::Worker => "worker",
            FailureClass::Transient => "transient",
        })
    }
}

/// Why a span was not finished.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct SpanFailure {
    /// Who is to blame.
    pub class: FailureClass,
    /// One line for a person.
    pub message: String,
    /// The last words of the codecs, oldest first.
    pub log: Vec<String>,
}
