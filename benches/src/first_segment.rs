//! How long a viewer waits for the first segment: from the start of a film, and after a far seek into
//! the middle of a long group of pictures.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use segue_hls::keys;
use segue_media::Cancel;
use segue_media::span::{SpanEvent, SpanOrder};
use segue_model::{Job, Time};

use crate::baseline::{FFMPEG_PLAYLIST, engine, ffmpeg_hls, segue};
use crate::make::Wish;
use crate::measure::{median, processor_time_of_all, ratio_cell};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip, film, workplace};

/// How often a file is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Segments that are ordered together; the first is waited for while the others are made.
const ORDERED: u32 = 5;

#[derive(Clone, Copy, PartialEq)]
enum Arm {
    /// `ffmpeg -f hls`: its first segment can be read when the playlist names it.
    Ffmpeg,
    /// The engine in this process: the source is described, and everything is linked.
    Warm,
    /// The engine in a new process that is given the job.
    Cold,
    /// The `segue` command: describes the source and starts a span process.
    Segue,
}

impl Arm {
    fn name(self) -> &'static str {
        match self {
            Arm::Ffmpeg => "ffmpeg -f hls",
            Arm::Warm => "engine, process warm",
            Arm::Cold => "engine, new process, job known",
            Arm::Segue => "segue transcode",
        }
    }
}

/// A source, described beforehand for each segment length.
struct Film {
    source: PathBuf,
    /// Segment length in seconds, the wish and the job.
    jobs: Vec<(u32, Wish, Job)>,
}

/// Until the first segment could be read, in milliseconds.
#[derive(Clone, Copy)]
pub struct Wait {
    wall: f64,
    /// Processor time, of all processes.
    cpu: f64,
}

impl Wait {
    fn new(wall: Duration, cpu: Duration) -> Wait {
        Wait { wall: wall.as_secs_f64() * 1e3, cpu: cpu.as_secs_f64() * 1e3 }
    }

    /// By the clock.
    pub fn wall(self) -> Duration {
        Duration::from_secs_f64(self.wall / 1e3)
    }
}

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(15, 1);
    let film = Film::new()?;
    // In the middle of the ten seconds between two keyframes, at all depths.
    let seeks: &[u32] = if effort.quick { &[56] } else { &[34, 52, 76, 98, 106] };
    let starts = [Arm::Ffmpeg, Arm::Warm, Arm::Cold, Arm::Segue];
    let sought = [Arm::Ffmpeg, Arm::Warm, Arm::Cold];
    let steps = rounds as usize * 2 * (starts.len() + sought.len());
    let mut progress = Progress::new("first-segment", steps, Duration::from_millis(1500));
    film.table("from the start", &starts, &[0], rounds, &mut progress)?.print();
    let title = "after a seek, 2 to 8 s behind a keyframe";
    film.table(title, &sought, seeks, rounds, &mut progress)?.print();
    Ok(())
}

impl Film {
    fn new() -> anyhow::Result<Film> {
        let source = clip::long_film(720, 120)?;
        let job = |seconds: u32| -> anyhow::Result<(u32, Wish, Job)> {
            let segment = Time::from_secs(i64::from(seconds));
            let wish = Wish { bitrate: Some(3_300_000), segment, ..Wish::default() };
            let job = film::job(&source, &wish.request())?;
            Ok((seconds, wish, job))
        };
        Ok(Film { jobs: vec![job(2)?, job(1)?], source })
    }

