//! The shape of the file of settings.

use serde::Deserialize;
use toml::Spanned;

/// Everything in it may be left out.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub schedulers: Option<Vec<Spanned<String>>>,
    pub fallback: Option<Spanned<String>>,
    pub busy_wait: Option<Spanned<String>>,
    pub absent_wait: Option<Spanned<String>>,
    pub ffmpeg: Option<Spanned<String>>,
    pub ffprobe: Option<Spanned<String>>,
    pub cache: Option<Spanned<String>>,
    #[serde(default)]
    pub path_maps: Vec<Map>,
}

/// `[[path_maps]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Map {
    pub here: Spanned<String>,
    pub workers: Spanned<String>,
}

/// In which line a place in a text is.
pub(super) fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

/// The key that a line sets, if it sets one.
pub(super) fn key(text: &str, line: usize) -> Option<&str> {
    let (key, _) = text.lines().nth(line.saturating_sub(1))?.split_once('=')?;
    Some(key.trim()).filter(|key| !key.is_empty())
}
