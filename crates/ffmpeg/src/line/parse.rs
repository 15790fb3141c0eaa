//! Splits arguments as fftools' `split_commandline` (ffmpeg) and `parse_options` (ffprobe) do.

use super::{CommandLine, File, Group, Opt, Program, Role, Spelled, Suffix, Value};
use crate::filter;
use crate::options::{self, Arity, Known};
use crate::{Map, Specifier};

/// Why arguments are no command line: what ffmpeg refuses before it does anything.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The last word is an option that wants a value.
    #[error("{0} is the last word, but wants a value")]
    MissingValue(String),
    /// A flag cannot come from a file.
    #[error("{0}: a flag's value cannot be read from a file")]
    FlagFromFile(String),
}

impl CommandLine {
    /// Splits the words behind the program's name.
    pub fn parse(program: Program, words: &[String]) -> Result<CommandLine, LineError> {
        let mut line = CommandLine { program, groups: Vec::new(), trailing: Vec::new(), dashes: 0 };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let only_files = program == Program::Ffprobe
                && (line.dashes > 0 || line.groups.iter().any(|group| group.file.dashes > 0));
            if word == "--" && !only_files {
                line.dashes += 1;
            } else if !word.starts_with('-') || word == "-" || line.dashes > 0 || only_files {
                let role = if program == Program::Ffprobe { Role::Input } else { Role::Output };
                line.end_group(role, word, false);
            } else if word == "-i" || (word == "-dec" && program == Program::Ffmpeg) {
                let name = words.next().ok_or_else(|| LineError::MissingValue(word.clone()))?;
                let role = if word == "-i" { Role::Input } else { Role::Decoder };
                line.end_group(role, name, word == "-i");
            } else {
                let option = option(program, &word[1..], &mut words)?;
                line.trailing.push(option);
            }
        }
        Ok(line)
    }

    fn end_group(&mut self, role: Role, name: &str, dashed: bool) {
        let dashes = std::mem::take(&mut self.dashes);
        let file = File { role, name: name.to_owned(), dashed, dashes };
        self.groups.push(Group { options: std::mem::take(&mut self.trailing), file });
    }
}

fn option(
    program: Program,
    word: &str,
    words: &mut std::slice::Iter<'_, String>,
) -> Result<Opt, LineError> {
    let missing = || LineError::MissingValue(format!("-{word}"));
    let flag = |known: &Known| matches!(known.arity, Arity::Flag | Arity::FlagOrValue);
    let own = |name: &str| options::find(program, name.strip_prefix('/').unwrap_or(name));
    let (negated, bare, known) = if let Some(known) = own(word) {
        (false, word, Some(known))
    } else if let Some((bare, known)) = word
        .strip_prefix("no")
        .and_then(|bare| own(bare).filter(|known| flag(known)).map(|known| (bare, known)))
    {
        (true, bare, Some(known))
    } else {
        (false, word, None)
    };
    let (from_file, bare) = match bare.strip_prefix('/').filter(|_| known.is_some()) {
        Some(bare) => (true, bare),
        None => (false, bare),
    };
    if from_file && known.is_some_and(flag) {
        return Err(LineError::FlagFromFile(format!("-{word}")));
    }
    let (name, suffix) = match bare.split_once(':') {
        Some((name, suffix)) => (name.to_owned(), Some(self::suffix(name, suffix))),
        None => (bare.to_owned(), None),
    };
    let text = match known.map(|known| known.arity) {
        _ if negated => None,
        Some(Arity::Flag | Arity::Switch) => None,
        Some(Arity::FlagOrValue) => {
            // No file is called 0 or 1: what follows is the value that older versions took.
            let older = words.as_slice().first().filter(|next| next.parse::<i32>().is_ok());
            older.and_then(|_| words.next())
        }
        Some(Arity::Exit) => words.next(),
        Some(Arity::Value) | None => Some(words.next().ok_or_else(missing)?),
    };
    let value = match text {
        Some(text) => value(&name, from_file, text),
        None => Value::None,
    };
    Ok(Opt { name, negated, from_file, suffix, value, known })
}

