//! The engine, driven in this process as a worker would drive it: describe, plan, run spans.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use segue_hls::{keys, playlist};
use segue_media::span::{SpanEvent, SpanOrder, run};
use segue_media::{Cancel, FileSource, describe, fingerprint};
use segue_model::{Job, JobRequest, Revision, Source, Span};

/// A job over a file of this machine.
pub fn job(path: &Path, request: &JobRequest) -> anyhow::Result<Job> {
    let facts = describe(open(path)?, &Cancel::default())
        .with_context(|| format!("cannot describe {}", path.display()))?;
    let recipe = request.resolve(&facts)?;
    let timeline = segue_hls::timeline(recipe.boundaries, facts.duration, &[])?;
    let fingerprint = fingerprint(&mut *open(path)?, Revision::Mtime(0))?;
    let source = Source { url: format!("file://{}", path.display()), fingerprint };
    Ok(Job::new(source, recipe, facts, timeline))
}

/// The file as bytes.
pub fn open(path: &Path) -> anyhow::Result<Box<FileSource>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    Ok(Box::new(FileSource::new(file)?))
}

/// All renditions of a span, with every core.
pub fn order(job: &Job, span: Span) -> SpanOrder {
    let renditions = (0..job.recipe.renditions.len() as u32).collect();
    SpanOrder { job: job.clone(), span, renditions, threads: threads(), urgent: false }
}

/// Makes what is ordered; what is made goes to `made`.
pub fn make(
    path: &Path,
    order: &SpanOrder,
    cancel: &Cancel,
    made: &mut (dyn FnMut(SpanEvent) -> std::io::Result<()> + Send),
) -> anyhow::Result<()> {
    let span = order.span;
    run(open(path)?, order, cancel, made).with_context(|| format!("{span} cannot be made"))?;
    Ok(())
}

/// Threads that each encoder and decoder is given.
pub fn threads() -> u32 {
    std::thread::available_parallelism().map_or(2, |cores| cores.get() as u32)
}

/// A span of `length` segments, or as many as there are, from `first` on.
pub fn span(job: &Job, first: u32, length: u32) -> Span {
    Span { first, end: first.saturating_add(length).min(job.timeline.segments()) }
}

/// The timeline in spans of `length` segments.
pub fn spans(job: &Job, length: u32) -> Vec<Span> {
    let firsts = (0..job.timeline.segments()).step_by(length.max(1) as usize);
    firsts.map(|first| span(job, first, length)).collect()
}

/// Makes everything into a directory, playlists included, in spans of `length` segments. Segments
/// get their names when they are whole.
pub fn write(path: &Path, job: &Job, length: u32, directory: &Path) -> anyhow::Result<()> {
    for span in spans(job, length) {
        write_span(path, &order(job, span), directory)?;
    }
    for (index, rendition) in job.recipe.renditions.iter().enumerate() {
        let to = directory.join(keys::media_playlist(rendition));
        std::fs::write(to, playlist::media(job, index))?;
    }
    std::fs::write(directory.join(keys::MULTIVARIANT), playlist::multivariant(job))?;
    Ok(())
}

/// Makes one span into a directory.
pub fn write_span(path: &Path, order: &SpanOrder, directory: &Path) -> anyhow::Result<()> {
    let job = &order.job;
    for rendition in &job.recipe.renditions {
        std::fs::create_dir_all(directory.join(&rendition.name))?;
    }
    make(path, order, &Cancel::default(), &mut |event| {
        let (key, bytes) = match event {
            SpanEvent::Progress(_) => return Ok(()),
            SpanEvent::Init { rendition, bytes } => {
                let rendition = &job.recipe.renditions[rendition as usize];
                match keys::init(job.recipe.packaging, rendition) {
                    Some(key) => (key, bytes),
                    None => return Ok(()),
                }
            }
            SpanEvent::Segment { id, bytes, .. } => {
                let rendition = &job.recipe.renditions[id.rendition as usize];
                (keys::segment(job.recipe.packaging, rendition, id.index), bytes)
            }
        };
        let unfinished = directory.join("unfinished");
        std::fs::write(&unfinished, bytes)?;
        std::fs::rename(unfinished, directory.join(key))
    })
}
