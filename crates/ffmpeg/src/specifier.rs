//! Which streams of a file are meant: `v:0`, `a`, `3`, `m:language:eng`.

use std::fmt;

/// A stream specifier: parts that all must hold, from left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Specifier {
    /// What must hold. No part at all means every stream.
    pub parts: Vec<Part>,
}

/// One condition of a specifier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The stream with this place among those that the parts before leave.
    Index(u32),
    /// Streams of a kind.
    Kind(Kind),
    /// Streams of the program with this id.
    Program(String),
    /// Streams of a stream group, as written.
    Group(String),
    /// The stream with this id in the container, as written; `true` for the form `#id`.
    Id(String, bool),
    /// Streams with a metadata key and, if given, that value; as written.
    Metadata(String),
    /// Streams with these dispositions.
    Disposition(String),
    /// Streams that can be decoded.
    Usable,
    /// What this module does not know; reaches to the end.
    Unknown(String),
}

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `v`: pictures, cover art included.
    Video,
    /// `V`: pictures, but neither cover art nor thumbnails.
    MovingVideo,
    /// `a`
    Audio,
    /// `s`
    Subtitle,
    /// `d`
    Data,
    /// `t`
    Attachment,
}

impl Kind {
    fn from_letter(letter: &str) -> Option<Kind> {
        Some(match letter {
            "v" => Kind::Video,
            "V" => Kind::MovingVideo,
            "a" => Kind::Audio,
            "s" => Kind::Subtitle,
            "d" => Kind::Data,
            "t" => Kind::Attachment,
            _ => return None,
        })
    }

    /// As ffmpeg writes it.
    pub fn letter(self) -> char {
        match self {
            Kind::Video => 'v',
            Kind::MovingVideo => 'V',
            Kind::Audio => 'a',
            Kind::Subtitle => 's',
            Kind::Data => 'd',
            Kind::Attachment => 't',
        }
    }
}

impl Specifier {
    /// Reads what follows the colon. Never fails: what is not known is kept as it is.
    pub fn parse(text: &str) -> Specifier {
        let mut parts = Vec::new();
        let mut rest = Some(text).filter(|text| !text.is_empty());
        while let Some(text) = rest {
            let (head, tail) = match text.split_once(':') {
                Some((head, tail)) => (head, Some(tail)),
                None => (text, None),
            };
            let (part, left) = Specifier::part(text, head, tail);
            parts.push(part);
            rest = left;
        }
        Specifier { parts }
    }

    fn part<'a>(text: &'a str, head: &'a str, tail: Option<&'a str>) -> (Part, Option<&'a str>) {
        let unknown = || (Part::Unknown(text.to_owned()), None);
        if let Some(kind) = Kind::from_letter(head) {
            return (Part::Kind(kind), tail);
        }
        // Only as ffmpeg would write it again: `00` stays as it was written.
        if let Some(index) = head.parse::<u32>().ok().filter(|index| index.to_string() == head) {
            return (Part::Index(index), tail);
        }
        if let Some(id) = head.strip_prefix('#') {
            return (Part::Id(id.to_owned(), true), tail);
        }
        let split = |tail: &'a str| match tail.split_once(':') {
            Some((value, left)) => (value.to_owned(), Some(left)),
            None => (tail.to_owned(), None),
        };
        match (head, tail) {
            ("u", _) => (Part::Usable, tail),
            ("m", Some(tail)) => (Part::Metadata(tail.to_owned()), None),
            ("p", Some(tail)) => {
                let (id, left) = split(tail);
                (Part::Program(id), left)
            }
            ("i", Some(tail)) => {
                let (id, left) = split(tail);
                (Part::Id(id, false), left)
            }
            ("disp", Some(tail)) => {
                let (names, left) = split(tail);
                (Part::Disposition(names), left)
            }
            ("g", Some(tail)) => {
                let (mut id, mut left) = split(tail);
                if id == "i"
                    && let Some(more) = left
                {
                    let (number, after) = split(more);
                    id = format!("i:{number}");
                    left = after;
                }
                (Part::Group(id), left)
            }
            _ => unknown(),
        }
    }

    /// Whether it means the stream that is the `index`th of its file and the `nth` of its kind.
    /// `None` where that depends on more than its place.
    pub fn matches(&self, kind: Kind, index: u32, nth: u32) -> Option<bool> {
        let mut among_kind = false;
        for part in &self.parts {
            match part {
                Part::Kind(wanted) => {
                    let video = [Kind::Video, Kind::MovingVideo];
                    let same = *wanted == kind || (video.contains(wanted) && video.contains(&kind));
                    if !same {
                        return Some(false);
                    }
                    among_kind = true;
                }
                Part::Index(wanted) => {
                    let place = if among_kind { nth } else { index };
                    if *wanted != place {
                        return Some(false);
                    }
                }
                Part::Usable => {}
                _ => return None,
            }
        }
        Some(true)
    }
}

impl fmt::Display for Specifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str(":")?;
            }
            match part {
                Part::Index(index) => write!(f, "{index}")?,
                Part::Kind(kind) => write!(f, "{}", kind.letter())?,
                Part::Program(id) => write!(f, "p:{id}")?,
                Part::Group(id) => write!(f, "g:{id}")?,
                Part::Id(id, true) => write!(f, "#{id}")?,
                Part::Id(id, false) => write!(f, "i:{id}")?,
                Part::Metadata(text) => write!(f, "m:{text}")?,
                Part::Disposition(names) => write!(f, "disp:{names}")?,
                Part::Usable => f.write_str("u")?,
                Part::Unknown(text) => f.write_str(text)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_are_read_and_written_alike() {
        for text in
            ["v:0", "a", "3", "p:1:v:0", "m:language:eng", "i:0x101", "#257", "u", "g:i:4:v", "V"]
        {
            assert_eq!(Specifier::parse(text).to_string(), text);
        }
    }

    #[test]
    fn a_place_counts_within_the_kind_named_before_it() {
        let second_sound = Specifier::parse("a:1");
        assert_eq!(second_sound.matches(Kind::Audio, 4, 1), Some(true));
        assert_eq!(second_sound.matches(Kind::Audio, 1, 0), Some(false));
        assert_eq!(Specifier::parse("1").matches(Kind::Audio, 1, 0), Some(true));
        assert_eq!(Specifier::parse("m:language").matches(Kind::Audio, 1, 0), None);
    }
}
