//! `segue doctor`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use crate::doctor::{self, Finding, Verdict};
use crate::pool::Table;
use crate::progress::to_stdout;

/// Check what goes wrong where segue-ffmpeg stands in for ffmpeg, and say what to do.
#[derive(Debug, Args)]
#[command(after_help = "Run it as the user that the media server runs as, on its machine:
  segue doctor --file /media/film.mkv --transcodes /var/cache/jellyfin/transcodes

Exit code 1 if anything fails.")]
pub struct Arguments {
    /// A film as the media server names it: a worker has to be able to read it
    #[arg(long, value_name = "FILM")]
    file: Option<PathBuf>,
    /// The directory that the media server transcodes into
    #[arg(long, value_name = "DIR")]
    transcodes: Option<PathBuf>,
    /// segue-ffmpeg by the path that the media server was given
    #[arg(long, value_name = "PATH")]
    drop_in: Option<PathBuf>,
    /// As JSON, one finding per line
    #[arg(long)]
    json: bool,
}

/// Runs `segue doctor`.
pub fn run(arguments: &Arguments) -> ExitCode {
    let Arguments { file, transcodes, drop_in, json } = arguments;
    let what = doctor::What {
        film: file.clone(),
        transcodes: transcodes.clone(),
        drop_in: drop_in.clone(),
    };
    let findings = doctor::examine(&what, &|name| std::env::var_os(name));
    if *json {
        findings.iter().for_each(|finding| to_stdout(&as_json(finding).to_string()));
    } else {
        as_text(&findings).iter().for_each(|line| to_stdout(line));
    }
    match findings.iter().any(|finding| finding.verdict == Verdict::Fail) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn as_json(finding: &Finding) -> serde_json::Value {
    let Finding { check, verdict, said, remedy } = finding;
    json!({ "check": check, "verdict": verdict.word(), "said": said, "do": remedy })
}

fn as_text(findings: &[Finding]) -> Vec<String> {
    let mut table = Table::new(&["", "CHECK", "FOUND"]);
    for Finding { check, verdict, said, remedy } in findings {
        table.row(vec![verdict.word().to_owned(), (*check).to_owned(), said.clone()]);
        if let Some(remedy) = remedy {
            table.row(vec![String::new(), String::new(), format!("-> {remedy}")]);
        }
    }
    table.lines()
}
