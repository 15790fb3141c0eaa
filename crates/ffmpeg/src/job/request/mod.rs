//! From what a line means to what the engine is asked for: all of it, or the reasons why not.
//!
//! Whether the engine can be asked for every part of a line depends on the source, whose size decides
//! sizes and whose tracks decide what is chosen. [`request`] answers it for a source that was
//! described; [`obstacles`] says what stands in the way whatever the source is like, for which
//! [`decide`](crate::decide) calls a line a command. A line with an obstacle must run as one: nothing
//! is dropped or rounded here.
//!
//! Seven things look alike and are not the same to the bit. Where a source of constant rate has a
//! hole, ffmpeg repeats the last picture and the engine shows it longer. At a film's very start
//! ffmpeg's transport streams are later by its B-frames and AAC's priming, which they are not after a
//! seek; the engine's never are. The packet that primes a decoder of AAC comes before the film, and
//! is left out. Where the picture begins a little after the sound (by 21 ms in what ffmpeg makes of
//! Matroska and AAC), it is moved to a multiple of a frame's length, and segments count from there, by
//! ffmpeg as in a job (`frame_grid`). But a job does so once, as ffmpeg does when it begins with the film;
//! after a seek, ffmpeg does it anew, so that its segments may begin a picture earlier, and a picture
//! that comes in the middle between two multiples may go to the other one. Where milliseconds of a
//! container put a later picture past that middle and not the first, ffmpeg repeats one and is a
//! picture behind from there on; a job is not. With `-g` alone ffmpeg cuts every so many pictures,
//! which at 24000/1001 is 1 ms later with each second, and counts anew after a seek; a job cuts every so
//! many seconds, as the caller's playlist does, so that a segment has a picture less now and then.
//! And at a boundary, sound that is copied goes with the picture that it begins with, and
//! not with the one that it happened to be written beside.
//!
//! The preset is a hint and is taken over; where the line says none it is x264's own, `medium`. How
//! hardware makes frames of fields is its own affair; the engine does it by yadif where the line says
//! yadif, and by bwdif otherwise. A source that does not say what shape its pixels have is taken to
//! have square ones, and what is made says so.

mod mix;
mod picture;
mod sound;

use segue_model::{
    BoundaryRule, JobRequest, Orientation, Packaging, SourceFacts, StreamKind, Time, VideoFacts,
};

use super::obstacle::Obstacle;
use super::{Boundaries, Content, Job, Proviso};

/// What keeps `job` from being asked of the engine, whatever its source is like.
pub fn obstacles(job: &Job) -> Vec<Obstacle> {
    Conversion::of(job, None).obstacles
}

/// What `job` asks of the engine, for a source that is as `facts` say; or everything that is in the
/// way.
pub fn request(job: &Job, facts: &SourceFacts) -> Result<JobRequest, Vec<Obstacle>> {
    let Conversion { request, mut obstacles, .. } = Conversion::of(job, Some(facts));
    if obstacles.is_empty() {
        match request.resolve(facts) {
            Ok(_) => return Ok(request),
            Err(error) => obstacles.push(Obstacle::Refused(error.to_string())),
        }
    }
    Err(obstacles)
}

struct Conversion<'a> {
    facts: Option<&'a SourceFacts>,
    request: JobRequest,
    obstacles: Vec<Obstacle>,
}

