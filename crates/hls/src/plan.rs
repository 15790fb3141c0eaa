//! A job from what is asked for and what is known of the source.

use segue_model::{
    AudioCodec, AudioFacts, AudioSettings, BoundaryRule, Job, JobRequest, Recipe, RequestError,
    Source, SourceFacts, Time, Timeline,
};

use crate::BoundaryError;
use crate::boundaries::{Film, timeline_to};

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

/// Where `facts` are cut under the rule of `recipe`.
pub fn timeline_of(recipe: &Recipe, facts: &SourceFacts) -> Result<Timeline, BoundaryError> {
    let keyframes: Vec<Time> = match &facts.video {
        Some(video) => {
            let start = facts.start - recipe.picture_delay();
            let time = |tick: &i64| Time::from_ticks(*tick, video.time_base) - start;
            video.keyframes.ticks.iter().map(time).collect()
        }
        None => Vec::new(),
    };
    timeline_to(recipe.boundaries, Film::shown(recipe, facts), &keyframes)
}

impl Film {
    /// How much of a source a recipe shows.
    fn shown(recipe: &Recipe, facts: &SourceFacts) -> Film {
        if let Some(video) = facts.video.as_ref().filter(|_| has_picture(recipe)) {
            let clock = recipe.clock(video);
            let frame = recipe.frame_rate(video).recip().unwrap_or(Time::ZERO);
            let end = recipe.picture_end(video);
            // Put into its slot, as containers round.
            let last = clock.time_of(clock.slot_of(end - frame));
            // A film ends with its picture, unless its sound goes on for long.
            let with_picture = facts.duration == video.end;
            let duration = if with_picture { end } else { facts.duration };
            return Film { duration, last, counts_from: recipe.counts_from(video) };
        }
        // Without its picture, a film is as long as its sound.
        let made = || recipe.renditions.iter().filter_map(|it| it.audio.as_ref());
        let tracks = || made().filter_map(|audio| track(facts, audio));
        let end = tracks().map(|track| track.end).max();
        let duration = end.filter(|_| facts.video.is_some()).unwrap_or(facts.duration);
        let rows = made().filter_map(|audio| Some(Packets::of(audio, track(facts, audio)?)));
        let Packets { first, length } =
            rows.min_by_key(|packets| packets.length).unwrap_or(Packets::NONE);
        let last = match length.is_positive() {
            true => length * ((duration / length).ceil() - 1),
            false => duration,
        };
        let as_ffmpeg = matches!(recipe.boundaries, BoundaryRule::Multiples { .. });
        let counts_from = if as_ffmpeg { first } else { Time::ZERO };
        Film { duration, last, counts_from }
    }
}

/// The row of packets that a track of sound becomes.
struct Packets {
    /// When the first comes, as ffmpeg's muxer sees it.
    first: Time,
    length: Time,
}

impl Packets {
    const NONE: Packets = Packets { first: Time::ZERO, length: Time::ZERO };

    fn of(audio: &AudioSettings, track: &AudioFacts) -> Packets {
        let rate = match audio.codec {
            AudioCodec::Copied(_) => track.sample_rate,
            AudioCodec::Aac => audio.sample_rate,
        };
        let length = Time::new(i64::from(audio.codec.frame_size()), i64::from(rate.max(1)));
        let first = match audio.codec {
            AudioCodec::Copied(_) => Time::ZERO,
            // An encoder's first packet primes decoders, and is before the first sound.
            AudioCodec::Aac => track.start - length,
        };
        Packets { first, length }
    }
}

fn track<'a>(facts: &'a SourceFacts, audio: &AudioSettings) -> Option<&'a AudioFacts> {
    facts.audio.iter().find(|track| track.stream == audio.stream)
}

fn has_picture(recipe: &Recipe) -> bool {
    recipe.renditions.iter().any(|rendition| rendition.video.is_some())
}

/// The job that `request` makes of `source`.
pub fn plan(source: Source, request: &JobRequest, facts: SourceFacts) -> Result<Job, PlanError> {
    let recipe = request.resolve(&facts)?;
    let timeline = timeline_of(&recipe, &facts)?;
    Ok(Job::new(source, recipe, facts, timeline))
}
