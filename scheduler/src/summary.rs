//! What is remembered of a job beside the planner's facts: what clients are told of it. The job itself
//! stays in the store; its keyframe index alone may be megabytes.

use std::collections::HashSet;
use std::sync::Arc;

use segue_api::v1;
use segue_dispatch::planner::JobFailure;
use segue_model::{Job, JobId};
use serde::{Deserialize, Serialize};

/// What clients are told of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// What is read.
    pub source: Arc<str>,
    /// What is made, in the playlist's order.
    pub renditions: Arc<[String]>,
    /// Segments of each.
    pub segments: u32,
    /// How long it is.
    pub duration_ms: u64,
    /// How long the source says it lasts, if that is more than it holds; otherwise 0.
    pub claimed_ms: u64,
}

impl Summary {
    /// That of a job.
    pub fn of(job: &Job) -> Summary {
        let names = job.recipe.renditions.iter().map(|rendition| rendition.name.clone());
        let length = job.timeline.end() - job.timeline.start_of(0);
        Summary {
            source: job.source.url.as_str().into(),
            renditions: names.collect(),
            segments: job.timeline.segments(),
            duration_ms: length.to_ticks(1000).max(0) as u64,
            claimed_ms: job.facts.declared_duration.map_or(0, |it| it.to_ticks(1000).max(0) as u64),
        }
    }

    /// As clients are told; without progress, claims and playlist.
    pub fn info(&self, job: JobId) -> v1::JobInfo {
        v1::JobInfo {
            job: job.to_string(),
            source: self.source.to_string(),
            renditions: self.renditions.to_vec(),
            segments: self.segments,
            duration_ms: self.duration_ms,
            progress: None,
            claims: Vec::new(),
            claimed_ms: self.claimed_ms,
            damaged: 0,
            short_by_ms: 0,
            playlist: String::new(),
        }
    }
}

/// Lists of names that many jobs share, each kept once.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<[String]>>);

impl Names {
    /// More lists than this are not worth sharing.
    const MAX: usize = 10_000;

    /// The same summary, with the list that others have.
    pub fn share(&mut self, summary: Summary) -> Summary {
        if self.0.len() >= Names::MAX {
            self.0.clear();
        }
        let renditions = match self.0.get(&summary.renditions) {
            Some(shared) => shared.clone(),
            None => {
                self.0.insert(summary.renditions.clone());
                summary.renditions.clone()
            }
        };
        Summary { renditions, ..summary }
    }
}

/// Why a job failed, as it is remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Who is to blame; none if it ended every process that tried.
    pub class: Option<segue_model::FailureClass>,
    /// One line for a person.
    pub message: String,
    /// Where.
    pub segment: u32,
}

impl Failed {
    /// What the planner found.
    pub fn of(failure: &JobFailure) -> Failed {
        let JobFailure { segment, attempts, devices, class, words } = failure;
        let times = match (attempts, devices.len()) {
            (1, _) => "tried once".to_owned(),
            (tries, 0 | 1) => format!("tried {tries} times"),
            (tries, devices) => format!("tried {tries} times on {devices} devices"),
        };
        let message = format!("segment {segment}: {words} ({times})");
        Failed { class: *class, message, segment: *segment }
    }

    /// For metrics.
    pub fn class_name(&self) -> &'static str {
        match self.class {
            None => "none",
            Some(segue_model::FailureClass::Source) => "source",
            Some(segue_model::FailureClass::Worker) => "worker",
            Some(segue_model::FailureClass::Transient) => "transient",
        }
    }

    /// As clients are told.
    pub fn to_wire(&self) -> v1::Failure {
        let class = self.class.map_or(v1::FailureClass::Unspecified, Into::into);
        v1::Failure {
            class: class.into(),
            message: self.message.clone(),
            segment: self.segment,
            log: Vec::new(),
        }
    }
}
