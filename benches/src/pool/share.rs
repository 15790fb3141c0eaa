//! One film as a batch over two workers, each pinned to a core of its own, against one worker. The
//! control is what the machine itself gives: an ffmpeg for each half of the film on a core of its own
//! against one for all of it on one core.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::ensure;
use segue_api::{Client, v1};
use tempfile::TempDir;

use super::film::{self, Film};
use super::house::{House, cancel, drain};
use super::{quantile, runtime};
use crate::baseline::ffmpeg_hls;
use crate::measure::{median, processor_time_of_all};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, workplace};

/// What one turn took, in seconds.
#[derive(Clone, Copy, Default)]
struct Cost {
    wall: f64,
    /// Processor time of the workers with their processes, or of ffmpeg.
    workers: f64,
    scheduler: f64,
    /// Of everything else on the machine, this program included.
    others: f64,
}

const ARMS: [&str; 4] = ["one worker", "two workers", "one ffmpeg", "two ffmpeg, a half each"];

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(7, 1);
    let seconds = if effort.quick { 40 } else { 120 };
    let film = Film::new(seconds)?;
    let runtime = runtime()?;
    let house = House::start(&[vec![0], vec![1]])?;
    let client = runtime.block_on(house.client())?;
    let guess = Duration::from_secs(u64::from(seconds) / 6);
    let mut progress = Progress::new("two-workers", rounds as usize * ARMS.len(), guess);
    let mut costs: [Vec<Cost>; 4] = Default::default();
    for round in 0..rounds {
        for turn in 0..ARMS.len() as u32 {
            let arm = ((turn + round) % ARMS.len() as u32) as usize;
            progress.step(ARMS[arm]);
            let number = round * 2 + arm as u32;
            let cost = match arm {
                0 | 1 => runtime.block_on(pool(&house, &client, &film, arm == 1, number))?,
                _ => raw(&film, arm == 3, number)?,
            };
            costs[arm].push(cost);
        }
    }
    let title = format!(
        "One film over two workers pinned to a core each: 720p to 480p, {seconds} s, {rounds} rounds"
    );
    let headings =
        ["", "time", "speed-up", "workers' processor time", "scheduler's", "all others'"];
    let mut table = Table::new(title, &headings);
    for (arm, name) in ARMS.iter().enumerate() {
        let middle = |of: fn(&Cost) -> f64| median(costs[arm].iter().map(of));
        let speed_up = match arm % 2 {
            0 => String::new(),
            _ => {
                let pairs = costs[arm - 1].iter().zip(&costs[arm]);
                let ratios: Vec<f64> = pairs.map(|(one, two)| one.wall / two.wall).collect();
                let (least, most) = (quantile(&ratios, 0.0), quantile(&ratios, 1.0));
                format!("{:.3} ({least:.2}-{most:.2})", median(ratios))
            }
        };
        table.row([
            (*name).to_owned(),
            format!("{:.2} s", middle(|it| it.wall)),
            speed_up,
            format!("{:.2} s", middle(|it| it.workers)),
            if arm < 2 { format!("{:.2} s", middle(|it| it.scheduler)) } else { String::new() },
            format!("{:.2} s", middle(|it| it.others)),
        ]);
    }
    table.print();
    Ok(())
}

/// From the submit until the playlist is in the store.
async fn pool(
    house: &House,
    client: &Client,
    film: &Film,
    both: bool,
    number: u32,
) -> anyhow::Result<Cost> {
    drain(client, 1, !both).await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let books = Books::open(&[house.worker_pid(0), house.worker_pid(1)], house.scheduler_pid())?;
    let submitted = film.submit(client, &film::wish(number), true).await?;
    let mut watched =
        client.jobs().watch(v1::WatchRequest { job: submitted.job.clone() }).await?.into_inner();
    let mut state = v1::JobState::Unspecified;
    while let Some(said) = watched.message().await? {
        let progress = said.job.and_then(|job| job.progress).unwrap_or_default();
        state = progress.state();
    }
    let cost = books.close()?;
    ensure!(state == v1::JobState::Finished, "the job ended as {state:?}");
    cancel(client, &submitted.job).await?;
    Ok(cost)
}

fn raw(film: &Film, both: bool, number: u32) -> anyhow::Result<Cost> {
    let books = Books::open(&[], 0)?;
    let seconds = film.segments * film::SEGMENT;
    let parts = if both {
        vec![(0, 0, seconds / 2), (1, seconds / 2, seconds)]
    } else {
        vec![(0, 0, seconds)]
    };
    let mut running: Vec<(Child, TempDir)> = Vec::new();
    for (core, from, to) in parts {
        let scratch = workplace::scratch()?;
        let mut command = half(film, number, from, to, core, scratch.path());
        running.push((command.spawn()?, scratch));
    }
    let mut workers = Duration::ZERO;
    for (child, _) in &mut running {
        while !crate::measure::has_ended(child)? {
            std::thread::sleep(Duration::from_millis(5));
        }
        workers += processor_time_of_all(child.id());
        ensure!(child.wait()?.success(), "ffmpeg failed");
    }
    let cost = books.close()?;
    let workers = workers.as_secs_f64();
    Ok(Cost { workers, others: cost.others - workers, ..cost })
}

fn half(film: &Film, number: u32, from: u32, to: u32, core: u32, scratch: &Path) -> Command {
    let wish = film::wish(number);
    let mut command = ffmpeg_hls(&film.source, &wish, (from > 0).then_some(from), scratch);
    // Of what is made, as the last input option.
    command.args(["-nostats"]);
    let mut pinned = Command::new("taskset");
    pinned.args(["-c", &core.to_string()]).arg(command.get_program());
    let length = (to - from).to_string();
    for argument in command.get_args() {
        if argument == "-map" && !pinned.get_args().any(|it| it == "-t") {
            pinned.args(["-t", &length]);
        }
        pinned.arg(argument);
    }
    pinned
}

/// What the kernel had counted when a turn began.
struct Books {
    began: Instant,
    workers: Vec<u32>,
    scheduler: u32,
    before: Cost,
}

impl Books {
    fn open(workers: &[u32], scheduler: u32) -> anyhow::Result<Books> {
        let workers = workers.to_vec();
        let before = Books::count(&workers, scheduler)?;
        Ok(Books { began: Instant::now(), workers, scheduler, before })
    }

    fn count(workers: &[u32], scheduler: u32) -> anyhow::Result<Cost> {
        let of = |pid: &u32| processor_time_of_all(*pid).as_secs_f64();
        let workers: f64 = workers.iter().map(of).sum();
        let scheduler = if scheduler == 0 { 0.0 } else { of(&scheduler) };
        Ok(Cost { wall: 0.0, workers, scheduler, others: all()? - workers - scheduler })
    }

    fn close(self) -> anyhow::Result<Cost> {
        let wall = self.began.elapsed().as_secs_f64();
        let after = Books::count(&self.workers, self.scheduler)?;
        Ok(Cost {
            wall,
            workers: after.workers - self.before.workers,
            scheduler: after.scheduler - self.before.scheduler,
            others: after.others - self.before.others,
        })
    }
}

/// What all processors did, in seconds: proc_stat(5), without idle and waiting.
fn all() -> anyhow::Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> =
        line.split_whitespace().skip(1).filter_map(|it| it.parse().ok()).collect();
    ensure!(ticks.len() >= 7, "/proc/stat has another form");
    Ok((ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6]) / 100.0)
}
