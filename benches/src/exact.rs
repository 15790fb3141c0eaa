//! What the exact recipe costs. Its encoders are single-threaded; a span makes several segments side
//! by side to win back the cores. The source has keyframes where segments begin, so that spans of
//! one segment decode nothing twice.

use std::time::Duration;

use crate::baseline::engine;
use crate::make::Wish;
use crate::measure::{Cost, median, ratio_cell, run as measure};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip, workplace};

/// Exact or not, and how many segments a span has.
const ARMS: [(&str, bool, Option<u32>); 3] = [
    ("normal recipe", false, None),
    ("exact, segments side by side", true, None),
    ("exact, one segment at a time", true, Some(1)),
];

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(9, 1);
    let seconds = if effort.quick { 6 } else { 20 };
    let source = clip::film(720, seconds, 2)?;
    let steps = ARMS.len() * rounds as usize;
    let mut progress = Progress::new("exact", steps, Duration::from_secs(6));
    let mut costs: Vec<Vec<Cost>> = vec![Vec::new(); ARMS.len()];
    for round in 0..rounds as usize {
        for turn in 0..ARMS.len() {
            let arm = (turn + round) % ARMS.len();
            let (name, exact, span_length) = ARMS[arm];
            progress.step(name);
            let scratch = workplace::scratch()?;
            let wish = Wish { rows: Some(480), bitrate: Some(1_800_000), exact, ..Wish::default() };
            let mut command = engine(&source, &wish, scratch.path())?;
            command.args(span_length.map(|length| format!("--span-length={length}")));
            costs[arm].push(measure(&mut command)?);
        }
    }
    let mut table = Table::new(
        format!("Exact recipe: 720p to 480p, {seconds} s, {rounds} rounds (ratios to the normal)"),
        &["", "processor time", "ratio", "wall-clock ratio"],
    );
    let cpu =
        |arm: usize| -> Vec<f64> { costs[arm].iter().map(|cost| cost.cpu.as_secs_f64()).collect() };
    let wall = |arm: usize| -> Vec<f64> {
        costs[arm].iter().map(|cost| cost.wall.as_secs_f64()).collect()
    };
    for (arm, (name, ..)) in ARMS.iter().enumerate() {
        table.row([
            (*name).to_owned(),
            format!("{:.2} s", median(cpu(arm))),
            ratio_cell(&cpu(arm), &cpu(0)),
            ratio_cell(&wall(arm), &wall(0)),
        ]);
    }
    table.print();
    Ok(())
}
