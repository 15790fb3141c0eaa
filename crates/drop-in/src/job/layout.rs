//! Which files a job's segments appear as, and what ffmpeg would say about each. Pure.

use std::path::{Path, PathBuf};

use segue_ffmpeg::job::{PlaylistKind, Projection};
use segue_model::{AudioCodec, FrameClock, Packaging, Recipe, SourceFacts, Time, Timeline};

/// Names and times of what appears.
#[derive(Clone, Debug)]
pub struct Layout {
    playlist: PathBuf,
    segments: NamePattern,
    init: Option<Init>,
    kind: PlaylistKind,
    independent: bool,
    timeline: Timeline,
    grid: FrameClock,
    /// Slots of `grid` that a segment can begin at: this one and every so many.
    step: i64,
    end: Time,
    has_picture: bool,
}

/// The header of fragmented MP4.
#[derive(Clone, Debug)]
struct Init {
    path: PathBuf,
    /// As the playlist names it.
    uri: String,
}

/// A file name with a place for a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePattern {
    before: String,
    width: usize,
    after: String,
}

/// Why a line's names cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Segments would replace one another.
    #[error("-hls_segment_filename {0} has not exactly one %d for the segment's number")]
    Pattern(String),
    /// It names no file.
    #[error("{0} is no name of a file")]
    Name(String),
}

impl NamePattern {
    /// Reads ffmpeg's `%d` or `%05d`; `%%` is a per cent sign.
    pub fn read(text: &str) -> Result<NamePattern, LayoutError> {
        let wrong = || LayoutError::Pattern(text.to_owned());
        let mut parts = vec![String::new()];
        let mut width = 0;
        let mut rest = text.chars().peekable();
        while let Some(char) = rest.next() {
            let Some(part) = parts.last_mut() else { return Err(wrong()) };
            if char != '%' {
                part.push(char);
                continue;
            }
            if rest.next_if_eq(&'%').is_some() {
                part.push('%');
                continue;
            }
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            if rest.next() != Some('d') || parts.len() > 1 || digits.len() > 2 {
                return Err(wrong());
            }
            width = digits.parse().unwrap_or(0);
            parts.push(String::new());
        }
        let (Some(after), Some(before), None) = (parts.pop(), parts.pop(), parts.pop()) else {
            return Err(wrong());
        };
        Ok(NamePattern { before, width, after })
    }

    /// The name with a number.
    pub fn name(&self, number: u32) -> String {
        let NamePattern { before, width, after } = self;
        format!("{before}{number:0width$}{after}")
    }
}

impl Layout {
    /// What `projection` says, of what `recipe` makes of a source that is cut at `timeline`.
    pub fn new(
        projection: &Projection,
        recipe: &Recipe,
        facts: &SourceFacts,
        timeline: Timeline,
    ) -> Result<Layout, LayoutError> {
        let Projection { playlist, playlist_kind, segments, init, independent, .. } = projection;
        let playlist = path_of(playlist)?;
        let directory = playlist.parent().unwrap_or(Path::new("")).to_owned();
        let init = match (recipe.packaging, init) {
            (Packaging::MpegTs, _) => None,
            (Packaging::Fmp4, init) => {
                let uri = init.clone().unwrap_or_else(|| "init.mp4".to_owned());
                Some(Init { path: directory.join(path_of(&uri)?), uri })
            }
        };
        // ffmpeg counts time by the picture if there is one, and then a segment begins with the
        // first frame that is not before its boundary.
        let has_picture = recipe.renditions.iter().any(|rendition| rendition.video.is_some());
        let (grid, step, end) = match facts.video.as_ref().filter(|_| has_picture) {
            Some(video) => (recipe.clock(video), 1, recipe.picture_end(video)),
            None => {
                let sound = recipe.renditions.iter().find_map(|rendition| rendition.audio.as_ref());
                let sample_rate = sound.map_or(48_000, |sound| sound.sample_rate.max(1));
                let rate = Time::from_secs(i64::from(sample_rate));
                let clock = FrameClock { start: Time::ZERO, rate };
                (clock, i64::from(AudioCodec::Aac.frame_size()), timeline.end())
            }
        };
        Ok(Layout {
            playlist,
            segments: NamePattern::read(path_of(segments)?.to_str().unwrap_or_default())?,
            init,
            kind: *playlist_kind,
            independent: *independent,
            timeline,
            grid,
            step,
            end,
            has_picture,
        })
    }

