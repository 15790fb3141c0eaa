//! The way to a scheduler, and one line for a person where there is none.

use std::time::Duration;

use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::v1::admin_client::AdminClient;
use crate::v1::jobs_client::JobsClient;

/// A scheduler that does not answer within this is not there.
const CONNECT: Duration = Duration::from_secs(5);
/// A connection that says nothing for so long is asked, and given up if that is not answered in as long:
/// its host is gone, or stands still.
const KEEPALIVE: Duration = Duration::from_secs(3);

/// A connection to a scheduler. Clones share it.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
}

/// Why a scheduler was not reached, or did not do what it was asked to.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// That is no address.
    #[error("'{0}' is not the address of a scheduler: write http://host:port")]
    Address(String),
    /// Nobody is there.
    #[error(
        "no scheduler answers at {address}: {reason} (start one: segue scheduler --help; \
         or a whole pool: segue up)"
    )]
    Unreachable {
        /// Where it was looked for.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// It says why not.
    #[error("{}", words(.0))]
    Refused(#[source] Box<Status>),
}

impl Client {
    /// Connects to a scheduler, `http://host:port` or `host:port`.
    pub async fn connect(address: &str) -> Result<Client, ClientError> {
        let wrong = || ClientError::Address(address.to_owned());
        let url = match address.contains("://") {
            true => address.to_owned(),
            false => format!("http://{address}"),
        };
        if !url.starts_with("http://") {
            return Err(wrong());
        }
        let endpoint = Endpoint::from_shared(url).map_err(|_| wrong())?;
        if endpoint.uri().port().is_none() {
            return Err(wrong());
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        let channel = endpoint.connect().await.map_err(|error| ClientError::Unreachable {
            address: address.to_owned(),
            reason: last_cause(&error),
        })?;
        Ok(Client { channel })
    }

    /// The connection itself, for services that have no method here.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Jobs and who wants them.
    pub fn jobs(&self) -> JobsClient<Channel> {
        JobsClient::new(self.channel())
    }

    /// Workers.
    pub fn admin(&self) -> AdminClient<Channel> {
        AdminClient::new(self.channel())
    }
}

impl From<Status> for ClientError {
    fn from(status: Status) -> ClientError {
        ClientError::Refused(Box::new(status))
    }
}

impl ClientError {
    /// Whether it is the caller's to change what is asked for, rather than to try again.
    pub fn is_bad_input(&self) -> bool {
        match self {
            ClientError::Address(_) => true,
            ClientError::Unreachable { .. } => false,
            ClientError::Refused(status) => {
                matches!(status.code(), Code::InvalidArgument | Code::NotFound)
            }
        }
    }
}

/// What a scheduler said, on one line.
fn words(status: &Status) -> String {
    let said = status.message().split_whitespace().collect::<Vec<_>>().join(" ");
    match said.is_empty() {
        true => format!("the scheduler says no more than '{}'", status.code()),
        false => said,
    }
}

/// What is at the bottom of it; everything above says 'transport error'.
fn last_cause(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}
