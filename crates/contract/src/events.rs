//! Named moments of a scenario, at which a caller may cause a fault.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::sync::Arc;

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
}

/// What is called at each moment; the scenario goes on when it returns.
pub type Listener = Arc<dyn Fn(&Event) -> Result<(), ContractError> + Send + Sync>;

/// A listener that runs shell commands: each at the first event of its name.
pub fn commands(hooks: Vec<(String, String)>) -> Listener {
    let left = std::sync::Mutex::new(BTreeMap::from_iter(hooks));
    Arc::new(move |event| {
        let command = match left.lock() {
            Ok(mut left) => left.remove(&event.name),
            Err(_) => None,
        };
        let Some(command) = command else { return Ok(()) };
        let status = Command::new("sh")
            .args(["-c", &command])
            .env("CONTRACT_EVENT", &event.name)
            .env("CONTRACT_SCENARIO", &event.scenario)
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
    })
}
