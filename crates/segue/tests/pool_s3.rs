//! Pools of real processes whose segments, or films, or both, are in a bucket of a real S3 server,
//! which has its troubles too.

mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use segue_api::Client;
use segue_api::v1::{ReadRequest, segments_client::SegmentsClient};
use segue_s3_lab::{BUCKET, Server};
use segue_store::{S3Settings, Store};
use serde_json::Value;
use support::media::{Media, assert_same, media, undisturbed};
use support::pool::{Pool, begun_spans, job_of, until, until_published};
use support::{Run, SEGMENTS, film};
use tempfile::tempdir;
use tokio::runtime::Runtime;

const LADDER: [&str; 2] = ["--rendition", "180p"];
/// Slow enough that something can happen in the middle of it.
const SLOW: [&str; 4] = ["--rendition", "180p", "--preset", "veryslow"];

/// A pool that keeps its segments in a server's bucket.
fn pool_in(server: &Server, workers: usize) -> Pool {
    let store = format!("s3://{BUCKET}/pool");
    Pool::start_in(tempdir().unwrap(), store, server.variables(), workers)
}

/// `segue transcode` by a pool, exact and slow.
fn slow(pool: &Pool, film: &Path) -> Run {
    let mut command = pool.ask("transcode");
    Run::start(command.arg(film).args(SEGMENTS).arg("--exact").args(SLOW))
}

/// Of a job in a bucket, everything that is in `expected`, read as any client reads.
fn in_bucket(server: &Server, pool: &Pool, job: &str, expected: &Media) -> Media {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let settings = S3Settings::of(server.variables());
        let store = Store::open(&pool.store.parse().unwrap(), &settings).await.unwrap();
        let job = segue_api::request::job_id(job).unwrap();
        let mut read = BTreeMap::new();
        for name in expected.keys() {
            let bytes = store.read(job, name.to_str().unwrap()).await.unwrap();
            read.insert(name.clone(), bytes.unwrap_or_else(|| panic!("no {name:?}")).to_vec());
        }
        read
    })
}

#[test]
fn workers_on_a_bucket_make_what_one_process_makes_though_some_are_killed_and_stopped() {
    let server = Server::start();
    let pool = pool_in(&server, 3);
    let whole = undisturbed(&SLOW);
    let mut run = slow(&pool, &film());
    until_published(&mut run, 1);
    pool.worker(0).signal(Signal::KILL);
    until_published(&mut run, 3);
    if let Some(child) = pool.worker(1).children().first() {
        kill_process(*child, Signal::STOP).unwrap();
    }
    let job = job_of(&run.succeed());
    assert_same(&whole, &in_bucket(&server, &pool, &job, &whole));

    // And it can be fetched.
    let copy = pool.scratch.path().join("copy");
    let mut command = pool.ask("transcode");
    command.arg(film()).args(SEGMENTS).arg("--exact").args(SLOW).arg("--to").arg(&copy);
    Run::start(&mut command).succeed();
    assert_same(&whole, &media(&copy));
}

#[test]
fn a_scheduler_that_dies_costs_nothing_that_is_in_the_bucket() {
    let server = Server::start();
    let mut pool = pool_in(&server, 2);
    let whole = undisturbed(&SLOW);
    let mut run = slow(&pool, &film());
    let before = until_published(&mut run, 3)["published"].as_u64().unwrap();
    let mut scheduler = pool.scheduler.take().unwrap();
    scheduler.signal(Signal::KILL);
    scheduler.end();
    pool.start_scheduler();
    let job = job_of(&run.succeed());
    assert_same(&whole, &in_bucket(&server, &pool, &job, &whole));
    let said: String = pool.workers.iter().flatten().map(|worker| worker.said()).collect();
    let given: u32 = begun_spans(&said).map(|(first, end)| end - first).sum();
    let segments = whole.keys().filter(|name| name.extension() == Some("ts".as_ref())).count();
    // What a span hands over and another begins with may be counted twice, what is published not.
    assert!(before > 0 && given as usize <= 2 * segments, "{given} of {segments}:\n{said}");
}

/// A span that a worker has more of than the store.
fn ready_ahead(event: &Value) -> Option<(String, u32)> {
    let spans = event["spans"].as_array()?.iter();
    let mut ahead = spans.filter_map(|span| {
        let (first, ready) = (span["first"].as_u64()?, span["ready_through"].as_u64()?);
        let worker = span["worker"].as_str()?.to_owned();
        (ready > first).then(|| (worker, ready as u32 - 1))
    });
    ahead.next()
}

