//! The drop-in itself: its settings, the programs beside it, and what it keeps.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use segue_drop_in::config::{self, Config, ConfigError, policy_name};
use segue_drop_in::kept::Kept;
use segue_drop_in::local;

use super::{Finding, What};

/// Fallbacks that are longer ago are history.
const LATELY: Duration = Duration::from_secs(24 * 3600);

/// Whether there are settings, and whether they can be used.
pub(super) fn settings(
    loaded: &Result<Config, ConfigError>,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Finding {
    let config = match loaded {
        Ok(config) => config,
        Err(error) => {
            let remedy = "mend that first: segue-ffmpeg runs nothing before, and neither programs nor \
                          the pool were looked at";
            return Finding::fail("settings", error.to_string(), remedy);
        }
    };
    let file = match config::find_file(variable) {
        Some(file) => file.display().to_string(),
        None => "no file, defaults hold".to_owned(),
    };
    let policy = policy_name(config.fallback);
    Finding::ok("settings", format!("{file}; fallback = \"{policy}\""))
}

/// ffmpeg, ffprobe, and ffprobe where a media server looks for it.
pub(super) fn programs(
    config: &Config,
    what: &What,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Vec<Finding> {
    let named = what.drop_in.clone().filter(|named| is_drop_in(named) || !named.is_file());
    let drop_in = named.or_else(|| ours(variable));
    let drop_in = drop_in.as_deref();
    let ffmpeg = local::find_beside(drop_in, config, variable);
    let ffprobe = local::find_ffprobe_beside(drop_in, config, variable);
    vec![
        program("ffmpeg", "SEGUE_LOCAL_FFMPEG", ffmpeg.as_deref(), drop_in),
        program("ffprobe", "SEGUE_LOCAL_FFPROBE", ffprobe.as_deref(), drop_in),
        match what.drop_in.as_deref() {
            Some(other) if other.is_file() && !is_drop_in(other) => Finding::fail(
                SIBLING,
                format!("{} is not segue-ffmpeg", other.display()),
                "name segue-ffmpeg; a media server that was given this one does not use the pool",
            ),
            named => sibling(named.is_some(), drop_in),
        },
    ]
}

const SIBLING: &str = "ffprobe beside segue-ffmpeg";

/// Whether a program answers as segue-ffmpeg alone does.
fn is_drop_in(program: &Path) -> bool {
    local::ask(program, &["--segue-explain", "-version"])
        .is_ok_and(|said| said.status.success() && said.stdout.starts_with(b"here"))
}

/// segue-ffmpeg beside this program, or else in PATH.
fn ours(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|own| Some(own.parent()?.to_owned()));
    let path = variable("PATH").unwrap_or_default();
    let places = beside.into_iter().chain(std::env::split_paths(&path));
    places.map(|place| place.join("segue-ffmpeg")).find(|program| program.is_file())
}

fn program(
    name: &'static str,
    setting: &str,
    found: Option<&Path>,
    drop_in: Option<&Path>,
) -> Finding {
    let Some(path) = found else {
        let remedy =
            format!("install one (jellyfin-ffmpeg for Jellyfin), or name it with {setting}");
        let said = format!("there is no {name} here, to answer, copy, probe and stand in");
        return Finding::fail(name, said, remedy);
    };
    let shown = path.display();
    if drop_in.is_some_and(|drop_in| local::is_ourselves(path, drop_in)) {
        let remedy = format!("name the real {name} with {setting}");
        return Finding::fail(name, format!("{shown} is segue-ffmpeg itself"), remedy);
    }
    let output = match local::ask(path, &["-version"]) {
        Ok(output) => output,
        Err(error) => {
            let remedy = format!("name another with {setting}, or let its user run it");
            return Finding::fail(name, format!("{shown} cannot be run: {error}"), remedy);
        }
    };
    let said = String::from_utf8_lossy(&output.stdout);
    let version =
        said.lines().next().and_then(|line| line.strip_prefix(name)?.strip_prefix(" version "));
    match version.filter(|_| output.status.success()) {
        Some(version) => {
            let version = version.split(' ').next().unwrap_or_default();
            Finding::ok(name, format!("{shown}, version {version}"))
        }
        None => {
            let remedy = format!("name a {name} with {setting}");
            Finding::fail(name, format!("{shown} does not say that it is {name}"), remedy)
        }
    }
}

/// Jellyfin takes ffprobe from where ffmpeg is.
fn sibling(is_named: bool, drop_in: Option<&Path>) -> Finding {
    let Some(drop_in) = drop_in else {
        let remedy = "name it with --drop-in, as the media server was given it";
        return Finding::warn(SIBLING, "segue-ffmpeg was not found", remedy);
    };
    let Some(place) = local::jellyfins_ffprobe(drop_in) else {
        return Finding::fail(
            SIBLING,
            format!("{} is no program", drop_in.display()),
            "name a file",
        );
    };
    if !drop_in.is_file() {
        let said = format!("{} is not there", drop_in.display());
        return Finding::fail(SIBLING, said, "name segue-ffmpeg as the media server was given it");
    }
    if place.is_file() {
        return Finding::ok(SIBLING, place.display().to_string());
    }
    let said = format!("Jellyfin looks for {}, and nothing is there", place.display());
    let remedy = format!("ln -s {} {}", drop_in.display(), place.display());
    match is_named {
        true => Finding::fail(SIBLING, said, remedy),
        // The media server may have been given another path.
        false => Finding::warn(SIBLING, said, remedy),
    }
}

/// The directory that answers are kept in, and how often the pool was done without.
pub(super) fn kept(config: &Config, variable: &impl Fn(&str) -> Option<OsString>) -> Vec<Finding> {
    let kept = Kept::new(config, variable);
    let cache = match kept.check() {
        Ok(directory) => Finding::ok("cache", directory.display().to_string()),
        Err(error) => Finding::warn(
            "cache",
            error.to_string(),
            "name a directory that the media server's user may write to with SEGUE_CACHE: until then \
             each question starts an ffmpeg, and fallbacks are not counted",
        ),
    };
    let fallbacks = kept.fallbacks();
    let Some(last) = fallbacks.latest.last() else {
        return vec![cache, Finding::ok("fallbacks", "none so far")];
    };
    let age = SystemTime::now().duration_since(last.at).unwrap_or_default();
    let said = format!(
        "ffmpeg ran here instead of in the pool {}, the last time {} ago (a {}; it said: {})",
        times(fallbacks.total),
        words(age),
        last.instead_of,
        last.reason
    );
    let found = match age < LATELY {
        true => Finding::warn("fallbacks", said, "what follows says why, if it still is so"),
        false => Finding::ok("fallbacks", said),
    };
    vec![cache, found]
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn words(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}
