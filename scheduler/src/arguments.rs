//! What the command line says, what it means, and the process around it.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use segue_store::Location;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use tracing_subscriber::EnvFilter;

use crate::error::Error;
use crate::retention::Keep;
use crate::serve::{Scheduler, Settings};

/// What still runs when all is said and done may take so long.
const GRACE: Duration = Duration::from_secs(1);
/// The exit code of who did not wait for the end, as shells have it.
const AT_ONCE: i32 = 130;

/// Takes jobs and gives their spans to workers.
///
/// One scheduler leads a pool. Workers and clients connect to it; films never pass through it. What
/// it promised (batches) is in the ledger, what was made is in the store: it may be killed at any time
/// and started again. Viewers notice only if that takes longer than what their players have in store.
#[derive(Clone, Debug, Args)]
pub struct Arguments {
    /// Where to listen: gRPC, and /metrics and /healthz over HTTP. Port 0 takes any that is free.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7700", env = "SEGUE_LISTEN")]
    pub listen: SocketAddr,
    /// The file that batches are remembered in (SQLite); made if there is none. One scheduler uses it
    /// at a time. On a local disk: network file systems lose locks.
    #[arg(long, value_name = "FILE", env = "SEGUE_LEDGER")]
    pub ledger: PathBuf,
    /// Where jobs and segments are kept: a directory (also one on NFS) or s3://bucket/prefix. The
    /// workers' --store has to be the same. S3 is set up by the usual AWS_* variables.
    #[arg(long, value_name = "URL", env = "SEGUE_STORE")]
    pub store: String,
    /// Most that the store may hold, such as 500G or 2T: beyond it whole jobs are removed that nobody
    /// wants, those first that were wanted longest ago [default: no limit]
    #[arg(long, value_name = "SIZE", env = "SEGUE_KEEP", value_parser = size)]
    pub keep: Option<u64>,
    /// Listen also where other machines can reach it. There is neither TLS nor authentication yet:
    /// whoever reaches it may read every film that its workers can.
    #[arg(long, env = "SEGUE_INSECURE")]
    pub insecure: bool,
}

impl Arguments {
    /// What they mean, if they can be meant.
    pub fn settings(&self) -> Result<Settings, Error> {
        if !self.listen.ip().is_loopback() && !self.insecure {
            return Err(Error::Exposed(self.listen));
        }
        let store: Location = self.store.parse()?;
        let keep = self.keep.map(Keep::bytes);
        Ok(Settings { keep, ..Settings::new(self.ledger.clone(), store) })
    }
}

/// Runs a scheduler until SIGINT or SIGTERM. Says one line on standard output when it is ready:
/// `listening on 127.0.0.1:7700`. A second signal ends the process at once.
pub fn run(arguments: Arguments) -> Result<(), Error> {
    let settings = arguments.settings()?;
    log_to_stderr();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Error::System { what: "threads cannot be started", error })?;
    let ended = runtime.block_on(run_here(settings, arguments.listen));
    // A disk that does not answer would hold its threads, and with them the process, for ever.
    runtime.shutdown_timeout(GRACE);
    ended
}

async fn run_here(settings: Settings, address: SocketAddr) -> Result<(), Error> {
    let stop = CancellationToken::new();
    stop_on_signals(&stop)?;
    // What is set up wrong stops the process before a port opens.
    let scheduler = Scheduler::open(settings).await?;
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    let (listener, address) = bound.await.map_err(|error| Error::Listen { address, error })?;
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout(), "listening on {address}");
    scheduler.serve(listener, stop).await
}

fn stop_on_signals(stop: &CancellationToken) -> Result<(), Error> {
    let taken = |kind| {
        signal(kind).map_err(|error| Error::System { what: "signals cannot be taken", error })
    };
    let (mut interrupt, mut terminate) =
        (taken(SignalKind::interrupt())?, taken(SignalKind::terminate())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => info!("interrupted"),
            _ = terminate.recv() => info!("asked to end"),
        }
        stop.cancel();
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        warn!("asked again: ends at once");
        std::process::exit(AT_ONCE);
    });
    Ok(())
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_env("SEGUE_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // If the program that embeds us logs already, that does.
    let _ = subscriber.with_ansi(terminal).with_target(false).try_init();
}

/// Bytes, from a number and what it counts: decimal, as disks are sold.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no size: write 500G, 2T or a number of bytes");
    let (number, unit) = match text.find(|c: char| !c.is_ascii_digit()) {
        None => (text, 1),
        Some(at) => {
            let unit = match &text[at..] {
                "k" | "K" => 1_000,
                "M" => 1_000_000,
                "G" => 1_000_000_000,
                "T" => 1_000_000_000_000,
                _ => return Err(wrong()),
            };
            (&text[..at], unit)
        }
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(unit).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_read_as_they_are_sold() {
        assert_eq!(size("2T"), Ok(2_000_000_000_000));
        assert_eq!(size("17"), Ok(17));
        for wrong in ["", "G", "1.5G", "-1", "5X", "99999999999T"] {
            assert!(size(wrong).is_err(), "{wrong}");
        }
    }
}
