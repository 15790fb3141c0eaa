//! Has a worker run a line as it is.

use segue_ffmpeg::CommandLine;

use crate::config::Config;
use crate::{Ending, Trouble};

/// Has a worker run a line. Trouble is only what comes before anything was written, said, or read
/// from standard input.
pub async fn run(_line: &CommandLine, _config: &Config) -> Result<Ending, Trouble> {
    Err(Trouble::Unreachable("running commands on workers is not built yet".to_owned()))
}
