//! Claims are dropped in every state, and others' go on.

use std::sync::Arc;

use segue_api::v1::JobState;
use segue_model::FailureClass;
use tokio::sync::Semaphore;

use crate::house::{House, batch, until};
use crate::worker::{Habits, Worker, failure};

const FILM: &str = "file:///films/film.mkv";

fn held() -> Habits {
    Habits { allowed: Arc::new(Semaphore::new(0)), ..Habits::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_batch_is_cancelled_and_may_be_cancelled_again() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, held()).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    house.reaches(&job, JobState::Running).await;
    assert!(!house.cancel(&job, "it").await.expect("cancelled"));
    assert!(!house.cancel(&job, "it").await.expect("cancelled again"));
    assert!(!house.cancel(&job, "").await.expect("all of none"));
    worker.habits.allowed.add_permits(100);
    house.reaches(&job, JobState::Idle).await;
    let left = house.get(&job).await.expect("a job").progress.expect("progress");
    assert!(left.published < left.total && left.spans.is_empty());
    // And it does not come back.
    let house = house.restart().await;
    assert_eq!(house.state(&job).await, JobState::Idle);
    assert!(house.get(&job).await.expect("a job").claims.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_batch_is_cancelled() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, held()).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    drop(worker);
    house.reaches(&job, JobState::Waiting).await;
    assert!(!house.cancel(&job, "it").await.expect("cancelled"));
    assert_eq!(house.state(&job).await, JobState::Idle);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_two_claim_goes_on_when_one_is_cancelled() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, held()).await;
    let job = house.submit(batch(FILM, "one")).await.expect("submitted").job;
    house.submit(batch(FILM, "two")).await.expect("submitted");
    let claims = house.get(&job).await.expect("a job").claims;
    assert_eq!(claims.len(), 2);
    assert!(house.cancel(&job, "one").await.expect("cancelled"), "two still claims it");
    worker.habits.allowed.add_permits(100);
    house.reaches(&job, JobState::Finished).await;
    assert!(!house.cancel(&job, "two").await.expect("a finished one"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_job_says_why_until_it_is_asked_for_again() {
    let house = House::start().await;
    let broken = || Habits {
        fails: Some(failure(FailureClass::Source, "the picture is torn")),
        ..Habits::default()
    };
    let workers =
        [Worker::start(&house, 1, broken()).await, Worker::start(&house, 2, broken()).await];
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    house.reaches(&job, JobState::Failed).await;
    assert!(!house.cancel(&job, "it").await.expect("a failed one"));
    let why = |info: segue_api::v1::JobInfo| info.progress.and_then(|p| p.failure);
    let failure = why(house.get(&job).await.expect("a job")).expect("a failure");
    assert!(failure.message.contains("the picture is torn"), "{failure:?}");
    assert_eq!(failure.class(), segue_api::v1::FailureClass::Source);

    // Once it is durable it is so after a restart too.
    drop(workers);
    let house = house.restart().await;
    let known = why(house.get(&job).await.expect("a job")).expect("a failure");
    assert_eq!(known.message, failure.message);

    let _well = Worker::start(&house, 3, Habits::default()).await;
    house.submit(batch(FILM, "it")).await.expect("submitted");
    house.reaches(&job, JobState::Finished).await;
    let done = || async { house.get(&job).await.expect("a job").claims.is_empty() };
    until("nobody claims it", done).await;
}
