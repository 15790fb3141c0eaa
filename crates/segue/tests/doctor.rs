//! `segue doctor`: what is wrong is found, named, and said what to do about.

mod support;

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use support::pool::Pool;
use support::{film, run, segue};
use tempfile::TempDir;

/// A place for settings and programs of one's own, and nobody at its scheduler's address.
fn doctor(place: &TempDir) -> Command {
    let at = |name: &str| place.path().join(name);
    let mut command = segue();
    command.arg("doctor");
    for (name, value) in [
        ("HOME", at("home")),
        ("XDG_CONFIG_HOME", at("config")),
        ("SEGUE_CACHE", at("cache")),
        ("SEGUE_LOCAL_FFMPEG", "/usr/bin/ffmpeg".into()),
        ("SEGUE_LOCAL_FFPROBE", "/usr/bin/ffprobe".into()),
        ("SEGUE_SCHEDULER", "http://127.0.0.1:1".into()),
    ] {
        command.env(name, value);
    }
    command
}

/// What was found, by check, and the exit code.
fn findings(command: &mut Command) -> (Vec<Value>, Option<i32>) {
    let (code, stdout, stderr) = run(command.arg("--json"));
    assert!(stderr.is_empty(), "{stderr}");
    let read = |line: &str| serde_json::from_str(line).expect("every line is JSON");
    (stdout.lines().map(read).collect(), code)
}

fn finding<'a>(findings: &'a [Value], check: &str) -> &'a Value {
    let found = findings.iter().find(|finding| finding["check"] == check);
    found.unwrap_or_else(|| panic!("{check} was not looked at: {findings:?}"))
}

fn verdict<'a>(findings: &'a [Value], check: &str) -> &'a str {
    finding(findings, check)["verdict"].as_str().unwrap()
}

/// Something by the name of segue-ffmpeg, with ffprobe beside it or not.
fn drop_in(place: &TempDir, with_ffprobe: bool) -> std::path::PathBuf {
    let path = place.path().join("segue-ffmpeg");
    std::os::unix::fs::symlink(support::drop_in::drop_in(), &path).unwrap();
    if with_ffprobe {
        std::os::unix::fs::symlink("segue-ffmpeg", place.path().join("ffprobe")).unwrap();
    }
    path
}

#[test]
fn a_pool_that_is_not_there_fails_and_everything_else_is_looked_at_all_the_same() {
    let place = tempfile::tempdir().unwrap();
    let (found, code) = findings(doctor(&place).arg("--transcodes").arg(place.path()));
    assert_eq!(code, Some(1));
    let scheduler = finding(&found, "scheduler");
    assert_eq!(scheduler["verdict"], "fail");
    assert!(scheduler["said"].as_str().unwrap().contains("127.0.0.1:1"), "{scheduler}");
    assert!(scheduler["do"].as_str().unwrap().contains("SEGUE_SCHEDULER"), "{scheduler}");
    for check in ["settings", "ffmpeg", "ffprobe", "cache", "fallbacks", "transcodes", "clock"] {
        assert_eq!(verdict(&found, check), "ok", "{found:?}");
    }
    // For people the same, with what to do under what was found.
    let (code, table, _) = run(&mut doctor(&place));
    assert_eq!(code, Some(1));
    let lines: Vec<&str> = table.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("fail") && line.contains("scheduler"));
    assert!(lines[at.unwrap() + 1].trim_start().starts_with("-> "), "{table}");
}

#[test]
fn settings_that_cannot_be_used_are_named_with_their_line() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("config/segue/ffmpeg.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "\nfalback = \"never\"\n").unwrap();
    let (found, code) = findings(&mut doctor(&place));
    assert_eq!(code, Some(1));
    let settings = finding(&found, "settings");
    assert_eq!(settings["verdict"], "fail");
    let said = settings["said"].as_str().unwrap();
    assert!(said.contains("config/segue/ffmpeg.toml, line 2, falback"), "{said}");
}

#[test]
fn programs_that_are_not_what_they_should_be_are_pointed_out() {
    let place = tempfile::tempdir().unwrap();
    let ours = drop_in(&place, false);
    let mut command = doctor(&place);
    command.arg("--drop-in").arg(&ours).env("SEGUE_LOCAL_FFMPEG", &ours);
    let (found, _) = findings(command.env("SEGUE_LOCAL_FFPROBE", "/bin/true"));
    let ffmpeg = finding(&found, "ffmpeg")["said"].as_str().unwrap();
    assert!(ffmpeg.contains("segue-ffmpeg itself"), "{ffmpeg}");
    assert_eq!(verdict(&found, "ffprobe"), "fail");
    let sibling = finding(&found, "ffprobe beside segue-ffmpeg");
    assert_eq!(sibling["verdict"], "fail");
    assert!(sibling["do"].as_str().unwrap().starts_with("ln -s "), "{sibling}");
}

#[test]
fn fallbacks_of_late_are_a_warning() {
    let place = tempfile::tempdir().unwrap();
    let cache = place.path().join("cache");
    std::fs::create_dir(&cache).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let lines = format!("earlier\t41\n{}\tjob\tno scheduler answers\n", now.as_secs());
    std::fs::write(cache.join("fallbacks"), lines).unwrap();
    let (found, _) = findings(&mut doctor(&place));
    let fallbacks = finding(&found, "fallbacks");
    assert_eq!(fallbacks["verdict"], "warn");
    let said = fallbacks["said"].as_str().unwrap();
    assert!(said.contains("42 times") && said.contains("no scheduler answers"), "{said}");
}

#[test]
fn a_set_up_that_works_is_all_right_and_a_map_that_leads_nowhere_is_not() {
    let place = tempfile::tempdir().unwrap();
    let pool = Pool::start(1);
    let film = film().canonicalize().unwrap();
    let ours = drop_in(&place, true);
    let examined = |map: Option<&Path>| {
        let mut command = doctor(&place);
        command.env("SEGUE_SCHEDULER", pool.url()).arg("--drop-in").arg(&ours);
        command.arg("--file").arg(&film).arg("--transcodes").arg(place.path());
        if let Some(here) = map {
            command.env("SEGUE_PATH_MAP", format!("{}=/nowhere", here.display()));
        }
        findings(&mut command)
    };
    let (found, code) = examined(None);
    assert_eq!(code, Some(0), "{found:?}");
    for check in ["scheduler", "workers", "film"] {
        assert_eq!(verdict(&found, check), "ok", "{found:?}");
    }
    let scheduler = finding(&found, "scheduler")["said"].as_str().unwrap();
    assert!(scheduler.contains(env!("CARGO_PKG_VERSION")), "{scheduler}");
    let (found, code) = examined(film.parent());
    assert_eq!(code, Some(1));
    let film = finding(&found, "film");
    assert!(film["said"].as_str().unwrap().contains("file:///nowhere/"), "{film}");
    assert!(film["do"].as_str().unwrap().contains("SEGUE_PATH_MAP"), "{film}");
}
