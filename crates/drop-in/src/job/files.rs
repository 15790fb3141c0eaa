//! The files that a media server looks for: each gets its name when it is whole, in order, and never
//! changes after that.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Names are at most 255 bytes long; so much of the final one is in the first one.
const NAME_KEPT: usize = 200;

/// Puts files where a media server looks for them.
#[derive(Debug, Default)]
pub struct Files {
    latest: Option<SystemTime>,
}

/// A file that has no name of its own yet. Gone if it is dropped.
#[derive(Debug)]
pub struct Part {
    file: Option<File>,
    written_as: PathBuf,
    path: PathBuf,
}

/// What went wrong with a file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {}", .path.display(), reason(.error))]
pub struct FileError {
    path: PathBuf,
    #[source]
    error: io::Error,
}

impl FileError {
    /// Whether there is no room for it.
    pub fn is_full(&self) -> bool {
        matches!(self.error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

impl Part {
    /// Begins the file that will be `path`.
    pub fn begin(path: &Path) -> Result<Part, FileError> {
        let wrong = |error| FileError { path: path.to_owned(), error };
        let Some(name) = path.file_name() else {
            return Err(wrong(io::ErrorKind::InvalidFilename.into()));
        };
        // Holds the media server's own words, which it removes files by, and ends with none of its
        // extensions, which it counts files by. No two are the same, whoever else writes here and
        // whatever a process of the same number left behind.
        let name = name.to_string_lossy();
        let kept = name.char_indices().take_while(|(at, _)| *at < NAME_KEPT);
        let kept: String = kept.map(|(_, char)| char).collect();
        let unique = RandomState::new().hash_one(std::process::id());
        let written_as = path.with_file_name(format!(".{kept}.{unique:016x}.part"));
        let file = OpenOptions::new().write(true).create_new(true).open(&written_as);
        let file = Some(file.map_err(wrong)?);
        Ok(Part { file, written_as, path: path.to_owned() })
    }

    /// Adds to it.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), FileError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(bytes).map_err(|error| FileError { path: self.path.clone(), error })
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if self.file.take().is_some() {
            // What cannot be removed goes with the media server's directory.
            let _ = fs::remove_file(&self.written_as);
        }
    }
}

impl Files {
    /// A file is whole: it gets its name, and is newer than all before it.
    pub fn finish(&mut self, mut part: Part) -> Result<(), FileError> {
        let wrong = |error| FileError { path: part.path.clone(), error };
        let now = SystemTime::now();
        // Media servers take the newest file for the one that is being made.
        let time = match self.latest {
            Some(latest) if latest >= now => latest + Duration::from_micros(1),
            _ => now,
        };
        if let Some(file) = &part.file {
            file.set_times(FileTimes::new().set_modified(time)).map_err(wrong)?;
        }
        fs::rename(&part.written_as, &part.path).map_err(wrong)?;
        part.file = None;
        self.latest = Some(time);
        Ok(())
    }

    /// A small file, whole.
    pub fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), FileError> {
        let mut part = Part::begin(path)?;
        part.write(bytes)?;
        self.finish(part)
    }
}

/// In C's words, which ffmpeg would have used, without Rust's number behind them.
fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("abc0.ts");
        let mut files = Files::default();
        let mut part = Part::begin(&path).unwrap();
        part.write(b"whole").unwrap();
        assert!(!path.exists());
        files.finish(part).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(directory.path()), ["abc0.ts"]);
    }

    #[test]
    fn what_is_not_finished_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let mut part = Part::begin(&directory.path().join("abc0.ts")).unwrap();
        part.write(b"ha").unwrap();
        drop(part);
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn two_that_will_be_one_file_do_not_touch_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("abc0.ts");
        let (mut one, mut other) = (Part::begin(&path).unwrap(), Part::begin(&path).unwrap());
        one.write(b"whole").unwrap();
        other.write(b"ha").unwrap();
        drop(other);
        Files::default().finish(one).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(directory.path()), ["abc0.ts"]);
    }

    #[test]
    fn later_files_are_newer_however_quickly_they_come() {
        let directory = tempfile::tempdir().unwrap();
        let mut files = Files::default();
        let path = |index: u32| directory.path().join(format!("abc{index}.ts"));
        for index in 0..50 {
            files.put(&path(index), b"x").unwrap();
        }
        let times: Vec<_> =
            (0..50).map(|index| fs::metadata(path(index)).unwrap().modified().unwrap()).collect();
        assert!(times.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn long_names_have_room_for_a_first_one() {
        let directory = tempfile::tempdir().unwrap();
        let name = "ö".repeat(125) + ".ts";
        Files::default().put(&directory.path().join(&name), b"x").unwrap();
        assert_eq!(names(directory.path()), [name]);
    }

    #[test]
    fn trouble_names_the_file_in_ffmpegs_words() {
        let error = Files::default().put(Path::new("/nowhere/abc0.ts"), b"x").unwrap_err();
        assert_eq!(error.to_string(), "/nowhere/abc0.ts: No such file or directory");
    }
}
