//! `segue-ffmpeg` under the names a media server calls, with a pool to ask.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::baseline::built;
use crate::pool::house::House;
use crate::tool::{on_path, run};
use crate::workplace;

/// A folder with `ffmpeg` and `ffprobe` that are both the drop-in.
pub struct StandIn {
    folder: TempDir,
    scheduler: String,
    /// What it uses where it needs one itself.
    ffmpeg: PathBuf,
    ffprobe: PathBuf,
}

impl StandIn {
    /// One that asks this pool, and never lets ffmpeg do what a pool should.
    pub fn new(house: &House) -> anyhow::Result<StandIn> {
        let program = built("segue-ffmpeg")?;
        let folder = workplace::scratch()?;
        for name in ["ffmpeg", "ffprobe"] {
            std::os::unix::fs::symlink(&program, folder.path().join(name))?;
        }
        // Settings of whoever runs this must not count.
        std::fs::write(folder.path().join("settings.toml"), "")?;
        let (ffmpeg, ffprobe) = (on_path("ffmpeg")?, on_path("ffprobe")?);
        Ok(StandIn { folder, scheduler: house.url(), ffmpeg, ffprobe })
    }

    /// It, called `ffmpeg` or `ffprobe`.
    pub fn called(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.path().join(name));
        command.env("SEGUE_FFMPEG_CONFIG", self.folder.path().join("settings.toml"));
        command.env("SEGUE_SCHEDULER", &self.scheduler).env("SEGUE_FALLBACK", "never");
        command.env("SEGUE_CACHE", self.folder.path().join("cache"));
        command.env("SEGUE_LOCAL_FFMPEG", &self.ffmpeg).env("SEGUE_LOCAL_FFPROBE", &self.ffprobe);
        command.env_remove("SEGUE_PATH_MAP").env_remove("SEGUE_BUSY_WAIT");
        command
    }

    /// What it does with a line: `here`, `job`, `copy here`, `command` or `fallback`.
    pub fn answer(&self, name: &str, words: &[&str]) -> anyhow::Result<String> {
        let said = run(self.called(name).arg("--segue-explain").args(words))?;
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(said.lines().next().context("it explains nothing")?.trim().to_owned())
    }

    /// Fails unless a line is answered in this way: else something else would be measured.
    pub fn expect(&self, name: &str, words: &[&str], answer: &str) -> anyhow::Result<()> {
        let found = self.answer(name, words)?;
        ensure!(found == answer, "{name} {} is answered by `{found}`", words.join(" "));
        Ok(())
    }
}
