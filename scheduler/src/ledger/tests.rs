//! What the ledger promises, on real files.

use std::path::PathBuf;

use segue_model::{FailureClass, Hash, JobId};
use tempfile::TempDir;

use super::*;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("segue.db");
    (folder, path)
}

fn job(name: &str) -> JobId {
    JobId(Hash::of(name.as_bytes()))
}

fn claim(name: &str, text: &str) -> BatchClaim {
    BatchClaim { job: job(name), claim: text.to_owned(), deadline_unix_ms: None }
}

fn failed(segment: u32) -> Failed {
    Failed { class: Some(FailureClass::Source), message: "no picture".to_owned(), segment }
}

async fn opened(path: &Path) -> (Ledger, Remembered, JoinHandle<()>) {
    Ledger::open(path).await.expect("a ledger")
}

async fn closed(ledger: Ledger, task: JoinHandle<()>) {
    drop(ledger);
    task.await.expect("closed");
}

async fn refused(path: &Path) -> String {
    Ledger::open(path).await.map(|_| ()).expect_err("refused").to_string()
}

#[tokio::test]
async fn each_start_begins_a_later_term() {
    let (_folder, path) = folder();
    for expected in 1..4 {
        let (ledger, remembered, task) = opened(&path).await;
        assert_eq!(remembered.term, Term(expected));
        closed(ledger, task).await;
    }
    let (ledger, _, task) = opened(&path).await;
    ledger.outlive(Term(70)).await.expect("written");
    closed(ledger, task).await;
    assert_eq!(opened(&path).await.1.term, Term(71));
}

#[tokio::test]
async fn a_second_scheduler_is_refused_and_told_which_file() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    let words = refused(&path).await;
    assert!(words.contains("segue.db is in use by another scheduler"), "{words}");
    ledger.claim(claim("a", "still works")).await.expect("written");
    closed(ledger, task).await;
    assert_eq!(opened(&path).await.1.claims.len(), 1);
}

#[tokio::test]
async fn claims_are_read_as_they_came_however_many_and_whatever_they_are_called() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    // More than are read together, the latest first in the order that they are kept in.
    let texts = ["\"\\\n\u{1}", "", "Ängel \u{1f980}", "x"].into_iter().map(str::to_owned);
    let texts = texts.chain((0..10_500).rev().map(|number| format!("claim {number:05}")));
    let claims: Vec<BatchClaim> = texts
        .map(|text| BatchClaim { deadline_unix_ms: Some(1 << 62), ..claim("a", &text) })
        .collect();
    let writing: Vec<_> = claims
        .iter()
        .map(|claim| {
            let (ledger, claim) = (ledger.clone(), claim.clone());
            tokio::spawn(async move { ledger.claim(claim).await.expect("written") })
        })
        .collect();
    let mut written = Vec::new();
    for (claim, writing) in claims.into_iter().zip(writing) {
        written.push((claim, writing.await.expect("no panic")));
    }
    written.sort_by_key(|(_, written)| *written);
    closed(ledger, task).await;
    assert_eq!(opened(&path).await.1.claims, written);
}

#[tokio::test]
async fn claims_survive_without_an_orderly_end() {
    let (folder, path) = folder();
    let (ledger, _, _task) = opened(&path).await;
    let deadline = BatchClaim { deadline_unix_ms: Some(7), ..claim("a", "one") };
    ledger.claim(deadline.clone()).await.expect("written");
    let two = ledger.claim(claim("b", "two")).await.expect("written");
    ledger.forget(job("b"), "two".to_owned(), two).await.expect("written");
    ledger.claim(claim("c", "three")).await.expect("written");
    // As after a power failure: what is on the disk, with nothing written back.
    let copy = folder.path().join("copy.db");
    std::fs::copy(&path, &copy).expect("copied");
    std::fs::copy(folder.path().join("segue.db-wal"), folder.path().join("copy.db-wal"))
        .expect("copied");
    let (_ledger, remembered, _task) = opened(&copy).await;
    let claims: Vec<_> = remembered.claims.into_iter().map(|(claim, _)| claim).collect();
    assert_eq!(claims, [deadline, claim("c", "three")]);
}

#[tokio::test]
async fn many_writes_at_once_are_all_durable_in_few_transactions() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    let writes = (0..500).map(|n| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.claim(claim(&n.to_string(), "it")).await })
    });
    let mut numbers = Vec::new();
    for write in writes.collect::<Vec<_>>() {
        numbers.push(write.await.expect("not cancelled").expect("written"));
    }
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 500, "each write has a number of its own");
    closed(ledger, task).await;
    assert_eq!(opened(&path).await.1.claims.len(), 500);
}

#[tokio::test]
async fn who_forgets_an_old_claim_does_not_forget_the_new_one() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    let first = ledger.claim(claim("a", "it")).await.expect("written");
    let second = ledger.claim(claim("a", "it")).await.expect("written");
    assert!(first < second);
    ledger.forget(job("a"), "it".to_owned(), first).await.expect("written");
    closed(ledger, task).await;
    let (_ledger, remembered, _task) = opened(&path).await;
    assert_eq!(remembered.claims, [(claim("a", "it"), second)]);
}

