//! Which film an input of a line gets: one that has what the line takes from it. Pure.
//!
//! Real lines name films that nobody has here. What counts is that all their options meet what they
//! were written for: a stream where a map looks for one, a picture of as many frames a second as the
//! line counts on, and ten seconds or more behind the place where it begins.

use std::collections::BTreeMap;

use segue_ffmpeg::filter::Filter;
use segue_ffmpeg::{CommandLine, Group, Opt, Role, Suffix, Value};
use segue_ffmpeg::{Kind, Part, Specifier, Target, number};

/// What stands in for an input or for a file that is read beside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stuff {
    /// Pictures, usually with sound.
    Film(Film),
    /// Sound alone, as what the extension says.
    Music(String),
    /// Subtitles, as what the extension says.
    Words(String),
    /// One picture, as what the extension says.
    Still(String),
}

/// A film of test pictures.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Film {
    /// The muxer.
    pub format: &'static str,
    /// Pictures a second.
    pub rate: u32,
    /// How long it is: whole clips.
    pub seconds: u32,
    /// What its pictures are encoded by.
    pub picture: &'static str,
    /// What its sound is encoded by.
    pub sound: &'static str,
    /// Channels of its sound.
    pub channels: u32,
    /// Its streams, in order.
    pub tracks: Vec<Track>,
}

/// A stream of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Track {
    /// Pictures.
    Picture,
    /// Sound.
    Sound,
    /// Subtitles as text.
    Words,
    /// Subtitles as pictures.
    Bitmaps,
    /// A font.
    Attachment,
}

/// How much of a film there is at least behind the place where a line begins.
const SECONDS: f64 = 10.0;
/// A film is as many of the same clip. It ends with one: cut anywhere else, pictures that are decoded
/// later and shown earlier would be missing, and a job shows such a hole unlike ffmpeg.
pub const CLIP_SECONDS: u32 = 8;
/// What is behind that in a film is not made here.
const LONGEST_SECONDS: f64 = 3.0 * 3600.0;
const MUSIC: &[&str] = &["flac", "mp3", "m4a", "aac", "ogg", "opus", "wav"];
const WORDS: &[&str] = &["srt", "ass", "ssa", "vtt"];
const STILLS: &[&str] = &["jpg", "jpeg", "png", "bmp", "webp"];

/// What stands in for the `index`th input; or why nothing here can.
pub fn stuff(line: &CommandLine, index: u32) -> Result<Stuff, String> {
    let group = line.inputs().nth(index as usize).ok_or("there is no such input")?;
    let extension = extension(&group.file.name);
    let format = last(group, "f");
    if format.is_none() {
        for (extensions, stuff) in [
            (MUSIC, Stuff::Music as fn(String) -> Stuff),
            (WORDS, Stuff::Words),
            (STILLS, Stuff::Still),
        ] {
            if extensions.contains(&extension.as_str()) {
                return Ok(stuff(extension));
            }
        }
    }
    if ["idx", "sub", "sup", "iso", "vob", "mpls"].contains(&extension.as_str()) {
        return Err(format!(".{extension} cannot be made here"));
    }
    let format = muxer(format, &extension)?;
    let (picture, sound) = codecs(line, group);
    let tracks = tracks(line, index)?;
    let takes = |track: &Track| match track {
        Track::Picture | Track::Sound => true,
        Track::Words => matches!(format, "matroska" | "mp4"),
        Track::Bitmaps | Track::Attachment => format == "matroska",
    };
    if !tracks.iter().all(takes) {
        return Err(format!("{format} with such subtitles or attachments cannot be made here"));
    }
    let wants_six = |group: &Group| last(group, "ac") == Some("6");
    let channels = if line.outputs().any(wants_six) { 6 } else { 2 };
    let seconds = seconds(line, group)?;
    Ok(Stuff::Film(Film { format, rate: rate(line), seconds, picture, sound, channels, tracks }))
}

/// What stands in for a file that is read beside the inputs.
pub fn beside(path: &str) -> Result<Stuff, String> {
    let extension = extension(path);
    match extension.as_str() {
        _ if WORDS.contains(&extension.as_str()) => Ok(Stuff::Words(extension)),
        _ if STILLS.contains(&extension.as_str()) => Ok(Stuff::Still(extension)),
        _ => Err(format!("{path} cannot be made here")),
    }
}

fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or(String::new(), |(_, extension)| extension.to_lowercase())
}

fn last<'a>(group: &'a Group, option: &str) -> Option<&'a str> {
    group.options.iter().rev().find(|o| o.name == option).map(Opt::text)
}

fn muxer(format: Option<&str>, extension: &str) -> Result<&'static str, String> {
    let name = format.unwrap_or(extension).split(',').next().unwrap_or_default();
    Ok(match name {
        "mp4" | "m4v" | "mov" | "3gp" => "mp4",
        "ts" | "m2ts" | "mts" | "mpegts" => "mpegts",
        "avi" => "avi",
        "matroska" | "webm" | "mkv" => "matroska",
        _ if format.is_none() => "matroska",
        other => return Err(format!("-f {other} is not made here")),
    })
}

