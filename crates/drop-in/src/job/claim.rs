//! The claim on a job that lasts as long as somebody watches: what is wanted from where on, and
//! where it is.

use std::collections::BTreeMap;
use std::time::Duration;

use segue_api::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::pool::Pool;

/// The rendition of a line's job: there is one, with picture and sound.
pub const RENDITION: u32 = 0;
/// Words under way to the scheduler; each is a whole, so a few are enough.
const UNDER_WAY_MAX: usize = 4;
/// The scheduler is waited for so long when the claim is dropped.
const FAREWELL: Duration = Duration::from_millis(500);

/// An open stream to the scheduler, which is a claim.
#[derive(Debug)]
pub struct Claim {
    job: String,
    says: mpsc::Sender<v1::DemandRequest>,
    hears: Streaming<v1::DemandResponse>,
}

/// What is wanted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The first segment that is not here.
    pub segment: u32,
    /// How long it can be waited for.
    pub due: Duration,
    /// Nothing more is wanted for now.
    pub paused: bool,
}

/// What the scheduler says.
#[derive(Debug)]
pub enum News {
    /// Where segments are: the address of a worker that has it, or nobody.
    Segments(BTreeMap<u32, Option<String>>),
    /// The job is not known any more, or failed.
    Lost,
}

impl Claim {
    /// Claims a job.
    pub async fn open(pool: &Pool, job: &str, wish: Wish) -> Result<Claim, Status> {
        let (says, requests) = mpsc::channel(UNDER_WAY_MAX);
        let first = request(job, wish);
        // There is room for the first.
        let _ = says.try_send(first);
        let hears = pool.client.jobs().demand(ReceiverStream::new(requests)).await?.into_inner();
        Ok(Claim { job: job.to_owned(), says, hears })
    }

    /// Says what is wanted now. Whether there was room for it: what is said later says it all.
    pub fn say(&self, wish: Wish) -> bool {
        self.says.try_send(request(&self.job, wish)).is_ok()
    }

    /// What the scheduler says next. The stream is over with an error, also where it just ends.
    pub async fn hear(&mut self) -> Result<News, Status> {
        let Some(v1::DemandResponse { segments, lost_jobs }) = self.hears.message().await? else {
            return Err(Status::unavailable("the scheduler ended"));
        };
        if lost_jobs.contains(&self.job) {
            return Ok(News::Lost);
        }
        let ours = segments.into_iter().filter(|s| s.job == self.job && s.rendition == RENDITION);
        Ok(News::Segments(ours.map(|s| (s.index, holder(s))).collect()))
    }

    /// Drops the claim at once, rather than after the scheduler's patience.
    pub async fn release(self) {
        let Claim { says, mut hears, .. } = self;
        let farewell = async {
            if says.send(v1::DemandRequest { viewers: Vec::new() }).await.is_ok() {
                drop(says);
                while let Ok(Some(_)) = hears.message().await {}
            }
        };
        // A scheduler that does not listen finds out by itself.
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }
}

fn holder(state: v1::SegmentState) -> Option<String> {
    Some(state.worker_address).filter(|address| !address.is_empty())
}

fn request(job: &str, Wish { segment, due, paused }: Wish) -> v1::DemandRequest {
    if paused {
        // Whoever is not there takes nobody's capacity.
        return v1::DemandRequest { viewers: Vec::new() };
    }
    let viewer = v1::Viewer {
        viewer: "segue-ffmpeg".to_owned(),
        job: job.to_owned(),
        renditions: vec![RENDITION],
        segment,
        due_in_ms: u32::try_from(due.as_millis()).unwrap_or(u32::MAX),
        to_end: true,
    };
    v1::DemandRequest { viewers: vec![viewer] }
}
