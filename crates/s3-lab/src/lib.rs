//! Test support: a real S3 server on a port of its own. It is s3s over a directory, with what that
//! lacks: buckets have to exist, conditions are heeded, and of two puts that create the same object
//! at once only one does. It counts what it is asked for, and can be told to misbehave.

#![forbid(unsafe_code)]

mod objects;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStoreExt};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tokio::time::timeout;

use objects::Objects;

/// The bucket that it has from the beginning.
pub const BUCKET: &str = "films";
const KEY: &str = "someone";
const SECRET: &str = "something";
/// Far longer than anything takes that tests wait for, so that a hang fails instead of hanging.
const LONG: Duration = Duration::from_secs(60);

/// What is wrong with it.
#[derive(Debug, Default)]
pub struct Faults {
    /// So many requests are refused as too many.
    pub refusals: AtomicU32,
    /// Takes no notice of `If-None-Match`.
    pub replaces: AtomicBool,
    /// Takes no notice of `If-Match`.
    pub ignores_conditions: AtomicBool,
    /// Its clock is another one.
    pub clock: AtomicBool,
}

/// What it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Objects, or parts of them.
    pub gets: u64,
    /// How much of them.
    pub bytes: u64,
    /// Objects to be kept.
    pub puts: u64,
    /// Requests of any kind that have not been answered.
    pub waiting: u64,
}

/// The server, for as long as this is there. It has threads of its own: tests may block.
pub struct Server {
    // None only while it is dropped.
    runtime: Option<Runtime>,
    address: SocketAddr,
    /// What is wrong with it, to be changed at any time.
    pub faults: Arc<Faults>,
    stalled: watch::Sender<bool>,
    asked: watch::Receiver<Asked>,
    _folder: tempfile::TempDir,
}

impl Server {
    /// Starts one with an empty bucket.
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let faults = Arc::new(Faults::default());
        let (stalled, waits) = watch::channel(false);
        let (tell, asked) = watch::channel(Asked::default());
        let objects = Objects::new(folder.path(), faults.clone(), waits, tell);
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let runtime = Runtime::new().expect("a runtime");
        runtime.spawn(serve(listener, service.build()));
        Server { runtime: Some(runtime), address, faults, stalled, asked, _folder: folder }
    }

    /// Lets every request wait, or those that wait go on.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    /// Refuses every request as too many, or takes them again.
    pub fn refuse(&self, refuses: bool) {
        self.faults.refusals.store(if refuses { u32::MAX } else { 0 }, Ordering::SeqCst);
    }

    /// What it was asked for so far.
    pub fn asked(&self) -> Asked {
        *self.asked.borrow()
    }

    /// Waits until so many requests wait.
    pub fn wait_for_waiting(&self, requests: u64) {
        self.wait_for(|asked| asked.waiting >= requests);
    }

    /// Waits until it was asked for objects so often.
    pub fn wait_for_gets(&self, gets: u64) {
        self.wait_for(|asked| asked.gets >= gets);
    }

    fn wait_for(&self, is_so: impl Fn(&Asked) -> bool) {
        let mut asked = self.asked.clone();
        let waited = async { timeout(LONG, asked.wait_for(is_so)).await.map(|_| ()) };
        self.runtime().block_on(waited).expect("what is waited for happens");
    }

    /// Puts an object into the bucket, as any client does.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let put = async { self.client().put(&Key::from(key), bytes.into().into()).await };
        self.runtime().block_on(put).expect("an object is put");
    }

    /// Removes one.
    pub fn remove(&self, key: &str) {
        let removed = async { self.client().delete(&Key::from(key)).await };
        self.runtime().block_on(removed).expect("an object is removed");
    }

    /// The variables by which a client finds it, and is let in.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.variables_as(KEY, SECRET)
    }

    /// The same for somebody who calls himself otherwise.
    pub fn variables_as(&self, key: &str, secret: &str) -> Vec<(String, String)> {
        let variables = [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", key.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ];
        variables.map(|(name, value)| (name.to_owned(), value)).to_vec()
    }

    /// The threads it runs on.
    pub fn handle(&self) -> Handle {
        self.runtime().handle().clone()
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("it runs until it is dropped")
    }

    fn client(&self) -> impl ObjectStoreExt {
        AmazonS3Builder::new()
            .with_client_options(ClientOptions::new().with_allow_http(true))
            .with_endpoint(format!("http://{}", self.address))
            .with_region("us-east-1")
            .with_access_key_id(KEY)
            .with_secret_access_key(SECRET)
            .with_bucket_name(BUCKET)
            .build()
            .expect("a client")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Tests that are themselves asynchronous must not wait for it.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

async fn serve(listener: TcpListener, service: S3Service) {
    listener.set_nonblocking(true).expect("a listener");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a listener");
    while let Ok((socket, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let http = Builder::new(TokioExecutor::new());
            // A client that goes away is its own affair.
            let _ = http.serve_connection(TokioIo::new(socket), service).await;
        });
    }
}
