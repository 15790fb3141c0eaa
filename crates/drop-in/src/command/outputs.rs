//! What a worker's ffmpeg writes, at the paths that the line names here. Files that grow are seen to
//! grow; all others have their name when they are complete, not before.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use segue_api::v1::file_event::Event;
use segue_api::v1::{FileEvent, Renamed, Wrote};
use segue_ffmpeg::files::Files;

/// Files that are being written. What is not complete when this is dropped goes, unless it grew.
#[derive(Debug)]
pub struct Outputs {
    expected: Files,
    open: HashMap<String, Open>,
    /// Whether anything of the line's can be seen.
    pub delivered: bool,
    /// Files that are complete, and have their names.
    pub complete: Vec<String>,
    numbers: u64,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// What it is called until it is complete.
    part: Option<PathBuf>,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct OutputError {
    path: String,
    error: io::Error,
}

impl Outputs {
    /// Of a line that writes these.
    pub fn new(expected: Files) -> Outputs {
        Outputs {
            expected,
            open: HashMap::new(),
            delivered: false,
            complete: Vec::new(),
            numbers: 0,
        }
    }

    /// Does here what happened there. What the line does not name is not touched, whoever asks.
    pub fn happened(&mut self, event: FileEvent) -> Result<(), OutputError> {
        let FileEvent { path, event } = event;
        let Some(growing) = self.expected.expects(&path).map(|output| output.growing) else {
            return Ok(());
        };
        let Some(event) = event else { return Ok(()) };
        let failed = |error| OutputError { path: path.clone(), error };
        self.change(&path, growing, event).map_err(failed)
    }

    fn change(&mut self, path: &str, growing: bool, event: Event) -> io::Result<()> {
        match event {
            Event::Made(_) => self.make(path, growing),
            Event::Wrote(Wrote { offset, data }) => match self.open.get(path) {
                Some(open) => open.file.write_all_at(&data, offset),
                None => Ok(()),
            },
            Event::Closed(_) => match self.open.remove(path) {
                Some(Open { part: Some(part), .. }) => {
                    fs::rename(&part, path).inspect_err(|_| drop(fs::remove_file(&part)))?;
                    self.delivered = true;
                    self.complete.push(path.to_owned());
                    Ok(())
                }
                _ => Ok(()),
            },
            Event::Renamed(Renamed { to }) if self.expected.expects(&to).is_some() => {
                fs::rename(path, to)
            }
            Event::Renamed(_) => Ok(()),
            Event::Removed(_) => {
                self.open.remove(path);
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }

    fn make(&mut self, path: &str, growing: bool) -> io::Result<()> {
        let open = if growing {
            self.delivered = true;
            Open { file: File::create(path)?, part: None }
        } else {
            self.numbers += 1;
            let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
            // Begins with a dot, so that no pattern of a media server takes it for its own.
            let part = format!(".segue-{}-{}.part", std::process::id(), self.numbers);
            let part = directory.join(part);
            let file = OpenOptions::new().write(true).create_new(true).open(&part)?;
            Open { file, part: Some(part) }
        };
        if let Some(Open { part: Some(part), .. }) = self.open.insert(path.to_owned(), open) {
            let _ = fs::remove_file(part);
        }
        Ok(())
    }
}

impl Drop for Outputs {
    fn drop(&mut self) {
        for part in self.open.values().filter_map(|open| open.part.as_ref()) {
            let _ = fs::remove_file(part);
        }
    }
}
