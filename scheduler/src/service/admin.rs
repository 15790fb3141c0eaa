//! What an administrator asks.

use segue_api::v1;
use segue_api::v1::admin_server::Admin;
use tonic::{Request, Response, Status};

use super::{Services, words};

#[tonic::async_trait]
impl Admin for Services {
    async fn list_workers(
        &self,
        _: Request<v1::ListWorkersRequest>,
    ) -> Result<Response<v1::ListWorkersResponse>, Status> {
        let workers = self.leader.workers().await.map_err(words::ended)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        Ok(Response::new(v1::ListWorkersResponse { workers, version }))
    }

    async fn drain(
        &self,
        request: Request<v1::DrainRequest>,
    ) -> Result<Response<v1::DrainResponse>, Status> {
        let v1::DrainRequest { worker, undo } = request.into_inner();
        if worker.is_empty() {
            return Err(words::field("worker", "is empty: name a worker, or its number"));
        }
        let left = self.leader.drain(worker.clone(), !undo).await.map_err(words::ended)?;
        let unknown = || Status::not_found(format!("no worker is called '{worker}' here"));
        Ok(Response::new(left.ok_or_else(unknown)?))
    }
}
