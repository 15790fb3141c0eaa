//! A pool of real processes on this machine, which tests kill, stop and start again.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{Run, SEGMENTS, segue};

/// Far longer than anything here takes.
const LONG: Duration = Duration::from_secs(120);

/// A scheduler or a worker, and all that it said.
pub struct Daemon {
    child: Child,
    log: Log,
}

/// All that a process says.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<String>, Condvar)>);

impl Log {
    pub fn listen(&self, from: impl Read + Send + 'static) {
        let log = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let (text, changed) = &*log.0;
                let mut text = text.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
                changed.notify_all();
            }
        });
    }
}

impl Log {
    pub fn text(&self) -> String {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Daemon {
    /// Starts it.
    pub fn start(command: &mut Command) -> Daemon {
        let streams = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = streams.spawn().expect("the program starts");
        let log = Log::default();
        log.listen(child.stdout.take().unwrap());
        log.listen(child.stderr.take().unwrap());
        Daemon { child, log }
    }

    /// Waits until it has said `words`, and gives the line.
    pub fn until(&self, words: &str) -> String {
        let (text, changed) = &*self.log.0;
        let text = text.lock().unwrap();
        let found = |text: &String| text.lines().any(|line| line.contains(words));
        let (text, waited) = changed.wait_timeout_while(text, LONG, |text| !found(text)).unwrap();
        assert!(!waited.timed_out(), "'{words}' was not said, but:\n{text}");
        text.lines().find(|line| line.contains(words)).unwrap().to_owned()
    }

    /// All that it said.
    pub fn said(&self) -> String {
        self.log.text()
    }

    /// Its process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// Waits for its end, and gives its exit code.
    pub fn end(&mut self) -> Option<i32> {
        let status = until("the daemon ends", || self.child.try_wait().unwrap());
        status.code()
    }

    /// Its living children.
    pub fn children(&self) -> Vec<Pid> {
        children_of(self.pid())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} said:\n{}", self.child.id(), self.said());
        }
    }
}

/// Tries until there is something; nothing may take for ever.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < LONG, "{what}: that did not happen");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The living children of a process.
pub fn children_of(parent: Pid) -> Vec<Pid> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace();
        let is_dead = fields.next() == Some("Z");
        !is_dead && fields.next() == Some(&parent.as_raw_pid().to_string())
    };
    pids.filter(is_child).filter_map(Pid::from_raw).collect()
}

