//! What a worker found when it looked at a source.

use segue_model::{FailureClass, Fingerprint, SourceFacts, SpanFailure};

use crate::invalid::Invalid;
use crate::v1;

/// Most that a message with a description may have: a film of which every picture is a keyframe has an
/// index of megabytes.
pub const DESCRIBED_MAX: usize = 64 << 20;
/// What else is in that message.
const BESIDE_FACTS: usize = 1 << 20;

/// A worker's answer to [`v1::Describe`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Which question it answers.
    pub question: u64,
    /// Which state of the source was looked at and what it is; or why that is not known.
    pub outcome: Result<(Fingerprint, SourceFacts), SpanFailure>,
}

impl TryFrom<Described> for v1::Described {
    type Error = Invalid;

    fn try_from(described: Described) -> Result<v1::Described, Invalid> {
        let Described { question, outcome } = described;
        let (fingerprint, facts) = match outcome {
            Ok(found) => found,
            Err(failure) => {
                let failure = Some(failure.into());
                return Ok(v1::Described { question, failure, ..v1::Described::default() });
            }
        };
        let wrong = |field| move |error: serde_json::Error| Invalid::new(field, error.to_string());
        let facts_json = serde_json::to_vec(&facts).map_err(wrong("facts_json"))?;
        // It would not be taken, and the stream would break over it, each time that it is asked for.
        if facts_json.len() > DESCRIBED_MAX - BESIDE_FACTS {
            let failure = Some(too_large(facts_json.len()).into());
            return Ok(v1::Described { question, failure, ..v1::Described::default() });
        }
        let fingerprint_json =
            serde_json::to_vec(&fingerprint).map_err(wrong("fingerprint_json"))?;
        Ok(v1::Described { question, fingerprint_json, facts_json, failure: None })
    }
}

impl TryFrom<v1::Described> for Described {
    type Error = Invalid;

    fn try_from(wire: v1::Described) -> Result<Described, Invalid> {
        let v1::Described { question, fingerprint_json, facts_json, failure } = wire;
        if let Some(failure) = failure {
            return Ok(Described { question, outcome: Err(failure.into()) });
        }
        let wrong = |field| move |error: serde_json::Error| Invalid::new(field, error.to_string());
        let fingerprint =
            serde_json::from_slice(&fingerprint_json).map_err(wrong("fingerprint_json"))?;
        let facts = serde_json::from_slice(&facts_json).map_err(wrong("facts_json"))?;
        Ok(Described { question, outcome: Ok((fingerprint, facts)) })
    }
}

fn too_large(bytes: usize) -> SpanFailure {
    let message = format!(
        "its index has {} MB, and {} are the most: it has more keyframes than can be handled",
        bytes >> 20,
        (DESCRIBED_MAX - BESIDE_FACTS) >> 20
    );
    SpanFailure { class: FailureClass::Source, message, log: Vec::new() }
}
