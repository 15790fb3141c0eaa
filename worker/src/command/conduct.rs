//! One command from beginning to end: lays out its directory, starts it, carries everything to and
//! fro, and leaves nothing behind.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use segue_api::v1;
use segue_api::v1::begin::Program;
use segue_api::v1::exit::How;
use segue_api::v1::piece::Piece;
use segue_api::v1::run_request::Says as Request;
use segue_api::v1::run_response::Says;
use segue_api::v1::signal::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

use super::child::Group;
use super::exec::{NOT_STARTED, Order};
use super::http::Server;
use super::inputs::{Asker, ToCaller, says};
use super::names::{Here, Names};
use super::numbered::Numbered;
use super::room::Room;
use super::scratch::Scratch;
use super::service::Means;
use super::watch::{Ended, Watch};

/// Shorter inputs are fetched before the program starts: it sees files.
const FETCHED_MAX: u64 = 8 << 20;
/// What is not taken of standard input may be so much; the contract says less.
const STDIN_MAX: usize = 1 << 20;
const BUFFER: usize = 64 << 10;
/// More inputs, or longer paths, than any system opens.
const INPUTS_MAX: usize = 20_000;
const PATH_MAX: usize = 4096;
/// Who has a place and says nothing for so long before it begins loses it: others want it.
const SILENCE: Duration = Duration::from_secs(30);

