//! A finished job from the store into a directory, as `segue transcode` makes them.

use std::path::Path;

use segue_model::{JobId, SegmentId, Span};
use segue_store::{Kind, Location, S3Settings, Store, StoreError};

use crate::ending::{Ending, with_causes};
use crate::output::{self, Output, OutputError, stored_job};

/// The store that holds what `playlist` names, and the job.
pub fn location(playlist: &str, job: &str) -> Option<Location> {
    playlist.strip_suffix(&format!("/jobs/{job}/{}", segue_hls::keys::MULTIVARIANT))?.parse().ok()
}

/// Whether something can be made at `to`, before a pool works for it.
pub fn check_writable(to: &Path) -> Result<(), Ending> {
    output::try_out(to).map_err(|error| Ending::BadInput(with_causes(&error)))
}

/// Whether `to` holds another job than this one.
pub fn check_job(to: &Path, job: &str) -> Result<(), Ending> {
    match stored_job(to) {
        Some(stored) if stored.id.to_string() != job => Err(Ending::BadInput(format!(
            "{} holds segments of another film, or of other settings: name another directory, or remove \
             that one",
            to.display()
        ))),
        _ => Ok(()),
    }
}

/// Copies what `to` lacks; `tell` hears how many segments are there. Returns the playlist.
pub async fn copy(
    location: &Location,
    job: JobId,
    to: &Path,
    mut tell: impl FnMut(u64),
) -> Result<String, Ending> {
    let store = open(location)?;
    let gone = |what: &str| {
        Ending::Failed(format!("{what} of job {job} is gone from {location}: was it removed?"))
    };
    let job = store.job(job).await.map_err(failed)?.ok_or_else(|| gone("the description"))?;
    let output = Output::open(to, job.clone()).map_err(|error| match error {
        OutputError::Full { .. } | OutputError::Io { .. } => Ending::Failed(with_causes(&error)),
        _ => Ending::BadInput(with_causes(&error)),
    })?;
    let wrote = |error: OutputError| Ending::Failed(with_causes(&error));
    for (rendition, settings) in (0..).zip(&job.recipe.renditions) {
        if let Some(key) = segue_hls::keys::init(job.recipe.packaging, settings) {
            let bytes = store.read(job.id, &key).await.map_err(failed)?;
            output.publish_init(rendition, &bytes.ok_or_else(|| gone(&key))?).map_err(wrote)?;
        }
        for Span { first, end } in output.missing() {
            for index in first..end {
                let id = SegmentId { rendition, index };
                let bytes = store.read_segment(&job, id).await.map_err(failed)?;
                let name = || segue_hls::keys::segment(job.recipe.packaging, settings, index);
                output.publish(id, &bytes.ok_or_else(|| gone(&name()))?).map_err(wrote)?;
                tell(output.made());
            }
        }
    }
    output.finish().map_err(wrote)?;
    Ok(output.master().display().to_string())
}

fn open(location: &Location) -> Result<Store, Ending> {
    Store::open_to_read(location, &S3Settings::from_env()).map_err(|error| match error.kind() {
        Kind::Missing => Ending::Failed(format!(
            "this machine does not see the store at {location}: run it where it is mounted, or \
             leave --to out"
        )),
        _ => failed(error),
    })
}

fn failed(error: StoreError) -> Ending {
    Ending::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_is_found_from_where_the_playlist_is() {
        let found = |playlist: &str| location(playlist, "ab").map(|at| at.to_string());
        assert_eq!(found("s3://films/p/jobs/ab/master.m3u8").as_deref(), Some("s3://films/p"));
        assert_eq!(found("file:///srv/jobs/ab/master.m3u8").as_deref(), Some("file:///srv"));
        assert_eq!(found("file:///srv/jobs/cd/master.m3u8"), None);
    }
}
