//! What an encoding of the footage is worth: its rate and the PSNR of each frame.

use std::path::Path;

use anyhow::{Context, ensure};

use crate::tool::{ffmpeg, ffprobe, run};

/// The luma of frames that are equal, or nearly: not infinite, so that means exist.
const BEST: f64 = 60.0;

/// An encoding, measured.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Y-PSNR of each frame, in the order of showing.
    pub psnr: Vec<f64>,
    /// Bytes of each frame, in the order of decoding.
    pub sizes: Vec<u64>,
}

impl Judged {
    /// Measures an encoding (any number of files that follow each other) against what it was made
    /// of, frame by frame: timestamps do not matter.
    pub fn of(parts: &[&Path], original: &Path, scratch: &Path) -> anyhow::Result<Judged> {
        let list = scratch.join("parts.txt");
        let lines: String =
            parts.iter().map(|part| format!("file '{}'\n", part.display())).collect();
        std::fs::write(&list, lines)?;
        let concat = |command: &mut std::process::Command| {
            command.args(["-f", "concat", "-safe", "0"]);
            command.arg("-i").arg(&list);
        };
        let stats = scratch.join("psnr.txt");
        let mut compare = ffmpeg();
        concat(&mut compare);
        let filters = format!(
            "[0:v]settb=1/25,setpts=N[made];[1:v]settb=1/25,setpts=N[original];\
             [made][original]psnr=stats_file={}",
            stats.display()
        );
        compare.arg("-i").arg(original).args(["-lavfi", &filters, "-f", "null", "-"]);
        run(&mut compare)?;
        let stats = std::fs::read_to_string(&stats)?;
        let mut probe = ffprobe();
        probe.args(["-select_streams", "v", "-show_entries", "packet=size", "-of", "csv=p=0"]);
        concat(&mut probe);
        let sizes = String::from_utf8(run(&mut probe)?)?;
        let judged = Judged {
            psnr: stats.lines().map(luma).collect::<anyhow::Result<_>>()?,
            sizes: sizes
                .lines()
                // A line more wherever a packet has side data.
                .filter(|line| !line.is_empty())
                .map(|line| line.trim_end_matches(',').parse().context("not a size"))
                .collect::<anyhow::Result<_>>()?,
        };
        let (shown, coded) = (judged.psnr.len(), judged.sizes.len());
        ensure!(shown == coded, "{coded} frames were coded, {shown} compared");
        Ok(judged)
    }

    /// Mean over all frames.
    pub fn mean(&self) -> f64 {
        self.psnr.iter().sum::<f64>() / self.psnr.len() as f64
    }

    /// Bits per second over all of it.
    pub fn rate(&self, frames_per_second: usize) -> f64 {
        let bytes: u64 = self.sizes.iter().sum();
        bytes as f64 * 8.0 * frames_per_second as f64 / self.sizes.len() as f64
    }

    /// Bits in the fullest window of one second.
    pub fn peak(&self, frames_per_second: usize) -> f64 {
        let windows = self.sizes.windows(frames_per_second);
        windows.map(|window| window.iter().sum::<u64>()).max().unwrap_or(0) as f64 * 8.0
    }

    /// Mean of the frames after each join, of which there is one every `segment` frames. A last
    /// segment of less than half the length is no segment to judge by.
    pub fn after_joins(&self, segment: usize) -> Vec<f64> {
        const FRAMES: usize = 6;
        let joins = (segment..).step_by(segment);
        joins
            .take_while(|join| join + segment / 2 <= self.psnr.len())
            .map(|join| self.psnr[join..join + FRAMES].iter().sum::<f64>() / FRAMES as f64)
            .collect()
    }
}

/// `n:1 mse_avg:0.54 mse_y:0.60 ... psnr_y:50.33 ...`
fn luma(line: &str) -> anyhow::Result<f64> {
    let value = line.split_whitespace().find_map(|word| word.strip_prefix("psnr_y:"));
    let value: f64 = value.context("the psnr filter wrote no psnr_y")?.parse()?;
    Ok(value.min(BEST))
}
