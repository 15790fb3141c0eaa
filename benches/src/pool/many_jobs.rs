//! What a scheduler with very many batches is like: memory for each, and how soon it answers after it
//! was killed and started again.
//!
//! Each job is a film of its own, all with one recipe, as when somebody has a library made.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use segue_api::{Client, v1};

use super::house::{Daemon, House, LONG};
use super::stub::Stub;
use super::submits::found;
use super::{film, ms, quantile, runtime};
use crate::Effort;
use crate::measure::{median, processor_time_of_all};
use crate::progress::{Progress, say};
use crate::table::Table;

const CLIENTS: u32 = 32;
/// What a scheduler says when it has read all that was claimed before.
const KNOWN_AGAIN: &str = "known again";

/// One start, in milliseconds since exec.
struct Start {
    listens: f64,
    answers: f64,
    knows_all: f64,
    /// Processor time until then.
    cpu: f64,
    /// Of a page of 100 jobs and of one job, while it reads.
    waits: Vec<f64>,
}

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let rounds = effort.rounds(5, 2);
    let few = 1_000;
    let many = if effort.quick { 5_000 } else { 100_000 };
    let runtime = runtime()?;
    let found = found()?;
    let mut house = House::start(&[])?;
    say(&format!("many-jobs: submitting {many}, which takes minutes"));
    let (small, large) = runtime.block_on(async {
        let client = house.client().await?;
        let stub = Stub::start(&client, house.identity()?, found).await?;
        submit(&house, 0..few).await?;
        let small = memory(house.scheduler_pid())?;
        let began = Instant::now();
        submit(&house, few..many).await?;
        let seconds = began.elapsed().as_secs_f64();
        say(&format!("many-jobs: {:.0} a second", f64::from(many - few) / seconds));
        let large = memory(house.scheduler_pid())?;
        drop(stub);
        anyhow::Ok((small, large))
    })?;
    let mut progress = Progress::new("many-jobs", rounds as usize, Duration::from_secs(20));
    let mut starts = Vec::new();
    let mut afterwards = 0;
    for _ in 0..rounds {
        progress.step("killed and started again");
        house.scheduler.take().map(Daemon::kill).unwrap_or_default();
        let start = runtime.block_on(start_again(&mut house))?;
        starts.push(start);
        afterwards = memory(house.scheduler_pid())?;
    }
    report(few, many, rounds, [small, large, afterwards], &starts);
    Ok(())
}

fn report(few: u32, many: u32, rounds: u32, memory: [u64; 3], starts: &[Start]) {
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1048576.0);
    let [small, large, afterwards] = memory;
    let slope = large.saturating_sub(small) / u64::from(many - few);
    let mut table =
        Table::new("Scheduler's memory (PSS)".to_owned(), &["", "all", "for each job more"]);
    table.row([format!("{few} batches submitted"), mib(small), String::new()]);
    table.row([format!("{many} batches submitted"), mib(large), format!("{slope} bytes")]);
    table.row([format!("{many} known again after a restart"), mib(afterwards), String::new()]);
    table.print();
    let mut table = Table::new(
        format!("A scheduler with {many} batches after SIGKILL, {rounds} rounds"),
        &["since exec", "median", "least-most"],
    );
    let mut row = |name: &str, of: fn(&Start) -> f64| {
        let values: Vec<f64> = starts.iter().map(of).collect();
        let (least, most) = (quantile(&values, 0.0), quantile(&values, 1.0));
        let middle = median(values);
        table.row([name.to_owned(), format!("{middle:.0} ms"), format!("{least:.0}-{most:.0}")]);
    };
    row("it listens", |it| it.listens);
    row("the first answer to Jobs.List", |it| it.answers);
    row("every job is read from the store", |it| it.knows_all);
    row("processor time until then", |it| it.cpu);
    row("Jobs.List of ten while it reads, p50", |it| quantile(&it.waits, 0.5));
    row("Jobs.List of ten while it reads, p99", |it| quantile(&it.waits, 0.99));
    table.print();
}

/// Batches of films with these numbers.
async fn submit(house: &House, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
    let next = Arc::new(AtomicU32::new(numbers.start));
    let mut asking = Vec::new();
    for _ in 0..CLIENTS {
        let client = house.client().await?;
        let (next, end) = (next.clone(), numbers.end);
        asking.push(tokio::spawn(async move {
            let mut jobs = client.jobs();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= end {
                    return anyhow::Ok(());
                }
                let wish = v1::SubmitRequest {
                    claim: "library".to_owned(),
                    source: format!("file:///films/a library/film {number:06}.mkv"),
                    request: Some(film::request(&film::wish(0))),
                    batch: true,
                    deadline_unix_ms: 0,
                };
                jobs.submit(wish).await?;
            }
        }));
    }
    for asking in asking {
        asking.await??;
    }
    Ok(())
}

async fn start_again(house: &mut House) -> anyhow::Result<Start> {
    let began = Instant::now();
    house.start_scheduler()?;
    let since = || ms(began.elapsed());
    let client = loop {
        if let Ok(client) = house.client().await {
            break client;
        }
        anyhow::ensure!(began.elapsed() < LONG, "the scheduler does not come back");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let listens = since();
    list(&client).await?;
    let answers = since();
    let mut waits = Vec::new();
    let pid = house.scheduler_pid();
    loop {
        if house.scheduler.as_ref().is_some_and(|it| it.said().contains(KNOWN_AGAIN)) {
            break;
        }
        anyhow::ensure!(began.elapsed() < LONG, "jobs are not read");
        let asked = Instant::now();
        list(&client).await?;
        waits.push(ms(asked.elapsed()));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(Start { listens, answers, knows_all: since(), cpu: ms(processor_time_of_all(pid)), waits })
}

async fn list(client: &Client) -> anyhow::Result<()> {
    client.jobs().list(v1::ListRequest { page_size: 10, ..v1::ListRequest::default() }).await?;
    Ok(())
}

/// What a process alone has in memory, and its part of what it shares.
fn memory(pid: u32) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()).context("no Pss is told")?;
    Ok(kib.parse::<u64>()? * 1024)
}
