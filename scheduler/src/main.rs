//! The binary `segue-scheduler`; see the library of the same name.

#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use segue_scheduler::{Arguments, run};

#[derive(Debug, Parser)]
#[command(name = "segue-scheduler", version, max_term_width = 100)]
#[command(after_help = "Try:
  segue-scheduler --ledger segue.db --store /srv/segue
  segue-scheduler --ledger segue.db --store s3://films/segue --listen 127.0.0.1:0")]
struct CommandLine {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    match run(CommandLine::parse().arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody may be left to read it.
            let _ = writeln!(std::io::stderr(), "segue-scheduler: {error}");
            error.exit_code()
        }
    }
}
