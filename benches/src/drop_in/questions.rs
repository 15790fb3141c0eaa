//! Questions that a media server asks when it starts, by the dozen: whole processes, the drop-in's
//! second and later answers against ffmpeg's.

use std::process::Command;
use std::time::Duration;

use super::added::timed;
use super::peer::Rffmpeg;
use super::stand_in::StandIn;
use crate::Effort;
use crate::measure::{median, ratio_cell};
use crate::pool::house::House;
use crate::pool::quantile;
use crate::progress::Progress;
use crate::table::Table;

const QUESTIONS: [&[&str]; 6] = [
    &["-version"],
    &["-encoders"],
    &["-decoders"],
    &["-filters"],
    &["-hwaccels"],
    &["-h", "filter=scale"],
];

/// Runs it.
pub fn run(effort: Effort, peer: Option<Rffmpeg>) -> anyhow::Result<()> {
    let arms = if peer.is_some() { 3 } else { 2 };
    let rounds = effort.rounds(100, 5);
    let house = House::start(&[])?;
    let drop_in = StandIn::new(&house)?;
    for words in QUESTIONS {
        drop_in.expect("ffmpeg", words, "here")?;
        // The first time ffmpeg is asked.
        timed(drop_in.called("ffmpeg").args(words))?;
    }
    let mut found: [[Vec<f64>; 3]; QUESTIONS.len()] = Default::default();
    let steps = rounds as usize * QUESTIONS.len();
    let mut progress = Progress::new("questions", steps, Duration::from_millis(130));
    for round in 0..rounds {
        for (words, found) in QUESTIONS.iter().zip(&mut found) {
            progress.step(&words.join(" "));
            for turn in 0..arms {
                let arm = ((turn + round) % arms) as usize;
                let mut command = match (arm, &peer) {
                    (2, Some(peer)) => peer.called("ffmpeg"),
                    (1, _) => drop_in.called("ffmpeg"),
                    _ => Command::new("ffmpeg"),
                };
                found[arm].push(timed(command.args(*words))?);
            }
        }
    }
    drop(progress);
    let title = format!("Questions: whole processes, {rounds} rounds");
    let mut headings = vec![
        "",
        "ffmpeg p50",
        "ffmpeg p99",
        "drop-in p50",
        "drop-in p99",
        "ratio",
        "ratio of medians",
    ];
    if peer.is_some() {
        headings.extend(["rffmpeg p50", "drop-in to rffmpeg"]);
    }
    let mut table = Table::new(title, &headings);
    for (words, [ffmpeg, drop_in, peers]) in QUESTIONS.iter().zip(&found) {
        let cell = |values: &[f64], share: f64| format!("{:.2} ms", quantile(values, share));
        let middle = |values: &[f64]| median(values.iter().copied());
        let mut row = vec![
            format!("`{}`", words.join(" ")),
            cell(ffmpeg, 0.5),
            cell(ffmpeg, 0.99),
            cell(drop_in, 0.5),
            cell(drop_in, 0.99),
            ratio_cell(drop_in, ffmpeg),
            format!("{:.3}", middle(drop_in) / middle(ffmpeg)),
        ];
        if !peers.is_empty() {
            row.push(cell(peers, 0.5));
            row.push(ratio_cell(drop_in, peers));
        }
        table.row(row);
    }
    table.print();
    Ok(())
}
