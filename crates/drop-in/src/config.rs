//! What the drop-in goes by.

use std::path::PathBuf;
use std::time::Duration;

use segue_ffmpeg::FallbackPolicy;

/// What the drop-in goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Schedulers, `http://host:port`; the first that answers is asked.
    pub schedulers: Vec<String>,
    /// Where workers see what the caller sees elsewhere; the longest prefix that fits counts.
    pub path_maps: Vec<PathMap>,
    /// Whether ffmpeg may run here when the pool cannot.
    pub fallback: FallbackPolicy,
    /// A pool without room is waited for so long.
    pub busy_wait: Duration,
    /// The ffmpeg that is here.
    pub ffmpeg: PathBuf,
    /// The ffprobe that is here.
    pub ffprobe: PathBuf,
}

/// A directory of the caller's, and what workers call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMap {
    /// As the caller sees it; an absolute path.
    pub here: PathBuf,
    /// As workers see it: an absolute path, or the beginning of a URL (`s3://bucket/films`).
    pub workers: String,
}
