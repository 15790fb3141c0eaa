//! One run on one worker: everything that goes to and fro over its stream.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use segue_api::v1::commands_client::CommandsClient;
use segue_api::v1::run_request::Says;
use segue_api::v1::run_response::Says as Heard;
use segue_api::v1::{self, RunRequest};
use segue_ffmpeg::Program;
use segue_ffmpeg::files::Piece;
use segue_ffmpeg::resume::Said;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status, Streaming};

use super::Progress;
use super::answers::{answer, room};
use super::caller::{Caller, Interruption, Sink};
use super::gather::{Content, Gathered};
use super::outputs::Outputs;
use crate::ending::Ending;

const CONNECT: Duration = Duration::from_secs(3);
/// A worker whose host is gone without a word is noticed after this, twice: asked, and not answered.
const KEEPALIVE: Duration = Duration::from_secs(5);
const STREAM_WINDOW: u32 = 4 << 20;
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Messages that wait to be sent.
const UNDER_WAY: usize = 32;
/// What the worker has not taken of standard input.
const STDIN_MAX: u64 = 256 << 10;
/// A part of a small file in one message.
const PART: usize = 1 << 20;
/// Who was told to end is given so long; ffmpeg ends what it writes first.
const END_MAX: Duration = Duration::from_secs(20);
/// Its output is waited for so long then, by whoever reads it.
const FLUSH_MAX: Duration = Duration::from_secs(3);

/// How a run on a worker ended.
#[derive(Debug)]
pub enum Outcome {
    /// ffmpeg ended; its exit code.
    Ended(u8),
    /// It cannot be, and why; another worker would not do better.
    Refused(String),
    /// The worker does not answer, or not any more.
    Lost {
        /// Whether anything of the run can be seen.
        delivered: bool,
        /// Whether it was told to end.
        quitting: bool,
        /// What is known of it.
        why: String,
    },
}

/// Runs a line at a place. What is whole already is not written again; what becomes whole is noted.
pub async fn run(
    program: Program,
    gathered: &Gathered,
    place: v1::PlaceResponse,
    caller: &mut Caller,
    progress: &mut Progress,
) -> Outcome {
    let begun = tokio::select! {
        begun = connect(program, gathered, place) => begun,
        // Nothing runs yet that could end in good order.
        Some(_) = caller.interruptions.recv() => return Outcome::Ended(Ending::SIGNALLED.code),
    };
    let (outgoing, incoming) = match begun {
        Ok(streams) => streams,
        Err(outcome) => return outcome,
    };
    let outputs = Outputs::new(gathered.files.clone(), &progress.whole, &progress.joint);
    let session = Session {
        gathered,
        outgoing,
        room: room(),
        outputs: Some(outputs.watching(progress.line.clone())),
        said: &mut progress.said,
        stdout_open: true,
        said_anything: false,
        stdin_waiting: 0,
        quitting: false,
    };
    let (outcome, outputs) = session.run(incoming, caller).await;
    if let Some(outputs) = outputs {
        progress.whole.extend_from_slice(&outputs.complete);
        progress.beginning = progress.beginning.or(outputs.beginning);
    }
    outcome
}

/// Both ways of the stream to a worker that has all it needs to begin.
type Streams = (mpsc::Sender<RunRequest>, Streaming<v1::RunResponse>);

async fn connect(
    program: Program,
    gathered: &Gathered,
    place: v1::PlaceResponse,
) -> Result<Streams, Outcome> {
    let lost = |why| Err(Outcome::lost(why));
    let endpoint = match Endpoint::from_shared(format!("http://{}", place.address)) {
        Ok(endpoint) => endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE)
            .keep_alive_while_idle(true),
        Err(error) => return lost(format!("{} is no address: {error}", place.address)),
    };
    let channel = match endpoint.connect().await {
        Ok(channel) => channel,
        Err(error) => return lost(format!("{} does not answer: {error}", place.address)),
    };
    let (outgoing, requests) = mpsc::channel(UNDER_WAY);
    let begin = begin(program, gathered, place.ticket);
    // There is room for the first one.
    let _ = outgoing.send(RunRequest { says: Some(Says::Begin(begin)) }).await;
    let mut client = CommandsClient::new(channel);
    let incoming = match client.run(ReceiverStream::new(requests)).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Err(Outcome::of(&status)),
    };
    put_smalls(gathered, &outgoing).await?;
    Ok((outgoing, incoming))
}

