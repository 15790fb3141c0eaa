//! A film on this machine: opened once, told apart from what may replace it.
//!
//! The descriptor opened here goes to every child, so all of them read the same file whatever
//! happens to its name.

use std::ffi::OsString;
use std::fmt::Write;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use segue_media::FileSource;
use segue_model::{Revision, Source};

use super::SourceError;
use crate::with_causes;

/// An open source file.
pub struct LocalSource {
    path: PathBuf,
    file: File,
    state: State,
    source: Source,
}

/// What changes when somebody writes to a file or puts another in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    device: u64,
    inode: u64,
    size: u64,
    mtime: (i64, i64),
}

impl State {
    fn of(metadata: &Metadata) -> State {
        State {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    fn revision(&self) -> Revision {
        let (seconds, nanos) = self.mtime;
        Revision::Mtime(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
    }
}

impl LocalSource {
    /// Opens the film at `path` and takes its fingerprint.
    pub fn open(path: &Path) -> Result<LocalSource, SourceError> {
        let name = path.display();
        let metadata = std::fs::metadata(path).map_err(|error| cannot_open(path, &error))?;
        if metadata.is_dir() {
            return Err(SourceError::film(format!("{name} is a directory: name the film in it")));
        }
        if !metadata.is_file() {
            return Err(SourceError::film(format!(
                "{name} is not a regular file: copy what it holds into one first, as it is read \
                 at many places at once"
            )));
        }
        let file = File::open(path).map_err(|error| cannot_open(path, &error))?;
        let opened = file.metadata().map_err(|error| cannot_open(path, &error))?;
        if opened.len() == 0 {
            return Err(SourceError::film(format!(
                "{name} is empty (0 bytes): copy or download it again"
            )));
        }
        let state = State::of(&opened);
        let absolute = path.canonicalize().map_err(|error| cannot_open(path, &error))?;
        let fingerprint = file
            .try_clone()
            .and_then(FileSource::new)
            .map_err(segue_media::Error::from)
            .and_then(|mut bytes| segue_media::fingerprint(&mut bytes, state.revision()))
            .map_err(|error| {
                SourceError::storage(format!("{name} cannot be read: {}", with_causes(&error)))
            })?;
        let source = Source { url: file_url(&absolute), fingerprint };
        Ok(LocalSource { path: path.to_owned(), file, state, source })
    }

    /// As the user called it.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What jobs are named by.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Whether it still is what was opened. One that was only removed or renamed is: the open
    /// descriptor keeps it.
    pub fn is_unchanged(&self) -> bool {
        let opened = self.file.metadata().is_ok_and(|now| State::of(&now) == self.state);
        let named = match std::fs::metadata(&self.path) {
            Ok(now) => State::of(&now) == self.state,
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        opened && named
    }
}

/// The path in a `file://` URL.
pub(crate) fn path_of(url: &str) -> Option<PathBuf> {
    let encoded = url.strip_prefix("file://").filter(|path| path.starts_with('/'))?;
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok())?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    Some(PathBuf::from(OsString::from_vec(bytes)))
}

impl AsFd for LocalSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn cannot_open(path: &Path, error: &io::Error) -> SourceError {
    let name = path.display();
    let is_url = path.to_str().is_some_and(|text| text.contains("://"));
    SourceError::film(match error.kind() {
        io::ErrorKind::NotFound if is_url => {
            format!("{name}: only files of this machine can be transcoded: download it first")
        }
        io::ErrorKind::NotFound => format!("{name}: no such file: check the path"),
        io::ErrorKind::PermissionDenied => {
            format!("{name} may not be read by you: allow it with `chmod` or run as its owner")
        }
        _ => return SourceError::storage(format!("{name} cannot be opened: {error}")),
    })
}

/// RFC 8089, with everything but unreserved characters and `/` percent-encoded.
pub fn file_url(absolute: &Path) -> String {
    let mut url = "file://".to_owned();
    for byte in absolute.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_becomes_a_url_that_any_program_reads_alike() {
        let path = Path::new("/films/a b/ö#1.mkv");
        assert_eq!(file_url(path), "file:///films/a%20b/%C3%B6%231.mkv");
        assert_eq!(path_of(&file_url(path)).as_deref(), Some(path));
        assert_eq!(path_of("file:///a%2"), None);
        assert_eq!(path_of("file://host/a"), None);
    }

    #[test]
    fn a_file_written_to_or_replaced_is_changed_and_one_only_moved_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("film.mkv");
        let open = || {
            std::fs::write(&path, b"the first film").unwrap();
            LocalSource::open(&path).unwrap()
        };
        let source = open();
        assert!(source.is_unchanged());
        std::fs::rename(&path, directory.path().join("moved.mkv")).unwrap();
        assert!(source.is_unchanged());
        std::fs::write(&path, b"the second one").unwrap();
        assert!(!source.is_unchanged());
        let source = open();
        std::fs::write(&path, b"longer than the first").unwrap();
        assert!(!source.is_unchanged());
    }
}