/// A run, of which the first word is said.
pub struct Conduct {
    /// What all runs work with.
    pub means: Arc<Means>,
    /// That word.
    pub begin: v1::Begin,
    /// What else the caller says.
    pub incoming: Streaming<v1::RunRequest>,
    /// The way back.
    pub to_caller: ToCaller,
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> Status {
    move |error| Status::unavailable(format!("{what}: {error}"))
}

fn wrong(field: &str, reason: &str) -> Status {
    Status::invalid_argument(format!("{field}: {reason}"))
}

/// Where an input is.
enum Place {
    /// A file of this machine's.
    There(PathBuf),
    /// Fetched whole, under this name.
    Fetched(PathBuf),
    /// Read from the caller.
    Streamed,
}

/// What is laid out.
struct Layout {
    scratch: Scratch,
    places: Vec<Place>,
    /// What each input is opened by.
    names: Vec<String>,
    server: Option<Server>,
    device: Option<PathBuf>,
}

impl Conduct {
    /// Runs it. What is returned is the stream's last word, if it has no other.
    pub async fn run(mut self) -> Result<(), Status> {
        let program = match self.begin.program() {
            Program::Ffmpeg => self.means.settings.ffmpeg.clone(),
            Program::Ffprobe => self.means.settings.ffprobe.clone(),
            Program::Unspecified => return Err(wrong("begin.program", "is not said")),
        };
        if self.begin.network && !self.means.settings.network {
            return Err(Status::failed_precondition(
                "begin.network: commands of this worker do not reach the network \
                 (--command-network lets them)",
            ));
        }
        if self.begin.inputs.len() > INPUTS_MAX {
            return Err(wrong("begin.inputs", &format!("are more than {INPUTS_MAX}")));
        }
        let named = self.begin.inputs.iter().flat_map(|input| [&input.name, &input.path]);
        if named.into_iter().any(|name| name.len() > PATH_MAX) {
            return Err(wrong("begin.inputs", &format!("one has a path above {PATH_MAX} bytes")));
        }
        let asker = Asker::new(self.to_caller.clone());
        let layout = self.lay_out(&asker).await?;
        let layout = self.take_files(layout).await?;
        let arguments: Vec<String> = self.arguments(&layout)?;
        let directory = place(&layout.scratch, "begin.directory", &self.begin.directory)?;
        let growing = self.paths(&layout.scratch, "begin.growing", &self.begin.growing)?;
        let present = self.paths(&layout.scratch, "begin.present", &self.begin.present)?;

        let (events, closing) = (Events::default(), CancellationToken::new());
        let (stdin, written) = mpsc::unbounded_channel();
        let flood = Flood::default();
        let listener = Listener {
            asker: asker.clone(),
            stdin,
            flood: flood.clone(),
            events: events.clone(),
            stdout_closed: closing.clone(),
        };
        let mut tasks = JoinSet::new();
        let incoming = self.incoming;
        tasks.spawn(async move { listener.listen(incoming).await });
        tokio::select! {
            fetched = fetch(&layout, &self.begin.inputs, &asker) => fetched?,
            () = flood.came.cancelled() => return Err(flooded()),
        }

        let writable = vec![layout.scratch.tree(), layout.scratch.home()];
        let room = Room::new(&writable, self.means.settings.scratch_max)
            .map_err(failed("what the command writes cannot be watched"))?;
        let watch = Watch::begin(
            layout.scratch.tree(),
            self.to_caller.clone(),
            growing,
            present,
            Numbered::new(&arguments),
            room,
        )
        .map_err(failed("what the command writes cannot be watched"))?;
        let order = Order {
            parent: std::process::id(),
            program,
            arguments,
            directory,
            home: layout.scratch.home(),
            readable: readable(&layout),
            writable,
            port: layout.server.as_ref().map(|server| server.port),
            network: self.begin.network,
            file_max: self.means.settings.scratch_max,
            report: layout.scratch.report(),
        };
        let started = self.means.starter.start(&order).await;
        let mut child = started.map_err(failed("the command cannot be started"))?;
        let group = Group::of(&child);
        // From here on dropping this ends it.
        let guard = Guard(group.clone());
        let (Some(input), Some(output), Some(errors)) = child.streams() else {
            return Err(Status::internal("the command has no streams"));
        };
        let pid = child.id();
        let waited = group.wait(child).map_err(failed("the command cannot be waited for"))?;
        info!(pid, arguments = order.arguments.len(), "a command is begun");
        let begun = v1::Started { unenforced: self.means.unenforced.clone() };
        let _ = self.to_caller.send(says(Says::Started(begun))).await;
        events.arm(group.clone());

        let cannot = failed("the command's streams cannot be read");
        let input = pipe::Sender::from_owned_fd(OwnedFd::from(input)).map_err(&cannot)?;
        tasks.spawn(feed(input, written, flood.clone(), self.to_caller.clone()));
        let mut pumps = JoinSet::new();
        let output = pipe::Receiver::from_owned_fd(OwnedFd::from(output)).map_err(&cannot)?;
        pumps.spawn(pump(output, self.to_caller.clone(), Says::Stdout, Names::default(), closing));
        let errors = pipe::Receiver::from_owned_fd(OwnedFd::from(errors)).map_err(&cannot)?;
        let names = layout.names_for(&self.begin.inputs);
        let never = CancellationToken::new();
        pumps.spawn(pump(errors, self.to_caller.clone(), Says::Stderr, names, never));

        let (end, ended) = io::pipe().map_err(&cannot)?;
        let (how, told) = std::sync::mpsc::channel();
        let watched_group = group.clone();
        let mut watching = tokio::task::spawn_blocking(move || {
            watch.run(watched_group, &end, || told.recv().unwrap_or(Ended::Killed))
        });
        let status = tokio::select! {
            status = waited => status,
            () = flood.came.cancelled() => return Err(flooded()),
            stopped = &mut watching => {
                let error = match stopped {
                    Ok(Err(error)) => error,
                    _ => io::Error::other("the watch ended early"),
                };
                return Err(Status::resource_exhausted(format!("the command was ended: {error}")));
            }
        };
        let status = status.map_err(|_| Status::internal("nobody waits for the command"))?;
        let status = status.map_err(failed("how the command ended is not known"))?;
        let ending = if status.signal().is_some() { Ended::Killed } else { Ended::ByItself };
        let _ = how.send(ending);
        drop(ended);
        while pumps.join_next().await.is_some() {}
        let watched = watching.await.map_err(|error| Status::internal(error.to_string()))?;
        let watched = watched.map_err(|error| {
            Status::resource_exhausted(format!("what the command wrote was lost: {error}"))
        })?;
        if status.code() == Some(i32::from(NOT_STARTED)) {
            let why = layout.scratch.reported();
            warn!(program = %order.program.display(), why, "a command could not be started");
            // Another worker may be able to.
            return Err(Status::unavailable(format!("the command could not be started: {why}")));
        }
        info!(pid, %status, "a command ended");
        let how = match status.signal() {
            Some(signal) => How::Signal(signal as u32),
            None => How::Code(status.code().unwrap_or(1) as u32),
        };
        let _ = self.to_caller.send(says(Says::Exit(v1::Exit { how: Some(how) }))).await;
        drop(guard);
        // Directories of long runs take their time, and so does what watched them.
        let _ = tokio::task::spawn_blocking(move || drop((watched, layout))).await;
        Ok(())
    }