impl Outcome {
    /// Lost before anything came of it.
    fn lost(why: String) -> Outcome {
        Outcome::Lost { delivered: false, quitting: false, why }
    }

    /// What the worker says no to for good, from what somebody else may do.
    fn of(status: &Status) -> Outcome {
        let why = status.message().to_owned();
        match status.code() {
            Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => {
                Outcome::Refused(why)
            }
            _ => Outcome::lost(why),
        }
    }
}

fn begin(program: Program, gathered: &Gathered, ticket: String) -> v1::Begin {
    let program = match program {
        Program::Ffmpeg => v1::begin::Program::Ffmpeg,
        Program::Ffprobe => v1::begin::Program::Ffprobe,
    };
    let argument = |word: &Vec<Piece>| v1::Argument { pieces: pieces(word) };
    let input = |input: &super::gather::Input| v1::Input {
        name: input.name.clone(),
        size: input.size,
        there: input.there.clone(),
        path: input.path.clone(),
    };
    v1::Begin {
        ticket,
        program: program.into(),
        arguments: gathered.files.words.iter().map(argument).collect(),
        directory: gathered.directories.first().cloned().unwrap_or_default(),
        directories: gathered.directories.clone(),
        present: gathered.present.clone(),
        growing: gathered.growing.clone(),
        inputs: gathered.inputs.iter().map(input).collect(),
        network: gathered.network || !gathered.files.network.is_empty(),
    }
}

fn pieces(word: &[Piece]) -> Vec<v1::Piece> {
    let piece = |piece: &Piece| {
        let piece = match piece {
            Piece::Text(text) => v1::piece::Piece::Text(text.clone().into_bytes()),
            Piece::Root => v1::piece::Piece::Root(true),
            Piece::Input(index) => v1::piece::Piece::Input(*index as u32),
            Piece::Device => v1::piece::Piece::Device(true),
        };
        v1::Piece { piece: Some(piece) }
    };
    word.iter().map(piece).collect()
}

async fn put_smalls(
    gathered: &Gathered,
    outgoing: &mpsc::Sender<RunRequest>,
) -> Result<(), Outcome> {
    let put = |path: &str, pieces| RunRequest {
        says: Some(Says::Put(v1::Put { path: path.to_owned(), pieces })),
    };
    let gone = |_| Outcome::lost("it ended the stream".to_owned());
    for small in &gathered.smalls {
        match &small.content {
            Content::List(list) => {
                outgoing.send(put(&small.path, pieces(list))).await.map_err(gone)?;
            }
            Content::File(path) => {
                let Ok(mut file) = std::fs::File::open(path) else { continue };
                loop {
                    let mut text = Vec::new();
                    let read = file.by_ref().take(PART as u64).read_to_end(&mut text);
                    let count = read.unwrap_or(0);
                    let piece = v1::Piece { piece: Some(v1::piece::Piece::Text(text)) };
                    outgoing.send(put(&small.path, vec![piece])).await.map_err(gone)?;
                    if count < PART {
                        break;
                    }
                }
            }
        }
    }
    let go = RunRequest { says: Some(Says::Go(v1::Go {})) };
    outgoing.send(go).await.map_err(gone)
}

struct Session<'a> {
    gathered: &'a Gathered,
    outgoing: mpsc::Sender<RunRequest>,
    /// For parts of inputs.
    room: Arc<Semaphore>,
    /// None only while it is at work.
    outputs: Option<Outputs>,
    said: &'a mut Said,
    stdout_open: bool,
    said_anything: bool,
    stdin_waiting: u64,
    quitting: bool,
}