fn suffix(option: &str, text: &str) -> Suffix {
    let specifier = Specifier::parse(text);
    // An odd spelling is kept as it is.
    match option {
        "metadata" | "map_metadata" => Suffix::Metadata(text.to_owned()),
        _ if specifier.to_string() != text => Suffix::Metadata(text.to_owned()),
        _ => Suffix::Streams(specifier),
    }
}

fn value(option: &str, from_file: bool, text: &str) -> Value {
    let plain = || Value::Text(text.to_owned());
    match option {
        _ if from_file => plain(),
        "map" => Map::parse(text).map_or_else(plain, |map| Value::Map(Spelled::read(map, text))),
        "vf" | "af" | "filter" | "filter_complex" | "lavfi" => match filter::parse(text) {
            Ok(graph) => Value::Graph(Spelled::read(graph, text)),
            Err(_) => plain(),
        },
        _ => plain(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    fn line(text: &str) -> CommandLine {
        let words = words(text);
        let line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
        assert_eq!(line.render(), words);
        line
    }

    #[test]
    fn options_belong_to_the_next_file() {
        let line = line("-y -ss 5 -i in -map 0:0 -b:v 1M out.ts -f null - -shortest");
        let inputs: Vec<_> = line.inputs().map(|group| group.options.len()).collect();
        let outputs: Vec<_> = line.outputs().map(|group| group.file.name.as_str()).collect();
        assert_eq!((inputs, outputs), (vec![2], vec!["out.ts", "-"]));
        assert_eq!(line.globals().map(Opt::key).collect::<Vec<_>>(), ["-y"]);
        assert_eq!(line.trailing.len(), 1);
    }

    #[test]
    fn flags_take_no_word_and_their_opposites_neither() {
        let line = line("-nostdin -noautorotate -i in -vn -an out");
        assert_eq!(line.outputs().next().unwrap().options.len(), 2);
        assert!(line.inputs().next().unwrap().options.iter().all(|option| option.negated));
    }

    #[test]
    fn older_versions_flags_take_a_number() {
        let old = line("-autorotate 0 -i in out");
        assert_eq!(old.options().next().unwrap().text(), "0");
        let new = line("-autorotate -i in out");
        assert_eq!(new.options().next().unwrap().value, Value::None);
    }

    #[test]
    fn a_value_may_begin_with_a_dash() {
        let line = line("-i in -map -0:s -map_metadata -1 -sei -a53_cc -flags -global_header out");
        assert_eq!(line.outputs().next().unwrap().options.len(), 4);
    }

    #[test]
    fn two_dashes_make_a_file_of_the_next_word_only() {
        let line = line("-i in -- -out -y");
        assert_eq!(line.outputs().next().unwrap().file.name, "-out");
        assert_eq!(line.trailing.len(), 1);
    }

    #[test]
    fn a_value_may_be_read_from_a_file() {
        let line = line("-i in -/filter:v graph.txt out");
        let option = &line.outputs().next().unwrap().options[0];
        assert!(option.from_file);
        assert_eq!((option.name.as_str(), option.text()), ("filter", "graph.txt"));
        let refused = CommandLine::parse(Program::Ffmpeg, &words("-/y x"));
        assert!(matches!(refused, Err(LineError::FlagFromFile(_))));
    }

    #[test]
    fn an_option_without_its_value_is_refused() {
        for text in ["-i", "-i in -b:v", "-i in out -unknown"] {
            let refused = CommandLine::parse(Program::Ffmpeg, &words(text));
            assert!(matches!(refused, Err(LineError::MissingValue(_))), "{text}");
        }
    }

    #[test]
    fn an_empty_word_is_a_value_like_any_other() {
        let words: Vec<String> =
            ["-dump_attachment:t", "", "-y", "-i", "in"].map(str::to_owned).to_vec();
        let line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
        assert_eq!(line.render(), words);
        assert_eq!(line.inputs().next().unwrap().options[0].text(), "");
    }

    #[test]
    fn ffprobe_takes_its_file_with_or_without_a_dash() {
        let words = words("-v error -show_streams -of csv path");
        let line = CommandLine::parse(Program::Ffprobe, &words).unwrap();
        assert_eq!(line.inputs().next().unwrap().file.name, "path");
        assert_eq!(line.render(), words);
    }
}
