//! The child's side: shut itself in, say hello, carry out orders until the parent is gone.
//!
//! Never opens a path after the sandbox is up, and never writes anything but frames to its parent:
//! standard output is moved away at once, so that a library which prints cannot reach it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal};
use segue_media::span::{self, Counted, Progress, SpanEvent, SpanOrder};
use segue_media::{ByteSource, Cancel, FileSource};
use segue_model::{FailureClass, Hash, SpanFailure};

use super::protocol::{self, Message, Order, PREAMBLE, WireError};
use super::sandbox;
use super::spawner::lock;
use crate::source::RemoteSource;

/// How often it is said that `describe` gets on; spans see to that themselves.
const PROGRESS_EVERY: Duration = Duration::from_millis(250);

/// Runs as a span process of `parent`, on the streams it was given, until that is gone.
pub fn main(parent: u32) -> ExitCode {
    match serve(parent) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the parent's record of last words.
            eprintln!("span process: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(parent: u32) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // A parent that ended before the line above sent no signal.
    if rustix::process::getppid().map(Pid::as_raw_pid) != Some(parent as i32) {
        return Err(io::Error::other("the parent is gone"));
    }
    let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    let to_parent = ToParent(Arc::new(Mutex::new(stdout)));
    rustix::stdio::dup2_stdout(io::stderr())?;
    let unenforced = sandbox::enter();
    to_parent.say(&Message::Hello { version: protocol::VERSION, unenforced }, b"")?;

    let (give, orders) = mpsc::sync_channel(1);
    thread::Builder::new().name("orders".to_owned()).spawn(move || read_orders(&give))?;
    work(&orders, &to_parent)
}

/// An order, and the source it is about.
type Given = (Order, Option<OwnedFd>);

fn read_orders(give: &SyncSender<Given>) {
    loop {
        match read_order() {
            Ok(Some(given)) => {
                if give.send(given).is_err() {
                    break;
                }
            }
            Ok(None) => break,
            Err(error) => {
                eprintln!("span process: an order cannot be read: {error}");
                break;
            }
        }
    }
    // The parent is gone, or not to be trusted: nobody wants what is being made. Not by exit(),
    // which runs destructors under the feet of libav's threads.
    let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
}

fn read_order() -> Result<Option<Given>, WireError> {
    let mut preamble = [0; PREAMBLE];
    let mut source = None;
    let mut filled = 0;
    while filled < PREAMBLE {
        let (count, descriptor) = receive(&mut preamble[filled..])?;
        if count == 0 {
            return if filled == 0 { Ok(None) } else { Err(broken_off()) };
        }
        source = descriptor.or(source);
        filled += count;
    }
    let frame = protocol::read_body(preamble, &mut Socket)?;
    Ok(Some((frame.header, source)))
}

fn broken_off() -> WireError {
    io::Error::from(io::ErrorKind::UnexpectedEof).into()
}

/// Standard input as the socket it is.
struct Socket;

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Descriptors come with the preamble; one that comes here is closed.
        receive(buffer).map(|(count, _)| count)
    }
}

fn receive(buffer: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let stdin = io::stdin();
    let received = loop {
        let mut parts = [io::IoSliceMut::new(buffer)];
        match recvmsg(&stdin, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            done => break done?,
        }
    };
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((received.bytes, descriptors.next()))
}

/// Where frames go, from whichever thread: one at a time.
#[derive(Clone)]
struct ToParent(Arc<Mutex<File>>);

impl ToParent {
    fn say(&self, message: &Message, payload: &[u8]) -> io::Result<()> {
        protocol::write_frame(&mut *lock(&self.0), message, payload)
    }
}

fn work(orders: &Receiver<Given>, to_parent: &ToParent) -> io::Result<()> {
    while let Ok((order, source)) = orders.recv() {
        let answer = match (order, source) {
            (Order::CheckSandbox, _) => Message::Checked(sandbox::check()),
            (_, None) => Message::Failed(SpanFailure {
                class: FailureClass::Worker,
                message: "an order came without its source".to_owned(),
                log: Vec::new(),
            }),
            (Order::Describe, Some(source)) => describe(source.into(), to_parent),
            (Order::Span(order), Some(source)) => make(source.into(), &order, to_parent),
        };
        to_parent.say(&answer, b"")?;
    }
    Ok(())
}

/// The film in a file, or the one that the parent reads.
fn open(source: File, to_parent: &ToParent) -> Result<Box<dyn ByteSource>, segue_media::Error> {
    if !RemoteSource::is_behind(&source) {
        return Ok(Box::new(FileSource::new(source)?));
    }
    let to_parent = to_parent.clone();
    let remote = RemoteSource::new(source, move || to_parent.say(&Message::Waiting, b""))?;
    Ok(Box::new(remote))
}

fn describe(source: File, to_parent: &ToParent) -> Message {
    let described = open(source, to_parent).and_then(|source| {
        // A long file that has no index is read whole.
        let source = Counted::new(source, tell_now_and_then(to_parent.clone()));
        segue_media::describe(Box::new(source), &Cancel::default())
    });
    match described {
        Ok(facts) => Message::Described(Box::new(facts)),
        Err(error) => Message::Failed(failure(&error)),
    }
}

fn make(source: File, order: &SpanOrder, to_parent: &ToParent) -> Message {
    let mut on_event = |event| match event {
        SpanEvent::Progress(done) => to_parent.say(&Message::Progress(done), b""),
        SpanEvent::Init { rendition, bytes } => {
            to_parent.say(&Message::Init { rendition, hash: Hash::of(&bytes) }, &bytes)
        }
        SpanEvent::Segment { id, bytes, damaged } => {
            to_parent.say(&Message::Segment { id, hash: Hash::of(&bytes), damaged }, &bytes)
        }
    };
    let source = open(source, to_parent);
    match source.and_then(|source| span::run(source, order, &Cancel::default(), &mut on_event)) {
        Ok(report) => Message::Done(report),
        Err(error) => Message::Failed(failure(&error)),
    }
}

/// The failure as data, with everything libav said about it.
fn failure(error: &segue_media::Error) -> SpanFailure {
    let mut message = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(because) = cause {
        message = format!("{message}: {because}");
        cause = because.source();
    }
    SpanFailure {
        // Nobody cancels here; if somebody did, another process does it as well.
        class: error.class().unwrap_or(FailureClass::Worker),
        message,
        log: segue_media::recent_log(),
    }
}

/// Says how many bytes were read, when it was not said just now.
fn tell_now_and_then(to_parent: ToParent) -> impl FnMut(u64) -> io::Result<()> {
    let mut told: Option<Instant> = None;
    move |bytes| {
        if told.is_some_and(|at| at.elapsed() < PROGRESS_EVERY) {
            return Ok(());
        }
        told = Some(Instant::now());
        let progress = Progress { bytes, ..Progress::default() };
        to_parent.say(&Message::Progress(progress), b"")
    }
}
