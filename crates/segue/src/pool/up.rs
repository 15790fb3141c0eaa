//! Everything on one machine: a scheduler and some workers, each a process of its own, looked after
//! until somebody ends it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::ending::Ending;
use crate::progress::{counted, to_stderr, to_stdout};

/// The first pause before something that ended is started again; doubles.
const PAUSE: Duration = Duration::from_millis(250);
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// What ran for so long is not failing at once.
const SOUND: Duration = Duration::from_secs(20);
/// What was told to end is given so long.
const GRACE: Duration = Duration::from_secs(20);

/// What is asked for.
pub struct Settings {
    /// Where the ledger and, unless `store` says otherwise, the store are.
    pub data: PathBuf,
    /// Where segments are kept.
    pub store: Option<String>,
    /// Where the scheduler listens.
    pub listen: SocketAddr,
    /// Whether it may do so beyond this machine.
    pub insecure: bool,
    /// How much the store may hold.
    pub keep: Option<String>,
    /// How many.
    pub workers: u32,
    /// Cores for each.
    pub cores: u32,
}

/// Runs all of it until a signal.
pub fn run(settings: &Settings) -> Result<(), Ending> {
    // The scheduler would say the same, when the directory is made.
    if !settings.listen.ip().is_loopback() && !settings.insecure {
        return Err(Ending::BadInput(segue_scheduler::Error::Exposed(settings.listen).to_string()));
    }
    std::fs::create_dir_all(&settings.data).map_err(|error| {
        let data = settings.data.display();
        Ending::BadInput(format!("--data {data} cannot be made: {error}"))
    })?;
    super::block_on(supervise(settings))
}

/// One of the processes.
struct Role {
    name: String,
    arguments: Vec<String>,
}

/// What the processes tell.
enum News {
    /// The first line of standard output: it is ready.
    Ready { name: String, line: String },
    /// It can never run like this, and says why.
    Hopeless { name: String, why: String },
}

