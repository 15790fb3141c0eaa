//! What a job costs, as far as its description tells: the planner's first guess, until its spans were
//! measured. Pure.

use segue_dispatch::planner::{Cuts, JobFacts};
use segue_model::pool::EncoderFamily;
use segue_model::{Effort, Hash, Job, Recipe, Rendition, Span, VideoFacts, VideoSettings};

/// Pixels a second of the reference work's source, 1080p30 ...
const REFERENCE_DECODED: f64 = 1920.0 * 1080.0 * 30.0;
/// ... and of what is made of it, 720p30.
const REFERENCE_ENCODED: f64 = 1280.0 * 720.0 * 30.0;
/// How the reference work's thousand thousandths are shared between the two.
const DECODE_SHARE: f64 = 300.0;
const ENCODE_SHARE: f64 = 700.0;
/// What sound takes, next to nothing.
const SOUND: u32 = 20;
/// Pictures that an encoder settles on before a span's first.
const PRE_ROLL_PICTURES: f64 = 25.0;

/// What the planner has to know of a job of which that much is published.
pub fn facts(job: &Job, published: Vec<(u32, Vec<Span>)>) -> JobFacts {
    let runs = |(rendition, runs): (u32, Vec<Span>)| runs.into_iter().map(move |r| (rendition, r));
    let published: Vec<(u32, Span)> = published.into_iter().flat_map(runs).collect();
    let video = job.facts.video.as_ref();
    let decode_per_mille = video.map_or(SOUND, decode_per_mille);
    let renditions_per_mille: Vec<u32> =
        job.recipe.renditions.iter().map(|r| encode(r, video)).collect();
    let encodes: u32 = renditions_per_mille.iter().fold(0, |sum, r| sum.saturating_add(*r));
    let decode_share =
        f64::from(decode_per_mille) / f64::from(decode_per_mille.saturating_add(encodes));
    JobFacts {
        id: job.id,
        cuts: Cuts::of(&job.timeline),
        kind: kind(job),
        decode_per_mille,
        renditions_per_mille,
        lead_in: video.map_or(0, |video| lead_in(job, video, decode_share)),
        families: vec![EncoderFamily::X264],
        // There is no other yet.
        family: (!published.is_empty()).then_some(EncoderFamily::X264),
        published,
    }
}

/// What is learned of one job holds for those of the same kind: codec, size, rate and recipe.
fn kind(job: &Job) -> u64 {
    let picture = job.facts.video.as_ref().map(|video| {
        let rate = video.frame_rate.nominal();
        (&video.codec, video.width, video.height, &video.pixel_format, rate, video.field_order)
    });
    // By how little each film's pictures are moved says nothing of speed.
    let recipe = Recipe { picture_shift: None, ..job.recipe.clone() };
    let settings = serde_json::to_vec(&(picture, &recipe)).unwrap_or_default();
    let Hash(hash) = Hash::of(&settings);
    first_number(hash)
}

/// The first eight bytes of a hash.
pub(crate) fn first_number(hash: [u8; 32]) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = hash;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn rate(video: &VideoFacts) -> f64 {
    video.frame_rate.nominal().as_secs_f64().clamp(1.0, 240.0)
}

fn decode_per_mille(video: &VideoFacts) -> u32 {
    let pixels = f64::from(video.width) * f64::from(video.height) * rate(video);
    let codec = match video.codec.as_str() {
        "av1" => 1.7,
        "hevc" | "vvc" => 1.5,
        "vp9" | "prores" | "ffv1" => 1.3,
        "mpeg2video" | "mpeg1video" | "mpeg4" => 0.6,
        _ => 1.0,
    };
    let depth = if ["10", "12", "16"].iter().any(|bits| video.pixel_format.contains(bits)) {
        1.3
    } else {
        1.0
    };
    thousandths(DECODE_SHARE * pixels / REFERENCE_DECODED * codec * depth)
}

fn encode(rendition: &Rendition, source: Option<&VideoFacts>) -> u32 {
    let sound = if rendition.audio.is_some() { SOUND } else { 0 };
    let video = rendition.video.as_ref().zip(source);
    sound + video.map_or(0, |(settings, source)| encode_picture(settings, source))
}

