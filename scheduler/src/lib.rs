//! Takes jobs and gives their spans to workers: hosts the planner, keeps batch claims in a ledger,
//! and never touches a byte of media.
#![forbid(unsafe_code)]

mod clock;
mod cost;
mod error;
mod ledger;
mod meters;
mod summary;

pub use error::Error;
