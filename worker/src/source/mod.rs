//! Where films are: what their names mean, how they are opened, and how children read them.
//!
//! Decided here: which URLs name a film, and that a film is told apart from what may replace it. A
//! file goes to children as a descriptor ([`LocalSource`]). Anything else is read by this process
//! (`remote`), and children, which have no network, ask for it over a socket: `wire` says how, and
//! [`RemoteSource`] is their end of it.
//!
//! Never here: what is in a film, and what becomes of a job whose film is gone.

mod local;
mod remote;
mod wire;

use std::path::PathBuf;

use segue_model::FailureClass;

pub use local::{LocalSource, file_url};
pub use remote::{RemoteLimits, Sources};
pub use wire::RemoteSource;

pub(crate) use local::path_of;
pub(crate) use remote::{Object, RemoteFilm};

/// Why a film cannot be opened: names it, and says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{words}")]
pub struct SourceError {
    words: String,
    class: FailureClass,
}

impl SourceError {
    /// The film is not there, or none: trying again changes nothing.
    pub(crate) fn film(words: String) -> SourceError {
        SourceError { words, class: FailureClass::Source }
    }

    /// Its storage cannot be reached, or does not let us: that may pass.
    pub(crate) fn storage(words: String) -> SourceError {
        SourceError { words, class: FailureClass::Transient }
    }

    /// Whose fault it is.
    pub fn class(&self) -> FailureClass {
        self.class
    }
}

/// What a URL names.
pub(crate) enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// An object in a bucket.
    Object(Object),
}

impl Place {
    /// Reads a URL.
    pub(crate) fn of(url: &str) -> Result<Place, SourceError> {
        if let Some(path) = path_of(url) {
            return Ok(Place::File(path));
        }
        if let Some(rest) = url.strip_prefix("s3://") {
            return Object::of(rest).map(Place::Object).map_err(|reason| {
                SourceError::film(format!("{} is no source: {reason}", without_secrets(url)))
            });
        }
        let shown = without_secrets(url);
        Err(SourceError::film(if url.starts_with("http://") || url.starts_with("https://") {
            format!(
                "{shown} is no source: films are not read over HTTP yet: put it into a bucket and \
                 write s3://bucket/key, or where the workers see it and write file:///path"
            )
        } else {
            format!(
                "{shown} is no source: write file:///path as the workers see it, or s3://bucket/key"
            )
        }))
    }
}

/// What was given may hold a password or a signature, and what is said of it is logged.
fn without_secrets(url: &str) -> String {
    let bare = url.split_once('?').map_or(url, |(bare, _)| bare).replace(char::is_control, "?");
    let Some((scheme, rest)) = bare.split_once("://") else { return bare };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://...@{host}{path}"),
        None => bare.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_source_is_refused_with_a_reason_and_without_its_secrets() {
        for (url, reason) in [
            ("/films/a.mkv", "file:///path"),
            ("ftp://someone:secret@host/a.mkv", "ftp://...@host/a.mkv"),
            ("https://host/a.mkv", "not read over HTTP yet"),
            ("https://someone:secret@host/a.mkv?signature=secret", "https://...@host/a.mkv "),
            ("s3://", "no bucket"),
            ("s3:///key", "no bucket"),
            ("s3://films", "no object"),
            ("s3://films/", "no object"),
            ("s3://my films/a.mkv", "no bucket is called that"),
            ("s3://films/a//b", "may be empty"),
            ("s3://films/a\nb.mkv", "s3://films/a?b.mkv is no source"),
            ("s3://key:secret@films/a.mkv", "AWS_ACCESS_KEY_ID"),
            ("s3://films/a.mkv?X-Amz-Signature=secret", "AWS_ACCESS_KEY_ID"),
        ] {
            let Err(error) = Place::of(url) else { panic!("{url} is taken for a source") };
            assert!(error.to_string().contains(reason), "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
            assert_eq!(error.class(), FailureClass::Source);
        }
    }

    #[test]
    fn a_key_is_taken_as_it_is_written() {
        for key in ["a.mkv", "films/a b/Ä?.mkv", "50%20off.mkv", "mail@home.mkv"] {
            let url = format!("s3://films/{key}");
            match Place::of(&url) {
                Ok(Place::Object(object)) => {
                    assert_eq!(object.bucket, "films");
                    assert_eq!(object.key.as_ref(), key);
                }
                _ => panic!("{url} is not taken for an object"),
            }
        }
    }
}
