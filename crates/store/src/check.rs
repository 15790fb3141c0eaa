//! Sees whether a store does what all else relies on, before anything is entrusted to it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio_stream::StreamExt;

use crate::error::{Kind, StoreError};
use crate::{Created, Location, Store};

/// Where it is tried out.
const CHECK: &str = "check";

impl Store {
    /// Creates an object, finds that it cannot be created again, reads, lists and removes it.
    pub async fn check(&self) -> Result<(), StoreError> {
        let path = self.full_path(&format!("{CHECK}/{}", unique()))?;
        let checked = self.check_at(&path).await;
        let removed = self.objects.delete(&path).await;
        checked?;
        removed.map_err(|error| self.failed("what was written to try it cannot be deleted", &error))
    }

    async fn check_at(&self, path: &Path) -> Result<(), StoreError> {
        let (first, second) = (Bytes::from_static(b"first"), Bytes::from_static(b"second"));
        if self.create_at(path, first.clone()).await? != Created::Now {
            return Err(self.unsupported("says of a new object that it was there before"));
        }
        let again = self.create_at(path, second).await?;
        let read = async { self.objects.get(path).await?.bytes().await };
        let read = read.await.map_err(|e| self.failed("what was written cannot be read", &e))?;
        if again != Created::Before(0) || read != first {
            return Err(self.unsupported("replaces an object that is to be created only once"));
        }
        let folder = self.full_path(CHECK)?;
        let mut listed = self.objects.list(Some(&folder));
        while let Some(object) = listed.next().await {
            let object = object.map_err(|e| self.failed("objects cannot be listed", &e))?;
            if object.location == *path {
                return Ok(());
            }
        }
        Err(self.unsupported("does not list what was just written"))
    }

    fn unsupported(&self, what: &str) -> StoreError {
        let remedy = match self.location() {
            Location::Directory(_) => {
                "use a local file system or NFS; FAT and some network mounts cannot make hard links"
            }
            Location::S3 { .. } => {
                "Segue needs a server that heeds `If-None-Match: *` on PUT, as AWS S3, MinIO since \
                 2024, Ceph since Squid and Cloudflare R2 do; or use a directory"
            }
        };
        StoreError::new(self.location(), Kind::Unsupported, format!("it {what} ({remedy})"))
    }
}

/// A name that nobody else takes at the same time.
fn unique() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("{:x}-{:x}", std::process::id(), now.as_nanos())
}
