//! How much of the disk a command has taken: whatever it writes, and wherever it may.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, openat};

/// It is looked at this often: what is written in that time may be too much.
pub const LOOK: Duration = Duration::from_secs(1);
/// No program nests directories so deeply.
const DEPTH_MAX: usize = 32;
/// Bytes of what `stat` counts in (POSIX leaves it open; Linux says so).
const BLOCK: u64 = 512;

/// What a command may take, in some directories.
#[derive(Debug)]
pub struct Room {
    /// Open, so that it is these whatever the program renames.
    directories: Vec<File>,
    limit: u64,
    looked: Option<Instant>,
}

impl Room {
    /// For so many bytes in these directories.
    pub fn new(directories: &[PathBuf], limit: u64) -> io::Result<Room> {
        let directories = directories.iter().map(File::open).collect::<io::Result<_>>()?;
        Ok(Room { directories, limit, looked: None })
    }

    /// Fails if it has taken more, if it is time to look.
    pub fn check(&mut self) -> io::Result<()> {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(());
        }
        let mut taken = 0;
        for directory in &self.directories {
            taken += taken_below(directory, 0)?;
        }
        self.looked = Some(Instant::now());
        match taken > self.limit {
            true => Err(io::Error::other(format!(
                "it wrote {taken} bytes, and {} are allowed (--command-scratch-gib)",
                self.limit
            ))),
            false => Ok(()),
        }
    }
}

/// What is below a directory; links are not followed. What vanishes meanwhile takes nothing.
fn taken_below(directory: &File, depth: usize) -> io::Result<u64> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other("it nests directories too deeply"));
    }
    let itself = Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    let mut taken = 0;
    for entry in fs::read_dir(itself)?.flatten() {
        let Ok(known) = entry.metadata() else { continue };
        taken += known.blocks() * BLOCK;
        if known.is_dir() {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(below) = openat(directory, entry.file_name(), flags, Mode::empty()) else {
                continue;
            };
            taken += taken_below(&below.into(), depth + 1)?;
        }
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn all_that_is_below_counts_and_nothing_that_is_linked() {
        let (place, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("large"), vec![1; 1 << 20]).unwrap();
        symlink(outside.path(), place.path().join("link")).unwrap();
        let check = |limit| Room::new(&[place.path().to_owned()], limit).unwrap().check();
        assert!(check(64 << 10).is_ok());
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        fs::write(place.path().join("a/b/c.tmp"), vec![1; 256 << 10]).unwrap();
        assert!(check(1 << 20).is_ok());
        let error = check(64 << 10).unwrap_err().to_string();
        assert!(error.contains("65536 are allowed"), "{error}");
    }

    #[test]
    fn no_depth_keeps_it_busy() {
        let place = tempfile::tempdir().unwrap();
        let deep: PathBuf = std::iter::repeat_n("d", DEPTH_MAX + 2).collect();
        fs::create_dir_all(place.path().join(deep)).unwrap();
        assert!(Room::new(&[place.path().to_owned()], 1 << 40).unwrap().check().is_err());
    }
}
