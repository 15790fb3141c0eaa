//! The film that pools are measured with, and what is asked of it.

use std::path::{Path, PathBuf};

use segue_api::{Client, v1};
use segue_model::Time;

use crate::clip;
use crate::make::Wish;

/// Seconds of each segment.
pub const SEGMENT: u32 = 2;

pub struct Film {
    pub source: PathBuf,
    pub segments: u32,
}

impl Film {
    /// 720p, with a keyframe every ten seconds.
    pub fn new(seconds: u32) -> anyhow::Result<Film> {
        let source = clip::long_film(720, seconds)?.canonicalize()?;
        Ok(Film { source, segments: seconds / SEGMENT })
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.source.display())
    }

    /// Submits it; the job and the name of its rendition.
    pub async fn submit(
        &self,
        client: &Client,
        wish: &Wish,
        batch: bool,
    ) -> anyhow::Result<Submitted> {
        let request = Some(request(wish));
        let source = self.url();
        let submit = v1::SubmitRequest { source, request, batch, ..v1::SubmitRequest::default() };
        let job = client.jobs().submit(submit).await?.into_inner().job;
        let asked = v1::GetRequest { job: job.clone() };
        let info = client.jobs().get(asked).await?.into_inner().job.unwrap_or_default();
        let rendition = info.renditions.into_iter().next().unwrap_or_default();
        Ok(Submitted { job, rendition })
    }
}

pub struct Submitted {
    pub job: String,
    pub rendition: String,
}

impl Submitted {
    pub fn segment(&self, jobs: &Path, index: u32) -> PathBuf {
        jobs.join(&self.job).join(&self.rendition).join(format!("{index:05}.ts"))
    }
}

/// 480p under a cap. Another `number` is another job that is as much work.
pub fn wish(number: u32) -> Wish {
    let bitrate = Some(1_800_000 + u64::from(number));
    let segment = Time::from_secs(i64::from(SEGMENT));
    Wish { rows: Some(480), bitrate, segment, ..Wish::default() }
}

/// A wish as clients say it.
pub fn request(wish: &Wish) -> v1::Request {
    let size = wish.rows.map_or("source".to_owned(), |rows| format!("{rows}p"));
    let rendition = wish.bitrate.map_or(size.clone(), |bits| format!("{size}@{bits}"));
    v1::Request {
        renditions: vec![rendition],
        segment_seconds: wish.segment.as_secs_f64().to_string(),
        exact: wish.exact,
        crf: Some(u32::from(wish.crf)),
        preset: wish.preset.clone(),
        ..v1::Request::default()
    }
}
