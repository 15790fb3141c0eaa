//! Playlists as verification needs them: what to fetch, how long it lasts, what continues what.

use m3u8_rs::{KeyMethod, MediaPlaylistType, Playlist};
use segue_model::Time;

use super::lines::{self, Lines};
use super::location::{FetchError, Location, Resource};
use super::report::VerifyError;
use crate::Cancel;

/// A playlist that was read.
pub(super) enum Loaded {
    Multivariant(Multivariant),
    Media(MediaList),
}

/// A multivariant ("master") playlist.
#[derive(Debug, Default)]
pub(super) struct Multivariant {
    pub(super) variants: Vec<Variant>,
    pub(super) renditions: Vec<Rendition>,
    /// EXT-X-INDEPENDENT-SEGMENTS: holds for all its playlists.
    pub(super) independent: bool,
    pub(super) faults: Vec<String>,
}

/// EXT-X-STREAM-INF.
#[derive(Clone, Debug, Default)]
pub(super) struct Variant {
    pub(super) uri: String,
    pub(super) codecs: Option<String>,
    pub(super) resolution: Option<(u32, u32)>,
    /// The GROUP-ID of its sound.
    pub(super) audio: Option<String>,
    /// A playlist of keyframes for scrubbing.
    pub(super) only_keyframes: bool,
}

