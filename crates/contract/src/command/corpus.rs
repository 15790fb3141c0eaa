//! `contract corpus`: real lines, run both ways.

use std::fs;
use std::path::{self, Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::bar;
use crate::corpus::films::Shelf;
use crate::corpus::play::Kit;
use crate::corpus::{Line, Table, read, run};
use crate::error::ContractError;
use crate::judge::Judge;

/// Which lines, and by whom.
#[derive(Args)]
pub struct Wanted {
    /// JSON: an array of objects with `id` and `argv`, or one on each line. Without it, the lines of
    /// the tests.
    #[arg(long)]
    lines: Option<PathBuf>,
    /// Only these; may be given several times.
    #[arg(long = "only", value_name = "ID")]
    only: Vec<String>,
    /// What stands in ffmpeg's place; its ffprobe is looked for beside it.
    #[arg(long)]
    drop_in: PathBuf,
    /// A plain ffmpeg: makes films, runs the lines, and looks at what comes out.
    #[arg(long, default_value = "/usr/bin/ffmpeg")]
    plain: PathBuf,
    /// Where lines run. What they wrote stays there until the next time.
    #[arg(long, default_value = "target/contract/corpus")]
    out: PathBuf,
    /// Where films are kept.
    #[arg(long, default_value = "target/contract/films")]
    films: PathBuf,
    /// Seconds that a line may take on either side.
    #[arg(long, default_value_t = 120)]
    patience: u64,
}

/// Runs them, tells of each, and prints the table; whether none differs.
pub fn all(wanted: &Wanted) -> Result<bool, ContractError> {
    let mut lines = read(wanted.lines.as_deref())?;
    if let Some(name) = wanted.only.iter().find(|name| !lines.iter().any(|l| l.id == **name)) {
        return Err(ContractError::NoLine { name: name.clone() });
    }
    lines.retain(|line| wanted.only.is_empty() || wanted.only.contains(&line.id));
    fs::create_dir_all(&wanted.out).map_err(ContractError::file(&wanted.out))?;
    let out = fs::canonicalize(&wanted.out).map_err(ContractError::file(&wanted.out))?;
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "/._-".contains(c));
    if out.to_string_lossy().contains(odd) {
        return Err(ContractError::OddPath { path: out });
    }
    // Lines run in directories of their own. A name without a directory is looked for in PATH.
    let whole = |program: &Path| match program.components().count() {
        1 => Ok(program.to_owned()),
        _ => path::absolute(program).map_err(ContractError::file(program)),
    };
    let (plain, drop_in) = (whole(&wanted.plain)?, whole(&wanted.drop_in)?);
    let judge = Judge::new(&plain);
    let shelf = Shelf::new(&wanted.films, &judge)?;
    let patience = Duration::from_secs(wanted.patience);
    let kit = Kit { shelf: &shelf, judge: &judge, patience };
    let bar = bar(lines.len());
    let mut table = Table::default();
    for (at, line) in lines.iter().enumerate() {
        bar.set_message(line.id.clone());
        let place = out.join(format!("{at}-{}", plain_name(line)));
        let (answer, outcome) = run(line, (&plain, &drop_in), &place, &kit)?;
        table.add(answer, &outcome);
        bar.inc(1);
        bar.suspend(|| println!("{:<16} {:<9} {outcome}", line.id, answer.to_string()));
    }
    bar.finish_and_clear();
    println!("{} lines\n{table}", lines.len());
    Ok(table.differ() == 0)
}

fn plain_name(line: &Line) -> String {
    line.id.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}
