//! From a submit to a film that can be played from the store alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use segue_api::v1::{self, JobState};
use segue_hls::keys;
use segue_model::{Hash, JobId};
use tokio::sync::Semaphore;

use crate::house::{House, batch, until};
use crate::worker::{Habits, Worker};

const FILM: &str = "file:///films/film.mkv";

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_made_and_can_be_played_from_the_store() {
    let house = House::start().await;
    let _workers = [
        Worker::start(&house, 1, Habits::default()).await,
        Worker::start(&house, 2, Habits::default()).await,
    ];
    let submitted = house.submit(batch(FILM, "tonight")).await.expect("submitted");
    assert_eq!(submitted.claim, "tonight");

    let mut watching = {
        let request = v1::WatchRequest { job: submitted.job.clone() };
        house.client().await.jobs().watch(request).await.expect("watched").into_inner()
    };
    let (mut last, mut before) = (None, 0);
    while let Some(said) = watching.message().await.expect("a word") {
        let progress = said.job.expect("a job").progress.expect("progress");
        assert!(progress.published >= before, "what was published stays");
        before = progress.published;
        last = Some(progress);
    }
    let last = last.expect("a word");
    assert_eq!((last.state(), last.published, last.total), (JobState::Finished, 30, 30));

    let id = JobId(Hash::from_hex(&submitted.job).expect("an id"));
    for key in [keys::MULTIVARIANT, "360p/index.m3u8", "360p/00029.ts"] {
        assert!(house.store.read(id, key).await.expect("an answer").is_some(), "{key}");
    }
    let job = house.get(&submitted.job).await.expect("a job");
    let playlist = house.folder.path().join(format!("store/jobs/{id}/master.m3u8"));
    assert_eq!(job.playlist, format!("file://{}", playlist.display()));
    assert_eq!((job.source.as_str(), job.segments, job.duration_ms), (FILM, 30, 60_000));
    assert_eq!((job.renditions, job.claims), (vec!["360p".to_owned()], vec![]));
    // Asked for again it is there.
    let again = house.submit(batch(FILM, "tomorrow")).await.expect("submitted");
    assert_eq!(again.progress.expect("progress").state(), JobState::Finished);
}

/// What who begins to watch a job is told first.
async fn first_word(house: &House, job: &str) -> v1::Progress {
    let request = v1::WatchRequest { job: job.to_owned() };
    let watching = house.client().await.jobs().watch(request).await.expect("watched");
    let word = watching.into_inner().message().await.expect("a word").expect("a word");
    word.job.expect("a job").progress.expect("progress")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_removed_is_made_again_when_it_is_asked_for() {
    let house = House::start().await;
    let all_at_first = Habits { allowed: Arc::new(Semaphore::new(30)), ..Habits::default() };
    let worker = Worker::start(&house, 1, all_at_first).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    house.reaches(&job, JobState::Finished).await;
    assert_eq!(first_word(&house, &job).await.state(), JobState::Finished);
    let removed = house.folder.path().join(format!("store/jobs/{job}/360p/00007.ts"));
    std::fs::remove_file(&removed).expect("removed");

    let again = house.submit(batch(FILM, "again")).await.expect("submitted");
    let again = again.progress.expect("progress");
    assert!(again.state() != JobState::Finished && again.published == 29, "{again:?}");
    // Nobody is told what was so before.
    assert_ne!(first_word(&house, &job).await.state(), JobState::Finished);
    worker.habits.allowed.add_permits(1);
    house.reaches(&job, JobState::Finished).await;
    assert!(removed.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_many_ask_for_is_looked_at_once() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, Habits::default()).await;
    let client = house.client().await;
    let submits = (0..50).map(|n| {
        let client = client.clone();
        tokio::spawn(async move { client.jobs().submit(batch(FILM, &format!("claim {n}"))).await })
    });
    let mut jobs = Vec::new();
    for submit in submits.collect::<Vec<_>>() {
        jobs.push(submit.await.expect("no panic").expect("submitted").into_inner().job);
    }
    jobs.dedup();
    assert_eq!(jobs.len(), 1, "they share one job");
    assert_eq!(worker.habits.looked.load(Ordering::SeqCst), 1);
    house.reaches(&jobs[0], JobState::Finished).await;
    let unclaimed = || async { house.get(&jobs[0]).await.expect("a job").claims.is_empty() };
    until("all claims are fulfilled", unclaimed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_dies_is_replaced() {
    let house = House::start().await;
    let slow = Habits { allowed: Arc::new(Semaphore::new(3)), ..Habits::default() };
    let dying = Worker::start(&house, 1, slow).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    let begun = || async {
        house.get(&job).await.expect("a job").progress.expect("progress").published >= 3
    };
    until("three segments are there", begun).await;
    assert_eq!(house.state(&job).await, JobState::Running);
    drop(dying);
    let gone = || async { house.workers().await.iter().all(|worker| !worker.connected) };
    until("its stream broke", gone).await;
    let _other = Worker::start(&house, 2, Habits::default()).await;
    house.reaches(&job, JobState::Finished).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_worker_gets_nothing_and_is_named() {
    let house = House::start().await;
    let _worker = Worker::start(&house, 1, Habits::default()).await;
    let drain = |worker: &str, undo| v1::DrainRequest { worker: worker.to_owned(), undo };
    let mut admin = house.client().await.admin();
    let unknown = admin.drain(drain("nobody", false)).await.expect_err("nobody");
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    assert!(unknown.message().contains("'nobody'"), "{unknown}");

    admin.drain(drain("host1", false)).await.expect("drained");
    assert!(house.workers().await[0].draining);
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    house.reaches(&job, JobState::Waiting).await;
    admin.drain(drain("1", true)).await.expect("taken back");
    house.reaches(&job, JobState::Finished).await;
    assert!(!house.workers().await[0].draining);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_told_page_by_page_the_latest_first() {
    let house = House::start().await;
    let allowed = Arc::new(Semaphore::new(0));
    let _worker = Worker::start(&house, 1, Habits { allowed, ..Habits::default() }).await;
    let mut jobs = Vec::new();
    for n in 0..5 {
        let film = format!("file:///films/{n}.mkv");
        jobs.push(house.submit(batch(&film, "it")).await.expect("submitted").job);
    }
    jobs.reverse();
    let (mut listed, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListRequest { page_size: 2, page_token };
        let page = house.client().await.jobs().list(request).await.expect("a page").into_inner();
        assert!(page.jobs.len() <= 2);
        listed.extend(page.jobs.into_iter().map(|job| job.job));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(listed, jobs);
}
