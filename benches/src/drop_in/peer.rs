//! rffmpeg, of which a checkout is named: under the names a media server calls, with this machine as
//! its host. What SSH costs to another one comes on top of what is measured here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::tool::{on_path, run};
use crate::workplace;

/// A folder with `ffmpeg` and `ffprobe` that are both rffmpeg, and all that it keeps.
pub struct Rffmpeg {
    folder: TempDir,
}

impl Rffmpeg {
    /// Of a checkout.
    pub fn new(checkout: &Path) -> anyhow::Result<Rffmpeg> {
        let program = checkout.join("rffmpeg");
        ensure!(
            program.is_file(),
            "{} is not there: name a checkout of rffmpeg",
            program.display()
        );
        let peer = Rffmpeg { folder: workplace::scratch()? };
        let place = peer.folder.path();
        for name in ["rffmpeg", "ffmpeg", "ffprobe"] {
            std::os::unix::fs::symlink(program.canonicalize()?, place.join(name))?;
        }
        let (ffmpeg, ffprobe) = (on_path("ffmpeg")?, on_path("ffprobe")?);
        // JSON is YAML.
        let settings = serde_json::json!({ "rffmpeg": {
            "logging": { "log_to_file": true, "logfile": place.join("log") },
            "directories": { "state": place, "persist": place },
            "commands": {
                "ffmpeg": ffmpeg, "fallback_ffmpeg": ffmpeg,
                "ffprobe": ffprobe, "fallback_ffprobe": ffprobe,
            },
        }});
        std::fs::write(place.join("settings.yml"), settings.to_string())?;
        for words in [&["init", "--no-root", "--yes"][..], &["add", "localhost"]] {
            let needs = "rffmpeg cannot be set up (it needs Python with click and PyYAML)";
            run(peer.called("rffmpeg").args(words)).context(needs)?;
        }
        Ok(peer)
    }

    /// It, called `ffmpeg` or `ffprobe`.
    pub fn called(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.path().join(name));
        command.env("RFFMPEG_CONFIG", self.folder.path().join("settings.yml"));
        command
    }
}
