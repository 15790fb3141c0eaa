//! Commands: a line of ffmpeg's runs whole, in a process that is shut in, for a caller who speaks with
//! this worker over one stream.
//!
//! ```text
//!  caller ══ Run ══▶ service ─▶ conduct ─▶ child (exec: sandbox, then ffmpeg) in a scratch directory
//!            ▲                    │ stdin ▶                     │ ▲ inputs over the loopback
//!            ║                    └ ◀ stdout, stderr            │ │
//!            ╚═ files, as they come ◀── watch ◀── inotify ◀─────┘ └── http ◀── reads answered by the caller
//! ```
//!
//! Invariants: a program sees the files of its own scratch directory, its inputs, and what the system's
//! libraries need, nothing else of this machine; it ends with the stream and with this process; its
//! directory is removed then, and at the next start after a crash; what waits to be sent is bounded,
//! and a program that makes more is stopped until it is.
//!
//! Start at [`service::Service`], then `conduct.rs`; at [`exec::main`] for the child's side.

mod child;
mod conduct;
pub mod exec;
mod growth;
mod http;
mod inputs;
mod names;
mod numbered;
mod offer;
mod room;
mod sandbox;
mod scratch;
pub mod service;
mod tickets;
mod watch;

use std::path::PathBuf;

pub use offer::{Offer, OfferError, offer};
pub use scratch::clean;
pub use tickets::Tickets;

/// The hidden subcommand under which the binary shuts itself in and becomes ffmpeg.
pub const SUBCOMMAND: &str = "command-process";

/// How commands run here.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The ffmpeg that runs them.
    pub ffmpeg: PathBuf,
    /// The ffprobe.
    pub ffprobe: PathBuf,
    /// How many at once.
    pub places: u32,
    /// Where they write.
    pub scratch: PathBuf,
    /// Most that one may have there, in bytes.
    pub scratch_max: u64,
    /// Directories whose files callers may name by a path of this machine.
    pub media: Vec<PathBuf>,
    /// The GPU that they get.
    pub device: Option<PathBuf>,
    /// Whether one that asks for it reaches the network.
    pub network: bool,
}
