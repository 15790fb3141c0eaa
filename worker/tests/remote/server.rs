//! The S3 server of the laboratory, and how this worker's films are read from it.

use std::ops::Deref;

use segue_store::S3Settings;
use segue_worker::{RemoteLimits, Sources};
use tokio::runtime::Handle;

pub struct Server(segue_s3_lab::Server);

impl Deref for Server {
    type Target = segue_s3_lab::Server;

    fn deref(&self) -> &segue_s3_lab::Server {
        &self.0
    }
}

impl Server {
    pub fn start() -> Server {
        Server(segue_s3_lab::Server::start())
    }

    pub fn sources(&self, limits: RemoteLimits) -> Sources {
        self.sources_on(self.handle(), limits)
    }

    /// Makes its requests on another runtime than the server's.
    pub fn sources_on(&self, runtime: Handle, limits: RemoteLimits) -> Sources {
        Sources::new(S3Settings::of(self.variables()), runtime).with_limits(limits)
    }

    /// With a secret that is not the server's.
    pub fn sources_of_a_stranger(&self) -> Sources {
        Sources::new(S3Settings::of(self.variables_as("someone", "wrong")), self.handle())
    }
}
