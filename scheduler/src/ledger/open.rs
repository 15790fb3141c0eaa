//! Opening a ledger: whether it is one, whether it is free, and what it remembers.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use segue_model::pool::{Term, WorkerId};
use segue_model::{Hash, JobId};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteLockingMode, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{ConnectOptions, Connection, Executor, Row};
use tokio::time::Instant;

use super::{BatchClaim, Remembered, Written};
use crate::summary::Failed;

/// What this version writes: so many of the [`STEPS`].
const SCHEMA: i64 = STEPS.len() as i64;
/// Marks a file as a ledger: 'Segu'.
const APPLICATION: i64 = 0x5365_6775;
/// Who was killed lets go of its files at once, and who is ending within this.
const HELD: Duration = Duration::from_millis(1500);
const RETRY: Duration = Duration::from_millis(50);
/// Claims that are read together.
const PAGE: usize = 10_000;

/// What makes a ledger, version by version: those that a file lacks are taken when it is opened. A
/// step that was released is never changed.
const STEPS: [&str; 2] = [
    "
    CREATE TABLE leadership (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        term INTEGER NOT NULL,
        store TEXT
    ) STRICT;
    INSERT INTO leadership (one, term) VALUES (1, 0);
    CREATE TABLE claims (
        job BLOB NOT NULL,
        claim TEXT NOT NULL,
        deadline_unix_ms INTEGER,
        since_unix_ms INTEGER NOT NULL,
        written INTEGER NOT NULL,
        PRIMARY KEY (job, claim)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE failures (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        job BLOB NOT NULL UNIQUE,
        failed TEXT NOT NULL
    ) STRICT;
    ",
    "
    CREATE TABLE wanted (
        job BLOB NOT NULL PRIMARY KEY,
        at_unix_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE drains (worker INTEGER PRIMARY KEY) STRICT;
    ",
];

/// Why a ledger cannot be used. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another scheduler has it.
    #[error(
        "the ledger {0} is in use by another scheduler: end that one, or name another file with --ledger"
    )]
    InUse(PathBuf),
    /// It is something else.
    #[error(
        "the ledger {path} {what}: name another file with --ledger; it is made if there is none"
    )]
    NoLedger {
        /// Which file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A later version wrote it.
    #[error(
        "the ledger {path} was written by a later version of Segue (schema {found}, this one knows \
         {SCHEMA}): update this scheduler"
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// It cannot be read.
    #[error(
        "the ledger {path} is damaged ({reason}): restore it from a copy, or move it away and start \
         anew; batches have to be submitted again then, and what is in the store stays"
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// The system does not let us.
    #[error("the ledger {path} cannot be used: {reason} ({remedy})")]
    Refused {
        /// Which file.
        path: PathBuf,
        /// What SQLite says.
        reason: String,
        /// What to do.
        remedy: &'static str,
        /// Whether it may work later, just as it was asked for.
        may_pass: bool,
    },
}

impl OpenError {
    /// Whether it may work later, just as it was asked for.
    pub fn may_pass(&self) -> bool {
        matches!(self, OpenError::Refused { may_pass: true, .. })
    }
}

/// Opens the file at `path`, begins a term, and reads everything.
pub(super) async fn open(path: &Path) -> Result<(SqliteConnection, Remembered), OpenError> {
    if path.is_dir() {
        return Err(OpenError::NoLedger { path: path.to_owned(), what: "is a directory" });
    }
    let give_up_at = Instant::now() + HELD;
    loop {
        match try_open(path).await {
            Err(OpenError::InUse(_)) if Instant::now() < give_up_at => {
                tokio::time::sleep(RETRY).await;
            }
            other => return other,
        }
    }
}

async fn try_open(path: &Path) -> Result<(SqliteConnection, Remembered), OpenError> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .busy_timeout(Duration::ZERO)
        .locking_mode(SqliteLockingMode::Exclusive)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .row_buffer_size(1024)
        .disable_statement_logging();
    let wrong = |error: sqlx::Error| explain(path, &error);
    let mut connection = SqliteConnection::connect_with(&options).await.map_err(wrong)?;
    prepare(path, &mut connection).await?;
    // The first write takes the lock, and keeps it.
    let (term, store) = begin_term(&mut connection).await.map_err(wrong)?;
    let claims = read_claims(&mut connection).await.map_err(wrong)?;
    let failures = read_failures(&mut connection).await.map_err(wrong)?;
    let wanted = read_wanted(&mut connection).await.map_err(wrong)?;
    let drains = read_drains(&mut connection).await.map_err(wrong)?;
    Ok((connection, Remembered { term, store, claims, failures, wanted, drains }))
}

async fn prepare(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    let wrong = |error: sqlx::Error| explain(path, &error);
    let schema: i64 = sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(&mut *connection)
        .await
        .map_err(wrong)?;
    let application: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(wrong)?;
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_master")
        .fetch_one(&mut *connection)
        .await
        .map_err(wrong)?;
    let fresh = schema == 0 && application == 0 && tables == 0;
    if !fresh && application != APPLICATION {
        let what = "is a database of something else";
        return Err(OpenError::NoLedger { path: path.to_owned(), what });
    }
    if schema > SCHEMA {
        return Err(OpenError::Newer { path: path.to_owned(), found: schema });
    }
    if schema == SCHEMA {
        return Ok(());
    }
    let mut transaction = connection.begin().await.map_err(wrong)?;
    let steps = STEPS.iter().skip(schema.max(0) as usize);
    let statements = steps.flat_map(|step| step.split_inclusive(';'));
    for statement in statements.filter(|text| !text.trim().is_empty()) {
        transaction.execute(statement).await.map_err(wrong)?;
    }
    // Numbers cannot be bound in a pragma; these are SCHEMA and APPLICATION.
    transaction.execute("PRAGMA user_version = 2").await.map_err(wrong)?;
    transaction.execute("PRAGMA application_id = 1399154549").await.map_err(wrong)?;
    transaction.commit().await.map_err(wrong)
}

