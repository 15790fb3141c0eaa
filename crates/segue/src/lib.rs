//! The command line of Segue, and the span processes under it.
//!
//! A library so that span processes can be started by other binaries and by tests; [`command`] is
//! what `main` runs. Start at [`transcode::run`] to follow a film through, and at [`span_process`]
//! for the children that do the dangerous part.

#![forbid(unsafe_code)]

pub mod command;
pub mod ending;
mod interrupt;
pub mod output;
pub mod progress;
pub mod source;
pub mod span_process;
pub mod transcode;
