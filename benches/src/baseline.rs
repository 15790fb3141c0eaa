//! What Segue is compared with: the commands a person would run.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::make::Wish;
use crate::tool::ffmpeg;

/// The ffmpeg command that makes the same HLS: size, preset, rate factor, cap, places of IDR
/// pictures, sound, transport streams. Threads are left to ffmpeg, which knows best.
pub fn ffmpeg_hls(source: &Path, wish: &Wish, from: Option<u32>, to: &Path) -> Command {
    let segment = wish.segment.as_secs_f64().to_string();
    let mut command = ffmpeg();
    if let Some(from) = from {
        command.args(["-ss", &from.to_string()]);
    }
    command.arg("-i").arg(source).args(["-map", "0:v:0"]);
    if let Some(rows) = wish.rows {
        command.args(["-vf", &format!("scale=-2:{rows}:flags=bicubic,setsar=1,format=yuv420p")]);
    }
    command.args(["-c:v", "libx264", "-preset", &wish.preset, "-profile:v", "high"]);
    command.args(["-crf", &wish.crf.to_string()]);
    if let Some(cap) = wish.bitrate {
        command.args(["-maxrate", &cap.to_string(), "-bufsize", &cap.to_string()]);
    }
    command.args(["-forced-idr", "1", "-x264-params", "keyint=infinite"]);
    command.args(["-force_key_frames", &format!("expr:gte(t,n_forced*{segment})")]);
    if wish.silent {
        command.arg("-an");
    } else {
        command.args(["-map", "0:a:0", "-c:a", "aac", "-b:a", "128k", "-ac", "2"]);
    }
    // Not `vod`: its playlist is written when everything is done, and nobody could begin to watch.
    command.args(["-f", "hls", "-hls_time", &segment, "-hls_playlist_type", "event"]);
    command.args(["-hls_flags", "temp_file", "-hls_segment_filename"]);
    command.arg(to.join("%05d.ts")).arg(to.join(FFMPEG_PLAYLIST));
    command
}

/// What [`ffmpeg_hls`] calls its playlist.
pub const FFMPEG_PLAYLIST: &str = "index.m3u8";

/// This program, making segments with the engine in its own process.
pub fn engine(source: &Path, wish: &Wish, to: &Path) -> anyhow::Result<Command> {
    let program = std::env::current_exe().context("cannot find this program's own file")?;
    let mut command = Command::new(program);
    command.arg("make").arg("--source").arg(source).arg("--to").arg(to).args(wish.words());
    Ok(command)
}

/// `segue transcode`, with so many span processes.
pub fn segue(source: &Path, wish: &Wish, jobs: u32, to: &Path) -> anyhow::Result<Command> {
    let mut command = Command::new(segue_program()?);
    command.args(["transcode", "--quiet", "--jobs", &jobs.to_string()]);
    command.arg(source).arg("--to").arg(to.join("film"));
    let size = wish.rows.map_or("source".to_owned(), |rows| format!("{rows}p"));
    let rendition = wish.bitrate.map_or(size.clone(), |bits| format!("{size}@{bits}"));
    command.args(["--rendition", &rendition, "--preset", &wish.preset]);
    command.args(["--crf", &wish.crf.to_string()]);
    command.args(["--segment-length", &wish.segment.as_secs_f64().to_string()]);
    if wish.silent {
        command.arg("--no-audio");
    }
    if wish.exact {
        command.arg("--exact");
    }
    Ok(command)
}

/// The `segue` that was built with this program.
pub fn segue_program() -> anyhow::Result<PathBuf> {
    built("segue")
}

/// A program that was built with this one.
pub fn built(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    anyhow::ensure!(
        program.exists(),
        "{} is not there: run benches/run.sh, which builds it",
        program.display()
    );
    Ok(program)
}
