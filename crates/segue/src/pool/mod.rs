//! Working with a pool: its scheduler is asked, and what it says is shown.

mod copy;
mod show;
mod table;
mod transcode;
mod up;

use std::future::Future;

use clap::Args;
use rustix::process::{Pid, Signal};
use segue_api::v1;
use segue_api::{Client, ClientError};

use crate::ending::Ending;

pub use show::{job_json, job_line, losses, state_name};
pub use table::Table;
pub use transcode::{Settings, run as transcode};
pub use up::{Settings as UpSettings, run as up};

/// Names the process that started this one, and that it is not to outlive.
const PARENT: &str = "SEGUE_PARENT";

/// Ends this process in good order when the one is gone that `segue up` runs in.
pub fn end_with_parent() {
    let parent = std::env::var(PARENT).ok().and_then(|pid| pid.parse::<i32>().ok());
    let Some(parent) = parent else { return };
    // Where the system does not allow it, a supervisor that was killed leaves the others behind.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::TERM));
    if rustix::process::getppid().map(Pid::as_raw_pid) != Some(parent) {
        std::process::exit(1);
    }
}

/// Which scheduler.
#[derive(Clone, Debug, Args)]
pub struct Scheduler {
    /// The scheduler: http://host:port
    #[arg(
        long,
        value_name = "URL",
        env = "SEGUE_SCHEDULER",
        default_value = "http://127.0.0.1:7700"
    )]
    pub scheduler: String,
}

impl Scheduler {
    /// Asks it something.
    pub fn ask<T, F>(&self, ask: impl FnOnce(Client) -> F) -> Result<T, Ending>
    where
        F: Future<Output = Result<T, Ending>>,
    {
        block_on(async { ask(Client::connect(&self.scheduler).await?).await })
    }
}

/// Runs what waits for the network or for children, on this thread.
pub fn block_on<T>(future: impl Future<Output = Result<T, Ending>>) -> Result<T, Ending> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Ending::Failed(format!("segue cannot start: {error}")))?;
    let done = runtime.block_on(future);
    // A file that a dead mount does not give is not waited for.
    runtime.shutdown_background();
    done
}

/// All jobs that a scheduler knows, or the first `most`.
pub async fn list(client: &Client, most: usize) -> Result<Vec<v1::JobInfo>, Ending> {
    let mut jobs = Vec::new();
    let mut page_token = String::new();
    while jobs.len() < most {
        let page_size = (most - jobs.len()).min(500) as u32;
        let request = v1::ListRequest { page_size, page_token };
        let page = client.jobs().list(request).await.map_err(refused)?.into_inner();
        jobs.extend(page.jobs);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    jobs.truncate(most);
    Ok(jobs)
}

/// The job that `text` names: its id, or how that begins if no other begins like that.
pub async fn find(client: &Client, text: &str) -> Result<String, Ending> {
    let is_hexadecimal = text.chars().all(|c| c.is_ascii_hexdigit());
    if text.is_empty() || text.len() > 64 || !is_hexadecimal {
        return Err(Ending::BadInput(format!(
            "'{text}' is no job's id, nor how one begins: `segue jobs` lists those that the scheduler \
             knows"
        )));
    }
    if text.len() == 64 {
        return Ok(text.to_owned());
    }
    let begin = text.to_ascii_lowercase();
    let jobs = list(client, usize::MAX).await?;
    let mut found = jobs.into_iter().map(|job| job.job).filter(|job| job.starts_with(&begin));
    match (found.next(), found.next()) {
        (Some(job), None) => Ok(job),
        (None, _) => Err(Ending::BadInput(format!(
            "no job that the scheduler knows begins with {text}: `segue jobs` lists those; one that was \
             finished a while ago is found by its whole id"
        ))),
        (Some(_), Some(_)) => {
            Err(Ending::BadInput(format!("several jobs' ids begin with {text}: write more of it")))
        }
    }
}

/// What a scheduler's refusal means for a command.
pub fn refused(status: tonic::Status) -> Ending {
    ClientError::from(status).into()
}

impl From<ClientError> for Ending {
    fn from(error: ClientError) -> Ending {
        let text = error.to_string();
        if error.is_bad_input() { Ending::BadInput(text) } else { Ending::Failed(text) }
    }
}
