//! The child's side: shut this process in, then become the program. What the parent says comes as an
//! argument, as standard input is the program's.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

use super::sandbox;

/// Said by a child that did not become the program.
pub const NOT_STARTED: u8 = 125;

/// What a child is to become, and what is left to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Which process it must not outlive.
    pub parent: u32,
    /// What it becomes.
    pub program: PathBuf,
    /// What it may read.
    pub readable: Vec<PathBuf>,
    /// Where it may do as it likes.
    pub writable: Vec<PathBuf>,
    /// The port on the loopback that it may connect to.
    pub port: Option<u16>,
    /// Whether it may do anything in the network.
    pub network: bool,
    /// The longest file that it may write.
    pub file_max: u64,
    /// Where to write what the kernel cannot enforce.
    pub report: Option<PathBuf>,
}

/// Becomes what `order` says, in JSON, with `arguments`; returns only if that fails.
pub fn main(order: &str, arguments: Vec<OsString>) -> ExitCode {
    let error = match serde_json::from_str(order) {
        Ok(order) => become_it(&order, arguments),
        Err(error) => io::Error::other(format!("the order cannot be read: {error}")),
    };
    eprintln!("segue: the command could not be started: {error}");
    ExitCode::from(NOT_STARTED)
}

fn become_it(order: &Order, arguments: Vec<OsString>) -> io::Error {
    let prepare = || -> io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // A parent that ended before the line above sent no signal.
        if rustix::process::getppid().map(Pid::as_raw_pid) != Some(order.parent as i32) {
            return Err(io::Error::other("the worker is gone"));
        }
        let unenforced = sandbox::enter(order).map_err(io::Error::other)?;
        if let Some(report) = &order.report {
            std::fs::write(report, unenforced.join("\n"))?;
        }
        Ok(())
    };
    match prepare() {
        Ok(()) => Command::new(&order.program).args(arguments).exec(),
        Err(error) => error,
    }
}
