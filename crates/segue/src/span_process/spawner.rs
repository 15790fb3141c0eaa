//! Starts children and knows them all, so that none is ever left behind.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::{Death, Patience, SUBCOMMAND, SpanProcess};

/// Why there is no child.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The system gives no process or descriptor.
    #[error("a span process could not be started")]
    Io(#[from] io::Error),
    /// It was started, and ended before its first word.
    #[error("{0} before it was ready")]
    Died(Death),
    /// Another version of this program.
    #[error(
        "the span process speaks version {0} of the protocol: was segue replaced while it ran?"
    )]
    Version(u32),
    /// [`Spawner::kill_all`] was called.
    #[error("no more span processes are started")]
    Closed,
}

/// Starts span processes from one thread that lasts as long as the program: the kernel sends the
/// death signal when the *thread* that started a child ends. Clones are handles to the same.
#[derive(Clone)]
pub struct Spawner {
    requests: SyncSender<SyncSender<io::Result<Streams>>>,
    children: Children,
    patience: Patience,
}

/// A started child and its ends of the conversation.
pub(super) struct Streams {
    pub child: Arc<Mutex<Child>>,
    pub orders: UnixStream,
}

impl Spawner {
    /// Prepares to run `program` (this executable: [`Spawner::this_program`]) as span processes.
    pub fn new(program: PathBuf, patience: Patience) -> io::Result<Spawner> {
        let (requests, inbox) = mpsc::sync_channel(0);
        let children = Children::default();
        let known = children.clone();
        thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || serve(&program, &inbox, &known))?;
        Ok(Spawner { requests, children, patience })
    }

    /// The running executable, even when its file has been replaced or removed since.
    pub fn this_program() -> PathBuf {
        PathBuf::from("/proc/self/exe")
    }

    /// Starts a child and waits for its hello.
    pub fn spawn(&self) -> Result<SpanProcess, SpawnError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.requests.send(reply).map_err(|_| SpawnError::Closed)?;
        let streams = answer.recv().map_err(|_| SpawnError::Closed)?;
        if self.children.lock().closed {
            return Err(SpawnError::Closed);
        }
        SpanProcess::greet(streams?, self.clone())
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Takes note that a child has been reaped.
    pub(super) fn forget(&self, pid: u32) {
        self.children.lock().living.remove(&pid);
    }

    /// Kills every child and starts no more. Whoever waits for one learns of its death.
    pub fn kill_all(&self) {
        let mut table = self.children.lock();
        table.closed = true;
        for child in table.living.values() {
            // Already ended is as good.
            let _ = lock(child).kill();
        }
    }
}

/// All children that have not been reaped.
#[derive(Clone, Default)]
struct Children(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    living: HashMap<u32, Arc<Mutex<Child>>>,
    closed: bool,
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Table> {
        lock(&self.0)
    }
}

/// A thread that panicked while it held the lock left nothing half-done here.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(
    program: &PathBuf,
    inbox: &Receiver<SyncSender<io::Result<Streams>>>,
    children: &Children,
) {
    while let Ok(reply) = inbox.recv() {
        let started = start(program).inspect(|streams| {
            let pid = lock(&streams.child).id();
            let mut table = children.lock();
            table.living.insert(pid, streams.child.clone());
            if table.closed {
                let _ = lock(&streams.child).kill();
            }
        });
        // A caller who has gone away drops the orders, and the child ends with them.
        let _ = reply.send(started);
    }
}

fn start(program: &PathBuf) -> io::Result<Streams> {
    let (orders, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command
        .arg(SUBCOMMAND)
        .arg(std::process::id().to_string())
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is for the parent, which stops its children in order.
        .process_group(0)
        // The environment may hold credentials.
        .env_clear();
    for kept in ["LD_LIBRARY_PATH", "RUST_BACKTRACE", "TMPDIR"] {
        if let Some(value) = std::env::var_os(kept) {
            command.env(kept, value);
        }
    }
    let child = command.spawn()?;
    Ok(Streams { child: Arc::new(Mutex::new(child)), orders })
}
