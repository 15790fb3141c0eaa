//! How long a viewer, or a batch, is held up by SIGKILL: from the kill of a span process, or of a
//! worker with all its processes, until the first segment of its span that was not made yet is in the
//! store. Measured against what nobody can be quicker than who has to begin anew: ffmpeg that seeks
//! and encodes that very segment, on one core as the workers are, from its start until the segment
//! has its name. The two take turns.
//!
//! Each of two workers is pinned to a core. ffmpeg runs where the segment was made, and with the other
//! core as busy as it was: with another ffmpeg where the other worker went on.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use segue_api::{Client, v1};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::film::{self, Film, Submitted};
use super::house::{Daemon, House, LONG, cancel, drain, name, pinned, progress, until};
use super::kill::{busiest_child, kill};
use super::{Draws, ms, quantile, runtime};
use crate::baseline::{FFMPEG_PLAYLIST, ffmpeg_hls};
use crate::first_segment::{Running, until_there};
use crate::measure::{median, paired};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, workplace};

/// What comes sooner than this after a kill was made before, and was under way to the store.
const UNDER_WAY: Duration = Duration::from_millis(60);
/// A viewer plays for so long without what it asks for.
const BUFFER: u32 = 6_000;

#[derive(Clone, Copy, PartialEq)]
enum Victim {
    Process,
    Worker,
}

struct Case {
    name: &'static str,
    viewer: bool,
    victim: Victim,
}

const CASES: [Case; 4] = [
    Case { name: "viewer, span process killed", viewer: true, victim: Victim::Process },
    Case { name: "viewer, worker killed", viewer: true, victim: Victim::Worker },
    Case { name: "batch, span process killed", viewer: false, victim: Victim::Process },
    Case { name: "batch, worker killed, one idle", viewer: false, victim: Victim::Worker },
];

/// One kill, in milliseconds.
struct Found {
    wait: f64,
    raw: f64,
    /// Segments that were ready and had to be made again.
    again: u32,
    /// Since the last segment was in the store: what else had to be made again, at most.
    begun: f64,
}

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(20, 1);
    let film = Film::new(120)?;
    let runtime = runtime()?;
    let mut house = House::start(&[vec![0], vec![1]])?;
    let mut draws = Draws(7);
    let mut found: [Vec<Found>; 4] = Default::default();
    let guess = Duration::from_secs(8);
    let mut progress = Progress::new("kills", rounds as usize * CASES.len(), guess);
    for round in 0..rounds {
        for (index, case) in CASES.iter().enumerate() {
            progress.step(case.name);
            let number = round * CASES.len() as u32 + index as u32;
            let killing = round_of(&mut house, &film, case, number, &mut draws);
            found[index].push(runtime.block_on(killing)?);
        }
    }
    let title =
        format!("SIGKILL to the next due segment: 720p to 480p, one core each, {rounds} rounds");
    let headings = [
        "",
        "kill to segment",
        "ffmpeg -ss",
        "ratio of medians",
        "median of ratios",
        "p95 of ratios",
        "p95 / p95",
        "segments made twice",
        "work lost",
    ];
    let mut table = Table::new(title, &headings);
    for (case, found) in CASES.iter().zip(&found) {
        let waits: Vec<f64> = found.iter().map(|it| it.wait).collect();
        let raw: Vec<f64> = found.iter().map(|it| it.raw).collect();
        let ratios: Vec<f64> = waits.iter().zip(&raw).map(|(wait, raw)| wait / raw).collect();
        let (middle, least, most) = paired(&waits, &raw);
        let (wait, anchor) = (median(waits.iter().copied()), median(raw.iter().copied()));
        table.row([
            case.name.to_owned(),
            format!("{wait:.0} ms"),
            format!("{anchor:.0} ms"),
            format!("{:.3}", wait / anchor),
            format!("{middle:.3} ({least:.2}-{most:.2})"),
            format!("{:.2}", quantile(&ratios, 0.95)),
            format!("{:.2}", quantile(&waits, 0.95) / quantile(&raw, 0.95)),
            found.iter().map(|it| it.again).sum::<u32>().to_string(),
            format!("{:.0} ms", median(found.iter().map(|it| it.begun))),
        ]);
    }
    table.print();
    Ok(())
}