    /// How many segments the job has.
    pub fn segments(&self) -> u32 {
        self.timeline.segments()
    }

    /// Where segment `index` appears.
    pub fn segment(&self, index: u32) -> PathBuf {
        PathBuf::from(self.segments.name(index))
    }

    /// Where the header appears, if there is one.
    pub fn init(&self) -> Option<&Path> {
        Some(&self.init.as_ref()?.path)
    }

    /// Where the playlist appears.
    pub fn playlist(&self) -> &Path {
        &self.playlist
    }

    /// Whether the playlist appears with the first segment already.
    pub fn grows(&self) -> bool {
        self.kind == PlaylistKind::Growing
    }

    /// When segment `index` is due, in the film.
    pub fn start_of(&self, index: u32) -> Time {
        self.timeline.start_of(index.min(self.segments()))
    }

    /// Frames in the segments from `first` up to before `end`; `None` without a picture.
    pub fn frames(&self, first: u32, end: u32) -> Option<u64> {
        let frames = u64::try_from(self.mark(end) - self.mark(first)).unwrap_or(0);
        self.has_picture.then_some(frames)
    }

    /// How long the segments from `first` up to before `end` last.
    pub fn duration(&self, first: u32, end: u32) -> Time {
        self.grid.time_of(self.mark(end)) - self.grid.time_of(self.mark(first))
    }

    /// The slot at which segment `index` begins, or the last one ends.
    fn mark(&self, index: u32) -> i64 {
        // The first begins with what comes first, also where that is a little after the film's start.
        if index == 0 {
            return 0;
        }
        let slot = match index >= self.segments() {
            true => self.grid.slot_of(self.end),
            false => self.grid.slot_from(self.timeline.start_of(index)),
        };
        slot + (-slot).rem_euclid(self.step)
    }

    /// The playlist of the segments from `first` up to before `end`, as ffmpeg's hls muxer writes it.
    pub fn playlist_text(&self, first: u32, end: u32, ended: bool) -> String {
        let durations: Vec<f64> =
            (first..end).map(|index| self.duration(index, index + 1).as_secs_f64()).collect();
        let longest = durations.iter().copied().fold(0.0, f64::max);
        let version = match (&self.init, self.independent) {
            (Some(_), _) => 7,
            (None, true) => 6,
            (None, false) => 3,
        };
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{}\n#EXT-X-MEDIA-SEQUENCE:{first}\n",
            longest.round_ties_even()
        );
        if self.kind == PlaylistKind::Vod {
            text += "#EXT-X-PLAYLIST-TYPE:VOD\n";
        }
        if self.independent && self.has_picture {
            text += "#EXT-X-INDEPENDENT-SEGMENTS\n";
        }
        if let Some(Init { uri, .. }) = &self.init {
            text += &format!("#EXT-X-MAP:URI=\"{uri}\"\n");
        }
        for (index, duration) in (first..end).zip(durations) {
            let path = self.segment(index);
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            text += &format!("#EXTINF:{duration:.6},\n{name}\n");
        }
        if ended {
            text += "#EXT-X-ENDLIST\n";
        }
        text
    }
}

/// A path without `file:`.
fn path_of(name: &str) -> Result<PathBuf, LayoutError> {
    match segue_ffmpeg::paths::local(name) {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err(LayoutError::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::NamePattern;

    #[test]
    fn names_have_one_number() {
        let name = |pattern: &str| NamePattern::read(pattern).map(|pattern| pattern.name(7)).ok();
        assert_eq!(name("/t/abc%d.ts").as_deref(), Some("/t/abc7.ts"));
        assert_eq!(name("seg_%05d.mp4").as_deref(), Some("seg_00007.mp4"));
        assert_eq!(name("100%%/%d").as_deref(), Some("100%/7"));
        for wrong in ["abc.ts", "%d%d.ts", "%s.ts", "%", "a%5", "%123d"] {
            assert_eq!(name(wrong), None, "{wrong}");
        }
    }
}
