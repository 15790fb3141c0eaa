//! Which streams go into an output: `-map 0:1`, `-map -0:s`, `-map [out]`.

use std::fmt;

use crate::Specifier;

/// One `-map`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    /// Takes streams away that maps before it added.
    pub negative: bool,
    /// What it takes.
    pub target: Target,
    /// The stream to keep in step with, which old versions took behind a comma; as written.
    pub sync: Option<String>,
}

/// What a map takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// What a filter graph gives out under this label, as written between the brackets.
    Label(String),
    /// Streams of an input.
    Streams {
        /// Which input, from 0.
        file: u32,
        /// Which of its streams.
        specifier: Specifier,
        /// No error if there are none.
        optional: bool,
    },
}

impl Map {
    /// Reads a map; `None` for what ffmpeg refuses.
    pub fn parse(text: &str) -> Option<Map> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if let Some(label) = rest.strip_prefix('[') {
            let label = label.strip_suffix(']').filter(|label| !label.contains(']'))?;
            let target = Target::Label(label.to_owned());
            return Some(Map { negative, target, sync: None });
        }
        let (rest, sync) = match rest.split_once(',') {
            Some((rest, sync)) => (rest, Some(sync.to_owned())),
            None => (rest, None),
        };
        let (rest, optional) = match rest.strip_suffix('?') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (file, specifier) = rest.split_once(':').unwrap_or((rest, ""));
        let file = file.parse().ok()?;
        let specifier = Specifier::parse(specifier);
        Some(Map { negative, target: Target::Streams { file, specifier, optional }, sync })
    }
}

impl fmt::Display for Map {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        match &self.target {
            Target::Label(label) => write!(f, "[{label}]")?,
            Target::Streams { file, specifier, optional } => {
                write!(f, "{file}")?;
                if !specifier.parts.is_empty() {
                    write!(f, ":{specifier}")?;
                }
                if *optional {
                    f.write_str("?")?;
                }
            }
        }
        match &self.sync {
            Some(sync) => write!(f, ",{sync}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_read_and_written_alike() {
        for text in ["0:0", "-0:s", "[vout]", "0:a:0?", "1", "0:v?", "0:1,0:0", "-[x]"] {
            assert_eq!(Map::parse(text).map(|map| map.to_string()).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_is_no_map_is_not_taken_for_one() {
        for text in ["", "v:0", "[a", "a]", "[a]b]", "x:1", ":0"] {
            assert_eq!(Map::parse(text), None, "{text}");
        }
    }
}
