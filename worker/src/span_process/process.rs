//! One child, from the parent's side: give it an order, hear it out, notice when it ends or hangs.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, IoSlice, Read, Write};
use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::process::{ChildStderr, ChildStdout, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use segue_media::span::{SpanEvent, SpanOrder, SpanReport};
use segue_model::{Hash, SourceFacts, SpanFailure};

use super::protocol::{self, Message, Order, PREAMBLE, SandboxCheck, WireError};
use super::spawner::{Killer, SpawnError, Streams, Ward, lock};
use super::{Death, EndedBy, Patience, Spawner};

/// What a child says while it makes a span.
#[derive(Debug)]
pub enum Word {
    /// What it made, or that it gets on.
    Event(SpanEvent),
    /// It waits for its source.
    Waits,
}

/// Why an order was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The child says why, and is ready for another order.
    #[error("{0}")]
    Failed(SpanFailure),
    /// The child is gone.
    #[error("{0}")]
    Died(Death),
    /// The caller broke it off, and the child was killed.
    #[error("broken off")]
    Stopped,
}

/// A running span process. Dropping it kills and reaps it.
pub struct SpanProcess {
    ward: Ward,
    /// Held, as children die with their spawner.
    _spawner: Spawner,
    orders: UnixStream,
    output: PatientReader,
    last_words: LastWords,
    unenforced: Vec<String>,
}

