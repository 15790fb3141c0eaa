//! Source and recipe, named by what they are.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Hash, Recipe, Source, SourceFacts, Timeline, canonical};

/// The BLAKE3 of a job's canonical encoding: two replicas that ask for the same thing share it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobId(pub Hash);

impl JobId {
    /// The id of `recipe` applied to `source`. Facts and timeline follow from the two.
    pub fn of(source: &Source, recipe: &Recipe) -> JobId {
        JobId(Hash::of(&canonical::encode(source, recipe)))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Everything a worker needs to make any of a job's segments; stored once, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Names it.
    pub id: JobId,
    /// What to read.
    pub source: Source,
    /// What to make of it.
    pub recipe: Recipe,
    /// What `describe` found.
    pub facts: SourceFacts,
    /// Where it is cut.
    pub timeline: Timeline,
}

impl Job {
    /// Puts a job together; its id follows.
    pub fn new(source: Source, recipe: Recipe, facts: SourceFacts, timeline: Timeline) -> Job {
        Job { id: JobId::of(&source, &recipe), source, recipe, facts, timeline }
    }

    /// Whether a stored job is what its id says.
    pub fn is_intact(&self) -> bool {
        self.id == JobId::of(&self.source, &self.recipe)
    }
}
