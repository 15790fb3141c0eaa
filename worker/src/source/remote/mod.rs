//! Films in buckets, read by this process for its children.
//!
//! ```text
//! child ─ wire ─▶ serve ─▶ Reader ─▶ blocks ─▶ fetch ─▶ server
//!                             └ ahead ┘
//! ```
//!
//! Decided here: what is fetched when ([`ahead`]), what is kept ([`blocks`]), what is asked again
//! ([`fetch`]) and what a refusal means ([`words`]). Every request is made on the condition that the
//! object is still what was opened, so bytes of two states never mix.
//!
//! Nothing is written to disk, and nothing is fetched that no child asked for or is about to ask for.
//! Other schemes than `s3://` need only another [`object_store::ObjectStore`] in [`Sources`].

mod ahead;
mod blocks;
mod fetch;
mod film;
mod object;
mod serve;
mod sources;
mod words;

pub(crate) use film::RemoteFilm;
pub(crate) use object::Object;
pub use sources::{RemoteLimits, Sources};
