//! `Jobs.Demand`: what the viewers of one client need, and what becomes of it.

use segue_api::request::job_id;
use segue_api::{Invalid, v1};
use segue_model::pool::Renditions;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use super::{Services, words};
use crate::leader::{ToViewers, Viewer};

/// Answers that may be under way to a client. What is new meanwhile waits, and is sent as one.
const UNDER_WAY_MAX: usize = 16;

impl Services {
    /// Listens to a client for as long as it speaks.
    pub(super) fn attend(
        &self,
        incoming: Streaming<v1::DemandRequest>,
    ) -> ReceiverStream<Result<v1::DemandResponse, Status>> {
        let (outgoing, responses) = mpsc::channel(UNDER_WAY_MAX);
        let services = self.clone();
        self.tasks.spawn(async move {
            let stream = services.number();
            services.hear_viewers(stream, incoming, outgoing).await;
            // Nothing is lost if nobody is there to hear it.
            let _ = services.leader.viewers_gone(stream).await;
        });
        ReceiverStream::new(responses)
    }

    async fn hear_viewers(
        &self,
        stream: u64,
        mut incoming: Streaming<v1::DemandRequest>,
        outgoing: ToViewers,
    ) {
        loop {
            let message = tokio::select! {
                message = incoming.message() => message,
                () = outgoing.closed() => return,
                () = self.stop.cancelled() => {
                    let _ = outgoing.try_send(Err(words::ending()));
                    return;
                }
            };
            let Ok(Some(message)) = message else { return };
            match read(message) {
                Ok(viewers) => {
                    let told = self.leader.demand(stream, viewers, outgoing.clone()).await;
                    if told.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    let _ = outgoing.try_send(Err(words::field(&error.0, &error.1)));
                    return;
                }
            }
        }
    }
}

fn read(message: v1::DemandRequest) -> Result<Vec<Viewer>, (String, String)> {
    let viewers = message.viewers.into_iter().enumerate();
    viewers.map(|(at, viewer)| read_viewer(viewer, &format!("viewers[{at}]"))).collect()
}

fn read_viewer(wire: v1::Viewer, outer: &str) -> Result<Viewer, (String, String)> {
    let v1::Viewer { viewer: name, job, renditions, segment, due_in_ms, to_end } = wire;
    let job =
        job_id(&job).map_err(|Invalid { field, reason }| (format!("{outer}.{field}"), reason))?;
    if let Some(wrong) = renditions.iter().find(|index| **index >= Renditions::MAX) {
        return Err((format!("{outer}.renditions"), format!("{wrong} is no index of a rendition")));
    }
    let renditions = renditions.into_iter().collect();
    Ok(Viewer { name, job, renditions, segment, due_in_ms, to_end })
}
