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
//! on. Of any other line nobody could tell what is done: it fails, as ffmpeg would, and says what is in
//! the way.
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
use segue_ffmpeg::resume::{Joint, Obstacle, Pictures, Rest, Resumable, Said};
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
    let line_here = resumable.as_ref().ok().cloned();
    let mut progress = Progress { line: line_here, ..Progress::default() };
    // Whether all of the line is left.
    let mut untouched = true;
    // Workers to keep away from: those that were lost since a file was whole.
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
        let whole = progress.whole.len();
        match session::run(line.program, &prepared.gathered, place, &mut caller, &mut progress)
            .await
        {
            Outcome::Ended(code) => {
                if let Some((input, size)) = prepared.gathered.grown() {
                    let lacking = format!(
                        "{input} grew meanwhile: what was made is of its first {size} bytes, where \
                         ffmpeg here might have read on"
                    );
                    caller.complain(&lacking).await;
                }
                return Ok(Ending { code });
            }
            Outcome::Refused(why) => return Ok(fail(&caller, &why).await),
            // It was to end, and did.
            Outcome::Lost { quitting: true, .. } => return Ok(Ending::SIGNALLED),
            Outcome::Lost { delivered, why, .. } => {
                // A line that ends its workers gets no further, whatever is pressed meanwhile.
                if progress.whole.len() > whole {
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
                    if progress.said.has_figures() {
                        progress.said.goes_on(Time::ZERO);
                    }
                    continue;
                }
                let rest = match resumable.as_ref().map_err(Obstacle::clone) {
                    Ok(resumable) => progress.rest(resumable.clone()).await,
                    Err(obstacle) => Err(obstacle),
                };
                let rest = match rest {
                    Ok(rest) => rest,
                    Err(obstacle) => {
                        let words = format!(
                            "{words} with the run half done, which cannot go on elsewhere: \
                             {obstacle}"
                        );
                        return Ok(fail(&caller, &words).await);
                    }
                };
                caller.complain(&format!("{words}: another one goes on")).await;
                untouched = false;
                progress.said.goes_on(rest.behind);
                progress.joint = rest.joint;
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
    /// The line, if it can go on elsewhere.
    line: Option<Resumable>,
    /// Where that began.
    beginning: Option<Pictures>,
    /// Files that are whole, and have their names: nobody writes them again.
    whole: Vec<String>,
    /// What was said of it.
    said: Said,
    /// What files must fit that are written from now on.
    joint: Joint,
}

impl Progress {
    /// What is left to be done, or why that cannot be told.
    async fn rest(&self, line: Resumable) -> Result<Rest, Obstacle> {
        let (whole, start, beginning) = (self.whole.clone(), self.said.start, self.beginning);
        let read = |path: &str| std::fs::read(path).ok();
        let rest = move || line.rest(&whole, start, beginning, read);
        tokio::task::spawn_blocking(rest).await.unwrap_or(Err(Obstacle::Unreadable))
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
    let unable = |error: Refusal| Trouble::NotElsewhere(error.to_string());
    let files = Files::of(line, &caller.directory).map_err(unable)?;
    let mut needs = needs::of(line, &files);
    let gathered = gather::gather(files, &config.path_maps, &caller.directory).map_err(unable)?;
    if gathered.network {
        needs.insert("network".to_owned());
    }
    Ok(Prepared { gathered, needs: needs.into_iter().collect() })
}
