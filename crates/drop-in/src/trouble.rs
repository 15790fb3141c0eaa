//! Why a pool did not do what a line asks for.

/// Why a pool did not do what a line asks for. Nothing was written for it, and nothing said of it on
/// standard error, so that something else may do the whole of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// No scheduler answers, or none has a worker that could do it. Says who was asked, and what to
    /// do.
    #[error("{0}")]
    Unreachable(String),
    /// The pool has no room, and had none for as long as was to be waited.
    #[error("{0}")]
    Busy(String),
    /// Looked at with its source, it is no job after all, but a command: why.
    #[error("it has to run as it is: {0}")]
    NotAJob(String),
    /// It opens what only this machine has, or what nobody follows: what, and why.
    #[error("{0}")]
    NotElsewhere(String),
}
