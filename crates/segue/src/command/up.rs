//! `segue up`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use crate::ending::Ending;
use crate::pool;

/// Run everything on this machine: a scheduler and some workers, each a process of its own.
///
/// One that dies is started again; what it made meanwhile is not lost, and its spans go on in the
/// others. More machines can join with `segue worker`, if the store is one that they share and the
/// scheduler listens beyond this machine.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  segue up
      everything in ~/.local/share/segue, at http://127.0.0.1:7700
  segue up --data /srv/segue --workers 3
  segue up --store s3://segue --listen 0.0.0.0:7700 --insecure
      segments in a bucket, and open to a network that is yours alone")]
pub struct Arguments {
    /// Where ledger and store are [default: segue in $XDG_DATA_HOME, or ~/.local/share]
    #[arg(long, value_name = "DIR", env = "SEGUE_DATA")]
    data: Option<PathBuf>,
    /// Where segments are kept: a directory or s3://bucket/prefix [default: store in the data]
    #[arg(long, value_name = "STORE", env = "SEGUE_STORE")]
    store: Option<String>,
    /// Where the scheduler listens. Beyond this machine workers do so too, on ports of their own: at the
    /// same IP, or where that is any (0.0.0.0) at the one that this machine's default route begins at,
    /// without one for this machine alone
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7700", env = "SEGUE_LISTEN")]
    listen: SocketAddr,
    /// Listen beyond this machine, without encryption or passwords
    #[arg(long)]
    insecure: bool,
    /// Most that the store may hold, such as 500G: beyond it jobs go that nobody wants [default: no
    /// limit]
    #[arg(long, value_name = "SIZE", env = "SEGUE_KEEP")]
    keep: Option<String>,
    /// How many workers [default: 2, or one per 8 cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: Option<u32>,
    /// Cores that each worker uses [default: all cores, shared out]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    cores: Option<u32>,
}

/// Runs it.
pub fn run(arguments: Arguments) -> Result<(), Ending> {
    let available = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    let workers = arguments.workers.unwrap_or((available / 8).max(2));
    let data = match arguments.data {
        Some(data) => data,
        None => default_data()?,
    };
    pool::up(&pool::UpSettings {
        data,
        store: arguments.store,
        listen: arguments.listen,
        insecure: arguments.insecure,
        keep: arguments.keep,
        workers,
        cores: arguments.cores.unwrap_or(available.div_ceil(workers)),
    })
}

fn default_data() -> Result<PathBuf, Ending> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let share = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    let share = share.ok_or_else(|| {
        Ending::BadInput("HOME is not set: say with --data where to keep things".to_owned())
    })?;
    Ok(share.join("segue"))
}
