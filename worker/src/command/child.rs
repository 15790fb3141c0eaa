//! The process of a command: it waits before it is needed, in a group of its own, and is never left
//! behind.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group};
use tokio::sync::oneshot;

use super::SUBCOMMAND;
use super::exec::Order;

type Request = (Vec<u8>, oneshot::Sender<io::Result<Started>>);

/// A child that has its order; it ends with this, whoever drops it.
#[derive(Debug)]
pub struct Started(Child);

impl Started {
    /// The child's ends of its streams, once.
    pub fn streams(&mut self) -> (Option<ChildStdin>, Option<ChildStdout>, Option<ChildStderr>) {
        (self.0.stdin.take(), self.0.stdout.take(), self.0.stderr.take())
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // One that is gone, or reaped, is as good; else it is to be reaped.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

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
                // Where whoever asked has gone away, it ends at once.
                drop(reply.send(started));
                waits = waiting().ok();
            }
        })?;
        Ok(Starter(requests))
    }

    /// Has a child become what `order` says.
    pub async fn start(&self, order: &Order) -> io::Result<Started> {
        let order = order.to_bytes()?;
        let (reply, answer) = oneshot::channel();
        let gone = || io::Error::other("no more commands are started");
        self.0.send((order, reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// One that waits for its order.
fn waiting() -> io::Result<Started> {
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
    command.spawn().map(Started)
}

/// The child, with its order.
fn told(mut child: Started, order: &[u8]) -> io::Result<Started> {
    match &mut child.0.stdin {
        Some(stdin) => stdin.write_all(order)?,
        None => return Err(io::Error::other("it has no standard input")),
    }
    Ok(child)
}

/// A child's group, as long as the child has not been waited for.
#[derive(Clone, Debug)]
pub struct Group(Arc<Mutex<Option<Pid>>>);

impl Group {
    /// Of a child that leads it.
    pub fn of(child: &Started) -> Group {
        Group(Arc::new(Mutex::new(Some(Pid::from_child(&child.0)))))
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
    pub fn wait(
        &self,
        mut child: Started,
    ) -> io::Result<oneshot::Receiver<io::Result<ExitStatus>>> {
        let (tell, told) = oneshot::channel();
        let group = self.clone();
        thread::Builder::new().name("command".to_owned()).spawn(move || {
            let pid = Pid::from_child(&child.0);
            let seen = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while let Err(rustix::io::Errno::INTR) = rustix::process::waitid(WaitId::Pid(pid), seen)
            {
            }
            group.signal(Signal::KILL);
            // From here on the kernel may give the number to somebody else.
            let mut held = group.0.lock().unwrap_or_else(PoisonError::into_inner);
            *held = None;
            drop(held);
            let _ = tell.send(child.0.wait());
        })?;
        Ok(told)
    }
}