async fn begin_term(connection: &mut SqliteConnection) -> sqlx::Result<(Term, Option<String>)> {
    let begun = "UPDATE leadership SET term = term + 1 WHERE one = 1 RETURNING term, store";
    let row = sqlx::query(begun).fetch_one(connection).await?;
    Ok((Term(row.try_get::<i64, _>(0)? as u64), row.try_get(1)?))
}

/// As they came. A row each would cost the driver several times what the reading does, and a ledger of
/// 100,000 claims is to be open within a fraction of a second: rows come as the rows of a JSON array.
async fn read_claims(
    connection: &mut SqliteConnection,
) -> sqlx::Result<Vec<(BatchClaim, Written)>> {
    let page = "SELECT json_group_array(json_array(hex(job), claim, deadline_unix_ms, written)) \
        FROM (SELECT * FROM claims WHERE (job, claim) > ($1, $2) ORDER BY job, claim LIMIT $3)";
    let (mut claims, mut after) = (Vec::new(), (Vec::new(), String::new()));
    loop {
        let query = sqlx::query_scalar(page).bind(after.0).bind(after.1).bind(PAGE as i64);
        let text: String = query.fetch_one(&mut *connection).await?;
        let rows: Vec<ClaimRow> =
            serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(error.into()))?;
        let count = rows.len();
        claims.extend(rows.into_iter().map(claim).collect::<sqlx::Result<Vec<_>>>()?);
        match claims.last() {
            Some((BatchClaim { job, claim, .. }, _)) if count == PAGE => {
                after = (job.0.0.to_vec(), claim.clone());
            }
            _ => break,
        }
    }
    claims.sort_unstable_by_key(|(_, written)| *written);
    Ok(claims)
}

/// Job, claim, deadline, number of the writing.
type ClaimRow<'a> = (Cow<'a, str>, String, Option<i64>, i64);

fn claim((job, claim, deadline, written): ClaimRow<'_>) -> sqlx::Result<(BatchClaim, Written)> {
    let job = Hash::from_hex(&job).map(JobId);
    let job = job.ok_or_else(|| sqlx::Error::Decode("a job's id is not one".into()))?;
    let deadline_unix_ms = deadline.map(|at| at as u64);
    Ok((BatchClaim { job, claim, deadline_unix_ms }, Written(written as u64)))
}

async fn read_failures(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(JobId, Failed)>> {
    let all = "SELECT job, failed FROM failures ORDER BY number";
    let rows = sqlx::query(all).fetch_all(connection).await?;
    let failure = |row: &SqliteRow| {
        let failed = serde_json::from_str(row.try_get(1)?);
        Ok((job_id(row.try_get(0)?)?, failed.map_err(|e| sqlx::Error::Decode(e.into()))?))
    };
    rows.iter().map(failure).collect()
}

async fn read_wanted(connection: &mut SqliteConnection) -> sqlx::Result<Vec<(JobId, u64)>> {
    let rows = sqlx::query("SELECT job, at_unix_ms FROM wanted").fetch_all(connection).await?;
    let wanted =
        |row: &SqliteRow| Ok((job_id(row.try_get(0)?)?, row.try_get::<i64, _>(1)?.max(0) as u64));
    rows.iter().map(wanted).collect()
}

async fn read_drains(connection: &mut SqliteConnection) -> sqlx::Result<Vec<WorkerId>> {
    let rows = sqlx::query("SELECT worker FROM drains").fetch_all(connection).await?;
    let worker = |row: &SqliteRow| Ok(WorkerId(row.try_get::<i64, _>(0)?.cast_unsigned()));
    rows.iter().map(worker).collect()
}

fn job_id(bytes: &[u8]) -> sqlx::Result<JobId> {
    let hash = <[u8; 32]>::try_from(bytes).map_err(|e| sqlx::Error::Decode(e.into()))?;
    Ok(JobId(Hash(hash)))
}

/// What SQLite's result codes mean to whoever named the file.
fn explain(path: &Path, error: &sqlx::Error) -> OpenError {
    let path = path.to_owned();
    let reason = words(error);
    let code = primary_code(error);
    // No room, or a disk that fails.
    let may_pass = matches!(code, Some(10 | 13));
    let refused = |remedy| OpenError::Refused {
        path: path.clone(),
        reason: reason.clone(),
        remedy,
        may_pass,
    };
    match code {
        Some(5 | 6) => OpenError::InUse(path),
        Some(26) => OpenError::NoLedger { path, what: "is not a database" },
        Some(11) => OpenError::Damaged { path, reason },
        // What it says itself cannot be read.
        None if matches!(error, sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. }) => {
            OpenError::Damaged { path, reason }
        }
        Some(1) => OpenError::Damaged { path, reason },
        Some(13) => refused("make room on that disk"),
        Some(8) => refused("it must be allowed to write the file and its directory"),
        Some(14) => refused("its directory has to exist, and it must be allowed to write there"),
        Some(10) => refused("the disk fails, or its file system cannot lock files"),
        _ => refused("--ledger names another file"),
    }
}

/// What SQLite says, without the library's preamble.
pub(super) fn words(error: &sqlx::Error) -> String {
    match error.as_database_error() {
        Some(error) => error.message().to_owned(),
        None => error.to_string(),
    }
}

/// SQLite's result code, without the details.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error()?.code()?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}
