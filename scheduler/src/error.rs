//! Why a scheduler does not run: one line for a person, and an exit code for a script.

use std::net::SocketAddr;
use std::process::ExitCode;

use segue_model::pool::{Term, WorkerId};
use segue_store::{Kind, StoreError};

use crate::ledger::{LedgerError, OpenError};

/// Why a scheduler did not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Somebody else could reach it, and nothing would keep them out.
    #[error(
        "--listen {0} could be reached from other machines, and there is neither TLS nor \
         authentication yet: listen on 127.0.0.1, or say --insecure if everybody who can reach it may \
         use it"
    )]
    Exposed(SocketAddr),
    /// The address is taken, or not ours.
    #[error("cannot listen on {address}: {error} (--listen names another address)")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] OpenError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The ledger promises jobs that are elsewhere.
    #[error(
        "the ledger {ledger} belongs to store '{known}', and {store} is store '{found}': mount or name \
         the right store, or name another ledger with --ledger"
    )]
    OtherStore {
        /// Which file.
        ledger: String,
        /// Where the store is.
        store: String,
        /// The identity of the store that the ledger knows.
        known: String,
        /// The identity of this one.
        found: String,
    },
    /// The ledger cannot be written.
    #[error(transparent)]
    LedgerFailed(#[from] LedgerError),
    /// Somebody led after this one.
    #[error(
        "worker {} goes by term {}, which is later than this scheduler's ({}): another scheduler led \
         since, by another ledger or a newer copy of this one. The ledger is past that term now; \
         start again to lead after it",
        .worker.0, .term.0, .own.0
    )]
    Outranked {
        /// Who says so.
        worker: WorkerId,
        /// By whom.
        term: Term,
        /// Who we are.
        own: Term,
    },
    /// A bug.
    #[error("the scheduler's own state is lost: {0}; this is a bug")]
    Bug(String),
    /// The machine does not let us.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: &'static str,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
}

impl Error {
    /// 2 for what cannot be done as asked; 1 for what failed and may work when it is tried again.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Error::Ledger(error) if error.may_pass() => 1,
            // A store that refuses is told at once to whoever starts a pool; workers, which join one
            // that is known to work, wait for it.
            Error::Store(error) if matches!(error.kind(), Kind::Unavailable | Kind::Full) => 1,
            Error::Exposed(_)
            | Error::Listen { .. }
            | Error::Ledger(_)
            | Error::Store(_)
            | Error::OtherStore { .. } => 2,
            // It could be written a moment before.
            Error::LedgerFailed(_)
            | Error::Outranked { .. }
            | Error::Bug(_)
            | Error::System { .. } => 1,
        })
    }
}
