//! `segue workers` and `segue drain`.

use clap::Args;
use segue_api::v1;
use serde_json::json;

use crate::ending::Ending;
use crate::pool::{Scheduler, Table, refused};
use crate::progress::{counted, to_stdout};

/// List the workers of a pool, and how they are.
#[derive(Debug, Args)]
pub struct ListArguments {
    #[command(flatten)]
    scheduler: Scheduler,
    /// As JSON, one worker per line
    #[arg(long)]
    json: bool,
}

/// Empty a worker: what it has begun it finishes with the segment at hand, others make the rest.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  segue drain n100-2          before it is switched off or updated
  segue drain n100-2 --undo   give it work again")]
pub struct DrainArguments {
    /// Its name, as `segue workers` shows it
    worker: String,
    /// Give it work again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    scheduler: Scheduler,
}

/// Runs `segue workers`.
pub fn list(arguments: &ListArguments) -> Result<(), Ending> {
    let workers = arguments.scheduler.ask(|client| async move {
        let listed = client.admin().list_workers(v1::ListWorkersRequest {}).await;
        Ok(listed.map_err(refused)?.into_inner().workers)
    })?;
    if arguments.json {
        workers.iter().for_each(|worker| to_stdout(&as_json(worker).to_string()));
        return Ok(());
    }
    let mut table = Table::new(&["WORKER", "STATE", "SPANS", "COMMANDS", "DEVICES"]);
    for worker in &workers {
        let spans: u32 = worker.devices.iter().map(|device| device.spans).sum();
        let devices = worker.devices.iter().map(|device| match device.quarantined_for_ms {
            0 => device.name.clone(),
            ms => format!("{} (failed too often, tried again in {} s)", device.name, ms / 1000),
        });
        table.row(vec![
            worker.name.clone(),
            state(worker).to_owned(),
            spans.to_string(),
            match &worker.commands {
                Some(v1::CommandsInfo { places, running }) => format!("{running} of {places}"),
                None => "-".to_owned(),
            },
            devices.collect::<Vec<_>>().join(", "),
        ]);
    }
    if table.is_empty() {
        to_stdout(&format!(
            "no workers: start one with `segue worker --scheduler {} --store STORE`",
            arguments.scheduler.scheduler
        ));
    } else {
        table.lines().iter().for_each(|line| to_stdout(line));
    }
    Ok(())
}

fn state(worker: &v1::WorkerInfo) -> &'static str {
    let spans: u32 = worker.devices.iter().map(|device| device.spans).sum();
    let commands = worker.commands.map_or(0, |commands| commands.running);
    match (worker.connected, worker.suspected, worker.draining) {
        (false, _, _) => "away",
        (true, true, _) => "silent",
        (true, false, true) if spans + commands > 0 => "draining",
        (true, false, true) => "drained",
        (true, false, false) => "ready",
    }
}

fn as_json(worker: &v1::WorkerInfo) -> serde_json::Value {
    let device = |device: &v1::DeviceInfo| {
        json!({
            "name": device.name,
            "spans": device.spans,
            "quarantined_for_ms": device.quarantined_for_ms,
        })
    };
    json!({
        "worker": worker.worker,
        "name": worker.name,
        "state": state(worker),
        "connected": worker.connected,
        "draining": worker.draining,
        "commands": worker.commands.map(|commands| {
            json!({ "places": commands.places, "running": commands.running })
        }),
        "devices": worker.devices.iter().map(device).collect::<Vec<_>>(),
    })
}

/// Runs `segue drain`.
pub fn drain(arguments: &DrainArguments) -> Result<(), Ending> {
    let DrainArguments { worker, undo, scheduler } = arguments;
    scheduler.ask(|client| async move {
        let request = v1::DrainRequest { worker: worker.clone(), undo: *undo };
        let left = client.admin().drain(request).await.map_err(refused)?.into_inner();
        let spans = counted(left.spans.into(), "span");
        let commands = counted(left.commands.into(), "command");
        to_stdout(&match (undo, left.spans, left.commands) {
            (true, ..) => format!("{worker} is given work again"),
            (false, 0, 0) => format!("{worker} is empty, and is given nothing new"),
            (false, _, 0) => format!("{worker} is given nothing new, and hands back {spans}"),
            (false, 0, _) => format!("{worker} is given nothing new, and ends {commands} first"),
            (false, ..) => format!(
                "{worker} is given nothing new, hands back {spans}, and ends {commands} first"
            ),
        });
        Ok(())
    })
}
