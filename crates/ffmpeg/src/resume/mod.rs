//! Where an HLS line goes on when the machine that ran it is gone: the same line from a later segment,
//! as a media server itself asks for it after a seek, but with nothing doubled and nothing missing where
//! the two runs meet.
//!
//! The run that goes on makes the last whole segment once more, which is thrown away: sound lags behind
//! pictures where segments are cut, so what follows a boundary comes from one run. It begins with the
//! picture that this segment begins with, as the segment itself says; where ffmpeg would have put it by
//! its own rounding after a seek is another matter.
//!
//! Only where the segments are those that would have come: each begins with a keyframe that the line
//! asks for, and the source is a file with an end.

mod pictures;
mod said;

use segue_model::Time;

pub use pictures::Pictures;
pub use said::Said;

use crate::files::{Name, absolute, parted};
use crate::line::{CommandLine, Group, Opt, Program, Role, Value};
use crate::{number, options, paths};

/// How much later the source's pictures are said to come, so that those which lie between two places
/// of ffmpeg's, and are rounded to milliseconds by their container, are never rounded down. Less than
/// anybody can see or hear.
const NUDGE: &str = "0.001";

/// What ffmpeg's AAC encoder puts before the first sound, at the usual rate. A few milliseconds more or
/// less are no picture.
const PRIMING_MS: i64 = 21;

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
    /// Pictures of each segment, where that is what the line says.
    pictures: Option<i64>,
    /// What the container adds to all time stamps.
    delay: Time,
}

/// What is left of a line.
#[derive(Clone, Debug, PartialEq)]
pub struct Rest {
    /// The same line from the last segment that is there.
    pub line: CommandLine,
    /// How much of what was to be made is before it.
    pub behind: Time,
}

impl Resumable {
    /// If the line is one, as it runs in `directory`.
    pub fn of(line: &CommandLine, directory: &str) -> Option<Resumable> {
        let (mut inputs, mut outputs) = (line.inputs(), line.outputs());
        let (input, output) = (inputs.next()?, outputs.next()?);
        let alone = inputs.next().is_none() && outputs.next().is_none();
        if line.program != Program::Ffmpeg || !alone || paths::local(&input.file.name).is_none() {
            return None;
        }
        let ends_or_repeats =
            ["t", "to", "sseof", "stream_loop", "itsoffset", "seek_timestamp", "f", "isync"];
        if ends_or_repeats.iter().any(|name| set(input, name).is_some()) {
            return None;
        }
        let text = |name: &str| set(output, name).map(Opt::text);
        let hls = text("f") == Some("hls") && text("hls_playlist_type") == Some("vod");
        let transport = text("hls_segment_type").is_none_or(|kind| kind == "mpegts");
        let others = [
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
        let plain = others.iter().all(|name| set(output, name).is_none());
        // Time stamps are the source's, plus what the container adds.
        let global = |name: &str| line.options().any(|option| option.name == name);
        let stamped = global("copyts")
            && !global("start_at_zero")
            && text("avoid_negative_ts").is_some_and(|how| matches!(how, "disabled" | "0"));
        if !hls || !transport || !plain || !stamped {
            return None;
        }
        let length = number::time(text("hls_time")?).filter(|length| length.is_positive())?;
        let seek = set(input, "ss").map_or(Some(Time::ZERO), |o| number::time(o.text()))?;
        let pictures = keyframes(output, length)?;
        let delay = match (text("max_delay"), text("muxdelay")) {
            (Some(micros), _) => Time::new(micros.parse().ok()?, 1_000_000),
            (None, Some(seconds)) => number::time(seconds)?,
            (None, None) => Time::from_millis(700),
        };
        let first = text("start_number").map_or(Some(0), |number| number.parse().ok())?;
        let segments = absolute(directory, paths::local(text("hls_segment_filename")?)?);
        let (directory, name) = parted(&segments);
        let name = Name::pattern(&name);
        let line = line.clone();
        // The muxer of transport streams adds its delay twice.
        let delay = delay * 2;
        matches!(name, Name::Pattern(_)).then_some(Resumable {
            line,
            first,
            directory,
            name,
            seek,
            length,
            pictures,
            delay,
        })
    }

    /// The path of the first segment among `whole`.
    pub fn first<'a>(&self, whole: &'a [String]) -> Option<&'a str> {
        self.numbered(self.first, whole)
    }

    /// The last of the segments among `whole`, absolute paths, that follow each other from the first
    /// one on, and its number.
    pub fn last<'a>(&self, whole: &'a [String]) -> Option<(i64, &'a str)> {
        let there = |number| Some((number, self.numbered(number, whole)?));
        (self.first..).map_while(there).last()
    }

    fn numbered<'a>(&self, number: i64, whole: &'a [String]) -> Option<&'a str> {
        let path = whole.iter().find(|path| {
            let (directory, name) = parted(path);
            directory == self.directory
                && self.name.fits(&name)
                && self.name.number_in(&name) == Some(number)
        });
        path.map(String::as_str)
    }

    /// All of the line.
    pub fn all(&self) -> Rest {
        Rest { line: self.line.clone(), behind: Time::ZERO }
    }

    /// The same line from segment `number` on. What is known of its pictures and of those of the first
    /// segment, and where the source begins; `None` if that does not say where to go on.
    pub fn from(
        &self,
        number: i64,
        pictures: Option<Pictures>,
        at_first: Option<Pictures>,
        start: Time,
    ) -> Option<Rest> {
        if number == self.first {
            return Some(self.all());
        }
        let Pictures { first, each, .. } = pictures?;
        // Else segments are several groups of pictures, and not always as many.
        if self.pictures.is_some_and(|count| each * count < self.length) {
            return None;
        }
        let shift = self.shift(at_first, start);
        let begins = first - self.delay - shift;
        let behind = begins - self.seek - start;
        let due = self.length * (number - self.first);
        if (behind - due).abs() > due / Time::from_secs(10) + Time::HALF {
            return None;
        }
        // The picture that ffmpeg rounds to this one's place, and none before.
        let seek = begins - each * Time::HALF - start;
        let mut line = self.line.clone();
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
                }
                Role::Decoder => {}
            }
        }
        Some(Rest { line, behind })
    }

    /// By how much everything is later than the source says. Pictures that are stored before they are
    /// shown would be stored before the beginning of time where that is the film's: ffmpeg moves all
    /// of them. By how much, the first segment shows, as either its first picture or its sound is where
    /// the source begins.
    fn shift(&self, at_first: Option<Pictures>, start: Time) -> Time {
        let Some(Pictures { first, each, sound }) = at_first.filter(|_| self.seek == Time::ZERO)
        else {
            return Time::ZERO;
        };
        let due = each * (start / each).round();
        let by_picture = first - self.delay - due;
        let by_sound = sound
            .map_or(by_picture, |sound| sound - self.delay - start + Time::from_millis(PRIMING_MS));
        // Pictures that begin later than sound do so by whole pictures.
        let later = ((by_picture - by_sound) / each).round().max(0);
        (by_picture - each * later).max(Time::ZERO)
    }
}

