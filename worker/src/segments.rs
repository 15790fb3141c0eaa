//! The `Segments` service: what is on the shelf, for those who cannot wait until it is stored.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use segue_api::{request::job_id, v1};
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use crate::shelf::{Label, Shelf};

/// A message holds at most this much.
const PIECE: usize = 256 << 10;

/// Serves a shelf.
pub struct Segments(pub Arc<Shelf>);

#[tonic::async_trait]
impl v1::segments_server::Segments for Segments {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<v1::ReadResponse, Status>> + Send>>;

    async fn read(
        &self,
        request: Request<v1::ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let v1::ReadRequest { job, rendition, index } = request.into_inner();
        let job = job_id(&job).map_err(|error| Status::invalid_argument(error.to_string()))?;
        let label = Label { job, rendition, index };
        let Some(bytes) = self.0.read(label) else {
            return Err(Status::not_found("not held here any more: it is in the store, or gone"));
        };
        Ok(Response::new(Box::pin(tokio_stream::iter(pieces(bytes)))))
    }
}

fn pieces(mut bytes: Bytes) -> impl Iterator<Item = Result<v1::ReadResponse, Status>> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then(|| Ok(v1::ReadResponse { data: piece.into() }))
    })
}