/// What decoders and bit stream filters of the line are for. Sound is AC-3 where nothing says else:
/// any container takes it, copied, too.
fn codecs(line: &CommandLine, group: &Group) -> (&'static str, &'static str) {
    let (mut picture, mut sound) = ("libx264", "ac3");
    for option in line.outputs().flat_map(|output| &output.options) {
        match (option.name.as_str(), option.text()) {
            ("bsf", text) if text.contains("hevc_") => picture = "libx265",
            ("tag", "hvc1" | "hev1") => picture = "libx265",
            ("bsf", text) if text.contains("aac_adtstoasc") => sound = "aac",
            _ => {}
        }
    }
    for option in group.options.iter().filter(|option| is_codec(option)) {
        let name = option.text();
        for (word, encoder) in [
            ("hevc", "libx265"),
            ("h264", "libx264"),
            ("av1", "libsvtav1"),
            ("dav1d", "libsvtav1"),
            ("vp9", "libvpx-vp9"),
            ("mpeg4", "mpeg4"),
            ("mpeg2", "mpeg2video"),
        ] {
            if name.contains(word) {
                picture = encoder;
            }
        }
        sound = match name {
            "aac" => "aac",
            "flac" => "flac",
            "eac3" => "eac3",
            _ => sound,
        };
    }
    (picture, sound)
}

/// What a stream of an output is, where `-codec:1 ass` tells.
fn encoded(group: &Group, place: u32) -> Option<Track> {
    let specifier = Specifier { parts: vec![Part::Index(place)] };
    let suffix = Some(Suffix::Streams(specifier));
    let named = group.options.iter().find(|option| is_codec(option) && option.suffix == suffix);
    match named?.text() {
        "ass" | "ssa" | "srt" | "subrip" | "webvtt" | "mov_text" => Some(Track::Words),
        "aac" | "ac3" | "eac3" | "flac" | "libmp3lame" | "libopus" | "opus" | "mp3" => {
            Some(Track::Sound)
        }
        _ => None,
    }
}

fn is_codec(option: &Opt) -> bool {
    matches!(option.name.as_str(), "c" | "codec" | "vcodec" | "acodec")
}

/// As many pictures as make a segment, where the line counts them.
fn rate(line: &CommandLine) -> u32 {
    let said = |option| line.outputs().find_map(|group| number::number(last(group, option)?));
    let counted = said("g").zip(said("hls_time")).map(|(pictures, seconds)| pictures / seconds);
    match counted {
        Some(rate) if (10.0..=60.0).contains(&rate) => rate.round() as u32,
        _ => 24,
    }
}

/// Long enough for what it seeks to, before or behind `-i`, and ten seconds or more behind that.
fn seconds(line: &CommandLine, group: &Group) -> Result<u32, String> {
    let sought = |group: &Group| {
        let time = number::time(last(group, "ss")?);
        time.map(|time| time.as_secs_f64())
    };
    let begin = sought(group).unwrap_or(0.0)
        + line.outputs().filter_map(sought).fold(0.0, |most: f64, at| most.max(at));
    if !(0.0..LONGEST_SECONDS).contains(&begin) {
        return Err(format!("it seeks to {begin} s"));
    }
    Ok(((begin + SECONDS) / f64::from(CLIP_SECONDS)).ceil() as u32 * CLIP_SECONDS)
}

/// The streams that maps, filters and dumps of the line look for.
fn tracks(line: &CommandLine, file: u32) -> Result<Vec<Track>, String> {
    let mut wanted = Wanted { file, ..Wanted::default() };
    for group in line.groups.iter().filter(|group| group.file.role == Role::Output) {
        wanted.maps(group);
    }
    for option in line.options() {
        match &option.value {
            Value::Graph(graph) => {
                for filter in graph.value().chains.iter().flatten() {
                    wanted.filter(filter);
                }
            }
            Value::Text(_) if option.name == "dump_attachment" => wanted.dump(&option.key()),
            _ => {}
        }
    }
    wanted.row()
}

/// No film that a server was seen with has so many.
const STREAMS_MAX: u32 = 100;

#[derive(Default)]
struct Wanted {
    file: u32,
    /// By place in the file.
    placed: BTreeMap<u32, Track>,
    /// How many of a kind at least.
    counts: BTreeMap<Track, u32>,
}

impl Wanted {
    fn at(&mut self, place: u32, track: Track) {
        self.placed.entry(place).or_insert(track);
    }

    fn counted(&mut self, track: Track, nth: u32) {
        let count = self.counts.entry(track).or_default();
        *count = (*count).max(nth.saturating_add(1));
    }

