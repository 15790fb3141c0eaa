//! Where an HLS line goes on when the machine that ran it is gone: the same line from a later segment,
//! as a media server itself asks for it after a seek, but with nothing doubled and nothing missing where
//! the two runs meet.
//!
//! The run that goes on makes the last whole segment once more, which is compared and thrown away: sound
//! lags behind pictures where segments are cut, so what follows a boundary comes from one run. Only if it
//! has pictures at the same times to its end as the one that is there does anything of the run count. It
//! begins with the
//! picture that this segment begins with, as the segment itself says; where ffmpeg would have put it by
//! its own rounding after a seek is another matter.
//!
//! Only where the segments are those that would have come: each begins with a keyframe that the line
//! asks for, and the source is a file with an end.
//!
//! Fragmented MP4 of older media servers counts time from where its run begins. The run that goes on
//! counts it as the source does, and its fragments are moved to where the first run would have put them
//! ([`Joint`]).

mod boxes;
mod container;
mod counters;
mod entries;
mod fragments;
mod graphs;
mod joint;
mod keyframes;
mod obstacle;
mod pictures;
mod playlist;
mod said;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod written;

use std::collections::BTreeMap;

use segue_model::Time;

use container::Container;
use counters::Counters;
use fragments::{Clock, Init};
use joint::{Earlier, Seam, stamps};
pub use joint::{Joint, Misfit};
use keyframes::Keyframes;
pub use obstacle::Obstacle;
pub use pictures::Pictures;
pub use said::Said;

use crate::files::{Name, absolute, parted};
use crate::line::{CommandLine, Group, Opt, Program, Role, Value};
use crate::{number, options, paths};

/// How much later the source's pictures are said to come, so that those which lie between two places
/// of ffmpeg's, and are rounded to milliseconds by their container, are never rounded down. Less than
/// anybody can see or hear; a subtitle that is burned in begins or ends a picture earlier where it does
/// so within this of a picture.
const NUDGE: &str = "0.001";

/// What ffmpeg's encoders put before the first sound, at the usual rate: that of AAC, and those that
/// have shorter frames. A few milliseconds more or less are no picture.
const PRIMING_MS: i64 = 21;
const SHORT_PRIMING: (i64, [&str; 3]) = (5, ["ac3", "eac3", "libopus"]);

/// More than stamps are rounded by, and less than is between a picture and a whole second that it just
/// misses, at the rates of television (a 30,000th of a second).
const NEAR_MICROS: i64 = 17;

/// A line that can go on from any of its segments.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumable {
    line: CommandLine,
    /// The number of its first segment.
    first: i64,
    /// Where its segments are, and what they are called.
    directory: String,
    name: Name,
    seek: Time,
    length: Time,
    keyframes: Keyframes,
    container: Container,
    /// Its time stamps count from where the source begins.
    zeroed: bool,
    /// The path of its playlist.
    playlist: String,
}

/// What is left of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest {
    /// The same line from the last segment that is there.
    pub line: CommandLine,
    /// How much of what was to be made is before it.
    pub behind: Time,
    /// What the files that it makes must fit.
    pub joint: Joint,
}

/// Options that change what is read, where it ends, or how segments come.
const OF_INPUT: [&str; 8] =
    ["t", "to", "sseof", "stream_loop", "itsoffset", "itsscale", "seek_timestamp", "isync"];
const OF_OUTPUT: [&str; 10] = [
    "t",
    "to",
    "ss",
    "fs",
    "frames",
    "vframes",
    "hls_flags",
    "hls_init_time",
    "strftime",
    "output_ts_offset",
];

/// Formats of files that a line may name where ffmpeg would find it itself, as media servers do for
/// hardware decoders. Lists, devices and the like are others.
const FILES: [&str; 10] =
    ["matroska", "webm", "mov", "mp4", "m4a", "3gp", "3g2", "mj2", "mpegts", "avi"];

