//! How a line ended.

use std::process::ExitCode;

/// How a line ended that was done, well or not: the exit code that ffmpeg would have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// 0: done. 128 and a signal's number: ended by that.
    pub code: u8,
}

impl Ending {
    /// All is done, or as much as was wanted.
    pub const DONE: Ending = Ending { code: 0 };
    /// Something failed.
    pub const FAILED: Ending = Ending { code: 1 };
    /// A signal asked for the end, and ffmpeg ended in good order.
    pub const SIGNALLED: Ending = Ending { code: 255 };
}

impl From<Ending> for ExitCode {
    fn from(ending: Ending) -> ExitCode {
        ExitCode::from(ending.code)
    }
}