    fn specified(&mut self, specifier: &Specifier, guess: Track) {
        match &specifier.parts[..] {
            [Part::Index(place)] => self.at(*place, guess),
            [Part::Kind(kind)] => self.kind(*kind, 0),
            [Part::Kind(kind), Part::Index(nth)] => self.kind(*kind, *nth),
            _ => {}
        }
    }

    fn kind(&mut self, kind: Kind, nth: u32) {
        match kind {
            Kind::Video | Kind::MovingVideo => self.counted(Track::Picture, nth),
            Kind::Audio => self.counted(Track::Sound, nth),
            Kind::Subtitle => self.counted(Track::Words, nth),
            Kind::Attachment => self.counted(Track::Attachment, nth),
            Kind::Data => {}
        }
    }

    /// Servers map pictures first, then sound, then subtitles; without pictures, sound.
    fn maps(&mut self, group: &Group) {
        let without_pictures = group.options.iter().any(|option| option.name == "vn");
        let format = last(group, "f").map_or_else(|| extension(&group.file.name), str::to_owned);
        let skipped = match format.as_str() {
            "webvtt" => 2,
            format if WORDS.contains(&format) => 2,
            format if without_pictures || MUSIC.contains(&format) => 1,
            _ => 0,
        };
        let mut row = [Track::Picture, Track::Sound, Track::Words].into_iter().skip(skipped);
        let mut place = 0;
        for option in &group.options {
            let Value::Map(map) = &option.value else { continue };
            if map.value().negative {
                continue;
            }
            let usual = row.next().unwrap_or(Track::Words);
            let guess = encoded(group, place).unwrap_or(usual);
            place += 1;
            if let Target::Streams { file, specifier, optional } = &map.value().target
                && *file == self.file
                && !(*optional && specifier.parts.len() == 1)
            {
                self.specified(specifier, guess);
            }
        }
    }

    /// What a filter reads from the file, and of which kind.
    fn filter(&mut self, filter: &Filter) {
        for (at, label) in filter.inputs.iter().enumerate() {
            let Some((file, specifier)) = label.split_once(':') else { continue };
            if file.parse() != Ok(self.file) {
                continue;
            }
            let specifier = Specifier::parse(specifier);
            let sound = filter.name.starts_with('a') && filter.name != "alphaextract"
                || matches!(filter.name.as_str(), "volume" | "pan" | "dynaudnorm" | "loudnorm");
            // What is laid over a picture is one, also by way of other filters.
            let laid_over = filter.name.starts_with("overlay") && at > 0
                || matches!(&specifier.parts[..], [Part::Index(place)] if *place > 1);
            match &specifier.parts[..] {
                [Part::Kind(Kind::Subtitle)] => self.counted(Track::Bitmaps, 0),
                [Part::Kind(Kind::Subtitle), Part::Index(nth)] => {
                    self.counted(Track::Bitmaps, *nth);
                }
                _ if sound => self.specified(&specifier, Track::Sound),
                _ if laid_over => self.specified(&specifier, Track::Bitmaps),
                _ => self.specified(&specifier, Track::Picture),
            }
        }
        if filter.name == "subtitles" {
            let named = filter.arguments.iter().flatten();
            let mut named =
                named.filter(|a| matches!(a.key.as_deref(), Some("si" | "stream_index")));
            let nth = named.next().and_then(|argument| argument.value.parse().ok());
            self.counted(Track::Words, nth.unwrap_or(0));
        }
    }

    fn dump(&mut self, key: &str) {
        let specifier = key.split_once(':').map_or("", |(_, specifier)| specifier);
        self.specified(&Specifier::parse(specifier), Track::Attachment);
    }

    /// All of them in order: what nothing asks for fills the places between.
    fn row(mut self) -> Result<Vec<Track>, String> {
        for (place, usual) in [(0, Track::Picture), (1, Track::Sound)] {
            if !self.placed.values().any(|track| *track == usual) {
                self.placed.entry(place).or_insert(usual);
            }
        }
        let end = self.placed.keys().next_back().map_or(0, |last| last.saturating_add(1));
        if end > STREAMS_MAX || self.counts.values().any(|count| *count > STREAMS_MAX) {
            return Err(format!("more than {STREAMS_MAX} streams are not made here"));
        }
        let mut row: Vec<Track> =
            (0..end).map(|at| self.placed.get(&at).copied().unwrap_or(Track::Words)).collect();
        for (track, count) in &self.counts {
            let there = row.iter().filter(|there| *there == track).count();
            row.extend(std::iter::repeat_n(*track, (*count as usize).saturating_sub(there)));
        }
        // ffmpeg writes them behind all else.
        let fonts = row.iter().position(|track| *track == Track::Attachment);
        let mixed = fonts.is_some_and(|at| row[at..].iter().any(|t| *t != Track::Attachment));
        if mixed {
            Err("streams behind attachments cannot be made here".to_owned())
        } else {
            Ok(row)
        }
    }
}
