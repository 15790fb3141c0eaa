//! The way to a pool: the first scheduler that answers.

use segue_api::{Client, ClientError};
use tonic::{Code, Status};

use crate::config::Config;
use crate::trouble::Trouble;

/// A scheduler that answers.
#[derive(Clone, Debug)]
pub struct Pool {
    /// The connection.
    pub client: Client,
    /// Where it is.
    pub address: String,
}

impl Pool {
    /// Asks each scheduler in turn.
    pub async fn reach(config: &Config) -> Result<Pool, Trouble> {
        let mut reasons = Vec::new();
        for address in &config.schedulers {
            match Client::connect(address).await {
                Ok(client) => return Ok(Pool { client, address: address.clone() }),
                Err(ClientError::Unreachable { address, reason }) => {
                    reasons.push(format!("no scheduler answers at {address} ({reason})"));
                }
                Err(error) => reasons.push(error.to_string()),
            }
        }
        if reasons.is_empty() {
            reasons.push("no scheduler is configured: set SEGUE_SCHEDULER".to_owned());
        }
        Err(Trouble::Unreachable(reasons.join("; ")))
    }
}

/// What a scheduler's refusal means for a line of which nothing was done yet.
pub fn refused(status: &Status) -> Trouble {
    let words = status.message().split_whitespace().collect::<Vec<_>>().join(" ");
    match status.code() {
        Code::InvalidArgument | Code::NotFound | Code::FailedPrecondition => {
            Trouble::NotAJob(words)
        }
        Code::ResourceExhausted | Code::DeadlineExceeded => Trouble::Busy(words),
        _ if words.is_empty() => Trouble::Unreachable(status.code().to_string()),
        _ => Trouble::Unreachable(words),
    }
}
