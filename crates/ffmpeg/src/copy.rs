//! Lines that only copy. They run hundreds of times faster than a film plays, and would do nothing
//! but carry its bytes to a worker and back.

use crate::line::{CommandLine, Group, Opt, Suffix, Value};
use crate::map::Target;
use crate::paths;
use crate::specifier::{Kind, Part};

/// Kinds that take work to encode, and what leaves them out.
const KINDS: [(Kind, &str); 2] = [(Kind::Video, "vn"), (Kind::Audio, "an")];

/// Whether every output is a local file, and every stream in it a copy.
///
/// Where that depends on the source's streams it is taken to be so: run here, the line does in any
/// case exactly what it says.
pub(crate) fn trivial_copy(line: &CommandLine) -> bool {
    let draws = line.options().any(|option| {
        matches!(option.name.as_str(), "filter_complex" | "lavfi" | "filter_complex_script")
    });
    let mut outputs = line.outputs().peekable();
    !draws && outputs.peek().is_some() && line.inputs().next().is_some() && outputs.all(copies)
}

fn copies(output: &Group) -> bool {
    let filters = |o: &Opt| matches!(o.name.as_str(), "vf" | "af" | "filter" | "filter_script");
    if paths::local(&output.file.name).is_none() || output.options.iter().any(filters) {
        return false;
    }
    let encoders: Vec<&Opt> = output.options.iter().filter(|option| is_codec(option)).collect();
    if encoders.is_empty() || encoders.iter().any(|option| option.text() != "copy") {
        return false;
    }
    let off = |name: &str| output.options.iter().any(|o| o.name == name && !o.negated);
    let wanted: Vec<Kind> =
        KINDS.iter().filter(|(_, flag)| !off(flag)).map(|(kind, _)| *kind).collect();
    let covers = |kind: Kind| encoders.iter().any(|option| is_for(option, kind));
    let maps = output.options.iter().filter(|option| option.name == "map");
    let mut numbered = 0;
    let mut mapped = 0;
    for (index, map) in (0..).zip(maps.filter(|map| !map.text().starts_with('-'))) {
        mapped += 1;
        let Value::Map(map) = &map.value else { return false };
        let Target::Streams { specifier, .. } = &map.value().target else { return false };
        let by_place = encoders.iter().any(|option| has_place(option, index));
        match specifier.parts.first() {
            _ if by_place => {}
            Some(Part::Kind(Kind::MovingVideo)) if covers(Kind::Video) => {}
            Some(Part::Kind(kind)) if covers(*kind) => {}
            Some(Part::Index(_)) => numbered += 1,
            None if wanted.iter().all(|kind| covers(*kind)) => {}
            _ => return false,
        }
    }
    if mapped == 0 {
        return wanted.iter().all(|kind| covers(*kind));
    }
    // Streams known by number alone: as many as there are kinds that are copied.
    let copied = [Kind::Video, Kind::Audio, Kind::Subtitle].into_iter().filter(|k| covers(*k));
    numbered <= copied.count()
        || encoders.iter().any(|option| {
            is_codec(option)
                && option.suffix.is_none()
                && matches!(option.name.as_str(), "c" | "codec")
        })
}

fn is_codec(option: &Opt) -> bool {
    matches!(option.name.as_str(), "c" | "codec" | "vcodec" | "acodec" | "scodec" | "dcodec")
}

fn is_for(option: &Opt, kind: Kind) -> bool {
    match (option.name.as_str(), &option.suffix) {
        ("vcodec", _) => kind == Kind::Video,
        ("acodec", _) => kind == Kind::Audio,
        ("scodec", _) => kind == Kind::Subtitle,
        ("dcodec", _) => kind == Kind::Data,
        (_, None) => true,
        (_, Some(Suffix::Streams(specifier))) => specifier.parts.first() == Some(&Part::Kind(kind)),
        (_, Some(Suffix::Metadata(_))) => false,
    }
}

fn has_place(option: &Opt, index: u32) -> bool {
    match &option.suffix {
        Some(Suffix::Streams(specifier)) => specifier.parts == [Part::Index(index)],
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::Program;

    fn copied(text: &str) -> bool {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        trivial_copy(&CommandLine::parse(Program::Ffmpeg, &words).unwrap())
    }

    #[test]
    fn copies_are_known_however_they_are_written() {
        for line in [
            "-i a -c copy b.mkv",
            "-i a -map 0:0 -map 0:1 -map -0:s -codec:v:0 copy -codec:a:0 copy -f hls b.m3u8",
            "-i a -map 0:0 -codec:0 copy -map 0:1 -codec:1 copy b.mp4",
            "-i a -map 0:2 -an -vn -c:s copy b.srt -map 0:3 -an -vn -c:s copy c.srt",
            "-i http://host/live -sn -vcodec copy -acodec copy b.ts",
            "-i a -vn -acodec copy -f hls b.m3u8",
        ] {
            assert!(copied(line), "{line}");
        }
    }

    #[test]
    fn whatever_encodes_is_no_copy() {
        for line in [
            "-i a -c:v copy -c:a aac b.mkv",
            "-i a -c:v copy b.mkv",
            "-i a b.mkv",
            "-i a -c copy -f mp4 pipe:1",
            "-i a -c copy http://host/b",
            "-i a -map 0:0 -codec:0 copy -map 0:3 -codec:1 ass b.mkv",
            "-i a -c copy -vf scale=1:1 b.mkv",
            "-i a -map 0:2 -an -vn -c:s copy b.srt -map 0:3 -an -vn -c:s srt c.srt",
        ] {
            assert!(!copied(line), "{line}");
        }
    }
}
