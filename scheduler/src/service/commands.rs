//! `Commands.Place`: who runs a command. The command itself never comes by here.

use std::pin::Pin;
use std::time::Duration;

use segue_api::v1;
use segue_api::v1::commands_server::Commands;
use segue_model::Hash;
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};
use tonic_types::{ErrorDetails, StatusExt};

use super::{Services, words};
use crate::leader::NoPlace;

/// Whoever found no place tries again after this.
const SOON: Duration = Duration::from_millis(500);
/// A line that needs more names than that is none.
const NEEDS_MAX: usize = 1_000;

#[tonic::async_trait]
impl Commands for Services {
    async fn place(
        &self,
        request: Request<v1::PlaceRequest>,
    ) -> Result<Response<v1::PlaceResponse>, Status> {
        let v1::PlaceRequest { needs, not_on } = request.into_inner();
        if needs.len() > NEEDS_MAX {
            return Err(words::field("needs", &format!("are more than {NEEDS_MAX}")));
        }
        let ticket = ticket()?;
        let placed = self.leader.place(needs, not_on, ticket).await.map_err(words::ended)?;
        match placed {
            Ok(place) => Ok(Response::new(v1::PlaceResponse {
                ticket: place.ticket,
                address: place.address,
                worker: place.worker,
            })),
            Err(NoPlace::Nobody) => Err(words::try_again(
                "no worker that runs commands is there: start one with --commands, or end its drain",
                SOON,
            )),
            Err(NoPlace::Full) => {
                let details = ErrorDetails::with_retry_info(Some(SOON));
                let words = "every worker that could run this command has all its places taken";
                Err(Status::with_error_details(Code::ResourceExhausted, words, details))
            }
            Err(NoPlace::Lacking(missing)) => Err(Status::failed_precondition(lacking(&missing))),
        }
    }

    type RunStream = Pin<Box<dyn Stream<Item = Result<v1::RunResponse, Status>> + Send>>;

    async fn run(
        &self,
        _: Request<Streaming<v1::RunRequest>>,
    ) -> Result<Response<Self::RunStream>, Status> {
        Err(Status::unimplemented("commands run on workers: ask Place for the address of one"))
    }
}

fn lacking(missing: &[String]) -> String {
    let network = missing.iter().any(|need| need == "network");
    let remedy = match network {
        true => "a worker with --command-network may reach the network",
        false => "a worker's --ffmpeg may name another build",
    };
    format!("no worker has all that the command needs: {} ({remedy})", missing.join(", "))
}

/// Nobody can guess it.
fn ticket() -> Result<String, Status> {
    let mut random = [0; 32];
    let filled = rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty());
    match filled {
        // Hashed for its spelling alone.
        Ok(count) if count == random.len() => Ok(Hash::of(&random).to_string()),
        _ => Err(words::try_again("the system gives no random numbers", SOON)),
    }
}
