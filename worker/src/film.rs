//! What a job reads, wherever it is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use segue_model::Source;

use crate::source::{LocalSource, Place, RemoteFilm, SourceError, Sources};

/// An open source, by the name a job gives it.
pub struct Film {
    name: String,
    source: Source,
    opened: Opened,
}

enum Opened {
    Local(LocalSource),
    Remote(RemoteFilm),
}

impl Film {
    /// Opens what `url` names and takes its fingerprint. Blocks, so not for a thread of a runtime.
    pub fn open(url: &str, sources: &Sources) -> Result<Film, SourceError> {
        let (name, fingerprint, opened) = match Place::of(url)? {
            Place::File(path) => {
                let local = LocalSource::open(&path)?;
                let fingerprint = local.source().fingerprint.clone();
                (path.display().to_string(), fingerprint, Opened::Local(local))
            }
            Place::Object(object) => {
                let remote = RemoteFilm::open(url, &object, sources)?;
                (url.to_owned(), remote.fingerprint().clone(), Opened::Remote(remote))
            }
        };
        Ok(Film { name, source: Source { url: url.to_owned(), fingerprint }, opened })
    }

    /// Opens a file of this machine.
    pub fn open_file(path: &Path) -> Result<Film, SourceError> {
        let local = LocalSource::open(path)?;
        let (name, source) = (path.display().to_string(), local.source().clone());
        Ok(Film { name, source, opened: Opened::Local(local) })
    }

    /// Its name, and what it was when it was opened.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// As a person calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it still is that: a file by what the system says now, anything else by what its server
    /// said when it was last read.
    pub fn is_unchanged(&self) -> bool {
        match &self.opened {
            Opened::Local(local) => local.is_unchanged(),
            Opened::Remote(remote) => remote.is_unchanged(),
        }
    }

    /// What a child reads it by: the file, or a socket behind which this process reads it.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        match &self.opened {
            Opened::Local(local) => local.as_fd().try_clone_to_owned(),
            Opened::Remote(remote) => remote.descriptor(),
        }
    }
}
