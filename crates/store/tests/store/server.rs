//! A real S3 server on a port of its own: s3s over a directory, with what that lacks (buckets have to
//! exist, and of two puts that create the same object at once only one does). Can be told to
//! misbehave.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, GetObjectInput,
    GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input, ListObjectsV2Output,
    PutObjectInput, PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use segue_store::S3Settings;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, watch};

pub const BUCKET: &str = "films";
const KEY: &str = "someone";
const SECRET: &str = "something";

/// What is wrong with it.
#[derive(Debug, Default)]
pub struct Faults {
    /// Refuses everything as overloaded.
    pub errs: AtomicBool,
    /// Takes no notice of `If-None-Match`.
    pub replaces: AtomicBool,
    /// Its clock is another one.
    pub clock: AtomicBool,
}

pub struct Server {
    address: SocketAddr,
    pub faults: Arc<Faults>,
    stalled: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub async fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let faults = Arc::new(Faults::default());
        let (stalled, waits) = watch::channel(false);
        let objects = Objects {
            files: FileSystem::new(folder.path()).expect("a file system"),
            root: folder.path().to_owned(),
            puts: Mutex::new(()),
            faults: faults.clone(),
            waits,
        };
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    // A client that goes away is its own affair.
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Server { address, faults, stalled, _folder: folder }
    }

    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    pub fn settings(&self) -> S3Settings {
        self.settings_as(KEY, SECRET)
    }

    pub fn settings_as(&self, key: &str, secret: &str) -> S3Settings {
        let endpoint = format!("http://{}", self.address);
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", key),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        S3Settings::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }
}

struct Objects {
    files: FileSystem,
    root: std::path::PathBuf,
    puts: Mutex<()>,
    faults: Arc<Faults>,
    waits: watch::Receiver<bool>,
}

impl Objects {
    async fn admit(&self, bucket: &str) -> S3Result<()> {
        // The server's end of the channel outlives every request.
        let _ = self.waits.clone().wait_for(|stalled| !stalled).await;
        if self.faults.errs.load(Ordering::SeqCst) {
            return Err(s3_error!(ServiceUnavailable, "not now"));
        }
        if self.faults.clock.load(Ordering::SeqCst) {
            return Err(s3_error!(RequestTimeTooSkewed, "your clock is wrong, or mine"));
        }
        if !Path::new(&self.root).join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "there is no such bucket"));
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.admit(&request.input.bucket).await?;
        if self.faults.replaces.load(Ordering::SeqCst) {
            request.input.if_none_match = None;
        }
        let _one_at_a_time = self.puts.lock().await;
        self.files.put_object(request).await
    }

    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.admit(&request.input.bucket).await?;
        self.files.get_object(request).await
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.admit(&request.input.bucket).await?;
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.admit(&request.input.bucket).await?;
        self.files.list_objects_v2(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.admit(&request.input.bucket).await?;
        self.files.delete_object(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.admit(&request.input.bucket).await?;
        self.files.delete_objects(request).await
    }
}
