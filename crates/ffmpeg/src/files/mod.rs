//! Which files a line reads and writes, and the same line in another place's words: what it takes to
//! run it on a machine that does not have them. Start at [`Files::of`].
//!
//! The other place has a tree of its own in which paths mean what they mean here ([`Piece::Root`]
//! stands before an absolute one; relative ones stay as they are). Large inputs are opened by a name
//! that the other place gives them ([`Piece::Input`]); small files that are read beside them
//! ([`Side`]) are put into its tree. A line whose files cannot all be told is refused, with the word
//! that is in the way: nothing is guessed.

pub mod concat;
mod devices;
mod graphs;
mod inputs;
mod name;
pub mod needs;
mod options;
mod outputs;

pub use name::Name;

use crate::line::{CommandLine, Group, Opt, Role, Value};

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// As it stands.
    Text(String),
    /// What stands before an absolute path in the other place.
    Root,
    /// What the input of that index is opened by.
    Input(usize),
    /// The other place's GPU.
    Device,
}

/// A word in pieces.
pub type Word = Vec<Piece>;

/// A small file, or several, that are read beside the inputs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// One file.
    File(String),
    /// Every file below a directory.
    Directory(String),
    /// Files in a directory whose names fit.
    Matching {
        /// The directory.
        directory: String,
        /// Their names.
        name: Name,
    },
    /// A list of the concat demuxer. The files in it are inputs, too.
    Concat {
        /// The list.
        path: String,
        /// Whether `-safe 0` lets it name any file.
        unsafe_names: bool,
    },
}

/// What a line writes in one directory.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Output {
    /// An absolute path.
    pub directory: String,
    /// What the files are called.
    pub name: Name,
    /// Its bytes are seen as they are written. Others appear when they are complete.
    pub growing: bool,
}

/// The files of a line, and the line in pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// What to run, behind the program's name.
    pub words: Vec<Word>,
    /// Inputs as the line names them, with a `file:` that is there, by index; relative ones are the
    /// working directory's.
    pub inputs: Vec<String>,
    /// What is read beside them.
    pub sides: Vec<Side>,
    /// What may be written.
    pub outputs: Vec<Output>,
    /// Words that lead into the network.
    pub network: Vec<String>,
    /// Whether a GPU is named.
    pub device: bool,
    /// Whether standard input is of use: it is an input, or may hold keys.
    pub stdin: bool,
}

/// Why a line cannot run elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{word}: {reason}, so it cannot run on another machine")]
pub struct Refusal {
    /// The word that is in the way.
    pub word: String,
    /// Why.
    pub reason: String,
}

fn refuse<T>(word: impl Into<String>, reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { word: word.into(), reason: reason.into() })
}

impl Files {
    /// Tells the files of a line that is to run in `directory`, an absolute path.
    pub fn of(line: &CommandLine, directory: &str) -> Result<Files, Refusal> {
        let mut reader = Reader { directory: directory.to_owned(), files: Files::default() };
        let keys = !line.options().any(|o| o.name == "nostdin" || (o.name == "stdin" && o.negated));
        reader.files.stdin = keys;
        for group in &line.groups {
            reader.group(group)?;
        }
        for option in &line.trailing {
            reader.option(option, None)?;
        }
        reader.files.words.extend(std::iter::repeat_n(text("--"), line.dashes));
        Ok(reader.files)
    }

    /// Whether a file may come back under this path, and whether it grows.
    pub fn expects(&self, path: &str) -> Option<&Output> {
        let (directory, name) = path.rsplit_once('/')?;
        let directory = if directory.is_empty() { "/" } else { directory };
        let fits = |o: &&Output| o.directory == directory && o.name.fits(name);
        // Of several the one that says most.
        let all = || self.outputs.iter().filter(fits);
        all().find(|output| matches!(output.name, Name::Exactly(_))).or_else(|| all().next())
    }
}

/// What a line is read with.
struct Reader {
    directory: String,
    files: Files,
}

fn text(word: &str) -> Word {
    vec![Piece::Text(word.to_owned())]
}

