//! Looks for a line's files here: opens its inputs, reads what is small, and says where workers may see
//! the rest.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use segue_ffmpeg::files::{Files, Name, Output, Piece, Refusal, Side, absolute, concat};
use segue_ffmpeg::paths;

use crate::config::PathMap;

/// All small files of a line together.
const SIDES_MAX: u64 = 512 << 20;
/// Files of a line, small ones and inputs.
const FILES_MAX: usize = 20_000;

/// An input that is open.
#[derive(Clone, Debug)]
pub struct Input {
    /// As the line has it.
    pub path: String,
    /// The last part of that.
    pub name: String,
    /// Its length when it was opened.
    pub size: u64,
    /// Where workers may see it; empty: nowhere.
    pub there: String,
    /// Its bytes.
    pub file: Arc<File>,
}

/// A small file, as the worker gets it.
#[derive(Clone, Debug)]
pub struct Small {
    /// Its absolute path here.
    pub path: String,
    /// What is in it.
    pub content: Content,
}

/// What is in a small file.
#[derive(Clone, Debug)]
pub enum Content {
    /// That of the file here.
    File(PathBuf),
    /// A list, with other names for the files in it.
    List(Vec<Piece>),
}

/// All that a line needs of this machine.
#[derive(Debug)]
pub struct Gathered {
    /// What the line reads and writes, with inputs that are there.
    pub files: Files,
    /// Its inputs.
    pub inputs: Vec<Input>,
    /// Small files.
    pub smalls: Vec<Small>,
    /// Directories that it may write in, and that are there.
    pub directories: Vec<String>,
    /// Files that are there already, of those that it will write.
    pub present: Vec<String>,
    /// Files that are seen to grow.
    pub growing: Vec<String>,
    /// Whether a list leads into the network.
    pub network: bool,
}

impl Gathered {
    /// An input that is longer than it was, and how long it was.
    pub fn grown(&self) -> Option<(&str, u64)> {
        let is_longer = |input: &&Input| {
            let now = input.file.metadata();
            input.size > 0 && now.is_ok_and(|now| now.len() > input.size)
        };
        self.inputs.iter().find(is_longer).map(|input| (input.path.as_str(), input.size))
    }
}

/// Looks for the files of a line that runs in `directory`.
pub fn gather(mut files: Files, maps: &[PathMap], directory: &str) -> Result<Gathered, Refusal> {
    let mut smalls = Smalls::default();
    let mut lists = Vec::new();
    let mut network = false;
    for side in files.sides.clone() {
        match side {
            Side::File(path) => smalls.add(&path)?,
            Side::Directory(path) => smalls.add_below(Path::new(&path), 0)?,
            Side::Matching { directory, name } => {
                let fits = |name_here: &str| name.fits(name_here);
                for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
                    let path = entry.path();
                    if path.is_file() && entry.file_name().to_str().is_some_and(fits) {
                        smalls.add(&path.to_string_lossy())?;
                    }
                }
            }
            Side::Concat { path, unsafe_names } => {
                network |= take_list(&mut files, &path, unsafe_names, &mut lists)?;
            }
        }
    }
    let whole = |name: &String| absolute(directory, local(name).1);
    for path in files.inputs.iter().map(whole) {
        must_keep_bytes(&path)?;
    }
    let inputs = open_inputs(&mut files, &mut lists, maps, directory);
    smalls.found.extend(lists);
    let mut directories = vec![directory.to_owned()];
    let (mut present, mut growing) = (Vec::new(), Vec::new());
    // One that is to be read as a file is there as well, so that ffmpeg says what it is.
    directories.extend(files.inputs.iter().map(whole).filter(|path| Path::new(path).is_dir()));
    for Output { directory, name, growing: grows } in &files.outputs {
        if Path::new(directory).is_dir() && !directories.contains(directory) {
            directories.push(directory.clone());
        }
        // One that is a file here is a file there, so that ffmpeg says what it would say here.
        if let Some(file) = Path::new(directory).ancestors().find(|above| above.is_file()) {
            let path = file.to_string_lossy().into_owned();
            smalls.found.push(Small { path, content: Content::List(Vec::new()) });
        }
        if let Name::Exactly(name) = name {
            let path = format!("{}/{name}", directory.trim_end_matches('/'));
            must_keep_bytes(&path)?;
            if Path::new(&path).exists() {
                present.push(path.clone());
            }
            if *grows {
                growing.push(path);
            }
        }
    }
    let smalls = smalls.found;
    Ok(Gathered { files, inputs, smalls, directories, present, growing, network })
}