async fn supervise(settings: &Settings) -> Result<(), Ending> {
    let cannot = |error: std::io::Error| Ending::Failed(format!("segue cannot start: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(cannot)?;
    let (news, mut told) = mpsc::channel(64);
    let stop_workers = tokio_util::sync::CancellationToken::new();
    let stop_scheduler = tokio_util::sync::CancellationToken::new();
    let mut workers = JoinSet::new();
    let mut scheduler = JoinSet::new();
    scheduler.spawn(look_after(scheduler_role(settings), stop_scheduler.clone(), news.clone()));

    let mut ready = 0;
    let mut address: Option<String> = None;
    let ended = loop {
        tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            Some(news_of) = told.recv() => match news_of {
                News::Ready { name, line } if name == SCHEDULER => {
                    let said = line.rsplit(' ').next().unwrap_or_default().to_owned();
                    if address.replace(said.clone()).is_none() {
                        for role in (1..=settings.workers).map(|n| worker_role(settings, n, &said)) {
                            workers.spawn(look_after(role, stop_workers.clone(), news.clone()));
                        }
                    }
                }
                News::Ready { .. } => {
                    ready += 1;
                    if ready == settings.workers {
                        welcome(settings, address.as_deref().unwrap_or_default());
                    }
                }
                News::Hopeless { name, why } => {
                    break Err(Ending::BadInput(format!("{name}: {why}")));
                }
            },
        }
    };
    if ended.is_ok() {
        to_stderr("segue: ending: workers hand back what they hold");
    }
    stop_workers.cancel();
    while workers.join_next().await.is_some() {}
    stop_scheduler.cancel();
    while scheduler.join_next().await.is_some() {}
    ended
}

const SCHEDULER: &str = "scheduler";

fn scheduler_role(settings: &Settings) -> Role {
    let mut arguments = vec![
        "scheduler".to_owned(),
        format!("--listen={}", settings.listen),
        format!("--ledger={}", settings.data.join("ledger.db").display()),
        format!("--store={}", store(settings)),
    ];
    if let Some(keep) = &settings.keep {
        arguments.push(format!("--keep={keep}"));
    }
    if settings.insecure {
        arguments.push("--insecure".to_owned());
    }
    Role { name: SCHEDULER.to_owned(), arguments }
}

fn worker_role(settings: &Settings, number: u32, address: &str) -> Role {
    let name = format!("worker-{number}");
    let arguments = vec![
        "worker".to_owned(),
        format!("--scheduler=http://{}", within_reach(address)),
        format!("--store={}", store(settings)),
        format!("--name={name}"),
        format!("--cores={}", settings.cores),
    ];
    Role { name, arguments }
}

/// Who listens everywhere is reached from here by this machine's own address.
fn within_reach(address: &str) -> String {
    match address.parse::<SocketAddr>() {
        Ok(SocketAddr::V4(at)) if at.ip().is_unspecified() => format!("127.0.0.1:{}", at.port()),
        Ok(SocketAddr::V6(at)) if at.ip().is_unspecified() => format!("[::1]:{}", at.port()),
        _ => address.to_owned(),
    }
}

fn store(settings: &Settings) -> String {
    let default = || settings.data.join("store").display().to_string();
    settings.store.clone().unwrap_or_else(default)
}

fn welcome(settings: &Settings, address: &str) {
    let url = format!("http://{}", within_reach(address));
    let workers = counted(settings.workers.into(), "worker");
    to_stdout(&format!("Segue is up at {url} with {workers}; data in {}", settings.data.display()));
    to_stdout(&format!("make something:  segue transcode film.mkv --scheduler {url}"));
    to_stdout(&format!(
        "see it happen:   segue workers --scheduler {url}; segue jobs --scheduler {url}"
    ));
    to_stdout("end it:          Ctrl-C; what is not finished goes on when it is up again");
}

/// Starts a process, again and again, until `stop`.
async fn look_after(
    role: Role,
    stop: tokio_util::sync::CancellationToken,
    news: mpsc::Sender<News>,
) {
    let mut pause = PAUSE;
    loop {
        let began = Instant::now();
        let (mut child, last_words) = match start(&role, &news) {
            Ok(started) => started,
            Err(error) => {
                to_stderr(&format!("{}: cannot be started: {error}", role.name));
                return;
            }
        };
        let status = tokio::select! {
            status = child.wait() => status,
            () = stop.cancelled() => return end(child).await,
        };
        let Ok(status) = status else { return };
        let why = last_words.take().await;
        if status.code() == Some(2) {
            let why = why.unwrap_or_else(|| format!("it cannot run ({status})"));
            let _ = news.send(News::Hopeless { name: role.name, why }).await;
            return;
        }
        if let Some(why) = why {
            to_stderr(&format!("{}: {why}", role.name));
        }
        if began.elapsed() >= SOUND {
            pause = PAUSE;
        }
        to_stderr(&format!("{}: ended ({status}): starting it again", role.name));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Why a process ended, in its own words: the last line that begins like this.
const LAST_WORDS: &str = "segue: ";

/// What a process says last, once it has.
struct LastWords {
    words: Arc<Mutex<Option<String>>>,
    heard: Option<tokio::task::JoinHandle<()>>,
}

impl LastWords {
    /// When all is heard; something that outlives the process may hold the way open.
    async fn take(self) -> Option<String> {
        if let Some(heard) = self.heard {
            let _ = tokio::time::timeout(PAUSE, heard).await;
        }
        self.words.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn start(role: &Role, news: &mpsc::Sender<News>) -> std::io::Result<(Child, LastWords)> {
    let mut child = Command::new("/proc/self/exe")
        .args(&role.arguments)
        .env(super::PARENT, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is for this process, which ends the others in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let words = Arc::default();
    let heard = child
        .stderr
        .take()
        .map(|stderr| tokio::spawn(pass_on(role.name.clone(), stderr, Arc::clone(&words))));
    if let Some(stdout) = child.stdout.take() {
        tokio::spawn(hear_ready(role.name.clone(), stdout, news.clone()));
    }
    Ok((child, LastWords { words, heard }))
}

/// Shows what a process says, with its name before it, but for its last words.
async fn pass_on(name: String, from: impl AsyncRead + Unpin, last: Arc<Mutex<Option<String>>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        match line.strip_prefix(LAST_WORDS) {
            Some(words) => {
                *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
            }
            None => to_stderr(&format!("{name}: {line}")),
        }
    }
}

/// The first line of a process's standard output says that it is ready.
async fn hear_ready(name: String, from: impl AsyncRead + Unpin, news: mpsc::Sender<News>) {
    let mut lines = BufReader::new(from).lines();
    if let Ok(Some(line)) = lines.next_line().await {
        // Nobody listens any more when it ends.
        let _ = news.send(News::Ready { name: name.clone(), line }).await;
    }
    while let Ok(Some(line)) = lines.next_line().await {
        to_stderr(&format!("{name}: {line}"));
    }
}

async fn end(mut child: Child) {
    let pid = child.id().and_then(|pid| Pid::from_raw(pid as i32));
    if let Some(pid) = pid {
        // Already ended is as good.
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
