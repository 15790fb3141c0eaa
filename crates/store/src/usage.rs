//! What is kept of each job, and how it is removed. When and what is the leader's decision.

use std::collections::BTreeMap;
use std::path::Path;

use object_store::{Error as ObjectError, ObjectStore, ObjectStoreExt};
use segue_model::{Hash, Job, JobId, Span};
use tokio::task::JoinSet;
use tokio_stream::StreamExt;

use crate::error::StoreError;
use crate::whole::can_be_whole;
use crate::{JOB, JOBS, Location, Store};

/// Removes a job's folder with what no list of objects shows: folders in it, and files that writers
/// left that were killed. Anything else stays.
fn remove_folder(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            // Whatever is left in it keeps its parents, too.
            let _ = remove_folder(&entry.path());
        } else if entry.file_name().to_str().is_some_and(is_staged) {
            std::fs::remove_file(entry.path())?;
        }
    }
    std::fs::remove_dir(folder)
}

/// Whether a file is one that is being written, by its name.
fn is_staged(name: &str) -> bool {
    let number = name.rsplit_once('#').map_or("", |(_, number)| number);
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Objects of a job that are removed at once: there may be tens of thousands.
const REMOVED_AT_ONCE: usize = 16;

/// What there is of a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobUsage {
    /// Objects.
    pub objects: u64,
    /// Bytes in them.
    pub bytes: u64,
    /// Whether its description is among them; without it, it is the rest of a removal.
    pub described: bool,
    /// When the latest of them was written; milliseconds since 1970.
    pub written_unix_ms: u64,
}

impl Store {
    /// What is kept, of every job. Lists everything: not for every minute.
    pub async fn usage(&self) -> Result<BTreeMap<JobId, JobUsage>, StoreError> {
        self.is_there().await?;
        let folder = self.full_path(JOBS)?;
        let mut usage: BTreeMap<JobId, JobUsage> = BTreeMap::new();
        let mut listed = self.objects.list(Some(&folder));
        while let Some(object) = listed.next().await {
            let object = object.map_err(|e| self.failed("objects cannot be listed", &e))?;
            let mut parts = object.location.prefix_match(&folder).into_iter().flatten();
            let id = parts.next().and_then(|part| Hash::from_hex(part.as_ref()));
            // What is not ours is left alone.
            let Some(id) = id.map(JobId) else { continue };
            let job = usage.entry(id).or_default();
            job.objects += 1;
            job.bytes += object.size;
            let written = object.last_modified.timestamp_millis().max(0) as u64;
            job.written_unix_ms = job.written_unix_ms.max(written);
            job.described |= parts.next().is_some_and(|part| part.as_ref() == JOB);
        }
        Ok(usage)
    }

    /// Which segments of a job there are: for each rendition, runs of them, rising. Those that
    /// cannot be whole are removed, so that they are made again.
    pub async fn published(&self, job: &Job) -> Result<Vec<(u32, Vec<Span>)>, StoreError> {
        self.is_there().await?;
        let folder = self.full_path(&format!("{JOBS}/{}", job.id))?;
        let mut found: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let mut listed = self.objects.list(Some(&folder));
        while let Some(object) = listed.next().await {
            let object = object.map_err(|e| self.failed("segments cannot be listed", &e))?;
            let parts = object.location.prefix_match(&folder).into_iter().flatten();
            let key = parts.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            let Some(segment) = segue_hls::keys::parse_segment(&job.recipe, &key) else { continue };
            if segment.index >= job.timeline.segments() {
                continue;
            }
            if !can_be_whole(job.recipe.packaging, object.size) {
                let removed = self.objects.delete(&object.location).await;
                removed.map_err(|e| self.failed(&format!("{key} cannot be removed"), &e))?;
                continue;
            }
            found.entry(segment.rendition).or_default().push(segment.index);
        }
        let runs = |(rendition, mut indices): (u32, Vec<u32>)| {
            indices.sort_unstable();
            let mut runs: Vec<Span> = Vec::new();
            for index in indices {
                match runs.last_mut() {
                    Some(run) if run.end == index => run.end += 1,
                    _ => runs.push(Span { first: index, end: index + 1 }),
                }
            }
            (rendition, runs)
        };
        Ok(found.into_iter().map(runs).collect())
    }

    /// Removes a job: its description first, so that nobody begins to play what is going away.
    /// Returns how many bytes that freed.
    pub async fn remove(&self, job: JobId) -> Result<u64, StoreError> {
        self.remove_object(&self.path(job, JOB)?).await?;
        let folder = self.full_path(&format!("{JOBS}/{job}"))?;
        let (mut freed, mut removing) = (0, JoinSet::new());
        let mut listed = self.objects.list(Some(&folder));
        while let Some(object) = listed.next().await {
            let object = object.map_err(|e| self.failed("objects cannot be listed", &e))?;
            if removing.len() >= REMOVED_AT_ONCE {
                freed += self.next_removed(&mut removing).await?;
            }
            let store = self.clone();
            removing.spawn(async move {
                store.remove_object(&object.location).await.map(|()| object.size)
            });
        }
        while !removing.is_empty() {
            freed += self.next_removed(&mut removing).await?;
        }
        if let Location::Directory(root) = &self.location {
            let folder = root.join(JOBS).join(job.to_string());
            // What cannot be removed is empty, or somebody is writing there again.
            let _ = tokio::task::spawn_blocking(move || remove_folder(&folder)).await;
        }
        Ok(freed)
    }

    /// How many bytes the removal frees that ends next.
    async fn next_removed(
        &self,
        removing: &mut JoinSet<Result<u64, StoreError>>,
    ) -> Result<u64, StoreError> {
        match removing.join_next().await {
            None => Ok(0),
            Some(Ok(removed)) => removed,
            Some(Err(error)) => {
                Err(StoreError::of(&self.location, "an object cannot be removed", &error))
            }
        }
    }

    async fn remove_object(&self, path: &object_store::path::Path) -> Result<(), StoreError> {
        match self.objects.delete(path).await {
            Ok(()) | Err(ObjectError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed(&format!("{path} cannot be removed"), &error)),
        }
    }
}
