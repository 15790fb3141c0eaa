//! libav at work: describing a source, making a span of segments from it, and verifying HLS.
//!
//! Everything here is a function from bytes to bytes: sources are read through a [`ByteSource`] the
//! caller opened, segments are handed out in memory, nothing is written and no process is
//! started. Start at [`describe`] and [`span::run`].

mod av;
mod bits;
mod byte_source;
mod contract;
mod describe;
mod error;
mod sequence_set;
pub mod span;
pub mod verify;

pub use av::AvError;
pub use byte_source::{ByteSource, Cancel, FileSource};
pub use describe::{describe, fingerprint};
pub use error::Error;

/// The last warnings and errors libav had in this process, oldest first: what a failure quotes.
pub fn recent_log() -> Vec<String> {
    av::log::recent()
}
