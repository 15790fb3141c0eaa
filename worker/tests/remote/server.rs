//! A real S3 server on a port of its own: s3s over a directory, with what that lacks (buckets have
//! to exist, conditions are heeded). Counts what it is asked for, and can be told to misbehave.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStoreExt};
use s3s::auth::SimpleAuth;
use s3s::dto::{
    DeleteObjectsInput, DeleteObjectsOutput, ETagCondition, GetObjectInput, GetObjectOutput,
    PutObjectInput, PutObjectOutput,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use segue_store::S3Settings;
use segue_worker::{RemoteLimits, Sources};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::timeout;

pub const BUCKET: &str = "films";
const KEY: &str = "someone";
const SECRET: &str = "something";
/// Far longer than anything here takes, so that a hang fails instead of hanging.
const LONG: Duration = Duration::from_secs(60);

/// What is wrong with it.
#[derive(Debug, Default)]
pub struct Faults {
    /// So many reads are refused as overloaded.
    pub errs: AtomicU32,
    /// Takes no notice of `If-Match`.
    pub ignores_conditions: AtomicBool,
}

/// What it was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    pub gets: u64,
    pub bytes: u64,
    /// Reads that have not been answered.
    pub waiting: u64,
}

pub struct Server {
    runtime: Runtime,
    address: SocketAddr,
    pub faults: Arc<Faults>,
    stalled: watch::Sender<bool>,
    asked: watch::Receiver<Asked>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub fn start() -> Server {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let faults = Arc::new(Faults::default());
        let (stalled, waits) = watch::channel(false);
        let (tell, asked) = watch::channel(Asked::default());
        let objects = Objects {
            files: FileSystem::new(folder.path()).expect("a file system"),
            root: folder.path().to_owned(),
            faults: faults.clone(),
            waits,
            tell,
        };
        let mut service = S3ServiceBuilder::new(objects);
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = Builder::new(TokioExecutor::new());
                    // A client that goes away is its own affair.
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Server { runtime, address, faults, stalled, asked, _folder: folder }
    }

    /// Lets reads wait, or those that wait go on.
    pub fn stall(&self, stalled: bool) {
        self.stalled.send_replace(stalled);
    }

    pub fn asked(&self) -> Asked {
        *self.asked.borrow()
    }

    /// Waits until so many reads wait.
    pub fn wait_for_waiting(&self, reads: u64) {
        self.wait_for(|asked| asked.waiting >= reads);
    }

    /// Waits until it was asked so often.
    pub fn wait_for_gets(&self, gets: u64) {
        self.wait_for(|asked| asked.gets >= gets);
    }

    fn wait_for(&self, is_so: impl Fn(&Asked) -> bool) {
        let mut asked = self.asked.clone();
        let waited = async { timeout(LONG, asked.wait_for(is_so)).await.map(|_| ()) };
        self.runtime.block_on(waited).expect("what is waited for happens");
    }

    pub fn put(&self, key: &str, bytes: impl Into<Bytes>) {
        let put = async { self.bucket().put(&Path::from(key), bytes.into().into()).await };
        self.runtime.block_on(put).expect("an object is put");
    }

    pub fn remove(&self, key: &str) {
        let removed = async { self.bucket().delete(&Path::from(key)).await };
        self.runtime.block_on(removed).expect("an object is removed");
    }

    fn bucket(&self) -> impl ObjectStoreExt {
        let client = ClientOptions::new();
        let builder = self.settings(SECRET).builder(client).expect("a server is named");
        builder.with_bucket_name(BUCKET).build().expect("a client")
    }

    fn settings(&self, secret: &str) -> S3Settings {
        let endpoint = format!("http://{}", self.address);
        let variables = [
            ("AWS_ENDPOINT_URL", endpoint.as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", KEY),
            ("AWS_SECRET_ACCESS_KEY", secret),
        ];
        S3Settings::of(variables.map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    pub fn sources(&self, limits: RemoteLimits) -> Sources {
        self.sources_on(&self.runtime, limits)
    }

    /// Makes its requests on another runtime than the server's.
    pub fn sources_on(&self, runtime: &Runtime, limits: RemoteLimits) -> Sources {
        Sources::new(self.settings(SECRET), runtime.handle().clone()).with_limits(limits)
    }

    /// With a secret that is not the server's.
    pub fn sources_of_a_stranger(&self) -> Sources {
        Sources::new(self.settings("wrong"), self.runtime.handle().clone())
    }
}

struct Objects {
    files: FileSystem,
    root: PathBuf,
    faults: Arc<Faults>,
    waits: watch::Receiver<bool>,
    tell: watch::Sender<Asked>,
}

/// A read that has not been answered, until this is dropped.
struct Waiting<'a>(&'a watch::Sender<Asked>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|asked| asked.waiting -= 1);
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        self.tell.send_modify(|asked| {
            asked.gets += 1;
            asked.waiting += 1;
        });
        let _waiting = Waiting(&self.tell);
        // The server's end of the channel outlives every request that matters.
        let _ = self.waits.clone().wait_for(|stalled| !stalled).await;
        let one_less = |left: u32| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.faults.errs.fetch_update(order, order, one_less).is_ok() {
            return Err(s3_error!(SlowDown, "not so fast"));
        }
        if !self.root.join(&request.input.bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "there is no such bucket"));
        }
        let condition = request.input.if_match.clone();
        let found = self.files.get_object(request).await?;
        let now = found.output.e_tag.as_ref();
        let differs = match (&condition, now) {
            (Some(ETagCondition::ETag(wanted)), Some(now)) => wanted.value() != now.value(),
            _ => false,
        };
        if differs && !self.faults.ignores_conditions.load(Ordering::SeqCst) {
            return Err(s3_error!(PreconditionFailed, "it is another one"));
        }
        let length = found.output.content_length.unwrap_or(0) as u64;
        self.tell.send_modify(|asked| asked.bytes += length);
        Ok(found)
    }

    async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.files.put_object(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.files.delete_objects(request).await
    }
}
