//! Everything on one machine: a scheduler and some workers, each a process of its own, looked after
//! until somebody ends it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
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
    /// What it said when it was ready for the first time.
    ready: Arc<OnceLock<String>>,
}

impl Role {
    fn new(name: String, arguments: Vec<String>) -> Role {
        Role { name, arguments, ready: Arc::default() }
    }

    /// What it is started with. A scheduler keeps the port that it was given first: that is the one
    /// which workers know.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = self.arguments.clone();
        if let Some(line) = self.ready.get().filter(|_| self.name == SCHEDULER) {
            arguments.retain(|argument| !argument.starts_with(LISTEN));
            arguments.push(format!("{LISTEN}{}", address_in(line)));
        }
        arguments
    }
}

/// Where a scheduler says that it listens.
fn address_in(line: &str) -> &str {
    line.rsplit(' ').next().unwrap_or_default()
}

/// What the processes tell.
enum News {
    /// The first line of standard output, of the first process: it is ready.
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
    let mut address = String::new();
    let ended = loop {
        tokio::select! {
            _ = interrupt.recv() => break Ok(()),
            _ = terminate.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            Some(news_of) = told.recv() => match news_of {
                News::Ready { name, line } if name == SCHEDULER => {
                    let said = address_in(&line);
                    for role in (1..=settings.workers).map(|n| worker_role(settings, n, said)) {
                        workers.spawn(look_after(role, stop_workers.clone(), news.clone()));
                    }
                    address = said.to_owned();
                }
                News::Ready { .. } => {
                    ready += 1;
                    if ready == settings.workers {
                        welcome(settings, &address);
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
const LISTEN: &str = "--listen=";

fn scheduler_role(settings: &Settings) -> Role {
    let mut arguments = vec![
        "scheduler".to_owned(),
        format!("{LISTEN}{}", settings.listen),
        format!("--ledger={}", settings.data.join("ledger.db").display()),
        format!("--store={}", store(settings)),
    ];
    if let Some(keep) = &settings.keep {
        arguments.push(format!("--keep={keep}"));
    }
    if settings.insecure {
        arguments.push("--insecure".to_owned());
    }
    Role::new(SCHEDULER.to_owned(), arguments)
}

fn worker_role(settings: &Settings, number: u32, address: &str) -> Role {
    let name = format!("worker-{number}");
    let mut arguments = vec![
        "worker".to_owned(),
        format!("--scheduler=http://{}", within_reach(address)),
        format!("--store={}", store(settings)),
        format!("--name={name}"),
        format!("--cores={}", settings.cores),
        // Everything is one machine, and whoever asks is on it as a rule.
        "--commands-if-possible".to_owned(),
        format!("--command-scratch={}", settings.data.join("commands").display()),
    ];
    if let Some(ip) = seen_from_afar(settings.listen.ip()) {
        arguments.push(format!("{LISTEN}{}", SocketAddr::new(ip, 0)));
        arguments.push("--insecure".to_owned());
    }
    Role::new(name, arguments)
}

/// Where viewers on other machines reach workers, if the scheduler listens to those: at its address,
/// or if that is any, where this machine's way out begins.
fn seen_from_afar(listen: IpAddr) -> Option<IpAddr> {
    if !listen.is_unspecified() {
        return (!listen.is_loopback()).then_some(listen);
    }
    let way_out = |from: IpAddr, to: IpAddr| {
        // Nothing is sent: the system only says which of its addresses it would take.
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        let ip = socket.local_addr().ok()?.ip();
        // One of a single wire means nothing without the name of that.
        let is_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        (!ip.is_loopback() && !ip.is_unspecified() && !is_local).then_some(ip)
    };
    // Nobody has these, they are for documents.
    let v4 = || way_out(Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into());
    let documents = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let v6 = || way_out(Ipv6Addr::UNSPECIFIED.into(), documents.into());
    if listen.is_ipv4() { v4() } else { v6().or_else(v4) }
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
        let Some(how) = live(&role, &stop, &news).await else { return };
        if began.elapsed() >= SOUND {
            pause = PAUSE;
        }
        to_stderr(&format!("{}: {how}: starting it again", role.name));
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => return,
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// One process from beginning to end. Says how it ended, unless there is to be no other.
async fn live(
    role: &Role,
    stop: &tokio_util::sync::CancellationToken,
    news: &mpsc::Sender<News>,
) -> Option<String> {
    let (mut child, last_words) = match start(role, news) {
        Ok(started) => started,
        // Too many processes, or no memory: that may pass.
        Err(error) => return Some(format!("cannot be started ({error})")),
    };
    let status = tokio::select! {
        status = child.wait() => status,
        () = stop.cancelled() => {
            end(child).await;
            last_words.take().await;
            return None;
        }
    };
    let why = last_words.take().await;
    let how = match &status {
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    let is_hopeless = status.is_ok_and(|status| status.code() == Some(2));
    // What ran once like this can run again.
    if is_hopeless && role.ready.get().is_none() {
        let why = why.unwrap_or_else(|| format!("it cannot run ({how})"));
        // Nobody listens any more when it ends.
        let _ = news.send(News::Hopeless { name: role.name.clone(), why }).await;
        return None;
    }
    if let Some(why) = why {
        to_stderr(&format!("{}: {why}", role.name));
    }
    Some(format!("ended ({how})"))
}

/// Why a process ended, in its own words: the last line that begins like this.
const LAST_WORDS: &str = "segue: ";

/// What a process says last, once all is heard that it says.
struct LastWords {
    words: Arc<Mutex<Option<String>>>,
    heard: JoinSet<()>,
}

impl LastWords {
    /// When all is heard; something that outlives the process may hold the way open.
    async fn take(mut self) -> Option<String> {
        let all = async { while self.heard.join_next().await.is_some() {} };
        // What is not said by then is not waited for.
        let _ = tokio::time::timeout(PAUSE, all).await;
        self.heard.detach_all();
        self.words.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

fn start(role: &Role, news: &mpsc::Sender<News>) -> std::io::Result<(Child, LastWords)> {
    let mut child = Command::new("/proc/self/exe")
        // What lists of processes show.
        .arg0("segue")
        .args(role.arguments())
        .env(super::PARENT, std::process::id().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl-C in a terminal is for this process, which ends the others in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    let words = Arc::default();
    let mut heard = JoinSet::new();
    if let Some(stderr) = child.stderr.take() {
        heard.spawn(pass_on(role.name.clone(), stderr, Arc::clone(&words)));
    }
    if let Some(stdout) = child.stdout.take() {
        heard.spawn(hear_ready(role.name.clone(), stdout, Arc::clone(&role.ready), news.clone()));
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
async fn hear_ready(
    name: String,
    from: impl AsyncRead + Unpin,
    ready: Arc<OnceLock<String>>,
    news: mpsc::Sender<News>,
) {
    let mut lines = BufReader::new(from).lines();
    if let Ok(Some(line)) = lines.next_line().await
        && ready.set(line.clone()).is_ok()
    {
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
        // Ended in the meantime is as good.
        let _ = child.kill().await;
    }
}