    async fn lay_out(&self, asker: &Asker) -> Result<Layout, Status> {
        let settings = &self.means.settings;
        let cannot = failed("no scratch directory can be made (--command-scratch)");
        let scratch = Scratch::make(&settings.scratch, self.means.number()).map_err(&cannot)?;
        let directories = self.begin.directories.iter().chain([&self.begin.directory]);
        for directory in directories {
            fs::create_dir_all(place(&scratch, "begin.directories", directory)?)
                .map_err(&cannot)?;
        }
        for file in &self.begin.present {
            scratch.append(&place(&scratch, "begin.present", file)?).map_err(&cannot)?;
        }
        let mut places = Vec::new();
        for (index, input) in self.begin.inputs.iter().enumerate() {
            let own = scratch.inputs().join(index.to_string());
            fs::create_dir(&own).map_err(&cannot)?;
            let own = own.join(plain(&input.name));
            places.push(match there(&input.there, input.size, &settings.media) {
                Some(path) => {
                    symlink(&path, &own).map_err(&cannot)?;
                    Place::There(path)
                }
                None if input.size <= FETCHED_MAX => Place::Fetched(own),
                None => Place::Streamed,
            });
        }
        let sizes: Vec<u64> = self.begin.inputs.iter().map(|input| input.size).collect();
        let server = match places.iter().any(|place| matches!(place, Place::Streamed)) {
            true => Some(Server::start(sizes, asker.clone()).await.map_err(&cannot)?),
            false => None,
        };
        let names =
            self.begin.inputs.iter().zip(&places).enumerate().map(|(index, (input, place))| {
                let name = plain(&input.name);
                match (place, &server) {
                    (Place::Streamed, Some(server)) => format!("{}/{index}/{name}", server.url),
                    _ => format!("{}/{index}/{name}", scratch.inputs().display()),
                }
            });
        let names = names.collect();
        Ok(Layout { scratch, places, names, server, device: settings.device.clone() })
    }

    /// Takes the files that are put, up to Go.
    async fn take_files(&mut self, layout: Layout) -> Result<Layout, Status> {
        let mut taken = 0;
        loop {
            let message = tokio::time::timeout(SILENCE, self.incoming.message()).await;
            let silent = |_| Status::deadline_exceeded("says: neither put nor go for 30 s");
            let message = message.map_err(silent)??;
            match message.and_then(|message| message.says) {
                Some(Request::Go(v1::Go {})) => return Ok(layout),
                Some(Request::Put(v1::Put { path, pieces })) => {
                    let bytes = layout.render(&pieces)?;
                    taken += bytes.len() as u64;
                    if taken > self.means.settings.scratch_max {
                        return Err(Status::resource_exhausted("put: more than there is room for"));
                    }
                    let place = place(&layout.scratch, "put.path", &path)?;
                    let mut file = layout.scratch.append(&place).map_err(failed("a file"))?;
                    file.write_all(&bytes).map_err(failed("a file cannot be written"))?;
                }
                _ => return Err(wrong("says", "only put and go come before go")),
            }
        }
    }

    fn arguments(&self, layout: &Layout) -> Result<Vec<String>, Status> {
        let words = self.begin.arguments.iter().map(|argument| {
            let bytes = layout.render(&argument.pieces)?;
            match String::from_utf8(bytes) {
                Ok(word) if !word.contains('\0') => Ok(word),
                _ => Err(wrong("begin.arguments", "one is not UTF-8, or holds a zero")),
            }
        });
        words.collect()
    }

