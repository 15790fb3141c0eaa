//! Span processes: libav runs in children that may crash, hang or be taken over, at the price of
//! one retry.
//!
//! Decided here: how a child is started and shut in ([`sandbox`]), what is said to and by it
//! ([`protocol`]), when it counts as hung ([`Patience`]) and how its end is told ([`Death`]). What
//! is retried, and where segments go, is the caller's.
//!
//! Invariants: a child opens no path, it is given a descriptor; nothing but frames leaves by its
//! standard output; no child outlives its parent, however that ends (death signal, and end of file
//! on its orders); the parent believes nothing it did not check (frame limits, hashes).
//!
//! Start at [`Spawner`] for the parent's side and at [`child::main`] for the child's.

pub mod child;
mod death;
mod patience;
mod process;
pub mod protocol;
pub mod sandbox;
mod spawner;

pub use death::{Death, EndedBy, signal_name};
pub use patience::Patience;
pub use process::{SpanProcess, Trouble, Word};
pub use spawner::{Killer, SpawnError, Spawner};

/// The hidden subcommand under which the binary runs as a span process.
pub const SUBCOMMAND: &str = "span-process";
