//! The ffmpeg and ffprobe that are here.
//!
//! They run in our place, by `exec`: the same process, so signals, standard input, exit code and
//! death are exactly theirs, and nothing can be orphaned or has to be relayed.

mod find;

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode, Output};

use crate::announce::announce;

pub use find::{
    find, find_beside, find_ffprobe, find_ffprobe_beside, is_ourselves, jellyfins_ffprobe,
};

/// Set for programs that run in our place: whoever is called with it was called by itself.
const GUARD: &str = "SEGUE_FFMPEG_RUNS";

/// What shells say for a program that is not there.
const NOT_THERE: u8 = 127;

/// Whether a program that ran in our place has called us again.
pub fn is_loop(variable: &impl Fn(&str) -> Option<OsString>) -> bool {
    variable(GUARD).is_some()
}

/// Runs a program in our place, with these words behind its name. Comes back only if that cannot be
/// done; it then has been said, and this is the exit code.
pub fn instead<W: AsRef<OsStr>>(program: &Path, words: &[W]) -> ExitCode {
    let error = Command::new(program).args(words).env(GUARD, "1").exec();
    let program = program.display();
    announce(format_args!("{program} cannot be run: {error}: `segue doctor` says what to do"));
    ExitCode::from(NOT_THERE)
}

/// Asks a program, and waits for all it says.
pub fn ask<W: AsRef<OsStr>>(program: &Path, words: &[W]) -> std::io::Result<Output> {
    Command::new(program).args(words).env(GUARD, "1").stdin(std::process::Stdio::inherit()).output()
}
