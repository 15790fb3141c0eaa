//! Questions that a media server asks when it starts, by the dozen: whole processes, the drop-in's
//! second and later answers against ffmpeg's.

use std::process::Command;
use std::time::Duration;

use super::added::timed;
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
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(100, 5);
    let house = House::start(&[])?;
    let drop_in = StandIn::new(&house)?;
    for words in QUESTIONS {
        drop_in.expect("ffmpeg", words, "here")?;
        // The first time ffmpeg is asked.
        timed(drop_in.called("ffmpeg").args(words))?;
    }
    let mut found: [[Vec<f64>; 2]; QUESTIONS.len()] = Default::default();
    let steps = rounds as usize * QUESTIONS.len();
    let mut progress = Progress::new("questions", steps, Duration::from_millis(130));
    for round in 0..rounds {
        for (words, found) in QUESTIONS.iter().zip(&mut found) {
            progress.step(&words.join(" "));
            for turn in 0..2 {
                let arm = ((turn + round) % 2) as usize;
                let mut command =
                    if arm == 0 { Command::new("ffmpeg") } else { drop_in.called("ffmpeg") };
                found[arm].push(timed(command.args(*words))?);
            }
        }
    }
    drop(progress);
    let title = format!("Questions: whole processes, {rounds} rounds");
    let headings =
        ["", "ffmpeg p50", "ffmpeg p99", "drop-in p50", "drop-in p99", "ratio", "ratio of medians"];
    let mut table = Table::new(title, &headings);
    for (words, [ffmpeg, drop_in]) in QUESTIONS.iter().zip(&found) {
        let cell = |values: &[f64], share: f64| format!("{:.2} ms", quantile(values, share));
        let middle = |values: &[f64]| median(values.iter().copied());
        table.row([
            format!("`{}`", words.join(" ")),
            cell(ffmpeg, 0.5),
            cell(ffmpeg, 0.99),
            cell(drop_in, 0.5),
            cell(drop_in, 0.99),
            ratio_cell(drop_in, ffmpeg),
            format!("{:.3}", middle(drop_in) / middle(ffmpeg)),
        ]);
    }
    table.print();
    Ok(())
}