async fn round_of(
    house: &mut House,
    film: &Film,
    case: &Case,
    number: u32,
    draws: &mut Draws,
) -> anyhow::Result<Found> {
    let client = house.client().await?;
    let wish = film::wish(number);
    // A batch's killed worker has an idle one beside it: nobody takes tails from it until then.
    let alone = !case.viewer && case.victim == Victim::Worker;
    drain(&client, 1, alone).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let submitted = film.submit(&client, &wish, !case.viewer).await?;
    let jobs = house.jobs();
    let path = |index: u32| submitted.segment(&jobs, index);
    let viewing = match case.viewer {
        true => {
            let first = 3 + draws.below(film.segments / 2);
            Some(Viewing::begin(&client, &submitted, jobs.clone(), first).await?)
        }
        false => None,
    };

    // In the midst of the third segment or a later one of some span.
    let span = until_under_way(&client, &submitted, &path, draws).await?;
    let victim = if span.worker == name(0) { 0 } else { 1 };
    let worker = house.worker_pid(victim);
    let killed = match case.victim {
        Victim::Process => busiest_child(worker)?,
        Victim::Worker => worker,
    };
    let span = span_of(&client, &submitted, &span.worker, span.first).await?.unwrap_or(span);
    let missing = |from: u32| (from..film.segments).find(|index| !path(*index).exists());
    let last_made = missing(span.first).and_then(|index| index.checked_sub(1));
    let last =
        last_made.and_then(|index| path(index).metadata().ok()?.modified().ok()?.elapsed().ok());
    let at = Instant::now();
    match case.victim {
        Victim::Process => kill(killed)?,
        Victim::Worker => house.workers[victim].take().map(Daemon::kill).unwrap_or_default(),
    }
    if alone {
        drain(&client, 1, false).await?;
    }
    let mut due = missing(span.first).context("all of it is made")?;
    let again = span.ready_through.saturating_sub(due);
    let wait = loop {
        let there = || Ok(path(due).exists().then(|| at.elapsed()));
        let wait = until("the next segment", there)?;
        if wait > UNDER_WAY {
            break wait;
        }
        due = missing(due).context("all of it is made")?;
    };

    drop(viewing);
    cancel(&client, &submitted.job).await?;
    let maker = if house.workers[victim].is_some() { victim } else { 1 - victim };
    let maker = maker_of(house, &submitted.job, due).unwrap_or(maker);
    if house.workers[victim].is_none() {
        house.start_worker(victim)?;
    }
    let other = (!case.viewer && !alone).then_some(1 - maker as u32);
    let raw = raw(film, number, due, maker as u32, other)?;
    Ok(Found { wait: ms(wait), raw: ms(raw), again, begun: last.map_or(f64::NAN, ms) })
}