impl<'a> Conversion<'a> {
    fn of(job: &Job, facts: Option<&'a SourceFacts>) -> Conversion<'a> {
        // Where the line appears and from where on it is wanted is not the engine's business.
        let Job { source: _, content, demand: _, projection: _, provisos } = job;
        let Content { boundaries, packaging, timestamps, video, audio } = content;
        let mut made = Conversion { facts, request: JobRequest::default(), obstacles: Vec::new() };
        made.request.boundaries = BoundaryRule::Multiples { segment: boundaries.segment };
        let within = boundaries.keyframes != boundaries.segment;
        made.request.keyframes = within.then_some(boundaries.keyframes);
        made.request.packaging = *packaging;
        made.request.together = *packaging == Packaging::Fmp4;
        made.request.timestamp_offset = Some(timestamps.offset);
        made.request.keep_start = !timestamps.from_zero;
        made.request.without_picture = video.is_none();
        made.request.frame_grid = video.is_some();
        if let Some(video) = video {
            made.video(video);
        }
        made.request.audio = audio.as_ref().and_then(|sound| made.sound(sound));
        if let (None, Some(audio)) = (video, &made.request.audio) {
            let stream = audio.stream;
            made.alone(stream);
        }
        for proviso in provisos {
            made.provided(proviso, boundaries);
        }
        made
    }

    fn provided(&mut self, proviso: &Proviso, boundaries: &Boundaries) {
        let Some(facts) = self.facts else { return };
        let doubled = self.doubles(facts);
        let holds = match (proviso, &facts.video) {
            (Proviso::GopIsSegment { frames }, Some(video)) => {
                match keyframes(*frames, boundaries.segment, video, doubled) {
                    Some(apart) => {
                        let within = apart != boundaries.segment;
                        self.request.keyframes = within.then_some(apart);
                        true
                    }
                    None => false,
                }
            }
            (Proviso::GopFits { frames }, Some(video)) => {
                let rate = video.frame_rate.nominal() * if doubled { 2 } else { 1 };
                let forced = boundaries.keyframes;
                let beyond = (forced * rate).ceil() <= i64::from(*frames);
                let apart = (!beyond).then(|| keyframes(*frames, forced, video, doubled)).flatten();
                if let Some(apart) = apart {
                    self.request.keyframes = Some(apart);
                }
                beyond || apart.is_some()
            }
            (Proviso::NotTurned, Some(video)) => video.orientation == Orientation::default(),
            (Proviso::PictureFromStart, Some(video)) => {
                let rate = video.frame_rate.nominal() * if doubled { 2 } else { 1 };
                video.start * rate < Time::HALF
            }
            _ => holds(proviso, facts),
        };
        if !holds {
            self.hinder(Obstacle::Proviso(proviso.to_string()));
        }
    }

    fn hinder(&mut self, obstacle: Obstacle) {
        if !self.obstacles.contains(&obstacle) {
            self.obstacles.push(obstacle);
        }
    }
}

/// How far apart keyframes are that come every so many pictures: a segment, or a whole part of it.
/// Media servers round up, so that what they say may be a picture more. Keyframes are never further
/// apart than they say; where a frame's length is no part of a segment's, some are a picture nearer.
fn keyframes(frames: u32, segment: Time, video: &VideoFacts, doubled: bool) -> Option<Time> {
    let rate = video.frame_rate.nominal() * if doubled { 2 } else { 1 };
    (1..=12).map(|parts| segment / Time::from_secs(parts)).find(|apart| {
        let pictures = *apart * rate;
        // A part that is rounded up by more does not add up to a segment.
        let more = Time::from_secs(i64::from(frames)) - pictures;
        pictures.ceil() == i64::from(frames) && (*apart == segment || more < Time::new(1, 5))
    })
}

/// Whether what a line takes for granted holds; what the facts do not say does not.
fn holds(proviso: &Proviso, facts: &SourceFacts) -> bool {
    let video = facts.video.as_ref();
    match proviso {
        Proviso::IsVideo(stream) => video.is_some_and(|video| video.stream == *stream),
        Proviso::IsAudio(stream) => facts.audio.iter().any(|track| track.stream == *stream),
        // Obstacles say which part of it does not.
        Proviso::EvenPictures | Proviso::CopiedSound | Proviso::Rate(_) => true,
        // Of a picture, which there is not.
        Proviso::GopIsSegment { .. }
        | Proviso::GopFits { .. }
        | Proviso::NotTurned
        | Proviso::PictureFromStart => false,
        Proviso::PlainPixels => video.is_some_and(|video| {
            matches!(video.pixel_format.as_str(), "yuv420p" | "nv12" | "nv21")
        }),
        Proviso::EndsAt(end) => {
            let apart = facts.duration - *end;
            apart <= Time::from_secs(1) && apart >= Time::from_secs(-1)
        }
        Proviso::NoSubtitles => !facts.streams.contains(&StreamKind::Subtitle),
        Proviso::IsFormat(format) => {
            let names = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
            let own = names(&facts.container);
            names(format).iter().any(|name| own.contains(name))
        }
    }
}
