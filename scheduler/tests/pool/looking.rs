//! What is asked of workers before there is a job, and what is answered when they cannot say.

use std::sync::atomic::Ordering;

use segue_api::v1::{self, JobState};
use segue_model::FailureClass;

use crate::house::{House, batch, says_when_to_try_again, wrong_field};
use crate::worker::{Habits, Worker, failure};

const FILM: &str = "file:///films/film.mkv";

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_by_the_name_of_its_field() {
    let house = House::start().await;
    let mut jobs = house.client().await.jobs();
    let with =
        |request: v1::Request| v1::SubmitRequest { request: Some(request), ..batch(FILM, "it") };
    let usual = v1::Request::default;
    for (wish, field) in [
        (batch("https://example.org/film.mkv", "it"), "source"),
        (batch("", "it"), "source"),
        (batch(FILM, &"x".repeat(300)), "claim"),
        (with(v1::Request { renditions: vec!["big".into()], ..usual() }), "request.renditions[0]"),
        (
            with(v1::Request { segment_seconds: "soon".into(), ..usual() }),
            "request.segment_seconds",
        ),
        (with(v1::Request { packaging: 9, ..usual() }), "request.packaging"),
        (with(v1::Request { crf: Some(1000), ..usual() }), "request.crf"),
        (
            with(v1::Request { renditions: vec!["360p".into(); 64], ..usual() }),
            "request.renditions",
        ),
    ] {
        let refused = jobs.submit(wish).await.expect_err(field);
        assert_eq!(wrong_field(&refused), field, "{refused}");
        assert!(refused.message().starts_with(field), "{refused}");
    }
    let wrong = jobs.get(v1::GetRequest { job: "12".into() }).await.expect_err("no id");
    assert_eq!(wrong_field(&wrong), "job");
    let job = "ab".repeat(32);
    let unknown = jobs.get(v1::GetRequest { job: job.clone() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    let unknown = jobs.watch(v1::WatchRequest { job: job.clone() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), tonic::Code::NotFound);
    let unknown = jobs.cancel(v1::CancelRequest { job, ..Default::default() }).await;
    assert_eq!(unknown.expect_err("unknown").code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_film_tells_is_refused_by_its_field_too() {
    let house = House::start().await;
    let _worker = Worker::start(&house, 1, Habits::default()).await;
    let request = v1::Request { renditions: vec!["2160p".into()], ..v1::Request::default() };
    let wish = v1::SubmitRequest { request: Some(request), ..batch(FILM, "it") };
    let refused = house.submit(wish).await.expect_err("larger than the source");
    assert_eq!(wrong_field(&refused), "request");
    assert!(refused.message().contains("larger than the source"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_have_to_agree_that_a_film_cannot_be_read() {
    let house = House::start().await;
    let blind = || Habits {
        fault: Some(failure(FailureClass::Source, "there is no picture in it")),
        ..Habits::default()
    };
    let first = Worker::start(&house, 1, blind()).await;
    let second = Worker::start(&house, 2, blind()).await;
    let refused = house.submit(batch(FILM, "it")).await.expect_err("no film");
    assert_eq!(wrong_field(&refused), "source");
    assert!(refused.message().contains("there is no picture in it"), "{refused}");
    let looked = |worker: &Worker| worker.habits.looked.load(Ordering::SeqCst);
    assert_eq!((looked(&first), looked(&second)), (1, 1));

    drop(second);
    let _seeing = Worker::start(&house, 3, Habits::default()).await;
    let job = house.submit(batch(FILM, "it")).await.expect("one of them can read it").job;
    house.reaches(&job, JobState::Finished).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_say_is_no_reason_to_refuse_a_film() {
    let house = House::start().await;
    let ill = || Habits {
        fault: Some(failure(FailureClass::Transient, "the network is away")),
        ..Habits::default()
    };
    let _ill = [Worker::start(&house, 1, ill()).await, Worker::start(&house, 2, ill()).await];
    let refused = house.submit(batch(FILM, "it")).await.expect_err("nobody can say");
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert!(says_when_to_try_again(&refused) && refused.message().contains("network is away"));
    let _well = Worker::start(&house, 3, Habits::default()).await;
    house.submit(batch(FILM, "it")).await.expect("somebody can");
}

#[tokio::test(flavor = "multi_thread")]
async fn if_who_looks_dies_another_one_is_asked() {
    let house = House::start().await;
    let dying = Worker::start(&house, 1, Habits { looks: false, ..Habits::default() }).await;
    let client = house.client().await;
    let submit = tokio::spawn(async move { client.jobs().submit(batch(FILM, "it")).await });
    let asked = || async { dying.habits.looked.load(Ordering::SeqCst) == 1 };
    crate::house::until("it is asked", asked).await;
    let _other = Worker::start(&house, 2, Habits::default()).await;
    drop(dying);
    submit.await.expect("no panic").expect("submitted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_described_as_a_submit_does_and_not_looked_at_again_by_it() {
    let house = House::start().await;
    let worker = Worker::start(&house, 1, Habits::default()).await;
    let source = |source: &str| v1::DescribeRequest { source: source.to_owned() };
    let mut jobs = house.client().await.jobs();
    for wrong in ["", "film.mkv", "https://example.org/film.mkv", "file:///a\nb"] {
        let refused = jobs.describe(source(wrong)).await.expect_err(wrong);
        assert_eq!(wrong_field(&refused), "source");
    }
    assert_eq!(worker.habits.looked.load(Ordering::SeqCst), 0);
    let described = jobs.describe(source(FILM)).await.expect("described").into_inner();
    let mut facts = crate::sample::film();
    let (ticks, positions) = (Vec::new(), Vec::new());
    facts.video.as_mut().expect("a picture").keyframes =
        segue_model::KeyframeIndex { scanned: false, ticks, positions };
    assert_eq!(segue_model::SourceFacts::try_from(described), Ok(facts));
    house.submit(batch(FILM, "it")).await.expect("submitted");
    assert_eq!(worker.habits.looked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_described_is_refused_as_a_submit_is() {
    let house = House::start().await;
    let blind = || Habits {
        fault: Some(failure(FailureClass::Source, "there is no picture in it")),
        ..Habits::default()
    };
    let _blind = [Worker::start(&house, 1, blind()).await, Worker::start(&house, 2, blind()).await];
    let source = v1::DescribeRequest { source: FILM.to_owned() };
    let refused = house.client().await.jobs().describe(source).await.expect_err("no film");
    assert_eq!(wrong_field(&refused), "source");
    assert!(refused.message().contains("there is no picture in it"), "{refused}");
}
