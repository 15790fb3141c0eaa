//! Writing a ledger: all that waits goes into one transaction, and is answered when that is durable.
//! One flush of the disk serves everybody who came while the last one was under way.

use std::path::PathBuf;
use std::time::Instant;

use segue_model::JobId;
use segue_model::pool::{Term, WorkerId};
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Connection, Sqlite, Transaction};
use tokio::sync::{mpsc, oneshot};
use tracing::{info, warn};

use super::open::{primary_code, words};
use super::{BatchClaim, FAILURES_MAX, LedgerError, Written};
use crate::clock::unix_ms;
use crate::meters;
use crate::summary::Failed;

/// A transaction of more than this is not quicker.
const GROUP_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct Request {
    pub write: Write,
    pub answer: oneshot::Sender<Result<Written, LedgerError>>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Write {
    Claim(BatchClaim),
    Forget { job: JobId, claim: String, written: Written },
    Fail { job: JobId, failed: Failed, written: Written },
    Pardon(JobId),
    Outlive(Term),
    Store(String),
    Wanted { jobs: Vec<JobId>, at_unix_ms: u64 },
    Unwanted(JobId),
    Drain { worker: WorkerId, drain: bool },
}

/// Owns the connection.
pub(super) struct Writer {
    connection: SqliteConnection,
    path: PathBuf,
    /// Counts the writings of claims.
    latest: u64,
    /// Whether the last transaction failed: it is said once, and again when it is over.
    failing: bool,
}

type Query = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

impl Writer {
    pub fn new(connection: SqliteConnection, path: PathBuf, latest: u64) -> Writer {
        Writer { connection, path, latest, failing: false }
    }

    /// Works until the last handle is gone.
    pub async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut group = Vec::new();
        while requests.recv_many(&mut group, GROUP_MAX).await > 0 {
            let begun = Instant::now();
            let (writes, answers): (Vec<_>, Vec<_>) =
                group.drain(..).map(|request| (request.write, request.answer)).unzip();
            let written = self.commit(writes).await;
            meters::ledger_committed(begun.elapsed(), answers.len());
            match written {
                Ok(written) => {
                    self.recovered();
                    for (answer, written) in answers.into_iter().zip(written) {
                        // Nobody waits for some.
                        let _ = answer.send(Ok(written));
                    }
                }
                Err(error) => {
                    let error = self.failed(&error);
                    for answer in answers {
                        let _ = answer.send(Err(error.clone()));
                    }
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            warn!(ledger = %self.path.display(), error = words(&error), "the ledger was not closed");
        }
    }

    /// All of it, or nothing.
    async fn commit(&mut self, writes: Vec<Write>) -> sqlx::Result<Vec<Written>> {
        let mut latest = self.latest;
        let mut transaction = self.connection.begin().await?;
        let mut written = Vec::with_capacity(writes.len());
        for write in writes {
            latest += 1;
            write_one(&mut transaction, write, latest).await?;
            written.push(Written(latest));
        }
        transaction.commit().await?;
        self.latest = latest;
        Ok(written)
    }

    fn failed(&mut self, error: &sqlx::Error) -> LedgerError {
        let remedy = match primary_code(error) {
            Some(13) => ": make room on its disk",
            Some(8 | 14) => ": it must be allowed to write the file and its directory",
            _ => "",
        };
        let words = format!(
            "the ledger {} cannot be written: {}{remedy}",
            self.path.display(),
            words(error)
        );
        if !std::mem::replace(&mut self.failing, true) {
            warn!("{words}; no batch is taken until that is over, playback goes on");
        }
        meters::ledger_failed();
        LedgerError(words)
    }

    fn recovered(&mut self) {
        if std::mem::take(&mut self.failing) {
            info!(ledger = %self.path.display(), "the ledger is written again");
        }
    }
}

async fn write_one(
    transaction: &mut Transaction<'_, Sqlite>,
    write: Write,
    number: u64,
) -> sqlx::Result<()> {
    for query in queries(write, number) {
        query.execute(&mut **transaction).await?;
    }
    Ok(())
}

fn queries(write: Write, number: u64) -> Vec<Query> {
    match write {
        Write::Claim(BatchClaim { job, claim, deadline_unix_ms }) => {
            let text = "INSERT INTO claims (job, claim, deadline_unix_ms, since_unix_ms, written) \
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT (job, claim) DO UPDATE SET \
                deadline_unix_ms = excluded.deadline_unix_ms, written = excluded.written";
            let insert = sqlx::query(text)
                .bind(job.0.0.to_vec())
                .bind(claim)
                .bind(deadline_unix_ms.map(|at| at as i64))
                .bind(unix_ms() as i64)
                .bind(number as i64);
            vec![insert, pardon(job)]
        }
        Write::Forget { job, claim, written } => {
            let text = "DELETE FROM claims WHERE job = $1 AND claim = $2 AND written <= $3";
            vec![sqlx::query(text).bind(job.0.0.to_vec()).bind(claim).bind(written.0 as i64)]
        }
        Write::Fail { job, failed, written } => {
            let failed = serde_json::to_string(&failed).unwrap_or_default();
            // One that is written late is past if the job was claimed again meanwhile.
            let text = "INSERT OR REPLACE INTO failures (job, failed) SELECT $1, $2 \
                WHERE NOT EXISTS (SELECT 1 FROM claims WHERE job = $1 AND written > $3)";
            let bounded = "DELETE FROM failures WHERE number <= \
                (SELECT max(number) FROM failures) - $1";
            let claims = "DELETE FROM claims WHERE job = $1 AND written <= $2";
            vec![
                sqlx::query(text).bind(job.0.0.to_vec()).bind(failed).bind(written.0 as i64),
                sqlx::query(bounded).bind(i64::from(FAILURES_MAX)),
                sqlx::query(claims).bind(job.0.0.to_vec()).bind(written.0 as i64),
            ]
        }
        Write::Pardon(job) => vec![pardon(job)],
        Write::Store(store) => {
            let text = "UPDATE leadership SET store = $1 WHERE one = 1";
            vec![sqlx::query(text).bind(store)]
        }
        Write::Wanted { jobs, at_unix_ms } => {
            let text = "INSERT INTO wanted (job, at_unix_ms) VALUES ($1, $2) \
                ON CONFLICT (job) DO UPDATE SET at_unix_ms = excluded.at_unix_ms";
            let one = |job: JobId| sqlx::query(text).bind(job.0.0.to_vec()).bind(at_unix_ms as i64);
            jobs.into_iter().map(one).collect()
        }
        Write::Unwanted(job) => {
            vec![sqlx::query("DELETE FROM wanted WHERE job = $1").bind(job.0.0.to_vec())]
        }
        Write::Drain { worker, drain } => {
            let text = match drain {
                true => "INSERT OR IGNORE INTO drains (worker) VALUES ($1)",
                false => "DELETE FROM drains WHERE worker = $1",
            };
            vec![sqlx::query(text).bind(worker.0.cast_signed())]
        }
        Write::Outlive(term) => {
            let text = "UPDATE leadership SET term = max(term, $1) WHERE one = 1";
            vec![sqlx::query(text).bind(i64::try_from(term.0).unwrap_or(i64::MAX / 2))]
        }
    }
}

fn pardon(job: JobId) -> Query {
    sqlx::query("DELETE FROM failures WHERE job = $1").bind(job.0.0.to_vec())
}
