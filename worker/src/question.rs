//! Answers `Describe`: what a source is, found out in a process of its own.

use segue_api::{Described, v1};
use segue_model::{FailureClass, Fingerprint, SourceFacts, SpanFailure};

use crate::describe::{DescribeError, describe};
use crate::film::Film;
use crate::span_process::Spawner;

/// Finds out what is asked. Blocks.
pub fn answer(question: &v1::Describe, spawner: &Spawner) -> Described {
    Described { question: question.question, outcome: look(&question.source, spawner) }
}

fn look(url: &str, spawner: &Spawner) -> Result<(Fingerprint, SourceFacts), SpanFailure> {
    let failed = |class, message| SpanFailure { class, message, log: Vec::new() };
    // Another worker may see what this one does not.
    let film = Film::open(url).map_err(|error| failed(FailureClass::Worker, error.to_string()))?;
    match describe(&film, spawner) {
        Ok((facts, _process)) => Ok((film.source().fingerprint.clone(), facts)),
        Err(error) => {
            let class = match &error {
                DescribeError::Film(_) => FailureClass::Source,
                DescribeError::Machine(_) => FailureClass::Worker,
                DescribeError::Stopped => FailureClass::Transient,
            };
            Err(failed(class, error.to_string()))
        }
    }
}
