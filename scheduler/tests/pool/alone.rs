//! The program itself: what it says, how it ends, and what it refuses.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

const PROGRAM: &str = env!("CARGO_BIN_EXE_segue-scheduler");

fn command(folder: &Path, listen: &str) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("--listen").arg(listen);
    command.arg("--ledger").arg(folder.join("segue.db")).arg("--store").arg(folder.join("store"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).env("SEGUE_LOG", "warn");
    command
}

/// Started, and the address it listens on.
fn start(folder: &Path) -> (Child, String) {
    let mut child = command(folder, "127.0.0.1:0").spawn().expect("started");
    let mut line = String::new();
    let stdout = child.stdout.take().expect("standard output");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
    (child, address.unwrap_or_else(|| panic!("said {line:?}")))
}

fn refused(command: &mut Command) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = command.output().expect("ran");
    let words = String::from_utf8(stderr).expect("text");
    assert_eq!(words.trim().lines().count(), 1, "one line: {words}");
    (status.code(), words)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("connected");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    answer
}

#[test]
fn it_tells_how_it_is_and_ends_when_it_is_asked_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut child, address) = start(folder.path());
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
    let metrics = get(&address, "/metrics");
    assert!(metrics.contains("segue_workers_connected 0"), "{metrics}");
    let terminated = Command::new("kill").arg(child.id().to_string()).status();
    assert!(terminated.expect("kill").success());
    assert!(child.wait().expect("ended").success());
}

#[test]
fn after_a_kill_the_ledger_is_free_at_once_and_not_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut first, _) = start(folder.path());
    let (code, words) = refused(&mut command(folder.path(), "127.0.0.1:0"));
    assert_eq!(code, Some(2));
    assert!(words.starts_with("segue-scheduler: the ledger"), "{words}");
    assert!(words.contains("segue.db is in use by another scheduler"), "{words}");
    // SIGKILL.
    first.kill().expect("killed");
    first.wait().expect("ended");
    let (mut second, address) = start(folder.path());
    assert!(get(&address, "/healthz").starts_with("HTTP/1.1 200"));
    second.kill().expect("killed");
    second.wait().expect("ended");
}

#[test]
fn what_cannot_be_done_as_asked_is_said_in_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, words) = refused(&mut command(folder.path(), "0.0.0.0:0"));
    assert!(code == Some(2) && words.contains("--insecure"), "{words}");
    let ledger = folder.path().join("segue.db");
    let mut elsewhere = Command::new(PROGRAM);
    elsewhere.args(["--store", "ftp://films", "--ledger"]).arg(&ledger);
    let (code, words) = refused(&mut elsewhere);
    assert!(code == Some(2) && words.contains("'ftp://films' is not a store"), "{words}");
    assert!(!ledger.exists(), "nothing is left behind");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, words) = refused(&mut command(folder.path(), &address));
    assert!(code == Some(2) && words.contains("cannot listen on"), "{words}");
}
