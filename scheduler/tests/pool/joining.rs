//! Who may join a pool, and how the others are told.

use segue_api::v1::connect_request::Says;
use segue_api::v1::connect_response::Says as Told;
use segue_api::v1::workers_client::WorkersClient;
use segue_api::{Greeting, v1};
use segue_model::pool::{Beat, Hello, Status as WorkerStatus, Term, WorkerId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::house::{House, wrong_field};
use crate::worker::{VERSION, capabilities};

type Incoming = Streaming<v1::ConnectResponse>;

async fn connect(
    house: &House,
    says: Vec<Says>,
) -> Result<(mpsc::Sender<v1::ConnectRequest>, Incoming), Status> {
    let (outgoing, requests) = mpsc::channel(16);
    for says in says {
        outgoing.try_send(v1::ConnectRequest { says: Some(says) }).expect("room");
    }
    let mut workers = WorkersClient::new(house.client().await.channel());
    let connected = workers.connect(ReceiverStream::new(requests)).await?;
    Ok((outgoing, connected.into_inner()))
}

async fn greeting(house: &House) -> Greeting {
    let hello =
        Hello { worker: WorkerId(1), incarnation: 5, stream: 1, capabilities: capabilities(1) };
    let store = house.store.identity().await.expect("an identity");
    Greeting { hello, address: "host1:7701".into(), version: VERSION.into(), store, commands: None }
}

fn status(stream: u64, sequence: u64, term: u64) -> WorkerStatus {
    let applied = (Term(term), 0);
    let worker = WorkerId(1);
    let beat = Beat { worker, incarnation: 5, stream, sequence, content: sequence, applied };
    WorkerStatus { beat, spans: vec![], draining: false, screened: vec![] }
}

/// What a stream ends with, whatever is said before.
async fn last_word(mut incoming: Incoming) -> Status {
    loop {
        match incoming.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("ended without a word"),
            Err(status) => return status,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_told_what_is_wanted_and_then_that_nothing_changed() {
    let house = House::start().await;
    let hello = Says::Hello(greeting(&house).await.into());
    let (outgoing, mut incoming) =
        connect(&house, vec![hello, Says::Status(status(1, 1, 0).into())]).await.expect("admitted");
    let told = incoming.message().await.expect("a word").and_then(|message| message.says);
    let Some(Told::Desired(desired)) = told else { panic!("{told:?}") };
    let answer = desired.answer.expect("a head");
    assert_eq!((answer.term, answer.stream, answer.heard), (1, 1, 1));

    let mut beat = status(1, 2, 1).beat;
    (beat.content, beat.applied.1) = (1, answer.version);
    let beat = v1::ConnectRequest { says: Some(Says::Beat(beat.into())) };
    outgoing.send(beat).await.expect("sent");
    let told = incoming.message().await.expect("a word").and_then(|message| message.says);
    assert!(matches!(told, Some(Told::Answer(answer)) if answer.heard == 2), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_versions_and_other_stores_are_refused() {
    let house = House::start().await;
    let old = Greeting { version: "17.0.0".into(), ..greeting(&house).await };
    let refused = connect(&house, vec![Says::Hello(old.into())]).await.expect_err("too new");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("update the scheduler"), "{refused}");

    let elsewhere = Greeting { store: "another".into(), ..greeting(&house).await };
    let refused = connect(&house, vec![Says::Hello(elsewhere.into())]).await.expect_err("wrong");
    assert_eq!(refused.code(), Code::FailedPrecondition);
    let ours = house.store.identity().await.expect("an identity");
    assert!(refused.message().contains("'another'") && refused.message().contains(&ours));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_ends_the_stream_with_its_field() {
    let house = House::start().await;
    let hello = Says::Hello(greeting(&house).await.into());
    let first = connect(&house, vec![Says::Status(status(1, 1, 0).into())]).await;
    assert_eq!(wrong_field(&first.expect_err("no Hello")), "hello");

    let headless = Says::Status(v1::Status::default());
    let (_outgoing, incoming) = connect(&house, vec![hello, headless]).await.expect("admitted");
    assert_eq!(wrong_field(&last_word(incoming).await), "status.beat");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_processes_of_one_name_the_one_that_is_there_and_well_stays() {
    let house = House::start().await;
    let mine = greeting(&house).await;
    let (kept, mut incoming) =
        connect(&house, vec![Says::Hello(mine.clone().into())]).await.expect("admitted");
    for incarnation in [mine.hello.incarnation + 1, mine.hello.incarnation - 1] {
        let mut other = mine.clone();
        other.hello.incarnation = incarnation;
        let refused = match connect(&house, vec![Says::Hello(other.into())]).await {
            Ok((_outgoing, incoming)) => last_word(incoming).await,
            Err(status) => status,
        };
        assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
        assert!(refused.message().contains("--name"), "{refused}");
    }
    // Its own stream goes on: what it says is answered.
    kept.send(v1::ConnectRequest { says: Some(Says::Status(status(1, 1, 0).into())) })
        .await
        .unwrap();
    assert!(incoming.message().await.expect("it is open").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_outranked_makes_room_and_leads_after_that() {
    let house = House::start().await;
    let hello = Says::Hello(greeting(&house).await.into());
    let from_later = Says::Status(status(1, 1, 40).into());
    let connected = connect(&house, vec![hello, from_later]).await;
    let (folder, ended) = house.ended().await;
    let words = ended.expect_err("outranked").to_string();
    assert!(words.contains("term 40") && words.contains("start again"), "{words}");
    drop(connected);
    let again = segue_scheduler::Scheduler::open(crate::house::settings(&folder)).await;
    assert!(format!("{:?}", again.expect("it is free")).contains("Term(41)"));
}