    fn paths(
        &self,
        scratch: &Scratch,
        field: &str,
        paths: &[String],
    ) -> Result<HashSet<PathBuf>, Status> {
        paths.iter().map(|path| place(scratch, field, path)).collect()
    }
}

fn place(scratch: &Scratch, field: &str, path: &str) -> Result<PathBuf, Status> {
    let wrong = || wrong(field, &format!("'{path}' is not absolute, or holds `..`"));
    scratch.place(path).ok_or_else(wrong)
}

impl Layout {
    /// What the program calls its files, and what the caller does.
    fn names_for(&self, inputs: &[v1::Input]) -> Names {
        let tree = self.scratch.tree().display().to_string();
        let own = self.scratch.inputs().display().to_string();
        let served = self.server.iter().map(|server| server.url.clone());
        let before = served.chain([own]).map(|place| format!("{place}/"));
        let names = inputs.iter().map(|input| {
            let caller = if input.path.is_empty() { &input.name } else { &input.path };
            (plain(&input.name), caller.clone())
        });
        Names::new(Here { tree, inputs: before.collect() }, names.collect())
    }

    fn render(&self, pieces: &[v1::Piece]) -> Result<Vec<u8>, Status> {
        let mut bytes = Vec::new();
        for piece in pieces {
            match &piece.piece {
                Some(Piece::Text(text)) => bytes.extend_from_slice(text),
                Some(Piece::Root(_)) => {
                    bytes.extend_from_slice(self.scratch.tree().as_os_str().as_encoded_bytes());
                }
                Some(Piece::Input(index)) => {
                    let name = self.names.get(*index as usize);
                    let name =
                        name.ok_or_else(|| wrong("piece.input", "there is no such input"))?;
                    bytes.extend_from_slice(name.as_bytes());
                }
                Some(Piece::Device(_)) => {
                    let device = self.device.as_ref();
                    let none = "this worker has no GPU (--command-device)";
                    let device = device.ok_or_else(|| wrong("piece.device", none))?;
                    bytes.extend_from_slice(device.as_os_str().as_encoded_bytes());
                }
                None => return Err(wrong("piece", "is missing, or not known to this version")),
            }
        }
        Ok(bytes)
    }
}

/// The file that `path` names here, if it is one of that size in a directory that callers may name.
fn there(path: &str, size: u64, media: &[PathBuf]) -> Option<PathBuf> {
    if path.is_empty() || media.is_empty() {
        return None;
    }
    let path = fs::canonicalize(path).ok()?;
    let allowed = media.iter().filter_map(|media| fs::canonicalize(media).ok());
    let is_allowed = allowed.into_iter().any(|media| path.starts_with(media));
    let metadata = fs::metadata(&path).ok()?;
    let is_it = metadata.is_file() && metadata.len() == size && File::open(&path).is_ok();
    (is_allowed && is_it).then_some(path)
}

/// A name for an input, of the caller's last letters, in which nothing needs protection.
fn plain(name: &str) -> String {
    let letters: Vec<char> = name.chars().rev().take(80).collect();
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '-' { c } else { '_' };
    letters
        .into_iter()
        .rev()
        .map(plain)
        .collect::<String>()
        .trim_start_matches(['.', '-'])
        .to_owned()
}

fn readable(layout: &Layout) -> Vec<PathBuf> {
    let there = layout.places.iter().filter_map(|place| match place {
        Place::There(path) => Some(path.clone()),
        _ => None,
    });
    there.chain([layout.scratch.inputs()]).collect()
}

async fn fetch(layout: &Layout, inputs: &[v1::Input], asker: &Asker) -> Result<(), Status> {
    for (index, (place, input)) in layout.places.iter().zip(inputs).enumerate() {
        if let Place::Fetched(path) = place {
            let bytes = asker.whole(index as u32, input.size).await;
            let bytes = bytes.map_err(failed("an input cannot be read"))?;
            fs::write(path, bytes).map_err(failed("an input cannot be kept"))?;
        }
    }
    Ok(())
}

/// Ends the program when the run is over, however that comes.
struct Guard(Group);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.signal(Signal::KILL);
    }
}

/// Signals for the program, which may come before it is there.
#[derive(Clone, Default)]
struct Events(Arc<std::sync::Mutex<(Option<Group>, Vec<Signal>)>>);

impl Events {
    fn signal(&self, signal: Signal) {
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match &held.0 {
            Some(group) => {
                group.signal(signal);
                // One that stands still hears nothing.
                group.signal(Signal::CONT);
            }
            None => held.1.push(signal),
        }
    }

