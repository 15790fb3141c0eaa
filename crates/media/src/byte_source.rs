//! Where media bytes come from: the caller opens, this crate only reads.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Random access to a source's bytes.
pub trait ByteSource: Send {
    /// Fills the start of `buffer` from `position`; 0 at the end. May return fewer bytes than asked.
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// How many bytes there are; `None` for a stream that can only be read on from where it is.
    fn size(&self) -> Option<u64>;
}

/// An open file (or anything a descriptor can be read from at positions).
#[derive(Debug)]
pub struct FileSource {
    file: File,
    size: u64,
}

impl FileSource {
    /// Reads `file` as it is now: its size is asked once.
    pub fn new(file: File) -> io::Result<FileSource> {
        // Not from its metadata: a process that may ask for those may look up any file by its name,
        // so a sandbox refuses it. Reads name their positions, so the descriptor's own is free.
        let size = (&file).seek(SeekFrom::End(0))?;
        Ok(FileSource { file, size })
    }
}

impl ByteSource for FileSource {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => return done,
            }
        }
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }
}

/// A flag that stops work from another thread; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Asks everyone who holds a clone to stop.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody did.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
