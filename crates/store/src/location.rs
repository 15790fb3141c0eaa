//! What a store is called: `/srv/segue`, `file:///srv/segue`, `s3://bucket/prefix`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::StoreError;

/// Where a store is. Never holds credentials: those come from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A directory, as an absolute path.
    Directory(PathBuf),
    /// A bucket of an S3-compatible server.
    S3 {
        /// Its name.
        bucket: String,
        /// What all names in it begin with, without slashes around it; may be empty.
        prefix: String,
    },
}

impl Location {
    pub(crate) fn prefix(&self) -> &str {
        match self {
            Location::Directory(_) => "",
            Location::S3 { prefix, .. } => prefix,
        }
    }
}

impl FromStr for Location {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Location, StoreError> {
        let wrong = |reason: &str| StoreError::Location {
            text: text.to_owned(),
            reason: reason.to_owned(),
        };
        if let Some(rest) = text.strip_prefix("s3://") {
            if rest.contains('@') {
                return Err(wrong(
                    "credentials belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, where no \
                     log shows them",
                ));
            }
            if rest.contains(['?', '#']) {
                return Err(wrong(
                    "the server is named by AWS_ENDPOINT_URL, its region by AWS_REGION",
                ));
            }
            let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
            if bucket.is_empty() {
                return Err(wrong("it names no bucket: s3://bucket/prefix"));
            }
            let prefix = prefix.trim_matches('/');
            return Ok(Location::S3 { bucket: bucket.to_owned(), prefix: prefix.to_owned() });
        }
        let path = match text.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => path,
            Some(_) => return Err(wrong("a file URL is file:///absolute/path")),
            None if text.contains("://") => {
                return Err(wrong(
                    "a store is a directory, file:///directory or s3://bucket/prefix",
                ));
            }
            None if text.is_empty() => return Err(wrong("it is empty")),
            None => text,
        };
        match std::path::absolute(path) {
            Ok(path) => Ok(Location::Directory(path)),
            Err(error) => Err(wrong(&format!("the current directory is not known: {error}"))),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::Directory(path) => write!(f, "file://{}", path.display()),
            Location::S3 { bucket, prefix } if prefix.is_empty() => write!(f, "s3://{bucket}"),
            Location::S3 { bucket, prefix } => write!(f, "s3://{bucket}/{prefix}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_are_read_and_written() {
        for (text, shown) in [
            ("/srv/segue", "file:///srv/segue"),
            ("file:///srv/segue", "file:///srv/segue"),
            ("s3://films", "s3://films"),
            ("s3://films/", "s3://films"),
            ("s3://films/a/b/", "s3://films/a/b"),
        ] {
            let location: Location = text.parse().expect(text);
            assert_eq!(location.to_string(), shown);
            assert_eq!(shown.parse::<Location>().expect(shown), location);
        }
    }

    #[test]
    fn what_is_no_location_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "empty"),
            ("s3://", "no bucket"),
            ("s3:///films", "no bucket"),
            ("s3://key:secret@films", "AWS_ACCESS_KEY_ID"),
            ("s3://films?endpoint=x", "AWS_ENDPOINT_URL"),
            ("file://srv/segue", "file:///absolute"),
            ("ftp://films", "s3://bucket"),
        ] {
            let error = text.parse::<Location>().expect_err(text).to_string();
            assert!(error.contains(reason), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
