//! Has a pool make a job, and lets its segments appear where the media server looks for them.

use segue_ffmpeg::{CommandLine, Job};

use crate::config::Config;
use crate::{Ending, Trouble};

/// Does a line that is a job. Trouble is only what comes before anything was written, said, or read
/// from standard input.
pub async fn run(_job: &Job, _line: &CommandLine, _config: &Config) -> Result<Ending, Trouble> {
    Err(Trouble::Unreachable("making jobs is not built yet".to_owned()))
}
