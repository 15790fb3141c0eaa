//! Span processes as their parent meets them: shut in, watched, never left behind.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getpgid, kill_process};
use segue_model::FailureClass;
use segue_worker::span_process::{EndedBy, Patience, SUBCOMMAND, SpanProcess, Spawner, Trouble};
use support::{Watched, film};

fn spawner(patience: Patience) -> Spawner {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_segue"));
    Spawner::new(program, patience).expect("a thread can be started")
}

fn process() -> SpanProcess {
    spawner(Patience::default()).spawn().expect("a child starts")
}

fn pid_of(process: &SpanProcess) -> Pid {
    Pid::from_raw(process.pid() as i32).expect("a process id is positive")
}

#[test]
fn a_child_is_denied_files_sockets_programs_and_other_processes() {
    let mut process = process();
    let check = process.check_sandbox().expect("the child answers");
    assert_eq!(check.allowed, [""; 0], "denied: {:?}", check.denied);
    let attempts = [
        "read a file",
        "look up a file by its name",
        "ask whether a file is there",
        "read a link",
        "write a file",
        "make a directory",
        "make a file in memory",
        "open a network socket",
        "open a local socket",
        "run a program",
        "choose its cores",
        "change its own priority",
        "change its limits",
        "signal its parent",
        "get hold of its parent",
        "change its parent's priority",
        "outlive its parent",
    ];
    assert_eq!(check.denied, attempts);
    // What the kernel lacks is said; what is said is about this kernel.
    for line in process.unenforced() {
        assert!(line.contains("Landlock"), "{line}");
    }
}

#[test]
fn a_child_describes_a_film_it_could_not_open_and_takes_another_order() {
    let mut process = process();
    let source = File::open(film()).unwrap();
    let facts = process.describe(source.as_fd()).expect("a film is described");
    assert_eq!(facts.video.as_ref().map(|video| video.width), Some(320));
    assert_eq!(process.describe(source.as_fd()).expect("and again"), facts);
}

#[test]
fn a_source_that_is_no_film_is_the_sources_fault_and_the_child_lives_on() {
    let mut process = process();
    let text = File::open(segue_lab::bad_source("text-named-mp4")).unwrap();
    match process.describe(text.as_fd()) {
        Err(Trouble::Failed(failure)) => assert_eq!(failure.class, FailureClass::Source),
        other => panic!("{other:?}"),
    }
    process.describe(File::open(film()).unwrap().as_fd()).expect("the child is still there");
}

#[test]
fn a_killed_child_is_told_by_its_signal() {
    let mut process = process();
    kill_process(pid_of(&process), Signal::ABORT).unwrap();
    match process.check_sandbox() {
        Err(Trouble::Died(death)) => {
            assert_eq!(death.ended_by.to_string(), "aborted (SIGABRT)");
            assert_eq!(death.pid, process.pid());
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_child_that_says_nothing_for_too_long_is_killed() {
    let floor = Duration::from_millis(300);
    let patience = Patience { floor, ceiling: floor, ..Patience::default() };
    let mut process = spawner(patience).spawn().expect("a child starts");
    let watched = Watched::new(pid_of(&process));
    kill_process(pid_of(&process), Signal::STOP).unwrap();
    match process.check_sandbox() {
        Err(Trouble::Died(death)) => {
            assert!(matches!(death.ended_by, EndedBy::Silence(_)), "{death}");
        }
        other => panic!("{other:?}"),
    }
    watched.must_end();
}

#[test]
fn a_dropped_child_is_gone() {
    let process = process();
    let watched = Watched::new(pid_of(&process));
    drop(process);
    watched.must_end();
}

#[test]
fn after_all_are_killed_no_more_are_started() {
    let spawner = spawner(Patience::default());
    let process = spawner.spawn().expect("a child starts");
    let watched = Watched::new(pid_of(&process));
    spawner.kill_all();
    watched.must_end();
    assert!(spawner.spawn().is_err());
}

#[test]
fn a_program_that_is_no_span_process_is_told_by_what_it_said() {
    let spawner = Spawner::new(PathBuf::from("/bin/echo"), Patience::default()).unwrap();
    let error = spawner.spawn().map(|process| process.pid()).unwrap_err();
    assert!(error.to_string().contains("span-process"), "{error}");
}

#[test]
fn a_child_is_in_a_process_group_of_its_own() {
    let process = process();
    let pid = pid_of(&process);
    assert_eq!(getpgid(Some(pid)), Ok(pid));
}

/// A child started by hand, to see what it does on its own.
fn by_hand(parent: u32) -> (std::process::Child, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_segue"))
        .args([SUBCOMMAND, &parent.to_string()])
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    (child, ours)
}

#[test]
fn a_child_ends_when_its_orders_do() {
    let (mut child, orders) = by_hand(std::process::id());
    drop(orders);
    Watched::new(Pid::from_child(&child)).must_end();
    child.wait().unwrap();
}

#[test]
fn a_child_whose_parent_is_already_gone_does_not_start() {
    // Nobody's parent but the kernel's.
    let (mut child, _orders) = by_hand(2);
    let status = child.wait().unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(!status.success());
    assert!(errors.contains("the parent is gone"), "{errors}");
}

#[test]
fn garbage_for_an_order_ends_the_child_and_is_named() {
    let (mut child, mut orders) = by_hand(std::process::id());
    orders.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    child.wait().unwrap();
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert!(errors.contains("GET / HTTP"), "{errors}");
}
