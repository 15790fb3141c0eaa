//! Looks for them.

use std::ffi::OsString;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::config::Config;

/// Whoever has Jellyfin's ffmpeg has a Jellyfin that used it: it knows filters that others lack, and
/// what it can do is what was set up there.
const JELLYFINS: &str = "/usr/lib/jellyfin-ffmpeg";
/// Where programs are, for services that are started without a PATH.
const USUAL: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The ffmpeg that is here: what the settings name; else Jellyfin's, or the first in PATH or a usual
/// place that is not this program.
pub fn find(config: &Config, variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    find_beside(None, config, variable)
}

/// The same, for whoever looks in the place of another program: `None` is this one.
pub fn find_beside(
    ourselves: Option<&Path>,
    config: &Config,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    config.ffmpeg.clone().or_else(|| first(ourselves, places(variable), "ffmpeg"))
}

/// The ffprobe that is here: what the settings name; else the one beside our ffmpeg, or the first
/// elsewhere that is not this program.
pub fn find_ffprobe(
    config: &Config,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    find_ffprobe_beside(None, config, variable)
}

/// The same, for whoever looks in the place of another program: `None` is this one.
pub fn find_ffprobe_beside(
    ourselves: Option<&Path>,
    config: &Config,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Option<PathBuf> {
    if config.ffprobe.is_some() {
        return config.ffprobe.clone();
    }
    let ffmpeg = find_beside(ourselves, config, variable);
    let beside = ffmpeg.and_then(|ffmpeg| Some(ffmpeg.parent()?.to_owned()));
    first(ourselves, beside.into_iter().chain(places(variable)), "ffprobe")
}

fn places(variable: &impl Fn(&str) -> Option<OsString>) -> impl Iterator<Item = PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let in_path: Vec<PathBuf> =
        std::env::split_paths(&path).filter(|place| place.is_absolute()).collect();
    let usual = USUAL.iter().map(PathBuf::from);
    [PathBuf::from(JELLYFINS)].into_iter().chain(in_path).chain(usual)
}

fn first(
    ourselves: Option<&Path>,
    places: impl Iterator<Item = PathBuf>,
    name: &str,
) -> Option<PathBuf> {
    let ourselves = ourselves.map_or_else(std::env::current_exe, |path| Ok(path.to_owned()));
    let ourselves = ourselves.and_then(std::fs::metadata).ok();
    places.map(|place| place.join(name)).find(|program| {
        let Ok(metadata) = program.metadata() else { return false };
        let is_program = metadata.is_file() && metadata.mode() & 0o111 != 0;
        is_program && !ourselves.as_ref().is_some_and(|ours| is_same(ours, &metadata))
    })
}

/// Whether a program is this one, by whatever name; a copy of it counts.
pub fn is_ourselves(program: &Path, ourselves: &Path) -> bool {
    let both = (program.metadata(), ourselves.metadata());
    matches!(both, (Ok(theirs), Ok(ours)) if is_same(&ours, &theirs))
}

/// A link is the same file. A copy has the same length, which no ffmpeg happens to have; one that
/// was taken for ffmpeg would call itself until the machine is full.
fn is_same(ours: &Metadata, theirs: &Metadata) -> bool {
    (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()) || ours.len() == theirs.len()
}

/// Where Jellyfin looks for ffprobe, given the path of its ffmpeg: in the last name, whatever it is,
/// `ffprobe` and the extension (its `FfprobePathRegex`).
pub fn jellyfins_ffprobe(ffmpeg: &Path) -> Option<PathBuf> {
    let name = ffmpeg.file_name()?.as_bytes();
    let extension = name.iter().rposition(|byte| *byte == b'.').map_or(&b""[..], |at| &name[at..]);
    let mut probe = OsString::from("ffprobe");
    probe.push(std::ffi::OsStr::from_bytes(extension));
    Some(ffmpeg.with_file_name(probe))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_first_in_path_that_is_a_program_and_not_ourselves_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        std::fs::create_dir_all(at("link")).unwrap();
        std::os::unix::fs::symlink(std::env::current_exe().unwrap(), at("link/ffmpeg")).unwrap();
        std::fs::create_dir_all(at("copy")).unwrap();
        std::fs::copy(std::env::current_exe().unwrap(), at("copy/ffmpeg")).unwrap();
        std::fs::create_dir_all(at("directory/ffmpeg")).unwrap();
        std::fs::create_dir_all(at("text")).unwrap();
        std::fs::write(at("text/ffmpeg"), "").unwrap();
        program(&at("good/ffmpeg"));
        program(&at("later/ffmpeg"));
        let names = ["nowhere", "link", "copy", "directory", "text", "good", "later"];
        let found = first(None, names.iter().map(|name| at(name)), "ffmpeg");
        assert_eq!(found, Some(at("good/ffmpeg")));
    }

    #[test]
    fn the_ffprobe_of_an_ffmpeg_is_the_one_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        program(&at("ours/ffmpeg"));
        program(&at("ours/ffprobe"));
        let config = Config { ffmpeg: Some(at("ours/ffmpeg")), ..Config::default() };
        assert_eq!(find_ffprobe(&config, &|_| None), Some(at("ours/ffprobe")));
        let named = Config { ffprobe: Some("/x/ffprobe".into()), ..config };
        assert_eq!(find_ffprobe(&named, &|_| None), Some("/x/ffprobe".into()));
    }

    #[test]
    fn ffprobe_is_where_jellyfin_looks_for_it() {
        for (ffmpeg, ffprobe) in [
            ("/usr/lib/ffmpeg", "/usr/lib/ffprobe"),
            ("/config/ffmpeg.sh", "/config/ffprobe.sh"),
            ("/config/ffmpeg-wrapper", "/config/ffprobe"),
            ("/usr/bin/segue-ffmpeg", "/usr/bin/ffprobe"),
        ] {
            assert_eq!(jellyfins_ffprobe(Path::new(ffmpeg)), Some(ffprobe.into()));
        }
    }
}
