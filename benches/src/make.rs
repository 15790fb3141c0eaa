//! A process that does nothing but make segments, so that its cost can be read from outside.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use segue_media::span::SpanOrder;
use segue_model::{AudioRequest, BoundaryRule, Job, JobRequest, RenditionRequest, Sizing, Time};

use crate::film;

/// What to make of which source.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The source
    #[arg(long)]
    source: PathBuf,
    /// Where segments go
    #[arg(long)]
    to: PathBuf,
    /// A job to follow, as JSON: the source is not described again
    #[arg(long)]
    job: Option<PathBuf>,
    #[command(flatten)]
    wish: Wish,
    /// Segments in each span [default: all]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    span_length: Option<u32>,
    /// Nothing but a span that begins with this segment, which somebody waits for
    #[arg(long)]
    from: Option<u32>,
}

/// The settings that benches vary.
#[derive(Args, Clone, Debug)]
pub struct Wish {
    /// Rows of the picture [default: the source's]
    #[arg(long)]
    pub rows: Option<u32>,
    /// Highest bits per second [default: what suits the size]
    #[arg(long)]
    pub bitrate: Option<u64>,
    /// Rate factor
    #[arg(long, default_value_t = 20)]
    pub crf: u8,
    /// x264's preset
    #[arg(long, default_value = "veryfast")]
    pub preset: String,
    /// Seconds
    #[arg(long, default_value = "2")]
    pub segment: Time,
    /// Same bytes everywhere
    #[arg(long)]
    pub exact: bool,
    /// Picture alone
    #[arg(long)]
    pub silent: bool,
}

impl Default for Wish {
    fn default() -> Wish {
        Wish {
            rows: None,
            bitrate: None,
            crf: 20,
            preset: "veryfast".to_owned(),
            segment: Time::from_secs(2),
            exact: false,
            silent: false,
        }
    }
}

impl Wish {
    /// As a request to the engine.
    pub fn request(&self) -> JobRequest {
        let sizing = self.rows.map_or(Sizing::Source, Sizing::Rows);
        JobRequest {
            boundaries: BoundaryRule::Grid { segment: self.segment },
            renditions: vec![RenditionRequest { sizing, bitrate: self.bitrate }],
            crf: self.crf,
            preset: self.preset.clone(),
            exact: self.exact,
            audio: (!self.silent).then(AudioRequest::default),
            ..JobRequest::default()
        }
    }

    /// As words for this program.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec![
            format!("--crf={}", self.crf),
            format!("--preset={}", self.preset),
            format!("--segment={}", self.segment),
        ];
        words.extend(self.rows.map(|rows| format!("--rows={rows}")));
        words.extend(self.bitrate.map(|bits| format!("--bitrate={bits}")));
        words.extend(self.exact.then(|| "--exact".to_owned()));
        words.extend(self.silent.then(|| "--silent".to_owned()));
        words
    }
}

/// Makes it.
pub fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let Arguments { source, to, job, wish, span_length, from } = arguments;
    let job: Job = match job {
        Some(path) => serde_json::from_slice(&std::fs::read(path)?).context("not a job")?,
        None => film::job(source, &wish.request())?,
    };
    let length = span_length.unwrap_or(u32::MAX);
    match from {
        Some(first) => {
            let order = film::order(&job, film::span(&job, *first, length));
            film::write_span(source, &SpanOrder { urgent: true, ..order }, to)
        }
        None => film::write(source, &job, length, to),
    }
}
