//! Where a command writes: a directory of its own, in which paths mean what they mean to the caller.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use tracing::warn;

/// What directories of commands are called.
const BEGINS: &str = "segue-command-";
/// No report is longer; but a program may write what it likes there.
const REPORT_MAX: u64 = 4096;

/// Removes what commands of a process that is gone left behind.
pub fn clean(scratch: &Path) -> io::Result<()> {
    fs::create_dir_all(scratch)?;
    for entry in fs::read_dir(scratch)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(rest) = name.strip_prefix(BEGINS) else { continue };
        let owner = rest.split('-').next().unwrap_or_default();
        // Another worker of this machine may use the same place.
        if owner.parse::<u32>().is_ok_and(|owner| !is_worker(owner)) {
            remove(&path);
        }
    }
    Ok(())
}

/// Whether that process is there and may be what left a directory.
fn is_worker(pid: u32) -> bool {
    pid != std::process::id() && Path::new("/proc").join(pid.to_string()).exists()
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_dir_all(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(path = %path.display(), %error, "what a command left cannot be removed");
    }
}

/// A command's directory; removed when this is dropped.
#[derive(Debug)]
pub struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    /// Makes one for a run that has that number in this process.
    pub fn make(scratch: &Path, number: u64) -> io::Result<Scratch> {
        fs::create_dir_all(scratch)?;
        // Pieces of it stand in patterns and URLs: as short and plain as can be.
        let name = format!("{BEGINS}{}-{number}", std::process::id());
        let directory = fs::canonicalize(scratch)?.join(name);
        DirBuilder::new().mode(0o700).create(&directory)?;
        let made = Scratch { directory };
        for part in [made.tree(), made.inputs(), made.home()] {
            fs::create_dir(part)?;
        }
        Ok(made)
    }

    /// The tree in which the caller's paths are.
    pub fn tree(&self) -> PathBuf {
        self.directory.join("tree")
    }

    /// Where inputs have names.
    pub fn inputs(&self) -> PathBuf {
        self.directory.join("inputs")
    }

    /// What libraries may fill with what they like to keep.
    pub fn home(&self) -> PathBuf {
        self.directory.join("home")
    }

    /// Where a child says what is not enforced, or why it did not become the program.
    pub fn report(&self) -> PathBuf {
        self.home().join("report")
    }

    /// What it said there.
    pub fn reported(&self) -> String {
        let mut bytes = Vec::new();
        let file = File::open(self.report());
        // Nothing can be read where nothing could be written.
        let _ = file.and_then(|file| file.take(REPORT_MAX).read_to_end(&mut bytes));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where the caller's `path` is in the tree. `None`: it is not absolute, or tries to leave.
    pub fn place(&self, path: &str) -> Option<PathBuf> {
        let mut place = self.tree();
        let mut components = Path::new(path).components();
        if components.next() != Some(Component::RootDir) || path.contains('\0') {
            return None;
        }
        for component in components {
            match component {
                Component::Normal(part) => place.push(part),
                _ => return None,
            }
        }
        Some(place)
    }

    /// A file to append to, with the directories above it.
    pub fn append(&self, place: &Path) -> io::Result<File> {
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent)?;
        }
        // The tree is empty but for what we make: there is no link to be led astray by.
        OpenOptions::new().append(true).create(true).mode(0o600).open(place)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_tree() {
        let home = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(home.path(), 1).unwrap();
        assert_eq!(scratch.place("/a b/c"), Some(scratch.tree().join("a b/c")));
        for path in ["a", "", "/a/../../b", "/..", "/a\0b"] {
            assert_eq!(scratch.place(path), None, "{path}");
        }
    }

    #[test]
    fn what_a_dead_process_left_is_removed_and_what_a_living_one_has_is_not() {
        let home = tempfile::tempdir().unwrap();
        let living = home.path().join(format!("{BEGINS}1-1"));
        // No process has so high a number.
        let dead = home.path().join(format!("{BEGINS}4194999-1"));
        let other = home.path().join("other");
        for directory in [&living, &dead, &other] {
            fs::create_dir_all(directory.join("tree")).unwrap();
        }
        clean(home.path()).unwrap();
        assert!(living.exists() && other.exists() && !dead.exists());
    }

    #[test]
    fn a_directory_ends_with_its_run() {
        let home = tempfile::tempdir().unwrap();
        let scratch = Scratch::make(home.path(), 1).unwrap();
        scratch.append(&scratch.place("/a/b").unwrap()).unwrap();
        drop(scratch);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }
}
