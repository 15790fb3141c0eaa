//! What it takes to open films that are not on this machine: settings, connections, limits.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::{ClientOptions, ObjectStore, RetryConfig};
use segue_store::S3Settings;
use tokio::runtime::Handle;

use super::Object;
use super::fetch::Fetcher;
use crate::source::SourceError;
use crate::with_causes;

const CONNECT: Duration = Duration::from_secs(5);

/// How films are fetched, and how patiently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteLimits {
    /// What is fetched by one request.
    pub block_bytes: u64,
    /// Blocks of one film that are in memory.
    pub blocks_max: usize,
    /// Blocks that are fetched before they are asked for.
    pub ahead_max: u64,
    /// The longest time in which nothing comes, before it is asked for anew.
    pub silence: Duration,
    /// How long an open film may not be read for, until whoever reads it is told.
    pub trouble: Duration,
    /// How long a film may not be opened for: nothing is lost yet, and somebody waits.
    pub opening: Duration,
    /// The first pause before asking again; each is twice as long as the one before.
    pub pause: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// How often a child that waits for bytes is told that they are waited for.
    pub note: Duration,
}

impl Default for RemoteLimits {
    fn default() -> RemoteLimits {
        RemoteLimits {
            block_bytes: 1 << 20,
            blocks_max: 32,
            ahead_max: 4,
            silence: Duration::from_secs(10),
            trouble: Duration::from_secs(60),
            opening: Duration::from_secs(10),
            pause: Duration::from_millis(100),
            pause_max: Duration::from_secs(5),
            note: Duration::from_secs(5),
        }
    }
}

/// Opens films that are not on this machine. Clones share connections.
#[derive(Clone, Debug)]
pub struct Sources {
    settings: S3Settings,
    runtime: Handle,
    limits: RemoteLimits,
    buckets: Arc<Mutex<BTreeMap<String, Arc<dyn ObjectStore>>>>,
}

impl Sources {
    /// Reads from servers as `settings` say; requests are made on `runtime`.
    pub fn new(settings: S3Settings, runtime: Handle) -> Sources {
        let limits = RemoteLimits::default();
        Sources { settings, runtime, limits, buckets: Arc::default() }
    }

    /// With other limits than the usual ones.
    pub fn with_limits(self, limits: RemoteLimits) -> Sources {
        // Connections have limits too.
        Sources { limits, buckets: Arc::default(), ..self }
    }

    pub(super) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    pub(super) fn fetcher(&self, url: &str, object: &Object) -> Result<Fetcher, SourceError> {
        let (key, limits) = (object.key.clone(), self.limits.clone());
        Ok(Fetcher { objects: self.bucket(url, &object.bucket)?, key, limits })
    }

    fn bucket(&self, url: &str, name: &str) -> Result<Arc<dyn ObjectStore>, SourceError> {
        // Whoever panicked while he held the lock left nothing half-done.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get(name) {
            return Ok(bucket.clone());
        }
        // No limit on a whole request: what comes slowly still comes.
        let client = ClientOptions::new()
            .with_connect_timeout(CONNECT)
            .with_read_timeout(self.limits.silence)
            .with_timeout_disabled();
        // `fetch` tries again, and knows for how long.
        let once = RetryConfig { max_retries: 0, ..RetryConfig::default() };
        let failed = |error: &dyn std::error::Error| {
            let said = with_causes(error);
            SourceError::storage(format!("{url} cannot be read: S3 is not set up: {said}"))
        };
        let s3 = self.settings.builder(client).map_err(|error| failed(&error))?;
        let s3 = s3.with_bucket_name(name).with_retry(once).build();
        let s3 = s3.map_err(|error| failed(&error))?;
        let bucket: Arc<dyn ObjectStore> = Arc::new(s3);
        buckets.insert(name.to_owned(), bucket.clone());
        Ok(bucket)
    }
}
