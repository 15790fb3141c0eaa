//! The commands: argv in two steps, first as text, then as what it means.

mod doctor;
mod jobs;
mod probe;
mod transcode;
mod up;
mod verify;
mod workers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ending::Ending;
use crate::pool;
use crate::progress::to_stderr;
use segue_worker::{command, span_process};

/// Transcodes films to HLS in spans that join without a seam, and proves HLS sound.
#[derive(Debug, Parser)]
#[command(name = "segue", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Try:
  segue transcode film.mkv --to out/     make HLS from a film
  segue probe film.mkv                   see what a film is
  segue verify out/master.m3u8           prove HLS sound, ours or anyone's
With several processes or machines:
  segue up                               run a pool on this machine
  segue transcode film.mkv --scheduler http://127.0.0.1:7700
                                         have the pool make it")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Transcode(transcode::Arguments),
    Probe(probe::Arguments),
    Verify(verify::Arguments),
    Up(up::Arguments),
    Scheduler(segue_scheduler::Arguments),
    Worker(segue_worker::Arguments),
    Jobs(jobs::ListArguments),
    Job(jobs::ShowArguments),
    Cancel(jobs::CancelArguments),
    Workers(workers::ListArguments),
    Drain(workers::DrainArguments),
    Doctor(doctor::Arguments),
    /// What segue starts for itself to decode and encode in.
    #[command(name = span_process::SUBCOMMAND, hide = true)]
    SpanProcess {
        /// The process that must not be outlived.
        parent: u32,
    },
    /// What segue starts for itself to run an ffmpeg in.
    #[command(name = command::SUBCOMMAND, hide = true)]
    FfmpegProcess,
}

/// Runs the command that argv names, and says what became of it.
///
/// Exit codes: 0 done, 1 failed (or faults found), 2 cannot be done as asked, 130 interrupted.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Up(arguments) => finished(up::run(arguments)),
        Command::Scheduler(arguments) => {
            pool::end_with_parent();
            return match segue_scheduler::run(arguments) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => say_why(&error, error.exit_code()),
            };
        }
        Command::Worker(arguments) => {
            pool::end_with_parent();
            return match segue_worker::run(arguments) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => say_why(&error, error.exit_code()),
            };
        }
        Command::Jobs(arguments) => finished(jobs::list_all(&arguments)),
        Command::Job(arguments) => finished(jobs::show(&arguments)),
        Command::Cancel(arguments) => finished(jobs::cancel(&arguments)),
        Command::Workers(arguments) => finished(workers::list(&arguments)),
        Command::Doctor(arguments) => return doctor::run(&arguments),
        Command::Drain(arguments) => finished(workers::drain(&arguments)),
        Command::SpanProcess { parent } => return span_process::child::main(parent),
        Command::FfmpegProcess => return command::exec::main(),
        Command::Transcode(arguments) => finished(transcode::run(arguments)),
        Command::Probe(arguments) => finished(probe::run(&arguments)),
        Command::Verify(arguments) => verify::run(&arguments),
    };
    done.unwrap_or_else(|ending: Ending| say_why(&ending, ending.exit_code()))
}

fn say_why(error: &dyn std::error::Error, code: ExitCode) -> ExitCode {
    to_stderr(&format!("segue: {error}"));
    code
}

fn finished(done: Result<(), Ending>) -> Result<ExitCode, Ending> {
    done.map(|()| ExitCode::SUCCESS)
}
