//! What workers call a file.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use super::{Config, PathMap};

impl Config {
    /// What workers call the file at an absolute path: a URL, as Submit wants it. Without a map that
    /// fits it is called the same. `None` if it cannot be said: the path is relative or climbs with
    /// `..` (over a link that may lead anywhere), or is not UTF-8 and lies in a bucket, whose keys
    /// are.
    pub fn source_url(&self, path: &Path) -> Option<String> {
        let climbs = path.components().any(|part| part == Component::ParentDir);
        if !path.is_absolute() || climbs {
            return None;
        }
        let fitting = self.path_maps.iter().filter(|map| path.starts_with(&map.here));
        match fitting.max_by_key(|map| map.here.components().count()) {
            Some(map) => map.url_of(path),
            None => Some(file_url(path)),
        }
    }
}

impl PathMap {
    fn url_of(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix(&self.here).ok()?;
        if !self.workers.contains("://") {
            return Some(file_url(&Path::new(&self.workers).join(below)));
        }
        // A bucket's keys are taken as they are written.
        let names = below.components().map(|part| part.as_os_str().to_str());
        let names: Vec<&str> = names.collect::<Option<_>>()?;
        Some(format!("{}/{}", self.workers.trim_end_matches('/'), names.join("/")))
    }
}

/// RFC 8089, with everything but unreserved characters and `/` percent-encoded: one spelling for one
/// path, as another spelling would be another job.
fn file_url(path: &Path) -> String {
    let mut url = "file://".to_owned();
    for part in path.components().map(Component::as_os_str).filter(|part| *part != OsStr::new("/"))
    {
        url.push('/');
        for byte in part.as_bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) {
                url.push(char::from(*byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(url, "%{byte:02X}");
            }
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(maps: &[(&str, &str)]) -> Config {
        let map = |(here, workers): &(&str, &str)| PathMap {
            here: here.into(),
            workers: (*workers).to_owned(),
        };
        Config { path_maps: maps.iter().map(map).collect(), ..Config::default() }
    }

    fn url(config: &Config, path: &str) -> Option<String> {
        config.source_url(Path::new(path))
    }

    #[test]
    fn without_maps_workers_see_the_same_paths() {
        let url = |path| url(&Config::default(), path);
        assert_eq!(url("/films/a b/ö#1.mkv").unwrap(), "file:///films/a%20b/%C3%B6%231.mkv");
        assert_eq!(url("/a//./b").unwrap(), "file:///a/b");
        assert_eq!(url("/50%/[a]'\"\n").unwrap(), "file:///50%25/%5Ba%5D%27%22%0A");
    }

    #[test]
    fn the_longest_map_counts_by_whole_names() {
        let config = config(&[("/media", "/mnt/films"), ("/media/tv", "s3://shows/all/")]);
        assert_eq!(url(&config, "/media/a.mkv").unwrap(), "file:///mnt/films/a.mkv");
        assert_eq!(url(&config, "/media/tv/50%/b é.mkv").unwrap(), "s3://shows/all/50%/b é.mkv");
        assert_eq!(url(&config, "/media2/a.mkv").unwrap(), "file:///media2/a.mkv");
        assert_eq!(url(&config, "/media/tvs/a.mkv").unwrap(), "file:///mnt/films/tvs/a.mkv");
    }

    #[test]
    fn a_path_that_may_lead_out_of_its_map_is_not_mapped() {
        let config = config(&[("/media", "/mnt/films")]);
        assert_eq!(url(&config, "/media/../etc/passwd"), None);
        assert_eq!(url(&config, "media/a.mkv"), None);
    }

    #[test]
    fn a_file_may_have_any_name_but_an_object_only_one_in_utf_8() {
        let odd = Path::new(OsStr::from_bytes(b"/media/\xff.mkv"));
        let files = config(&[("/media", "/mnt")]);
        assert_eq!(files.source_url(odd).unwrap(), "file:///mnt/%FF.mkv");
        assert_eq!(config(&[("/media", "s3://films")]).source_url(odd), None);
    }
}