impl Reader {
    fn group(&mut self, group: &Group) -> Result<(), Refusal> {
        for option in &group.options {
            self.option(option, Some(group))?;
        }
        let file = &group.file;
        self.files.words.extend(std::iter::repeat_n(text("--"), file.dashes));
        let word = match file.role {
            Role::Input => self.input(group)?,
            Role::Output => self.output(group)?,
            Role::Decoder => {
                self.files.words.push(text("-dec"));
                text(&file.name)
            }
        };
        if file.role == Role::Input && file.dashed {
            self.files.words.push(text("-i"));
        }
        self.files.words.push(word);
        Ok(())
    }

    fn option(&mut self, option: &Opt, group: Option<&Group>) -> Result<(), Refusal> {
        if option.from_file || is_script(&option.name) {
            return refuse(option.to_string(), "its value is in a file, which may name others");
        }
        // What is written has the time in its name.
        if matches!(option.name.as_str(), "report" | "vstats") && !option.negated {
            return refuse(option.to_string(), "what is written is named by when that is");
        }
        if option.name == "pass" && group.is_none_or(|group| !names_logs(group)) {
            let (directory, logs) = (self.directory.clone(), "ffmpeg2pass".to_owned());
            let name = Name::Beginning(logs);
            self.add_side(Side::Matching { directory: directory.clone(), name: name.clone() });
            self.add_output(directory, name, false);
        }
        let word = match &option.value {
            Value::None => None,
            Value::Graph(graph) => Some(self.graph(graph.value(), option.text())?),
            Value::Map(_) => Some(text(option.text())),
            Value::Text(_) => Some(self.value(option, group)?),
        };
        self.files.words.push(text(&option.key()));
        self.files.words.extend(word);
        Ok(())
    }

    /// The absolute path of what a word names.
    fn absolute(&self, path: &str) -> String {
        absolute(&self.directory, path)
    }

    /// The word for a path in the other place's tree; `prefix` is a `file:` that was there.
    fn in_tree(&self, path: &str, prefix: &str) -> Word {
        let beyond = path.split('/').any(|part| part == "..");
        if !path.starts_with('/') && !beyond {
            return text(&format!("{prefix}{path}"));
        }
        let mut word = Vec::new();
        if !prefix.is_empty() {
            word.push(Piece::Text(prefix.to_owned()));
        }
        word.extend([Piece::Root, Piece::Text(self.absolute(path))]);
        word
    }

    fn write(&mut self, path: &str, growing: bool) {
        let (directory, name) = parted(&self.absolute(path));
        self.add_output(directory, Name::Exactly(name), growing);
    }

    fn add_output(&mut self, directory: String, name: Name, growing: bool) {
        let output = Output { directory, name, growing };
        if !self.files.outputs.contains(&output) {
            self.files.outputs.push(output);
        }
    }

    fn add_side(&mut self, side: Side) {
        if !self.files.sides.contains(&side) {
            self.files.sides.push(side);
        }
    }

    fn add_input(&mut self, name: &str) -> usize {
        let known = self.files.inputs.iter().position(|input| input == name);
        known.unwrap_or_else(|| {
            self.files.inputs.push(name.to_owned());
            self.files.inputs.len() - 1
        })
    }
}

fn names_logs(group: &Group) -> bool {
    group.options.iter().any(|option| option.name == "passlogfile")
}

fn is_script(option: &str) -> bool {
    matches!(option, "filter_complex_script" | "filter_script")
}

/// A path without `.`, `..` and doubled slashes, from the root on.
pub fn absolute(directory: &str, path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    let all = if path.starts_with('/') { vec![path] } else { vec![directory, path] };
    for part in all.into_iter().flat_map(|path| path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Directory and name of an absolute path.
pub(crate) fn parted(path: &str) -> (String, String) {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = if directory.is_empty() { "/" } else { directory };
    (directory.to_owned(), name.to_owned())
}

/// A `file:` before a path, and the path.
fn prefix_of(name: &str) -> (&str, &str) {
    match name.strip_prefix("file:") {
        Some(path) => ("file:", path),
        None => ("", name),
    }
}

/// What ffmpeg calls its format, if the line says so; the extension without a dot otherwise.
fn format_of(group: &Group) -> (Option<&str>, String) {
    let said = group.options.iter().rev().find(|option| option.name == "f");
    let name = group.file.name.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    (said.map(Opt::text), extension.to_lowercase())
}
