//! What the drop-in adds to the shortest lines there are: where ffmpeg or ffprobe does the work here
//! anyway, and where a worker's ffmpeg does it. ffmpeg against itself says what of that is chance.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::added::{differences, timed};
use super::peer::Rffmpeg;
use super::stand_in::StandIn;
use crate::measure::median;
use crate::pool::house::House;
use crate::pool::quantile;
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip, machine, workplace};

/// A line, and what the drop-in is to do with it.
struct Case {
    title: &'static str,
    name: &'static str,
    answer: &'static str,
    words: fn(film: &str, to: &str) -> Vec<String>,
}

const CASES: [Case; 3] = [
    Case { title: "a copy of 1 s", name: "ffmpeg", answer: "copy here", words: copy },
    Case { title: "ffprobe", name: "ffprobe", answer: "here", words: probe },
    Case {
        title: "a command on a worker: 10 ms of silence to standard output",
        name: "ffmpeg",
        answer: "command",
        words: silence,
    },
];

const ARMS: [&str; 4] = ["ffmpeg", "ffmpeg again", "drop-in", "rffmpeg"];

/// Runs it.
pub fn run(effort: Effort, peer: Option<Rffmpeg>) -> anyhow::Result<()> {
    let arms = if peer.is_some() { &ARMS[..] } else { &ARMS[..3] };
    let rounds = effort.rounds(200, 5);
    let film = clip::film(180, 1, 1)?.canonicalize()?.display().to_string();
    let scratch = workplace::scratch()?;
    let to = scratch.path().join("copy.mkv").display().to_string();
    let house = House::with_options(&machine::shared_out(1), COMMANDS)?;
    let drop_in = StandIn::new(&house)?;
    let mut found: [[Vec<f64>; ARMS.len()]; CASES.len()] = Default::default();
    let steps = rounds as usize * CASES.len();
    let mut progress = Progress::new("overhead", steps, Duration::from_millis(450));
    for round in 0..=rounds {
        for (case, found) in CASES.iter().zip(&mut found) {
            let words = (case.words)(&film, &to);
            if round == 0 {
                // What is only so the first time is not measured.
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                drop_in.expect(case.name, &words, case.answer)?;
                timed(drop_in.called(case.name).args(words))?;
                continue;
            }
            progress.step(case.title);
            for turn in 0..arms.len() as u32 {
                let arm = ((turn + round) % arms.len() as u32) as usize;
                let mut command = match (arm, &peer) {
                    (3, Some(peer)) => peer.called(case.name),
                    (2, _) => drop_in.called(case.name),
                    _ => Command::new(case.name),
                };
                found[arm].push(timed(command.args(&words))?);
                // Who comes next must not find what who came before left.
                if Path::new(&to).exists() {
                    std::fs::remove_file(&to)?;
                }
            }
        }
    }
    drop(progress);
    let title = format!("Overhead: whole processes, {rounds} rounds (added: to its neighbour)");
    let headings = ["", "", "p50", "p99", "added, p50", "added, p99", "p99 less ffmpeg's p99"];
    let mut table = Table::new(title, &headings);
    for (case, found) in CASES.iter().zip(&found) {
        for (arm, own) in arms.iter().zip(found) {
            let p99 = quantile(own, 0.99);
            let added = differences(own, &found[0]);
            let or_none = |text: String| if *arm == ARMS[0] { String::new() } else { text };
            table.row([
                case.title.to_owned(),
                (*arm).to_owned(),
                format!("{:.1} ms", median(own.iter().copied())),
                format!("{p99:.1} ms"),
                or_none(format!("{:.1} ms", median(added.iter().copied()))),
                or_none(format!("{:.1} ms", quantile(&added, 0.99))),
                or_none(format!("{:.1} ms", p99 - quantile(&found[0], 0.99))),
            ]);
        }
    }
    table.print();
    Ok(())
}

/// What a worker is told that may run commands.
const COMMANDS: &[&str] = &["--commands"];

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).to_vec()
}

fn copy(film: &str, to: &str) -> Vec<String> {
    words(["-v", "error", "-i", film, "-c", "copy", "-y", to])
}

fn probe(film: &str, _: &str) -> Vec<String> {
    let film = format!("file:{film}");
    let shown = ["-v", "warning", "-print_format", "json", "-show_streams", "-show_format"];
    let mut words = words(["-i", &film]);
    words.extend(shown.map(str::to_owned));
    words
}

fn silence(_: &str, _: &str) -> Vec<String> {
    words(["-v", "error", "-f", "lavfi", "-i", "anullsrc", "-t", "0.01", "-f", "s16le", "-"])
}