#[tokio::test]
async fn a_failure_is_remembered_until_the_job_is_claimed_again() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    let written = ledger.claim(claim("a", "it")).await.expect("written");
    ledger.fail(job("a"), failed(3), written).await.expect("written");
    ledger.fail(job("b"), failed(5), written).await.expect("written");
    closed(ledger, task).await;
    let (ledger, remembered, task) = opened(&path).await;
    assert_eq!(remembered.claims, []);
    assert_eq!(remembered.failures, [(job("a"), failed(3)), (job("b"), failed(5))]);
    ledger.claim(claim("a", "it")).await.expect("written");
    ledger.pardon(job("b")).await.expect("written");
    closed(ledger, task).await;
    assert_eq!(opened(&path).await.1.failures, []);
}

#[tokio::test]
async fn a_failure_that_is_written_late_does_not_undo_a_later_claim() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    let first = ledger.claim(claim("a", "one")).await.expect("written");
    ledger.claim(claim("a", "again")).await.expect("written");
    ledger.fail(job("a"), failed(3), first).await.expect("written");
    closed(ledger, task).await;
    let (_ledger, remembered, _task) = opened(&path).await;
    assert_eq!(remembered.failures, []);
    let claims: Vec<_> = remembered.claims.iter().map(|(claim, _)| claim.claim.as_str()).collect();
    assert_eq!(claims, ["again"]);
}

#[tokio::test]
async fn what_is_no_ledger_is_refused_and_left_alone() {
    let (folder, path) = folder();
    let words = refused(folder.path()).await;
    assert!(words.contains("is a directory"), "{words}");

    let text = "not a database, and long enough to be looked at as one. ".repeat(40);
    std::fs::write(&path, &text).expect("written");
    let words = refused(&path).await;
    assert!(words.contains("segue.db is not a database"), "{words}");
    assert_eq!(std::fs::read_to_string(&path).expect("text"), text);

    let words = refused(&folder.path().join("missing/segue.db")).await;
    assert!(words.contains("its directory has to exist"), "{words}");

    let other = folder.path().join("other.db");
    make(&other, &["CREATE TABLE films (name TEXT)"]).await;
    let words = refused(&other).await;
    assert!(words.contains("is a database of something else"), "{words}");
}

#[tokio::test]
async fn a_ledger_of_an_older_version_is_brought_up_to_date_and_keeps_what_it_has() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    ledger.claim(claim("film", "it")).await.expect("written");
    closed(ledger, task).await;
    // As the first version left it.
    make(&path, &["DROP TABLE wanted", "DROP TABLE drains", "PRAGMA user_version = 1"]).await;

    let (ledger, remembered, task) = opened(&path).await;
    assert_eq!((remembered.claims.len(), remembered.drains.len()), (1, 0));
    let worker = WorkerId(u64::MAX - 3);
    for (worker, drain) in [(worker, true), (WorkerId(7), true), (WorkerId(7), false)] {
        ledger.drain(worker, drain).await.expect("written");
    }
    closed(ledger, task).await;
    let (_, remembered, _) = opened(&path).await;
    assert_eq!(remembered.drains, [worker]);
}

#[tokio::test]
async fn a_newer_ledger_is_refused_with_what_to_update() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    closed(ledger, task).await;
    make(&path, &["PRAGMA user_version = 9"]).await;
    let words = refused(&path).await;
    assert!(words.contains("schema 9") && words.contains("update this scheduler"), "{words}");
}

#[tokio::test]
async fn a_damaged_ledger_says_so() {
    let (_folder, path) = folder();
    let (ledger, _, task) = opened(&path).await;
    for n in 0..200 {
        ledger.claim(claim(&n.to_string(), "it")).await.expect("written");
    }
    closed(ledger, task).await;
    let mut bytes = std::fs::read(&path).expect("the file");
    assert!(bytes.len() > 12_288, "{}", bytes.len());
    bytes[4096..].fill(0x5a);
    std::fs::write(&path, bytes).expect("written");
    let words = refused(&path).await;
    assert!(words.contains("is damaged") && words.contains("restore"), "{words}");
}

#[tokio::test]
async fn a_full_disk_refuses_writes_and_is_forgiven_when_there_is_room() {
    let (_folder, path) = folder();
    let (mut connection, remembered) = open::open(&path).await.expect("a ledger");
    assert_eq!(remembered.term, Term(1));
    // The smallest that SQLite takes is what is in use: from now on there is no room.
    sqlx::query("PRAGMA max_page_count = 1").execute(&mut connection).await.expect("set");
    let (requests, receiver) = mpsc::channel(16);
    tokio::spawn(write::Writer::new(connection, path, 0).run(receiver));
    let ledger = Ledger { requests };
    let mut refused = None;
    for n in 0..500 {
        if let Err(error) = ledger.claim(claim(&n.to_string(), "it")).await {
            refused = Some(error.to_string());
            break;
        }
    }
    let words = refused.expect("the disk is full");
    assert!(words.contains("segue.db cannot be written") && words.contains("make room"), "{words}");
    let first = claim("0", "it");
    ledger.forget(first.job, first.claim, Written(u64::MAX >> 1)).await.expect("room is made");
}

async fn make(path: &Path, statements: &[&'static str]) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let connection = <sqlx::SqliteConnection as sqlx::Connection>::connect_with(&options);
    let mut connection = connection.await.expect("a database");
    for statement in statements {
        sqlx::query(*statement).execute(&mut connection).await.expect("done");
    }
    sqlx::Connection::close(connection).await.expect("closed");
}
