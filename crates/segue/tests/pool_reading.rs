//! A client that sees neither films nor the store: it asks what a film is, wants all of it from a
//! place on, and reads every segment from workers, one of which is killed meanwhile.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use segue_api::v1::segments_client::SegmentsClient;
use segue_api::{Client, v1};
use segue_model::SourceFacts;
use support::pool::Pool;
use support::{run, segue};
use tempfile::tempdir;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Longer than what is made ahead of a viewer, so that the rest is made as a batch.
const SECONDS: u32 = 100;
const LONG: Duration = Duration::from_secs(120);
/// Before somebody who could not read asks again.
const PAUSE: Duration = Duration::from_millis(200);

/// A long film that is small.
fn long_film(folder: &Path) -> PathBuf {
    let path = folder.join("long.mkv");
    let mut command = segue_lab::ffmpeg();
    command.args(["-f", "lavfi", "-i", &format!("testsrc2=s=160x90:r=24:d={SECONDS}")]);
    command.args(["-f", "lavfi", "-i", &format!("sine=f=440:r=48000:d={SECONDS}")]);
    command.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "48", "-c:a", "aac"]);
    segue_lab::run(command.arg(&path));
    path
}

/// Somebody who reads by way of workers alone.
struct Reader {
    scheduler: String,
    job: String,
    began: Instant,
    demand: Demand,
    /// How often the demand was said on a new stream.
    again: u32,
    /// Where segments are, as the latest stream told.
    places: BTreeMap<u32, String>,
}

struct Demand {
    words: mpsc::Sender<v1::DemandRequest>,
    told: Streaming<v1::DemandResponse>,
}

impl Demand {
    async fn open(scheduler: &str) -> Demand {
        let (words, requests) = mpsc::channel(4);
        let mut jobs = Client::connect(scheduler).await.expect("a scheduler").jobs();
        let told = jobs.demand(ReceiverStream::new(requests)).await.expect("a stream");
        Demand { words, told: told.into_inner() }
    }
}

impl Reader {
    async fn new(scheduler: String, job: String) -> Reader {
        let (demand, began) = (Demand::open(&scheduler).await, Instant::now());
        Reader { scheduler, job, began, demand, again: 0, places: BTreeMap::new() }
    }

    /// Says where it is, which it comes to sooner or later.
    async fn is_at(&self, segment: u32) {
        let played = self.began.elapsed().as_millis() as u64;
        let due_in_ms = (u64::from(segment) * 2_000).saturating_sub(played) as u32;
        let (viewer, job, renditions) = ("a player".to_owned(), self.job.clone(), vec![0]);
        let viewer = v1::Viewer { viewer, job, renditions, segment, due_in_ms, to_end: true };
        let words = v1::DemandRequest { viewers: vec![viewer] };
        self.demand.words.send(words).await.expect("the stream is open");
    }

    /// Where a segment is, as soon as it is anywhere.
    async fn place(&mut self, index: u32) -> String {
        loop {
            if let Some(place) = self.places.get(&index).filter(|place| !place.is_empty()) {
                return place.clone();
            }
            let told = timeout(LONG, self.demand.told.message()).await;
            let told = told.expect("something is told").expect("a word").expect("more to come");
            assert_eq!(told.lost_jobs, Vec::<String>::new());
            for segment in told.segments {
                self.places.insert(segment.index, segment.worker_address);
            }
        }
    }

    /// A segment, from whoever has it when it is needed.
    async fn segment(&mut self, index: u32) -> Vec<u8> {
        self.is_at(index).await;
        let give_up_at = Instant::now() + LONG;
        loop {
            let place = self.place(index).await;
            match read(&place, &self.job, Some(index)).await {
                Ok(bytes) => return bytes,
                Err(words) => assert!(Instant::now() < give_up_at, "{words}"),
            }
            // What was told is not so any more: a new stream tells what is.
            sleep(PAUSE).await;
            self.places.clear();
            self.demand = Demand::open(&self.scheduler).await;
            self.again += 1;
            self.is_at(index).await;
        }
    }
}

