//! Where a film is cut, what its objects are called and what its playlists say, as pure functions
//! of a job: any process renders the same bytes, with no coordination.
//!
//! Nothing here does I/O, reads a clock or knows libav. Start at [`plan()`] for a whole job, at [`timeline`] for the cuts and at
//! [`playlist`] for what a player reads.

#![forbid(unsafe_code)]

mod bandwidth;
mod boundaries;
pub mod keys;
mod language;
mod plan;
pub mod playlist;

pub use boundaries::{BoundaryError, timeline};
pub use plan::{PlanError, plan, timeline_of};
