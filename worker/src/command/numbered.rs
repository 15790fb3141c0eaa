//! Which of a command's files are parts of a series (segments, pictures): those it writes once and
//! goes on. All others it may come back to.

use std::path::Path;

/// A piece of a pattern.
#[derive(Debug)]
enum Piece {
    Text(Vec<u8>),
    /// One digit or more.
    Number,
    /// Whatever else a muxer fills in.
    Anything,
}

/// The patterns on a command's line.
#[derive(Debug, Default)]
pub struct Numbered {
    patterns: Vec<Vec<Piece>>,
    /// Names that stand there as they are.
    exact: Vec<String>,
}

impl Numbered {
    /// Of a command that has these arguments.
    pub fn new(arguments: &[String]) -> Numbered {
        let mut numbered = Numbered::default();
        for argument in arguments {
            let name = argument.rsplit('/').next().unwrap_or_default();
            // What HLS and DASH call segments if nothing else is said.
            if let Some(stem) = name.strip_suffix(".m3u8") {
                numbered.add(&format!("{stem}%d.ts"));
                numbered.add(&format!("{stem}%d.m4s"));
            } else if name.ends_with(".mpd") {
                numbered.add("chunk-stream$RepresentationID$-$Number$.$ext$");
            }
            numbered.add(name);
        }
        numbered
    }

    fn add(&mut self, name: &str) {
        let pieces = pieces(name);
        if pieces.iter().any(|piece| matches!(piece, Piece::Number)) {
            self.patterns.push(pieces);
        } else {
            self.exact.push(name.to_owned());
        }
    }

    /// Whether a file is one of a series.
    pub fn holds(&self, path: &Path) -> bool {
        let Some(name) = path.file_name() else { return false };
        let fits = |pattern: &Vec<Piece>| fits(pattern, name.as_encoded_bytes());
        !self.exact.iter().any(|exact| name == exact.as_str()) && self.patterns.iter().any(fits)
    }
}

fn pieces(mut name: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    while let Some(at) = name.find(['%', '$']) {
        let (text, rest) = name.split_at(at);
        pieces.push(Piece::Text(text.into()));
        let variable = &rest[1..];
        let end = match rest.starts_with('$') {
            true => variable.find('$'),
            false => variable.find(|c: char| !c.is_ascii_digit()),
        };
        let Some(end) = end else {
            pieces.push(Piece::Text(rest.into()));
            return pieces;
        };
        let last = variable[end..].chars().next().map_or(0, char::len_utf8);
        let (variable, after) = variable.split_at(end + last);
        pieces.push(match variable {
            "%" => Piece::Text(b"%".into()),
            number if number.starts_with("Number") => Piece::Number,
            number if rest.starts_with('%') && number.ends_with('d') => Piece::Number,
            _ => Piece::Anything,
        });
        name = after;
    }
    pieces.push(Piece::Text(name.into()));
    pieces
}

fn fits(pattern: &[Piece], name: &[u8]) -> bool {
    let Some((first, pattern)) = pattern.split_first() else { return name.is_empty() };
    match first {
        Piece::Text(text) => {
            name.strip_prefix(text.as_slice()).is_some_and(|name| fits(pattern, name))
        }
        Piece::Number => {
            let digits = name.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=digits).any(|count| fits(pattern, &name[count..]))
        }
        Piece::Anything => (0..=name.len()).any(|count| fits(pattern, &name[count..])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(arguments: &[&str], name: &str) -> bool {
        let arguments: Vec<String> = arguments.iter().map(|word| word.to_string()).collect();
        Numbered::new(&arguments).holds(Path::new(name))
    }

    #[test]
    fn parts_of_a_series_are_told_from_files_with_a_name() {
        for (argument, name) in [
            ("/x/a%d.ts", "/x/a12.ts"),
            ("a_%v_%03d.m4s", "a_720p_001.m4s"),
            ("/x/a.m3u8", "/x/a3.ts"),
            ("/x/a.mpd", "/x/chunk-stream0-00001.m4s"),
            ("seg-$RepresentationID$-$Number%05d$.m4s", "seg-1-00002.m4s"),
            ("100%%-%d.jpg", "100%-7.jpg"),
        ] {
            assert!(holds(&[argument], name), "{argument} {name}");
        }
        for (argument, name) in [
            ("/x/a%d.mp4", "/x/a-1.mp4"),
            ("a1.ts", "a1.ts"),
            ("/x/a.m3u8", "/x/a.m3u8"),
            ("a%v.m3u8", "a1.m3u8"),
            ("a%", "a1"),
        ] {
            assert!(!holds(&[argument], name), "{argument} {name}");
        }
        assert!(!holds(&["a%d.ts", "a1.ts"], "a1.ts"));
    }
}
