//! The gRPC contract in Rust: what is generated from `proto/segue/v1`, and the only conversions
//! between it and `segue-model`. What comes off the wire is checked here, once: a message that
//! cannot be meant is [`Invalid`], which names the field.
//!
//! Nothing is decided here. Start at [`v1`] for the contract, at [`Client`] for the way to a
//! scheduler.

#![forbid(unsafe_code)]

mod client;
mod described;
mod greeting;
mod invalid;
mod picture;
pub mod pool;
pub mod request;
mod source_info;

pub use client::{Client, ClientError};
pub use described::{DESCRIBED_MAX, Described};
pub use greeting::{CommandOffer, Greeting};
pub use invalid::Invalid;

/// What is generated; documented in `proto/segue/v1`.
#[allow(missing_docs, clippy::all)]
pub mod v1 {
    tonic::include_proto!("segue.v1");
}

/// The contract as a set of file descriptors: what reflection serves.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
