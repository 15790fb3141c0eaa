//! Finds out what a film is, in a child: damaged files do their damage there.

use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use segue_model::{FailureClass, SourceFacts, SpanFailure};

use crate::film::Film;
use crate::span_process::{Death, SpanProcess, SpawnError, Spawner, Trouble};
use crate::with_causes;

/// So many processes must come to the same end before it is the film's.
const AGREED: u32 = 2;
/// Somebody who kills processes, or a machine short of memory, is outlasted for a while: the film is
/// not to blame.
const KILLS_MAX: u32 = 6;
/// After a few at once, the next wait.
const KILLS_AT_ONCE: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// Why nobody knows what a film is. The text names it, and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DescribeError {
    /// It is none, or too damaged.
    #[error("{0}")]
    Film(String),
    /// Something else than the film is in the way.
    #[error("{0}")]
    Machine(String),
    /// [`Spawner::kill_all`] was called.
    #[error("broken off")]
    Stopped,
}

/// Describes `source`; the process comes back warm.
///
/// Trouble with storage is not waited out, as it is once work has begun: nothing is lost yet, and
/// whoever asked is there to ask again.
pub fn describe(
    film: &Film,
    spawner: &Spawner,
) -> Result<(SourceFacts, SpanProcess), DescribeError> {
    let (mut deaths, mut kills) = (0, 0);
    let (mut source_failures, mut worker_failures) = (0, 0);
    let unreadable_here = |error| DescribeError::Machine(format!("{}: {error}", film.name()));
    loop {
        let descriptor = film.descriptor().map_err(unreadable_here)?;
        let died = match spawner.spawn() {
            Ok(mut process) => match process.describe(descriptor.as_fd()) {
                Ok(facts) => return Ok((facts, process)),
                Err(Trouble::Failed(failure)) => {
                    let count = match failure.class {
                        FailureClass::Source => &mut source_failures,
                        FailureClass::Worker => &mut worker_failures,
                        FailureClass::Transient => return Err(unreadable(film, &failure)),
                    };
                    *count += 1;
                    if *count == AGREED {
                        return Err(unreadable(film, &failure));
                    }
                    continue;
                }
                Err(Trouble::Died(death)) => Died { ending: deadly(film, &death), death },
                Err(Trouble::Stopped) => {
                    return Err(DescribeError::Stopped);
                }
            },
            // It had not seen the film.
            Err(SpawnError::Died(death)) => {
                let message = with_causes(&SpawnError::Died(death.clone()));
                Died { ending: DescribeError::Machine(message), death }
            }
            Err(error) => return Err(DescribeError::Machine(with_causes(&error))),
        };
        if died.death.ended_by.from_outside() {
            kills += 1;
            if kills == KILLS_MAX {
                return Err(killed(film, &died.death));
            }
            if kills >= KILLS_AT_ONCE {
                thread::sleep(PAUSE);
            }
        } else {
            deaths += 1;
            if deaths == AGREED {
                return Err(died.ending);
            }
        }
    }
}

/// A process that is gone, and how the job ends if that is the film's or the machine's doing.
struct Died {
    death: Death,
    ending: DescribeError,
}

fn unreadable(film: &Film, failure: &SpanFailure) -> DescribeError {
    let name = film.name();
    // libav's last word is often the reason, where its error code says only that there is one. What
    // it advises after that is for those who call it.
    let last = failure.log.last().and_then(|words| words.lines().next());
    let message = match last {
        Some(last) => format!("{}: {last}", failure.message),
        None => failure.message.clone(),
    };
    match failure.class {
        FailureClass::Source => DescribeError::Film(format!(
            "{name} cannot be read as a film: {message}: check that it is one, and whole; if it \
             was copied or downloaded, do that again"
        )),
        FailureClass::Transient => DescribeError::Machine(format!(
            "{name} cannot be read: {message}: check its disk or network, and try again"
        )),
        FailureClass::Worker => DescribeError::Machine(format!("{name}: {message}")),
    }
}

fn deadly(film: &Film, death: &Death) -> DescribeError {
    let name = film.name();
    let last = death.last_words.last().map(|line| format!(" ({line})")).unwrap_or_default();
    DescribeError::Machine(format!(
        "{name} cannot be read: {death}{last}, as did the process before it: the file is probably \
         damaged; `ffmpeg -i FILE -c copy NEW` may mend it"
    ))
}

fn killed(film: &Film, death: &Death) -> DescribeError {
    let name = film.name();
    let before = KILLS_MAX - 1;
    DescribeError::Machine(format!(
        "{name} cannot be read: {death}, as were {before} processes before it: something on this \
         machine kills them; if it is short of memory, free some, and try again"
    ))
}
