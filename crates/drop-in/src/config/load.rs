//! Settings from a file and from the environment, which counts more.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use segue_ffmpeg::FallbackPolicy;
use toml::Spanned;

use super::file::{self, Settings};
use super::{Config, PathMap, duration};

/// Why settings cannot be used: where they stand, and what to write instead. One line.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read: {error}: {remedy}", file.display())]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the system says.
        error: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// It is no TOML, or has settings that there are not.
    #[error("{place}: {reason}")]
    Malformed {
        /// File, line and setting.
        place: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value that cannot be used.
    #[error("{place}: {reason}")]
    Value {
        /// File, line and setting, or the variable.
        place: String,
        /// What is wrong with it, and what to write.
        reason: String,
    },
}

/// A value, and where it stands.
struct Said<'a> {
    text: &'a str,
    place: String,
}

impl Said<'_> {
    fn fault(self, reason: impl Into<String>) -> ConfigError {
        ConfigError::Value { place: self.place, reason: reason.into() }
    }
}

/// The file of settings: what `SEGUE_FFMPEG_CONFIG` names; else the first that exists of
/// `segue/ffmpeg.toml` in the user's configuration directory (`XDG_CONFIG_HOME` or `~/.config`) and
/// `/etc/segue/ffmpeg.toml`. `None`: there is none, and everything is as it is by default.
pub fn file(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let directory = |name| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(named) = variable("SEGUE_FFMPEG_CONFIG").filter(|name| !name.is_empty()) {
        return Some(named.into());
    }
    let own = directory("XDG_CONFIG_HOME").or_else(|| Some(directory("HOME")?.join(".config")));
    // A home that may not be looked into is not the caller's, and holds no settings of theirs.
    let own = own.map(|place| place.join("segue/ffmpeg.toml"));
    if let Some(own) = own.filter(|own| own.symlink_metadata().is_ok()) {
        return Some(own);
    }
    let shared = PathBuf::from("/etc/segue/ffmpeg.toml");
    let there = shared.symlink_metadata();
    // One that may not be looked at is tried, so that it is named as the trouble.
    let absent = |error: &io::Error| {
        matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    };
    there.map_or_else(|error| !absent(&error), |_| true).then_some(shared)
}

impl Config {
    /// Reads the file of settings, if there is one, and then the environment, by way of `variable`.
    pub fn load(variable: &impl Fn(&str) -> Option<OsString>) -> Result<Config, ConfigError> {
        let mut config = Config::default();
        if let Some(file) = file(variable) {
            let text = std::fs::read_to_string(&file).map_err(|error| {
                let remedy = match error.kind() {
                    io::ErrorKind::NotFound => "SEGUE_FFMPEG_CONFIG has to name a file",
                    io::ErrorKind::InvalidData => "write it as UTF-8",
                    _ => "let whoever runs the media server read it",
                };
                ConfigError::Unreadable { file: file.clone(), error, remedy }
            })?;
            config.read(&file, &text)?;
        }
        config.obey(variable)?;
        Ok(config)
    }

