//! How a line ended.

use std::process::ExitCode;

/// How a line ended that was done, well or not: the exit code that ffmpeg would have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// 0: done. 128 and a signal's number: ended by that.
    pub code: u8,
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(ending.code)
    }
}