    fn arm(&self, group: Group) {
        let mut held = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        held.1.drain(..).for_each(|signal| group.signal(signal));
        held.0 = Some(group);
    }
}

/// Standard input as it comes: bytes, and then its end.
type Stdin = mpsc::UnboundedSender<Vec<u8>>;

/// What waits of it. It cannot be left with the caller: answers to reads come by the same way.
#[derive(Clone, Default)]
struct Flood {
    waits: Arc<AtomicUsize>,
    /// It was too much.
    came: CancellationToken,
}

impl Flood {
    /// Whether there is room for so much more; if not, the run ends.
    fn takes(&self, count: usize) -> bool {
        let waited = self.waits.fetch_add(count, Ordering::Relaxed);
        let takes = waited.saturating_add(count) <= STDIN_MAX;
        if !takes {
            self.came.cancel();
        }
        takes
    }
}

fn flooded() -> Status {
    Status::resource_exhausted("stdin: more than 256 KiB that were not taken yet")
}

/// Hears what the caller says while the program runs. Never waits: answers to reads come by here.
struct Listener {
    asker: Asker,
    stdin: Stdin,
    flood: Flood,
    events: Events,
    stdout_closed: CancellationToken,
}

impl Listener {
    async fn listen(self, mut incoming: Streaming<v1::RunRequest>) {
        let mut stdin = Some(self.stdin);
        loop {
            let says = match incoming.message().await {
                Ok(Some(message)) => message.says,
                // The caller has said all; it may still listen. One that is gone does not.
                Ok(None) | Err(_) => return,
            };
            match says {
                Some(Request::Stdin(bytes)) => {
                    if let Some(stdin) = stdin.as_ref().filter(|_| !bytes.is_empty()) {
                        if !self.flood.takes(bytes.len()) {
                            return;
                        }
                        // A program that takes no more is no reason to end.
                        let _ = stdin.send(bytes);
                    }
                }
                Some(Request::Close(close)) => match close.stream() {
                    v1::Stream::Stdin => stdin = None,
                    v1::Stream::Stdout => self.stdout_closed.cancel(),
                    _ => {}
                },
                Some(Request::Signal(signal)) => match signal.kind() {
                    Kind::Interrupt => self.events.signal(Signal::INT),
                    Kind::Terminate => self.events.signal(Signal::TERM),
                    Kind::Kill => self.events.signal(Signal::KILL),
                    Kind::Unspecified => {}
                },
                Some(Request::Read(answer)) => self.asker.answered(answer),
                _ => debug!("a caller says what does not belong here"),
            }
        }
    }
}

async fn feed(
    mut input: pipe::Sender,
    mut written: mpsc::UnboundedReceiver<Vec<u8>>,
    flood: Flood,
    to_caller: ToCaller,
) {
    let mut open = true;
    while let Some(bytes) = written.recv().await {
        if open && input.write_all(&bytes).await.is_err() {
            open = false;
        }
        flood.waits.fetch_sub(bytes.len(), Ordering::Relaxed);
        let taken = says(Says::StdinTaken(bytes.len() as u64));
        if to_caller.send(taken).await.is_err() {
            return;
        }
    }
}

async fn pump(
    mut from: pipe::Receiver,
    to_caller: ToCaller,
    message: fn(Vec<u8>) -> Says,
    mut names: Names,
    closed: CancellationToken,
) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(count) if count > 0 => count,
                _ => break,
            },
            // The program hears of it when it writes on.
            () = closed.cancelled() => return,
        };
        // The caller's names may be longer.
        for part in names.pass(&buffer[..count]).chunks(BUFFER) {
            if to_caller.send(says(message(part.to_vec()))).await.is_err() {
                return;
            }
        }
    }
    let rest = names.end();
    if !rest.is_empty() {
        // A caller that is gone needs no last word.
        let _ = to_caller.send(says(message(rest))).await;
    }
}

/// Whether paths below this stand in patterns, URLs and filters as they are.
pub fn is_plain(path: &Path) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-');
    path.to_str().is_some_and(|path| path.chars().all(plain))
}
