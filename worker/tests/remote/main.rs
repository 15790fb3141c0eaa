//! Films in buckets: read through the parent by children without a network, from a real S3 server.

mod children;
mod reading;
mod refused;
mod server;

use std::fs::File;
use std::io;
use std::time::Duration;

use segue_media::ByteSource;
use segue_worker::{Film, RemoteLimits, RemoteSource};
use server::Server;

/// Small enough that a laboratory film has several.
const BLOCK: u64 = 64 << 10;

fn limits() -> RemoteLimits {
    let pause = Duration::from_millis(1);
    // All that tests read fits in.
    RemoteLimits { block_bytes: BLOCK, blocks_max: 64, pause, ..RemoteLimits::default() }
}

/// Puts `bytes` into the bucket and opens them.
fn film(server: &Server, bytes: Vec<u8>, limits: RemoteLimits) -> Film {
    server.put("a film.mkv", bytes);
    Film::open("s3://films/a film.mkv", &server.sources(limits)).expect("the film opens")
}

/// Bytes that differ from place to place.
fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8 ^ (at / BLOCK) as u8).collect()
}

/// A film as a child reads it.
fn reader(film: &Film) -> RemoteSource {
    let socket = File::from(film.descriptor().expect("a descriptor"));
    assert!(RemoteSource::is_behind(&socket));
    RemoteSource::new(socket, || Ok(())).expect("the parent answers")
}

/// Reads `length` bytes from `position`, as a demuxer does.
fn read(source: &mut RemoteSource, position: u64, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        let end = bytes.len().min(filled + (10 << 10));
        match source.read_at(&mut bytes[filled..end], position + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
