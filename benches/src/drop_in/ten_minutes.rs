//! What ten minutes of HLS cost: time, processor time of everything that had a part in it, and the
//! memory of the process that the media server started.

use std::path::Path;
use std::time::Duration;

use super::arm::{Arm, Arms};
use super::line::{Line, SEGMENT};
use super::playback::Playback;
use crate::measure::{median, ratio_cell};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip};

const ARMS: [Arm; 3] = [Arm::Ffmpeg, Arm::OneWorker, Arm::TwoWorkers];

/// One turn, in seconds.
struct Cost {
    wall: f64,
    /// Of the process that was started and its children.
    own: f64,
    scheduler: f64,
    workers: f64,
    memory: u64,
}

impl Cost {
    /// Of all of them.
    fn cpu(&self) -> f64 {
        self.own + self.scheduler + self.workers
    }
}

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(5, 1);
    let seconds = if effort.quick { 40 } else { 600 };
    let film = clip::even_film(720, seconds / 20)?.canonicalize()?;
    let arms = Arms::start()?;
    arms.expect_job(&Line { film: &film, first: 0, number: 0, to: Path::new("/") }.words())?;
    let guess = Duration::from_secs(u64::from(seconds) / 5);
    let mut progress = Progress::new("ten-minutes", rounds as usize * ARMS.len(), guess);
    let mut costs: [Vec<Cost>; ARMS.len()] = Default::default();
    for round in 0..rounds as usize {
        for turn in 0..ARMS.len() {
            let at = (turn + round) % ARMS.len();
            progress.step(ARMS[at].name());
            let number = (round * ARMS.len() + at) as u32;
            costs[at].push(turn_of(&arms, ARMS[at], &film, seconds / SEGMENT, number)?);
        }
    }
    drop(progress);
    let title = format!("{seconds} s of 720p to HLS at 720p, {rounds} rounds");
    let headings = [
        "",
        "time",
        "ratio",
        "processor time",
        "ratio",
        "of it the process itself",
        "scheduler",
        "workers",
        "most memory of the process (PSS)",
    ];
    let mut table = Table::new(title, &headings);
    for (arm, own) in ARMS.iter().zip(&costs) {
        let all = |of: fn(&Cost) -> f64| -> Vec<f64> { own.iter().map(of).collect() };
        let anchor = |of: fn(&Cost) -> f64| -> Vec<f64> { costs[0].iter().map(of).collect() };
        let middle = |of: fn(&Cost) -> f64| format!("{:.2} s", median(all(of)));
        let of_pools = |text: String| if *arm == Arm::Ffmpeg { String::new() } else { text };
        let memory = own.iter().map(|it| it.memory).max().unwrap_or(0) as f64 / f64::from(1 << 20);
        table.row([
            arm.name().to_owned(),
            middle(|it| it.wall),
            ratio_cell(&all(|it| it.wall), &anchor(|it| it.wall)),
            middle(Cost::cpu),
            ratio_cell(&all(Cost::cpu), &anchor(Cost::cpu)),
            middle(|it| it.own),
            of_pools(middle(|it| it.scheduler)),
            of_pools(middle(|it| it.workers)),
            format!("{memory:.1} MiB"),
        ]);
    }
    table.print();
    Ok(())
}

fn turn_of(arms: &Arms, arm: Arm, film: &Path, segments: u32, number: u32) -> anyhow::Result<Cost> {
    let (scheduler, workers) = arms.spent(arm);
    let played = Playback::start(arms.program(arm), film, 0, number)?.watch(segments, true)?;
    // What is still to be stored was caused by this as well.
    arms.rest(arm)?;
    let after = arms.spent(arm);
    Ok(Cost {
        wall: played.wall,
        own: played.cpu,
        scheduler: after.0 - scheduler,
        workers: after.1 - workers,
        memory: played.memory,
    })
}
