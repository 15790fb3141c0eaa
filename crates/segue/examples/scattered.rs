//! Makes HLS in which every segment comes from a process of its own, in random order: the hardest
//! case for a player.
//!
//! ```text
//! cargo run --example scattered -- film.mkv out/ ts 720p@3M 360p
//! cargo run --example scattered -- film.mkv out/ fmp4
//! ```
//!
//! Needs the `segue` binary beside it (`cargo build -p segue`), which is what the processes run.

use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use segue::output::Output;
use segue::source::LocalSource;
use segue::span_process::{Patience, SpanProcess, Spawner};
use segue::transcode::{describe, timeline};
use segue_media::span::{SpanEvent, SpanOrder};
use segue_model::{Job, JobRequest, Packaging, RenditionRequest, Span};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [film, directory, packaging, renditions @ ..] = arguments.as_slice() else {
        bail!("give a film, a directory, `ts` or `fmp4`, and any renditions");
    };
    let packaging = match packaging.as_str() {
        "ts" => Packaging::MpegTs,
        "fmp4" => Packaging::Fmp4,
        other => bail!("`{other}` is neither `ts` nor `fmp4`"),
    };
    let renditions: Vec<RenditionRequest> =
        renditions.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
    let request =
        JobRequest { packaging, renditions, preset: "ultrafast".into(), ..JobRequest::default() };
    scatter(Path::new(film), Path::new(directory), &request)
}

fn scatter(film: &Path, directory: &Path, request: &JobRequest) -> Result<()> {
    let source = LocalSource::open(film).map_err(|ending| anyhow!("{ending}"))?;
    let spawner = Spawner::new(program()?, Patience::default())?;
    let (facts, process) = describe(&source, &spawner).map_err(|ending| anyhow!("{ending}"))?;
    drop(process);
    let recipe = request.resolve(&facts)?;
    let timeline = timeline(request, &facts).map_err(|ending| anyhow!("{ending}"))?;
    let job = Job::new(source.source().clone(), recipe, facts, timeline);
    let output = Output::open(directory, job)?;
    for index in shuffled(output.job().timeline.segments()) {
        let mut process = spawner.spawn()?;
        make(&mut process, &source, &output, index)?;
        println!("segment {index}: process {}", process.pid());
    }
    output.finish()?;
    println!("{}", output.master().display());
    Ok(())
}

fn make(
    process: &mut SpanProcess,
    source: &LocalSource,
    output: &Output,
    index: u32,
) -> Result<()> {
    let job = output.job().clone();
    let renditions = (0..job.recipe.renditions.len() as u32).collect();
    let order =
        SpanOrder { job, span: Span { first: index, end: index + 1 }, renditions, threads: 1 };
    let mut published = Ok(());
    let made = process.make(source.as_fd(), &order, &mut |event| {
        published = match event {
            SpanEvent::Progress(_) => Ok(()),
            SpanEvent::Init { rendition, bytes } => output.publish_init(rendition, &bytes),
            SpanEvent::Segment { id, bytes } => output.publish(id, &bytes).map(|_| ()),
        };
        if published.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    published?;
    made.map_err(|trouble| anyhow!("segment {index}: {trouble}"))?;
    Ok(())
}

/// `segue` beside the folder this example is in.
fn program() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let folder = own.parent().and_then(Path::parent).context("this program has no folder")?;
    let program = folder.join("segue");
    if !program.exists() {
        bail!("{} is not there: build it with `cargo build -p segue`", program.display());
    }
    Ok(program)
}

/// All indices, in an order that looks random and is always the same (Fisher and Yates, with the
/// multiplier of Knuth's MMIX).
fn shuffled(count: u32) -> Vec<u32> {
    let mut indices: Vec<u32> = (0..count).collect();
    let mut state: u64 = 1;
    for last in (1..indices.len()).rev() {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        indices.swap(last, (state >> 33) as usize % (last + 1));
    }
    indices
}