    /// The settings of a file.
    fn read(&mut self, file: &Path, text: &str) -> Result<(), ConfigError> {
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| file::line(text, span.start));
            let reason = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
            ConfigError::Malformed { place: place(file, text, line), reason }
        })?;
        let said =
            |value: &Spanned<String>| place(file, text, Some(file::line(text, value.span().start)));
        let Settings {
            schedulers,
            fallback,
            busy_wait,
            absent_wait,
            ffmpeg,
            ffprobe,
            cache,
            path_maps,
        } = &settings;
        let one = |value: &'_ Spanned<String>| said(value);
        if let Some(list) = schedulers {
            let list = list.iter().map(|value| Said { text: value.as_ref(), place: one(value) });
            self.schedulers = list.map(scheduler).collect::<Result<_, _>>()?;
            if self.schedulers.is_empty() {
                let place = format!("{}: schedulers", file.display());
                let reason = "name one, such as \"http://127.0.0.1:7700\"".to_owned();
                return Err(ConfigError::Value { place, reason });
            }
        }
        let say = |value: &'_ Option<Spanned<String>>| -> Option<(String, String)> {
            value.as_ref().map(|value| (value.as_ref().clone(), one(value)))
        };
        if let Some((text, place)) = say(fallback) {
            self.fallback = policy(Said { text: &text, place })?;
        }
        for (value, setting) in
            [(busy_wait, &mut self.busy_wait), (absent_wait, &mut self.absent_wait)]
        {
            if let Some((text, place)) = say(value) {
                *setting = time(Said { text: &text, place })?;
            }
        }
        for (value, setting) in
            [(ffmpeg, &mut self.ffmpeg), (ffprobe, &mut self.ffprobe), (cache, &mut self.cache)]
        {
            if let Some((text, place)) = say(value) {
                *setting = Some(path(Said { text: &text, place })?);
            }
        }
        for map in path_maps {
            let here = path(Said { text: map.here.as_ref(), place: one(&map.here) })?;
            let workers =
                workers_place(Said { text: map.workers.as_ref(), place: one(&map.workers) })?;
            self.path_maps.push(PathMap { here, workers });
        }
        Ok(())
    }

    /// The settings of the environment.
    fn obey(&mut self, variable: &impl Fn(&str) -> Option<OsString>) -> Result<(), ConfigError> {
        // A variable that is set to nothing is as good as not set.
        let text = |name: &str| -> Result<Option<String>, ConfigError> {
            let Some(value) = variable(name).filter(|value| !value.is_empty()) else {
                return Ok(None);
            };
            value.into_string().map(Some).map_err(|value| ConfigError::Value {
                place: name.to_owned(),
                reason: format!("{value:?} is not UTF-8: write it in UTF-8"),
            })
        };
        fn said<'a>(name: &str, text: &'a str) -> Said<'a> {
            Said { text: text.trim(), place: name.to_owned() }
        }
        if let Some(list) = text("SEGUE_SCHEDULER")? {
            let list = list.split(',').map(|one| scheduler(said("SEGUE_SCHEDULER", one)));
            self.schedulers = list.collect::<Result<_, _>>()?;
        }
        if let Some(list) = text("SEGUE_PATH_MAP")? {
            let name = "SEGUE_PATH_MAP";
            let maps = list.split(';').filter(|map| !map.trim().is_empty());
            self.path_maps = maps
                .map(|map| {
                    let Some((here, workers)) = map.split_once('=') else {
                        let reason = format!("'{map}' is no map: write HERE=WORKERS;HERE=WORKERS");
                        return Err(said(name, map).fault(reason));
                    };
                    let here = path(said(name, here))?;
                    Ok(PathMap { here, workers: workers_place(said(name, workers))? })
                })
                .collect::<Result<_, _>>()?;
        }
        if let Some(value) = text("SEGUE_FALLBACK")? {
            self.fallback = policy(said("SEGUE_FALLBACK", &value))?;
        }
        for (name, setting) in
            [("SEGUE_BUSY_WAIT", &mut self.busy_wait), ("SEGUE_ABSENT_WAIT", &mut self.absent_wait)]
        {
            if let Some(value) = text(name)? {
                *setting = time(said(name, &value))?;
            }
        }
        for (name, setting) in [
            ("SEGUE_LOCAL_FFMPEG", &mut self.ffmpeg),
            ("SEGUE_LOCAL_FFPROBE", &mut self.ffprobe),
            ("SEGUE_CACHE", &mut self.cache),
        ] {
            if let Some(value) = text(name)? {
                *setting = Some(path(said(name, &value))?);
            }
        }
        Ok(())
    }
}

fn place(file: &Path, text: &str, line: Option<usize>) -> String {
    let Some(line) = line else { return file.display().to_string() };
    match file::key(text, line) {
        Some(key) => format!("{}, line {line}, {key}", file.display()),
        None => format!("{}, line {line}", file.display()),
    }
}

fn scheduler(said: Said<'_>) -> Result<String, ConfigError> {
    let bare = said.text.strip_prefix("http://").unwrap_or(said.text).trim_end_matches('/');
    let (host, port) = bare.rsplit_once(':').unwrap_or((bare, ""));
    let plain = |c: char| !c.is_whitespace() && !"/?#@".contains(c);
    if host.is_empty() || !host.chars().all(plain) || port.parse::<u16>().is_err() {
        let reason = format!("'{}' is no scheduler: write http://host:port", said.text);
        return Err(said.fault(reason));
    }
    Ok(format!("http://{bare}"))
}

fn policy(said: Said<'_>) -> Result<FallbackPolicy, ConfigError> {
    Ok(match said.text {
        "never" => FallbackPolicy::Never,
        "when-unreachable" => FallbackPolicy::WhenUnreachable,
        "when-busy" => FallbackPolicy::WhenBusy,
        other => {
            let reason = format!("'{other}' is none of never, when-unreachable and when-busy");
            return Err(said.fault(reason));
        }
    })
}

fn time(said: Said<'_>) -> Result<std::time::Duration, ConfigError> {
    duration::parse(said.text).map_err(|reason| said.fault(reason))
}

fn path(said: Said<'_>) -> Result<PathBuf, ConfigError> {
    let path = Path::new(said.text);
    if !path.is_absolute() {
        let reason = format!("'{}' is not absolute: write the whole path", said.text);
        return Err(said.fault(reason));
    }
    Ok(path.to_owned())
}

