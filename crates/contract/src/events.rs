//! Named moments of a scenario, at which a caller may cause a fault.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::ContractError;

/// A moment of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its name: `job-started`, `segment-3-ready`, `seek-120`, `paused`, `resumed`, `stopping`.
    pub name: String,
    /// The scenario.
    pub scenario: String,
    /// The process that serves it, if one runs.
    pub process: Option<u32>,
    /// Which of two media servers it happened at; 0 where there is one.
    pub replica: usize,
    /// The scenario's directory, in which `transcodes-REPLICA` holds a stream's files.
    pub directory: PathBuf,
}

/// What is called at each moment; the scenario goes on when it returns.
pub type Listener = Arc<dyn Fn(&Event) -> Result<(), ContractError> + Send + Sync>;

/// Shell commands that are run when something happens first: event and command.
#[derive(Clone, Debug, Default)]
pub struct Hooks(Arc<Mutex<Vec<(String, String)>>>);

impl Hooks {
    /// None was run yet.
    pub fn new(hooks: Vec<(String, String)>) -> Self {
        Self(Arc::new(Mutex::new(hooks)))
    }

    /// What runs them.
    pub fn listener(&self) -> Listener {
        let hooks = self.clone();
        Arc::new(move |event| {
            let is_due = |(name, _): &mut (String, String)| *name == event.name;
            let due: Vec<_> = hooks.left().extract_if(.., is_due).collect();
            due.into_iter().try_for_each(|(_, command)| run(command, event))
        })
    }

    /// That each of them was run: one that was not has caused no fault, and nothing was shown.
    ///
    /// # Errors
    /// When one was not.
    pub fn all_run(&self) -> Result<(), ContractError> {
        match self.left().first() {
            Some((event, _)) => Err(ContractError::NoEvent { event: event.clone() }),
            None => Ok(()),
        }
    }

    fn left(&self) -> MutexGuard<'_, Vec<(String, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(command: String, event: &Event) -> Result<(), ContractError> {
    let status = Command::new("sh")
        .args(["-c", &command])
        .env("CONTRACT_EVENT", &event.name)
        .env("CONTRACT_SCENARIO", &event.scenario)
        .env("CONTRACT_DIRECTORY", &event.directory)
        .env("CONTRACT_REPLICA", event.replica.to_string())
        .env("CONTRACT_PROCESS", event.process.map(|id| id.to_string()).unwrap_or_default())
        .stdin(Stdio::null())
        .status();
    let failed = match status {
        Ok(status) if status.success() => return Ok(()),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(ContractError::Hook { command, status: failed })
}
