//! What AAC leaves of a lossless sound, at joins and far from them, when every segment is made by a
//! span of its own, and when one span makes all; against one encoder over all of it, at the same
//! places.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use segue_hls::keys;
use segue_model::{BoundaryRule, JobRequest, Time};

use crate::progress::Progress;
use crate::table::Table;
use crate::tool::{ffmpeg, ffprobe, run as tool};
use crate::{Effort, clip, film, workplace};

const CHANNELS: usize = 2;
/// Samples of an AAC frame.
const FRAME: usize = 1024;
/// Frames on each side of a join that count as being at it.
const NEAR: usize = 2;
/// Frames on each side that count neither as being at it nor as far.
const FAR: usize = 8;

/// Runs it.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let seconds = if effort.quick { 12 } else { 60 };
    let mut progress = Progress::new("joins", 6, std::time::Duration::from_secs(4));
    let mut table = Table::new(
        format!("Sound at joins: FLAC to AAC 128 kb/s, {seconds} s, error against the source"),
        &[
            "",
            "joins",
            "largest at joins (+-2 frames)",
            "largest elsewhere",
            "RMS at joins",
            "RMS elsewhere",
            "worst join's RMS",
        ],
    );
    for rate in [48_000, 44_100] {
        let source = clip::lossless_sound(rate, seconds)?;
        let original = decode(&source)?;
        for (name, span) in [("each segment a span of its own", 1), ("one span", u32::MAX)] {
            let scratch = workplace::scratch()?;
            let name = format!("Segue, {name}, {rate} Hz");
            progress.step(&name);
            let (joins, playlist) = segments(&source, span, scratch.path())?;
            let error = Error::between(&decode(&playlist)?, &original)?;
            let places = error.places(&joins);
            table.row(error.row(&name, &places));
            if span == 1 {
                continue;
            }
            let name = format!("one encoder, {rate} Hz");
            progress.step(&name);
            let whole = scratch.path().join("whole.ts");
            let mut command = ffmpeg();
            command.arg("-i").arg(&source).args(["-c:a", "aac", "-b:a", "128k"]).arg(&whole);
            tool(&mut command)?;
            let one = Error::between(&decode(&whole)?, &original)?;
            table.row(one.row(&name, &places));
        }
    }
    drop(progress);
    table.print();
    Ok(())
}

/// Makes segments in spans of so many; gives the samples at which they meet.
fn segments(source: &Path, span: u32, to: &Path) -> anyhow::Result<(Vec<usize>, PathBuf)> {
    let request = JobRequest {
        boundaries: BoundaryRule::Grid { segment: Time::from_secs(2) },
        ..JobRequest::default()
    };
    let job = film::job(source, &request)?;
    film::write(source, &job, span, to)?;
    let rendition = &job.recipe.renditions[0];
    let mut joins = Vec::new();
    let mut at = 0;
    for index in 0..job.timeline.segments() {
        at += packets(&to.join(keys::segment(job.recipe.packaging, rendition, index)))? * FRAME;
        joins.push(at);
    }
    // The end is no join.
    joins.pop();
    Ok((joins, to.join(keys::media_playlist(rendition))))
}

fn packets(segment: &Path) -> anyhow::Result<usize> {
    let mut command = ffprobe();
    command.args(["-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0"]);
    let text = String::from_utf8(tool(command.arg(segment))?)?;
    let first = text.lines().next().context("a segment without a stream")?;
    Ok(first.trim_end_matches(',').parse()?)
}

/// Interleaved samples.
fn decode(path: &Path) -> anyhow::Result<Vec<f32>> {
    let mut command = ffmpeg();
    command.arg("-i").arg(path).args(["-f", "f32le", "-ac", "2", "-"]);
    let bytes = tool(&mut command)?;
    let sample = |bytes: &[u8]| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    Ok(bytes.chunks_exact(4).map(sample).collect())
}

/// The difference between made and original sound: the larger of the channels, for each sample of
/// the original.
struct Error {
    samples: Vec<f64>,
    /// By how many samples the made sound comes later than the original.
    late: i64,
}

impl Error {
    /// From places in what was made to places in the original, where errors are judged.
    fn places(&self, made: &[usize]) -> Vec<usize> {
        made.iter().filter_map(|at| usize::try_from(*at as i64 - self.late).ok()).collect()
    }

    fn between(made: &[f32], original: &[f32]) -> anyhow::Result<Error> {
        let (made_length, length) = (made.len() / CHANNELS, original.len() / CHANNELS);
        ensure!(made_length > length * 9 / 10, "only {made_length} of {length} samples were made");
        let late = lateness(made, original);
        let difference = |at: usize| -> f64 {
            let Ok(there) = usize::try_from(at as i64 + late) else { return 0.0 };
            let channel = |channel: usize| {
                let made = made.get(there * CHANNELS + channel);
                let original = original[at * CHANNELS + channel];
                made.map_or(0.0, |made| f64::from((made - original).abs()))
            };
            (0..CHANNELS).map(channel).fold(0.0, f64::max)
        };
        Ok(Error { samples: (0..length).map(difference).collect(), late })
    }

    fn row(&self, name: &str, joins: &[usize]) -> Vec<String> {
        let near = |at: usize, frames: usize| -> &[f64] {
            let from = at.saturating_sub(frames * FRAME).min(self.samples.len());
            &self.samples[from..(at + frames * FRAME).min(self.samples.len())]
        };
        let at_joins: Vec<f64> = joins.iter().flat_map(|at| near(*at, NEAR)).copied().collect();
        let is_far = |at: usize| joins.iter().all(|join| join.abs_diff(at) > FAR * FRAME);
        // Encoders fade in and out at the ends, which are no joins.
        let inner = FAR * FRAME..self.samples.len().saturating_sub(FAR * FRAME);
        let elsewhere: Vec<f64> =
            inner.filter(|at| is_far(*at)).map(|at| self.samples[at]).collect();
        let worst = joins.iter().map(|at| rms(near(*at, NEAR))).fold(0.0, f64::max);
        vec![
            name.to_owned(),
            joins.len().to_string(),
            format!("{:.4}", largest(&at_joins)),
            format!("{:.4}", largest(&elsewhere)),
            format!("{:.5}", rms(&at_joins)),
            format!("{:.5}", rms(&elsewhere)),
            format!("{worst:.5}"),
        ]
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|it| it * it).sum::<f64>() / values.len().max(1) as f64).sqrt()
}

/// The shift, of up to four frames, that makes two sounds most alike over a stretch in the middle.
fn lateness(made: &[f32], original: &[f32]) -> i64 {
    const STRETCH: usize = 16_384;
    let middle = original.len() / CHANNELS / 2;
    let apart = |shift: &i64| -> f64 {
        let at = (middle as i64 + shift) as usize;
        (0..STRETCH)
            .step_by(3)
            .map(|step| {
                let a = made.get((at + step) * CHANNELS).copied().unwrap_or(0.0);
                f64::from(a - original[(middle + step) * CHANNELS]).powi(2)
            })
            .sum()
    };
    let most = 4 * FRAME as i64;
    (-most..=most).min_by(|a, b| apart(a).total_cmp(&apart(b))).unwrap_or(0)
}
