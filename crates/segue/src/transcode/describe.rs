//! Finds out what a film is, in a child: damaged files do their damage there.

use std::os::fd::AsFd;

use segue_model::{FailureClass, SourceFacts, SpanFailure};

use crate::ending::{Ending, with_causes};
use crate::source::LocalSource;
use crate::span_process::{Death, SpanProcess, Spawner, Trouble};

/// So many processes must come to the same end before it is the film's.
const AGREED: u32 = 2;

/// Describes `source`; the process comes back warm.
///
/// Trouble with storage is not waited out, as it is once work has begun: nothing is lost yet, and
/// whoever asked is there to ask again.
pub fn describe(
    source: &LocalSource,
    spawner: &Spawner,
) -> Result<(SourceFacts, SpanProcess), Ending> {
    let (mut deaths, mut source_failures, mut worker_failures) = (0, 0, 0);
    loop {
        let mut process = spawner.spawn().map_err(|error| Ending::Failed(with_causes(&error)))?;
        let (count, ending) = match process.describe(source.as_fd()) {
            Ok(facts) => return Ok((facts, process)),
            Err(Trouble::Failed(failure)) => {
                let ending = unreadable(source, &failure);
                match failure.class {
                    FailureClass::Source => (&mut source_failures, ending),
                    FailureClass::Worker => (&mut worker_failures, ending),
                    FailureClass::Transient => return Err(ending),
                }
            }
            Err(Trouble::Died(death)) => (&mut deaths, deadly(source, &death)),
            Err(Trouble::Stopped) => {
                return Err(Ending::Interrupted("interrupted".to_owned()));
            }
        };
        *count += 1;
        if *count == AGREED {
            return Err(ending);
        }
    }
}

fn unreadable(source: &LocalSource, failure: &SpanFailure) -> Ending {
    let name = source.path().display();
    // libav's last word is often the reason, where its error code says only that there is one.
    let message = match failure.log.last() {
        Some(last) => format!("{}: {last}", failure.message),
        None => failure.message.clone(),
    };
    match failure.class {
        FailureClass::Source => Ending::BadInput(format!(
            "{name} cannot be read as a film: {message}: check that it is one, and whole; if it \
             was copied or downloaded, do that again"
        )),
        FailureClass::Transient => Ending::Failed(format!(
            "{name} cannot be read: {message}: check its disk or network, and try again"
        )),
        FailureClass::Worker => Ending::Failed(format!("{name}: {message}")),
    }
}

fn deadly(source: &LocalSource, death: &Death) -> Ending {
    let name = source.path().display();
    let last = death.last_words.last().map(|line| format!(" ({line})")).unwrap_or_default();
    Ending::Failed(format!(
        "{name} cannot be read: {death}{last}, as did the process before it: the file is probably \
         damaged; `ffmpeg -i FILE -c copy NEW` may mend it"
    ))
}
