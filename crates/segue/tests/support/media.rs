//! What comes out, and whether it is what one undisturbed process makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use super::{Run, SEGMENTS, contents, film, segue};

/// Files by their names in a job.
pub type Media = BTreeMap<PathBuf, Vec<u8>>;

/// What one machine makes of the film, without a pool.
pub fn undisturbed(arguments: &[&str]) -> Media {
    let directory = tempdir().unwrap();
    let out = directory.path().join("out");
    let mut command = segue();
    command.arg("transcode").arg(film()).arg("--to").arg(&out).args(SEGMENTS).arg("--exact");
    if !arguments.contains(&"--preset") {
        command.args(["--preset", "medium"]);
    }
    Run::start(command.args(arguments)).succeed();
    media(&out)
}

/// Segments, init sections and playlists.
pub fn media(directory: &Path) -> Media {
    let mut all = contents(directory);
    // A store's name for it, and a directory's.
    all.remove(Path::new("job"));
    all.remove(Path::new("job.json"));
    all
}

pub fn assert_same(left: &Media, right: &Media) {
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    let differing: Vec<_> =
        left.iter().filter(|(name, bytes)| right[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differing.is_empty(), "{differing:?} differ");
}
