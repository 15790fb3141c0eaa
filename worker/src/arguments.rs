//! What a worker is told on its command line, and by its environment.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use segue_store::{Kind, Location, StoreError};

use crate::command::{OfferError, Settings};
use crate::devices::TrialError;

/// Makes spans of films for a scheduler, on this machine's devices.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  segue worker --scheduler http://10.0.0.1:7700 --store /mnt/segue
      joins the pool of that scheduler; /mnt/segue is the same directory (NFS) on every machine
  AWS_ENDPOINT_URL=http://minio:9000 AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... \\
  segue worker --scheduler http://10.0.0.1:7700 --store s3://segue
      the same with a bucket
Ctrl-C or SIGTERM hands everything back: spans go on elsewhere, and nobody notices. Commands
are given a minute to end. A second signal ends the worker at once.
SEGUE_LOG=debug says more of what happens.")]
pub struct Arguments {
    /// The scheduler: http://host:port
    #[arg(long, value_name = "URL", env = "SEGUE_SCHEDULER")]
    pub scheduler: String,
    /// Where segments are kept, the same for all: a directory or s3://bucket/prefix
    #[arg(long, value_name = "STORE", env = "SEGUE_STORE")]
    pub store: Location,
    /// What this worker is called; no two may have the same name [default: the machine's name]
    #[arg(long, env = "SEGUE_WORKER_NAME",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub name: Option<String>,
    /// Where others read segments that are not stored yet; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        default_value = "127.0.0.1:0",
        env = "SEGUE_WORKER_LISTEN"
    )]
    pub listen: SocketAddr,
    /// What others call that address: host:port [default: as it listens]
    #[arg(long, value_name = "HOST:PORT", env = "SEGUE_WORKER_ADVERTISE")]
    pub advertise: Option<String>,
    /// Listen beyond this machine, without encryption or passwords
    #[arg(long, env = "SEGUE_INSECURE")]
    pub insecure: bool,
    /// Cores to use [default: all]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub cores: Option<u32>,
    /// Spans to encode at once when nobody watches [default: one per 4 cores]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub spans: Option<u32>,
    /// Mebibytes of segments to hold that the store has not taken yet
    #[arg(long, value_name = "MIB", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(16..=1 << 20))]
    pub memory: u32,
    /// Whether commands run here, and how.
    #[command(flatten)]
    pub commands: CommandArguments,
}

/// What a worker is told of commands: ffmpeg's lines that run here as they are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Commands")]
pub struct CommandArguments {
    /// Run lines of ffmpeg as they are, in a sandbox, for who cannot have them as jobs
    #[arg(long = "commands", env = "SEGUE_COMMANDS")]
    pub enabled: bool,
    /// The same where that works; said, and done without, where it does not
    #[arg(long = "commands-if-possible", hide = true)]
    pub if_possible: bool,
    /// The ffmpeg that runs them: a program, no script
    #[arg(long, value_name = "PATH", default_value = "ffmpeg", env = "SEGUE_FFMPEG")]
    pub ffmpeg: PathBuf,
    /// The ffprobe that does
    #[arg(long, value_name = "PATH", default_value = "ffprobe", env = "SEGUE_FFPROBE")]
    pub ffprobe: PathBuf,
    /// How many at once
    #[arg(long = "command-places", value_name = "N", default_value_t = 2,
          env = "SEGUE_COMMAND_PLACES", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub places: u32,
    /// Where they write; each in a directory of its own, which ends with it
    #[arg(
        long = "command-scratch",
        value_name = "DIR",
        default_value = "/var/tmp/segue",
        env = "SEGUE_COMMAND_SCRATCH"
    )]
    pub scratch: PathBuf,
    /// Gibibytes that each may have there
    #[arg(long = "command-scratch-gib", value_name = "GIB", default_value_t = 64,
          env = "SEGUE_COMMAND_SCRATCH_GIB", value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    pub scratch_gib: u32,
    /// Directories in which callers may name films by their path here (comma-separated); others are
    /// read from the callers
    #[arg(
        long = "command-media",
        value_name = "DIR",
        env = "SEGUE_COMMAND_MEDIA",
        value_delimiter = ','
    )]
    pub media: Vec<PathBuf>,
    /// The GPU that they get [default: the first /dev/dri/renderD*]
    #[arg(long = "command-device", value_name = "PATH", env = "SEGUE_COMMAND_DEVICE")]
    pub device: Option<PathBuf>,
    /// Let lines that name the network reach it
    #[arg(long = "command-network", env = "SEGUE_COMMAND_NETWORK")]
    pub network: bool,
}

impl CommandArguments {
    /// What they mean. `None`: no commands are run.
    pub fn settings(&self) -> Option<Settings> {
        let CommandArguments {
            enabled,
            if_possible,
            ffmpeg,
            ffprobe,
            places,
            scratch,
            scratch_gib,
            media,
            device,
            network,
        } = self.clone();
        (enabled || if_possible).then(|| Settings {
            ffmpeg,
            ffprobe,
            places,
            scratch,
            scratch_max: u64::from(scratch_gib) << 30,
            media,
            device: device.or_else(first_device),
            network,
        })
    }
}

fn first_device() -> Option<PathBuf> {
    let entries = std::fs::read_dir("/dev/dri").ok()?;
    let mut nodes: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    nodes.retain(|node| node.to_string_lossy().contains("/renderD"));
    nodes.into_iter().min()
}

/// Why a worker does not work.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// It was told what cannot be.
    #[error("{0}")]
    Usage(String),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// This machine does not encode.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// Commands cannot be run.
    #[error(transparent)]
    Commands(#[from] OfferError),
    /// The system does not let it.
    #[error("{0}")]
    System(String),
}

impl WorkerError {
    /// For scripts and supervisors: 2 for what can never be as asked, 1 for what may pass.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            WorkerError::Usage(_) | WorkerError::Commands(_) => 2,
            WorkerError::Store(error) => match error.kind() {
                Kind::Missing | Kind::Unsupported => 2,
                Kind::Unavailable | Kind::Full | Kind::Refused | Kind::Damaged => 1,
            },
            WorkerError::Trial(_) | WorkerError::System(_) => 1,
        })
    }
}
