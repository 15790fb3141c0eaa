//! What outlives a scheduler.

use std::sync::Arc;

use segue_api::v1::JobState;
use segue_scheduler::Scheduler;
use tokio::sync::Semaphore;

use crate::house::{House, batch, settings, until};
use crate::worker::{Habits, PACKET, Worker};

const FILM: &str = "file:///films/film.mkv";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_goes_on_after_a_restart() {
    let house = House::start().await;
    let slow = Habits { allowed: Arc::new(Semaphore::new(4)), ..Habits::default() };
    let worker = Worker::start(&house, 1, slow).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    let begun =
        async || house.get(&job).await.expect("a job").progress.expect("progress").published >= 4;
    until("four segments are there", begun).await;

    let house = house.restart().await;
    let back = || async { house.workers().await.iter().any(|worker| worker.connected) };
    until("the worker is back", back).await;
    let info = house.get(&job).await.expect("a job");
    assert_eq!(info.claims.len(), 1, "{info:?}");
    // What it was at goes on, under the lease of an earlier term.
    let adopted = || async {
        let progress = house.get(&job).await.expect("a job").progress.expect("progress");
        progress.spans.iter().any(|span| span.worker == "host1" && span.ready_through > 0)
    };
    until("its work is adopted", adopted).await;
    worker.habits.allowed.add_permits(100);
    house.reaches(&job, JobState::Finished).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_was_all_made_is_finished_after_a_restart() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, Habits::default()).await;
    let held = Habits { allowed: Arc::new(Semaphore::new(0)), ..Habits::default() };
    drop(worker);
    let worker = Worker::start(&house, 2, held).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    house.reaches(&job, JobState::Running).await;
    drop(worker);
    let (folder, _) = house.stop().await;
    // Somebody stores the rest while nobody leads.
    let store = settings(&folder).store;
    let store = segue_store::Store::open(&store, &segue_store::S3Settings::default()).await;
    let store = store.expect("a store");
    let id = segue_model::JobId(segue_model::Hash::from_hex(&job).expect("an id"));
    for index in 0..30 {
        let bytes = bytes::Bytes::from_static(&PACKET);
        store.create(id, &format!("360p/{index:05}.ts"), bytes).await.expect("created");
    }
    let house = House::start_in(folder).await;
    house.reaches(&job, JobState::Finished).await;
    assert!(store.read(id, "master.m3u8").await.expect("an answer").is_some());
    let released = || async { house.get(&job).await.expect("a job").claims.is_empty() };
    until("the claim is fulfilled", released).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_schedulers_do_not_share_a_ledger() {
    let house = House::start().await;
    let refused = Scheduler::open(settings(&house.folder)).await.expect_err("in use");
    let words = refused.to_string();
    assert!(words.contains("segue.db is in use by another scheduler"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_not_used_with_a_store_that_is_not_its_own() {
    let (folder, _) = House::start().await.stop().await;
    // As if it were not mounted.
    std::fs::rename(folder.path().join("store"), folder.path().join("moved")).expect("moved");
    let refused = Scheduler::open(settings(&folder)).await.expect_err("another store");
    let words = refused.to_string();
    assert!(words.contains("belongs to store") && words.contains("mount"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_with_a_word_when_the_scheduler_does() {
    let house = House::start().await;
    let held = Habits { allowed: Arc::new(Semaphore::new(0)), ..Habits::default() };
    let _worker = Worker::start(&house, 1, held).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    let request = segue_api::v1::WatchRequest { job };
    let watching = house.client().await.jobs().watch(request).await.expect("watched");
    let mut watching = watching.into_inner();
    watching.message().await.expect("a word");
    let begun = tokio::time::Instant::now();
    house.stop().await;
    assert!(begun.elapsed() < std::time::Duration::from_secs(3), "nothing is waited out");
    let last = loop {
        match watching.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without a word"),
            Err(status) => break status,
        }
    };
    assert_eq!(last.code(), tonic::Code::Unavailable, "{last}");
}