impl Resumable {
    /// If the line is one, as it runs in `directory`; else why not.
    pub fn of(line: &CommandLine, directory: &str) -> Result<Resumable, Obstacle> {
        let (mut inputs, mut outputs) = (line.inputs(), line.outputs());
        let (Some(input), Some(output)) = (inputs.next(), outputs.next()) else {
            return Err(Obstacle::NotHls);
        };
        let text = |name: &str| set(output, name).map(Opt::text);
        let alone = inputs.next().is_none() && outputs.next().is_none();
        let is_hls = line.program == Program::Ffmpeg && text("f") == Some("hls");
        if !is_hls || !alone || paths::local(&input.file.name).is_none() {
            return Err(Obstacle::NotHls);
        }
        let of_input = OF_INPUT.iter().find(|name| set(input, name).is_some());
        let of_output = OF_OUTPUT.iter().find(|name| set(output, name).is_some());
        if let Some(name) = of_input.or(of_output) {
            return Err(Obstacle::Option((*name).to_owned()));
        }
        let known = |format: &Opt| format.text().split(',').all(|name| FILES.contains(&name));
        if set(input, "f").is_some_and(|format| !known(format)) {
            return Err(Obstacle::Value("f".to_owned()));
        }
        // A run that goes on would begin with the keyframe before.
        if set(input, "accurate_seek").is_some_and(|option| option.negated) {
            return Err(Obstacle::Option("noaccurate_seek".to_owned()));
        }
        if text("hls_playlist_type") != Some("vod") {
            return Err(Obstacle::Playlist);
        }
        // Time stamps are the source's or count from where it begins, plus what the container adds.
        let global = |name| line.options().any(|option| option.name == name && !option.negated);
        let stamped = global("copyts")
            && text("avoid_negative_ts").is_some_and(|how| matches!(how, "disabled" | "0"));
        if !stamped {
            return Err(Obstacle::TimeStamps);
        }
        let zeroed = global("start_at_zero");
        if let Some(filter) = graphs::obstacle(line) {
            return Err(Obstacle::Filter(filter));
        }
        let value = |name: &str| Obstacle::Value(name.to_owned());
        let length = text("hls_time").and_then(number::time).filter(|length| length.is_positive());
        let length = length.ok_or_else(|| value("hls_time"))?;
        let seek = set(input, "ss").map_or(Some(Time::ZERO), |o| number::time(o.text()));
        let seek = seek.ok_or_else(|| value("ss"))?;
        let keyframes = Keyframes::of(output, length).ok_or(Obstacle::Keyframes)?;
        let playlist = paths::local(&output.file.name).ok_or(Obstacle::NotHls)?;
        let playlist = absolute(directory, playlist);
        let container = Container::of(output, &playlist)?;
        let first = text("start_number").map_or(Some(0), |number| number.parse().ok());
        let first = first.ok_or_else(|| value("start_number"))?;
        let segments = text("hls_segment_filename").and_then(paths::local);
        let segments = absolute(directory, segments.ok_or(Obstacle::Names)?);
        let (directory, name) = parted(&segments);
        let name = Name::pattern(&name);
        if !matches!(name, Name::Pattern(_)) {
            return Err(Obstacle::Names);
        }
        let line = line.clone();
        let line = Resumable {
            line,
            first,
            directory,
            name,
            seek,
            length,
            keyframes,
            container,
            zeroed,
            playlist,
        };
        Ok(line)
    }

