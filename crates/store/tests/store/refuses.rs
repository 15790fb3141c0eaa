//! Stores that cannot be used, and what is said of them.

use std::sync::atomic::Ordering::SeqCst;

use bytes::Bytes;
use segue_model::{Hash, JobId};
use segue_s3_lab::{BUCKET, Server};
use segue_store::{Created, Kind, Location, S3Settings, Store, StoreError};

use crate::settings;

fn bucket(name: &str) -> Location {
    format!("s3://{name}").parse().expect("a location")
}

fn assert_says(error: &StoreError, kind: Kind, words: &[&str]) {
    assert_eq!(error.kind(), kind, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "no '{word}' in: {error}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_refused_with_the_names_of_the_variables() {
    let server = Server::start();
    for (key, secret) in [("someone", "else"), ("nobody", "x")] {
        let settings = S3Settings::of(server.variables_as(key, secret));
        let error = Store::open(&bucket(BUCKET), &settings).await.expect_err("refused");
        assert_says(&error, Kind::Refused, &["s3://films", "AWS_ACCESS_KEY_ID"]);
    }
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_named() {
    let server = Server::start();
    let error = Store::open(&bucket("books"), &settings(&server)).await.expect_err("refused");
    assert_says(&error, Kind::Missing, &["s3://books", "make the bucket"]);
}

#[tokio::test]
async fn clocks_that_differ_are_named_as_the_cause() {
    let server = Server::start();
    server.faults.clock.store(true, SeqCst);
    let error = Store::open(&bucket(BUCKET), &settings(&server)).await.expect_err("refused");
    assert_says(&error, Kind::Refused, &["clocks", "NTP"]);
}

#[tokio::test]
async fn a_server_that_replaces_objects_is_refused_with_what_to_do() {
    let server = Server::start();
    server.faults.replaces.store(true, SeqCst);
    let error = Store::open(&bucket(BUCKET), &settings(&server)).await.expect_err("refused");
    assert_says(&error, Kind::Unsupported, &["replaces", "If-None-Match", "MinIO"]);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let settings = S3Settings::of(
        [
            // Nobody listens on the port for discarding.
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "someone"),
            ("AWS_SECRET_ACCESS_KEY", "something"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let error = Store::open(&bucket(BUCKET), &settings).await.expect_err("nobody");
    assert_says(&error, Kind::Unavailable, &["s3://films", "127.0.0.1:9"]);
}

#[tokio::test]
async fn trouble_that_passes_is_unavailable_and_then_it_goes_on() {
    let server = Server::start();
    let store = Store::open(&bucket(BUCKET), &settings(&server)).await.expect("a store");
    let job = JobId(Hash::of(b"film"));
    server.refuse(true);
    let refused = store.create(job, "720p/00000.ts", Bytes::from_static(b"x")).await;
    assert_says(&refused.expect_err("unavailable"), Kind::Unavailable, &["720p/00000.ts"]);
    server.refuse(false);
    server.stall(true);
    let task = tokio::spawn({
        let store = store.clone();
        async move { store.create(job, "720p/00000.ts", Bytes::from_static(b"x")).await }
    });
    tokio::task::yield_now().await;
    assert!(!task.is_finished());
    server.stall(false);
    assert_eq!(task.await.expect("a task").expect("created"), Created::Now);
}

#[tokio::test]
async fn a_file_in_a_directorys_place_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("file");
    std::fs::write(&path, "not a directory").expect("a file");
    for wrong in [path.clone(), path.join("below")] {
        let error = Store::open(&Location::Directory(wrong), &S3Settings::default()).await;
        assert_says(&error.expect_err("refused"), Kind::Missing, &["/file", "name a directory"]);
    }
}

#[tokio::test]
async fn a_directory_leaves_nothing_of_its_trial_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let location = Location::Directory(folder.path().to_owned());
    Store::open(&location, &S3Settings::default()).await.expect("a store");
    let check = folder.path().join("check");
    let left = std::fs::read_dir(&check).map(Iterator::count).unwrap_or(0);
    assert_eq!(left, 0);
}
