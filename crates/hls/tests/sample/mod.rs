//! A film and the jobs made of it, for the tests of playlists and keys.

#[path = "../../../model/tests/sample/mod.rs"]
mod film;

pub use film::stereo;
use segue_model::{
    BoundaryRule, Fingerprint, FrameRate, Hash, Job, Packaging, Recipe, Rendition, Revision,
    Source, SourceFacts, Time,
};

pub fn secs(text: &str) -> Time {
    text.parse().expect("a time")
}

pub fn grid(segment: &str) -> BoundaryRule {
    BoundaryRule::Grid { segment: secs(segment) }
}

pub fn picture(name: &str, size: (u32, u32), bitrate_max: u64) -> Rendition {
    let video = film::encoded(size, bitrate_max, 31);
    Rendition { name: name.to_owned(), video: Some(video), audio: None }
}

pub fn sound(name: &str) -> Rendition {
    Rendition { name: name.to_owned(), video: None, audio: Some(stereo()) }
}

/// A job on a film of `duration` at 24000/1001 frames a second with English sound.
pub fn job(
    boundaries: BoundaryRule,
    packaging: Packaging,
    duration: &str,
    renditions: Vec<Rendition>,
) -> Job {
    let source = Source {
        url: "file:///films/film.mkv".to_owned(),
        fingerprint: Fingerprint {
            size: 1,
            revision: Revision::Mtime(1),
            head_tail: Hash::of(b"film"),
        },
    };
    let recipe = Recipe {
        boundaries,
        packaging,
        timestamp_offset: Time::from_secs(10),
        picture_shift: None,
        exact: false,
        renditions,
    };
    let timeline = segue_hls::timeline(boundaries, secs(duration), &[]).expect("a timeline");
    Job::new(source, recipe, facts(secs(duration)), timeline)
}

fn facts(duration: Time) -> SourceFacts {
    let rate = Time::new(24_000, 1_001);
    let mut facts = film::film();
    facts.duration = duration;
    let video = facts.video.as_mut().expect("a picture");
    (video.frame_rate, video.frame_rate_max) = (FrameRate::Constant(rate), rate);
    video.clock.rate = rate;
    video.end = duration;
    facts.audio[0].end = duration;
    facts
}