impl SpanProcess {
    /// Waits for a new child's hello.
    pub(super) fn greet(streams: Streams, spawner: Spawner) -> Result<SpanProcess, SpawnError> {
        let Streams { ward, orders, stdout, stderr } = streams;
        let patience = spawner.patience();
        // A child that is stopped does not read: a long order must not block for ever.
        orders.set_write_timeout(Some(patience.floor))?;
        let mut process = SpanProcess {
            ward,
            _spawner: spawner,
            orders,
            output: PatientReader::new(stdout, patience),
            last_words: LastWords::listen(stderr)?,
            unenforced: Vec::new(),
        };
        match process.hear() {
            Ok((Message::Hello { version: protocol::VERSION, unenforced }, _)) => {
                process.unenforced = unenforced;
                process.output.started = true;
                Ok(process)
            }
            Ok((Message::Hello { version, .. }, _)) => Err(SpawnError::Version(version)),
            Ok((message, _)) => Err(SpawnError::Died(process.out_of_turn(&message))),
            Err(death) => Err(SpawnError::Died(death)),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.ward.pid()
    }

    /// What the kernel does not enforce of its sandbox, a line for each.
    pub fn unenforced(&self) -> &[String] {
        &self.unenforced
    }

    /// Ends it from another thread.
    pub fn killer(&self) -> Killer {
        self.ward.killer()
    }

    /// Whether it has not ended while nobody listened.
    pub fn lives(&self) -> bool {
        self.ward.try_wait().is_none()
    }

    /// Lets it find out what `source` is.
    pub fn describe(&mut self, source: BorrowedFd<'_>) -> Result<SourceFacts, Trouble> {
        self.give(&Order::Describe, Some(source))?;
        loop {
            match self.hear().map_err(Trouble::Died)?.0 {
                Message::Progress(_) | Message::Waiting => {}
                Message::Described(facts) => return Ok(*facts),
                Message::Failed(failure) => return Err(Trouble::Failed(failure)),
                other => return Err(Trouble::Died(self.out_of_turn(&other))),
            }
        }
    }

    /// Lets it make a span from `source`. When `on_event` breaks off, the child is killed.
    pub fn make(
        &mut self,
        source: BorrowedFd<'_>,
        order: &SpanOrder,
        on_event: &mut dyn FnMut(SpanEvent) -> ControlFlow<()>,
    ) -> Result<SpanReport, Trouble> {
        self.make_telling(source, order, &mut |word| match word {
            Word::Event(event) => on_event(event),
            Word::Waits => ControlFlow::Continue(()),
        })
    }

    /// The same, and also hears when the child waits for its source.
    pub fn make_telling(
        &mut self,
        source: BorrowedFd<'_>,
        order: &SpanOrder,
        on_word: &mut dyn FnMut(Word) -> ControlFlow<()>,
    ) -> Result<SpanReport, Trouble> {
        self.give(&Order::Span(Box::new(order.clone())), Some(source))?;
        loop {
            let (message, bytes) = self.hear().map_err(Trouble::Died)?;
            let word = match message {
                Message::Waiting => Word::Waits,
                Message::Progress(progress) => Word::Event(SpanEvent::Progress(progress)),
                Message::Init { rendition, .. } => {
                    Word::Event(SpanEvent::Init { rendition, bytes })
                }
                Message::Segment { id, damaged, .. } => {
                    Word::Event(SpanEvent::Segment { id, bytes, damaged })
                }
                Message::Done(report) => return Ok(report),
                Message::Failed(failure) => return Err(Trouble::Failed(failure)),
                other => return Err(Trouble::Died(self.out_of_turn(&other))),
            };
            if on_word(word).is_break() {
                self.ward.end();
                return Err(Trouble::Stopped);
            }
        }
    }

    /// Lets it try what its sandbox must deny.
    pub fn check_sandbox(&mut self) -> Result<SandboxCheck, Trouble> {
        self.give(&Order::CheckSandbox, None)?;
        match self.hear().map_err(Trouble::Died)?.0 {
            Message::Checked(check) => Ok(check),
            Message::Failed(failure) => Err(Trouble::Failed(failure)),
            other => Err(Trouble::Died(self.out_of_turn(&other))),
        }
    }

    fn give(&mut self, order: &Order, source: Option<BorrowedFd<'_>>) -> Result<(), Trouble> {
        self.send(order, source).map_err(|error| {
            let ended_by = match error.kind() {
                io::ErrorKind::WouldBlock => Some(EndedBy::Silence(self.output.patience.floor)),
                _ => None,
            };
            Trouble::Died(self.dead(ended_by))
        })
    }

    fn send(&mut self, order: &Order, source: Option<BorrowedFd<'_>>) -> io::Result<()> {
        let header = serde_json::to_vec(order)?;
        let preamble = protocol::preamble(&header, b"");
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<BorrowedFd<'_>> = source.into_iter().collect();
        if !descriptors.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&descriptors));
        }
        let parts = [IoSlice::new(&preamble)];
        let sent = sendmsg(&self.orders, &parts, &mut control, SendFlags::NOSIGNAL)?;
        if sent != PREAMBLE {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.orders.write_all(&header)
    }

    /// The next message, its payload checked against its hash.
    fn hear(&mut self) -> Result<(Message, Vec<u8>), Death> {
        self.output.silent = Duration::ZERO;
        let frame = match protocol::read_frame::<Message>(&mut self.output) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Err(self.dead(None)),
            Err(WireError::Io(error)) if error.kind() == io::ErrorKind::TimedOut => {
                let silent = self.output.silent;
                return Err(self.dead(Some(EndedBy::Silence(silent))));
            }
            // Broken off in the middle: how it ended says more.
            Err(WireError::Io(_)) => return Err(self.dead(None)),
            Err(error) => return Err(self.dead(Some(EndedBy::Garbage(error.to_string())))),
        };
        let promised = match &frame.header {
            Message::Init { hash, .. } | Message::Segment { hash, .. } => Some(*hash),
            _ => None,
        };
        if promised.is_some_and(|hash| hash != Hash::of(&frame.payload)) {
            let what = format!("the bytes of a {} are damaged", frame.header.name());
            return Err(self.dead(Some(EndedBy::Garbage(what))));
        }
        Ok((frame.header, frame.payload))
    }

    fn out_of_turn(&mut self, message: &Message) -> Death {
        self.dead(Some(EndedBy::Garbage(format!("a {} message", message.name()))))
    }

    /// Makes sure that it is dead, and says how that came: by `verdict`, or as the kernel reports.
    fn dead(&mut self, verdict: Option<EndedBy>) -> Death {
        let status = if verdict.is_none() { self.status_soon() } else { None };
        self.ward.end();
        let ended_by = verdict.or(status.map(EndedBy::of));
        let ended_by =
            ended_by.unwrap_or_else(|| EndedBy::Garbage("it closed its output".to_owned()));
        Death { pid: self.pid(), ended_by, last_words: self.last_words.take() }
    }

    /// Its output ended, so it is ending; how is lost if it is killed at once. One that only closed
    /// its output is not waited for.
    fn status_soon(&self) -> Option<ExitStatus> {
        const GRACE: Duration = Duration::from_secs(2);
        let asked = Instant::now();
        while asked.elapsed() < GRACE {
            if let Some(status) = self.ward.try_wait() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(2));
        }
        None
    }
}

