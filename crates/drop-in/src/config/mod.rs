//! What the drop-in goes by. Start at [`Config::load`].
//!
//! Decided here: where settings come from, what they are without any, and what a path is called by
//! workers. Never here: whether what they name is there; `segue doctor` looks at that.

mod duration;
mod file;
mod load;
mod map;

use std::path::PathBuf;
use std::time::Duration;

use segue_ffmpeg::FallbackPolicy;

pub use load::{ConfigError, file as find_file};

/// The settings that are shipped: each with its default, and why one would change it.
pub const EXAMPLE: &str = include_str!("../../../../docs/segue-ffmpeg.toml");

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
    /// A pool that is not there is waited for so long, where ffmpeg may not run here instead.
    pub absent_wait: Duration,
    /// The ffmpeg that is here; `None`: the first that is found ([`crate::local::find`]).
    pub ffmpeg: Option<PathBuf>,
    /// The ffprobe that is here; `None`: the one beside that ffmpeg, or the first that is found.
    pub ffprobe: Option<PathBuf>,
    /// Where answers and fallbacks are kept; `None`: in the user's cache directory.
    pub cache: Option<PathBuf>,
}

/// A directory of the caller's, and what workers call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathMap {
    /// As the caller sees it; an absolute path.
    pub here: PathBuf,
    /// As workers see it: an absolute path, or the beginning of a URL (`s3://bucket/films`).
    pub workers: String,
}

/// Whoever sets nothing has a pool on this machine, the same paths everywhere, and a film that plays
/// when the pool does not: an ffmpeg that runs here says so and is counted, while one that does not
/// would be a broken server for whoever only tries Segue. A pool that is merely full is waited for:
/// where it has work, this machine is the slower one.
impl Default for Config {
    fn default() -> Config {
        Config {
            schedulers: vec!["http://127.0.0.1:7700".to_owned()],
            path_maps: Vec::new(),
            fallback: FallbackPolicy::WhenUnreachable,
            busy_wait: Duration::from_secs(20),
            absent_wait: Duration::from_secs(10),
            ffmpeg: None,
            ffprobe: None,
            cache: None,
        }
    }
}

/// A policy as it is written in settings.
pub fn policy_name(policy: FallbackPolicy) -> &'static str {
    match policy {
        FallbackPolicy::Never => "never",
        FallbackPolicy::WhenUnreachable => "when-unreachable",
        FallbackPolicy::WhenBusy => "when-busy",
    }
}
