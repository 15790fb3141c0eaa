//! Lists of the concat demuxer: which files they name, and the same list with other names.

use super::Piece;

/// A list in parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// As it stands.
    Text(String),
    /// The name behind a `file`, with no protection left.
    File(String),
}

/// Takes a list apart, as concatdec.c does: a word on a line, and what comes behind it.
pub fn parse(list: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    for line in list.split_inclusive('\n') {
        let start = line.trim_start_matches([' ', '\t', '\r']);
        let named = start.strip_prefix("file").filter(|rest| rest.starts_with([' ', '\t']));
        let Some(rest) = named else {
            plain.push_str(line);
            continue;
        };
        let (name, behind) = token(rest.trim_start_matches([' ', '\t']));
        plain.push_str("file ");
        parts.push(Part::Text(std::mem::take(&mut plain)));
        parts.push(Part::File(name));
        plain.push_str(behind);
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    parts
}

/// Whether the demuxer opens such a name without `-safe 0`: no protocol, no root, and each part of
/// it begins with a letter, a digit or `_`, and goes on with those, `-` and `.`.
pub fn is_safe(name: &str) -> bool {
    let part = |part: &str| {
        let mut chars = part.chars();
        let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
        chars.next().is_some_and(first) && chars.all(|c| first(c) || matches!(c, '-' | '.'))
    };
    name.split('/').all(part)
}

/// Reads up to a space, taking quotes and backslashes away, as av_get_token does.
fn token(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '\'' => {
                for (_, c) in chars.by_ref() {
                    if c == '\'' {
                        break;
                    }
                    name.push(c);
                }
            }
            ' ' | '\n' | '\t' | '\r' => return (name, &text[at..]),
            c => name.push(c),
        }
    }
    (name, "")
}

/// The list with each file as the input that `input` says.
pub fn rewrite(parts: &[Part], mut input: impl FnMut(&str) -> Piece) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for part in parts {
        match part {
            Part::Text(text) => pieces.push(Piece::Text(text.clone())),
            Part::File(name) => match input(name) {
                // Kept as it is: within quotes only they need protection.
                Piece::Text(name) => {
                    pieces.push(Piece::Text(format!("'{}'", name.replace('\'', "'\\''"))));
                }
                piece => pieces.push(piece),
            },
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_ffmpeg_reads_them() {
        let list =
            "ffconcat version 1.0\nfile '/a b/it'\\''s.mkv'\nduration 5\n file c\\ d.ts # x\n";
        let text = |text: &str| Part::Text(text.to_owned());
        let file = |name: &str| Part::File(name.to_owned());
        let parts = [
            text("ffconcat version 1.0\nfile "),
            file("/a b/it's.mkv"),
            text("\nduration 5\nfile "),
            file("c d.ts"),
            text(" # x\n"),
        ];
        assert_eq!(parse(list), parts);
        let again = rewrite(&parse(list), |name| Piece::Text(name.to_owned()));
        let again: String = again
            .into_iter()
            .map(|piece| match piece {
                Piece::Text(text) => text,
                _ => unreachable!(),
            })
            .collect();
        assert_eq!(parse(&again), parts);
    }

    #[test]
    fn safe_names_are_those_that_ffmpeg_takes() {
        assert!(is_safe("a_b/c-1.mkv"));
        for name in ["/a", "../a", "a b", "http://x", "", ".a", "a//b"] {
            assert!(!is_safe(name), "{name}");
        }
    }
}
