//! What it takes to run a line here: its words with other paths, and what must lie at them. Pure.
//!
//! Every path moves into a tree of the run's own, below which it is what it was: `/media/a.mkv`
//! becomes `TREE/media/a.mkv`, `C:\a\b` becomes `TREE/C/a/b`, and a relative path stays, as the run
//! works in `TREE/work`. Seeks stay as they are: the films are long enough ([`super::layout`]).

use std::path::{Path, PathBuf};

use segue_ffmpeg::files::{self, Files, Piece, Side, Word};
use segue_ffmpeg::{Answer, Surroundings, decide, filter};
use segue_ffmpeg::{CommandLine, Program, Role};

use super::layout::{self, Stuff};

/// The directory in which a line is said.
const WORK: &str = "/here";

/// A line that can be run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whose words they are.
    pub program: Program,
    /// What is to be done with it.
    pub answer: Answer,
    /// The line, with paths of this system.
    pub line: CommandLine,
    /// What must lie where, as the line says it, from the root on.
    pub placed: Vec<(String, Stuff)>,
    /// Directories that a server made before.
    pub directories: Vec<String>,
    /// Lists of the concat demuxer, each with the film in it.
    pub lists: Vec<(String, String)>,
    /// Whether it begins anywhere but at its film's start.
    pub seeks: bool,
    words: Vec<Word>,
    inputs: Vec<String>,
}

/// Takes a line's program and words apart: some lines lack the program's name.
pub fn parted(argv: &[String]) -> (Program, Vec<String>) {
    let (program, words) = match argv.split_first() {
        Some((name, words)) if !name.starts_with('-') => {
            (Program::of(name.rsplit('\\').next().unwrap_or_default()), words)
        }
        _ => (Program::Ffmpeg, argv),
    };
    let mut words: Vec<String> = words.iter().map(|word| unix(word)).collect();
    for at in 1..words.len() {
        // A whole path only on Windows; elsewhere ffmpeg puts the playlist's directory before it.
        if words[at - 1] == "-hls_fmp4_init_filename" {
            words[at] = words[at].rsplit('/').next().unwrap_or_default().to_owned();
        }
    }
    (program, words)
}

/// A path of Windows as one of this system; all else as it is.
pub fn unix(word: &str) -> String {
    let (prefix, path) = match word.strip_prefix("file:") {
        Some(path) => ("file:", path),
        None => ("", word),
    };
    let mut characters = path.chars();
    let drive = characters.next().filter(char::is_ascii_alphabetic);
    match (drive, characters.next(), characters.next()) {
        (Some(drive), Some(':'), Some('\\' | '/')) => {
            format!("{prefix}/{drive}/{}", path[3..].replace('\\', "/"))
        }
        _ => word.to_owned(),
    }
}

impl Plan {
    /// Of a line; or why it cannot be run here.
    pub fn of(argv: &[String]) -> (Answer, Result<Plan, String>) {
        let (program, words) = parted(argv);
        match CommandLine::parse(program, &words) {
            Ok(line) => {
                let answer = decide(&line, Surroundings::default()).answer;
                (answer, Plan::of_line(line, answer))
            }
            // ffmpeg refuses it, too, and says so.
            Err(error) => (Answer::Here, Err(format!("no line: {error}"))),
        }
    }

