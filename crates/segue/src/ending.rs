//! How a command ends when it does not do what was asked: one line for a person, and an exit code
//! for a script.

use std::process::ExitCode;

/// Why a command stopped. The text names the file and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ending {
    /// What was asked for cannot be done; nothing was begun. Exit code 2.
    #[error("{0}")]
    BadInput(String),
    /// Work was begun and failed. Exit code 1.
    #[error("{0}")]
    Failed(String),
    /// Somebody stopped it. Exit code 130, as for a program ended by Ctrl-C.
    #[error("{0}")]
    Interrupted(String),
}

impl Ending {
    /// For scripts.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Ending::BadInput(_) => 2,
            Ending::Failed(_) => 1,
            Ending::Interrupted(_) => 130,
        })
    }
}

/// An error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        text = format!("{text}: {because}");
        cause = because.source();
    }
    text
}
