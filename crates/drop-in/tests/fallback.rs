//! When nobody is there to do it.

mod support;

use std::fs::File;
use std::io::Write;
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use support::{DropIn, end, own_lines, says};

/// A line that is for the pool.
const ENCODE: [&str; 8] = ["-v", "error", "-y", "-i", "film.mkv", "-c:v", "mpeg2video", "out.ts"];

#[test]
fn a_film_plays_without_a_pool_and_it_is_said_and_counted() {
    let drop_in = DropIn::new();
    drop_in.film("film.mkv", 1);
    for time in 1..=2 {
        let output = drop_in.run(&ENCODE);
        assert!(output.status.success(), "{output:?}");
        assert!(drop_in.at("out.ts").metadata().unwrap().len() > 0);
        let said = own_lines(&output.stderr);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("runs here instead of in the pool"), "{said:?}");
        // The first has found out, so the second need not, however long the film took.
        let remembered = File::options().write(true).open(drop_in.cache().join("absent")).unwrap();
        remembered.set_modified(SystemTime::now()).unwrap();
        assert_eq!(said[0].contains("was there"), time == 2, "{said:?}");
        let counted = drop_in.kept().fallbacks();
        assert_eq!(counted.total, time);
        assert_eq!(counted.latest.last().unwrap().instead_of, "command");
    }
}

#[test]
fn ffmpegs_own_end_is_the_end() {
    let drop_in = DropIn::new();
    let words = ["-v", "error", "-i", "missing.mkv", "-c:v", "mpeg2video", "out.ts"];
    let (ours, plain) = (drop_in.run(&words), drop_in.plain(&words));
    assert_eq!(ours.status.code(), plain.status.code());
    assert_ne!(ours.status.code(), Some(0));
}

#[test]
fn where_ffmpeg_may_not_run_here_it_fails_after_a_while_and_not_at_once() {
    let wait = Duration::from_millis(700);
    let drop_in = DropIn::new().with("SEGUE_FALLBACK", "never").with("SEGUE_ABSENT_WAIT", "700ms");
    drop_in.film("film.mkv", 1);
    let since = Instant::now();
    let mut child = drop_in.command(&ENCODE).stderr(Stdio::piped()).spawn().unwrap();
    says(&mut child, "it is waited for");
    assert_eq!(end(&mut child).code(), Some(1));
    assert!(since.elapsed() >= wait);
    assert!(!drop_in.at("out.ts").exists());
    assert_eq!(drop_in.kept().fallbacks().total, 0);
}

fn waiting(drop_in: &DropIn) -> Child {
    let mut command = drop_in.command(&ENCODE);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    says(&mut child, "it is waited for");
    child
}

#[test]
fn whoever_ends_it_need_not_wait() {
    // Longer than the test waits for an end.
    let drop_in = DropIn::new().with("SEGUE_FALLBACK", "never").with("SEGUE_ABSENT_WAIT", "10m");
    let mut quit = waiting(&drop_in);
    quit.stdin.as_mut().unwrap().write_all(b"q\n").unwrap();
    assert_eq!(end(&mut quit).code(), Some(1));
    for signal in [Signal::TERM, Signal::INT] {
        let mut signalled = waiting(&drop_in);
        kill_process(Pid::from_child(&signalled), signal).unwrap();
        assert_eq!(end(&mut signalled).code(), Some(255));
    }
}

#[test]
fn settings_that_cannot_be_used_are_said_in_a_line_and_nothing_is_guessed() {
    let drop_in = DropIn::new();
    std::fs::write(drop_in.at("ffmpeg.toml"), "fallback = \"alwys\"\n").unwrap();
    let file = drop_in.at("ffmpeg.toml").to_str().unwrap().to_owned();
    let drop_in = drop_in.with("SEGUE_FFMPEG_CONFIG", file);
    let question = drop_in.run(&["-version"]);
    assert_eq!(question.status.code(), Some(1));
    let said = own_lines(&question.stderr);
    assert_eq!((said.len(), support::lines(&question.stderr).len()), (1, 1));
    for part in ["ffmpeg.toml", "line 1", "fallback", "when-unreachable"] {
        assert!(said[0].contains(part), "{said:?}");
    }
    // What does work is held up, until it is told to end.
    let mut command = drop_in.command(&ENCODE);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    says(&mut child, "alwys");
    child.stdin.as_mut().unwrap().write_all(b"q").unwrap();
    assert_eq!(end(&mut child).code(), Some(1));
}

#[test]
fn a_name_that_is_no_text_is_for_the_ffmpeg_that_is_here() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let drop_in = DropIn::new();
    let odd = OsStr::from_bytes(b"odd \xff.mkv");
    drop_in.film(odd, 1);
    let words: Vec<&OsStr> = ENCODE
        .iter()
        .map(|word| if *word == "film.mkv" { odd } else { OsStr::new(word) })
        .collect();
    let output = drop_in.run(&words);
    assert!(output.status.success(), "{output:?}");
    assert!(own_lines(&output.stderr)[0].contains("not UTF-8"), "{output:?}");
    let never = drop_in.with("SEGUE_FALLBACK", "never").with("SEGUE_ABSENT_WAIT", "0s");
    let output = never.run(&words);
    assert_eq!(output.status.code(), Some(1));
    assert!(own_lines(&output.stderr)[0].contains("not UTF-8"), "{output:?}");
}

#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let drop_in = DropIn::new();
    drop_in.film("film.mkv", 1);
    let mut command = drop_in.command(&ENCODE);
    let (read, write) = std::io::pipe().unwrap();
    drop(read);
    assert!(command.stderr(write).status().unwrap().success());
    assert!(drop_in.at("out.ts").metadata().unwrap().len() > 0);
}

#[test]
fn a_scheduler_that_is_there_is_asked_by_the_next_line_whatever_became_of_this_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    // It takes every connection, and does nothing for anybody.
    std::thread::spawn(move || listener.incoming().for_each(drop));
    let drop_in = DropIn::new().with("SEGUE_SCHEDULER", address);
    drop_in.film("film.mkv", 1);
    assert!(drop_in.run(&ENCODE).status.success());
    assert_eq!(drop_in.kept().fallbacks().total, 1);
    assert!(!drop_in.cache().join("absent").exists());
}