    /// Where its first run began, if `path` is that of its first segment; to be asked when that is
    /// whole, as media servers remove what was played. `read` reads files.
    pub fn beginning(
        &self,
        path: &str,
        read: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Option<Pictures> {
        if self.number_of(path) != Some(self.first) {
            return None;
        }
        let init = match &self.container {
            Container::Fragments { init, .. } => Some(Init::parse(&read(init)?)?),
            Container::Transport { .. } => None,
        };
        self.pictures(init.as_ref(), &read(path)?)
    }

    fn pictures(&self, init: Option<&Init>, segment: &[u8]) -> Option<Pictures> {
        match &self.container {
            Container::Transport { .. } => Pictures::in_transport_stream(segment),
            Container::Fragments { clock, .. } => init?.pictures(segment, *clock),
        }
    }

    /// What is left to be done when these files are whole (absolute paths), as `read` reads them. The
    /// source begins at `start`, and the first run's segments as `beginning` says.
    pub fn rest(
        &self,
        whole: &[String],
        start: Option<Time>,
        beginning: Option<Pictures>,
        read: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Rest, Obstacle> {
        let init = match &self.container {
            Container::Fragments { init, .. } if whole.contains(init) => {
                let section = read(init).and_then(|bytes| Init::parse(&bytes));
                Some((init.clone(), section.ok_or(Obstacle::Unreadable)?))
            }
            _ => None,
        };
        let segments = self.segments(whole);
        let Some(path) = segments.last() else {
            return Ok(Rest { joint: Joint { init, ..Joint::default() }, ..self.all() });
        };
        // One that is taken away already says nothing.
        let last = read(path).ok_or(Obstacle::Unreadable)?;
        let section = init.as_ref().map(|(_, init)| init);
        let there = stamps(section, &last).ok_or(Obstacle::Unreadable)?;
        let pictures = self.pictures(section, &last);
        let path = (*path).to_owned();
        let seam = Some(Seam { path, there, counters: counters::last(&last) });
        let of_segments = Some((self.directory.clone(), self.name.clone()));
        let counters = match self.container {
            Container::Transport { .. } => Some(Counters::new()),
            Container::Fragments { .. } => None,
        };
        if segments.len() == 1 {
            let joint = Joint { segments: of_segments, counters, init, seam, ..Joint::default() };
            return Ok(Rest { joint, ..self.all() });
        }
        let number = self.first + segments.len() as i64 - 1;
        // What counts from there has no need of where that is.
        let start = if self.zeroed { Some(Time::ZERO) } else { start };
        let start = start.ok_or(Obstacle::Start)?;
        let beginning = beginning.ok_or(Obstacle::Beginning)?;
        let mut rest = self.from(number, pictures, beginning, start)?;
        if let (Container::Fragments { clock: Clock::Run, .. }, Some((_, init))) =
            (&self.container, &init)
        {
            rest.joint.moves = init.moves(&last).ok_or(Obstacle::Unreadable)?;
        }
        rest.joint.segments = of_segments;
        rest.joint.counters = counters;
        rest.joint.init = init;
        rest.joint.seam = seam;
        rest.joint.earlier = Some(Earlier {
            playlist: self.playlist.clone(),
            first: self.first,
            segments: segments.into_iter().map(str::to_owned).collect(),
        });
        Ok(rest)
    }

    /// The paths of the segments among `whole`, absolute paths, that follow each other from the first
    /// one on.
    fn segments<'a>(&self, whole: &'a [String]) -> Vec<&'a str> {
        let numbered = whole.iter().filter_map(|path| Some((self.number_of(path)?, path.as_str())));
        let numbered: BTreeMap<i64, &str> = numbered.collect();
        (self.first..).map_while(|number| numbered.get(&number).copied()).collect()
    }

    /// Of a path that is a segment's.
    fn number_of(&self, path: &str) -> Option<i64> {
        let (directory, name) = parted(path);
        let is_segment = directory == self.directory && self.name.fits(&name);
        self.name.number_in(&name).filter(|_| is_segment)
    }

    /// All of the line.
    fn all(&self) -> Rest {
        Rest { line: self.line.clone(), behind: Time::ZERO, joint: Joint::default() }
    }

