//! What a job reads, wherever it is.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use segue_model::Source;

use crate::source::{LocalSource, SourceError, path_of};

/// An open source, by the name a job gives it.
pub struct Film {
    name: String,
    source: Source,
    local: LocalSource,
}

impl Film {
    /// Opens what `url` names and takes its fingerprint. Blocks.
    pub fn open(url: &str) -> Result<Film, SourceError> {
        let Some(path) = path_of(url) else {
            return Err(SourceError(format!(
                "{url} is no source: write file:///path as the workers see it"
            )));
        };
        let local = LocalSource::open(&path)?;
        let fingerprint = local.source().fingerprint.clone();
        let source = Source { url: url.to_owned(), fingerprint };
        Ok(Film { name: path.display().to_string(), source, local })
    }

    /// Opens a file of this machine.
    pub fn open_file(path: &Path) -> Result<Film, SourceError> {
        let local = LocalSource::open(path)?;
        Ok(Film { name: path.display().to_string(), source: local.source().clone(), local })
    }

    /// Its name, and what it was when it was opened.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// As a person calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it still is that.
    pub fn is_unchanged(&self) -> bool {
        self.local.is_unchanged()
    }

    /// What a child reads it by.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        self.local.as_fd().try_clone_to_owned()
    }
}
