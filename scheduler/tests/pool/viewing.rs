//! What a client that speaks for viewers is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use segue_api::v1::{self, JobState};
use tokio::sync::{Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

use crate::house::{House, batch, until, wrong_field};
use crate::worker::{Habits, Worker, address};

const FILM: &str = "file:///films/film.mkv";

struct Viewing {
    words: mpsc::Sender<v1::DemandRequest>,
    told: Streaming<v1::DemandResponse>,
}

impl Viewing {
    async fn of(house: &House) -> Viewing {
        let (says, requests) = mpsc::channel(4);
        let told = house.client().await.jobs().demand(ReceiverStream::new(requests)).await;
        Viewing { words: says, told: told.expect("a stream").into_inner() }
    }

    async fn watches(&self, job: &str, segment: u32) {
        self.says(anna(job, segment, false)).await;
    }

    async fn wants_the_rest(&self, job: &str, segment: u32) {
        self.says(anna(job, segment, true)).await;
    }

    async fn says(&self, viewer: v1::Viewer) {
        self.words.send(v1::DemandRequest { viewers: vec![viewer] }).await.expect("sent");
    }

    async fn next(&mut self) -> v1::DemandResponse {
        self.told.message().await.expect("a word").expect("more to come")
    }
}

fn anna(job: &str, segment: u32, to_end: bool) -> v1::Viewer {
    let (viewer, job) = ("anna".to_owned(), job.to_owned());
    v1::Viewer { viewer, job, renditions: vec![0], segment, due_in_ms: 0, to_end }
}

/// A job that is only described.
async fn described(house: &House) -> String {
    let wish = v1::SubmitRequest { batch: false, ..batch(FILM, "") };
    let submitted = house.submit(wish).await.expect("submitted");
    assert!(submitted.claim.starts_with("claim-"), "{submitted:?}");
    assert_eq!(submitted.progress.expect("progress").state(), JobState::Idle);
    submitted.job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_told_where_each_segment_is_as_it_comes() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, Habits::default()).await;
    let job = described(&house).await;
    let mut viewing = Viewing::of(&house).await;
    viewing.watches(&job, 3).await;
    let mut published = BTreeSet::new();
    while published.len() < 10 {
        for segment in viewing.next().await.segments {
            assert_eq!((segment.job.as_str(), segment.rendition), (job.as_str(), 0));
            assert!(segment.index >= 3, "{segment:?}");
            if segment.published {
                assert!(published.insert(segment.index), "{segment:?} was told before");
            }
            assert_eq!(
                segment.worker_address,
                address(1),
                "where it is read, also once it is stored"
            );
        }
    }
    assert_eq!(published.first(), Some(&3));
    drop(worker);
}

