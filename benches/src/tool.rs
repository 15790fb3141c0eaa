//! Other programs, run to their end.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};

/// The ffmpeg command: no questions, no banner, errors only; overwrites.
pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "error", "-y"]);
    command
}

/// The ffprobe command: no banner, errors only.
pub fn ffprobe() -> Command {
    let mut command = Command::new("ffprobe");
    command.args(["-hide_banner", "-v", "error"]);
    command
}

/// Where the first program of this name on the PATH is.
pub fn on_path(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(name));
    found.find(|program| program.is_file()).with_context(|| format!("{name} is not on the PATH"))
}

/// Runs it and gives back its standard output.
pub fn run(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().with_context(|| {
        format!("cannot start {name}: benches need ffmpeg, ffprobe and pip on the PATH")
    })?;
    ensure!(
        output.status.success(),
        "{name} ended with {}: {}\n{command:?}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(output.stdout)
}
