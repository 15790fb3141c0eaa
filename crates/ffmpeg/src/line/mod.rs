//! A command line as data: files in order, each with the options that stand before it.
//!
//! Rendering gives back the very words that were parsed: same spelling, same order, unknown
//! options in their place. That is what *equivalent* means here, and the tests hold every line to
//! it. A value that has a structure (a map, a filter graph) is kept with the text it was read from;
//! who replaces it ([`Spelled::new`]) gets the canonical text, which reads back as the same value.

mod parse;

use std::fmt;

pub use parse::LineError;

use crate::filter::FilterGraph;
use crate::options::{Known, Scope};
use crate::{Map, Specifier};

/// Which of the two programs is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// ffmpeg, and whatever stands in for it ("Plex Transcoder").
    Ffmpeg,
    /// ffprobe.
    Ffprobe,
}

impl Program {
    /// By the name that it is called with: a file name that begins or ends with `ffprobe` is
    /// ffprobe. Jellyfin wants `ffprobe.sh` beside `ffmpeg.sh`; distributions have `ffprobe7`.
    pub fn of(name: &str) -> Program {
        if is_called(name, "ffprobe") { Program::Ffprobe } else { Program::Ffmpeg }
    }

    /// Whether a word is the name of such a program, rather than a file to read or write.
    pub fn is_named_by(word: &str) -> bool {
        let programs = ["ffmpeg", "ffprobe", "plex transcoder"];
        !word.starts_with('-') && programs.iter().any(|program| is_called(word, program))
    }
}

/// Whether a path's file name begins or ends with a program's, extensions of programs apart.
fn is_called(path: &str, program: &str) -> bool {
    let name = path.rsplit(['/', '\\']).next().unwrap_or_default().to_lowercase();
    let plain = [".exe", ".sh"].iter().find_map(|extension| name.strip_suffix(extension));
    let plain = plain.unwrap_or(&name);
    // A film may be called so, too, but has an extension.
    !plain.contains('.') && (plain.starts_with(program) || plain.ends_with(program))
}

/// All arguments of one run, without the program's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Whose arguments they are.
    pub program: Program,
    /// Files in order.
    pub groups: Vec<Group>,
    /// Options behind the last file. ffmpeg warns of them and ignores all but global ones.
    pub trailing: Vec<Opt>,
    /// How many `--` stand at the very end, where they mean nothing.
    pub dashes: usize,
}

/// A file and what stands before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Options in order, the global ones among them.
    pub options: Vec<Opt>,
    /// The file.
    pub file: File,
}

/// What ends a group of options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// What is done with it.
    pub role: Role,
    /// Its path or URL, as written.
    pub name: String,
    /// `-i NAME` rather than NAME alone, which is how ffprobe may be told.
    pub dashed: bool,
    /// How many `--` stand before it; one lets its name begin with a dash.
    pub dashes: usize,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is read.
    Input,
    /// It is written.
    Output,
    /// `-dec`: no file, but a decoder of what an output encoded.
    Decoder,
}

/// One option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opt {
    /// Its name without dash, `no`, `/` and specifier.
    pub name: String,
    /// Written `-nofoo`.
    pub negated: bool,
    /// Written `-/foo FILE`: the value is read from a file.
    pub from_file: bool,
    /// What stands behind the colon.
    pub suffix: Option<Suffix>,
    /// Its value.
    pub value: Value,
    /// ffmpeg's own option of that name; `None` for an AVOption.
    pub known: Option<&'static Known>,
}

/// What stands behind an option's colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Suffix {
    /// Which streams it is for.
    Streams(Specifier),
    /// As written: what it is for in the grammar of `-metadata` (`s:a:0`, `g`, `c:1`), or a
    /// specifier in an odd spelling.
    Metadata(String),
}

/// An option's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// There is none.
    None,
    /// A plain word.
    Text(String),
    /// Of `-map`.
    Map(Spelled<Map>),
    /// Of `-vf`, `-af`, `-filter`, `-filter_complex` and `-lavfi`.
    Graph(Spelled<FilterGraph>),
}

/// A value with the text that it is written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spelled<T> {
    value: T,
    text: String,
}

impl<T: fmt::Display> Spelled<T> {
    /// In its canonical spelling.
    pub fn new(value: T) -> Spelled<T> {
        let text = value.to_string();
        Spelled { value, text }
    }
}

impl<T> Spelled<T> {
    fn read(value: T, text: &str) -> Spelled<T> {
        Spelled { value, text: text.to_owned() }
    }

    /// What it means.
    pub fn value(&self) -> &T {
        &self.value
    }
}

impl Value {
    /// As it is written.
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::None => None,
            Value::Text(text) => Some(text),
            Value::Map(map) => Some(&map.text),
            Value::Graph(graph) => Some(&graph.text),
        }
    }
}

impl Opt {
    /// The word with the dash.
    pub fn key(&self) -> String {
        let no = if self.negated { "no" } else { "" };
        let slash = if self.from_file { "/" } else { "" };
        match &self.suffix {
            None => format!("-{no}{slash}{}", self.name),
            Some(Suffix::Streams(specifier)) => format!("-{no}{slash}{}:{specifier}", self.name),
            Some(Suffix::Metadata(text)) => format!("-{no}{slash}{}:{text}", self.name),
        }
    }

    /// Its value as it is written; empty without one.
    pub fn text(&self) -> &str {
        self.value.text().unwrap_or_default()
    }

    /// Whether it is about the whole run, wherever it stands.
    pub fn is_global(&self) -> bool {
        self.known.is_some_and(|known| known.scope == Scope::Global)
    }

    fn render(&self, words: &mut Vec<String>) {
        words.push(self.key());
        words.extend(self.value.text().map(str::to_owned));
    }
}

/// The option as a shell would be given it, more or less: for people.
impl fmt::Display for Opt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())?;
        match self.value.text() {
            Some("") => f.write_str(" ''"),
            Some(text) => write!(f, " {text}"),
            None => Ok(()),
        }
    }
}

impl CommandLine {
    /// The words it was parsed from.
    pub fn render(&self) -> Vec<String> {
        let mut words = Vec::new();
        for group in &self.groups {
            group.options.iter().for_each(|option| option.render(&mut words));
            let file = &group.file;
            words.extend(std::iter::repeat_n("--".to_owned(), file.dashes));
            match (file.role, file.dashed) {
                (Role::Decoder, _) => words.push("-dec".to_owned()),
                (_, true) => words.push("-i".to_owned()),
                (_, false) => {}
            }
            words.push(file.name.clone());
        }
        self.trailing.iter().for_each(|option| option.render(&mut words));
        words.extend(std::iter::repeat_n("--".to_owned(), self.dashes));
        words
    }

    /// What is read, in order.
    pub fn inputs(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.file.role == Role::Input)
    }

    /// What is written, in order.
    pub fn outputs(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().filter(|group| group.file.role == Role::Output)
    }

    /// Every option, in order.
    pub fn options(&self) -> impl Iterator<Item = &Opt> {
        self.groups.iter().flat_map(|group| &group.options).chain(&self.trailing)
    }

    /// Options about the whole run, in order.
    pub fn globals(&self) -> impl Iterator<Item = &Opt> {
        self.options().filter(|option| option.is_global())
    }
}
