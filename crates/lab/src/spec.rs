//! What a source is: how it is made, and what is known of it beforehand.

use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::kept;
use crate::command::run;
use crate::source;

/// A source of the matrix.
#[derive(Clone, Debug)]
pub struct SourceSpec {
    /// What tests call it.
    pub name: &'static str,
    /// What makes it worth having.
    pub special: &'static str,
    /// What any reader of it must find.
    pub expect: Expect,
    pub(crate) extension: &'static str,
    pub(crate) make: Make,
}

#[derive(Clone, Debug)]
pub(crate) enum Make {
    /// Arguments of ffmpeg, parted by blanks, without the output; `{name}` is another source.
    Ffmpeg(String),
    /// The file's content.
    Text(&'static str),
}

/// What any reader of a source must find.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// A part of libav's name of the container, such as `matroska`.
    pub container: &'static str,
    /// The picture, if there is one (cover art is none).
    pub video: Option<ExpectedVideo>,
    /// Sound tracks, in the container's order.
    pub sound: Vec<ExpectedSound>,
}

/// How often frames come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Always so many a second: numerator and denominator.
    Constant(u32, u32),
    /// Now more, now fewer.
    Variable,
}

/// A video stream as it must be found.
#[derive(Clone, Debug)]
pub struct ExpectedVideo {
    /// libav's name of the codec.
    pub codec: &'static str,
    /// Columns of a decoded frame, before rotation.
    pub width: u32,
    /// Rows of a decoded frame, before rotation.
    pub height: u32,
    /// How many frames are shown (those an edit list hides are not).
    pub frames: usize,
    /// How often they come.
    pub rate: Rate,
    /// libav's name of the pixel format.
    pub pixel_format: &'static str,
    /// Width of a pixel over its height.
    pub sample_aspect: (u32, u32),
    /// Degrees by which frames must be turned clockwise to stand upright.
    pub rotation: i32,
    /// Whether frames are two fields, the upper one first.
    pub interlaced: bool,
    /// When the first frame is shown, in seconds of the source's own clock, to 50 ms.
    pub start: f64,
    /// When the last frame ends, in seconds of the source's own clock, to 50 ms.
    pub end: f64,
}

/// A sound track as it must be found.
#[derive(Clone, Debug)]
pub struct ExpectedSound {
    /// libav's name of the codec.
    pub codec: &'static str,
    /// Samples per second.
    pub sample_rate: u32,
    /// How many channels.
    pub channels: u32,
    /// ISO 639 code, where the container says.
    pub language: Option<&'static str>,
    /// Whether the container marks it as the one to play.
    pub default: bool,
    /// When the first sample sounds, in seconds of the source's own clock, to 50 ms.
    pub start: f64,
    /// How long it sounds, in seconds, to 70 ms: codecs pad to whole frames.
    pub duration: f64,
}

impl SourceSpec {
    /// The file, made now if it is not there.
    ///
    /// # Panics
    /// When ffmpeg is missing or refuses.
    pub fn path(&self) -> PathBuf {
        let recipe = match &self.make {
            Make::Text(content) => (*content).to_owned(),
            // Paths of other sources hold their hashes, so a change there remakes this.
            Make::Ffmpeg(arguments) => {
                arguments.split_whitespace().map(resolved).map(named).collect::<Vec<_>>().join(" ")
            }
        };
        kept(self.name, self.extension, &recipe, |part| self.make_at(part))
    }

    /// Makes the file anew in a place of the caller's, whose extension should be the source's.
    ///
    /// # Panics
    /// When ffmpeg is missing or refuses.
    pub fn make_at(&self, path: &Path) {
        match &self.make {
            Make::Text(content) => fs::write(path, content)
                .unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display())),
            Make::Ffmpeg(arguments) => {
                run(crate::ffmpeg()
                    .args(["-v", "error", "-y", "-filter_threads", "1"])
                    .args(arguments.split_whitespace().map(resolved))
                    // One thread and no stamps of date or version: the same bytes each time.
                    .args(["-threads", "1", "-fflags", "+bitexact"])
                    .args(["-flags:v", "+bitexact", "-flags:a", "+bitexact"])
                    .arg(path));
            }
        }
    }
}

fn resolved(word: &str) -> String {
    match word.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => source(name).to_string_lossy().into_owned(),
        None => word.to_owned(),
    }
}

/// Where the laboratory lies must not decide what a file in it is called.
fn named(word: String) -> String {
    let path = Path::new(&word);
    match path.file_name() {
        Some(name) if path.is_absolute() => name.to_string_lossy().into_owned(),
        _ => word,
    }
}

/// How the matrix's rows are written down: each method adds one fact.
impl SourceSpec {
    pub(crate) fn new(name: &'static str, extension: &'static str, special: &'static str) -> Self {
        let container = match extension {
            "mp4" | "m4a" | "mov" => "mp4",
            "mkv" | "webm" => "matroska",
            "ts" => "mpegts",
            "mpg" => "mpeg",
            other => other,
        };
        let expect = Expect { container, ..Expect::default() };
        Self { name, special, expect, extension, make: Make::Text("") }
    }

    pub(crate) fn ffmpeg(mut self, arguments: impl Into<String>) -> Self {
        self.make = Make::Ffmpeg(arguments.into());
        self
    }

    pub(crate) fn text(mut self, content: &'static str) -> Self {
        self.make = Make::Text(content);
        self
    }

    pub(crate) fn video(mut self, video: ExpectedVideo) -> Self {
        self.expect.video = Some(video);
        self
    }

    pub(crate) fn sound(mut self, sound: ExpectedSound) -> Self {
        self.expect.sound.push(sound);
        self
    }
}

impl ExpectedVideo {
    /// 320x180, 4:2:0, progressive, upright, from 0 on: what most rows are.
    pub(crate) fn new(codec: &'static str, frames: usize, rate: (u32, u32)) -> Self {
        Self {
            codec,
            width: 320,
            height: 180,
            frames,
            rate: Rate::Constant(rate.0, rate.1),
            pixel_format: "yuv420p",
            sample_aspect: (1, 1),
            rotation: 0,
            interlaced: false,
            start: 0.0,
            end: frames as f64 * f64::from(rate.1) / f64::from(rate.0),
        }
    }

    pub(crate) fn from(mut self, start: f64) -> Self {
        self.end += start - self.start;
        self.start = start;
        self
    }

    pub(crate) fn variable(self, end: f64) -> Self {
        Self { rate: Rate::Variable, end, ..self }
    }
}

impl ExpectedSound {
    /// 48 kHz, stereo, no language, marked as the one to play, from 0 on.
    pub(crate) fn new(codec: &'static str, duration: f64) -> Self {
        Self {
            codec,
            sample_rate: 48_000,
            channels: 2,
            language: None,
            default: true,
            start: 0.0,
            duration,
        }
    }

    pub(crate) fn from(self, start: f64) -> Self {
        Self { start, ..self }
    }
}
