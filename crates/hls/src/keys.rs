//! What a job's objects are called, relative to the job's folder, in a directory as in an object
//! store and in playlists:
//!
//! ```text
//! master.m3u8
//! 720p/index.m3u8
//! 720p/init.mp4         (fMP4 only)
//! 720p/00000.ts         (.m4s in fMP4)
//! ```
//!
//! Each object has exactly one name, so that one that exists is never made again under another.

use segue_model::{Packaging, Recipe, Rendition, SegmentId};

/// The multivariant playlist: what a player is given.
pub const MULTIVARIANT: &str = "master.m3u8";

/// The media playlist, in its rendition's folder.
pub(crate) const MEDIA_PLAYLIST_NAME: &str = "index.m3u8";

/// The fMP4 initialisation section, in its rendition's folder.
pub(crate) const INIT_NAME: &str = "init.mp4";

/// A rendition's media playlist.
pub fn media_playlist(rendition: &Rendition) -> String {
    format!("{}/{MEDIA_PLAYLIST_NAME}", rendition.name)
}

/// A rendition's initialisation section; a transport stream has none.
pub fn init(packaging: Packaging, rendition: &Rendition) -> Option<String> {
    match packaging {
        Packaging::MpegTs => None,
        Packaging::Fmp4 => Some(format!("{}/{INIT_NAME}", rendition.name)),
    }
}

/// Segment `index` of a rendition.
pub fn segment(packaging: Packaging, rendition: &Rendition, index: u32) -> String {
    format!("{}/{}", rendition.name, segment_name(packaging, index))
}

/// A segment within its rendition's folder: at least five digits, so that films of less than a
/// day list in order.
pub(crate) fn segment_name(packaging: Packaging, index: u32) -> String {
    format!("{index:05}.{}", extension(packaging))
}

fn extension(packaging: Packaging) -> &'static str {
    match packaging {
        Packaging::MpegTs => "ts",
        Packaging::Fmp4 => "m4s",
    }
}

/// Which segment of the recipe `key` names; `None` for anything that [`segment`] does not write.
/// The timeline says whether there is one of that index.
pub fn parse_segment(recipe: &Recipe, key: &str) -> Option<SegmentId> {
    let (folder, name) = key.split_once('/')?;
    let rendition = recipe.renditions.iter().position(|rendition| rendition.name == folder)?;
    let (digits, _) = name.split_once('.')?;
    let index = digits.parse().ok()?;
    // `+1.ts`, `1.ts` and `000001.ts` would be second names of the same object.
    let canonical = name == segment_name(recipe.packaging, index);
    canonical.then_some(SegmentId { rendition: rendition as u32, index })
}
