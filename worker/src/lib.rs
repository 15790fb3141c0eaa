//! The daemon on a machine that encodes: joins a scheduler, makes spans in processes of their own,
//! and puts what they make into the store.

#![forbid(unsafe_code)]

mod arguments;
pub mod command;
mod control;
mod daemon;
mod describe;
mod devices;
mod film;
mod lead;
mod link;
mod question;
mod run;
mod segments;
mod shelf;
mod shop;
mod source;
pub mod span_process;
mod upload;
mod usage;

pub use arguments::{Arguments, WorkerError};
pub use control::Control;
pub use describe::{DescribeError, describe};
pub use devices::{Trial, TrialError, trial};
pub use film::Film;
pub use run::run;
pub use source::{LocalSource, RemoteLimits, RemoteSource, SourceError, Sources, file_url};

/// An error and its causes in one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        text = format!("{text}: {because}");
        cause = because.source();
    }
    text
}
