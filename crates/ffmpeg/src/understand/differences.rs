//! In what a job differs from what ffmpeg makes of the same line, whatever the source is like. Each is
//! small, and on purpose; none goes unsaid.

use segue_model::Packaging;

use crate::finding::{Findings, differs};
use crate::job::{Job, SoundRate};

/// Adds what the line's own words have not been blamed for.
pub fn tell(job: &Job, findings: &mut Findings) {
    let content = &job.content;
    let mut tell = |about: &str, meaning: &str| findings.add(about, differs(meaning));
    if content.video.is_some() {
        tell(
            "(holes)",
            "where the source has a hole, ffmpeg repeats the last picture, and a job shows it longer",
        );
        tell(
            "(pictures beside multiples of a frame's length)",
            "ffmpeg moves the first of a run to the nearest, anew after each seek, and repeats one \
             where the container's milliseconds put a later one past the middle; a job moves all by \
             the same, wherever a run begins",
        );
    }
    if content.video.as_ref().is_some_and(|video| video.level.is_some()) {
        tell(
            "(level in the stream)",
            "it is what the pictures need; ffmpeg writes the line's, which is the most it may be",
        );
    }
    if content.video.is_some() && content.packaging == Packaging::MpegTs {
        tell(
            "(the film's first segment)",
            "ffmpeg's, and what follows in one run from there, are later by its B-frames and the \
             sound's priming; a job's times are the same wherever a run begins",
        );
    }
    let Some(sound) = &content.audio else { return };
    let (about, meaning) = match (&sound.rate, &content.video) {
        (SoundRate::Copied, None) => return,
        (SoundRate::Copied, Some(_)) => (
            "(copied sound at boundaries)",
            "it goes with the picture that it sounds with; ffmpeg's goes with the one that it \
             was written beside, some packets away",
        ),
        (_, Some(_)) => (
            "(sound at boundaries)",
            "the packet that primes a decoder, before the film begins, is left out, and segments are \
             cut some packets from where ffmpeg cuts them",
        ),
        (_, None) => (
            "(the film's first sound)",
            "the packet that primes a decoder, before the film begins, is left out",
        ),
    };
    tell(about, meaning);
}
