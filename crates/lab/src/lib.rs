//! Test support: makes the films Segue must cope with, and looks at what came out with eyes that
//! are not ours (the ffmpeg and ffprobe commands).
//!
//! Decided here: which sources belong to the matrix, how each is made, and what is known of it
//! beforehand. Sources are short, small and deterministic, made on first use and kept under
//! `target/lab`; several test processes may ask for the same one at once.
//!
//! Never here: libav, or any other crate of Segue, so that a fault in them cannot hide itself.
//! Being test support, everything here panics, with the command and its words, instead of
//! returning errors.
//!
//! Start at [`matrix`] and [`source`]; judge results with [`frames`], [`packets`], [`pcm`] and
//! [`complaints`].

#![forbid(unsafe_code)]

mod bad;
mod cache;
mod command;
pub mod faults;
mod hls;
mod look;
mod matrix;
mod spec;

pub use bad::{BadSpec, bad, bad_source};
pub use cache::directory;
pub use command::{Ran, ffmpeg, ffprobe, run};
pub use hls::{HlsSpec, clean_stream, clean_streams};
pub use look::{Frame, Packet, audio_frames, complaints, frames, packets, pcm, probe};
pub use matrix::{FILM_FRAMES, matrix};
pub use spec::{Expect, ExpectedSound, ExpectedVideo, Rate, SourceSpec};

use std::path::PathBuf;

/// The file of a source of the [`matrix`], made now if no test asked for it before.
///
/// # Panics
/// When no source has that name, or ffmpeg is missing or refuses.
pub fn source(name: &str) -> PathBuf {
    let spec = matrix()
        .iter()
        .chain(matrix::ingredients())
        .find(|spec| spec.name == name)
        .unwrap_or_else(|| panic!("no source is called {name:?}; see segue_lab::matrix()"));
    spec.path()
}