/// Waits until a span has two segments in the store and makes more, and then for a part of the time
/// that one takes.
async fn until_under_way(
    client: &Client,
    submitted: &Submitted,
    path: &dyn Fn(u32) -> PathBuf,
    draws: &mut Draws,
) -> anyhow::Result<v1::SpanInfo> {
    let began = Instant::now();
    let wanted = 2 + draws.below(2);
    let take_last = draws.below(2) == 1;
    loop {
        let spans = progress(client, &submitted.job).await?.spans;
        let ready = |span: &&v1::SpanInfo| {
            span.end > span.first + wanted + 1
                && (span.first..span.first + wanted).all(|index| path(index).exists())
        };
        let mut going = spans.iter().filter(ready);
        let chosen = if take_last { going.next_back() } else { going.next() };
        if let Some(span) = chosen {
            // Segments take some 600 ms.
            tokio::time::sleep(Duration::from_millis(draws.below(700).into())).await;
            return Ok(span.clone());
        }
        ensure!(began.elapsed() < LONG, "nobody makes {}", submitted.job);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// What a worker's span is now.
async fn span_of(
    client: &Client,
    submitted: &Submitted,
    worker: &str,
    first: u32,
) -> anyhow::Result<Option<v1::SpanInfo>> {
    let spans = progress(client, &submitted.job).await?.spans;
    Ok(spans.into_iter().find(|span| span.worker == worker && span.first == first))
}

/// Which worker said that it began with a span at `index`.
fn maker_of(house: &House, job: &str, index: u32) -> Option<usize> {
    let began = |said: String| {
        let lines = said.lines().filter(|line| line.contains("begun") && line.contains(job));
        lines.filter_map(first_of).any(|first| first == index)
    };
    (0..house.workers.len())
        .find(|at| house.workers[*at].as_ref().is_some_and(|it| began(it.said())))
}

/// The first number after `span=segments`.
fn first_of(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("span=segment")?;
    let digits = rest.trim_start_matches('s').trim_start();
    digits.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
}

/// ffmpeg for that segment alone, pinned to `core`; the `other` core has another one.
fn raw(
    film: &Film,
    number: u32,
    index: u32,
    core: u32,
    other: Option<u32>,
) -> anyhow::Result<Duration> {
    let from = index * film::SEGMENT;
    let wish = film::wish(number);
    let (scratch, aside) = (workplace::scratch()?, workplace::scratch()?);
    let _busy = match other {
        Some(other) => {
            let far = (index + film.segments / 2) % film.segments * film::SEGMENT;
            let command = ffmpeg_hls(&film.source, &wish, Some(far), aside.path());
            let busy = Running(pinned(&command, &[other]).spawn()?);
            until("the other ffmpeg", || {
                Ok(aside.path().join(FFMPEG_PLAYLIST).exists().then_some(()))
            })?;
            Some(busy)
        }
        None => None,
    };
    let command = ffmpeg_hls(&film.source, &wish, (from > 0).then_some(from), scratch.path());
    let wait = until_there(pinned(&command, &[core]), &scratch.path().join(FFMPEG_PLAYLIST))?;
    Ok(wait.wall())
}

/// Somebody who watches, always with the same buffer; gone when dropped.
struct Viewing {
    task: tokio::task::JoinHandle<()>,
    says: mpsc::Sender<v1::DemandRequest>,
}

impl Drop for Viewing {
    fn drop(&mut self) {
        self.task.abort();
        // Nobody is there any more: that is not to be waited for.
        let _ = self.says.try_send(v1::DemandRequest::default());
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Viewing {
    async fn begin(
        client: &Client,
        submitted: &Submitted,
        jobs: PathBuf,
        first: u32,
    ) -> anyhow::Result<Viewing> {
        let (says, requests) = mpsc::channel(16);
        let (job, rendition) = (submitted.job.clone(), submitted.rendition.clone());
        let submitted = Submitted { job: job.clone(), rendition };
        let demand = move |segment: u32, due_in_ms: u32| {
            let (viewer, job) = ("anna".to_owned(), job.clone());
            let (renditions, to_end) = (vec![0], false);
            let viewer = v1::Viewer { viewer, job, renditions, segment, due_in_ms, to_end };
            v1::DemandRequest { viewers: vec![viewer] }
        };
        says.send(demand(first, 0)).await?;
        let mut told = client.jobs().demand(ReceiverStream::new(requests)).await?.into_inner();
        let speaking = says.clone();
        let task = tokio::spawn(async move {
            let mut next = first;
            while let Ok(Some(_)) = told.message().await {
                let before = next;
                while submitted.segment(&jobs, next).exists() {
                    next += 1;
                }
                if next > before && speaking.send(demand(next, BUFFER)).await.is_err() {
                    return;
                }
            }
        });
        Ok(Viewing { task, says })
    }
}