fn set<'a>(group: &'a Group, name: &str) -> Option<&'a Opt> {
    group.options.iter().rev().find(|option| option.name == name)
}

/// How keyframes come, if all video is encoded and they come where segments begin: every so many
/// pictures, or at each multiple of `length`.
fn keyframes(output: &Group, length: Time) -> Option<Option<i64>> {
    let video = |option: &&Opt| {
        let key = option.key();
        ["-codec:v", "-c:v", "-vcodec"].iter().any(|name| key.starts_with(name))
    };
    let mut codecs = output.options.iter().filter(video).peekable();
    if codecs.peek().is_none() || codecs.any(|option| option.text() == "copy") {
        return None;
    }
    if let Some(forced) = set(output, "force_key_frames") {
        let forced = forced.text().replace(' ', "");
        let each = forced.strip_prefix("expr:gte(t,n_forced*")?.strip_suffix(')')?;
        return (number::time(each)? == length).then_some(None);
    }
    let count =
        |name: &str| set(output, name)?.text().parse().ok().filter(|count: &i64| *count > 0);
    let count = count("g").filter(|group| count("keyint_min") == Some(*group))?;
    Some(Some(count))
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
    format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "-ss 00:01:00.000 -i file:/m/a.mkv -map 0:0 -codec:v:0 libx264 \
        -force_key_frames:0 expr:gte(t,n_forced*3) -codec:a:0 aac -copyts \
        -avoid_negative_ts disabled -f hls -max_delay 5000000 -hls_time 3 -start_number 20 \
        -hls_segment_filename /t/ab%d.ts -hls_playlist_type vod -y /t/ab.m3u8";

    fn resumable(text: &str) -> Option<Resumable> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Resumable::of(&CommandLine::parse(Program::Ffmpeg, &words).unwrap(), "/")
    }

    /// Pictures of a 24th of a second, of which the first has this number in the film.
    fn pictures(number: i64) -> Option<Pictures> {
        let each = Time::new(1, 24);
        Some(Pictures { first: Time::from_secs(10) + each * number, each, sound: None })
    }

    fn from(text: &str, number: i64, picture: i64, start: Time) -> Option<(String, Time)> {
        let rest = resumable(text)?.from(number, pictures(picture), None, start)?;
        Some((rest.line.render().join(" "), rest.behind))
    }

    #[test]
    fn it_goes_on_from_the_last_segment_before_one_that_is_missing() {
        let paths = ["/t/ab20.ts", "/t/ab21.ts", "/t/ab23.ts", "/x/ab22.ts"].map(str::to_owned);
        let resumable = resumable(LINE).unwrap();
        assert_eq!(resumable.last(&paths), Some((21, "/t/ab21.ts")));
        assert_eq!(resumable.last(&paths[1..]), None);
        assert_eq!(resumable.last(&[]), None);
    }

    #[test]
    fn it_begins_with_the_picture_that_the_segment_begins_with() {
        let (rest, behind) = from(LINE, 22, 66 * 24, Time::ZERO).unwrap();
        // Half a picture before 66 s.
        assert!(rest.starts_with("-ss 65.979167 -itsoffset 0.001 -i file:/m/a.mkv"), "{rest}");
        assert!(rest.contains("-start_number 22 "), "{rest}");
        assert_eq!(behind, Time::from_secs(6));
        // A seek counts from where the source begins.
        let (rest, behind) = from(LINE, 22, 67 * 24, Time::new(1, 2)).unwrap();
        assert!(rest.starts_with("-ss 66.479167 "), "{rest}");
        assert_eq!(behind, Time::new(13, 2));
    }

    #[test]
    fn what_has_no_seek_gets_one_before_its_input() {
        let start = LINE.replace("-ss 00:01:00.000 ", "").replace("-start_number 20 ", "");
        let (rest, _) = from(&start, 1, 72, Time::ZERO).unwrap();
        assert!(rest.starts_with("-ss 2.979167 -itsoffset 0.001 -i"), "{rest}");
        assert!(rest.contains("-start_number 1 /t/ab.m3u8"), "{rest}");
    }

    #[test]
    fn what_was_moved_as_it_began_before_time_is_moved_further_on() {
        let start = LINE.replace("-ss 00:01:00.000 ", "").replace("-start_number 20 ", "");
        let resumable = resumable(&start).unwrap();
        for (at_first, due) in [(2, "-ss 2.979167 "), (0, "-ss 3.062500 ")] {
            let rest = resumable.from(1, pictures(74), pictures(at_first), Time::ZERO).unwrap();
            let rest = rest.line.render().join(" ");
            assert!(rest.starts_with(due), "{rest}");
            assert_eq!(rest.contains("-output_ts_offset 0.083334"), at_first == 2, "{rest}");
        }
        // Sound that was moved by less says that the film begins with it.
        let sound = |millis: i64| {
            let sound = Some(Time::from_millis(10_000 - 21 + millis));
            resumable.from(1, pictures(74), Some(Pictures { sound, ..pictures(2)? }), Time::ZERO)
        };
        for (millis, due) in [(83, "-ss 2.979167 "), (42, "-ss 3.020834 "), (500, "-ss 2.979167 ")]
        {
            let rest = sound(millis).unwrap().line.render().join(" ");
            assert!(rest.starts_with(due), "{millis}: {rest}");
        }
        // After a seek nothing is before time.
        let (rest, _) = from(LINE, 21, 63 * 24 + 2, Time::ZERO).unwrap();
        assert!(!rest.contains("output_ts_offset"), "{rest}");
    }

    #[test]
    fn from_its_first_segment_it_is_the_same_line() {
        let resumable = resumable(LINE).unwrap();
        let rest = resumable.from(20, None, None, Time::ZERO).unwrap();
        assert_eq!(rest, resumable.all());
        let words: Vec<String> = LINE.split_whitespace().map(str::to_owned).collect();
        assert_eq!((rest.line.render(), rest.behind), (words, Time::ZERO));
    }

    #[test]
    fn where_the_pictures_say_something_else_it_does_not_go_on() {
        assert_eq!(resumable(LINE).unwrap().from(21, None, None, Time::ZERO), None);
        for picture in [60 * 24, 65 * 24, 69 * 24] {
            assert_eq!(from(LINE, 21, picture, Time::ZERO), None, "{picture}");
        }
        assert!(from(LINE, 21, 63 * 24, Time::ZERO).is_some());
    }

    #[test]
    fn groups_of_pictures_are_as_good_as_forced_keyframes_if_none_is_shorter_than_a_segment() {
        let groups = |count: u32| {
            let groups = format!("-g:v:0 {count} -keyint_min:v:0 {count}");
            LINE.replace("-force_key_frames:0 expr:gte(t,n_forced*3)", &groups)
        };
        assert!(from(&groups(72), 21, 63 * 24, Time::ZERO).is_some());
        assert!(from(&groups(73), 21, 63 * 24 + 1, Time::ZERO).is_some());
        assert_eq!(from(&groups(71), 21, 63 * 24, Time::ZERO), None);
        assert_eq!(resumable(&groups(72).replace("-keyint_min:v:0 72", "")), None);
    }

    #[test]
    fn what_would_not_be_the_same_does_not_go_on() {
        for (from, to) in [
            ("libx264", "copy"),
            ("n_forced*3", "n_forced*5"),
            ("file:/m/a.mkv", "http://host/a"),
            ("-copyts ", ""),
            ("disabled", "make_zero"),
            ("vod", "event"),
            ("ab%d.ts", "ab.ts"),
            ("-f hls", "-t 20 -f hls"),
            ("-f hls", "-hls_segment_type fmp4 -f hls"),
            ("-f hls", "-hls_flags single_file -f hls"),
            ("-i file", "-stream_loop -1 -i file"),
            ("-map", "-i /m/b.srt -map"),
        ] {
            assert_eq!(resumable(&LINE.replace(from, to)), None, "{to}");
        }
        assert!(resumable(LINE).is_some());
    }
}
