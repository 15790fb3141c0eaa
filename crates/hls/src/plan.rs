//! A job from what is asked for and what is known of the source.

use segue_model::{Job, JobRequest, RequestError, Source, SourceFacts, Time, Timeline};

use crate::{BoundaryError, timeline};

/// Why a request cannot be carried out on a source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It asks for what cannot be made.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The film cannot be cut as it says.
    #[error(transparent)]
    Boundary(#[from] BoundaryError),
}

/// Where `facts` are cut under the rule of `request`.
pub fn timeline_of(request: &JobRequest, facts: &SourceFacts) -> Result<Timeline, BoundaryError> {
    let keyframes: Vec<Time> = match &facts.video {
        Some(video) => {
            let time = |tick: &i64| Time::from_ticks(*tick, video.time_base) - facts.start;
            video.keyframes.ticks.iter().map(time).collect()
        }
        None => Vec::new(),
    };
    timeline(request.boundaries, facts.duration, &keyframes)
}

/// The job that `request` makes of `source`.
pub fn plan(source: Source, request: &JobRequest, facts: SourceFacts) -> Result<Job, PlanError> {
    let recipe = request.resolve(&facts)?;
    let timeline = timeline_of(request, &facts)?;
    Ok(Job::new(source, recipe, facts, timeline))
}
