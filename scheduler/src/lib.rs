//! Takes jobs and gives their spans to workers: hosts the planner, keeps batch claims in a ledger,
//! and never touches a byte of media.
//!
//! ```text
//! clients ─▶ service::{submit, jobs, demand, admin} ─┐         ┌─▶ ledger  (batch claims, terms)
//! workers ─▶ service::workers ───────────────────────┴▶ leader ┤
//!                                                     (Planner)└─▶ store   (jobs, playlists)
//! ```
//!
//! Start at [`serve`] for the process, at `leader` for what is decided by whom. Which worker makes
//! what is decided in `segue-dispatch`, never here.

#![forbid(unsafe_code)]

mod arguments;
mod clock;
mod cost;
mod error;
mod leader;
mod ledger;
mod meters;
mod retention;
mod serve;
mod service;
mod summary;
mod web;

pub use arguments::{Arguments, run};
pub use cost::facts as job_facts;
pub use error::Error;
pub use ledger::{LedgerError, OpenError};
pub use retention::Keep;
pub use serve::{Scheduler, Settings, serve};
