//! `s3://bucket/key`, read.

use object_store::path::Path;

/// An object by its name. Never holds credentials: those come from the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub bucket: String,
    pub key: Path,
}

impl Object {
    /// What comes after `s3://`. A key is taken as it is written, as Amazon's own tools do: keys may
    /// hold `?`, `#` and `%`.
    pub(crate) fn of(rest: &str) -> Result<Object, &'static str> {
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.contains('@') || key.contains("X-Amz-Signature=") {
            return Err("credentials belong into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
                        where no log shows them");
        }
        if bucket.is_empty() {
            return Err("it names no bucket: write s3://bucket/key");
        }
        // A request for any other ends in a panic of the client's.
        let may_be_in_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if !bucket.bytes().all(may_be_in_name) {
            return Err("no bucket is called that: names have letters, digits, '.', '-' and '_'");
        }
        if key.contains(char::is_control) {
            return Err("there are control characters in the key: rename it");
        }
        if key.is_empty() {
            return Err("it names no object in the bucket: write s3://bucket/key");
        }
        let key = Path::parse(key)
            .map_err(|_| "no part of a key between slashes may be empty, '.' or '..': rename it")?;
        Ok(Object { bucket: bucket.to_owned(), key })
    }
}
