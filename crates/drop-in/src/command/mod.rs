//! Has a worker run a line as it is: its inputs are read from here, what it writes appears here, and
//! standard input, output and error are this process's, as if ffmpeg ran here.
//!
//! ```text
//!  line ─▶ Files (what it reads and writes) ─▶ gather ─▶ place (a scheduler names a worker)
//!                                                          │
//!  caller's streams, signals, files ◀══ session ══ Run ══▶ worker
//! ```
//!
//! A worker that is lost before anything was delivered is replaced by another one. Afterwards nobody
//! could tell what of the line is done: it fails, as ffmpeg would.
//!
//! Start at [`run`].

mod answers;
mod caller;
mod gather;
mod outputs;
mod place;
mod session;

use segue_ffmpeg::CommandLine;
use segue_ffmpeg::files::{Files, needs};

pub use caller::{Caller, Interruption};

use crate::config::Config;
use crate::trouble::Trouble;
use session::Outcome;

/// Workers that are tried before giving up.
const ATTEMPTS: usize = 3;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// ffmpeg's exit code; 128 and the signal, if it was ended by one.
    pub code: u8,
}

/// Runs a line on a worker.
pub async fn run(
    line: &CommandLine,
    config: &Config,
    mut caller: Caller,
) -> Result<Ending, Trouble> {
    let unable = |error: &dyn std::fmt::Display| Trouble::Unreachable(error.to_string());
    let files = Files::of(line, &caller.directory).map_err(|error| unable(&error))?;
    let gathered = gather::gather(files, &config.path_maps, &caller.directory)
        .map_err(|error| unable(&error))?;
    let mut needs: Vec<String> = needs::of(line, &gathered.files).into_iter().collect();
    if gathered.network && !needs.iter().any(|need| need == "network") {
        needs.push("network".to_owned());
    }
    let mut lost: Vec<String> = Vec::new();
    loop {
        let place = match place::find(config, &needs, &lost).await {
            Ok(place) => place,
            // Something was tried already, but nothing came of it.
            Err(trouble) => return Err(trouble),
        };
        let worker = place.worker.clone();
        match session::run(line.program, &gathered, place, &mut caller).await {
            Outcome::Ended(code) => return Ok(Ending { code }),
            Outcome::Refused(why) => {
                caller.complain(&why).await;
                return Ok(Ending { code: 1 });
            }
            Outcome::Lost { delivered, why } => {
                lost.push(worker.clone());
                if delivered {
                    let words = format!("worker {worker} was lost ({why}) with the run half done");
                    caller.complain(&words).await;
                    return Ok(Ending { code: 1 });
                }
                if lost.len() >= ATTEMPTS {
                    let words = format!("worker {worker} was lost ({why}), and others before");
                    return Err(Trouble::Unreachable(words));
                }
            }
        }
    }
}
