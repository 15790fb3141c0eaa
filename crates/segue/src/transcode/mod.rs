//! A film on this machine, made into HLS by a pool within this process.
//!
//! Decided here: the order of things, from opening the source to writing the playlists, and which
//! ends there are. Who makes what, and what a failure means, is decided as in every pool: by
//! `segue-dispatch`. The main thread owns that; runners lead one process each and report to it. Start
//! at [`run`].

mod closing;
mod foreman;
mod pool;
mod runner;

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use segue_hls::PlanError;
use segue_model::JobRequest;

use crate::ending::{Ending, with_causes};
use crate::interrupt::Interrupt;
use crate::output::{self, Output, OutputError};
use crate::progress::{Event, Reporter, Style};
use foreman::Foreman;
use runner::{Report, Shop};
use segue_worker::Film;
use segue_worker::describe;
use segue_worker::span_process::{Patience, SpanProcess, Spawner};

/// What is asked for.
pub struct Settings {
    /// The film.
    pub input: PathBuf,
    /// The directory to make.
    pub to: PathBuf,
    /// What to make of it.
    pub request: JobRequest,
    /// Span processes at once.
    pub jobs: u32,
    /// Threads for each decoder and encoder.
    pub threads: u32,
    /// How it is shown.
    pub style: Style,
    /// When a span process counts as hung.
    pub patience: Patience,
}

/// Does all of it.
pub fn run(settings: &Settings) -> Result<(), Ending> {
    let mut reporter = Reporter::new(settings.style);
    transcode(settings, &mut reporter).inspect_err(|ending| {
        reporter.end();
        reporter.event(&Event::Failed { text: &ending.to_string() });
    })
}

fn transcode(settings: &Settings, reporter: &mut Reporter) -> Result<(), Ending> {
    if settings.to.exists() && !settings.to.is_dir() {
        let error = OutputError::NotADirectory { path: settings.to.clone() };
        return Err(Ending::BadInput(error.to_string()));
    }
    let source = Film::open_file(&settings.input)?;
    let cannot_start = |error| Ending::Failed(format!("segue cannot start: {error}"));
    let program = Spawner::this_program();
    let spawner = Spawner::new(program, settings.patience).map_err(cannot_start)?;
    let (reports, inbox) = mpsc::channel();
    let (children, wake) = (spawner.clone(), reports.clone());
    let interrupt = Interrupt::on_signal(move || {
        children.kill_all();
        // Nobody listens when the work is already over.
        let _ = wake.send(Report::Interrupted);
    })
    .map_err(cannot_start)?;
    match begin(settings, source, spawner, reporter) {
        Ok((shop, first)) => {
            Foreman::new(settings.jobs, shop, reporter, interrupt).run(first, reports, &inbox)
        }
        Err(_) if interrupt.happened() => {
            Err(Ending::Interrupted("interrupted before anything was made".to_owned()))
        }
        Err(ending) => Err(ending),
    }
}

/// Everything that can be found wrong before anything is made.
fn begin(
    settings: &Settings,
    source: Film,
    spawner: Spawner,
    reporter: &mut Reporter,
) -> Result<(Arc<Shop>, Option<SpanProcess>), Ending> {
    let stored = output::stored_job(&settings.to).filter(|job| job.source == *source.source());
    let (facts, first) = match &stored {
        Some(job) => (job.facts.clone(), None),
        None => {
            let (facts, process) = describe(&source, &spawner)?;
            (facts, Some(process))
        }
    };
    if let Some(process) = &first {
        reporter.process(process.pid(), process.unenforced());
    }
    let name = source.name();
    let job =
        segue_hls::plan(source.source().clone(), &settings.request, facts).map_err(|error| {
            Ending::BadInput(match error {
                PlanError::Request(error) => format!("{name}: {error}"),
                PlanError::Boundary(error) => with_causes(&error),
            })
        })?;
    // Facts that another version found are kept: its segments were made by them.
    let job = stored.filter(|stored| stored.id == job.id).unwrap_or(job);
    let output = Output::open(&settings.to, job).map_err(|error| match error {
        OutputError::Full { .. } | OutputError::Io { .. } => Ending::Failed(with_causes(&error)),
        _ => Ending::BadInput(with_causes(&error)),
    })?;
    Ok((Arc::new(Shop { spawner, output, source, threads: settings.threads }), first))
}
