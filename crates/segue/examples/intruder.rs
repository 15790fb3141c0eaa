//! Stands where a worker's ffmpeg stood, and tries what a command must not do to the machine that runs
//! it. For tests.
//!
//! Says a line for each attempt: what it was, and `refused`, `done`, or the system's words.

use std::fs::File;
use std::io::Error;
use std::net::TcpListener;
use std::process::Command;

use rustix::fs::{self, CWD, FileType, Mode, Timespec, Timestamps, UTIME_NOW, XattrFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket, socketpair};
use rustix::process::{Pid, getppid, set_parent_process_death_signal, test_kill_process};

fn main() {
    // A worker asks its ffmpeg what it has; this has nothing.
    if std::env::args().nth(1).as_deref() != Some("intrude") {
        return;
    }
    let (inet, stream) = (AddressFamily::INET, SocketType::STREAM);
    let opened = |family, kind, protocol| socket(family, kind, protocol).map(drop);
    told("a socket for TCP", opened(inet, stream, Some(ipproto::TCP)));
    told("a socket for multipath TCP", opened(inet, stream, Some(ipproto::MPTCP)));
    told("a socket for SCTP", opened(inet, stream, Some(ipproto::SCTP)));
    told("a socket for UDP", opened(inet, SocketType::DGRAM, None));
    told("a raw socket", opened(inet, SocketType::RAW, Some(ipproto::ICMP)));
    told("a socket for IPv6", opened(AddressFamily::INET6, stream, None));
    told("a local socket", opened(AddressFamily::UNIX, stream, None));
    told("a socket of the kernel's", opened(AddressFamily::NETLINK, SocketType::RAW, None));
    let pair = socketpair(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::empty(), None);
    told("a pair of datagram sockets", pair.map(drop));
    heard("a port to listen on", TcpListener::bind("127.0.0.1:0").map(drop));
    heard("a program", Command::new("/bin/true").status().map(drop));
    let parent = getppid().map_or(Err(Errno::SRCH), test_kill_process);
    told("a signal to the worker", parent);
    told("to outlive the worker", set_parent_process_death_signal(None));
    std::fs::write("own", "own").expect("its own directory is there to be written to");
    heard("to read a file of the machine", std::fs::read("/etc/passwd").map(drop));
    let memory = format!("/proc/{}/mem", getppid().map_or(0, Pid::as_raw_pid));
    heard("to read the worker's memory", File::open(memory).map(drop));
    heard("to list a directory of the machine", std::fs::read_dir("/var").map(drop));
    heard("to write a file of the machine", std::fs::write("/var/tmp/segue-intruder", "x"));
    told("a link to elsewhere", fs::symlink("/etc", "link"));
    told("a second name", fs::link("own", "other"));
    let pipe = fs::mknodat(CWD, "pipe", FileType::Fifo, Mode::RUSR, 0);
    told("a pipe with a name", pipe);
    told("to change who may read", fs::chmod("own", Mode::RWXU | Mode::RWXO));
    let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
    let now = Timestamps { last_access: now, last_modification: now };
    told("to change a time", fs::utimensat(CWD, "own", &now, fs::AtFlags::empty()));
    told("to add an attribute", fs::setxattr("own", "user.a", b"a", XattrFlags::empty()));
}

fn told(what: &str, outcome: Result<(), Errno>) {
    heard(what, outcome.map_err(Error::from));
}

fn heard(what: &str, outcome: Result<(), Error>) {
    let outcome = match outcome {
        Ok(()) => "done".to_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => "refused".to_owned(),
        Err(error) => error.to_string(),
    };
    println!("{what}: {outcome}");
}
