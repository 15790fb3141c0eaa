//! The list of good sources, by what is special about them.
//!
//! Rows are as real files are, faults of their muxers included: to add one, write it where its
//! speciality belongs and let `tests/matrix.rs` say what readers find in it.

mod codecs;
mod files;
mod pictures;
mod sounds;
mod timing;

use std::sync::LazyLock;

use crate::spec::{ExpectedSound, ExpectedVideo, SourceSpec};

/// All good sources.
pub fn matrix() -> &'static [SourceSpec] {
    static MATRIX: LazyLock<Vec<SourceSpec>> = LazyLock::new(|| {
        [codecs::rows(), timing::rows(), files::rows(), pictures::rows(), sounds::rows()].concat()
    });
    &MATRIX
}

/// What sources are made of, without being sources.
pub(crate) fn ingredients() -> &'static [SourceSpec] {
    static INGREDIENTS: LazyLock<Vec<SourceSpec>> = LazyLock::new(sounds::ingredients);
    &INGREDIENTS
}

/// NTSC's rendering of film: the rate most films come in.
const FILM: (u32, u32) = (24_000, 1_001);

/// The film most rows share: its frames, and for how many seconds its sound goes on.
pub const FILM_FRAMES: usize = 200;
const FILM_SECONDS: f64 = 8.342;

/// x264 as most rows use it: B-frames and closed GOPs whose keyframes miss every 2 s grid.
const H264: &str = "-c:v libx264 -preset veryfast -crf 23 -pix_fmt yuv420p -g 77 -bf 3 \
                    -sc_threshold 0";

/// An input: a picture that moves and counts, so that no two frames are alike.
fn picture(rate: (u32, u32), frames: usize) -> String {
    let (numerator, denominator) = rate;
    // The half frame keeps rounding from adding or dropping one.
    let seconds = (frames as f64 - 0.5) * f64::from(denominator) / f64::from(numerator);
    format!("-f lavfi -i testsrc2=s=320x180:r={numerator}/{denominator}:d={seconds:.6}")
}

/// An input: stereo tones that rise all the time, so that every moment sounds different and a
/// missing sample is a step.
fn sweep(sample_rate: u32, seconds: f64) -> String {
    format!(
        "-f lavfi -i aevalsrc=0.25*sin(2*PI*(200+30*t)*t)|0.25*sin(2*PI*(300+45*t)*t)\
         :s={sample_rate}:d={seconds}"
    )
}

/// The film most rows share, as inputs 0 (picture) and 1 (sound).
fn film() -> String {
    format!("{} {}", picture(FILM, FILM_FRAMES), sweep(48_000, FILM_SECONDS))
}

fn film_video(codec: &'static str) -> ExpectedVideo {
    ExpectedVideo::new(codec, FILM_FRAMES, FILM)
}

fn film_sound(codec: &'static str) -> ExpectedSound {
    ExpectedSound::new(codec, FILM_SECONDS)
}
