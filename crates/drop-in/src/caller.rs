//! Who started us: keys on standard input, and signals.

use std::collections::VecDeque;
use std::io;
use std::os::unix::net::UnixStream;
use std::task::Poll;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::stdio::stdin;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::ending::Ending;

/// Signals that ffmpeg ends by in good order, with their numbers.
const ENDING: [(fn() -> SignalKind, i32); 3] =
    [(SignalKind::interrupt, 2), (SignalKind::quit, 3), (SignalKind::terminate, 15)];

/// What whoever started us wants of us meanwhile. Dropped, it has taken nothing from standard input
/// but what it gave out.
#[derive(Debug)]
pub struct Caller {
    signals: Vec<(Signal, i32)>,
    keys: Option<Keys>,
    /// Typed during an errand.
    held: VecDeque<u8>,
}

/// A thread that reads standard input until this is dropped.
#[derive(Debug)]
struct Keys {
    typed: mpsc::Receiver<u8>,
    /// Closed with it, which ends the thread.
    _end: UnixStream,
}

/// Something that the caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// A byte on standard input.
    Key(u8),
    /// A signal to end by, by its number.
    Signal(i32),
}

impl Caller {
    /// Listens to signals from now on, and to keys if `keys`.
    pub fn listen(keys: bool) -> io::Result<Caller> {
        let signals = ENDING.into_iter().map(|(kind, number)| Ok((signal(kind())?, number)));
        // Without a thread there are no keys, and signals still end the run.
        let keys = if keys { Keys::listen().ok() } else { None };
        let signals = signals.collect::<io::Result<_>>()?;
        Ok(Caller { signals, keys, held: VecDeque::new() })
    }

    /// What `work` gives, unless the caller ends the run before. Other keys are heard after it.
    pub async fn unless_ended<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Ending> {
        tokio::pin!(work);
        loop {
            let word = tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                word = self.arriving() => word,
            };
            match word {
                Word::Signal(_) => return Err(Ending::SIGNALLED),
                Word::Key(b'q') => return Err(Ending::DONE),
                Word::Key(byte) => self.held.push_back(byte),
            }
        }
    }

    /// A byte or a signal.
    pub async fn next(&mut self) -> Word {
        match self.held.pop_front() {
            Some(byte) => Word::Key(byte),
            None => self.arriving().await,
        }
    }

    async fn arriving(&mut self) -> Word {
        let Caller { keys, signals, .. } = self;
        let arriving = std::future::poll_fn(|context| {
            for (signal, number) in &mut *signals {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*number);
                }
            }
            Poll::Pending
        });
        tokio::select! {
            byte = key(keys) => Word::Key(byte),
            number = arriving => Word::Signal(number),
        }
    }
}

impl Keys {
    fn listen() -> io::Result<Keys> {
        // One byte at a time: what is not asked for stays for whoever comes after us.
        let (sender, typed) = mpsc::channel(1);
        let (end, ours) = UnixStream::pair()?;
        let work =
            move || while read_key(&end).is_some_and(|byte| sender.blocking_send(byte).is_ok()) {};
        thread::Builder::new().name("keys".to_owned()).stack_size(64 << 10).spawn(work)?;
        Ok(Keys { typed, _end: ours })
    }
}

/// The next byte, unless `end` is closed before or standard input is over.
fn read_key(end: &UnixStream) -> Option<u8> {
    loop {
        let mut asked =
            [PollFd::new(end, PollFlags::IN), PollFd::from_borrowed_fd(stdin(), PollFlags::IN)];
        match poll(&mut asked, None) {
            Err(Errno::INTR) => continue,
            Err(_) => return None,
            Ok(_) if !asked[0].revents().is_empty() => return None,
            Ok(_) => {}
        }
        let mut byte = [0];
        match read(stdin(), &mut byte) {
            Ok(1) => return Some(byte[0]),
            Err(Errno::INTR) => {}
            Ok(_) | Err(_) => return None,
        }
    }
}

/// A byte that was typed; never again after the end of standard input, at which ffmpeg goes on.
async fn key(keys: &mut Option<Keys>) -> u8 {
    if let Some(listening) = keys {
        if let Some(byte) = listening.typed.recv().await {
            return byte;
        }
        *keys = None;
    }
    std::future::pending().await
}