    /// One round of each arm and length after the other; round `n` begins at the `n`-th of `places`.
    fn table(
        &self,
        title: &str,
        arms: &[Arm],
        places: &[u32],
        rounds: u32,
        progress: &mut Progress,
    ) -> anyhow::Result<Table> {
        let mut waits: Vec<Vec<Vec<Wait>>> = vec![vec![Vec::new(); arms.len()]; self.jobs.len()];
        for round in 0..rounds as usize {
            let place = places[round % places.len()];
            for turn in 0..arms.len() * self.jobs.len() {
                let turn = (turn + round) % (arms.len() * self.jobs.len());
                let (length, arm) = (turn / arms.len(), turn % arms.len());
                progress.step(&format!("{}, at {place} s", arms[arm].name()));
                waits[length][arm].push(self.wait(arms[arm], length, place)?);
            }
        }
        let mut table = Table::new(
            format!("First segment {title}: 720p, {rounds} rounds (ratios to ffmpeg with 2 s)"),
            &["", "segments of", "wait", "ratio", "processor time", "ratio"],
        );
        let wall = |waits: &[Wait]| -> Vec<f64> { waits.iter().map(|it| it.wall).collect() };
        let cpu = |waits: &[Wait]| -> Vec<f64> { waits.iter().map(|it| it.cpu).collect() };
        for (length, (seconds, ..)) in self.jobs.iter().enumerate() {
            for (arm, own) in arms.iter().zip(&waits[length]) {
                table.row([
                    arm.name().to_owned(),
                    format!("{seconds} s"),
                    format!("{:.0} ms", median(wall(own))),
                    ratio_cell(&wall(own), &wall(&waits[0][0])),
                    format!("{:.0} ms", median(cpu(own))),
                    ratio_cell(&cpu(own), &cpu(&waits[0][0])),
                ]);
            }
        }
        Ok(table)
    }

    fn wait(&self, arm: Arm, length: usize, place: u32) -> anyhow::Result<Wait> {
        let (seconds, wish, job) = &self.jobs[length];
        let first = place / seconds;
        let scratch = workplace::scratch()?;
        let to = scratch.path();
        let rendition = &job.recipe.renditions[0];
        let segment = keys::segment(job.recipe.packaging, rendition, first);
        match arm {
            Arm::Ffmpeg => {
                let from = (place > 0).then_some(place);
                let command = ffmpeg_hls(&self.source, wish, from, to);
                until_there(command, &to.join(FFMPEG_PLAYLIST))
            }
            Arm::Warm => self.warm(job, first),
            Arm::Cold => {
                let known = to.join("job.json");
                std::fs::write(&known, serde_json::to_vec(job)?)?;
                let mut command = engine(&self.source, wish, to)?;
                command.arg("--job").arg(known);
                command.arg(format!("--from={first}")).arg(format!("--span-length={ORDERED}"));
                until_there(command, &to.join(segment))
            }
            Arm::Segue => {
                let command = segue(&self.source, wish, 1, to)?;
                until_there(command, &to.join("film").join(segment))
            }
        }
    }

    fn warm(&self, job: &Job, first: u32) -> anyhow::Result<Wait> {
        let cancel = Cancel::default();
        let own = std::process::id();
        let (began, before) = (Instant::now(), processor_time_of_all(own));
        let mut wait = None;
        let order = film::order(job, film::span(job, first, ORDERED));
        let order = SpanOrder { urgent: true, ..order };
        let made = film::make(&self.source, &order, &cancel, &mut |event| {
            if matches!(event, SpanEvent::Segment { .. }) && wait.is_none() {
                let cpu = processor_time_of_all(own).saturating_sub(before);
                wait = Some(Wait::new(began.elapsed(), cpu));
                cancel.cancel();
            }
            Ok(())
        });
        match wait {
            Some(wait) => Ok(wait),
            None => Err(made.err().unwrap_or_else(|| anyhow::anyhow!("no segment was made"))),
        }
    }
}

/// From the start of the command until the file has its name; the command is killed then.
pub fn until_there(mut command: Command, path: &Path) -> anyhow::Result<Wait> {
    let began = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child = Running(command.spawn()?);
    loop {
        if path.exists() {
            return Ok(Wait::new(began.elapsed(), processor_time_of_all(child.0.id())));
        }
        let ended = child.0.try_wait()?;
        ensure!(ended.is_none() || path.exists(), "{command:?} ended without {}", path.display());
        std::thread::sleep(LOOK_EVERY);
    }
}

/// Killed, and waited for, when dropped.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already is no failure.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
