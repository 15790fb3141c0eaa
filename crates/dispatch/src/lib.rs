//! Both ends of the scheduler-worker protocol as pure state machines: the [`Planner`] decides which
//! worker makes which span, the [`Session`] is a worker's side of the bargain.
//!
//! Nothing here does I/O, reads a clock, spawns a task or draws a random number: time and events
//! come in as arguments, decisions go out as values, and the same events at the same moments give
//! the same decisions. What travels between the two are values of `segue_model::pool`: whole
//! states, so that loss, repetition and reordering need no cases of their own.
//!
//! Start at [`Planner::handle`] and [`Session::handle`].

#![forbid(unsafe_code)]

mod arena;
mod moment;
pub mod planner;
mod runs;
pub mod session;

pub use moment::{Millis, Moment};
pub use planner::Planner;
pub use runs::Runs;
pub use session::Session;
