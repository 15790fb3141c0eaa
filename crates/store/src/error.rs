//! What can go wrong with a store, and what to do about it.

use std::error::Error;
use std::fmt::Write;

use segue_model::FailureClass;

use crate::Location;

/// Why a store did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// This names no store.
    #[error("'{}' is not a store: {reason}", without_credentials(text))]
    Location {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store did not.
    #[error("store {location}: {words}")]
    Failed {
        /// Which one.
        location: String,
        /// What sort of trouble that is.
        kind: Kind,
        /// What happened, why, and what to do.
        words: String,
    },
}

/// Sorts of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It does not answer, or says that it cannot now: worth another try.
    Unavailable,
    /// There is no room left.
    Full,
    /// It does not let us: credentials, permissions, clocks.
    Refused,
    /// There is no such bucket or directory.
    Missing,
    /// It cannot do what a store must.
    Unsupported,
    /// Something in it is not what it should be.
    Damaged,
}

impl StoreError {
    pub(crate) fn new(location: &Location, kind: Kind, words: String) -> StoreError {
        StoreError::Failed { location: location.to_string(), kind, words }
    }

    pub(crate) fn of(location: &Location, what: &str, error: &dyn Error) -> StoreError {
        let cause = chain(error);
        let (kind, remedy) = explain(&cause);
        let mut words = format!("{what}: {}", shorten(&cause));
        if let Some(remedy) = remedy {
            // Writing to a string does not fail.
            let _ = write!(words, " ({remedy})");
        }
        StoreError::new(location, kind, words)
    }

    /// What sort of trouble it is.
    pub fn kind(&self) -> Kind {
        match self {
            StoreError::Location { .. } => Kind::Missing,
            StoreError::Failed { kind, .. } => *kind,
        }
    }

    /// Who is to blame: never a device. Storage that has trouble is waited for.
    pub fn class(&self) -> FailureClass {
        FailureClass::Transient
    }
}

/// An error and its causes on one line, each said once.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !words.contains(&more) {
            words = format!("{words}: {more}");
        }
        cause = error.source();
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What an S3 server said, or what became of the way to it; without the request, which is ours.
pub(crate) fn shorten(cause: &str) -> String {
    let between = |open: &str, close: &str| {
        let (_, rest) = cause.split_once(open)?;
        rest.split_once(close).map(|(text, _)| text)
    };
    if let Some(code) = between("<Code>", "</Code>") {
        return match between("<Message>", "</Message>") {
            Some(message) => format!("{code}, {message}"),
            None => code.to_owned(),
        };
    }
    let Some((request, answer)) = cause.split_once(" - ") else { return cause.to_owned() };
    let server = request.find("http").and_then(|at| request[at..].split('/').nth(2));
    match server {
        Some(server) => format!("{server}: {answer}"),
        None => cause.to_owned(),
    }
}

/// What a failure means, by the codes of S3 and the words of the system: neither comes to us as
/// anything but text.
fn explain(cause: &str) -> (Kind, Option<&'static str>) {
    let table: [(&[&str], Kind, Option<&str>); 8] = [
        (&["NoSuchBucket"], Kind::Missing, Some("make the bucket, or name another one")),
        (
            &["InvalidAccessKeyId", "SignatureDoesNotMatch", "NotSignedUp", "InvalidToken"],
            Kind::Refused,
            Some("look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ),
        (
            &["RequestTimeTooSkewed"],
            Kind::Refused,
            Some("the clocks of this machine and of the server differ: set them by NTP"),
        ),
        (
            &["AccessDenied", "Permission denied", "Read-only file system"],
            Kind::Refused,
            Some("reading, writing, listing and deleting must be allowed"),
        ),
        (
            &["No space left", "Quota exceeded", "quota exceeded", "EntityTooLarge"],
            Kind::Full,
            Some("make room, or lower what is kept"),
        ),
        (
            &["Operation not supported", "NotImplemented", "not yet implemented"],
            Kind::Unsupported,
            None,
        ),
        (&["Not a directory", "File exists"], Kind::Missing, Some("name a directory")),
        (
            // The last is where virtual machines of Amazon's ask for theirs.
            &[
                "missing credentials",
                "instance credentials",
                "metadata endpoint",
                "169.254.169.254",
            ],
            Kind::Refused,
            Some("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        ),
    ];
    let known = table.into_iter().find(|(codes, ..)| codes.iter().any(|code| cause.contains(code)));
    known.map_or((Kind::Unavailable, None), |(_, kind, remedy)| (kind, remedy))
}

/// What was given may be a URL with a password in it.
fn without_credentials(text: &str) -> String {
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}...{}", &text[..scheme + 3], &text[at..])
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_servers_answer_the_code_and_its_words_are_shown() {
        let cause = "Error performing PUT http://host:9000/a/b in 2ms - Server returned 404: \
                     <Error><Code>NoSuchBucket</Code><Message>none such</Message></Error>";
        assert_eq!(shorten(cause), "NoSuchBucket, none such");
        assert_eq!(explain(cause).0, Kind::Missing);
    }

    #[test]
    fn of_a_server_that_does_not_answer_the_name_is_shown() {
        let cause = "Generic S3 error: Error performing PUT http://host:9000/a/b in 2ms, after 3 \
                     retries - HTTP error: Connection refused (os error 111)";
        assert_eq!(shorten(cause), "host:9000: HTTP error: Connection refused (os error 111)");
        assert_eq!(explain(cause).0, Kind::Unavailable);
    }

    #[test]
    fn a_full_disk_is_told_from_one_that_may_not_be_written() {
        assert_eq!(explain("No space left on device (os error 28)").0, Kind::Full);
        assert_eq!(explain("Disk quota exceeded (os error 122)").0, Kind::Full);
        assert_eq!(explain("Permission denied (os error 13)").0, Kind::Refused);
        assert_eq!(explain("Read-only file system (os error 30)").0, Kind::Refused);
    }

    #[test]
    fn a_password_in_a_url_is_not_repeated() {
        assert_eq!(without_credentials("s3://key:secret@films"), "s3://...@films");
        assert_eq!(without_credentials("films"), "films");
    }
}