/// A child's output, read with [`Patience`].
struct PatientReader {
    stdout: ChildStdout,
    patience: Patience,
    started: bool,
    /// How long nothing has come.
    silent: Duration,
    /// The longest that nothing came, until something did.
    longest: Duration,
}

impl PatientReader {
    /// Waiting is measured in slices that count for no more than this, so that a time in which the
    /// whole machine, or this process, was stopped is not taken for the child's silence.
    const SLICE: Duration = Duration::from_secs(1);

    fn new(stdout: ChildStdout, patience: Patience) -> PatientReader {
        let (silent, longest) = (Duration::ZERO, Duration::ZERO);
        PatientReader { stdout, patience, started: false, silent, longest }
    }

    fn bound(&self) -> Duration {
        if self.started { self.patience.bound(self.longest) } else { self.patience.startup }
    }

    /// Waits until there is something to read, or its end.
    fn wait(&mut self) -> io::Result<()> {
        while self.silent < self.bound() {
            let slice = Self::SLICE.min(self.bound() - self.silent);
            let timeout = Timespec::try_from(slice).map_err(io::Error::other)?;
            let mut descriptors = [PollFd::new(&self.stdout, PollFlags::IN)];
            let asked = Instant::now();
            match poll(&mut descriptors, Some(&timeout)) {
                Ok(0) | Err(rustix::io::Errno::INTR) => {}
                Ok(_) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
            self.silent += asked.elapsed().min(slice);
        }
        Err(io::ErrorKind::TimedOut.into())
    }
}

impl Read for PatientReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wait()?;
        let count = self.stdout.read(buffer)?;
        if self.started {
            self.longest = self.longest.max(self.silent);
        }
        self.silent = Duration::ZERO;
        Ok(count)
    }
}

/// The end of what a child writes to standard error.
struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    listener: Option<JoinHandle<()>>,
}

impl LastWords {
    const LINES: usize = 12;
    const LENGTH: u64 = 400;

    fn listen(stderr: ChildStderr) -> io::Result<LastWords> {
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = lines.clone();
        let listen = move || {
            let mut from = BufReader::new(stderr);
            let mut line = Vec::new();
            // A line that is too long counts as several.
            while (&mut from).take(Self::LENGTH).read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let mut kept = lock(&kept);
                if kept.len() == Self::LINES {
                    kept.pop_front();
                }
                kept.push_back(text);
            }
        };
        let listener = thread::Builder::new().name("last-words".to_owned()).spawn(listen)?;
        Ok(LastWords { lines, listener: Some(listener) })
    }

    /// All that a dead child said.
    fn take(&mut self) -> Vec<String> {
        if let Some(listener) = self.listener.take() {
            // Ends with the pipe, and that with the child, which cannot have children.
            let _ = listener.join();
        }
        lock(&self.lines).drain(..).collect()
    }
}
