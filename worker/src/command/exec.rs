//! The child's side: wait for an order, shut this process in, then become the program. The order comes
//! by standard input, of which all that follows is the program's.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal};
use rustix::stdio::stdin;
use serde::{Deserialize, Serialize};

use super::sandbox;

/// Said by a child that did not become the program; no ffmpeg ends so.
pub const NOT_STARTED: u8 = 125;

/// What a child is to become, and what is left to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// Which process it must not outlive.
    pub parent: u32,
    /// What it becomes.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it runs.
    pub directory: PathBuf,
    /// Where it keeps what nobody else needs.
    pub home: PathBuf,
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
    /// Where to write what the kernel cannot enforce, or why this could not become the program.
    pub report: PathBuf,
}

impl Order {
    /// As it is given to a child: its length, then itself.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let text = serde_json::to_vec(self)?;
        let length = u32::try_from(text.len());
        let length = length.map_err(|_| io::Error::other("the arguments are too long"))?;
        Ok([&length.to_be_bytes(), text.as_slice()].concat())
    }

    /// The one that is given to this process; `None` where there is none any more.
    fn given() -> io::Result<Option<Order>> {
        let mut length = [0; 4];
        if !fill(&mut length)? {
            return Ok(None);
        }
        let mut text = vec![0; u32::from_be_bytes(length) as usize];
        if !fill(&mut text)? {
            return Ok(None);
        }
        Ok(Some(serde_json::from_slice(&text)?))
    }
}

/// Takes so much of standard input and no more. Whether there was so much.
fn fill(mut bytes: &mut [u8]) -> io::Result<bool> {
    while !bytes.is_empty() {
        match rustix::io::read(stdin(), &mut *bytes) {
            Ok(0) => return Ok(false),
            Ok(count) => bytes = &mut bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

/// Becomes what it is ordered to; returns only if that fails, or no order comes.
pub fn main() -> ExitCode {
    // Before the wait, in which a parent may end; standard input ends with one that ended before.
    let dies = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    match dies.map_err(io::Error::from).and_then(|()| Order::given()) {
        Ok(Some(order)) => {
            let error = become_it(&order);
            // Where it cannot be written either, the exit code has to do.
            let _ = std::fs::write(&order.report, error.to_string());
        }
        Ok(None) => return ExitCode::SUCCESS,
        Err(error) => eprintln!("segue: no order came: {error}"),
    }
    ExitCode::from(NOT_STARTED)
}

fn become_it(order: &Order) -> io::Error {
    let prepare = || -> io::Result<()> {
        // A parent that ended before it could be heard of sent no signal.
        if rustix::process::getppid().map(Pid::as_raw_pid) != Some(order.parent as i32) {
            return Err(io::Error::other("the worker is gone"));
        }
        let unenforced = sandbox::enter(order).map_err(io::Error::other)?;
        std::fs::write(&order.report, unenforced.join("\n"))
    };
    if let Err(error) = prepare() {
        return error;
    }
    let homes = ["HOME", "TMPDIR", "XDG_CACHE_HOME"].map(|name| (name, &order.home));
    let mut program = Command::new(&order.program);
    program.args(&order.arguments).current_dir(&order.directory).envs(homes).exec()
}
