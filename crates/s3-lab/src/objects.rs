//! What the server does with a request, rightly or wrongly.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, ETagCondition,
    GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, ListObjectsV2Input,
    ListObjectsV2Output, PutObjectInput, PutObjectOutput,
};
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::{Mutex, watch};

use crate::{Asked, Faults};

/// Objects in a directory.
pub struct Objects {
    files: FileSystem,
    root: PathBuf,
    puts: Mutex<()>,
    faults: Arc<Faults>,
    waits: watch::Receiver<bool>,
    tell: watch::Sender<Asked>,
}

/// A request that has not been answered, until this is dropped.
struct Waiting<'a>(&'a watch::Sender<Asked>);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|asked| asked.waiting -= 1);
    }
}

impl Objects {
    /// Those below `root`, a directory for each bucket.
    pub fn new(
        root: &Path,
        faults: Arc<Faults>,
        waits: watch::Receiver<bool>,
        tell: watch::Sender<Asked>,
    ) -> Objects {
        let files = FileSystem::new(root).expect("a file system");
        Objects { files, root: root.to_owned(), puts: Mutex::new(()), faults, waits, tell }
    }

    /// Lets a request in, when it is its time.
    async fn admit(&self, bucket: &str) -> S3Result<Waiting<'_>> {
        self.tell.send_modify(|asked| asked.waiting += 1);
        let waiting = Waiting(&self.tell);
        // The server's end of the channel outlives every request that matters.
        let _ = self.waits.clone().wait_for(|stalled| !stalled).await;
        let one_less = |left: u32| left.checked_sub(1);
        let order = Ordering::SeqCst;
        if self.faults.refusals.fetch_update(order, order, one_less).is_ok() {
            return Err(s3_error!(SlowDown, "not so fast"));
        }
        if self.faults.clock.load(order) {
            return Err(s3_error!(RequestTimeTooSkewed, "your clock is wrong, or mine"));
        }
        if !self.root.join(bucket).is_dir() {
            return Err(s3_error!(NoSuchBucket, "there is no such bucket"));
        }
        Ok(waiting)
    }
}

#[async_trait::async_trait]
impl S3 for Objects {
    async fn put_object(
        &self,
        mut request: S3Request<PutObjectInput>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        self.tell.send_modify(|asked| asked.puts += 1);
        let _waiting = self.admit(&request.input.bucket).await?;
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
        self.tell.send_modify(|asked| asked.gets += 1);
        let _waiting = self.admit(&request.input.bucket).await?;
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

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let _waiting = self.admit(&request.input.bucket).await?;
        self.files.head_object(request).await
    }

    async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        let _waiting = self.admit(&request.input.bucket).await?;
        self.files.list_objects_v2(request).await
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let _waiting = self.admit(&request.input.bucket).await?;
        self.files.delete_object(request).await
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let _waiting = self.admit(&request.input.bucket).await?;
        self.files.delete_objects(request).await
    }
}