impl Session<'_> {
    /// How it ended, and what it wrote.
    async fn run(
        mut self,
        mut incoming: Streaming<v1::RunResponse>,
        caller: &mut Caller,
    ) -> (Outcome, Option<Outputs>) {
        let (stdin_wanted, outgoing) = (self.gathered.files.stdin, self.outgoing.clone());
        if stdin_wanted {
            caller.stdin.begin();
        }
        if !caller.stdin.is_open() {
            say(&outgoing, Says::Close(v1::Close { stream: v1::Stream::Stdin.into() })).await;
        }
        let mut end_by = None;
        // Signals are passed on whatever else waits.
        let Caller { stdin, stdout, stderr, interruptions, .. } = caller;
        let outcome = 'run: loop {
            tokio::select! {
                message = incoming.message() => {
                    let heard = match message {
                        Ok(Some(message)) => message.says,
                        Ok(None) => break self.lost("it ended the stream"),
                        Err(status) => break self.ended_with(&status),
                    };
                    let Some(heard) = heard else { continue };
                    let handled = self.hear(heard, stdout, stderr);
                    tokio::pin!(handled);
                    // Whoever reads our output may take for ever: signals are heard meanwhile.
                    let ended = loop {
                        tokio::select! {
                            ended = &mut handled => break ended,
                            Some(what) = interruptions.recv() => {
                                interrupt(&outgoing, what).await;
                                end_by.get_or_insert(Instant::now() + END_MAX);
                            }
                            () = due(end_by) => {
                                break 'run Outcome::Ended(Ending::SIGNALLED.code);
                            }
                        }
                    };
                    if let Some(outcome) = ended {
                        break outcome;
                    }
                }
                bytes = stdin.next(), if stdin.is_open() && self.stdin_waiting < STDIN_MAX => {
                    match bytes {
                        Some(bytes) => {
                            self.stdin_waiting += bytes.len() as u64;
                            self.quitting |= bytes.contains(&b'q');
                            // Read once, it cannot be given to another worker.
                            self.said_anything = true;
                            say(&outgoing, Says::Stdin(bytes)).await;
                        }
                        None => {
                            let stream = v1::Stream::Stdin.into();
                            say(&outgoing, Says::Close(v1::Close { stream })).await;
                        }
                    }
                }
                Some(what) = interruptions.recv() => {
                    interrupt(&outgoing, what).await;
                    end_by.get_or_insert(Instant::now() + END_MAX);
                }
                () = due(end_by) => break Outcome::Ended(Ending::SIGNALLED.code),
            }
        };
        let told = end_by.is_some();
        flush(stdout, stderr, self.said.end(), interruptions, told).await;
        let outcome = match outcome {
            Outcome::Lost { delivered, quitting, why } => {
                Outcome::Lost { delivered, quitting: quitting || told, why }
            }
            outcome => outcome,
        };
        (outcome, self.outputs)
    }

    fn lost(&self, why: &str) -> Outcome {
        let outputs = self.outputs.as_ref();
        let delivered = self.said_anything || outputs.is_none_or(|outputs| outputs.delivered);
        Outcome::Lost { delivered, quitting: self.quitting, why: why.to_owned() }
    }

    /// The stream's last word is no exit code.
    fn ended_with(&self, status: &Status) -> Outcome {
        match status.code() {
            // What the worker itself ended would end elsewhere, too.
            Code::ResourceExhausted => Outcome::Refused(status.message().to_owned()),
            _ => match Outcome::of(status) {
                Outcome::Lost { why, .. } => self.lost(&why),
                other => other,
            },
        }
    }

    /// Does what the worker says; says how the run ended, if it did.
    async fn hear(&mut self, heard: Heard, stdout: &Sink, stderr: &Sink) -> Option<Outcome> {
        match heard {
            Heard::Started(_) => {}
            Heard::Stdout(bytes) => {
                self.said_anything = true;
                if self.stdout_open && !stdout.write(bytes).await {
                    self.stdout_open = false;
                    // ffmpeg meets the same end, and says so in its own words.
                    let stream = v1::Stream::Stdout.into();
                    say(&self.outgoing, Says::Close(v1::Close { stream })).await;
                }
            }
            Heard::Stderr(bytes) => {
                let bytes = self.said.pass(bytes);
                if !bytes.is_empty() {
                    // Nobody who hears it is no reason to end.
                    stderr.write(bytes).await;
                }
            }
            Heard::Read(read) => answer(&self.gathered.inputs, read, &self.room, &self.outgoing),
            Heard::File(event) => return self.file(event).await,
            Heard::StdinTaken(count) => {
                self.stdin_waiting = self.stdin_waiting.saturating_sub(count);
            }
            Heard::Exit(exit) => {
                return Some(match exit.how {
                    Some(v1::exit::How::Code(0)) => match self.outputs.as_ref()?.ended() {
                        Ok(()) => Outcome::Ended(0),
                        Err(misfit) => Outcome::Refused(misfit.to_string()),
                    },
                    Some(v1::exit::How::Code(code)) => Outcome::Ended(code.min(255) as u8),
                    Some(v1::exit::How::Signal(signal)) => {
                        Outcome::Ended(128_u32.saturating_add(signal).min(255) as u8)
                    }
                    None => self.lost("it does not say how the command ended"),
                });
            }
        }
        None
    }

    async fn file(&mut self, event: v1::FileEvent) -> Option<Outcome> {
        let mut outputs = self.outputs.take()?;
        let changed = tokio::task::spawn_blocking(move || {
            let happened = outputs.happened(event);
            (outputs, happened)
        });
        match changed.await {
            Ok((outputs, happened)) => {
                self.outputs = Some(outputs);
                happened.err().map(|error| Outcome::Refused(error.to_string()))
            }
            Err(error) => Some(Outcome::Refused(error.to_string())),
        }
    }
}

