//! When Jellyfin can serve each segment of a playback, from its start and after a seek.
//!
//! Two workers with half of the cores each have no more than ffmpeg has: what a second machine gives
//! is seen against ffmpeg on the cores of one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::arm::{Arm, Arms};
use super::line::{Line, SEGMENT};
use super::playback::Playback;
use crate::measure::{median, ratio_cell};
use crate::pool::quantile;
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip};

const ARMS: [Arm; 4] = [Arm::Ffmpeg, Arm::FfmpegOnHalf, Arm::OneWorker, Arm::TwoWorkers];

struct Case {
    title: String,
    film: PathBuf,
    first: u32,
}

/// When each segment could be served, of each round.
type Rounds = Vec<Vec<f64>>;

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(7, 1);
    let (seconds, sought) = if effort.quick { (20, 12) } else { (60, 36) };
    let mut cases = Vec::new();
    for rows in [720, 1080] {
        let film = clip::even_film(rows, seconds / 20)?.canonicalize()?;
        let title = format!("{rows}p source of {seconds} s, from the start");
        cases.push(Case { title, film: film.clone(), first: 0 });
        // Where it is some seconds behind a keyframe, as seeks are.
        let title = format!("{rows}p source of {seconds} s, after a seek to {sought} s");
        cases.push(Case { title, film, first: sought / SEGMENT });
    }
    let arms = Arms::start()?;
    for Case { film, first, .. } in &cases {
        let line = Line { film, first: *first, number: 0, to: Path::new("/") };
        arms.expect_job(&line.words())?;
    }
    let segments = seconds / SEGMENT;
    let steps = rounds as usize * cases.len() * ARMS.len();
    let guess = Duration::from_secs(u64::from(seconds) / 4);
    let mut progress = Progress::new("serve", steps, guess);
    let mut found: Vec<[Rounds; ARMS.len()]> = cases.iter().map(|_| Default::default()).collect();
    let mut number = 0;
    for round in 0..rounds as usize {
        for (case, found) in cases.iter().zip(&mut found) {
            for turn in 0..ARMS.len() {
                let at = (turn + round) % ARMS.len();
                let arm = ARMS[at];
                progress.step(&format!("{}, {}", case.title, arm.name()));
                number += 1;
                let playback = Playback::start(arms.program(arm), &case.film, case.first, number)?;
                found[at].push(playback.watch(segments, false)?.servable);
                arms.rest(arm)?;
            }
        }
    }
    drop(progress);
    for (case, found) in cases.iter().zip(&found) {
        table(&format!("{}, {rounds} rounds", case.title), found).print();
    }
    Ok(())
}

fn table(title: &str, found: &[Rounds; ARMS.len()]) -> Table {
    let headings = [
        "",
        "first servable",
        "ratio",
        "all segments, median of ratios",
        "worst segment",
        "last servable",
        "ratio",
        "all segments, to half of the cores",
    ];
    let title = format!("When Jellyfin can serve segments of 3 s: {title}");
    let mut table = Table::new(title, &headings);
    for (arm, own) in ARMS.iter().zip(found) {
        let [all, half] = [&found[0], &found[1]].map(|anchor| ratios(own, anchor));
        let of_half = if *arm == Arm::Ffmpeg { String::new() } else { spread(&half) };
        table.row([
            arm.name().to_owned(),
            format!("{:.0} ms", median(at(own, 0))),
            ratio_cell(&at(own, 0), &at(&found[0], 0)),
            spread(&all),
            format!("{:.3}", worst(own, &found[0])),
            format!("{:.0} ms", median(last(own))),
            ratio_cell(&last(own), &last(&found[0])),
            of_half,
        ]);
    }
    table
}

/// Of each round, the median over all segments of what it took against its neighbour.
fn ratios(own: &Rounds, anchor: &Rounds) -> Vec<f64> {
    let of = |(own, anchor): (&Vec<f64>, &Vec<f64>)| {
        median(own.iter().zip(anchor).map(|(own, anchor)| own / anchor))
    };
    own.iter().zip(anchor).map(of).collect()
}

/// The largest ratio that any segment has, each the median of its rounds.
fn worst(own: &Rounds, anchor: &Rounds) -> f64 {
    let segments = own.first().map_or(0, Vec::len);
    let of = |segment: usize| {
        let pairs = at(own, segment).into_iter().zip(at(anchor, segment));
        median(pairs.map(|(own, anchor)| own / anchor))
    };
    (0..segments).map(of).fold(f64::NAN, f64::max)
}

fn at(rounds: &Rounds, segment: usize) -> Vec<f64> {
    rounds.iter().filter_map(|round| round.get(segment).copied()).collect()
}

fn last(rounds: &Rounds) -> Vec<f64> {
    rounds.iter().filter_map(|round| round.last().copied()).collect()
}

fn spread(values: &[f64]) -> String {
    let (least, most) = (quantile(values, 0.0), quantile(values, 1.0));
    format!("{:.3} ({least:.2}-{most:.2})", median(values.iter().copied()))
}
