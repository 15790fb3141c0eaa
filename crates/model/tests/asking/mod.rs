//! Requests and sources as these tests want them.

use segue_model::{JobRequest, Orientation, SourceFacts, Time};

use crate::sample::film;

/// With these renditions, and what is usual.
pub fn request(renditions: &[&str]) -> JobRequest {
    let renditions = renditions.iter().map(|text| text.parse().expect("a rendition")).collect();
    JobRequest { renditions, ..JobRequest::default() }
}

/// A film of this size.
pub fn picture(width: u32, height: u32) -> SourceFacts {
    let mut facts = film();
    let video = facts.video.as_mut().expect("a picture");
    (video.width, video.height) = (width, height);
    facts
}

/// The same with pixels of another shape, turned.
pub fn with_pixels(mut facts: SourceFacts, sample_aspect: Time, quarter_turns: u8) -> SourceFacts {
    let video = facts.video.as_mut().expect("a picture");
    video.sample_aspect = sample_aspect;
    video.orientation = Orientation { quarter_turns, mirrored: false };
    facts
}
