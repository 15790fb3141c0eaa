//! What can go wrong with media, by what to do about it.

use std::io;

use segue_model::FailureClass;

use crate::av::AvError;

/// Why media could not be read or made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source cannot be read as media: another worker would fail alike.
    #[error("{what}")]
    Source {
        /// One line for a person.
        what: String,
        /// libav's words, where it had any.
        #[source]
        cause: Option<AvError>,
    },
    /// This machine's libav or encoder failed: try elsewhere.
    #[error("{what}")]
    Worker {
        /// One line for a person.
        what: String,
        /// libav's words, where it had any.
        #[source]
        cause: Option<AvError>,
    },
    /// The source's storage failed: try again after a pause.
    #[error("cannot read the source")]
    Io(#[from] io::Error),
    /// Somebody asked for it to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    pub(crate) fn source(what: impl Into<String>) -> Error {
        Error::Source { what: what.into(), cause: None }
    }

    pub(crate) fn worker(what: impl Into<String>) -> Error {
        Error::Worker { what: what.into(), cause: None }
    }

    /// Who is to blame; `None` when cancelled.
    pub fn class(&self) -> Option<FailureClass> {
        match self {
            Error::Source { .. } => Some(FailureClass::Source),
            Error::Worker { .. } => Some(FailureClass::Worker),
            Error::Io(_) => Some(FailureClass::Transient),
            Error::Cancelled => None,
        }
    }
}

/// libav failing where no stream is to blame: memory, mostly.
impl From<AvError> for Error {
    fn from(cause: AvError) -> Error {
        Error::Worker { what: cause.to_string(), cause: None }
    }
}

/// Puts the blame on whoever an operation concerns.
pub(crate) trait Blame<T> {
    /// The source is at fault.
    fn blame_source(self, what: &str) -> Result<T, Error>;
    /// This worker is at fault.
    fn blame_worker(self, what: &str) -> Result<T, Error>;
}

impl<T> Blame<T> for Result<T, AvError> {
    fn blame_source(self, what: &str) -> Result<T, Error> {
        self.map_err(|cause| Error::Source { what: what.to_owned(), cause: Some(cause) })
    }

    fn blame_worker(self, what: &str) -> Result<T, Error> {
        self.map_err(|cause| Error::Worker { what: what.to_owned(), cause: Some(cause) })
    }
}
