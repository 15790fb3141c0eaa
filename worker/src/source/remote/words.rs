//! What is wrong when a server does not give out a film, and what to do about it.

use object_store::Error;
use segue_store::server_words;

use crate::source::SourceError;

/// What a failed request means for whoever made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be different soon.
    Passing(String),
    /// The object is not what it was.
    Changed(&'static str),
    /// Asking again gives the same answer.
    Lasting(Cause, String),
}

/// Why a server does not give out an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    NoBucket,
    NoObject,
    Empty,
    Keys,
    Forbidden,
    Clock,
    Region,
    Unable,
}

pub(super) const REPLACED: &str = "was changed or replaced while it was read";
pub(super) const REMOVED: &str = "was removed while it was read";

/// Where a machine in a cloud asks for credentials, if its settings hold none. Elsewhere nobody
/// answers, or somebody else.
const LINK_LOCAL: &str = "169.254.";

impl Refusal {
    /// Of what a client reports. By the codes of S3, where there are any: they come as text.
    pub(super) fn of(error: &Error) -> Refusal {
        let said = server_words(error);
        let whole = error.to_string();
        let any = |codes: &[&str]| codes.iter().any(|code| said.contains(code));
        let cause = if any(&["NoSuchBucket"]) {
            Cause::NoBucket
        } else if any(&["InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken"])
            || any(&["ExpiredToken", "NotSignedUp"])
        {
            Cause::Keys
        } else if any(&["RequestTimeTooSkewed"]) {
            Cause::Clock
        } else if any(&["InvalidRange"]) || whole.contains(" 416 ") {
            Cause::Empty
        } else if any(&["AuthorizationHeaderMalformed", "PermanentRedirect", "configured region"]) {
            Cause::Region
        } else {
            match error {
                Error::Precondition { .. } => return Refusal::Changed(REPLACED),
                Error::NotFound { .. } => Cause::NoObject,
                Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => Cause::Forbidden,
                Error::Generic { .. } if !is_final(&whole) || said.contains(LINK_LOCAL) => {
                    return Refusal::Passing(said);
                }
                Error::JoinError { .. } => return Refusal::Passing(said),
                _ => Cause::Unable,
            }
        };
        Refusal::Lasting(cause, said)
    }
}

/// Whether the words of a failure without a code are those of a server that means it.
fn is_final(words: &str) -> bool {
    let client_error = words.contains("non-2xx status code: 4");
    let passing = [" 408 ", " 425 ", " 429 ", "RequestTimeout", "SlowDown"];
    words.contains("non-partial response")
        || (client_error && !passing.iter().any(|code| words.contains(code)))
}

/// Why a film cannot be opened.
pub(super) fn cannot_open(url: &str, refusal: &Refusal) -> SourceError {
    let (cause, said) = match refusal {
        Refusal::Changed(how) => {
            return SourceError::storage(format!("{url} {how}: try again when it is whole"));
        }
        Refusal::Passing(said) if said.contains(LINK_LOCAL) => {
            return SourceError::storage(format!(
                "{url} cannot be read: there are no credentials: set AWS_ACCESS_KEY_ID and \
                 AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for what anybody may read"
            ));
        }
        Refusal::Passing(said) => {
            return SourceError::storage(format!(
                "{url} cannot be read: {said}: look at AWS_ENDPOINT_URL and at the network"
            ));
        }
        Refusal::Lasting(cause, said) => (cause, said),
    };
    match cause {
        Cause::NoBucket => SourceError::film(format!(
            "{url}: there is no such bucket: check its name, AWS_ENDPOINT_URL and AWS_REGION"
        )),
        Cause::NoObject => SourceError::film(format!(
            "{url}: there is no such object in the bucket: check the key, case included"
        )),
        Cause::Empty => SourceError::film(format!("{url} is empty (0 bytes): upload it again")),
        Cause::Keys => SourceError::storage(format!(
            "{url} may not be read: {said}: look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )),
        Cause::Forbidden => SourceError::storage(format!(
            "{url} may not be read: {said}: allow s3:GetObject for AWS_ACCESS_KEY_ID; without \
             s3:ListBucket this is also the answer where the key is wrong"
        )),
        Cause::Clock => SourceError::storage(format!(
            "{url} cannot be read: the clocks of this machine and of the server differ: set them \
             by NTP"
        )),
        Cause::Region => SourceError::storage(format!(
            "{url} cannot be read: {said}: set AWS_REGION to the bucket's"
        )),
        Cause::Unable => SourceError::storage(format!(
            "{url} cannot be read: {said}: films need a server that gives out parts of objects, as \
             S3 does"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(words: &str) -> Error {
        Error::Generic { store: "S3", source: words.to_owned().into() }
    }

    #[test]
    fn trouble_that_passes_is_told_from_a_servers_last_word() {
        let status = "Error performing GET http://host/a in 2ms - Server returned non-2xx status \
                      code: ";
        for (words, passes) in [
            (format!("{status}429 Too Many Requests: "), true),
            (format!("{status}400 Bad Request: <Code>RequestTimeout</Code>"), true),
            (format!("{status}503 Service Unavailable: <Code>SlowDown</Code>"), true),
            ("HTTP error: Connection refused (os error 111)".to_owned(), true),
            (format!("{status}400 Bad Request: <Code>InvalidRequest</Code>"), false),
            (format!("{status}416 Range Not Satisfiable: "), false),
            ("Received non-partial response when range requested".to_owned(), false),
        ] {
            let refusal = Refusal::of(&generic(&words));
            assert_eq!(matches!(refusal, Refusal::Passing(_)), passes, "{words}: {refusal:?}");
        }
    }

    #[test]
    fn a_server_that_says_why_is_believed() {
        let source = "<Code>NoSuchBucket</Code><Message>none</Message>";
        let error = Error::NotFound { path: "a".to_owned(), source: source.into() };
        let expected = Refusal::Lasting(Cause::NoBucket, "NoSuchBucket, none".to_owned());
        assert_eq!(Refusal::of(&error), expected);
        let empty = generic("non-2xx status code: 416 Range Not Satisfiable: ");
        assert!(matches!(Refusal::of(&empty), Refusal::Lasting(Cause::Empty, _)));
    }
}
