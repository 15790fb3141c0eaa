//! `segue jobs`, `segue job` and `segue cancel`.

use clap::Args;
use segue_api::v1;

use crate::ending::Ending;
use crate::pool::{Scheduler, Table, find, job_json, job_line, list, losses, refused, state_name};
use crate::progress::{clock, to_stdout};

/// List the jobs that a scheduler knows, the latest first.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    scheduler: Scheduler,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 100)]
    most: usize,
    /// As JSON, one job per line
    #[arg(long)]
    json: bool,
}

/// See how far a job is, and who makes it.
#[derive(Debug, Args)]
pub struct ShowArguments {
    /// Its id, or how that begins
    job: String,
    #[command(flatten)]
    scheduler: Scheduler,
    /// Go on telling until it is finished, a line whenever something changed
    #[arg(long, short)]
    watch: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Take back that a job is wanted. What is made of it stays in the store.
#[derive(Debug, Args)]
pub struct CancelArguments {
    /// Its id, or how that begins
    job: String,
    /// Only this claim on it [default: everybody's]
    #[arg(long, default_value = "", hide_default_value = true)]
    claim: String,
    #[command(flatten)]
    scheduler: Scheduler,
}

/// Runs `segue jobs`.
pub fn list_all(arguments: &ListArguments) -> Result<(), Ending> {
    let most = arguments.most;
    let jobs = arguments.scheduler.ask(|client| async move { list(&client, most).await })?;
    if arguments.json {
        jobs.iter().for_each(|job| to_stdout(&job_json(job).to_string()));
        return Ok(());
    }
    let mut table = Table::new(&["JOB", "STATE", "DONE", "FILM", "SIZES", "WORKERS", "SOURCE"]);
    jobs.iter().for_each(|job| table.row(job_line(job)));
    if table.is_empty() {
        to_stdout("no jobs: submit one with `segue transcode FILM --scheduler URL`");
    } else {
        table.lines().iter().for_each(|line| to_stdout(line));
    }
    Ok(())
}

/// Runs `segue job`.
pub fn show(arguments: &ShowArguments) -> Result<(), Ending> {
    let json = arguments.json;
    let tell = move |job: &v1::JobInfo, whole: bool| match (json, whole) {
        (true, _) => to_stdout(&job_json(job).to_string()),
        (false, true) => print(job),
        (false, false) => to_stdout(&job_line(job).join("  ")),
    };
    arguments.scheduler.ask(|client| async move {
        let job = find(&client, &arguments.job).await?;
        if !arguments.watch {
            let got = client.jobs().get(v1::GetRequest { job }).await.map_err(refused)?;
            if let Some(job) = got.into_inner().job {
                tell(&job, true);
            }
            return Ok(());
        }
        let watched = client.jobs().watch(v1::WatchRequest { job }).await.map_err(refused)?;
        let mut changes = watched.into_inner();
        while let Some(change) = changes.message().await.map_err(refused)? {
            if let Some(job) = change.job {
                tell(&job, false);
            }
        }
        Ok(())
    })
}

fn print(job: &v1::JobInfo) {
    let progress = job.progress.clone().unwrap_or_default();
    let v1::Progress { published, total, .. } = progress;
    let lines = [
        ("job", job.job.clone()),
        ("source", job.source.clone()),
        ("film", clock(job.duration_ms as f64 / 1000.0)),
        ("renditions", job.renditions.join(", ")),
        ("state", state_name(progress.state).to_owned()),
        ("segments", format!("{published} of {total} are in the store")),
        ("playlist", job.playlist.clone()),
    ];
    for (name, value) in lines {
        to_stdout(&format!("{name:11} {value}"));
    }
    for claim in &job.claims {
        let purpose = if claim.batch { "all of it" } else { "playback" };
        to_stdout(&format!("{:11} {} ({purpose})", "claimed by", claim.claim));
    }
    for line in losses(job) {
        to_stdout(&format!("{:11} {line}", "loss"));
    }
    if let Some(failure) = progress.failure {
        to_stdout(&format!("{:11} segment {}: {}", "failure", failure.segment, failure.message));
        failure.log.iter().for_each(|line| to_stdout(&format!("{:11} {line}", "")));
    }
    if progress.spans.is_empty() {
        return;
    }
    to_stdout("");
    let mut table = Table::new(&["WORKER", "SEGMENTS", "READY", "FOR"]);
    for span in progress.spans {
        table.row(vec![
            span.worker,
            format!("{}-{}", span.first, span.end.saturating_sub(1)),
            format!("{}", span.ready_through.saturating_sub(span.first)),
            if span.playback { "a viewer" } else { "batch" }.to_owned(),
        ]);
    }
    table.lines().iter().for_each(|line| to_stdout(line));
}

/// Runs `segue cancel`.
pub fn cancel(arguments: &CancelArguments) -> Result<(), Ending> {
    arguments.scheduler.ask(|client| async move {
        let job = find(&client, &arguments.job).await?;
        let request = v1::CancelRequest { job: job.clone(), claim: arguments.claim.clone() };
        let cancelled = client.jobs().cancel(request).await.map_err(refused)?.into_inner();
        to_stdout(&match cancelled.still_claimed {
            true => format!("job {job} goes on: others want it"),
            false => format!("job {job} is cancelled; what is made of it stays in the store"),
        });
        Ok(())
    })
}
