//! What is kept between runs, in one small directory: answers that were given before ([`answers`]),
//! how often ffmpeg ran here instead ([`fallbacks`]), and that no scheduler was there a moment ago
//! ([`absence`]).
//!
//! None of it is needed. What cannot be read, is damaged or cannot be written is as good as not there,
//! and never an error: a film plays without it. Many runs use it at once: files are put in place
//! whole, by renaming.

pub mod absence;
pub mod answers;
pub mod fallbacks;

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::config::Config;

/// The directory, wherever it is.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Places for it; the first that can be used is.
    candidates: Vec<PathBuf>,
}

/// Why a directory is not used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// It cannot be looked at or made.
    #[error("{} cannot be used: {error}", directory.display())]
    System {
        /// Which.
        directory: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Others could put answers into it.
    #[error("{} is not used, as others may write there: chmod go-w, and let it be yours", .0.display())]
    Shared(PathBuf),
}

impl Kept {
    /// What the settings name; else `segue` in the user's cache directory (`XDG_CACHE_HOME` or
    /// `~/.cache`); else, for users without a home, one of their own under the temporary directory.
    pub fn new(config: &Config, variable: &impl Fn(&str) -> Option<OsString>) -> Kept {
        if let Some(named) = &config.cache {
            return Kept { candidates: vec![named.clone()] };
        }
        let directory = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let own = directory("XDG_CACHE_HOME").or_else(|| Some(directory("HOME")?.join(".cache")));
        let user = rustix::process::geteuid().as_raw();
        let shared = PathBuf::from(format!("/tmp/segue-{user}"));
        let own = own.map(|own| own.join("segue"));
        Kept { candidates: own.into_iter().chain([shared]).collect() }
    }

    /// Where it is, for reading; `None`: nothing was ever kept.
    fn existing(&self) -> Option<&Path> {
        self.candidates.iter().map(PathBuf::as_path).find(|path| is_safe(path).is_ok())
    }

    /// Where it is, for writing; made if it is not there.
    pub fn directory(&self) -> Result<&Path, Unusable> {
        let mut first = None;
        for candidate in &self.candidates {
            match made(candidate) {
                Ok(()) => return Ok(candidate),
                Err(error) => first = first.or(Some(error)),
            }
        }
        Err(first.unwrap_or_else(|| Unusable::System {
            directory: PathBuf::new(),
            error: io::ErrorKind::NotFound.into(),
        }))
    }

    /// A file in it, of at most `most` bytes.
    fn read(&self, name: &str, most: u64) -> Option<Vec<u8>> {
        let file = File::open(self.existing()?.join(name)).ok()?;
        // Read in one piece: most are smaller.
        let mut bytes = Vec::with_capacity(16 * 1024);
        file.take(most + 1).read_to_end(&mut bytes).ok()?;
        (bytes.len() as u64 <= most).then_some(bytes)
    }

    /// Puts a file in place, whole.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Unusable> {
        /// Tells apart what one process writes at once.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let directory = self.directory()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let partial = directory.join(format!(".{name}.{}.{number}", std::process::id()));
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        // Left by a process that was killed and had this one's id.
        let _ = std::fs::remove_file(&partial);
        let written = options
            .open(&partial)
            .and_then(|mut file| file.write_all(bytes))
            .and_then(|()| std::fs::rename(&partial, directory.join(name)));
        written.map_err(|error| {
            let _ = std::fs::remove_file(&partial);
            Unusable::System { directory: directory.to_owned(), error }
        })
    }

    /// Tries whether it can be written to, for `segue doctor`; says where it is.
    pub fn check(&self) -> Result<&Path, Unusable> {
        self.write("check", b"")?;
        let directory = self.directory()?;
        let _ = std::fs::remove_file(directory.join("check"));
        Ok(directory)
    }
}

/// Makes a directory that is nobody else's, if it is not there.
fn made(directory: &Path) -> Result<(), Unusable> {
    let system = |error| Unusable::System { directory: directory.to_owned(), error };
    match is_safe(directory) {
        Err(Unusable::System { error, .. }) if error.kind() == io::ErrorKind::NotFound => {}
        other => return other,
    }
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(system)?;
    is_safe(directory)
}

/// Whether what lies in a directory was put there by its user: what is read from it is told as
/// ffmpeg's answer.
fn is_safe(directory: &Path) -> Result<(), Unusable> {
    let system = |error| Unusable::System { directory: directory.to_owned(), error };
    let metadata = directory.symlink_metadata().map_err(system)?;
    if !metadata.is_dir() {
        return Err(system(io::ErrorKind::NotADirectory.into()));
    }
    let user = rustix::process::geteuid().as_raw();
    match (metadata.uid() == user || metadata.uid() == 0) && metadata.mode() & 0o022 == 0 {
        true => Ok(()),
        false => Err(Unusable::Shared(directory.to_owned())),
    }
}

#[cfg(test)]
pub(crate) fn in_directory(directory: &Path) -> Kept {
    Kept { candidates: vec![directory.to_owned()] }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_directory_that_others_write_to_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("kept");
        let kept = in_directory(&place);
        kept.write("a", b"mine").unwrap();
        assert_eq!(kept.read("a", 100).as_deref(), Some(&b"mine"[..]));
        assert_eq!(place.metadata().unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(&place, Permissions::from_mode(0o777)).unwrap();
        assert_eq!(kept.read("a", 100), None);
        assert!(matches!(kept.write("a", b"again"), Err(Unusable::Shared(_))));
    }

    #[test]
    fn a_link_is_not_followed() {
        let directory = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", directory.path().join("kept")).unwrap();
        assert!(in_directory(&directory.path().join("kept")).directory().is_err());
    }

    #[test]
    fn what_is_too_large_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let kept = in_directory(&directory.path().join("kept"));
        kept.write("a", b"12345").unwrap();
        assert_eq!(kept.read("a", 4), None);
        assert!(kept.read("a", 5).is_some());
    }

    #[test]
    fn the_first_place_that_can_be_used_is_used() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let good = directory.path().join("good");
        let kept = Kept { candidates: vec![file.join("kept"), good.clone()] };
        assert_eq!(kept.directory().unwrap(), good);
        assert_eq!(kept.check().unwrap(), good);
        assert_eq!(good.read_dir().unwrap().count(), 0);
    }
}
