//! Span processes that read a film through their parent.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use segue_media::span::{SpanEvent, SpanOrder};
use segue_model::{FailureClass, Job, JobRequest, SegmentId, SpanFailure};
use segue_worker::span_process::{Patience, SpanProcess, Spawner, Trouble};
use segue_worker::{Film, RemoteLimits};

use crate::server::Server;
use crate::{BLOCK, film, limits};

fn process(patience: Patience) -> SpanProcess {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_segue-worker"));
    let spawner = Spawner::new(program, patience).expect("a thread can be started");
    spawner.spawn().expect("a child starts")
}

/// 8.3 s of picture and sound in about 400 KB.
fn lab_film() -> PathBuf {
    segue_lab::source("h264-aac-mkv")
}

fn described(film: &Film, process: &mut SpanProcess) -> Job {
    let facts = process.describe(film.descriptor().unwrap().as_fd()).expect("it is described");
    let request =
        JobRequest { exact: true, preset: "ultrafast".to_owned(), ..JobRequest::default() };
    segue_hls::plan(film.source().clone(), &request, facts).expect("a job")
}

/// All segments of a job.
fn make(
    film: &Film,
    job: &Job,
    process: &mut SpanProcess,
) -> Result<BTreeMap<SegmentId, Vec<u8>>, Trouble> {
    let span = job.timeline.whole();
    let order =
        SpanOrder { job: job.clone(), span, renditions: vec![0], threads: 1, urgent: false };
    let mut made = BTreeMap::new();
    process.make(film.descriptor().unwrap().as_fd(), &order, &mut |event| {
        if let SpanEvent::Segment { id, bytes, .. } = event {
            made.insert(id, bytes);
        }
        ControlFlow::Continue(())
    })?;
    Ok(made)
}

fn failure<T>(of: Result<T, Trouble>) -> SpanFailure {
    match of {
        Err(Trouble::Failed(failure)) => failure,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was done"),
    }
}

#[test]
fn what_is_made_of_a_film_in_a_bucket_is_what_is_made_of_the_file() {
    let server = Server::start();
    let mut process = process(Patience::default());
    let local = Film::open_file(&lab_film()).unwrap();
    let bytes = fs::read(lab_film()).unwrap();
    let blocks = (bytes.len() as u64).div_ceil(BLOCK);
    let remote = film(&server, bytes, limits());
    let here = described(&local, &mut process);
    let there = described(&remote, &mut process);
    assert_eq!(there.facts, here.facts);
    let (ours, theirs) = (&there.source.fingerprint, &here.source.fingerprint);
    assert_eq!((ours.size, ours.head_tail), (theirs.size, theirs.head_tail));
    let made_here = make(&local, &here, &mut process).unwrap();
    let made_there = make(&remote, &there, &mut process).unwrap();
    assert!(!made_here.is_empty() && made_here == made_there);
    assert!(server.asked().gets <= blocks, "{:?} for {blocks} blocks", server.asked());

    // What reads sockets now may still not make any.
    let check = process.check_sandbox().expect("the child answers");
    assert_eq!(check.allowed, [""; 0], "denied: {:?}", check.denied);
    assert!(check.denied.iter().any(|attempt| attempt == "open a local socket"));
}

#[test]
fn a_child_that_waits_for_storage_is_not_taken_for_hung_and_blames_nobody() {
    let server = Server::start();
    let floor = Duration::from_secs(1);
    let mut process = process(Patience { floor, ceiling: floor, ..Patience::default() });
    // Longer than a child may be silent for.
    let (trouble, note) = (4 * floor, floor / 10);
    let limits = RemoteLimits { trouble, note, blocks_max: 1, ..limits() };
    let film = film(&server, fs::read(lab_film()).unwrap(), limits);
    server.stall(true);
    let failure = failure(process.describe(film.descriptor().unwrap().as_fd()));
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(failure.message.contains("nothing came"), "{failure}");
    server.stall(false);
    assert!(process.describe(film.descriptor().unwrap().as_fd()).is_ok(), "both live on");
}

/// What comes of a span when this happens to its film.
fn made_while(happens: impl FnOnce(&Server)) -> (SpanFailure, Film) {
    let server = Server::start();
    let mut process = process(Patience::default());
    let limits = RemoteLimits { blocks_max: 1, ..limits() };
    let film = film(&server, fs::read(lab_film()).unwrap(), limits);
    let job = described(&film, &mut process);
    assert!(film.is_unchanged());
    happens(&server);
    (failure(make(&film, &job, &mut process)), film)
}

#[test]
fn a_film_that_is_replaced_while_it_is_read_is_noticed() {
    let another = || fs::read(segue_lab::source("h264-aac-mp4")).unwrap();
    let (failure, film) = made_while(|server| server.put("a film.mkv", another()));
    assert_eq!(failure.class, FailureClass::Transient);
    assert!(failure.message.contains("was changed or replaced while it was read"), "{failure}");
    assert!(!film.is_unchanged());

    let (failure, film) = made_while(|server| {
        server.faults.ignores_conditions.store(true, Ordering::SeqCst);
        server.put("a film.mkv", another());
    });
    assert!(failure.message.contains("was changed or replaced while it was read"), "{failure}");
    assert!(!film.is_unchanged());
}

#[test]
fn a_film_that_is_removed_while_it_is_read_is_noticed() {
    let (failure, film) = made_while(|server| server.remove("a film.mkv"));
    assert!(failure.message.contains("was removed while it was read"), "{failure}");
    assert!(!film.is_unchanged());
}