fn workers_place(said: Said<'_>) -> Result<String, ConfigError> {
    let bucket = said
        .text
        .strip_prefix("s3://")
        .is_some_and(|rest| !rest.starts_with('/') && !rest.is_empty());
    if !said.text.starts_with('/') && !bucket {
        let reason = format!(
            "'{}' is no place of workers: write an absolute path or s3://bucket/key",
            said.text
        );
        return Err(said.fault(reason));
    }
    Ok(said.text.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::EXAMPLE;
    use super::*;

    fn load(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ffmpeg.toml");
        std::fs::write(&file, text).unwrap();
        let mut all: BTreeMap<String, OsString> = BTreeMap::new();
        all.insert("SEGUE_FFMPEG_CONFIG".to_owned(), file.into());
        all.extend(variables.iter().map(|(k, v)| ((*k).to_owned(), OsString::from(*v))));
        Config::load(&|name: &str| all.get(name).cloned()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_example_is_what_holds_without_a_file() {
        assert_eq!(load(EXAMPLE, &[]), Ok(Config::default()));
    }

    #[test]
    fn every_setting_that_the_example_leaves_out_is_one() {
        let all: Vec<&str> =
            EXAMPLE.lines().map(|line| line.strip_prefix("#: ").unwrap_or(line)).collect();
        let config = load(&all.join("\n"), &[]).unwrap();
        assert!(config.ffmpeg.is_some() && config.ffprobe.is_some() && config.cache.is_some());
        assert!(!config.path_maps.is_empty());
    }

    #[test]
    fn the_environment_counts_more_than_the_file() {
        let text = "fallback = \"never\"\nschedulers = [\"http://a:1\"]\nbusy_wait = \"1s\"\n\
                    [[path_maps]]\nhere = \"/a\"\nworkers = \"/b\"\n";
        let config = load(
            text,
            &[
                ("SEGUE_SCHEDULER", "b:2, http://[::1]:3/"),
                ("SEGUE_PATH_MAP", "/media=/mnt/films;/tv=s3://shows"),
                ("SEGUE_FALLBACK", "when-busy"),
                ("SEGUE_BUSY_WAIT", "250ms"),
                ("SEGUE_ABSENT_WAIT", "3s"),
                ("SEGUE_LOCAL_FFMPEG", "/opt/ffmpeg"),
                ("SEGUE_LOCAL_FFPROBE", ""),
                ("SEGUE_CACHE", "/var/cache/segue"),
            ],
        );
        let map =
            |here: &str, workers: &str| PathMap { here: here.into(), workers: workers.into() };
        assert_eq!(
            config,
            Ok(Config {
                schedulers: vec!["http://b:2".into(), "http://[::1]:3".into()],
                path_maps: vec![map("/media", "/mnt/films"), map("/tv", "s3://shows")],
                fallback: FallbackPolicy::WhenBusy,
                busy_wait: std::time::Duration::from_millis(250),
                absent_wait: std::time::Duration::from_secs(3),
                ffmpeg: Some("/opt/ffmpeg".into()),
                ffprobe: None,
                cache: Some("/var/cache/segue".into()),
            })
        );
    }

    #[test]
    fn an_error_names_file_line_and_setting_and_says_what_to_write() {
        for (text, expected) in [
            ("\nfalback = \"never\"\n", &["ffmpeg.toml, line 2, falback", "unknown field"][..]),
            ("busy_wait = 20\n", &["line 1, busy_wait", "string"]),
            ("busy_wait = \"20\"\n", &["line 1, busy_wait", "20s"]),
            ("fallback = \"always\"\n", &["line 1, fallback", "when-unreachable"]),
            ("schedulers = []\n", &["schedulers", "http://127.0.0.1:7700"]),
            ("schedulers = [\"https://a:1\"]\n", &["line 1, schedulers", "http://host:port"]),
            ("schedulers = [\"a\"]\n", &["line 1, schedulers", "http://host:port"]),
            ("ffmpeg = \"ffmpeg\"\n", &["line 1, ffmpeg", "whole path"]),
            ("[[path_maps]]\nhere = \"/a\"\n", &["line 1", "workers"]),
            ("[[path_maps]]\nhere = \"/a\"\nworkers = \"b\"\n", &["line 3, workers", "s3://"]),
            ("x = = 1\n", &["line 1"]),
        ] {
            let error = load(text, &[]).unwrap_err();
            assert!(!error.contains('\n'), "{error}");
            for part in expected {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
        let error = load("", &[("SEGUE_PATH_MAP", "/media")]).unwrap_err();
        assert!(error.starts_with("SEGUE_PATH_MAP: ") && error.contains("HERE=WORKERS"), "{error}");
    }

    #[test]
    fn a_file_that_was_named_has_to_be_there() {
        let named = |name: &str| (name == "SEGUE_FFMPEG_CONFIG").then(|| "/nowhere/a.toml".into());
        let error = Config::load(&named).unwrap_err().to_string();
        assert!(
            error.contains("/nowhere/a.toml") && error.contains("SEGUE_FFMPEG_CONFIG"),
            "{error}"
        );
    }

    #[test]
    fn the_users_own_file_comes_before_the_machines() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join("segue/ffmpeg.toml");
        std::fs::create_dir(own.parent().unwrap()).unwrap();
        std::fs::write(&own, "").unwrap();
        let home = |name: &str| {
            (name == "XDG_CONFIG_HOME").then(|| directory.path().as_os_str().to_owned())
        };
        assert_eq!(file(&home), Some(own));
    }
}
