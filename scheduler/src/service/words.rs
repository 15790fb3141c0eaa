//! How a request is refused: codes, words for a person, details for a program.

use std::time::Duration;

use segue_api::Invalid;
use segue_store::{Kind, StoreError};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::leader::Ended;
use crate::ledger::LedgerError;

/// A client that tries again after this finds a scheduler that was restarted.
const SOON: Duration = Duration::from_secs(1);
/// Trouble of storage lasts longer.
const LATER: Duration = Duration::from_secs(5);

/// What is asked for cannot be meant.
pub fn invalid(error: &Invalid) -> Status {
    field(&error.field, &error.reason)
}

/// A field that is wrong, and why.
pub fn field(field: &str, reason: &str) -> Status {
    let details = ErrorDetails::with_bad_request_violation(field, reason);
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {reason}"), details)
}

/// It may work later.
pub fn try_again(words: impl Into<String>, after: Duration) -> Status {
    let details = ErrorDetails::with_retry_info(Some(after));
    Status::with_error_details(Code::Unavailable, words, details)
}

/// The leader is ending.
pub fn ended(_: Ended) -> Status {
    ending()
}

/// All streams end.
pub fn ending() -> Status {
    try_again("the scheduler is ending", SOON)
}

/// The store did not do what it was asked to.
pub fn store(error: &StoreError) -> Status {
    match error.kind() {
        Kind::Damaged => Status::data_loss(error.to_string()),
        _ => try_again(error.to_string(), LATER),
    }
}

/// The ledger did not take it.
pub fn ledger(error: &LedgerError) -> Status {
    try_again(format!("{error}; nothing was promised"), LATER)
}
