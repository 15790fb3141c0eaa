//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

/// What names of unfinished files end with; they begin with a dot.
const UNFINISHED: &str = ".part";

/// Makes `path`, unless it is there. Says whether it was made.
pub fn create_only(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let unfinished = write_beside(path, bytes)?;
    let created = rename_without_replacing(&unfinished, path);
    if !matches!(created, Ok(true)) {
        let _ = fs::remove_file(&unfinished);
    }
    created
}

/// Makes `path`, or puts this in the place of what is there.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = write_beside(path, bytes)?;
    fs::rename(&unfinished, path).inspect_err(|_| {
        let _ = fs::remove_file(&unfinished);
    })
}

/// Makes the names in a directory durable.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // Some network file systems cannot, and need not.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        done => done,
    }
}

/// Removes what a process that was killed left in `directory`.
pub fn remove_unfinished(directory: &Path) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with('.') && name.ends_with(UNFINISHED)) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<PathBuf> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let process = std::process::id();
    let unfinished = path.with_file_name(format!(".{name}.{process}-{count}{UNFINISHED}"));
    let written = File::create_new(&unfinished).and_then(|mut file| {
        file.write_all(bytes)?;
        // Before the rename, or a power failure leaves a whole name with half a file.
        file.sync_all()
    });
    match written {
        Ok(()) => Ok(unfinished),
        Err(error) => {
            let _ = fs::remove_file(&unfinished);
            Err(error)
        }
    }
}

fn rename_without_replacing(from: &Path, to: &Path) -> io::Result<bool> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        // NFS and some others have no such rename, but their links do not replace either.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match fs::hard_link(from, to) {
            Ok(()) => fs::remove_file(from).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        },
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_first_copy_wins_and_the_second_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("00000.ts");
        assert!(create_only(&path, b"first").unwrap());
        assert!(!create_only(&path, b"second").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(names(directory.path()), ["00000.ts"]);
    }

    #[test]
    fn what_was_left_unfinished_is_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("00000.ts");
        write_beside(&path, b"half").unwrap();
        fs::write(directory.path().join("film.part"), b"a user's own").unwrap();
        remove_unfinished(directory.path()).unwrap();
        assert_eq!(names(directory.path()), ["film.part"]);
    }
}
