//! Who asked for a line: its streams, its working directory, and what signals it gets.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

/// Bytes on their way to a stream; whoever has more waits.
const UNDER_WAY: usize = 16;
const BUFFER: usize = 32 << 10;

/// What somebody wants of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interruption {
    /// SIGINT.
    Interrupt,
    /// SIGTERM, SIGQUIT or SIGHUP.
    Terminate,
}

/// Standard input, which is read only by a line that has a use for it.
pub struct Stdin {
    from: Option<Box<dyn Read + Send>>,
    taken: Option<mpsc::Receiver<Vec<u8>>>,
}

impl Stdin {
    /// Begins to read, on a thread that nobody waits for: a terminal may never say anything.
    pub fn begin(&mut self) {
        let Some(mut from) = self.from.take() else { return };
        let (give, taken) = mpsc::channel(1);
        self.taken = Some(taken);
        // Without a thread there is nothing to read.
        let _ = thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            let mut buffer = vec![0; BUFFER];
            loop {
                match from.read(&mut buffer) {
                    Ok(0) => return,
                    Ok(count) => {
                        if give.blocking_send(buffer[..count].to_vec()).is_err() {
                            return;
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => return,
                }
            }
        });
    }

    /// What comes next; `None` when there is no more.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let bytes = self.taken.as_mut()?.recv().await;
        if bytes.is_none() {
            self.taken = None;
        }
        bytes
    }

    /// Whether more may come.
    pub fn is_open(&self) -> bool {
        self.taken.is_some()
    }
}

/// A stream that is written to on a thread of its own, as whoever reads it may take their time.
#[derive(Clone)]
pub struct Sink {
    give: mpsc::Sender<Piece>,
    broken: Arc<AtomicBool>,
}

enum Piece {
    Bytes(Vec<u8>),
    /// Answered when all before it is written.
    Flush(oneshot::Sender<()>),
}

impl Sink {
    fn new(mut to: Box<dyn Write + Send>) -> Sink {
        let (give, mut taken) = mpsc::channel(UNDER_WAY);
        let broken = Arc::new(AtomicBool::new(false));
        let is_broken = broken.clone();
        // Without a thread every write says that it is broken, as it is.
        let _ = thread::Builder::new().name("output".to_owned()).spawn(move || {
            while let Some(piece) = taken.blocking_recv() {
                match piece {
                    Piece::Bytes(bytes) if !is_broken.load(Ordering::Relaxed) => {
                        if to.write_all(&bytes).and_then(|()| to.flush()).is_err() {
                            is_broken.store(true, Ordering::Relaxed);
                        }
                    }
                    Piece::Bytes(_) => {}
                    Piece::Flush(done) => drop(done.send(())),
                }
            }
        });
        Sink { give, broken }
    }

    /// Writes, when there is room. Whether it can still be written to.
    pub async fn write(&self, bytes: Vec<u8>) -> bool {
        let given = self.give.send(Piece::Bytes(bytes)).await.is_ok();
        given && !self.broken.load(Ordering::Relaxed)
    }

    /// Waits until all is written.
    pub async fn flush(&self) {
        let (done, all) = oneshot::channel();
        if self.give.send(Piece::Flush(done)).await.is_ok() {
            // If the writer is gone, so is whoever read: there is nothing to wait for.
            let _ = all.await;
        }
    }
}

/// Who asked for a line.
pub struct Caller {
    /// The working directory, an absolute path.
    pub directory: String,
    /// Standard input.
    pub stdin: Stdin,
    /// Standard output.
    pub stdout: Sink,
    /// Standard error.
    pub stderr: Sink,
    /// Signals, as they come.
    pub interruptions: mpsc::Receiver<Interruption>,
}

impl Caller {
    /// Of this process. Within a runtime.
    pub fn of_process() -> std::io::Result<Caller> {
        let directory = std::env::current_dir()?.into_os_string();
        let directory = directory.into_string().map_err(|directory| {
            std::io::Error::other(format!("the working directory {directory:?} is not UTF-8"))
        })?;
        let (tell, interruptions) = mpsc::channel(4);
        for (kind, means) in [
            (SignalKind::interrupt(), Interruption::Interrupt),
            (SignalKind::terminate(), Interruption::Terminate),
            (SignalKind::quit(), Interruption::Terminate),
            (SignalKind::hangup(), Interruption::Terminate),
        ] {
            let mut signals = signal(kind)?;
            let tell = tell.clone();
            tokio::spawn(async move {
                while signals.recv().await.is_some() && tell.send(means).await.is_ok() {}
            });
        }
        Ok(Caller::new(
            directory,
            Box::new(std::io::stdin()),
            // Unbuffered: a line's end is nothing to wait for.
            Box::new(Unbuffered(std::io::stdout())),
            Box::new(std::io::stderr()),
            interruptions,
        ))
    }

    /// With other streams.
    pub fn new(
        directory: String,
        stdin: Box<dyn Read + Send>,
        stdout: Box<dyn Write + Send>,
        stderr: Box<dyn Write + Send>,
        interruptions: mpsc::Receiver<Interruption>,
    ) -> Caller {
        let stdin = Stdin { from: Some(stdin), taken: None };
        Caller {
            directory,
            stdin,
            stdout: Sink::new(stdout),
            stderr: Sink::new(stderr),
            interruptions,
        }
    }

    /// Says something of our own, on standard error.
    pub async fn complain(&self, words: &str) {
        self.stderr.write(format!("segue-ffmpeg: {words}\n").into_bytes()).await;
        self.stderr.flush().await;
    }
}

/// Standard output without Rust's own buffer of lines.
struct Unbuffered(std::io::Stdout);

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        rustix::io::write(&self.0, bytes).map_err(Into::into)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
