//! A job from what is asked for and what is known of the source.

use segue_model::{
    AudioCodec, AudioFacts, Job, JobRequest, RequestError, Source, SourceFacts, Time, Timeline,
    VideoFacts,
};

use crate::BoundaryError;
use crate::boundaries::timeline_to;

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
    timeline_to(request.boundaries, facts.duration, last_start(facts), &keyframes)
}

/// When the last picture begins, or the last packet of sound where there is none; put into its slot, as
/// containers round.
fn last_start(facts: &SourceFacts) -> Time {
    if let Some(VideoFacts { clock, end, frame_rate, .. }) = &facts.video {
        let frame = frame_rate.nominal().recip().unwrap_or(Time::ZERO);
        return clock.time_of(clock.slot_of(*end - frame));
    }
    let packet = |track: &AudioFacts| {
        let size = AudioCodec::Aac.frame_size();
        Time::new(size.into(), i64::from(track.sample_rate.max(1)))
    };
    facts.duration - facts.audio.iter().map(packet).min().unwrap_or(Time::ZERO)
}

/// The job that `request` makes of `source`.
pub fn plan(source: Source, request: &JobRequest, facts: SourceFacts) -> Result<Job, PlanError> {
    let recipe = request.resolve(&facts)?;
    let timeline = timeline_of(request, &facts)?;
    Ok(Job::new(source, recipe, facts, timeline))
}
