//! Where files live while benches run: all below `target/bench`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// `target/bench` of the workspace, wherever cargo was told to keep `target`.
pub fn root() -> anyhow::Result<PathBuf> {
    // target/release/segue-bench -> target
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let target = program.parent().and_then(Path::parent).context("run this with cargo")?;
    let root = target.join("bench");
    fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
    Ok(root)
}

/// A directory that is gone, with all that is in it, when this is dropped.
pub fn scratch() -> anyhow::Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("run-").tempdir_in(root()?)?)
}

/// The file `name` among the sources: made now by `make`, into the path it is given, unless an
/// earlier run did. A run that was stopped leaves no half of it.
pub fn source(
    name: &str,
    make: impl FnOnce(&Path) -> anyhow::Result<()>,
) -> anyhow::Result<PathBuf> {
    let directory = root()?.join("sources");
    fs::create_dir_all(&directory)?;
    let path = directory.join(name);
    if !path.exists() {
        crate::progress::say(&format!("making the source {name}, once"));
        let begun = TempDir::new_in(&directory)?;
        let unfinished = begun.path().join(name);
        make(&unfinished).with_context(|| format!("cannot make the source {name}"))?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(path)
}
