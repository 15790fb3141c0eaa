//! What is read from a worker, and what is said where there is nothing.

use segue_api::v1::segments_server::Segments as _;
use segue_model::{Fingerprint, Hash, JobRequest, Packaging, Revision, Source};
use segue_store::{Location, S3Settings};
use tempfile::TempDir;
use tokio_stream::StreamExt;

use super::*;

#[path = "../../../crates/model/tests/sample/mod.rs"]
mod sample;

struct Bench {
    folder: TempDir,
    job: Job,
    segments: Segments,
}

impl Bench {
    /// A job of a minute in a store, and none of it made.
    async fn new(packaging: Packaging) -> Bench {
        let folder = tempfile::tempdir().expect("a folder");
        let location = Location::Directory(folder.path().join("store"));
        let store = Store::open(&location, &S3Settings::default()).await.expect("a store");
        store.identity().await.expect("an identity");
        let (url, head_tail) = ("file:///film.mkv".to_owned(), Hash([7; 32]));
        let fingerprint = Fingerprint { size: 1, revision: Revision::Mtime(1), head_tail };
        let request = JobRequest { packaging, together: true, ..JobRequest::default() };
        let source = Source { url, fingerprint };
        let job = segue_hls::plan(source, &request, sample::film()).expect("a job");
        let job = store.create_job(&job).await.expect("created");
        let segments = Segments::new(Arc::new(Shelf::new(1 << 20)), store);
        Bench { folder, job, segments }
    }

    async fn stores(&self, index: Option<u32>, bytes: &[u8]) {
        let (packaging, named) = (self.job.recipe.packaging, &self.job.recipe.renditions[0]);
        let key = match index {
            Some(index) => keys::segment(packaging, named, index),
            None => keys::init(packaging, named).expect("fMP4"),
        };
        let bytes = Bytes::copy_from_slice(bytes);
        self.segments.store.create(self.job.id, &key, bytes).await.expect("created");
    }

    async fn reads(&self, rendition: u32, index: Option<u32>) -> Result<Vec<u8>, Code> {
        let job = self.job.id.to_string();
        self.asked(v1::ReadRequest { job, rendition, index, at_hand: false }).await
    }

    async fn asked(&self, request: v1::ReadRequest) -> Result<Vec<u8>, Code> {
        let request = Request::new(request);
        let read = self.segments.read(request).await.map_err(|status| status.code())?;
        let pieces: Vec<_> = read.into_inner().collect().await;
        Ok(pieces.into_iter().flat_map(|piece| piece.expect("a piece").data).collect())
    }
}

/// The last packet of a picture, which is all that a transport stream has to be.
const PACKET: [u8; 188] = {
    let mut packet = [0x47; 188];
    [packet[1], packet[2], packet[3]] = [0x41, 0, 0x1f];
    [packet[4], packet[5], packet[6]] = [0, 0, 1];
    packet
};

#[tokio::test]
async fn what_is_not_held_here_is_read_from_the_store() {
    let bench = Bench::new(Packaging::MpegTs).await;
    assert_eq!(bench.reads(0, Some(3)).await, Err(Code::NotFound));
    bench.stores(Some(3), &PACKET).await;
    assert_eq!(bench.reads(0, Some(3)).await, Ok(PACKET.to_vec()));
    // What is at hand comes first.
    let label = Label { job: bench.job.id, rendition: 0, index: Some(3) };
    let room = bench.segments.shelf.room_for(4).await;
    bench.segments.shelf.put(label, Bytes::from_static(b"held"), room);
    assert_eq!(bench.reads(0, Some(3)).await, Ok(b"held".to_vec()));
}

#[tokio::test]
async fn who_asks_for_what_is_at_hand_has_nobody_look_into_the_store() {
    let bench = Bench::new(Packaging::MpegTs).await;
    bench.stores(Some(3), &PACKET).await;
    let job = bench.job.id;
    let request =
        v1::ReadRequest { job: job.to_string(), rendition: 0, index: Some(3), at_hand: true };
    assert_eq!(bench.asked(request.clone()).await, Err(Code::NotFound));
    let room = bench.segments.shelf.room_for(4).await;
    let label = Label { job, rendition: 0, index: Some(3) };
    bench.segments.shelf.put(label, Bytes::from_static(b"held"), room);
    assert_eq!(bench.asked(request).await, Ok(b"held".to_vec()));
}

#[tokio::test]
async fn init_sections_are_read_from_the_store_too() {
    let bench = Bench::new(Packaging::Fmp4).await;
    assert_eq!(bench.reads(0, None).await, Err(Code::NotFound));
    bench.stores(None, b"init").await;
    assert_eq!(bench.reads(0, None).await, Ok(b"init".to_vec()));
}

#[tokio::test]
async fn what_no_film_has_is_not_found() {
    let bench = Bench::new(Packaging::MpegTs).await;
    let segments = bench.job.timeline.segments();
    let most = u32::MAX;
    for (rendition, index) in
        [(0, Some(segments)), (0, Some(most)), (1, Some(0)), (most, Some(0)), (0, None)]
    {
        assert_eq!(bench.reads(rendition, index).await, Err(Code::NotFound));
    }
    let job = "ab".repeat(32);
    let request =
        Request::new(v1::ReadRequest { job, index: Some(0), ..v1::ReadRequest::default() });
    let refused = bench.segments.read(request).await.err().expect("no such job");
    assert_eq!(refused.code(), Code::NotFound);
}

#[tokio::test]
async fn a_store_that_is_away_is_worth_another_try_and_a_damaged_segment_is_not() {
    let bench = Bench::new(Packaging::MpegTs).await;
    bench.stores(Some(0), &PACKET).await;
    bench.stores(Some(1), &PACKET[..100]).await;
    assert_eq!(bench.reads(0, Some(1)).await, Err(Code::DataLoss));
    let (there, away) = (bench.folder.path().join("store"), bench.folder.path().join("away"));
    std::fs::rename(&there, &away).expect("moved");
    let job = bench.job.id.to_string();
    let request =
        Request::new(v1::ReadRequest { job, index: Some(0), ..v1::ReadRequest::default() });
    let refused = bench.segments.read(request).await.err().expect("nothing is there");
    assert_eq!(refused.code(), Code::Unavailable);
    assert!(refused.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()));
    std::fs::rename(&away, &there).expect("moved back");
    assert_eq!(bench.reads(0, Some(0)).await, Ok(PACKET.to_vec()));
}
