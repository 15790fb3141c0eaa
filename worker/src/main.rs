//! The binary `segue-worker`; see the library of the same name.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use segue_worker::{command, span_process};

/// Makes spans of films for a Segue scheduler, on this machine's devices.
#[derive(Debug, Parser)]
#[command(name = "segue-worker", version, max_term_width = 100, arg_required_else_help = true)]
struct Command {
    #[command(flatten)]
    arguments: segue_worker::Arguments,
}

/// What the worker starts for itself to decode and encode in.
#[derive(Debug, Parser)]
struct Hidden {
    #[command(subcommand)]
    command: HiddenCommand,
}

#[derive(Debug, Subcommand)]
enum HiddenCommand {
    #[command(name = span_process::SUBCOMMAND)]
    SpanProcess { parent: u32 },
    #[command(name = command::SUBCOMMAND)]
    CommandProcess,
}

fn main() -> ExitCode {
    let hidden = |word| word == span_process::SUBCOMMAND || word == command::SUBCOMMAND;
    if std::env::args_os().nth(1).is_some_and(hidden) {
        return match Hidden::parse().command {
            HiddenCommand::SpanProcess { parent } => span_process::child::main(parent),
            HiddenCommand::CommandProcess => command::exec::main(),
        };
    }
    match segue_worker::run(Command::parse().arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("segue-worker: {error}");
            error.exit_code()
        }
    }
}