fn encode_picture(settings: &VideoSettings, source: &VideoFacts) -> u32 {
    let pixels = f64::from(settings.width) * f64::from(settings.height) * rate(source);
    let asked = settings.preset.parse::<Effort>().ok();
    let effort = match asked.as_ref().map_or("", Effort::preset) {
        "ultrafast" => 0.5,
        "superfast" => 0.7,
        "faster" => 1.5,
        "fast" => 1.9,
        "medium" => 2.2,
        "slow" => 4.0,
        "slower" => 7.0,
        "veryslow" | "placebo" => 14.0,
        _ => 1.0,
    };
    // What media servers refine `veryfast` by takes about two thirds of its time; `ultrafast` is so
    // by itself. What is measured of a job soon counts for more.
    let refined = asked.filter(|asked| asked.preset() != "ultrafast");
    let hurried = refined.and_then(|asked| asked.number("subme")).is_some_and(|subme| subme < 2);
    let effort = if hurried { effort * 0.65 } else { effort };
    let doubled = settings.deinterlace.is_some_and(|made| made.doubles(source));
    let pixels = if doubled { pixels * 2.0 } else { pixels };
    let deinterlacing = if settings.deinterlace.is_some() { 1.3 } else { 1.0 };
    thousandths(ENCODE_SHARE * pixels / REFERENCE_ENCODED * effort * deinterlacing)
}

fn thousandths(amount: f64) -> u32 {
    amount.clamp(1.0, 1_000_000.0) as u32
}

/// A span is entered at a keyframe, on average half the way between two before what it needs: that is
/// decoded and nothing else. Then its encoders settle on some pictures. In milliseconds of film that
/// could be made in that time.
fn lead_in(job: &Job, video: &VideoFacts, decode_share: f64) -> u64 {
    let keyframes = video.keyframes.ticks.len().max(1) as f64;
    let distance = job.facts.duration.as_secs_f64().max(0.0) / keyframes;
    let pre_roll = PRE_ROLL_PICTURES / rate(video);
    ((distance / 2.0 * decode_share + pre_roll) * 1000.0).min(600_000.0) as u64
}

#[cfg(test)]
#[path = "../../crates/model/tests/sample/mod.rs"]
mod sample;

#[cfg(test)]
mod tests {
    use segue_model::{BoundaryRule, FrameRate, Packaging, Recipe, Source, Time};
    use segue_model::{Fingerprint, Revision, Timeline};

    use super::*;

    /// A minute of 1080p30 H.264 and what is made of it.
    fn job(heights: &[(u32, u32)]) -> Job {
        let mut facts = sample::film();
        let video = facts.video.as_mut().expect("a picture");
        video.codec = "h264".to_owned();
        video.frame_rate = FrameRate::Constant(Time::from_secs(30));
        video.keyframes.ticks = (0..30).map(|n| n * 2000).collect();
        let rendition = |size: &(u32, u32)| Rendition {
            name: format!("{}p", size.1),
            video: Some(sample::encoded(*size, 3_000_000, 31)),
            audio: None,
        };
        let recipe = Recipe {
            boundaries: BoundaryRule::Grid { segment: Time::from_secs(2) },
            packaging: Packaging::MpegTs,
            timestamp_offset: Time::from_secs(10),
            picture_shift: None,
            exact: false,
            renditions: heights.iter().map(rendition).collect(),
        };
        let head_tail = Hash::of(b"film");
        let fingerprint = Fingerprint { size: 1, revision: Revision::Mtime(1), head_tail };
        let source = Source { url: "file:///film".to_owned(), fingerprint };
        let boundaries = (0..=30).map(|n| Time::from_secs(2 * n)).collect();
        Job::new(source, recipe, facts, Timeline::new(boundaries).expect("a timeline"))
    }

    #[test]
    fn the_reference_work_costs_a_thousand_thousandths() {
        let facts = facts(&job(&[(1280, 720)]), Vec::new());
        assert_eq!((facts.decode_per_mille, facts.renditions_per_mille), (300, vec![700]));
        assert_eq!(facts.cuts, Cuts::Even { length: 2000, segments: 30, end: 60_000 });
        // A second to the next keyframe, of which three tenths are work, and 25 pictures.
        assert_eq!(facts.lead_in, 1133);
        assert_eq!(facts.family, None);
    }

    #[test]
    fn pixels_count_and_so_do_the_codec_and_the_preset() {
        let mut job = job(&[(1280, 720), (640, 360)]);
        let small = facts(&job, Vec::new()).renditions_per_mille[1];
        assert_eq!(small, 175);
        let before = kind(&job);
        job.facts.video.as_mut().expect("a picture").codec = "hevc".to_owned();
        job.recipe.renditions[0].video.as_mut().expect("a picture").preset = "slow".to_owned();
        let published = vec![(0, vec![Span { first: 0, end: 3 }, Span { first: 7, end: 9 }])];
        let facts = facts(&job, published);
        assert_eq!((facts.decode_per_mille, facts.renditions_per_mille[0]), (450, 2800));
        assert_ne!(facts.kind, before);
        assert_eq!(facts.family, Some(EncoderFamily::X264));
        assert_eq!(facts.published.len(), 2);
    }
}