/// Comes at that time, if there is one.
async fn due(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Says the last of it, and waits for whoever reads our output, as ffmpeg would; not for ever once a
/// signal asked for the end.
async fn flush(
    stdout: &Sink,
    stderr: &Sink,
    last: Vec<u8>,
    interruptions: &mut mpsc::Receiver<Interruption>,
    told: bool,
) {
    let all = async {
        if !last.is_empty() {
            stderr.write(last).await;
        }
        stdout.flush().await;
        stderr.flush().await;
    };
    tokio::pin!(all);
    if !told {
        tokio::select! {
            () = &mut all => return,
            Some(_) = interruptions.recv() => {}
        }
    }
    // A caller that was told and reads nothing for so long does not want the rest.
    let _ = tokio::time::timeout(FLUSH_MAX, all).await;
}

async fn say(outgoing: &mpsc::Sender<RunRequest>, says: Says) {
    // A stream that is over says so where it is read.
    let _ = outgoing.send(RunRequest { says: Some(says) }).await;
}

async fn interrupt(outgoing: &mpsc::Sender<RunRequest>, what: Interruption) {
    let kind = match what {
        Interruption::Interrupt => v1::signal::Kind::Interrupt,
        Interruption::Terminate => v1::signal::Kind::Terminate,
    };
    say(outgoing, Says::Signal(v1::Signal { kind: kind.into() })).await;
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use segue_ffmpeg::files::Files;
    use tokio::net::TcpListener;

    use super::*;

    /// Takes nothing, ever.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn caller(interruptions: mpsc::Receiver<Interruption>) -> Caller {
        let (stdin, stderr) = (Box::new(std::io::empty()), Box::new(std::io::sink()));
        Caller::new("/".to_owned(), stdin, Box::new(Stuck), stderr, interruptions)
    }

    #[tokio::test]
    async fn a_signal_is_heard_before_the_worker_says_anything() {
        // It takes the connection, and does not answer.
        let worker = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = worker.local_addr().unwrap().to_string();
        let gathered = Gathered {
            files: Files::default(),
            inputs: Vec::new(),
            smalls: Vec::new(),
            directories: Vec::new(),
            present: Vec::new(),
            growing: Vec::new(),
            network: false,
        };
        let (tell, interruptions) = mpsc::channel(1);
        let mut caller = caller(interruptions);
        let place = v1::PlaceResponse { address, ..v1::PlaceResponse::default() };
        let mut progress = Progress::default();
        let run = run(Program::Ffmpeg, &gathered, place, &mut caller, &mut progress);
        let signal = async {
            let connection = worker.accept().await.unwrap();
            tell.send(Interruption::Terminate).await.unwrap();
            connection
        };
        let (outcome, _connection) = tokio::join!(run, signal);
        assert!(matches!(outcome, Outcome::Ended(255)), "{outcome:?}");
    }

    #[tokio::test]
    async fn output_that_nobody_reads_does_not_keep_what_is_to_end() {
        let (tell, interruptions) = mpsc::channel(1);
        let mut caller = caller(interruptions);
        assert!(caller.stdout.write(b"film".to_vec()).await);
        let Caller { stdout, stderr, interruptions, .. } = &mut caller;
        tell.send(Interruption::Terminate).await.unwrap();
        flush(stdout, stderr, Vec::new(), interruptions, false).await;
        flush(stdout, stderr, Vec::new(), interruptions, true).await;
    }
}
