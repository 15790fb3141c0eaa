//! A scheduler as its clients and workers find it: the real server, the real ledger and store, and
//! workers that are real sessions. Only their processes are not: segments are bytes of no meaning.

mod alone;
mod cancelling;
mod house;
mod joining;
mod looking;
mod making;
mod removing;
mod restarting;
mod viewing;
mod worker;

// Not all that it offers is used here.
#[path = "../../../crates/model/tests/sample/mod.rs"]
mod sample;
