//! The media to read, and how to tell that it is still the same.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A BLAKE3 hash; written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Hash {
        Hash(*blake3::hash(bytes).as_bytes())
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Hash> {
        blake3::Hash::from_hex(text).ok().map(|hash| Hash(*hash.as_bytes()))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        Hash::from_hex(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("`{text}` is not 64 hex digits")))
    }
}

/// How the storage itself names one state of a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Revision {
    /// A file's modification time in nanoseconds since 1970.
    Mtime(i64),
    /// An HTTP or S3 entity tag, quotes included.
    Etag(String),
    /// An object version id.
    Version(String),
}

/// Tells one state of a source from another without reading all of it: a path is not content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fingerprint {
    /// Length in bytes.
    pub size: u64,
    /// What the storage says of its state.
    pub revision: Revision,
    /// Hash of the first and last [`Fingerprint::SAMPLE`] bytes (of all bytes, when fewer than
    /// twice that).
    pub head_tail: Hash,
}

impl Fingerprint {
    /// How many bytes are hashed at either end.
    pub const SAMPLE: u64 = 64 * 1024;
}

/// The media to read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// `file://`, `s3://` or `http(s)://`, after path mapping and without credentials.
    pub url: String,
    /// Which state of it.
    pub fingerprint: Fingerprint,
}
