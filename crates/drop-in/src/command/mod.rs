//! Has a worker run a line as it is: its inputs are read from here, what it writes appears here, and
//! standard input, output and error are this process's, as if ffmpeg ran here.
//!
//! ```text
//!  line ─▶ Files (what it reads and writes) ─▶ gather ─▶ place (a scheduler names a worker)
//!                                                          │
//!  caller's streams, signals, files ◀══ session ══ Run ══▶ worker
//! ```
//!
//! A worker that is lost before anything was delivered is replaced by another one. An HLS line whose
//! segments could be anybody's goes on elsewhere from the last one that is there, and its figures count
//! on; its playlist then begins there. Of any other line nobody could tell what is done: it fails, as
//! ffmpeg would.
//!
//! Start at [`run`].

mod answers;
mod caller;
mod gather;
mod outputs;
mod place;
mod session;

use segue_ffmpeg::CommandLine;
use segue_ffmpeg::files::{Files, Refusal, needs};
use segue_ffmpeg::resume::{Pictures, Rest, Resumable, Said};
use segue_model::Time;

pub use caller::{Caller, Interruption};

use crate::config::Config;
use crate::ending::Ending;
use crate::trouble::Trouble;
use session::Outcome;

/// Workers that are tried before giving up.
const ATTEMPTS: usize = 3;

/// Has a worker run a line, with this process's streams. Trouble is only what comes before anything
/// was written, said, or read from standard input.
pub async fn run(line: &CommandLine, config: &Config) -> Result<Ending, Trouble> {
    let caller = Caller::of_process().map_err(|error| {
        Trouble::Unreachable(format!("this process's streams cannot be used: {error}"))
    })?;
    run_for(line, config, caller).await
}

/// The same for another caller.
pub async fn run_for(
    line: &CommandLine,
    config: &Config,
    mut caller: Caller,
) -> Result<Ending, Trouble> {
    let mut prepared = prepare(line, config, &caller)?;
    let resumable = Resumable::of(line, &caller.directory);
    let mut progress = Progress::default();
    // Whether all of the line is left.
    let mut untouched = true;
    // Workers to keep away from: those that were lost since something was delivered.
    let mut lost: Vec<String> = Vec::new();
    loop {
        let looked = async {
            match untouched {
                true => place::find(config, &prepared.needs, &lost).await,
                // Somebody waits for the rest: a worker may be back soon.
                false => place::insist(config, &prepared.needs, &lost).await,
            }
        };
        let place = tokio::select! {
            place = looked => place,
            Some(_) = caller.interruptions.recv() => return Ok(Ending::SIGNALLED),
        };
        let place = match place {
            Ok(place) => place,
            Err(trouble) if untouched => return Err(trouble),
            Err(trouble) => {
                let words = format!("no worker goes on with what is left: {trouble}");
                return Ok(fail(&caller, &words).await);
            }
        };
        let worker = place.worker.clone();
        match session::run(line.program, &prepared.gathered, place, &mut caller, &mut progress)
            .await
        {
            Outcome::Ended(code) => return Ok(Ending { code }),
            Outcome::Refused(why) => return Ok(fail(&caller, &why).await),
            // It was to end, and did.
            Outcome::Lost { quitting: true, .. } => return Ok(Ending::SIGNALLED),
            Outcome::Lost { delivered, why, .. } => {
                if delivered {
                    lost.clear();
                }
                lost.push(worker.clone());
                let words = format!("worker {worker} was lost ({why})");
                if lost.len() >= ATTEMPTS {
                    let words = format!("{words}, and others before");
                    return match untouched {
                        true => Err(Trouble::Unreachable(words)),
                        false => Ok(fail(&caller, &words).await),
                    };
                }
                if untouched && !delivered {
                    continue;
                }
                let rest = resumable.as_ref().and_then(|resumable| progress.rest(resumable));
                let Some(rest) = rest else {
                    let words = format!("{words} with the run half done");
                    return Ok(fail(&caller, &words).await);
                };
                caller.complain(&format!("{words}: another one goes on")).await;
                untouched = false;
                progress.said.goes_on(rest.behind);
                prepared = match prepare(&rest.line, config, &caller) {
                    Ok(prepared) => prepared,
                    Err(trouble) => return Ok(fail(&caller, &trouble.to_string()).await),
                };
            }
        }
    }
}

/// How far a line is, on however many workers.
#[derive(Debug, Default)]
struct Progress {
    /// Files that are whole, and have their names: nobody writes them again.
    whole: Vec<String>,
    /// What was said of it.
    said: Said,
}

impl Progress {
    /// What is left to be done, if that can be told.
    fn rest(&self, resumable: &Resumable) -> Option<Rest> {
        let Some((number, path)) = resumable.last(&self.whole) else {
            return Some(resumable.all());
        };
        // One that is taken away already says nothing.
        let pictures = |path| Pictures::in_transport_stream(&std::fs::read(path).ok()?);
        let at_first = resumable.first(&self.whole).and_then(pictures);
        let start = self.said.start.unwrap_or(Time::ZERO);
        resumable.from(number, pictures(path), at_first, start)
    }
}

/// As ffmpeg would: with words, and its exit code.
async fn fail(caller: &Caller, words: &str) -> Ending {
    caller.complain(words).await;
    Ending::FAILED
}

/// A line that is ready to be run elsewhere.
struct Prepared {
    gathered: gather::Gathered,
    /// What the worker must have.
    needs: Vec<String>,
}

fn prepare(line: &CommandLine, config: &Config, caller: &Caller) -> Result<Prepared, Trouble> {
    let unable = |error: Refusal| Trouble::Unreachable(error.to_string());
    let files = Files::of(line, &caller.directory).map_err(unable)?;
    let mut needs = needs::of(line, &files);
    let gathered = gather::gather(files, &config.path_maps, &caller.directory).map_err(unable)?;
    if gathered.network {
        needs.insert("network".to_owned());
    }
    Ok(Prepared { gathered, needs: needs.into_iter().collect() })
}
