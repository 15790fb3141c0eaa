//! What a worker found when it looked at a source.

use segue_model::{Fingerprint, SourceFacts, SpanFailure};

use crate::invalid::Invalid;
use crate::v1;

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
        Ok(v1::Described {
            question,
            fingerprint_json: serde_json::to_vec(&fingerprint)
                .map_err(wrong("fingerprint_json"))?,
            facts_json: serde_json::to_vec(&facts).map_err(wrong("facts_json"))?,
            failure: None,
        })
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
