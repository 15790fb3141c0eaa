//! Segments on their way from workers into files.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use segue_api::v1;
use segue_api::v1::segments_client::SegmentsClient;
use tokio::task::JoinSet;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

use super::claim::RENDITION;
use super::files::{FileError, Part};
use super::known::Question;

/// A worker that is there takes a connection within this.
const CONNECT: Duration = Duration::from_secs(1);
/// A worker that sends nothing for so long is not waited for: somebody else has the segment, or makes
/// it. Long enough to read one from a slow store.
const SILENCE: Duration = Duration::from_secs(4);
/// What a worker may send ahead of what was written: enough for a fast network, and little memory.
const WINDOW: u32 = 256 << 10;
/// So many segments are on their way at once.
const AT_ONCE: usize = 3;

/// Which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Piece {
    /// The header of fragmented MP4.
    Init,
    /// A segment.
    Segment(u32),
}

/// Why something did not come.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// That worker does not give it; another may.
    #[error("{0}")]
    Worker(String),
    /// That worker does not have it.
    #[error("{0}")]
    Lacks(String),
    /// It cannot be written here.
    #[error(transparent)]
    File(#[from] FileError),
}

/// What is fetched, and where.
#[derive(Clone, Debug)]
pub struct Errand {
    /// What.
    pub piece: Piece,
    /// From which worker.
    pub address: String,
    /// Whether it was said to be there; else it is asked for on the off chance.
    pub told: bool,
}

/// Everything that is on its way.
#[derive(Debug)]
pub struct Fetches {
    job: String,
    channels: HashMap<String, Channel>,
    /// Those that were said to be there.
    pieces: HashSet<Piece>,
    under_way: JoinSet<(Errand, Result<Part, FetchError>)>,
}

impl Fetches {
    /// None yet, of a job.
    pub fn new(job: String) -> Fetches {
        Fetches { job, channels: HashMap::new(), pieces: HashSet::new(), under_way: JoinSet::new() }
    }

    /// Whether nothing is on its way.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether another may begin.
    pub fn has_room(&self) -> bool {
        self.pieces.len() < AT_ONCE
    }

    /// Whether a piece is on its way.
    pub fn has(&self, piece: Piece) -> bool {
        self.pieces.contains(&piece)
    }

    /// Begins to fetch a piece from a worker that is said to have it, for a file.
    pub fn begin(&mut self, piece: Piece, address: &str, path: PathBuf) {
        self.pieces.insert(piece);
        let address = address.to_owned();
        self.spawn(Errand { piece, address, told: true }, false, path);
    }

    /// Asks a worker for a piece that it may have, for a file.
    pub fn ask(&mut self, piece: Piece, question: Question, path: PathBuf) {
        let Question { address, at_hand } = question;
        self.spawn(Errand { piece, address, told: false }, at_hand, path);
    }

    fn spawn(&mut self, errand: Errand, at_hand: bool, path: PathBuf) {
        let channel = self.channel(&errand.address);
        let index = match errand.piece {
            Piece::Init => None,
            Piece::Segment(index) => Some(index),
        };
        let job = self.job.clone();
        let request = v1::ReadRequest { job, rendition: RENDITION, index, at_hand };
        self.under_way.spawn(async move {
            let fetched = match channel {
                Ok(channel) => fetch(channel, request, path).await,
                Err(error) => Err(FetchError::Worker(error)),
            };
            let fetched = fetched.map_err(|error| error.by(&errand.address));
            (errand, fetched)
        });
    }

    /// What came next; never, if nothing is on its way.
    pub async fn next(&mut self) -> (Errand, Result<Part, FetchError>) {
        match self.under_way.join_next().await {
            Some(Ok((errand, fetched))) => {
                if errand.told {
                    self.pieces.remove(&errand.piece);
                }
                // A connection whose other end is gone does not always say so.
                if let Err(FetchError::Worker(_)) = &fetched {
                    self.channels.remove(&errand.address);
                }
                (errand, fetched)
            }
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
            None => std::future::pending().await,
        }
    }

    /// Forgets the ways to workers: some of them may be gone.
    pub fn forget_ways(&mut self) {
        self.channels.clear();
    }

    fn channel(&mut self, address: &str) -> Result<Channel, String> {
        if let Some(channel) = self.channels.get(address) {
            return Ok(channel.clone());
        }
        let endpoint = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|error| format!("'{address}' is no address: {error}"))?;
        let channel = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(2 * WINDOW)
            .connect_lazy();
        self.channels.insert(address.to_owned(), channel.clone());
        Ok(channel)
    }
}

impl FetchError {
    fn by(self, address: &str) -> FetchError {
        match self {
            FetchError::Worker(reason) => FetchError::Worker(format!("{address}: {reason}")),
            FetchError::Lacks(reason) => FetchError::Lacks(format!("{address}: {reason}")),
            FetchError::File(error) => FetchError::File(error),
        }
    }
}

async fn fetch(
    channel: Channel,
    request: v1::ReadRequest,
    path: PathBuf,
) -> Result<Part, FetchError> {
    let mut client = SegmentsClient::new(channel);
    let mut pieces = in_time(client.read(request)).await?.into_inner();
    let mut part = Part::begin(&path)?;
    while let Some(v1::ReadResponse { data }) = in_time(pieces.message()).await? {
        part.write(&data)?;
    }
    Ok(part)
}

async fn in_time<T>(
    answer: impl Future<Output = Result<T, tonic::Status>>,
) -> Result<T, FetchError> {
    match tokio::time::timeout(SILENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(status)) => {
            let reason = status.message().to_owned();
            Err(match status.code() {
                Code::NotFound => FetchError::Lacks(reason),
                _ => FetchError::Worker(reason),
            })
        }
        Err(_) => Err(FetchError::Worker(format!("silent for {} s", SILENCE.as_secs()))),
    }
}