/// What is no file cannot be read at any place, or written at one.
fn must_keep_bytes(path: &str) -> Result<(), Refusal> {
    let kept = |metadata: fs::Metadata| metadata.is_file() || metadata.is_dir();
    match fs::metadata(path).map(kept) {
        Ok(false) => Err(Refusal {
            word: path.to_owned(),
            reason: "it is a pipe or a device, which only one machine has".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// Opens what can be opened. What cannot is asked for in the worker's tree, where it is not either:
/// ffmpeg says so in its own words.
fn open_inputs(
    files: &mut Files,
    lists: &mut [Small],
    maps: &[PathMap],
    directory: &str,
) -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut places = Vec::new();
    for spelled in &files.inputs {
        let (prefix, path) = local(spelled);
        let whole = absolute(directory, path);
        let opened = open(Path::new(directory).join(path).as_path());
        places.push(match opened {
            Ok((file, size)) => {
                let name = whole.rsplit('/').next().unwrap_or_default().to_owned();
                let there = there(&whole, maps);
                let path = spelled.clone();
                inputs.push(Input { path, name, size, there, file: Arc::new(file) });
                vec![Piece::Input(inputs.len() - 1)]
            }
            // The program's directory there is called as it is here.
            Err(_) if !path.contains([':', '/']) => vec![Piece::Text(spelled.clone())],
            Err(_) => vec![Piece::Text(prefix.to_owned()), Piece::Root, Piece::Text(whole)],
        });
    }
    let replace = |pieces: &mut Vec<Piece>| {
        let old = std::mem::take(pieces);
        *pieces = old
            .into_iter()
            .flat_map(|piece| match piece {
                Piece::Input(index) => places.get(index).cloned().unwrap_or_default(),
                other => vec![other],
            })
            .collect();
    };
    files.words.iter_mut().for_each(replace);
    for list in lists {
        if let Content::List(pieces) = &mut list.content {
            replace(pieces);
        }
    }
    inputs
}

/// A `file:` before a path, and the path.
fn local(name: &str) -> (&str, &str) {
    let path = paths::local(name).unwrap_or(name);
    (&name[..name.len() - path.len()], path)
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        // To be told by ffmpeg; opening a pipe would wait for its other end.
        return Err(io::Error::other("not a file"));
    }
    Ok((File::open(path)?, metadata.len()))
}

/// Where workers see a path of ours: the longest prefix counts. Only paths: what is in a bucket is read
/// from here.
fn there(path: &str, maps: &[PathMap]) -> String {
    let fits = |map: &&PathMap| Path::new(path).starts_with(&map.here);
    let map = maps.iter().filter(fits).max_by_key(|map| map.here.as_os_str().len());
    let Some(map) = map.filter(|map| map.workers.starts_with('/')) else { return String::new() };
    match Path::new(path).strip_prefix(&map.here) {
        Ok(rest) => Path::new(&map.workers).join(rest).to_string_lossy().into_owned(),
        Err(_) => String::new(),
    }
}

#[derive(Default)]
struct Smalls {
    found: Vec<Small>,
    paths: HashSet<String>,
    bytes: u64,
}

impl Smalls {
    /// One that is not there is not there in the worker's tree either.
    fn add(&mut self, path: &str) -> Result<(), Refusal> {
        let Ok(metadata) = fs::metadata(path) else { return Ok(()) };
        // One that is named twice is sent once, as what is sent is appended.
        if !metadata.is_file() || !self.paths.insert(path.to_owned()) {
            return Ok(());
        }
        self.bytes += metadata.len();
        if self.bytes > SIDES_MAX || self.found.len() >= FILES_MAX {
            return Err(too_much(path));
        }
        let content = Content::File(PathBuf::from(path));
        self.found.push(Small { path: path.to_owned(), content });
        Ok(())
    }

    fn add_below(&mut self, directory: &Path, depth: usize) -> Result<(), Refusal> {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            // Fonts are not that deep; a link may lead in a circle.
            if path.is_dir() && depth < 4 {
                self.add_below(&path, depth + 1)?;
            } else if let Some(path) = path.to_str() {
                self.add(path)?;
            }
        }
        Ok(())
    }
}

fn too_much(path: &str) -> Refusal {
    Refusal {
        word: path.to_owned(),
        reason: format!(
            "files beside the inputs are more than {} MiB or {FILES_MAX} together",
            SIDES_MAX >> 20
        ),
    }
}

/// Takes a list of the concat demuxer in: what it names becomes an input. Says whether it leads into
/// the network.
fn take_list(
    files: &mut Files,
    path: &str,
    unsafe_names: bool,
    lists: &mut Vec<Small>,
) -> Result<bool, Refusal> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(8 << 20).read_to_string(&mut text));
    if read.is_err() {
        // Not there, or no list: ffmpeg says which.
        return Ok(false);
    }
    let parts = concat::parse(&text);
    let names = || {
        parts.iter().filter_map(|part| match part {
            concat::Part::File(name) => Some(name.as_str()),
            concat::Part::Text(_) => None,
        })
    };
    if names().count() > FILES_MAX {
        return Err(too_much(path));
    }
    if !unsafe_names && !names().all(concat::is_safe) {
        // ffmpeg is to refuse it, as it would here.
        let word = |text: &str| vec![Piece::Text(text.to_owned())];
        let pair = [word("-safe"), word("0")];
        if let Some(at) = files.words.windows(2).position(|words| words == pair) {
            files.words.drain(at..at + 2);
        }
        let content = Content::List(vec![Piece::Text(text)]);
        lists.push(Small { path: path.to_owned(), content });
        return Ok(false);
    }
    let beside = path.rsplit_once('/').map_or("/", |(directory, _)| directory);
    let mut network = false;
    let pieces = concat::rewrite(&parts, |name| match paths::local(name) {
        Some(local) => {
            let whole =
                if local.starts_with('/') { local.to_owned() } else { format!("{beside}/{local}") };
            let known = files.inputs.iter().position(|input| *input == whole);
            Piece::Input(known.unwrap_or_else(|| {
                files.inputs.push(whole);
                files.inputs.len() - 1
            }))
        }
        None => {
            network = true;
            Piece::Text(name.to_owned())
        }
    });
    lists.push(Small { path: path.to_owned(), content: Content::List(pieces) });
    Ok(network)
}
