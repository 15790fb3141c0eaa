//! Where jobs and segments are kept: a directory (also one on NFS) or a bucket of an S3-compatible
//! server. The store is the truth about segments; whatever else is said of them is hearsay.
//!
//! ```text
//! store                    which store this is, whatever it is called
//! jobs/<id>/job            source, recipe, facts, timeline
//! jobs/<id>/master.m3u8    and all that `segue_hls::keys` names
//! ```
//!
//! In a directory, what is just being put is called `<key>#1` until it is whole. Where a worker is killed
//! then, that stays: nobody lists or reads it.
//!
//! Every object is created once and never replaced: of two workers that make the same segment the
//! first one's is kept, and the other is told so. A store that cannot promise that is refused when
//! it is opened. Start at [`Store::open`].
//!
//! Never here: which segments are wanted, retries over longer than a request, what is evicted when.

#![forbid(unsafe_code)]

mod check;
mod error;
mod identity;
mod location;
mod loss;
mod s3;
mod usage;
mod whole;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{
    ClientOptions, Error as ObjectError, ObjectStore, ObjectStoreExt, PutMode, PutPayload,
    RetryConfig,
};
use segue_model::{Job, JobId, SegmentId};

pub use error::{Kind, StoreError};
pub use location::Location;
pub use loss::Loss;
pub use s3::{EndpointError, S3Settings, server_words};
pub use usage::JobUsage;

/// The folder of all jobs.
const JOBS: &str = "jobs";
/// The object that describes a job, in its folder.
const JOB: &str = "job";
const UNUSABLE: &str = "the directory cannot be used";

/// How long a request may take; whoever asked tries again, and knows better for how long.
const REQUEST: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(5);
/// Trouble that is over within this is nobody's concern.
const RETRY: Duration = Duration::from_secs(5);
const RETRIES: usize = 3;

/// An open store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    location: Location,
    objects: Arc<dyn ObjectStore>,
    /// Whether the store's identity was read: from then on it is there whenever the store is.
    identified: Arc<AtomicBool>,
}

/// What became of an object that was to be created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Created {
    /// It is there now, and durable.
    Now,
    /// It was there before, of this length in bytes; that one stays.
    Before(u64),
}

impl Store {
    /// Opens what `location` names, and sees whether it does what a store must: create an object
    /// only if there is none, keep it as it was, list it and remove it. Makes the directory if there
    /// is none; a bucket has to be there.
    pub async fn open(location: &Location, settings: &S3Settings) -> Result<Store, StoreError> {
        if let Location::Directory(path) = location {
            let made = std::fs::create_dir_all(path);
            made.map_err(|error| StoreError::of(location, UNUSABLE, &error))?;
        }
        let store = Store::at(location, settings)?;
        store.check().await?;
        Ok(store)
    }

    /// Opens what `location` names for somebody who only reads: nothing is made or tried there, and a
    /// directory that is not there is [`Kind::Missing`].
    pub fn open_to_read(location: &Location, settings: &S3Settings) -> Result<Store, StoreError> {
        match location {
            Location::Directory(path) if !path.is_dir() => {
                let words = "this machine does not see that directory".to_owned();
                Err(StoreError::new(location, Kind::Missing, words))
            }
            _ => Store::at(location, settings),
        }
    }

    fn at(location: &Location, settings: &S3Settings) -> Result<Store, StoreError> {
        let objects: Arc<dyn ObjectStore> = match location {
            Location::Directory(path) => {
                let files = LocalFileSystem::new_with_prefix(path)
                    .map_err(|error| StoreError::of(location, UNUSABLE, &error))?;
                // Without it a segment that was published could be gone after a power failure.
                Arc::new(files.with_fsync(true))
            }
            Location::S3 { bucket, .. } => {
                let client =
                    ClientOptions::new().with_timeout(REQUEST).with_connect_timeout(CONNECT);
                let retry = RetryConfig {
                    max_retries: RETRIES,
                    retry_timeout: RETRY,
                    ..RetryConfig::default()
                };
                let failed = |error: &dyn std::error::Error| {
                    StoreError::of(location, "S3 is not set up", error)
                };
                let s3 = settings.builder(client).map_err(|error| failed(&error))?;
                let s3 = s3.with_bucket_name(bucket).with_retry(retry).build();
                Arc::new(s3.map_err(|error| failed(&error))?)
            }
        };
        Ok(Store { location: location.clone(), objects, identified: Arc::default() })
    }

    /// Where it is.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Where the object `key` of a job is, for people and players.
    pub fn url(&self, job: JobId, key: &str) -> String {
        format!("{}/{JOBS}/{job}/{key}", self.location)
    }

