//! How a command ends when it does not do what was asked: one line for a person, and an exit code
//! for a script.

use std::process::ExitCode;

pub use segue_worker::with_causes;
use segue_worker::{DescribeError, SourceError};

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

impl From<SourceError> for Ending {
    fn from(error: SourceError) -> Ending {
        Ending::BadInput(error.to_string())
    }
}

impl From<DescribeError> for Ending {
    fn from(error: DescribeError) -> Ending {
        match error {
            DescribeError::Film(text) => Ending::BadInput(text),
            DescribeError::Machine(text) => Ending::Failed(text),
            DescribeError::Stopped => Ending::Interrupted("interrupted".to_owned()),
        }
    }
}
