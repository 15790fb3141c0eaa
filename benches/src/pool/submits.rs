//! How many batches a scheduler promises durably in a second, to clients that each wait for the
//! answer before they ask again; and how long an answer takes.
//!
//! In turns: new claims on 1,000 jobs that are known, as many as can be had and 2,000 a second (64 clients
//! that all wait can have no p99 of 10 ms below 6,400 a second); new jobs, of the same film and other
//! recipes; and, with nobody asking anything, what the disk itself does: appending 4 KiB and
//! `fdatasync`, one after the other.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use segue_api::v1;
use segue_model::{Fingerprint, SourceFacts};

use super::house::House;
use super::stub::Stub;
use super::{film, ms, quantile, runtime};
use crate::measure::{median, processor_time_of_all};
use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, clip};

const CLIENTS: u32 = 64;
const FILM: &str = "file:///films/film.mkv";

/// What clients ask for.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Claims,
    PacedClaims,
    Jobs,
}

const KINDS: [(Kind, &str); 3] = [
    (Kind::Claims, "new claims on known jobs"),
    (Kind::PacedClaims, "the same, 2,000 asked a second"),
    (Kind::Jobs, "new jobs of a known film"),
];
/// So many jobs are known before.
const KNOWN: u32 = 1_000;
/// Asked a second, by all clients together, where not more is asked.
const PACE: u32 = 2_000;

/// One turn.
struct Turn {
    rate: f64,
    /// Milliseconds.
    waits: Vec<f64>,
    /// Processor time of the scheduler for each, in milliseconds.
    cpu: f64,
}

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(5, 1);
    let length = Duration::from_secs(if effort.quick { 1 } else { 5 });
    let runtime = runtime()?;
    let found = found()?;
    let mut progress = Progress::new("submits", rounds as usize * (1 + KINDS.len()), length);
    let mut turns = [Vec::new(), Vec::new(), Vec::new()];
    let mut disk = Vec::new();
    // Counts recipes.
    let latest = Arc::new(AtomicU32::new(KNOWN));
    let house = House::start(&[])?;
    let house = &house;
    let stub = runtime.block_on(async {
        let client = house.client().await?;
        Stub::start(&client, house.identity()?, found).await
    })?;
    runtime.block_on(make_known(house))?;
    for round in 0..rounds {
        progress.step("the disk");
        disk.push(flushes(house, length)?);
        for ((kind, name), turns) in KINDS.into_iter().zip(&mut turns) {
            progress.step(name);
            turns.push(runtime.block_on(ask(house, kind, round, &latest, length))?);
        }
    }
    drop(stub);
    let mut table = Table::new(
        format!("Durable submits: {CLIENTS} clients, {rounds} rounds of {} s", length.as_secs()),
        &["", "a second", "least-most", "p50", "p99", "longest", "scheduler's processor time each"],
    );
    for ((_, name), turns) in KINDS.iter().zip(&turns) {
        let rates: Vec<f64> = turns.iter().map(|it| it.rate).collect();
        let waits: Vec<f64> = turns.iter().flat_map(|it| it.waits.iter().copied()).collect();
        table.row([
            (*name).to_owned(),
            format!("{:.0}", median(rates.iter().copied())),
            format!("{:.0}-{:.0}", quantile(&rates, 0.0), quantile(&rates, 1.0)),
            format!("{:.1} ms", quantile(&waits, 0.5)),
            format!("{:.1} ms", quantile(&waits, 0.99)),
            format!("{:.1} ms", quantile(&waits, 1.0)),
            format!("{:.2} ms", median(turns.iter().map(|it| it.cpu))),
        ]);
    }
    let rates: Vec<f64> =
        disk.iter().map(|waits| waits.len() as f64 / length.as_secs_f64()).collect();
    let waits: Vec<f64> = disk.into_iter().flatten().collect();
    table.row([
        "4 KiB and fdatasync, one by one".to_owned(),
        format!("{:.0}", median(rates.iter().copied())),
        format!("{:.0}-{:.0}", quantile(&rates, 0.0), quantile(&rates, 1.0)),
        format!("{:.1} ms", quantile(&waits, 0.5)),
        format!("{:.1} ms", quantile(&waits, 0.99)),
        format!("{:.1} ms", quantile(&waits, 1.0)),
        String::new(),
    ]);
    table.print();
    Ok(())
}

/// What a worker would say of a film of 20 s.
pub fn found() -> anyhow::Result<(Fingerprint, SourceFacts)> {
    let source = clip::film(720, 20, 10)?;
    let job = crate::film::job(&source, &film::wish(0).request())?;
    Ok((job.source.fingerprint, job.facts))
}

/// All clients ask for `length`, each on a connection of its own.
async fn ask(
    house: &House,
    kind: Kind,
    round: u32,
    latest: &Arc<AtomicU32>,
    length: Duration,
) -> anyhow::Result<Turn> {
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        clients.push((number, house.client().await?));
    }
    let before = processor_time_of_all(house.scheduler_pid());
    let began = Instant::now();
    let start = Arc::new(tokio::sync::Barrier::new(clients.len()));
    let asking = clients.into_iter().map(|(client_number, client)| {
        let (start, latest) = (start.clone(), latest.clone());
        tokio::spawn(async move {
            let mut jobs = client.jobs();
            let mut waits = Vec::new();
            start.wait().await;
            let began = Instant::now();
            for number in 0.. {
                if began.elapsed() >= length {
                    break;
                }
                let claim = format!("{round}-{kind:?}-{client_number}-{number}");
                let turn = number * CLIENTS + client_number;
                if let Kind::PacedClaims = kind {
                    // Clients begin one after the other, and each keeps to its times.
                    let due = began + Duration::from_secs(1) * turn / PACE;
                    tokio::time::sleep_until(due.into()).await;
                }
                let recipe = match kind {
                    Kind::Claims | Kind::PacedClaims => turn % KNOWN,
                    Kind::Jobs => latest.fetch_add(1, Ordering::Relaxed),
                };
                let wish = batch(claim, recipe);
                let asked = Instant::now();
                jobs.submit(wish).await?;
                waits.push(ms(asked.elapsed()));
            }
            anyhow::Ok(waits)
        })
    });
    let asking: Vec<_> = asking.collect();
    let mut waits = Vec::new();
    for asking in asking {
        waits.extend(asking.await??);
    }
    let rate = waits.len() as f64 / began.elapsed().as_secs_f64();
    let cpu = processor_time_of_all(house.scheduler_pid()).saturating_sub(before);
    Ok(Turn { rate, cpu: ms(cpu) / waits.len().max(1) as f64, waits })
}

/// The film in another recipe for each number.
fn batch(claim: String, recipe: u32) -> v1::SubmitRequest {
    let request = Some(film::request(&film::wish(recipe)));
    v1::SubmitRequest { claim, source: FILM.to_owned(), request, batch: true, deadline_unix_ms: 0 }
}

async fn make_known(house: &House) -> anyhow::Result<()> {
    let mut jobs = house.client().await?.jobs();
    for recipe in 0..KNOWN {
        jobs.submit(batch("first".to_owned(), recipe)).await?;
    }
    Ok(())
}

/// How long each flush of the disk takes, in milliseconds.
fn flushes(house: &House, length: Duration) -> anyhow::Result<Vec<f64>> {
    let mut file = File::create(house.store().join("flushes"))?;
    let (began, mut waits) = (Instant::now(), Vec::new());
    while began.elapsed() < length {
        let asked = Instant::now();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        waits.push(ms(asked.elapsed()));
    }
    std::fs::remove_file(house.store().join("flushes"))?;
    Ok(waits)
}
