//! Synthetic sources: a zoom into the Mandelbrot set under noise, which is hard enough to keep an
//! encoder busy, with a sound that changes all the time. Made once, kept between runs.

use std::path::{Path, PathBuf};

use crate::tool::{ffmpeg, run};
use crate::workplace;

/// Pictures per second.
pub const RATE: u32 = 24;

/// A film of `rows` rows and `seconds` seconds, with a keyframe every `keyframes` seconds.
pub fn film(rows: u32, seconds: u32, keyframes: u32) -> anyhow::Result<PathBuf> {
    let name = format!("zoom-{rows}p-{seconds}s-keyframes-{keyframes}s.mkv");
    let sound = ["-c:a", "aac", "-b:a", "160k", "-ac", "2"];
    workplace::source(&name, |path| encode(rows, seconds, keyframes, &sound, path))
}

fn encode(
    rows: u32,
    seconds: u32,
    keyframes: u32,
    codec: &[&str],
    path: &Path,
) -> anyhow::Result<()> {
    let columns = rows * 16 / 9;
    let bits = if rows > 720 { "8M" } else { "4M" };
    let picture = format!(
        "mandelbrot=s={columns}x{rows}:r={RATE}:end_scale=0.05,noise=alls=6:allf=t:all_seed=1"
    );
    let frames = keyframes * RATE;
    let parameters = format!("keyint={frames}:min-keyint={frames}:scenecut=0");
    let mut command = ffmpeg();
    command.args(["-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound(48_000)]);
    command.args(["-t", &seconds.to_string(), "-pix_fmt", "yuv420p"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-b:v", bits]);
    command.args(["-x264-params", &parameters]).args(codec);
    run(command.arg(path)).map(drop)
}

/// A [`film`] of 20 s played over and over for `seconds`, without encoding it again. A keyframe every
/// ten seconds is what a seek meets in real films, at its worst.
pub fn long_film(rows: u32, seconds: u32) -> anyhow::Result<PathBuf> {
    let once = film(rows, 20, 10)?;
    workplace::source(&format!("zoom-{rows}p-{seconds}s-long.mkv"), |path| {
        let mut command = ffmpeg();
        command.args(["-stream_loop", "-1", "-i"]).arg(&once);
        command.args(["-t", &seconds.to_string(), "-c", "copy"]).arg(path);
        run(&mut command).map(drop)
    })
}

/// The same, `times` over, with sound that begins and ends with the picture, as AAC in Matroska does
/// not, and never cut in the midst of frames that were reordered: so frames come evenly from the first
/// to the last, and a media server's line for it is a job.
pub fn even_film(rows: u32, times: u32) -> anyhow::Result<PathBuf> {
    let once = workplace::source(&format!("zoom-{rows}p-20s-even.mkv"), |path| {
        encode(rows, 20, 10, &["-c:a", "flac", "-sample_fmt", "s16", "-ac", "2"], path)
    })?;
    workplace::source(&format!("zoom-{rows}p-{times}-times-even.mkv"), |path| {
        let mut command = ffmpeg();
        command.args(["-stream_loop", &times.saturating_sub(1).to_string(), "-i"]).arg(&once);
        run(command.args(["-c", "copy"]).arg(path)).map(drop)
    })
}

/// The films' sound, of which nothing is lost.
pub fn lossless_sound(rate: u32, seconds: u32) -> anyhow::Result<PathBuf> {
    workplace::source(&format!("sound-{rate}-{seconds}s.flac"), |path| {
        let mut command = ffmpeg();
        command.args(["-f", "lavfi", "-i", &sound(rate), "-t", &seconds.to_string()]);
        command.args(["-c:a", "flac", "-sample_fmt", "s16"]).arg(path);
        run(&mut command).map(drop)
    })
}

/// Two channels: chords that slide and swell, so that no two joins cut the same wave, over a quiet
/// hiss.
fn sound(rate: u32) -> String {
    let wave = |base: u32, swell: f64| {
        format!(
            "0.25*sin(2*PI*({base}*t+40*sin(0.7*t)))+0.15*sin(2*PI*{}*t)*(0.6+0.4*sin({swell}*t))\
             +0.02*(random(0)-0.5)",
            base * 3 + 1
        )
    };
    format!("aevalsrc=exprs='{}|{}':s={rate}", wave(220, 3.1), wave(277, 2.3))
}
