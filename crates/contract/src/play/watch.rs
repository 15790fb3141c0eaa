//! What happens in a directory, in the order in which the kernel saw it: no polling can miss it,
//! and how fast this machine is changes nothing.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};

use crate::error::ContractError;

/// What happened to a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The name is there: made, or moved in.
    Created,
    /// Its content changed.
    Written,
    /// The name is gone.
    Removed,
}

/// A name and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The file's name.
    pub name: String,
    /// What happened.
    pub change: Change,
}

/// Watches one directory.
pub struct Watch {
    descriptor: OwnedFd,
    directory: PathBuf,
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// When the directory is not there, or the user's watches are used up.
    pub fn new(directory: &Path) -> Result<Self, ContractError> {
        let failed = |error: rustix::io::Errno| ContractError::file(directory)(error.into());
        let descriptor =
            inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).map_err(failed)?;
        let wanted = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO;
        inotify::add_watch(&descriptor, directory, wanted).map_err(failed)?;
        Ok(Self { descriptor, directory: directory.to_owned() })
    }

    /// What happened since the last time.
    ///
    /// # Errors
    /// When more happened than the kernel could keep.
    pub fn drain(&mut self) -> Result<Vec<Seen>, ContractError> {
        let mut buffer = [MaybeUninit::uninit(); 1 << 14];
        let mut reader = Reader::new(&self.descriptor, &mut buffer);
        let mut seen = Vec::new();
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(rustix::io::Errno::AGAIN) => return Ok(seen),
                Err(error) => return Err(ContractError::file(&self.directory)(error.into())),
            };
            let happened = event.events();
            if happened.contains(ReadFlags::QUEUE_OVERFLOW) {
                let full = std::io::Error::other(
                    "more happened here than the kernel kept (fs.inotify.max_queued_events)",
                );
                return Err(ContractError::file(&self.directory)(full));
            }
            let Some(name) = event.file_name() else { continue };
            let change = if happened.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                Change::Created
            } else if happened.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                Change::Removed
            } else {
                Change::Written
            };
            seen.push(Seen { name: name.to_string_lossy().into_owned(), change });
        }
    }
}
