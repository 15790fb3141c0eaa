//! Where playlists and segments are, and how relative names are resolved (RFC 3986 section 5).

use std::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Component, Path, PathBuf};

use crate::Cancel;
use crate::av::url::{self, UrlError};

/// A file or a URL.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Location {
    File(PathBuf),
    Url(String),
}

/// All of something, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Resource {
    pub(super) location: Location,
    /// Offset and length in bytes.
    pub(super) range: Option<(u64, u64)>,
}

/// Why a resource could not be read.
#[derive(Debug)]
pub(super) enum FetchError {
    /// It is not there, or may not be read: trying again will not help.
    Missing(String),
    Cancelled,
}

/// No segment or playlist is larger; what is would not fit a player's memory either.
const SIZE_MAX: u64 = 1 << 30;

impl Location {
    /// As a person writes it: a path, or a URL with `http`, `https` or `file`.
    pub(super) fn parse(text: &str) -> Location {
        match scheme(text) {
            Some("http" | "https") => Location::Url(text.to_owned()),
            Some("file") => Location::File(file_path(text)),
            _ => Location::File(PathBuf::from(text)),
        }
    }

    /// What a playlist at this location means by `reference`.
    ///
    /// `None` for what it may not mean: a playlist from the network must not make us read files.
    pub(super) fn resolve(&self, reference: &str) -> Option<Location> {
        match (self, scheme(reference)) {
            (_, Some("http" | "https")) => Some(Location::Url(reference.to_owned())),
            (Location::File(_), Some("file")) => Some(Location::File(file_path(reference))),
            (_, Some(_)) => None,
            (Location::File(base), None) => Some(Location::File(beside(base, reference))),
            (Location::Url(base), None) => Some(Location::Url(join(base, reference))),
        }
    }

    pub(super) fn fetch(&self, cancel: &Cancel) -> Result<Vec<u8>, FetchError> {
        Resource { location: self.clone(), range: None }.fetch(cancel)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::File(path) => path.display().fmt(f),
            Location::Url(url) => f.write_str(url),
        }
    }
}

impl Resource {
    pub(super) fn fetch(&self, cancel: &Cancel) -> Result<Vec<u8>, FetchError> {
        if cancel.is_cancelled() {
            return Err(FetchError::Cancelled);
        }
        match &self.location {
            Location::File(path) => {
                read_file(path, self.range).map_err(|error| FetchError::Missing(error.to_string()))
            }
            Location::Url(address) => {
                url::fetch(address, self.range, SIZE_MAX, cancel).map_err(|error| match error {
                    UrlError::Cancelled => FetchError::Cancelled,
                    error => FetchError::Missing(error.to_string()),
                })
            }
        }
    }
}

fn read_file(path: &Path, range: Option<(u64, u64)>) -> std::io::Result<Vec<u8>> {
    // A pipe would be waited for without end, and without hearing of an interrupt.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut file = std::fs::File::open(path)?;
    let (offset, length) = range.unwrap_or((0, SIZE_MAX));
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The scheme of an absolute URL. A lone letter is taken for a path, as in `c:/film`.
fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let plain = scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    (scheme.len() > 1 && plain).then_some(scheme)
}

fn file_path(url: &str) -> PathBuf {
    let path = url.split_once("://").map_or(url, |(_, rest)| rest);
    PathBuf::from(percent_decoded(path.strip_prefix("localhost").unwrap_or(path)))
}

/// A file beside a playlist. Packagers escape names or do not: what exists is meant.
fn beside(playlist: &Path, reference: &str) -> PathBuf {
    let directory = playlist.parent().unwrap_or(Path::new(""));
    let plain = directory.join(reference);
    if plain.exists() {
        return plain;
    }
    let path = reference.split(['?', '#']).next().unwrap_or(reference);
    let decoded = directory.join(percent_decoded(path));
    if decoded.exists() { decoded } else { plain }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = (*first == b'%')
            .then(|| text.get(text.len() - after.len()..text.len() - after.len() + 2))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn join(base: &str, reference: &str) -> String {
    let (scheme, rest) = base.split_once("://").unwrap_or(("http", base));
    if let Some(authority) = reference.strip_prefix("//") {
        return format!("{scheme}://{authority}");
    }
    let rest = rest.split(['?', '#']).next().unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if reference.starts_with('?') {
        return format!("{scheme}://{authority}{path}{reference}");
    }
    let (target, query) = reference.split_at(reference.find(['?', '#']).unwrap_or(reference.len()));
    let joined = if target.starts_with('/') {
        PathBuf::from(target)
    } else {
        let directory = path.rfind('/').map_or("/", |end| &path[..=end]);
        PathBuf::from(directory).join(target)
    };
    format!("{scheme}://{authority}{}{query}", without_dots(&joined))
}

fn without_dots(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(base: &str, reference: &str) -> Option<String> {
        Location::parse(base).resolve(reference).map(|location| location.to_string())
    }

    #[test]
    fn references_resolve_as_rfc_3986_says() {
        let base = "http://host:8080/a/b/master.m3u8?token=1/2";
        for (reference, url) in [
            ("s.ts", "http://host:8080/a/b/s.ts"),
            ("../s.ts?x=/y", "http://host:8080/a/s.ts?x=/y"),
            ("/s.ts", "http://host:8080/s.ts"),
            ("//other/s.ts", "http://other/s.ts"),
            ("https://other/s.ts", "https://other/s.ts"),
            ("./c/../../s.ts", "http://host:8080/a/s.ts"),
        ] {
            assert_eq!(resolved(base, reference).as_deref(), Some(url), "{reference}");
        }
        assert_eq!(resolved("/films/a/x.m3u8", "b/s.ts").as_deref(), Some("/films/a/b/s.ts"));
    }

    #[test]
    fn a_playlist_from_the_network_cannot_name_files() {
        assert_eq!(resolved("http://host/x.m3u8", "file:///etc/passwd"), None);
        assert_eq!(resolved("x.m3u8", "ftp://host/x"), None);
    }

    #[test]
    fn escapes_in_file_urls_are_undone() {
        assert_eq!(Location::parse("file:///a%20b/c.m3u8"), Location::File("/a b/c.m3u8".into()));
        assert_eq!(percent_decoded("100%"), "100%");
        assert_eq!(percent_decoded("%zz%c3%a4"), "%zzä");
    }
}