/// A viewer at the film's beginning, and a worker that is at it and gets no further.
async fn watching_what_is_not_made() -> (House, Worker, String, Viewing) {
    let house = House::start().await;
    let held = Habits { allowed: Arc::new(Semaphore::new(0)), ..Habits::default() };
    let worker = Worker::start(&house, 1, held).await;
    let job = described(&house).await;
    let viewing = Viewing::of(&house).await;
    viewing.watches(&job, 0).await;
    house.reaches(&job, JobState::Running).await;
    (house, worker, job, viewing)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_is_a_claim_until_it_is_gone() {
    let (house, _worker, job, viewing) = watching_what_is_not_made().await;
    let claims = house.get(&job).await.expect("a job").claims;
    assert!(claims.len() == 1 && !claims[0].batch && claims[0].claim.ends_with("/anna"));
    // Every message is a whole: who is not in it is gone.
    viewing.words.send(v1::DemandRequest { viewers: vec![] }).await.expect("sent");
    let gone = || async { house.get(&job).await.expect("a job").claims.is_empty() };
    until("the claim is gone", gone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_comes_back_finds_its_work_going_on() {
    let (house, _worker, job, viewing) = watching_what_is_not_made().await;
    drop(viewing);
    let again = Viewing::of(&house).await;
    again.watches(&job, 0).await;
    let both = || async { house.get(&job).await.expect("a job").claims.len() == 2 };
    until("it is back, and its old self not gone yet", both).await;
    assert_eq!(house.state(&job).await, JobState::Running);
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_what_is_not_there_are_told_and_a_restart_is_no_reason() {
    let house = House::start().await;
    let _worker = Worker::start(&house, 1, Habits::default()).await;
    let mut viewing = Viewing::of(&house).await;
    let nothing = "ab".repeat(32);
    viewing.watches(&nothing, 0).await;
    assert_eq!(viewing.next().await.lost_jobs, [nothing]);

    let job = described(&house).await;
    let house = house.restart().await;
    // It is not known any more, and read when somebody watches it.
    let mut viewing = Viewing::of(&house).await;
    viewing.watches(&job, 0).await;
    let mut published = 0;
    while published == 0 {
        let told = viewing.next().await;
        assert_eq!(told.lost_jobs, Vec::<String>::new());
        published = told.segments.iter().filter(|segment| segment.published).count();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_cannot_be_meant_ends_the_stream_with_its_field() {
    let house = House::start().await;
    let mut viewing = Viewing::of(&house).await;
    viewing.watches("12", 0).await;
    let refused = viewing.told.message().await.expect_err("no id");
    assert_eq!(wrong_field(&refused), "viewers[0].job");
}

/// What a film of a minute has in segments of two seconds.
const SEGMENTS: u32 = 30;

/// One of which less than all is near a viewer at its beginning.
async fn long_film(house: &House) -> String {
    let request = v1::Request {
        renditions: vec!["360p".to_owned()],
        segment_seconds: "0.5".to_owned(),
        ..v1::Request::default()
    };
    let wish = v1::SubmitRequest { batch: false, request: Some(request), ..batch(FILM, "") };
    house.submit(wish).await.expect("submitted").job
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_all_that_follows_gets_it_and_nothing_before() {
    let house = House::start().await;
    let _workers = [
        Worker::start(&house, 1, Habits::default()).await,
        Worker::start(&house, 2, Habits::default()).await,
    ];
    let job = long_film(&house).await;
    let segments = house.get(&job).await.expect("a job").segments;
    assert_eq!(segments, 4 * SEGMENTS);
    let viewing = Viewing::of(&house).await;
    viewing.wants_the_rest(&job, 20).await;
    let published = || async {
        let progress = house.get(&job).await.expect("a job").progress.expect("progress");
        progress.published == segments - 20
    };
    until("the rest is there", published).await;
    let id = segue_model::JobId(segue_model::Hash::from_hex(&job).expect("an id"));
    let described = house.store.job(id).await.expect("a store").expect("a job");
    let stored = house.store.published(&described).await.expect("a list");
    assert!(stored.iter().flat_map(|(_, spans)| spans).all(|span| span.first >= 20), "{stored:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_follows_is_work_as_long_as_somebody_wants_it() {
    let house = House::start().await;
    let allowed = Arc::new(Semaphore::new(0));
    let held = Habits { allowed: allowed.clone(), ..Habits::default() };
    let worker = Worker::start(&house, 1, held).await;
    let job = long_film(&house).await;
    let viewing = Viewing::of(&house).await;
    viewing.wants_the_rest(&job, 100).await;
    house.reaches(&job, JobState::Running).await;
    // There is work, and nobody to do it.
    drop(worker);
    house.reaches(&job, JobState::Waiting).await;
    viewing.words.send(v1::DemandRequest { viewers: vec![] }).await.expect("sent");
    house.reaches(&job, JobState::Idle).await;
    let progress = house.get(&job).await.expect("a job").progress.expect("progress");
    assert!(progress.published < 20 && progress.spans.is_empty(), "{progress:?}");
}

/// Where every segment of a film is read, as a new stream tells it.
async fn readers(house: &House, job: &str, segments: u32) -> BTreeSet<String> {
    let mut viewing = Viewing::of(house).await;
    viewing.watches(job, 0).await;
    let (mut indices, mut addresses) = (BTreeSet::new(), BTreeSet::new());
    while (indices.len() as u32) < segments {
        for segment in viewing.next().await.segments {
            assert!(segment.published, "{segment:?}");
            indices.insert(segment.index);
            addresses.insert(segment.worker_address);
        }
    }
    addresses
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_is_read_from_all_that_are_well_and_a_new_stream_tells_who_that_is() {
    let house = House::start().await;
    let first = Worker::start(&house, 1, Habits::default()).await;
    let _second = Worker::start(&house, 2, Habits::default()).await;
    let job = house.submit(batch(FILM, "it")).await.expect("submitted").job;
    house.reaches(&job, JobState::Finished).await;
    let both = BTreeSet::from([address(1), address(2)]);
    assert_eq!(readers(&house, &job, SEGMENTS).await, both);

    let drain = |undo| v1::DrainRequest { worker: "2".to_owned(), undo };
    let mut admin = house.client().await.admin();
    admin.drain(drain(false)).await.expect("drained");
    assert_eq!(readers(&house, &job, SEGMENTS).await, BTreeSet::from([address(1)]));
    drop(first);
    let alone = || async {
        let workers = house.workers().await;
        !workers.iter().any(|worker| worker.worker == 1 && worker.connected)
    };
    until("one is gone", alone).await;
    // One that drains is better than none.
    assert_eq!(readers(&house, &job, SEGMENTS).await, BTreeSet::from([address(2)]));
    admin.drain(drain(true)).await.expect("not any more");
}
