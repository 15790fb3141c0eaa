//! What a command cannot do on the machine that runs it, whatever its caller says on the wire: the
//! messages here are none that our own caller would send.

mod support;

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use segue_api::Client;
use segue_api::v1::begin::Program;
use segue_api::v1::commands_client::CommandsClient;
use segue_api::v1::piece::Piece as Part;
use segue_api::v1::run_request::Says;
use segue_api::v1::run_response::Says as Heard;
use segue_api::v1::{self, RunRequest};
use support::film;
use support::pool::Pool;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};

fn pool() -> Pool {
    Pool::with_commands(1, &[])
}

fn word(text: &str) -> v1::Argument {
    v1::Argument { pieces: vec![part(Part::Text(text.as_bytes().to_vec()))] }
}

fn part(piece: Part) -> v1::Piece {
    v1::Piece { piece: Some(piece) }
}

/// What came of a run: exit code, standard output, standard error.
type Said = (Option<u32>, String, String);

async fn place(pool: &Pool) -> v1::PlaceResponse {
    let client = Client::connect(&pool.url()).await.unwrap();
    let wish = v1::PlaceRequest::default();
    CommandsClient::new(client.channel()).place(wish).await.unwrap().into_inner()
}

async fn run(
    place: &v1::PlaceResponse,
    arguments: Vec<v1::Argument>,
    puts: Vec<v1::Put>,
) -> Result<Said, Status> {
    let begin = v1::Begin {
        ticket: place.ticket.clone(),
        program: Program::Ffmpeg.into(),
        arguments,
        directory: "/home/me".to_owned(),
        ..v1::Begin::default()
    };
    begin_with(place, begin, puts).await
}

