//! Measures Segue and its pool against the ffmpeg command, and prints Markdown tables.
//!
//! Decided here: which benches there are. Every bench compares arms that take turns within one run,
//! so that a busy machine disturbs all of them alike; what counts is the median of the ratios of
//! arms that ran next to each other, and processor time above wall-clock time.
//!
//! Never here: an assertion on time. A bench prints what it found, and the reader judges.
//!
//! Everything is kept under `target/bench`: sources, which are made once, and what a bench makes,
//! which it removes. Start at [`Bench`].

#![forbid(unsafe_code)]

mod baseline;
mod clip;
mod drop_in;
mod engine;
mod exact;
mod film;
mod first_segment;
mod footage;
mod joins;
mod machine;
mod make;
mod measure;
mod pool;
mod progress;
mod quality;
mod table;
mod tool;
mod workplace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use drop_in::peer::Rffmpeg;

/// Measures Segue against the ffmpeg command
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// Picture quality against one encoder, on real footage
    Quality(Effort),
    /// Picture quality of ways to start encoders anew: what the engine's settings were chosen from
    Restarts(Effort),
    /// Processor time, wall-clock time and memory against the ffmpeg command
    Engine(Effort),
    /// Time until the first segment can be read
    FirstSegment(Effort),
    /// What is left of the sound at joins
    Joins(Effort),
    /// What the exact recipe costs
    Exact(Effort),
    /// From SIGKILL of a process or a worker until its next segment is there
    Kills(Effort),
    /// One film over two workers against one
    TwoWorkers(Effort),
    /// Batches promised in a second
    Submits(Effort),
    /// Memory and restart of a scheduler with 100,000 batches
    ManyJobs(Effort),
    /// Questions that the drop-in answers itself, against ffmpeg
    Questions(Beside),
    /// What the drop-in adds to copies, to ffprobe and to a command on a worker
    Overhead(Beside),
    /// When Jellyfin can serve each segment, through the drop-in and with ffmpeg
    Serve(Effort),
    /// Time, processor time and memory of ten minutes of HLS through the drop-in
    TenMinutes(Effort),
    /// From SIGKILL of a worker until the drop-in has the next segment's file
    DropInKill(Effort),
    /// All of them but `restarts`
    All(Effort),
    /// Makes segments in a process of its own, to be measured from outside
    #[command(hide = true)]
    Make(make::Arguments),
}

/// How much a bench does.
#[derive(Args, Clone, Copy, Debug)]
pub struct Effort {
    /// How often each arm takes its turn [default: what the bench needs for a steady median]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Less of everything: shows that the bench works, not what Segue is worth
    #[arg(long)]
    quick: bool,
}

/// Effort, and a peer that takes turns with the drop-in.
#[derive(Args, Clone, Debug)]
struct Beside {
    #[command(flatten)]
    effort: Effort,
    /// A checkout of rffmpeg, to be measured beside, with this machine as its host: SSH to another one
    /// comes on top
    #[arg(long, value_name = "DIRECTORY")]
    rffmpeg: Option<PathBuf>,
}

impl Beside {
    fn peer(&self) -> anyhow::Result<Option<Rffmpeg>> {
        self.rffmpeg.as_deref().map(Rffmpeg::new).transpose()
    }
}

impl Effort {
    /// Rounds, when nobody asked for a number.
    fn rounds(self, usual: u32, quick: u32) -> u32 {
        self.rounds.unwrap_or(if self.quick { quick } else { usual })
    }
}

fn main() -> ExitCode {
    match run(Cli::parse().bench) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(bench: Bench) -> anyhow::Result<()> {
    if let Bench::Make(arguments) = bench {
        return make::run(&arguments);
    }
    println!("{}\n", machine::heading());
    match bench {
        Bench::Quality(effort) => quality::run(effort),
        Bench::Restarts(effort) => quality::run_restarts(effort),
        Bench::Engine(effort) => engine::run(effort),
        Bench::FirstSegment(effort) => first_segment::run(effort),
        Bench::Joins(effort) => joins::run(effort),
        Bench::Exact(effort) => exact::run(effort),
        Bench::Kills(effort) => pool::kills::run(effort),
        Bench::TwoWorkers(effort) => pool::share::run(effort),
        Bench::Submits(effort) => pool::submits::run(effort),
        Bench::ManyJobs(effort) => pool::many_jobs::run(effort),
        Bench::Questions(beside) => drop_in::questions::run(beside.effort, beside.peer()?),
        Bench::Overhead(beside) => drop_in::overhead::run(beside.effort, beside.peer()?),
        Bench::Serve(effort) => drop_in::serve::run(effort),
        Bench::TenMinutes(effort) => drop_in::ten_minutes::run(effort),
        Bench::DropInKill(effort) => drop_in::kill::run(effort),
        Bench::All(effort) => {
            quality::run(effort)?;
            engine::run(effort)?;
            first_segment::run(effort)?;
            joins::run(effort)?;
            exact::run(effort)?;
            pool::kills::run(effort)?;
            pool::share::run(effort)?;
            pool::submits::run(effort)?;
            pool::many_jobs::run(effort)?;
            drop_in::questions::run(effort, None)?;
            drop_in::overhead::run(effort, None)?;
            drop_in::serve::run(effort)?;
            drop_in::ten_minutes::run(effort)?;
            drop_in::kill::run(effort)
        }
        Bench::Make(_) => Ok(()),
    }
}