/// Whether a process is there and not just waited for.
pub fn lives(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// A port that nobody has now. A scheduler that is started again needs the same, so it is none of
/// those that the system gives to connections: one of them would have it meanwhile, perhaps that of
/// a worker which looks for its scheduler.
fn free_port() -> u16 {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    let draw = || {
        let number = DRAWN.fetch_add(1, Ordering::Relaxed);
        let drawn = std::process::id().wrapping_mul(37).wrapping_add(number);
        let port = 10_000 + (drawn % 20_000) as u16;
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok().then_some(port)
    };
    until("a port is free", draw)
}

/// A scheduler, workers, a ledger and a store.
pub struct Pool {
    /// Where all of it is.
    pub scratch: TempDir,
    /// Where segments are kept.
    pub store: String,
    /// Added to every daemon's environment.
    pub environment: Vec<(String, String)>,
    port: u16,
    /// None when it was ended.
    pub scheduler: Option<Daemon>,
    /// The same for each.
    pub workers: Vec<Option<Daemon>>,
}

impl Pool {
    /// With so many workers, which know their scheduler.
    pub fn start(workers: usize) -> Pool {
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store").display().to_string();
        Pool::start_in(scratch, store, Vec::new(), workers)
    }

    /// One whose workers run commands; `more` is what else workers are told.
    pub fn with_commands(workers: usize, more: &[(&str, &str)]) -> Pool {
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store").display().to_string();
        let commands = scratch.path().join("commands").display().to_string();
        let own = [("SEGUE_COMMANDS", "true"), ("SEGUE_COMMAND_SCRATCH", commands.as_str())];
        let told = own.iter().chain(more);
        let told = told.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Pool::start_in(scratch, store, told, workers)
    }

    /// The same with another store.
    pub fn start_in(
        scratch: TempDir,
        store: String,
        environment: Vec<(String, String)>,
        workers: usize,
    ) -> Pool {
        let port = free_port();
        let scheduler = None;
        let mut pool = Pool { scratch, store, environment, port, scheduler, workers: Vec::new() };
        pool.start_scheduler();
        for number in 0..workers {
            pool.workers.push(None);
            pool.start_worker(number);
        }
        for worker in pool.workers.iter().flatten() {
            worker.until("the scheduler answers");
        }
        pool
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn start_scheduler(&mut self) {
        let mut command = self.command("scheduler");
        command.arg(format!("--listen=127.0.0.1:{}", self.port));
        command.arg("--ledger").arg(self.scratch.path().join("ledger.db"));
        let scheduler = Daemon::start(&mut command);
        scheduler.until("listening on");
        self.scheduler = Some(scheduler);
    }

    /// The same, by another program that becomes it, and with its ledger in `folder`.
    pub fn start_scheduler_by(&mut self, program: &[&str], folder: &Path) {
        let inner = self.command("scheduler");
        let mut command = Command::new(program[0]);
        command.args(&program[1..]).arg(inner.get_program()).args(inner.get_args());
        command.arg(format!("--listen=127.0.0.1:{}", self.port));
        command.arg("--ledger").arg(folder.join("ledger.db"));
        let scheduler = Daemon::start(&mut command);
        scheduler.until("listening on");
        self.scheduler = Some(scheduler);
    }

    pub fn start_worker(&mut self, number: usize) {
        let mut command = self.command("worker");
        command.arg("--scheduler").arg(self.url()).arg(format!("--name=w{number}"));
        command.arg("--cores=1");
        let worker = Daemon::start(&mut command);
        worker.until("listening on");
        self.workers[number] = Some(worker);
    }

    fn command(&self, role: &str) -> Command {
        let mut command = segue();
        command.arg(role).arg("--store").arg(&self.store);
        command.env("NO_COLOR", "1").envs(self.environment.clone());
        command
    }

    /// The scheduler, which is there.
    pub fn scheduler(&self) -> &Daemon {
        self.scheduler.as_ref().expect("the scheduler runs")
    }

    /// A worker, which is there.
    pub fn worker(&self, number: usize) -> &Daemon {
        self.workers[number].as_ref().expect("the worker runs")
    }

    /// A command that asks this pool.
    pub fn ask(&self, command: &str) -> Command {
        let mut asked = segue();
        asked.arg(command).arg("--scheduler").arg(self.url());
        asked.envs(self.environment.clone());
        asked
    }

    /// `segue transcode` by this pool, exact, in short segments.
    pub fn transcode(&self, film: &Path) -> Command {
        let mut command = self.ask("transcode");
        command.arg(film).args(SEGMENTS).args(["--exact", "--preset", "medium"]);
        command
    }

    /// Where a job's objects are, in a store that is a directory.
    pub fn job(&self, job: &str) -> PathBuf {
        Path::new(&self.store).join("jobs").join(job)
    }
}

/// Waits until so many segments are in the store.
pub fn until_published(run: &mut Run, count: u64) -> Value {
    loop {
        let event = run.next().expect("there is more to come");
        assert_ne!(event["event"], "failed", "{event}");
        if event["published"].as_u64().is_some_and(|published| published >= count) {
            return event;
        }
    }
}

/// The id of the job that a run is about.
pub fn job_of(events: &[Value]) -> String {
    let job = events.iter().find(|event| event["event"] == "job").expect("the job is told");
    job["job"].as_str().unwrap().to_owned()
}

/// What workers say that they began: first segment, and the one after the last.
pub fn begun_spans(said: &str) -> impl Iterator<Item = (u32, u32)> {
    said.lines().filter(|line| line.contains("begun")).filter_map(|line| {
        let (_, rest) = line.split_once("span=segment")?;
        let numbers = rest.trim_start_matches('s').trim_start().split(' ').next()?;
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        Some((first.parse().ok()?, last.parse::<u32>().ok()? + 1))
    })
}
