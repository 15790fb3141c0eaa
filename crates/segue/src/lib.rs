//! The command line of Segue, and the span processes under it.
//!
//! [`command`] is what `main` runs. Start at [`transcode::run`] to follow a film through one machine;
//! the children that do the dangerous part are `segue_worker::span_process`.

#![forbid(unsafe_code)]

mod bars;
pub mod command;
pub mod doctor;
pub mod ending;
mod interrupt;
pub mod output;
pub mod pool;
pub mod progress;
pub mod transcode;
