//! Which files a directory's job has made, and how long each is: what a resumed job trusts.
//!
//! A line is written *before* its file gets its name, so that every file of ours has one; a line
//! whose file never came is harmless.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Its name in the directory.
pub const NAME: &str = ".segue-journal";

/// An open journal.
pub struct Journal {
    file: File,
    /// Several lengths when a file was made more than once.
    lengths: HashMap<String, HashSet<u64>>,
}

impl Journal {
    /// Opens the journal of `directory`, or begins one.
    pub fn open(directory: &Path) -> io::Result<Journal> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(directory.join(NAME))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.last().is_some_and(|last| *last != b'\n') {
            // The disk was full, or the power failed: the next line must not be lost with this.
            file.write_all(b"\n")?;
        }
        Ok(Journal { file, lengths: read(&String::from_utf8_lossy(&bytes)) })
    }

    /// Notes that `key` is about to appear.
    pub fn note(&mut self, key: &str, length: u64) -> io::Result<()> {
        self.file.write_all(format!("{length} {key}\n").as_bytes())?;
        self.lengths.entry(key.to_owned()).or_default().insert(length);
        Ok(())
    }

    /// Whether a file of this length is one that was made.
    pub fn knows(&self, key: &str, length: u64) -> bool {
        self.lengths.get(key).is_some_and(|lengths| lengths.contains(&length))
    }
}

/// Takes the lines that are whole.
fn read(text: &str) -> HashMap<String, HashSet<u64>> {
    let mut lengths: HashMap<String, HashSet<u64>> = HashMap::new();
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some((length, key)) = line.split_once(' ')
            && let Ok(length) = length.parse()
        {
            lengths.entry(key.to_owned()).or_default().insert(length);
        }
    }
    lengths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_is_read_back_and_a_line_cut_off_is_not_believed() {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.note("720p/00000.ts", 188).unwrap();
        journal.file.write_all(b"18").unwrap();
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.note("720p/00001.ts", 376).unwrap();
        let journal = Journal::open(directory.path()).unwrap();
        assert!(journal.knows("720p/00000.ts", 188));
        assert!(journal.knows("720p/00001.ts", 376));
        assert!(!journal.knows("720p/00000.ts", 187));
        assert!(!journal.knows("720p/00002.ts", 188));
    }
}
