//! Answers `Describe`: what a source is, found out in a process of its own.

use segue_api::{Described, v1};
use segue_model::{FailureClass, Fingerprint, SourceFacts, SpanFailure};

use crate::describe::{DescribeError, describe};
use crate::film::Film;
use crate::source::Sources;
use crate::span_process::Spawner;

/// Finds out what is asked. Blocks.
pub fn answer(question: &v1::Describe, sources: &Sources, spawner: &Spawner) -> Described {
    Described { question: question.question, outcome: look(&question.source, sources, spawner) }
}

/// Whoever looked is gone; somebody waits for a word.
pub fn ended_early(question: u64, error: &dyn std::error::Error) -> Described {
    let message = format!("looking at it ended early: {error}");
    let failure = SpanFailure { class: FailureClass::Worker, message, log: Vec::new() };
    Described { question, outcome: Err(failure) }
}

fn look(
    url: &str,
    sources: &Sources,
    spawner: &Spawner,
) -> Result<(Fingerprint, SourceFacts), SpanFailure> {
    let failed = |class, message| SpanFailure { class, message, log: Vec::new() };
    let film =
        Film::open(url, sources).map_err(|error| failed(error.class(), error.to_string()))?;
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
