//! What a source lacked where segments were made of it. Written before the segment itself, once for
//! each segment: so whoever makes it again, and however often, adds nothing.

use bytes::Bytes;
use object_store::ObjectStore;
use segue_model::JobId;
use serde::{Deserialize, Serialize};
use tokio_stream::StreamExt;

use crate::error::StoreError;
use crate::{JOBS, Store};

/// The folder of them, in a job's.
const LOSSES: &str = "loss";

/// What is not as it was in the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Loss {
    /// Frames and packets that decoders complained about.
    pub damaged: u64,
    /// How long the picture is held and the sound is silent, as the source had ended; milliseconds.
    pub short_by_ms: u64,
}

impl Loss {
    /// Whether nothing is lost.
    pub fn is_none(self) -> bool {
        self == Loss::default()
    }

    /// Both together.
    pub fn plus(self, other: Loss) -> Loss {
        Loss {
            damaged: self.damaged.saturating_add(other.damaged),
            short_by_ms: self.short_by_ms.max(other.short_by_ms),
        }
    }
}

impl Store {
    /// Notes what segment `index` lacks; what was noted before stays.
    pub async fn note_loss(&self, job: JobId, index: u32, loss: Loss) -> Result<(), StoreError> {
        let text = serde_json::to_vec(&loss)
            .map_err(|error| StoreError::of(self.location(), "a loss cannot be written", &error))?;
        self.create(job, &format!("{LOSSES}/{index:05}"), Bytes::from(text)).await.map(|_| ())
    }

    /// What a job lacks, in all segments that there are.
    pub async fn loss(&self, job: JobId) -> Result<Loss, StoreError> {
        let folder = self.full_path(&format!("{JOBS}/{job}/{LOSSES}"))?;
        let mut listed = self.objects.list(Some(&folder));
        let mut all = Loss::default();
        while let Some(object) = listed.next().await {
            let object = object.map_err(|e| self.failed("losses cannot be listed", &e))?;
            let Some(name) = object.location.filename() else { continue };
            let text = self.read(job, &format!("{LOSSES}/{name}")).await?.unwrap_or_default();
            // What nobody can read any more was a loss of something.
            let one = serde_json::from_slice(&text).unwrap_or(Loss { damaged: 1, short_by_ms: 0 });
            all = all.plus(one);
        }
        Ok(all)
    }
}
