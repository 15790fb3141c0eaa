//! What can go wrong with the harness itself. What goes wrong with the ffmpeg under test is recorded.

use std::io;
use std::path::{Path, PathBuf};

/// Why a scenario could not be played or judged.
#[derive(Debug, thiserror::Error)]
pub enum ContractError {
    /// A path or a program must be put right.
    #[error("cannot start {program}: {source}; give the path of an ffmpeg that may be executed")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file of the harness's own; look at its directory.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The plain ffmpeg could not make a film, or not look at a file: install a full one.
    #[error("{program} could not do what the harness needs: {words}; install a full ffmpeg")]
    Judge {
        /// The plain ffmpeg or ffprobe.
        program: PathBuf,
        /// Its last words.
        words: String,
    },
    /// A record must be made again.
    #[error("{path} is no record of this harness ({source}): make it again with contract run")]
    NoRecord {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file of lines must be put right.
    #[error("{path}: {source}; lines are objects with an id and an argv")]
    NoLines {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// No line is called so.
    #[error("no line is called {name:?}")]
    NoLine {
        /// The name.
        name: String,
    },
    /// Another directory must be given.
    #[error(
        "{path} holds more than letters, digits and / . _ -, which filter graphs protect: give another --out"
    )]
    OddPath {
        /// The directory.
        path: PathBuf,
    },
    /// A name must be put right.
    #[error("no scenario is called {name:?}; contract list names them all")]
    NoScenario {
        /// The name.
        name: String,
    },
    /// A hook must be put right.
    #[error("--on-event {command:?} ended with {status}: the fault it was to cause is not there")]
    Hook {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A hook's name must be put right.
    #[error("--on-event {event}: no such moment came; contract list names the moments")]
    NoEvent {
        /// The name.
        event: String,
    },
    /// Nothing more can be learnt from this scenario; why is in its record.
    #[error("the scenario cannot go on")]
    Over,
}

impl ContractError {
    /// Names the file that an error of the system is about.
    pub fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
