//! Starts children and knows them all, so that none is ever left behind.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Death, Patience, SUBCOMMAND, SpanProcess};

/// The pause after a child that could not be started ahead of need.
const COLD: Duration = Duration::from_secs(1);

/// Between looks at a child that was killed.
const REAP: Duration = Duration::from_millis(1);

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
    warm: Option<Warm>,
}

/// A started child and its ends of the conversation.
pub(super) struct Streams {
    pub ward: Ward,
    pub orders: UnixStream,
    pub stdout: ChildStdout,
    pub stderr: ChildStderr,
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
        Ok(Spawner { requests, children, patience, warm: None })
    }

    /// From now on clones of what this returns keep `count` children ready, started ahead of need.
    pub fn keeping_warm(mut self, count: usize) -> io::Result<Spawner> {
        // One more waits in the hand of the thread.
        let (ready, waiting) = mpsc::sync_channel(count.saturating_sub(1));
        let cold = self.clone();
        thread::Builder::new().name("warm".to_owned()).spawn(move || {
            loop {
                match cold.start_and_greet() {
                    Ok(process) => {
                        if ready.send(process).is_err() {
                            break;
                        }
                    }
                    Err(SpawnError::Closed) => break,
                    // Whoever needs one meets the same trouble, and tells it.
                    Err(_) => thread::sleep(COLD),
                }
            }
        })?;
        let warm = Warm(Arc::new(Mutex::new(waiting)));
        self.warm = Some(warm);
        Ok(self)
    }

    /// The running executable, even when its file has been replaced or removed since.
    pub fn this_program() -> PathBuf {
        PathBuf::from("/proc/self/exe")
    }

    /// A child that is ready for orders: one that was kept warm, or else a new one.
    pub fn spawn(&self) -> Result<SpanProcess, SpawnError> {
        match self.warm.as_ref().and_then(Warm::take) {
            Some(process) => Ok(process),
            None => self.start_and_greet(),
        }
    }

    /// Starts a child and waits for its hello.
    fn start_and_greet(&self) -> Result<SpanProcess, SpawnError> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.requests.send(reply).map_err(|_| SpawnError::Closed)?;
        let streams = answer.recv().map_err(|_| SpawnError::Closed)?;
        if self.children.table().closed {
            return Err(SpawnError::Closed);
        }
        SpanProcess::greet(streams?, self.clone())
    }

    pub(super) fn patience(&self) -> Patience {
        self.patience
    }

    /// Kills every child and starts no more. Whoever waits for one learns of its death.
    pub fn kill_all(&self) {
        let mut table = self.children.table();
        table.closed = true;
        for child in table.living.values() {
            // Already ended is as good.
            let _ = lock(child).kill();
        }
    }
}

/// Children that were started ahead of need.
#[derive(Clone)]
struct Warm(Arc<Mutex<Receiver<SpanProcess>>>);

impl Warm {
    /// One of them that lives: nobody looks after them while they wait.
    fn take(&self) -> Option<SpanProcess> {
        let waiting = lock(&self.0);
        std::iter::from_fn(|| waiting.try_recv().ok()).find(SpanProcess::lives)
    }
}

/// Ends a child from another thread than the one that listens to it.
#[derive(Clone)]
pub struct Killer(Arc<Mutex<Child>>);

impl Killer {
    /// Whoever listens to it learns of its death. Already ended is as good.
    pub fn kill(&self) {
        let _ = lock(&self.0).kill();
    }
}

/// A child that is somebody's to look after: killed and reaped with this, on whichever way that
/// goes.
pub(super) struct Ward {
    pid: u32,
    number: u64,
    child: Arc<Mutex<Child>>,
    children: Children,
}

impl Ward {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn killer(&self) -> Killer {
        Killer(self.child.clone())
    }

    /// How it ended, if it has.
    pub(super) fn try_wait(&self) -> Option<ExitStatus> {
        lock(&self.child).try_wait().ok().flatten()
    }

