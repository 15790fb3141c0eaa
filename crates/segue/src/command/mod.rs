//! The commands: argv in two steps, first as text, then as what it means.

mod probe;
mod transcode;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::ending::Ending;
use segue_worker::span_process;

/// Transcodes films to HLS in spans that join without a seam, and proves HLS sound.
#[derive(Debug, Parser)]
#[command(name = "segue", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Try:
  segue transcode film.mkv --to out/     make HLS from a film
  segue probe film.mkv                   see what a film is
  segue verify out/master.m3u8           prove HLS sound, ours or anyone's")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Transcode(transcode::Arguments),
    Probe(probe::Arguments),
    Verify(verify::Arguments),
    /// What segue starts for itself to decode and encode in.
    #[command(name = span_process::SUBCOMMAND, hide = true)]
    SpanProcess {
        /// The process that must not be outlived.
        parent: u32,
    },
}

/// Runs the command that argv names, and says what became of it.
///
/// Exit codes: 0 done, 1 failed (or faults found), 2 cannot be done as asked, 130 interrupted.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::SpanProcess { parent } => return span_process::child::main(parent),
        Command::Transcode(arguments) => transcode::run(arguments).map(|()| ExitCode::SUCCESS),
        Command::Probe(arguments) => probe::run(&arguments).map(|()| ExitCode::SUCCESS),
        Command::Verify(arguments) => verify::run(&arguments),
    };
    done.unwrap_or_else(|ending: Ending| {
        // Nobody may be left to read it.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr().lock(),
            format_args!("segue: {ending}\n"),
        );
        ending.exit_code()
    })
}
