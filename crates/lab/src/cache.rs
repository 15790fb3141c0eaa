//! Keeps what was made, named by what made it, under cargo's target directory.
//!
//! A file is made under a temporary name and renamed, so a name that exists is complete; a lock
//! per file keeps test processes from making the same one side by side.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::command::run;

/// Where sources are kept; deleting it is always safe between test runs.
pub fn directory() -> &'static Path {
    static DIRECTORY: OnceLock<PathBuf> = OnceLock::new();
    DIRECTORY.get_or_init(|| {
        let directory = target_directory().join("lab");
        fs::create_dir_all(&directory)
            .unwrap_or_else(|error| panic!("cannot create {}: {error}", directory.display()));
        directory
    })
}

/// The path of `<name>-<hash of recipe>.<extension>`, which `make` writes if it is not there.
///
/// `recipe` must hold everything the bytes depend on besides ffmpeg's version.
pub(crate) fn kept(name: &str, extension: &str, recipe: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let hash = hash(&format!("{}\n{recipe}", ffmpeg_version()));
    let stem = format!("{name}-{hash:016x}");
    let path = directory().join(format!("{stem}.{extension}"));
    if path.exists() {
        return path;
    }
    let lock_path = directory().join(format!("{stem}.lock"));
    let lock = File::create(&lock_path)
        .unwrap_or_else(|error| panic!("cannot create {}: {error}", lock_path.display()));
    lock.lock().unwrap_or_else(|error| panic!("cannot lock {}: {error}", lock_path.display()));
    if !path.exists() {
        // The lock's holder is alone, so a leftover of a killed process is simply overwritten.
        let part = directory().join(format!("{stem}.part.{extension}"));
        make(&part);
        fs::rename(&part, &path)
            .unwrap_or_else(|error| panic!("cannot rename {}: {error}", part.display()));
    }
    path
}

/// Cargo marks its target directory with CACHEDIR.TAG, and test programs lie below it: this
/// holds for any `CARGO_TARGET_DIR`, which is not passed on to tests.
fn target_directory() -> PathBuf {
    let program = std::env::current_exe().expect("the system knows this program's path");
    program
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").exists())
        .map(Path::to_path_buf)
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"))
}

/// Another ffmpeg makes other bytes, and must not be handed those of the last one.
fn ffmpeg_version() -> &'static str {
    static VERSION: OnceLock<String> = OnceLock::new();
    VERSION.get_or_init(|| {
        let said = run(std::process::Command::new("ffmpeg").arg("-version")).text();
        said.lines().next().unwrap_or_default().to_owned()
    })
}

/// FNV-1a: stable over Rust versions, which the standard library's hasher is not.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