    /// The same line from segment `number` on. What is known of its pictures and of those of the first
    /// segment, and where the source begins, says where that is.
    fn from(
        &self,
        number: i64,
        pictures: Option<Pictures>,
        beginning: Pictures,
        start: Time,
    ) -> Result<Rest, Obstacle> {
        let Pictures { first, each, .. } = pictures.ok_or(Obstacle::Unreadable)?;
        // Else segments are several groups of pictures, and not always as many.
        if matches!(self.keyframes, Keyframes::Every(count) if each * count < self.length) {
            return Err(Obstacle::Keyframes);
        }
        let (delay, shift) = match self.container {
            Container::Transport { delay } => (delay, self.shift(beginning, delay, start)?),
            // Where these are stored before their time, an edit list says so, and nothing is moved.
            Container::Fragments { .. } => (Time::ZERO, Time::ZERO),
        };
        let begins = first - delay - shift;
        let behind = begins - self.seek - start;
        let before = number - self.first;
        let due = self.length * before;
        if (behind - due).abs() > due / Time::from_secs(10) + Time::HALF {
            return Err(Obstacle::Elsewhere);
        }
        let later = first - beginning.first;
        let near = Time::new(NEAR_MICROS, 1_000_000);
        // Where a segment begins some way behind its due time, the next one may be due before the muxer
        // of the run that goes on, which counts from its first picture, takes it for whole. So that run
        // begins a picture earlier; what it has before the segment's first picture is thrown away.
        let is_late = matches!(self.keyframes, Keyframes::Counted(_)) && later - due > near;
        let early = if is_late { each } else { Time::ZERO };
        let rule = self.keyframes.moved(later - early + near, before);
        // The picture that ffmpeg rounds to this one's place, and none before.
        let seek = begins - early - each * Time::HALF - start;
        let mut line = self.line.clone();
        graphs::begin_later(&mut line, seek - self.seek);
        for group in &mut line.groups {
            match group.file.role {
                Role::Input => {
                    put(group, "ss", &micros(seek));
                    put(group, "itsoffset", NUDGE);
                }
                Role::Output => {
                    put(group, "start_number", &number.to_string());
                    if shift.is_positive() {
                        put(group, "output_ts_offset", &micros(shift));
                    }
                    if let Some(rule) = &rule {
                        put(group, "force_key_frames", rule);
                    }
                    self.container.count_as_the_source(group);
                }
                Role::Decoder => {}
            }
        }
        Ok(Rest { line, behind, joint: Joint::default() })
    }

    fn priming(&self) -> Time {
        let (short, codecs) = SHORT_PRIMING;
        let is_short = |option: &Opt| {
            let key = option.key();
            let is_codec = ["-codec:a", "-c:a", "-acodec"].iter().any(|name| key.starts_with(name));
            is_codec && codecs.contains(&option.text())
        };
        let mut options = self.line.outputs().flat_map(|output| &output.options);
        Time::from_millis(if options.any(is_short) { short } else { PRIMING_MS })
    }

    /// By how much everything is later than the source says. Pictures that are stored before they are
    /// shown would be stored before the beginning of time where that is the film's: ffmpeg moves all
    /// of them. By how much, the first segment shows, as either its first picture or its sound is where
    /// the source begins. This must be right: the run that goes on is moved by as much and counts from
    /// its own first picture, so that its stamps would join with other pictures, too.
    fn shift(&self, beginning: Pictures, delay: Time, start: Time) -> Result<Time, Obstacle> {
        if self.seek != Time::ZERO {
            return Ok(Time::ZERO);
        }
        let Pictures { first, each, sound } = beginning;
        let due = each * (start / each).round();
        let by_picture = first - delay - due;
        if by_picture < each * Time::HALF {
            return Ok(by_picture.max(Time::ZERO));
        }
        let by_sound = sound.ok_or(Obstacle::Moved)? - delay - start + self.priming();
        // Pictures that begin later than sound do so by whole pictures.
        let later = ((by_picture - by_sound) / each).round().max(0);
        Ok((by_picture - each * later).max(Time::ZERO))
    }
}

fn set<'a>(group: &'a Group, name: &str) -> Option<&'a Opt> {
    group.options.iter().rev().find(|option| option.name == name)
}

fn put(group: &mut Group, name: &str, value: &str) {
    let value = Value::Text(value.to_owned());
    if let Some(option) = group.options.iter_mut().rev().find(|option| option.name == name) {
        option.value = value;
        return;
    }
    let known = options::find(Program::Ffmpeg, name);
    let name = name.to_owned();
    group.options.push(Opt { name, negated: false, from_file: false, suffix: None, value, known });
}

/// Seconds, to the microsecond above.
fn micros(time: Time) -> String {
    let micros = (time * 1_000_000).ceil();
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