/// Reads a segment from the worker that made it, as an origin does for its viewers.
fn read_from(pool: &Pool, worker: &str, job: &str, index: u32) -> Vec<u8> {
    let number: usize = worker.strip_prefix('w').unwrap().parse().unwrap();
    let line = pool.worker(number).until("listening on");
    let address = format!("http://{}", line.rsplit(' ').next().unwrap());
    Runtime::new().unwrap().block_on(async {
        let mut segments = SegmentsClient::new(Client::connect(&address).await.unwrap().channel());
        let request =
            ReadRequest { job: job.to_owned(), index: Some(index), ..ReadRequest::default() };
        let mut pieces = segments.read(request).await.unwrap().into_inner();
        let mut bytes = Vec::new();
        while let Some(piece) = pieces.message().await.unwrap() {
            bytes.extend(piece.data);
        }
        bytes
    })
}

/// The store stalls for 20 s and then refuses everything for 10 s, in the middle of a job.
fn goes_on_through_trouble(film: &dyn Fn(&Server) -> PathBuf) {
    let server = Server::start();
    let pool = pool_in(&server, 2);
    let whole = undisturbed(&SLOW);
    let mut run = slow(&pool, &film(&server));
    until_published(&mut run, 2);
    let job = job_of(&run.events);
    server.stall(true);
    // Viewers are fed while nothing comes or goes.
    let mut fed = run.events.iter().rev().find_map(ready_ahead);
    while fed.is_none() {
        fed = ready_ahead(&run.next().expect("there is more to come"));
    }
    let (worker, index) = fed.unwrap();
    let name = PathBuf::from(format!("180p/{index:05}.ts"));
    let bytes = read_from(&pool, &worker, &job, index);
    assert!(bytes == whole[&name], "{} bytes of {name:?}", bytes.len());
    // How long the trouble lasts is what this is about.
    thread::sleep(Duration::from_secs(20));
    server.refuse(true);
    server.stall(false);
    thread::sleep(Duration::from_secs(10));
    server.refuse(false);
    run.succeed();
    assert_same(&whole, &in_bucket(&server, &pool, &job, &whole));
    let said = pool.scheduler().said();
    for words in ["a job failed", "failed too often", "lost its spans"] {
        assert!(!said.contains(words), "{said}");
    }
}

#[test]
fn a_store_that_stalls_and_refuses_delays_a_job_and_blames_nobody() {
    goes_on_through_trouble(&|_| film());
}

#[test]
fn a_copy_that_waits_for_the_store_is_interrupted_and_goes_on() {
    let server = Server::start();
    let pool = pool_in(&server, 1);
    let job = job_of(&Run::start(pool.transcode(&film()).args(LADDER)).succeed());
    let copy = pool.scratch.path().join("copy");
    let fetch = || {
        let mut command = pool.transcode(&film());
        command.args(LADDER).arg("--to").arg(&copy);
        command
    };
    // To this client alone the store takes for ever.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let mut stuck = Run::start(fetch().env("AWS_ENDPOINT_URL", url));
    let _held = silent.accept().unwrap();
    // As long as it is copied nobody may remove it.
    let is_held = || support::run(pool.ask("job").arg(&job)).1.contains("(playback)").then_some(());
    until("the job is held", is_held);
    stuck.signal(Signal::INT);
    let (status, errors) = stuck.finish();
    assert_eq!(status.code(), Some(130), "{errors}");
    assert!(errors.contains("is kept"), "{errors}");
    Run::start(&mut fetch()).succeed();
    assert_same(&undisturbed(&LADDER), &media(&copy));
}

#[test]
fn films_in_a_bucket_that_stalls_and_refuses_are_waited_for() {
    goes_on_through_trouble(&film_in);
}

/// The film, in the server's bucket.
fn film_in(server: &Server) -> PathBuf {
    server.put("a film.mkv", std::fs::read(film()).unwrap());
    PathBuf::from(format!("s3://{BUCKET}/a film.mkv"))
}

#[test]
fn film_and_segments_are_each_where_they_like() {
    let server = Server::start();
    let whole = undisturbed(&LADDER);
    let here = tempdir().unwrap();
    let store = here.path().join("store").display().to_string();
    let from_bucket = Pool::start_in(here, store, server.variables(), 2);
    let events = Run::start(from_bucket.transcode(&film_in(&server)).args(LADDER)).succeed();
    assert_same(&whole, &media(&from_bucket.job(&job_of(&events))));
    drop(from_bucket);

    let to_bucket = pool_in(&server, 2);
    for film in [film(), film_in(&server)] {
        let events = Run::start(to_bucket.transcode(&film).args(LADDER)).succeed();
        assert_same(&whole, &in_bucket(&server, &to_bucket, &job_of(&events), &whole));
    }
}
