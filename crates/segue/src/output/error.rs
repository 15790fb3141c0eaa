//! What can go wrong with the directory a film is made into.

use std::io;
use std::path::{Path, PathBuf};

use segue_model::Job;

/// Why something could not be made there.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// Something is in the way.
    #[error("{path} is a file: --to needs a directory, existing or new", path = path.display())]
    NotADirectory {
        /// What is in the way.
        path: PathBuf,
    },
    /// Two runs must not write to one directory.
    #[error(
        "{directory} is being written to by another segue: wait for it, or choose another \
         directory", directory = directory.display()
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// It holds what somebody else made.
    #[error(
        "{path} is there, and not made by this job: choose another directory, or remove it",
        path = path.display()
    )]
    Foreign {
        /// What is in the way.
        path: PathBuf,
    },
    /// It holds the segments of another job, which do not fit this one's.
    #[error(
        "{directory} holds {what}: choose another directory, or remove it to start over",
        directory = directory.display()
    )]
    OtherJob {
        /// The directory.
        directory: PathBuf,
        /// What is there.
        what: String,
    },
    /// The disk, or the user's share of it.
    #[error("no space is left for {path}", path = path.display())]
    Full {
        /// What did not fit.
        path: PathBuf,
    },
    /// The user may not.
    #[error(
        "{path} may not be written: choose a directory of yours, or allow it with `chmod`",
        path = path.display()
    )]
    Denied {
        /// What may not be written.
        path: PathBuf,
    },
    /// Something else is wrong with the file system.
    #[error("{path} cannot be written", path = path.display())]
    Io {
        /// What was to be written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A process encodes differently from the others: its segments do not fit theirs.
    #[error("{key} differs from what another process made: they do not run the same encoder")]
    InitDiffers {
        /// The init section.
        key: String,
    },
    /// A process made what nobody asked it for.
    #[error("a segment came that is none of this job's")]
    NotOfThisJob,
}

impl OutputError {
    /// What follows from an error about `path`.
    pub(super) fn writing(path: &Path) -> impl Fn(io::Error) -> OutputError + use<> {
        let path = path.to_owned();
        move |source| {
            let path = path.clone();
            match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    OutputError::Full { path }
                }
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    OutputError::Denied { path }
                }
                io::ErrorKind::NotADirectory => OutputError::NotADirectory { path },
                _ => OutputError::Io { path, source },
            }
        }
    }

    /// What differs between the job that is there and the one that is wanted.
    pub(super) fn other_job(directory: &Path, wanted: &Job, there: Option<&Job>) -> OutputError {
        let what = match there {
            None => "a job.json that is damaged or from another version of segue".to_owned(),
            Some(there) if there.source.url != wanted.source.url => {
                format!("segments of another film ({})", there.source.url)
            }
            Some(there) if there.source.fingerprint != wanted.source.fingerprint => {
                "segments of what the film was before it was changed".to_owned()
            }
            Some(_) => "segments of this film made with other settings".to_owned(),
        };
        OutputError::OtherJob { directory: directory.to_owned(), what }
    }

    /// Whether the process that made it is to blame, rather than the directory.
    pub fn blames_process(&self) -> bool {
        matches!(self, OutputError::InitDiffers { .. } | OutputError::NotOfThisJob)
    }
}
