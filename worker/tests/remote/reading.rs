//! What is fetched, when, and how often.

use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use segue_media::ByteSource;
use segue_model::{Hash, Revision};
use segue_worker::RemoteLimits;
use tokio::runtime::Runtime;

use crate::server::Server;
use crate::{BLOCK, film, limits, pattern, read, reader};

const BLOCKS: u64 = 40;
const LENGTH: u64 = BLOCKS * BLOCK - 1000;

#[test]
fn a_film_read_from_end_to_end_is_fetched_once_in_blocks() {
    let server = Server::start();
    let bytes = pattern(LENGTH);
    let film = film(&server, bytes.clone(), limits());
    let mut source = reader(&film);
    assert_eq!(source.size(), Some(LENGTH));
    assert!(read(&mut source, 0, LENGTH + 1).unwrap() == bytes);
    let asked = server.asked();
    assert_eq!((asked.gets, asked.bytes), (BLOCKS, LENGTH));
    assert!(film.is_unchanged());
}

#[test]
fn a_fingerprint_says_what_the_server_calls_this_state() {
    let server = Server::start();
    let bytes = pattern(LENGTH);
    let film = film(&server, bytes.clone(), limits());
    let fingerprint = &film.source().fingerprint;
    assert_eq!(fingerprint.size, LENGTH);
    assert!(matches!(&fingerprint.revision, Revision::Etag(etag) if etag.len() > 8));
    let ends = [&bytes[..64 << 10], &bytes[bytes.len() - (64 << 10)..]].concat();
    assert_eq!(fingerprint.head_tail, Hash::of(&ends));
    assert_eq!(film.source().url, "s3://films/a film.mkv");
}

#[test]
fn a_look_at_a_far_place_fetches_that_place() {
    let server = Server::start();
    let bytes = pattern(LENGTH);
    let film = film(&server, bytes.clone(), limits());
    // The two blocks that its first 128 KiB are in, and the two of its last 64.
    assert_eq!(server.asked().gets, 4);
    let place = 20 * BLOCK + 100;
    let mut source = reader(&film);
    assert_eq!(read(&mut source, place, 500).unwrap(), bytes[place as usize..][..500]);
    assert_eq!(server.asked().gets, 5);
}

#[test]
fn who_reads_on_finds_several_blocks_under_way() {
    let server = Server::start();
    let film = film(&server, pattern(LENGTH), limits());
    let mut source = reader(&film);
    read(&mut source, 0, BLOCK).unwrap();
    server.stall(true);
    let reading = thread::spawn(move || read(&mut source, BLOCK, 8 * BLOCK));
    server.wait_for_waiting(3);
    server.stall(false);
    assert!(reading.join().unwrap().unwrap() == pattern(LENGTH)[BLOCK as usize..][..8 << 16]);
}

#[test]
fn readers_of_one_film_share_what_was_fetched() {
    let server = Server::start();
    let film = film(&server, pattern(LENGTH), limits());
    let readers = [reader(&film), reader(&film), reader(&film)];
    let reading = readers.map(|mut source| thread::spawn(move || read(&mut source, 0, LENGTH)));
    for reading in reading {
        assert!(reading.join().unwrap().unwrap() == pattern(LENGTH));
    }
    assert_eq!(server.asked().gets, BLOCKS);
}

#[test]
fn memory_is_bounded_and_what_was_forgotten_is_fetched_again() {
    let server = Server::start();
    let film = film(&server, pattern(LENGTH), RemoteLimits { blocks_max: 4, ..limits() });
    let mut source = reader(&film);
    read(&mut source, 0, LENGTH).unwrap();
    let once = server.asked().gets;
    assert!(read(&mut source, 0, LENGTH).unwrap() == pattern(LENGTH));
    assert!(server.asked().gets >= once + BLOCKS - 4, "{:?}", server.asked());
}

#[test]
fn a_server_that_is_overloaded_for_a_while_is_asked_again() {
    let server = Server::start();
    let film = film(&server, pattern(LENGTH), limits());
    server.faults.refusals.store(5, Ordering::SeqCst);
    let mut source = reader(&film);
    assert!(read(&mut source, 0, LENGTH).unwrap() == pattern(LENGTH));
    assert_eq!(server.asked().gets, BLOCKS + 5);
}

#[test]
fn a_request_that_nothing_comes_of_is_made_anew() {
    let server = Server::start();
    let silence = Duration::from_millis(200);
    let film = film(&server, pattern(LENGTH), RemoteLimits { silence, ..limits() });
    let opened = server.asked().gets;
    server.stall(true);
    let mut source = reader(&film);
    let reading = thread::spawn(move || read(&mut source, 20 * BLOCK, 500));
    server.wait_for_gets(opened + 2);
    server.stall(false);
    assert_eq!(reading.join().unwrap().unwrap(), pattern(LENGTH)[20 << 16..][..500]);
}

#[test]
fn trouble_that_lasts_too_long_is_told_and_the_next_read_tries_again() {
    let server = Server::start();
    let trouble = Duration::from_millis(300);
    let film = film(&server, pattern(LENGTH), RemoteLimits { trouble, ..limits() });
    server.stall(true);
    let mut source = reader(&film);
    let error = read(&mut source, 20 * BLOCK, 500).unwrap_err().to_string();
    assert!(error.contains("nothing came"), "{error}");
    server.stall(false);
    assert_eq!(read(&mut source, 20 * BLOCK, 500).unwrap(), pattern(LENGTH)[20 << 16..][..500]);
    assert!(film.is_unchanged());
}

#[test]
fn who_waits_when_the_program_ends_is_told() {
    let server = Server::start();
    let requests = Runtime::new().unwrap();
    server.put("film.mkv", pattern(LENGTH));
    let sources = server.sources_on(requests.handle().clone(), limits());
    let film = segue_worker::Film::open("s3://films/film.mkv", &sources).unwrap();
    server.stall(true);
    let mut source = reader(&film);
    let reading = thread::spawn(move || read(&mut source, 20 * BLOCK, 500));
    server.wait_for_waiting(1);
    requests.shutdown_background();
    let error = reading.join().unwrap().unwrap_err().to_string();
    assert!(error.contains("is ending"), "{error}");
    let error = read(&mut reader(&film), 30 * BLOCK, 500).unwrap_err().to_string();
    assert!(error.contains("is ending"), "{error}");
}
