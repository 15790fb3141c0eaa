//! Which files a directory's job has made, how long each is, and what of the source was lost in
//! them: what a resumed job trusts and tells.
//!
//! A line is written *before* its file gets its name, so that every file of ours has one; a line
//! whose file never came is harmless. A loss is a line of JSON, of which no part could be taken for
//! a whole:
//!
//! ```text
//! 376188 720p/00004.ts
//! {"lost_in":{"first":4,"end":8},"damaged":12,"short_by":"5/2"}
//! ```

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

use segue_model::{Span, Time};
use serde::{Deserialize, Serialize};

use super::SourceLoss;

/// Its name in the directory.
pub const NAME: &str = ".segue-journal";

/// An open journal.
pub struct Journal {
    file: File,
    /// Several lengths when a file was made more than once.
    lengths: HashMap<String, HashSet<u64>>,
    losses: Vec<(Span, SourceLoss)>,
    /// Whether a line may have been cut off: the disk was full, or the power failed.
    is_torn: bool,
}

/// A line that is not about a file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LossLine {
    lost_in: Span,
    damaged: u64,
    short_by: Option<Time>,
}

impl Journal {
    /// Opens the journal of `directory`, or begins one.
    pub fn open(directory: &Path) -> io::Result<Journal> {
        let mut options = OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(directory.join(NAME))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let is_torn = bytes.last().is_some_and(|last| *last != b'\n');
        let text = String::from_utf8_lossy(&bytes);
        Ok(Journal { file, lengths: lengths(&text), losses: losses(&text), is_torn })
    }

    /// Notes that `key` is about to appear.
    pub fn note(&mut self, key: &str, length: u64) -> io::Result<()> {
        self.append(&format!("{length} {key}"))?;
        self.lengths.entry(key.to_owned()).or_default().insert(length);
        Ok(())
    }

    /// Notes what was lost in the making of `span`.
    pub fn note_loss(&mut self, span: Span, loss: SourceLoss) -> io::Result<()> {
        let SourceLoss { damaged, short_by } = loss;
        let line = serde_json::to_string(&LossLine { lost_in: span, damaged, short_by })?;
        self.append(&line)?;
        // A length that goes missing is a segment made again; nobody would find this again.
        self.file.sync_data()?;
        self.losses.push((span, loss));
        Ok(())
    }

    /// Writes a line of its own: it must not be lost with one before it that was cut off.
    fn append(&mut self, line: &str) -> io::Result<()> {
        let begin = if self.is_torn { "\n" } else { "" };
        self.is_torn = true;
        self.file.write_all(format!("{begin}{line}\n").as_bytes())?;
        self.is_torn = false;
        Ok(())
    }

    /// What was noted of losses, oldest first.
    pub fn losses(&self) -> &[(Span, SourceLoss)] {
        &self.losses
    }

    /// Whether a file of this length is one that was made.
    pub fn knows(&self, key: &str, length: u64) -> bool {
        self.lengths.get(key).is_some_and(|lengths| lengths.contains(&length))
    }
}

/// The lines that are whole.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'))
}

fn losses(text: &str) -> Vec<(Span, SourceLoss)> {
    let loss = |line| {
        let LossLine { lost_in, damaged, short_by } = serde_json::from_str(line).ok()?;
        Some((lost_in, SourceLoss { damaged, short_by }))
    };
    lines(text).filter_map(loss).collect()
}

fn lengths(text: &str) -> HashMap<String, HashSet<u64>> {
    let mut lengths: HashMap<String, HashSet<u64>> = HashMap::new();
    for line in lines(text) {
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

    #[test]
    fn a_line_that_did_not_fit_does_not_swallow_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(NAME);
        let mut journal = Journal::open(directory.path()).unwrap();
        for part in ["", "3", "376 720p/00000.ts"] {
            // As if the disk were full after so much of it: what is open for reading takes nothing.
            let mut file = std::mem::replace(&mut journal.file, File::open(&path).unwrap());
            file.write_all(part.as_bytes()).unwrap();
            assert!(journal.note("720p/00000.ts", 376).is_err());
            journal.file = file;
            journal.note_loss(Span { first: 4, end: 8 }, SourceLoss::default()).unwrap();
            journal.note("720p/00001.ts", 188).unwrap();
        }
        let journal = Journal::open(directory.path()).unwrap();
        assert_eq!(journal.losses().len(), 3);
        assert!(journal.knows("720p/00001.ts", 188));
    }

    #[test]
    fn a_loss_is_read_back_wherever_the_lines_around_it_were_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let span = Span { first: 4, end: 8 };
        let loss = SourceLoss { damaged: 12, short_by: Some(Time::new(5, 2)) };
        let mut journal = Journal::open(directory.path()).unwrap();
        journal.note_loss(span, loss).unwrap();
        let line = std::fs::read_to_string(directory.path().join(NAME)).unwrap();
        let line = line.trim_end();
        for length in 0..line.len() {
            journal.file.write_all(&line.as_bytes()[..length]).unwrap();
            journal = Journal::open(directory.path()).unwrap();
            journal.note("720p/00004.ts", 188).unwrap();
        }
        journal.note_loss(span, SourceLoss::default()).unwrap();
        let journal = Journal::open(directory.path()).unwrap();
        assert_eq!(journal.losses(), [(span, loss), (span, SourceLoss::default())]);
        assert!(journal.knows("720p/00004.ts", 188));
    }
}