async fn read(address: &str, job: &str, index: Option<u32>) -> Result<Vec<u8>, String> {
    let worker = Client::connect(address).await.map_err(|error| error.to_string())?;
    let mut segments = SegmentsClient::new(worker.channel());
    let request = v1::ReadRequest { job: job.to_owned(), index, ..v1::ReadRequest::default() };
    let mut pieces =
        segments.read(request).await.map_err(|status| status.to_string())?.into_inner();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.message().await.map_err(|status| status.to_string())? {
        bytes.extend(piece.data);
    }
    Ok(bytes)
}

/// Describes and submits, without a batch.
async fn submitted(pool: &Pool, film: &Path, packaging: v1::Packaging) -> v1::JobInfo {
    let source = format!("file://{}", film.display());
    let mut jobs = Client::connect(&pool.url()).await.expect("a scheduler").jobs();
    let wish = v1::DescribeRequest { source: source.clone() };
    let described = jobs.describe(wish).await.expect("described").into_inner();
    let facts = SourceFacts::try_from(described).expect("a film");
    let video = facts.video.expect("a picture");
    assert_eq!((video.width, video.height, facts.audio.len()), (160, 90, 1));
    let request = v1::Request {
        renditions: vec!["90p".to_owned()],
        packaging: packaging.into(),
        together: true,
        // A copy that a worker still holds and the one that was stored first have the same bytes then.
        exact: true,
        ..v1::Request::default()
    };
    let request = Some(request);
    let wish = v1::SubmitRequest { source, request, ..v1::SubmitRequest::default() };
    let job = jobs.submit(wish).await.expect("submitted").into_inner().job;
    let known = jobs.get(v1::GetRequest { job }).await.expect("a job").into_inner();
    known.job.expect("a job")
}

/// The number of the worker at an address.
fn worker_at(pool: &Pool, address: &str) -> usize {
    let listens = |number: &usize| pool.worker(*number).until("listening on").ends_with(address);
    (0..pool.workers.len()).find(listens).expect("one of the pool's")
}

fn everything_is_read_from_workers(packaging: v1::Packaging) {
    let folder = tempdir().unwrap();
    let film = long_film(folder.path());
    let pool = Pool::start(2);
    Runtime::new().unwrap().block_on(async {
        let info = submitted(&pool, &film, packaging).await;
        assert_eq!((info.renditions.len(), info.segments), (1, SECONDS / 2));
        let mut reader = Reader::new(pool.url(), info.job.clone()).await;
        let mut read_first = Vec::new();
        for index in 0..info.segments {
            if index == 5 {
                reader.is_at(index).await;
                let dying = worker_at(&pool, &reader.place(index).await);
                pool.worker(dying).signal(Signal::KILL);
            }
            read_first.push(reader.segment(index).await);
        }
        assert!(reader.again > 0, "what was killed was not read from");

        // All that was told is stored, or will be; whoever is left has it.
        support::pool::until("the job is finished", || {
            pool.job(&info.job).join("master.m3u8").exists().then_some(())
        });
        let mut later = Reader::new(pool.url(), info.job.clone()).await;
        let extension = if packaging == v1::Packaging::Fmp4 { "m4s" } else { "ts" };
        let stored = pool.job(&info.job).join(&info.renditions[0]);
        for (index, first) in read_first.iter().enumerate() {
            let second = later.segment(index as u32).await;
            let kept = fs::read(stored.join(format!("{index:05}.{extension}"))).unwrap();
            assert!(kept == second, "segment {index} is not what is stored");
            assert!(!first.is_empty());
        }
        if packaging == v1::Packaging::Fmp4 {
            let survivor = later.place(info.segments - 1).await;
            let init = read(&survivor, &info.job, None).await.expect("an init section");
            assert_eq!(init, fs::read(stored.join("init.mp4")).unwrap());
        }
        let master = pool.job(&info.job).join("master.m3u8");
        let (code, said, errors) = run(segue().arg("verify").arg(master));
        assert_eq!(code, Some(0), "{said}{errors}");
    });
}

#[test]
fn a_transport_stream_is_read_to_its_end_from_workers_though_one_is_killed() {
    everything_is_read_from_workers(v1::Packaging::MpegTs);
}

#[test]
fn fragments_of_picture_and_sound_together_are_read_to_their_end_from_workers() {
    everything_is_read_from_workers(v1::Packaging::Fmp4);
}
