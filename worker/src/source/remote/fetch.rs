//! One part of an object, asked for until it comes, or until that has taken too long.
//!
//! Decided here: what is asked again and after what pause, and that bytes of another state of the
//! object are never taken for this one's, whether the server heeds the condition or not.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{GetOptions, GetRange, ObjectMeta, ObjectStore};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::RemoteLimits;
use super::words::{Cause, REMOVED, REPLACED, Refusal};

/// An object, and how patiently it is asked for.
#[derive(Clone)]
pub(super) struct Fetcher {
    pub objects: Arc<dyn ObjectStore>,
    pub key: Path,
    pub limits: RemoteLimits,
}

/// What tells states of an object apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub size: u64,
    pub etag: String,
    pub version: Option<String>,
}

impl State {
    /// What the server says of the object.
    fn of(meta: ObjectMeta) -> Result<State, Refusal> {
        let etag = meta.e_tag.ok_or_else(|| {
            let said = "the server gives no ETag to tell a changed film by";
            Refusal::Lasting(Cause::Unable, said.to_owned())
        })?;
        Ok(State { size: meta.size, etag, version: meta.version })
    }
}

impl Fetcher {
    /// The first bytes of the object as it is now, and what it is now.
    pub(super) async fn first(&self) -> Result<(State, Bytes), Refusal> {
        let range = 0..self.limits.block_bytes;
        self.insist(self.limits.opening, || self.get(range.clone(), None)).await
    }

    /// These bytes of the object as it was.
    pub(super) async fn part(&self, range: Range<u64>, of: &State) -> Result<Bytes, Refusal> {
        let part = self.insist(self.limits.trouble, || self.get(range.clone(), Some(of)));
        match part.await {
            Ok((_, bytes)) => Ok(bytes),
            // It was there.
            Err(Refusal::Lasting(Cause::NoObject | Cause::NoBucket, _)) => {
                Err(Refusal::Changed(REMOVED))
            }
            // It went on after this part's beginning, and does not any more.
            Err(Refusal::Lasting(Cause::Empty, _)) => Err(Refusal::Changed(REPLACED)),
            Err(refusal) => Err(refusal),
        }
    }

    async fn get(&self, range: Range<u64>, of: Option<&State>) -> Result<(State, Bytes), Refusal> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range.clone())),
            if_match: of.map(|state| state.etag.clone()),
            ..GetOptions::default()
        };
        let found = self.objects.get_opts(&self.key, options).await;
        let found = found.map_err(|error| Refusal::of(&error))?;
        let now = State::of(found.meta.clone())?;
        if of.is_some_and(|of| now.size != of.size || now.etag != of.etag) {
            return Err(Refusal::Changed(REPLACED));
        }
        let bytes = found.bytes().await.map_err(|error| Refusal::of(&error))?;
        let length = range.end.min(now.size) - range.start;
        if bytes.len() as u64 != length {
            return Err(Refusal::Passing(format!("{} of {length} bytes came", bytes.len())));
        }
        Ok((now, bytes))
    }

    /// Tries until it works, is refused for good, or has failed for as long as this.
    async fn insist<T, F>(&self, at_most: Duration, attempt: impl Fn() -> F) -> Result<T, Refusal>
    where
        F: Future<Output = Result<T, Refusal>>,
    {
        let deadline = Instant::now() + at_most;
        let mut pause = self.limits.pause;
        let mut reason = None;
        loop {
            match timeout_at(deadline, attempt()).await {
                Ok(Err(Refusal::Passing(said))) => reason = Some(said),
                Ok(done) => return done,
                Err(_) => {}
            }
            if Instant::now() >= deadline {
                let reason = reason.as_deref().unwrap_or("nothing came");
                let seconds = at_most.as_secs_f32().round();
                return Err(Refusal::Passing(format!("{reason}, and that for {seconds} s")));
            }
            sleep_until(deadline.min(Instant::now() + pause)).await;
            pause = (2 * pause).min(self.limits.pause_max);
        }
    }
}
