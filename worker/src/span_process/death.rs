//! How a child ended, in words for a person.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// What ended a child.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// A signal that it did not get from us.
    Signal(i32),
    /// It ended itself, though it had work.
    Exit(i32),
    /// It said nothing for so long that it was killed.
    Silence(Duration),
    /// It said what no span process says, and was killed.
    Garbage(String),
}

impl EndedBy {
    /// From what the kernel reports.
    pub fn of(status: ExitStatus) -> EndedBy {
        match status.signal() {
            Some(signal) => EndedBy::Signal(signal),
            None => EndedBy::Exit(status.code().unwrap_or(-1)),
        }
    }

    /// Whether somebody else ended it, a person or a kernel short of memory: it is not to blame.
    pub fn from_outside(&self) -> bool {
        let asked = [libc::SIGKILL, libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT];
        matches!(self, EndedBy::Signal(signal) if asked.contains(signal))
    }
}

/// `was killed (SIGKILL)`.
impl fmt::Display for EndedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndedBy::Signal(
                signal @ (libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE),
            ) => {
                write!(f, "crashed ({})", signal_name(*signal))
            }
            EndedBy::Signal(libc::SIGABRT) => f.write_str("aborted (SIGABRT)"),
            EndedBy::Signal(signal) => write!(f, "was killed ({})", signal_name(*signal)),
            EndedBy::Exit(code) => write!(f, "ended by itself (exit code {code})"),
            EndedBy::Silence(silent) => {
                write!(f, "hung (silent for {} s) and was killed", silent.as_secs_f32().round())
            }
            EndedBy::Garbage(what) => write!(f, "spoke out of turn ({what}) and was killed"),
        }
    }
}

/// A child's end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("span process {pid} {ended_by}")]
pub struct Death {
    /// Which child.
    pub pid: u32,
    /// How.
    pub ended_by: EndedBy,
    /// The last lines it wrote to standard error, oldest first.
    pub last_words: Vec<String>,
}

/// `SIGKILL`, or `signal 40` for those without a name of their own.
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
