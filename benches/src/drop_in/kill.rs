//! How long a playback through the drop-in is held up when the worker that makes its next segment is
//! killed: from SIGKILL until that segment is in the folder that the media server named. Measured
//! against what nobody can be quicker than who has to begin anew: the same line given to ffmpeg with
//! a seek to that segment, on the cores of the worker that is left, until the segment is whole.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use segue_api::{Client, v1};

use super::line::SEGMENT;
use super::playback::Playback;
use super::stand_in::StandIn;
use crate::measure::{median, paired};
use crate::pool::house::{Daemon, House, LONG, cancel, name, pinned};
use crate::pool::{Draws, ms, quantile, runtime};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip, machine};

/// What comes sooner than this after a kill was made before, and was under way.
const UNDER_WAY: Duration = Duration::from_millis(60);
/// Seconds of the film.
const LENGTH: u32 = 120;

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(20, 2);
    let film = clip::even_film(720, LENGTH / 20)?.canonicalize()?;
    let runtime = runtime()?;
    let mut house = House::start(&machine::shared_out(2))?;
    let drop_in = StandIn::new(&house)?;
    let mut draws = Draws(11);
    let (mut waits, mut raws) = (Vec::new(), Vec::new());
    let guess = Duration::from_secs(15);
    let mut progress = Progress::new("drop-in-kill", rounds as usize, guess);
    for round in 0..rounds {
        progress.step("a worker");
        // As many rounds hit either worker as the planner chose it.
        let playback = Playback::start(drop_in.called("ffmpeg"), &film, 0, round)?;
        let killing = killed(&mut house, playback, &mut draws);
        let (wait, due, left) = runtime.block_on(killing)?;
        let ffmpeg = pinned(&Command::new("ffmpeg"), house.cores(left));
        let mut raw = Playback::start(ffmpeg, &film, due, round)?;
        // ffmpeg opens the next file when the one before is whole.
        raw.until(due + 1)?;
        raws.push(ms(raw.elapsed()));
        waits.push(ms(wait));
    }
    drop(progress);
    let title = format!(
        "SIGKILL of a worker to the next file: segments of 3 s at 720p, half of the cores each, \
         {rounds} rounds"
    );
    let headings = [
        "kill to segment",
        "ffmpeg -ss",
        "ratio of medians",
        "median of ratios",
        "p95 of ratios",
        "p95 / p95",
    ];
    let mut table = Table::new(title, &headings);
    let ratios: Vec<f64> = waits.iter().zip(&raws).map(|(wait, raw)| wait / raw).collect();
    let (middle, least, most) = paired(&waits, &raws);
    let (wait, raw) = (median(waits.iter().copied()), median(raws.iter().copied()));
    table.row([
        format!("{wait:.0} ms"),
        format!("{raw:.0} ms"),
        format!("{:.3}", wait / raw),
        format!("{middle:.3} ({least:.2}-{most:.2})"),
        format!("{:.2}", quantile(&ratios, 0.95)),
        format!("{:.2}", quantile(&waits, 0.95) / quantile(&raws, 0.95)),
    ]);
    table.print();
    Ok(())
}

/// Kills the worker that makes the next segment. How long that segment took, which one it was, and
/// which worker was left. Both are there again afterwards.
async fn killed(
    house: &mut House,
    mut playback: Playback,
    draws: &mut Draws,
) -> anyhow::Result<(Duration, u32, usize)> {
    let client = house.client().await?;
    playback.until(3 + draws.below(12))?;
    // Segments take about a second.
    tokio::time::sleep(Duration::from_millis(draws.below(1_000).into())).await;
    let (job, victim) = maker(&client, &playback).await?;
    let at = Instant::now();
    house.workers[victim].take().map(Daemon::kill).unwrap_or_default();
    let mut due = missing(&playback)?;
    let wait = loop {
        playback.until(due)?;
        let wait = at.elapsed();
        if wait > UNDER_WAY {
            break wait;
        }
        due = missing(&playback)?;
    };
    drop(playback);
    cancel(&client, &job).await?;
    house.start_worker(victim)?;
    Ok((wait, due, 1 - victim))
}

/// The first segment that has no name yet. There must be one after it, for ffmpeg to show that it
/// has made it.
fn missing(playback: &Playback) -> anyhow::Result<u32> {
    let mut left = 0..LENGTH / SEGMENT - 1;
    left.find(|number| !playback.has(*number)).context("all of it is made: the film is too short")
}

/// The job that is played, and which worker makes its next segment.
async fn maker(client: &Client, playback: &Playback) -> anyhow::Result<(String, usize)> {
    let began = Instant::now();
    loop {
        let listed = client.jobs().list(v1::ListRequest::default()).await?.into_inner();
        let next = missing(playback)?;
        for job in listed.jobs {
            let spans = job.progress.unwrap_or_default().spans;
            let made = spans.iter().find(|span| (span.ready_through..span.end).contains(&next));
            if let Some(span) = made {
                let victim = usize::from(span.worker == name(1));
                return Ok((job.job, victim));
            }
        }
        ensure!(began.elapsed() < LONG, "nobody makes the next segment: {}", playback.said());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