/// EXT-X-MEDIA with a playlist of its own.
#[derive(Clone, Debug)]
pub(super) struct Rendition {
    pub(super) uri: String,
    pub(super) group: String,
    pub(super) kind: RenditionKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RenditionKind {
    Audio,
    Video,
    /// Subtitles and whatever else is not decoded here.
    Text,
}

/// A media playlist.
#[derive(Debug, Default)]
pub(super) struct MediaList {
    pub(super) segments: Vec<Entry>,
    /// EXT-X-TARGETDURATION.
    pub(super) target: Option<u64>,
    pub(super) ended: bool,
    pub(super) is_vod: bool,
    pub(super) independent: bool,
    pub(super) faults: Vec<String>,
}

/// A listed segment.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) uri: String,
    /// `None` when the playlist may not name such a thing.
    pub(super) resource: Option<Resource>,
    /// EXTINF in seconds.
    pub(super) duration: Time,
    /// What the last digit of EXTINF stands for, in seconds.
    pub(super) precision: Time,
    /// EXT-X-MAP.
    pub(super) init: Option<Init>,
    pub(super) discontinuity: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Init {
    pub(super) uri: String,
    pub(super) resource: Option<Resource>,
}

impl MediaList {
    /// The sum of all EXTINF, in seconds.
    pub(super) fn duration(&self) -> Time {
        self.segments.iter().fold(Time::ZERO, |sum, entry| sum + entry.duration)
    }
}

/// Fetches and reads the playlist at `location`; `name` is what errors call it.
pub(super) fn load(
    location: &Location,
    name: &str,
    cancel: &Cancel,
) -> Result<Loaded, VerifyError> {
    let bytes = location.fetch(cancel).map_err(|error| match error {
        FetchError::Missing(why) => VerifyError::Unreadable { location: name.to_owned(), why },
        FetchError::Cancelled => VerifyError::Cancelled,
    })?;
    read(&bytes, location, name)
}

fn read(bytes: &[u8], location: &Location, name: &str) -> Result<Loaded, VerifyError> {
    let not_a_playlist =
        |why: &str| VerifyError::NotAPlaylist { location: name.to_owned(), why: why.to_owned() };
    let start = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if !start.starts_with(b"#EXTM3U") {
        return Err(not_a_playlist("it does not begin with #EXTM3U"));
    }
    let mut lines = lines::read(bytes);
    let parsed = m3u8_rs::parse_playlist(lines.cleaned.as_bytes());
    let (rest, parsed) = match parsed {
        Ok((rest, playlist)) => (rest.len(), Some(playlist)),
        Err(_) => (0, None),
    };
    if rest > 0 {
        lines.faults.push(format!("the last {rest} bytes cannot be understood"));
    }
    match parsed {
        Some(Playlist::MasterPlaylist(master)) => {
            let multivariant = multivariant(master, lines);
            if multivariant.variants.is_empty() && multivariant.renditions.is_empty() {
                return Err(not_a_playlist("it lists neither segments nor variants"));
            }
            Ok(Loaded::Multivariant(multivariant))
        }
        Some(Playlist::MediaPlaylist(media)) => {
            if media.segments.is_empty() && lines.target.is_none() {
                return Err(not_a_playlist("it lists neither segments nor variants"));
            }
            refuse_encrypted(&media, name)?;
            Ok(Loaded::Media(media_list(media, lines, location)))
        }
        None => Err(not_a_playlist("its lines cannot be understood")),
    }
}

fn multivariant(master: m3u8_rs::MasterPlaylist, lines: Lines) -> Multivariant {
    let narrow = |pixels| u32::try_from(pixels).unwrap_or(0);
    let variants = master.variants.into_iter().map(|variant| Variant {
        uri: variant.uri,
        codecs: variant.codecs,
        resolution: variant.resolution.map(|size| (narrow(size.width), narrow(size.height))),
        audio: variant.audio,
        only_keyframes: variant.is_i_frame,
    });
    let renditions = master.alternatives.into_iter().filter_map(|media| {
        let kind = match media.media_type {
            m3u8_rs::AlternativeMediaType::Audio => RenditionKind::Audio,
            m3u8_rs::AlternativeMediaType::Video => RenditionKind::Video,
            _ => RenditionKind::Text,
        };
        Some(Rendition { uri: media.uri?, group: media.group_id, kind })
    });
    Multivariant {
        variants: variants.collect(),
        renditions: renditions.collect(),
        independent: master.independent_segments,
        faults: lines.faults,
    }
}

fn refuse_encrypted(media: &m3u8_rs::MediaPlaylist, name: &str) -> Result<(), VerifyError> {
    let method = media
        .segments
        .iter()
        .filter_map(|segment| segment.key.as_ref())
        .find(|key| key.method != KeyMethod::None)
        .map(|key| key.method.to_string());
    match method {
        Some(method) => Err(VerifyError::Encrypted { playlist: name.to_owned(), method }),
        None => Ok(()),
    }
}

fn media_list(media: m3u8_rs::MediaPlaylist, lines: Lines, location: &Location) -> MediaList {
    let exact = (lines.durations.len() == media.segments.len()).then_some(lines.durations);
    let mut init: Option<Init> = None;
    // Where the last byte range ended, and in which file: a range without offset goes on there.
    let mut ranges_end: Option<(String, u64)> = None;
    let mut segments = Vec::with_capacity(media.segments.len());
    for (at, segment) in media.segments.into_iter().enumerate() {
        if let Some(map) = segment.map {
            let range = map.byte_range.map(|range| (range.offset.unwrap_or(0), range.length));
            let resource = resource(location, &map.uri, range);
            init = Some(Init { uri: map.uri, resource });
        }
        let range = segment.byte_range.map(|range| {
            let follows = ranges_end.take().filter(|(uri, _)| *uri == segment.uri);
            let offset = range.offset.or(follows.map(|(_, end)| end)).unwrap_or(0);
            ranges_end = Some((segment.uri.clone(), offset.saturating_add(range.length)));
            (offset, range.length)
        });
        let (duration, precision) = match &exact {
            Some(exact) => exact[at],
            None => {
                (Time::from_millis((f64::from(segment.duration) * 1e3) as i64), Time::new(1, 500))
            }
        };
        segments.push(Entry {
            resource: resource(location, &segment.uri, range),
            uri: segment.uri,
            duration,
            precision,
            init: init.clone(),
            discontinuity: segment.discontinuity,
        });
    }
    MediaList {
        segments,
        target: lines.target,
        ended: media.end_list,
        is_vod: media.playlist_type == Some(MediaPlaylistType::Vod),
        independent: media.independent_segments,
        faults: lines.faults,
    }
}

fn resource(base: &Location, uri: &str, range: Option<(u64, u64)>) -> Option<Resource> {
    base.resolve(uri).map(|location| Resource { location, range })
}
