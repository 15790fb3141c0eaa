//! The process of a command: it waits before it is needed, in a group of its own, and is never left
//! behind.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group};
use tokio::sync::oneshot;

use super::SUBCOMMAND;
use super::exec::Order;

type Request = (Vec<u8>, oneshot::Sender<io::Result<Child>>);

/// Starts children from one thread that lasts as long as the program: the kernel sends the death
/// signal when the *thread* that started a child ends. One child always waits for its order: this
/// binary's libraries take a tenth of a second to load, as long as ffmpeg's own.
#[derive(Clone, Debug)]
pub struct Starter(mpsc::Sender<Request>);

impl Starter {
    /// With its thread.
    pub fn new() -> io::Result<Starter> {
        let (requests, inbox) = mpsc::channel::<Request>();
        thread::Builder::new().name("commands".to_owned()).spawn(move || {
            // Where none can be started the next order says why.
            let mut waits = waiting().ok();
            while let Ok((order, reply)) = inbox.recv() {
                let ready = waits.take().and_then(|child| told(child, &order).ok());
                // Who waited may have been killed.
                let started = ready.map_or_else(|| told(waiting()?, &order), Ok);
                if let Err(Ok(child)) = reply.send(started) {
                    // Whoever asked has gone away.
                    end(child);
                }
                waits = waiting().ok();
            }
            waits.map(end).unwrap_or_default();
        })?;
        Ok(Starter(requests))
    }

    /// Has a child become what `order` says.
    pub async fn start(&self, order: &Order) -> io::Result<Child> {
        let order = order.to_bytes()?;
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("no more commands are started");
        self.0.send((order, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// A child that waits for its order.
fn waiting() -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command
        .arg(SUBCOMMAND)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8");
    for kept in ["LD_LIBRARY_PATH", "LIBVA_DRIVER_NAME", "LIBVA_DRIVERS_PATH", "TZ"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    command.spawn()
}

/// The child, with its order.
fn told(mut child: Child, order: &[u8]) -> io::Result<Child> {
    let written = match &mut child.stdin {
        Some(stdin) => stdin.write_all(order),
        None => Err(io::Error::other("it has no standard input")),
    };
    match written {
        Ok(()) => Ok(child),
        Err(error) => {
            end(child);
            Err(error)
        }
    }
}

fn end(mut child: Child) {
    // One that is gone is to be reaped all the same.
    let _ = child.kill();
    let _ = child.wait();
}

/// A child's group, as long as the child has not been waited for.
#[derive(Clone, Debug)]
pub struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    /// Of a child that leads it.
    pub fn of(child: &Child) -> Group {
        Group(Arc::new(Mutex::new(Some(Pid::from_child(child)))))
    }

    /// Sends all of it a signal, if it is there.
    pub fn signal(&self, signal: Signal) {
        let pid = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            // Gone in the meantime is as good.
            let _ = kill_process_group(pid, signal);
        }
    }

    /// Whether the leader is ending or has ended, as the kernel says: what closes its files then is not
    /// the program.
    pub fn is_ending(&self) -> bool {
        const PF_EXITING: u64 = 4;
        let pid = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pid) = pid else { return true };
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid()));
        let stat = stat.unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let state = fields.next().unwrap_or("X");
        let flags: u64 = fields.nth(5).and_then(|flags| flags.parse().ok()).unwrap_or(PF_EXITING);
        matches!(state, "Z" | "X") || flags & PF_EXITING != 0
    }

    /// Waits for the child on a thread of its own, ends whatever is left of its group, and reaps it.
    pub fn wait(&self, mut child: Child) -> io::Result<oneshot::Receiver<io::Result<ExitStatus>>> {
        let (tell, told) = oneshot::channel();
        let group = self.clone();
        thread::Builder::new().name("command".to_owned()).spawn(move || {
            let pid = Pid::from_child(&child);
            let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), seen)
            {
            }
            group.signal(Signal::KILL);
            // From here on the kernel may give the number to somebody else.
            let mut held = group.0.lock().unwrap_or_else(PoisonError::into_inner);
            *held = None;
            drop(held);
            let _ = tell.send(child.wait());
        })?;
        Ok(told)
    }
}
