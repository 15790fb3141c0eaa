//! File names of a stream: which number one has, and when one cannot be read.

/// .NET's `int.Parse`, invariant: blanks around, one sign, digits, and no more than 32 bits.
pub fn parse_int(text: &str) -> Option<i32> {
    let text = text.trim_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// What a file is to a stream called `id` whose segments end in `.extension`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The segment of that number; -1 is the header of fragmented MP4.
    Segment(i32),
    /// Jellyfin takes it for a segment and cannot read its number.
    Foreign,
    /// None of its business.
    Other,
}

/// What Jellyfin takes a file for.
pub fn name(file: &str, id: &str, extension: &str) -> Name {
    let Some(rest) = file.strip_prefix(id) else { return Name::Other };
    let Some(number) = rest.strip_suffix(extension).and_then(|rest| rest.strip_suffix('.')) else {
        return Name::Other;
    };
    parse_int(number).map_or(Name::Foreign, Name::Segment)
}

#[cfg(test)]
mod tests {
    use super::{Name, name, parse_int};

    #[test]
    fn numbers_are_read_as_strictly_as_dotnet_does() {
        assert_eq!(parse_int("12"), Some(12));
        assert_eq!(parse_int("-1"), Some(-1));
        assert_eq!(parse_int(" +7 "), Some(7));
        for wrong in ["", "1.tmp", "0x1", "1 2", "--1", "2147483648", "１"] {
            assert_eq!(parse_int(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_that_only_looks_like_a_segment_is_foreign() {
        assert_eq!(name("abc12.ts", "abc", "ts"), Name::Segment(12));
        assert_eq!(name("abc-1.mp4", "abc", "mp4"), Name::Segment(-1));
        assert_eq!(name("abc12.tmp.ts", "abc", "ts"), Name::Foreign);
        assert_eq!(name("abc.ts", "abc", "ts"), Name::Foreign);
        assert_eq!(name("abc.m3u8", "abc", "ts"), Name::Other);
        assert_eq!(name("abc12.ts.tmp", "abc", "ts"), Name::Other);
    }
}