    /// Of a line that was parsed.
    pub fn of_line(line: CommandLine, answer: Answer) -> Result<Plan, String> {
        let named = || line.inputs().map(|group| group.file.name.as_str());
        let elsewhere = named().find(|name| name.contains("://"));
        if let Some(name) = elsewhere {
            return Err(format!("it reads {name}"));
        }
        let files = Files::of(&line, WORK).map_err(|refusal| refusal.to_string())?;
        if let Some(word) = files.network.first() {
            return Err(format!("it needs the network: {word}"));
        }
        if named().any(|name| matches!(name, "-" | "pipe:" | "pipe:0" | "/dev/stdin")) {
            return Err("it reads standard input".to_owned());
        }
        let mut placed = Vec::new();
        for name in &files.inputs {
            let path = files::absolute(WORK, bare(name));
            let index = line.inputs().position(|group| group.file.name == *name);
            let stuff = match index {
                Some(index) => layout::stuff(&line, index as u32)?,
                None => layout::beside(&path)?,
            };
            placed.push((path, stuff));
        }
        let mut directories = vec![WORK.to_owned()];
        let mut lists = Vec::new();
        for side in &files.sides {
            match side {
                // A film's own subtitles are in the film.
                Side::File(path) if placed.iter().any(|(there, _)| there == path) => {}
                Side::File(path) => placed.push((path.clone(), layout::beside(path)?)),
                Side::Directory(path) => directories.push(path.clone()),
                Side::Concat { path, .. } => {
                    let film = format!("{WORK}/part.mkv");
                    let index = line
                        .inputs()
                        .position(|group| files::absolute(WORK, bare(&group.file.name)) == *path);
                    let stuff = parts(&line, index.unwrap_or(0) as u32)?;
                    placed.push((film.clone(), stuff));
                    lists.push((path.clone(), film));
                }
                Side::Matching { directory, .. } => {
                    return Err(format!("pictures in {directory} are not made here"));
                }
            }
        }
        directories.extend(files.outputs.iter().map(|output| output.directory.clone()));
        let seeks = line
            .options()
            .any(|option| option.name == "ss" && !option.text().chars().all(|c| "0:.".contains(c)));
        let (program, words, inputs) = (line.program, files.words, files.inputs);
        Ok(Plan { program, answer, line, placed, directories, lists, seeks, words, inputs })
    }

    /// The words for a tree, whose path must need no protection in a filter graph.
    pub fn words(&self, tree: &Path) -> Vec<String> {
        let root = tree.display().to_string();
        self.words.iter().map(|word| self.word(word, &root)).collect()
    }

    fn word(&self, word: &Word, root: &str) -> String {
        let alone = word.len() == 1;
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Root => root.to_owned(),
            Piece::Device => "/dev/dri/renderD128".to_owned(),
            Piece::Input(index) => {
                let name = &self.inputs[*index];
                let path = bare(name);
                let prefix = name.strip_suffix(path).unwrap_or_default();
                let path = match path.starts_with('/') {
                    true => format!("{prefix}{root}{}", files::absolute(WORK, path)),
                    false => name.clone(),
                };
                if alone { path } else { protected(&path) }
            }
        };
        word.iter().map(piece).collect()
    }
}

/// Where a path of the line lies in a tree.
pub fn within(tree: &Path, path: &str) -> PathBuf {
    tree.join(path.trim_start_matches('/'))
}

/// Where a run works.
pub fn work(tree: &Path) -> PathBuf {
    within(tree, WORK)
}

fn bare(name: &str) -> &str {
    name.strip_prefix("file:").unwrap_or(name)
}

/// The films of a concat list are what the line would read without it.
fn parts(line: &CommandLine, index: u32) -> Result<Stuff, String> {
    let mut plain = line.clone();
    let mut inputs = plain.groups.iter_mut().filter(|group| group.file.role == Role::Input);
    if let Some(group) = inputs.nth(index as usize) {
        group.options.retain(|option| option.name != "f");
        group.file.name = "part.mkv".to_owned();
    }
    layout::stuff(&plain, index)
}

/// A path as an argument of a filter.
fn protected(path: &str) -> String {
    let argument = filter::Argument { key: None, value: path.to_owned() };
    let name = "x".to_owned();
    let filter = filter::Filter { name, arguments: Some(vec![argument]), ..Default::default() };
    let graph = filter::FilterGraph { chains: vec![vec![filter]], ..Default::default() };
    graph.to_string().split_once('=').map_or(String::new(), |(_, value)| value.to_owned())
}
