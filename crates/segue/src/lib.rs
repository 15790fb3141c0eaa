//! The command line of Segue, and the span processes under it.
//!
//! A library so that span processes can be started by other binaries and by tests; [`command`] is
//! what `main` runs. Start at [`command::transcode`] to follow a film through.

#![forbid(unsafe_code)]

pub mod span_process;