async fn begin_with(
    place: &v1::PlaceResponse,
    begin: v1::Begin,
    puts: Vec<v1::Put>,
) -> Result<Said, Status> {
    let endpoint = Endpoint::from_shared(format!("http://{}", place.address)).unwrap();
    let mut client = CommandsClient::new(endpoint.connect().await.unwrap());
    let (say, requests) = tokio::sync::mpsc::channel(16);
    let puts = puts.into_iter().map(Says::Put);
    for says in [Says::Begin(begin)].into_iter().chain(puts).chain([Says::Go(v1::Go {})]) {
        say.send(RunRequest { says: Some(says) }).await.unwrap();
    }
    let close = v1::Close { stream: v1::Stream::Stdin.into() };
    say.send(RunRequest { says: Some(Says::Close(close)) }).await.unwrap();
    let mut incoming = client.run(ReceiverStream::new(requests)).await?.into_inner();
    let (mut out, mut errors, mut code) = (Vec::new(), Vec::new(), None);
    while let Some(message) = incoming.message().await? {
        match message.says {
            Some(Heard::Stdout(bytes)) => out.extend(bytes),
            Some(Heard::Stderr(bytes)) => errors.extend(bytes),
            Some(Heard::Exit(v1::Exit { how: Some(v1::exit::How::Code(exit)) })) => {
                code = Some(exit);
            }
            _ => {}
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok((code, text(out), text(errors)))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_of_the_machine_can_be_read_or_written() {
    let pool = pool();
    let own = pool.scratch.path().join("ledger.db").display().to_string();
    let film = film().display().to_string();
    for file in ["/etc/passwd", "/proc/self/environ", "/proc/1/cmdline", &own, &film] {
        let (code, out, errors) = run(
            &place(&pool).await,
            ["-v", "error", "-f", "data", "-i", file, "-map", "0", "-f", "data", "-"]
                .map(word)
                .into(),
            Vec::new(),
        )
        .await
        .unwrap();
        assert_eq!((code, out.as_str()), (Some(1), ""), "{file}: {errors}");
        assert!(errors.contains("Permission denied"), "{file}: {errors}");
    }
    for file in ["/tmp/segue-sandbox-test.wav", "/var/tmp/segue-sandbox-test.wav"] {
        let words = ["-v", "error", "-f", "lavfi", "-i", "sine=d=1", "-y", file].map(word);
        let (code, _, errors) = run(&place(&pool).await, words.into(), Vec::new()).await.unwrap();
        assert_eq!(code, Some(1), "{errors}");
        assert!(!fs::exists(file).unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_names_a_file_outside_opens_nothing() {
    let pool = pool();
    let film = film().display().to_string();
    let list = format!("file '{film}'\n");
    let put = v1::Put {
        path: "/home/me/list".to_owned(),
        pieces: vec![part(Part::Text(list.into_bytes()))],
    };
    let words = ["-v", "error", "-f", "concat", "-safe", "0", "-i", "list", "-f", "null", "-"];
    let heard = run(&place(&pool).await, words.map(word).into(), vec![put]).await.unwrap();
    assert_eq!(heard.0, Some(1));
    assert!(heard.2.contains("Permission denied"), "{}", heard.2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_network_is_not_reached_and_no_other_port_of_the_machine() {
    let pool = pool();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    for url in [
        format!("http://127.0.0.1:{port}/a"),
        format!("tcp://127.0.0.1:{port}"),
        format!("udp://127.0.0.1:{port}"),
        "http://192.0.2.1/a".to_owned(),
    ] {
        let words = ["-v", "error", "-i", &url, "-f", "null", "-"].map(word);
        let (code, _, errors) = run(&place(&pool).await, words.into(), Vec::new()).await.unwrap();
        assert_eq!(code, Some(1), "{url}: {errors}");
        let refused = errors.contains("Permission denied") || errors.contains("not permitted");
        assert!(refused || errors.contains("Input/output error"), "{url}: {errors}");
    }
    assert!(listener.accept().is_err(), "it was reached");
    let begin = v1::Begin {
        ticket: place(&pool).await.ticket,
        program: Program::Ffmpeg.into(),
        directory: "/".to_owned(),
        network: true,
        ..v1::Begin::default()
    };
    let refused = begin_with(&place(&pool).await, begin, Vec::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_begins_without_a_ticket_or_twice_with_one() {
    let pool = pool();
    let placed = place(&pool).await;
    let words = || ["-v", "error", "-f", "lavfi", "-i", "nullsrc=d=1", "-f", "null", "-"].map(word);
    let forged = v1::PlaceResponse { ticket: "guessed".to_owned(), ..placed.clone() };
    let refused = run(&forged, words().into(), Vec::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
    assert_eq!(run(&placed, words().into(), Vec::new()).await.unwrap().0, Some(0));
    let refused = run(&placed, words().into(), Vec::new()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied, "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_that_leave_the_tree_are_refused() {
    let pool = pool();
    let put = v1::Put { path: "/../../x".to_owned(), pieces: Vec::new() };
    let refused = run(&place(&pool).await, Vec::new(), vec![put]).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
    // A film that callers may not name by its path here is not looked for.
    let film = film();
    let begin = v1::Begin {
        ticket: place(&pool).await.ticket,
        program: Program::Ffmpeg.into(),
        arguments: vec![word("-i"), v1::Argument { pieces: vec![part(Part::Input(0))] }],
        directory: "/".to_owned(),
        inputs: vec![v1::Input {
            name: "a.mkv".to_owned(),
            size: 0,
            there: film.display().to_string(),
            path: "a.mkv".to_owned(),
        }],
        ..v1::Begin::default()
    };
    let heard = begin_with(&place(&pool).await, begin, Vec::new()).await;
    assert!(heard.is_ok_and(|(code, ..)| code == Some(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_that_is_not_taken_ends_the_run() {
    let pool = pool();
    let placed = place(&pool).await;
    let endpoint = Endpoint::from_shared(format!("http://{}", placed.address)).unwrap();
    let mut client = CommandsClient::new(endpoint.connect().await.unwrap());
    let words = ["-v", "error", "-nostdin", "-re", "-f", "lavfi", "-i", "nullsrc=d=60"];
    let begin = v1::Begin {
        ticket: placed.ticket.clone(),
        program: Program::Ffmpeg.into(),
        arguments: words.into_iter().chain(["-f", "null", "-"]).map(word).collect(),
        directory: "/".to_owned(),
        ..v1::Begin::default()
    };
    let more = std::iter::repeat_n(Says::Stdin(vec![0; 64 << 10]), 32);
    let says = [Says::Begin(begin), Says::Go(v1::Go {})].into_iter().chain(more);
    let says: Vec<_> = says.map(|says| RunRequest { says: Some(says) }).collect();
    // What is said does not end before the run does.
    let says = tokio_stream::iter(says).chain(tokio_stream::pending());
    let mut incoming = client.run(says).await.unwrap().into_inner();
    let refused = loop {
        match incoming.message().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it ended well"),
            Err(status) => break status,
        }
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
}

/// What ffmpeg would have to be made to do, tried by a program in its place: the kernel refuses it.
#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_tries_more_than_ffmpeg_does_is_refused() {
    let intruder = Path::new(env!("CARGO_BIN_EXE_segue")).with_file_name("examples/intruder");
    assert!(intruder.exists(), "build it: cargo build -p segue --examples");
    let program = intruder.to_str().unwrap();
    let pool = Pool::with_commands(1, &[("SEGUE_FFMPEG", program), ("SEGUE_FFPROBE", program)]);
    let words = vec![word("intrude")];
    let (code, out, errors) = run(&place(&pool).await, words, Vec::new()).await.unwrap();
    assert_eq!((code, errors.as_str()), (Some(0), ""), "{out}");
    let attempts: Vec<_> = out.lines().filter_map(|line| line.split_once(": ")).collect();
    assert!(attempts.len() > 20, "{out}");
    for (what, outcome) in attempts {
        // That much it needs to read films that come by way of the worker.
        let expected = if what == "a socket for TCP" { "done" } else { "refused" };
        assert_eq!(outcome, expected, "{what}");
    }
    assert!(!fs::exists("/var/tmp/segue-intruder").unwrap());
}
