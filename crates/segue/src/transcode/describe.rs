//! Finds out what a film is, in a child: damaged files do their damage there.

use std::os::fd::AsFd;

use segue_model::{FailureClass, SourceFacts, SpanFailure};

use crate::ending::{Ending, with_causes};
use crate::source::LocalSource;
use crate::span_process::{Death, SpanProcess, Spawner, Trouble};

/// A file that ends so many processes is not tried again.
const DEATHS_MAX: u32 = 2;

/// Describes `source`; the process comes back warm.
pub fn describe(
    source: &LocalSource,
    spawner: &Spawner,
) -> Result<(SourceFacts, SpanProcess), Ending> {
    let mut deaths = 0;
    loop {
        let mut process = spawner.spawn().map_err(|error| Ending::Failed(with_causes(&error)))?;
        match process.describe(source.as_fd()) {
            Ok(facts) => return Ok((facts, process)),
            Err(Trouble::Failed(failure)) => return Err(unreadable(source, &failure)),
            Err(Trouble::Died(death)) => {
                deaths += 1;
                if deaths == DEATHS_MAX {
                    return Err(deadly(source, &death));
                }
            }
            Err(Trouble::Stopped) => {
                return Err(Ending::Interrupted("interrupted".to_owned()));
            }
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
