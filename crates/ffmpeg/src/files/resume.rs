//! Where an HLS line goes on when the machine that ran it is gone: the same line from a later segment,
//! as a media server itself asks for it after a seek. Only where the segments are those that would have
//! come: the boundaries are multiples of the segment length, every segment decodes by itself, and the
//! source is a file with an end.

use segue_model::Time;

use super::{Name, absolute, parted};
use crate::line::{CommandLine, Group, Opt, Program, Value};
use crate::{number, options, paths};

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
        let ends_or_repeats = ["t", "to", "sseof", "stream_loop", "itsoffset", "f", "isync"];
        if ends_or_repeats.iter().any(|name| set(input, name).is_some()) {
            return None;
        }
        let text = |name: &str| set(output, name).map(Opt::text);
        let hls = text("f") == Some("hls") && text("hls_playlist_type") == Some("vod");
        let transport = text("hls_segment_type").is_none_or(|kind| kind == "mpegts");
        let others =
            ["t", "to", "ss", "fs", "frames", "vframes", "hls_flags", "hls_init_time", "strftime"];
        let plain = others.iter().all(|name| set(output, name).is_none());
        let copyts = line.options().any(|option| option.name == "copyts");
        if !hls || !transport || !plain || !copyts {
            return None;
        }
        let length = number::time(text("hls_time")?).filter(|length| length.is_positive())?;
        let seek = set(input, "ss").map_or(Some(Time::from_secs(0)), |o| number::time(o.text()))?;
        if !is_whole(seek / length) || !is_whole(length * 1000) || !forces(output, length) {
            return None;
        }
        let first = text("start_number").map_or(Some(0), |number| number.parse().ok())?;
        let segments = absolute(directory, paths::local(text("hls_segment_filename")?)?);
        let (directory, name) = parted(&segments);
        let name = Name::pattern(&name);
        let line = line.clone();
        matches!(name, Name::Pattern(_)).then_some(Resumable {
            line,
            first,
            directory,
            name,
            seek,
            length,
        })
    }

    /// The same line from the first segment on that is not among `delivered`, absolute paths. `None`:
    /// that is its first.
    pub fn after(&self, delivered: &[String]) -> Option<CommandLine> {
        let is_there = |number: i64| {
            delivered.iter().any(|path| {
                let (directory, name) = parted(path);
                directory == self.directory
                    && self.name.fits(&name)
                    && self.name.number_in(&name) == Some(number)
            })
        };
        let next = (self.first..).find(|number| !is_there(*number))?;
        let made = next - self.first;
        if made == 0 {
            return None;
        }
        let seek = self.seek + self.length * made;
        let mut line = self.line.clone();
        for group in &mut line.groups {
            match group.file.role {
                crate::Role::Input => put(group, "ss", &clock(seek)),
                crate::Role::Output => put(group, "start_number", &next.to_string()),
                crate::Role::Decoder => {}
            }
        }
        Some(line)
    }
}

fn set<'a>(group: &'a Group, name: &str) -> Option<&'a Opt> {
    group.options.iter().rev().find(|option| option.name == name)
}

fn is_whole(time: Time) -> bool {
    time.den() == 1
}

/// Whether all video is encoded, with a keyframe at each multiple of `length`.
fn forces(output: &Group, length: Time) -> bool {
    let video = |option: &&Opt| {
        let key = option.key();
        ["-codec:v", "-c:v", "-vcodec"].iter().any(|name| key.starts_with(name))
    };
    let mut codecs = output.options.iter().filter(video).peekable();
    let encodes = codecs.peek().is_some() && codecs.all(|option| option.text() != "copy");
    let forced = set(output, "force_key_frames").map(|option| option.text().replace(' ', ""));
    let each = forced.as_deref().and_then(|text| {
        number::time(text.strip_prefix("expr:gte(t,n_forced*")?.strip_suffix(')')?)
    });
    encodes && each == Some(length)
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

/// `hh:mm:ss.fff`.
fn clock(time: Time) -> String {
    let millis = (time * 1000).round();
    let (seconds, millis) = (millis / 1000, millis % 1000);
    format!("{:02}:{:02}:{:02}.{millis:03}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "-ss 00:01:00.000 -i file:/m/a.mkv -map 0:0 -codec:v:0 libx264 \
        -force_key_frames:0 expr:gte(t,n_forced*3) -codec:a:0 aac -copyts -f hls -hls_time 3 \
        -start_number 20 -hls_segment_filename /t/ab%d.ts -hls_playlist_type vod -y /t/ab.m3u8";

    fn resumable(text: &str) -> Option<Resumable> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Resumable::of(&CommandLine::parse(Program::Ffmpeg, &words).unwrap(), "/")
    }

    fn after(text: &str, delivered: &[&str]) -> Option<String> {
        let delivered: Vec<String> = delivered.iter().map(|path| (*path).to_owned()).collect();
        Some(resumable(text)?.after(&delivered)?.render().join(" "))
    }

    #[test]
    fn it_goes_on_from_the_first_segment_that_is_missing() {
        let rest = after(LINE, &["/t/ab20.ts", "/t/ab21.ts", "/t/ab23.ts", "/x/ab22.ts"]).unwrap();
        assert!(rest.starts_with("-ss 00:01:06.000 -i file:/m/a.mkv"), "{rest}");
        assert!(rest.contains("-start_number 22 "), "{rest}");
        assert_eq!(after(LINE, &["/t/ab21.ts"]), None);
    }

    #[test]
    fn what_has_no_seek_gets_one_before_its_input() {
        let start = LINE.replace("-ss 00:01:00.000 ", "").replace("-start_number 20 ", "");
        let rest = after(&start, &["/t/ab0.ts"]).unwrap();
        assert!(rest.starts_with("-ss 00:00:03.000 -i"), "{rest}");
        assert!(rest.contains("-start_number 1 /t/ab.m3u8"), "{rest}");
    }

    #[test]
    fn what_would_not_be_the_same_does_not_go_on() {
        for (from, to) in [
            ("libx264", "copy"),
            ("n_forced*3", "n_forced*5"),
            ("00:01:00.000", "00:01:01.000"),
            ("file:/m/a.mkv", "http://host/a"),
            ("-copyts ", ""),
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
