//! Asks a scheduler for a worker that can run a line.

use std::time::Duration;

use segue_api::v1::commands_client::CommandsClient;
use segue_api::v1::{PlaceRequest, PlaceResponse};
use segue_api::{Client, ClientError};
use segue_ffmpeg::FallbackPolicy;
use tokio::time::Instant;
use tonic::Code;

use crate::config::Config;
use crate::trouble::Trouble;

/// Between two questions to a pool that has no room.
const PAUSE: Duration = Duration::from_millis(500);
/// Whoever waits for the rest of a run waits so long.
const INSIST: Duration = Duration::from_secs(30);

/// A worker that keeps a place for us; none of `lost`, if there is another. A pool without room is
/// waited for as long as `config` says.
pub async fn find(
    config: &Config,
    needs: &[String],
    lost: &[String],
) -> Result<PlaceResponse, Trouble> {
    let give_up = Instant::now() + config.busy_wait;
    loop {
        match ask(config, needs, lost).await {
            Err(Trouble::Busy(words)) => {
                if Instant::now() + PAUSE > give_up {
                    return Err(Trouble::Busy(words));
                }
                tokio::time::sleep(PAUSE).await;
            }
            other => return other,
        }
    }
}

/// The same for a run that is half done: whatever is in the way may pass.
pub async fn insist(
    config: &Config,
    needs: &[String],
    lost: &[String],
) -> Result<PlaceResponse, Trouble> {
    let give_up = Instant::now() + INSIST;
    loop {
        match find(config, needs, lost).await {
            Err(_) if Instant::now() + PAUSE < give_up => tokio::time::sleep(PAUSE).await,
            other => return other,
        }
    }
}

async fn ask(config: &Config, needs: &[String], lost: &[String]) -> Result<PlaceResponse, Trouble> {
    let mut why = "no scheduler is configured: say `schedulers` in the configuration".to_owned();
    for scheduler in &config.schedulers {
        let client = match Client::connect(scheduler).await {
            Ok(client) => client,
            Err(error) => {
                why = error.to_string();
                continue;
            }
        };
        let wish = PlaceRequest { needs: needs.to_vec(), not_on: lost.to_vec() };
        match CommandsClient::new(client.channel()).place(wish).await {
            Ok(place) => return Ok(place.into_inner()),
            Err(status) if status.code() == Code::ResourceExhausted => {
                return Err(Trouble::Busy(status.message().to_owned()));
            }
            // Nothing else would do it: whoever has the least says in ffmpeg's own words what is
            // wrong.
            Err(status)
                if status.code() == Code::FailedPrecondition
                    && config.fallback == FallbackPolicy::Never
                    && needs.iter().any(|need| is_ffmpegs(need)) =>
            {
                let rest: Vec<String> =
                    needs.iter().filter(|need| !is_ffmpegs(need)).cloned().collect();
                return Box::pin(ask(config, &rest, lost)).await;
            }
            Err(status) => why = ClientError::from(status).to_string(),
        }
    }
    Err(Trouble::Unreachable(why))
}

/// Whether it is a part of ffmpeg that is needed, rather than of a machine.
fn is_ffmpegs(need: &str) -> bool {
    let parts = ["encoder:", "decoder:", "filter:", "muxer:", "demuxer:"];
    parts.iter().any(|part| need.starts_with(part))
}