    /// Makes sure that it is gone. Doing it again is harmless.
    pub(super) fn end(&self) {
        // Already ended is as good.
        let _ = lock(&self.child).kill();
        // Waited for without the lock: one that the kernel cannot end yet must not hold up others who
        // want it gone.
        while lock(&self.child).try_wait().is_ok_and(|ended| ended.is_none()) {
            thread::sleep(REAP);
        }
        self.children.table().living.remove(&self.number);
    }
}

impl Drop for Ward {
    fn drop(&mut self) {
        self.end();
    }
}

/// All children that have not been reaped.
#[derive(Clone, Default)]
struct Children(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    /// By number, as the kernel may give a process id again.
    living: HashMap<u64, Arc<Mutex<Child>>>,
    started: u64,
    closed: bool,
}

impl Children {
    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.0)
    }

    fn adopt(&self, child: Child) -> Ward {
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        let mut table = self.table();
        table.started += 1;
        let number = table.started;
        table.living.insert(number, child.clone());
        if table.closed {
            let _ = lock(&child).kill();
        }
        Ward { pid, number, child, children: self.clone() }
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
        // A caller who has gone away drops the child.
        let _ = reply.send(start(program, children));
    }
}

fn start(program: &PathBuf, children: &Children) -> io::Result<Streams> {
    let (orders, theirs) = UnixStream::pair()?;
    let mut command = Command::new(program);
    command
        // What lists of processes show: `/proc/self/exe` says nothing there.
        .arg0("segue")
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
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ward = children.adopt(child);
    match (stdout, stderr) {
        (Some(stdout), Some(stderr)) => Ok(Streams { ward, orders, stdout, stderr }),
        _ => Err(io::Error::other("the child has no output")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spawner(patience: Patience) -> Spawner {
        // Lasts, whatever its arguments are: it writes until nobody reads.
        Spawner::new(PathBuf::from("/usr/bin/yes"), patience).unwrap()
    }

    fn child(spawner: &Spawner) -> Streams {
        let (reply, answer) = mpsc::sync_channel(1);
        spawner.requests.send(reply).unwrap();
        answer.recv().unwrap().unwrap()
    }

    /// Also false of a process that has ended, but that nobody has asked how.
    fn is_reaped(pid: u32) -> bool {
        !PathBuf::from(format!("/proc/{pid}")).exists()
    }

    #[test]
    fn a_child_that_cannot_be_greeted_is_killed_and_reaped() {
        // The system takes no such limit, as it would mean to wait for ever.
        let spawner = spawner(Patience { floor: Duration::ZERO, ..Patience::default() });
        let streams = child(&spawner);
        let pid = streams.ward.pid();
        assert!(!is_reaped(pid));
        let greeted = SpanProcess::greet(streams, spawner.clone());
        assert!(matches!(greeted.map(|process| process.pid()), Err(SpawnError::Io(_))));
        assert!(is_reaped(pid));
        assert!(spawner.children.table().living.is_empty());
    }

    #[test]
    fn a_child_whose_caller_has_gone_away_is_killed_and_reaped() {
        let spawner = spawner(Patience::default());
        let (reply, answer) = mpsc::sync_channel(0);
        spawner.requests.send(reply).unwrap();
        drop(answer);
        // The next is started after the last was done with.
        let next = child(&spawner);
        let known: Vec<u64> = spawner.children.table().living.keys().copied().collect();
        assert_eq!(known, [next.ward.number]);
    }

    #[test]
    fn a_child_that_comes_after_all_were_killed_is_not_left_behind() {
        let spawner = spawner(Patience::default());
        spawner.kill_all();
        let refused = spawner.spawn().map(|process| process.pid());
        assert!(matches!(refused, Err(SpawnError::Closed)));
        assert!(spawner.children.table().living.is_empty());
    }
}