    /// Keeps what describes a job, or finds it: facts and timeline are those of whoever was first.
    pub async fn create_job(&self, job: &Job) -> Result<Job, StoreError> {
        let text = serde_json::to_vec(job)
            .map_err(|error| StoreError::of(&self.location, "a job cannot be written", &error))?;
        match self.create(job.id, JOB, text.into()).await? {
            Created::Now => Ok(job.clone()),
            Created::Before(_) => match self.job(job.id).await? {
                Some(kept) => Ok(kept),
                None => Err(self.damaged(job.id, JOB, "is gone again")),
            },
        }
    }

    /// What describes a job, if it is known.
    pub async fn job(&self, id: JobId) -> Result<Option<Job>, StoreError> {
        let Some(text) = self.read(id, JOB).await? else { return Ok(None) };
        let job: Job = serde_json::from_slice(&text)
            .map_err(|error| self.damaged(id, JOB, &format!("cannot be read: {error}")))?;
        if job.id != id || !job.is_intact() {
            return Err(self.damaged(id, JOB, "does not say what its name does"));
        }
        Ok(Some(job))
    }

    /// Creates the object `key` of a job, unless there is one.
    pub async fn create(&self, job: JobId, key: &str, bytes: Bytes) -> Result<Created, StoreError> {
        self.is_there().await?;
        let path = self.path(job, key)?;
        let length = bytes.len() as u64;
        let created = self.create_at(&path, bytes).await?;
        let kept = match self.length_at(&path).await? {
            Some(kept) => kept,
            // Somebody else was about to create it, and gave up.
            None if created == Created::Now => {
                return Err(self.damaged(job, key, "was created and is not there"));
            }
            None => return Err(self.vanished(job, key)),
        };
        match created {
            Created::Now if kept != length => {
                let what = format!("has {kept} bytes and should have {length}");
                Err(self.damaged(job, key, &what))
            }
            Created::Now => Ok(Created::Now),
            Created::Before(_) => Ok(Created::Before(kept)),
        }
    }

    /// The object `key` of a job, if there is one.
    pub async fn read(&self, job: JobId, key: &str) -> Result<Option<Bytes>, StoreError> {
        let path = self.path(job, key)?;
        let read = async { self.objects.get(&path).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(ObjectError::NotFound { .. }) => self.is_there().await.map(|()| None),
            Err(error) => Err(self.failed(&format!("{path} cannot be read"), &error)),
        }
    }

    /// A segment, if there is one. One that lost its end is called damaged.
    pub async fn read_segment(
        &self,
        job: &Job,
        segment: SegmentId,
    ) -> Result<Option<Bytes>, StoreError> {
        let packaging = job.recipe.packaging;
        let rendition = &job.recipe.renditions[segment.rendition as usize];
        let key = segue_hls::keys::segment(packaging, rendition, segment.index);
        let bytes = self.read(job.id, &key).await?;
        match bytes {
            Some(bytes) if !whole::is_whole(packaging, &bytes) => {
                let what = format!(
                    "is cut off after {} bytes: remove it and ask for the job again, then it is made \
                     again",
                    bytes.len()
                );
                Err(self.damaged(job.id, &key, &what))
            }
            other => Ok(other),
        }
    }

    /// Creates an object or leaves the one that is there; of what length that is, is not known yet.
    async fn create_at(&self, path: &Path, bytes: Bytes) -> Result<Created, StoreError> {
        let put = self.objects.put_opts(path, PutPayload::from(bytes), PutMode::Create.into());
        match put.await {
            Ok(_) => Ok(Created::Now),
            Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. }) => {
                Ok(Created::Before(0))
            }
            Err(error) => Err(self.failed(&format!("{path} cannot be written"), &error)),
        }
    }

    async fn length_at(&self, path: &Path) -> Result<Option<u64>, StoreError> {
        match self.objects.head(path).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(ObjectError::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.failed(&format!("{path} cannot be looked at"), &error)),
        }
    }

    fn path(&self, job: JobId, key: &str) -> Result<Path, StoreError> {
        self.full_path(&format!("{JOBS}/{job}/{key}"))
    }

    /// Under what the location names in its bucket; a directory is a prefix of its own.
    fn full_path(&self, key: &str) -> Result<Path, StoreError> {
        let full = match self.location.prefix() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        };
        Path::parse(&full)
            .map_err(|error| StoreError::of(&self.location, &format!("'{key}' is no name"), &error))
    }

    fn failed(&self, what: &str, error: &ObjectError) -> StoreError {
        StoreError::of(&self.location, what, error)
    }

    fn damaged(&self, job: JobId, key: &str, what: &str) -> StoreError {
        StoreError::new(&self.location, Kind::Damaged, format!("{JOBS}/{job}/{key} {what}"))
    }

    fn vanished(&self, job: JobId, key: &str) -> StoreError {
        let what = format!("{JOBS}/{job}/{key} was there and is gone: trying again will tell");
        StoreError::new(&self.location, Kind::Unavailable, what)
    }
}
