//! Drives the engine as a worker would, without processes: describe, plan, run spans, write files.
#![allow(dead_code)] // Each test binary uses its own part.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use segue_hls::{keys, playlist};
use segue_media::span::{SpanEvent, SpanOrder, SpanReport, run};
use segue_media::{Cancel, Error, FileSource, describe, fingerprint};
use segue_model::{Job, JobRequest, Packaging, Revision, SegmentId, Source, SourceFacts, Span};

/// Opens a file as a byte source.
pub fn open(path: &Path) -> Box<FileSource> {
    Box::new(FileSource::new(File::open(path).unwrap()).unwrap())
}

pub fn facts(path: &Path) -> SourceFacts {
    describe(open(path), &Cancel::default()).unwrap_or_else(|error| panic!("{path:?}: {error:?}"))
}

/// A request that is quick to encode.
pub fn quick(packaging: Packaging) -> JobRequest {
    JobRequest { packaging, preset: "ultrafast".into(), ..JobRequest::default() }
}

/// The job that `request` makes of the file.
pub fn job(path: &Path, request: &JobRequest) -> Job {
    let fingerprint = fingerprint(&mut *open(path), Revision::Mtime(0)).unwrap();
    let source = Source { url: format!("file://{}", path.display()), fingerprint };
    segue_hls::plan(source, request, facts(path)).unwrap()
}

/// What spans made, in memory.
#[derive(Default)]
pub struct Made {
    pub inits: BTreeMap<u32, Vec<u8>>,
    pub segments: BTreeMap<SegmentId, Vec<u8>>,
    pub reports: Vec<SpanReport>,
}

/// An order for the first rendition of the whole film, with one thread each.
pub fn whole_film(job: &Job) -> SpanOrder {
    let span = job.timeline.whole();
    SpanOrder { job: job.clone(), span, renditions: vec![0], threads: 1, urgent: false }
}

/// Runs one span of all renditions into `made`.
pub fn run_span(path: &Path, job: &Job, span: Span, made: &mut Made) -> Result<(), Error> {
    let renditions = (0..job.recipe.renditions.len() as u32).collect();
    let order = SpanOrder { job: job.clone(), span, renditions, threads: 2, urgent: false };
    run_order(path, &order, made)
}

/// Runs what is ordered into `made`.
pub fn run_order(path: &Path, order: &SpanOrder, made: &mut Made) -> Result<(), Error> {
    let Made { inits, segments, .. } = made;
    let span = order.span;
    let report = run(open(path), order, &Cancel::default(), &mut |event| {
        match event {
            SpanEvent::Progress(_) => {}
            SpanEvent::Init { rendition, bytes } => {
                let first = inits.entry(rendition).or_insert_with(|| bytes.clone());
                assert_eq!(*first, bytes, "another init from {span}");
            }
            SpanEvent::Segment { id, bytes, .. } => {
                segments.insert(id, bytes);
            }
        }
        Ok(())
    })?;
    made.reports.push(report);
    Ok(())
}

/// Makes the whole job from spans of these lengths, in this order of starts.
pub fn make(path: &Path, job: &Job, spans: &[Span]) -> Made {
    let mut made = Made::default();
    for span in spans {
        run_span(path, job, *span, &mut made).unwrap_or_else(|error| panic!("{span}: {error:?}"));
    }
    made
}

/// The timeline in spans of `length`, in an order that is anything but rising.
pub fn scattered(job: &Job, length: u32) -> Vec<Span> {
    let segments = job.timeline.segments();
    let mut spans: Vec<Span> = (0..segments)
        .step_by(length as usize)
        .map(|first| Span { first, end: (first + length).min(segments) })
        .collect();
    spans.reverse();
    let middle = spans.len() / 2;
    spans.rotate_left(middle);
    spans
}

/// Writes everything a player needs; gives the multivariant playlist.
pub fn write(job: &Job, made: &Made, directory: &Path) -> PathBuf {
    let put = |key: &str, bytes: &[u8]| {
        let path = directory.join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for (index, rendition) in job.recipe.renditions.iter().enumerate() {
        put(&keys::media_playlist(rendition), playlist::media(job, index).as_bytes());
        if let Some(key) = keys::init(job.recipe.packaging, rendition) {
            put(&key, &made.inits[&(index as u32)]);
        }
    }
    for (id, bytes) in &made.segments {
        let rendition = &job.recipe.renditions[id.rendition as usize];
        put(&keys::segment(job.recipe.packaging, rendition, id.index), bytes);
    }
    put(keys::MULTIVARIANT, playlist::multivariant(job).as_bytes());
    directory.join(keys::MULTIVARIANT)
}
