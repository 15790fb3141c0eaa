//! Tries what must be denied. For tests, and for whoever wants to know what a machine can do.
//!
//! Each attempt would succeed without the sandbox, and leave things as they were. What safe code
//! cannot try (message queues, memory that is run) is left to the tests of the filter itself.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use rustix::fs::MemfdFlags;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::{Pid, PidfdFlags, Resource, Signal};

use crate::span_process::protocol::SandboxCheck;

/// Tries everything.
pub fn check() -> SandboxCheck {
    let mut check = SandboxCheck::default();
    let attempts = files().into_iter().chain(beyond()).chain(itself()).chain(parent());
    for (attempt, succeeded) in attempts {
        let list = if succeeded { &mut check.allowed } else { &mut check.denied };
        list.push(attempt.to_owned());
    }
    check
}

/// An attempt, and whether it succeeded.
type Attempt = (&'static str, bool);

fn files() -> Vec<Attempt> {
    const ANY: &str = "/etc/passwd";
    // With either call, and with the flag of those who ask about an open descriptor.
    let (flag, all) = (rustix::fs::AtFlags::EMPTY_PATH, rustix::fs::StatxFlags::BASIC_STATS);
    let looked_up = fs::metadata(ANY).is_ok()
        || rustix::fs::stat(ANY).is_ok()
        || rustix::fs::statx(rustix::fs::CWD, ANY, flag, all).is_ok();
    let accessed = rustix::fs::access(ANY, rustix::fs::Access::EXISTS);
    let scratch = std::env::temp_dir().join(format!("segue-sandbox-{}", std::process::id()));
    let written = fs::File::create(&scratch).and_then(|mut file| file.write_all(b"written"));
    let _ = fs::remove_file(&scratch);
    let made = fs::create_dir(&scratch);
    let _ = fs::remove_dir(&scratch);
    vec![
        ("read a file", fs::File::open(ANY).is_ok()),
        ("look up a file by its name", looked_up),
        ("ask whether a file is there", accessed.is_ok()),
        ("read a link", fs::read_link("/proc/self/exe").is_ok()),
        ("write a file", written.is_ok()),
        ("make a directory", made.is_ok()),
        ("make a file in memory", rustix::fs::memfd_create("sandbox", MemfdFlags::CLOEXEC).is_ok()),
    ]
}

fn beyond() -> Vec<Attempt> {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None);
    // On the streams it has: making new ones would fail before the program is tried.
    let mut program = Command::new("/proc/self/exe");
    program.arg("--version").stdin(Stdio::inherit()).stdout(Stdio::inherit());
    vec![
        ("open a network socket", socket.is_ok()),
        ("open a local socket", std::os::unix::net::UnixStream::pair().is_ok()),
        ("run a program", program.stderr(Stdio::inherit()).status().is_ok()),
    ]
}

/// What it sets is what was set before.
fn itself() -> Vec<Attempt> {
    let cores = rustix::thread::sched_getaffinity(None);
    let cores = cores.and_then(|cores| rustix::thread::sched_setaffinity(None, &cores));
    let files_max = rustix::process::getrlimit(Resource::Nofile);
    let limited = rustix::process::setrlimit(Resource::Nofile, files_max);
    vec![
        ("choose its cores", cores.is_ok()),
        ("change its own priority", set_priority(None)),
        ("change its limits", limited.is_ok()),
    ]
}

fn parent() -> Vec<Attempt> {
    let parent = rustix::process::getppid();
    let signalled = parent.map(rustix::process::test_kill_process);
    let held = parent.map(|parent| rustix::process::pidfd_open(parent, PidfdFlags::empty()));
    let bound = rustix::process::parent_process_death_signal() == Ok(Some(Signal::KILL));
    let unbound = rustix::process::set_parent_process_death_signal(None);
    vec![
        ("signal its parent", matches!(signalled, Some(Ok(())))),
        ("get hold of its parent", matches!(held, Some(Ok(_)))),
        ("change its parent's priority", parent.is_some() && set_priority(parent)),
        ("outlive its parent", !bound || unbound.is_ok()),
    ]
}

fn set_priority(of: Option<Pid>) -> bool {
    // Refused already where it may not be asked for; the usual one is tried all the same.
    let priority = rustix::process::getpriority_process(of).unwrap_or(0);
    rustix::process::setpriority_process(of, priority).is_ok()
}
