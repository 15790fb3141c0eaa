//! What goes from a store that holds more than it may.

use std::sync::Arc;
use std::time::Duration;

use segue_api::v1::JobState;
use segue_model::{Hash, JobId};
use segue_scheduler::Keep;
use tokio::sync::Semaphore;
use tonic::Code;

use crate::house::{House, batch, until};
use crate::worker::{Habits, Worker};

const OLD: &str = "file:///films/old.mkv";
const NEW: &str = "file:///films/new.mkv";

/// One that keeps nothing that nobody wants, and forgets quickly what nobody claims.
async fn strict() -> House {
    House::start_with(|settings| {
        settings.keep = Some(Keep { bytes: 1, every: Duration::from_millis(20) });
        settings.policy.unclaimed = 50;
    })
    .await
}

async fn is_gone(house: &House, job: &str) -> bool {
    house.get(job).await.is_err_and(|status| status.code() == Code::NotFound)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_wants_goes_whole_and_is_made_again_when_it_is_wanted() {
    let house = strict().await;
    let _worker = Worker::start(&house, 1, Habits::default()).await;
    let job = house.submit(batch(OLD, "once")).await.expect("submitted").job;
    until("the job is removed", || is_gone(&house, &job)).await;
    let id = JobId(Hash::from_hex(&job).expect("an id"));
    let nothing_left = || async { !house.store.usage().await.expect("a list").contains_key(&id) };
    until("nothing is left of it", nothing_left).await;

    let again = house.submit(batch(OLD, "twice")).await.expect("submitted");
    assert_eq!(again.job, job);
    until("it is made and removed again", || is_gone(&house, &job)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_stays_whatever_the_limit_is() {
    let house = strict().await;
    let allowed = Arc::new(Semaphore::new(3));
    let slow = Habits { allowed: allowed.clone(), ..Habits::default() };
    let _worker = Worker::start(&house, 1, slow).await;
    let wanted = house.submit(batch(OLD, "it")).await.expect("submitted").job;
    let id = JobId(Hash::from_hex(&wanted).expect("an id"));
    let some = || async {
        let usage = house.store.usage().await.expect("a list");
        usage.get(&id).is_some_and(|job| job.objects >= 4)
    };
    until("some of it is stored", some).await;
    // One that is only described, and that nobody claims, goes meanwhile.
    let mut described = batch(NEW, "");
    described.batch = false;
    let described = house.submit(described).await.expect("submitted").job;
    until("that one is removed", || is_gone(&house, &described)).await;
    assert_eq!(house.state(&wanted).await, JobState::Running);
    assert!(some().await);
}
