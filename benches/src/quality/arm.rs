//! Ways to encode the footage.

use std::path::{Path, PathBuf};

use segue_hls::keys;
use segue_model::Time;

use crate::make::Wish;
use crate::tool::{ffmpeg, run};
use crate::{film, footage};

/// One way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arm {
    /// The ffmpeg command, one encoder for all, IDR pictures where segments begin.
    OneEncoder,
    /// Our engine, in spans of so many segments.
    Engine {
        /// Segments in a span.
        span: u32,
    },
    /// The ffmpeg command, a new encoder every so many segments.
    Restarts(Restarts),
}

/// How encoders are started anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Restarts {
    /// Segments an encoder makes.
    pub segments: u32,
    /// How full x264 takes the decoder's buffer to be when it starts.
    pub buffer_full: f64,
    /// The decoder's buffer, in milliseconds of the cap.
    pub buffer_ms: u32,
    /// Frames it settles on before the first that is kept.
    pub pre_roll: usize,
    /// More of x264's parameters.
    pub more: &'static str,
}

/// What an encoding is held to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// x264's rate factor.
    pub crf: u8,
    /// Bits per second.
    pub cap: u64,
    /// Frames in a segment.
    pub segment: usize,
}

/// What all arms have in common: the engine's defaults, see `VideoEncoder` in `segue-media`.
const PRESET: &str = "veryfast";

impl Arm {
    /// For a table.
    pub fn name(self) -> String {
        match self {
            Arm::OneEncoder => "one encoder, again".to_owned(),
            Arm::Engine { span: 1 } => "Segue, each segment a span of its own".to_owned(),
            Arm::Engine { span } => format!("Segue, spans of {span} segments"),
            Arm::Restarts(Restarts { segments, buffer_full, buffer_ms, pre_roll, more }) => {
                let often = match segments {
                    1 => "a new encoder each segment".to_owned(),
                    _ => format!("a new encoder every {segments} segments"),
                };
                let pre_roll = match pre_roll {
                    0 => String::new(),
                    frames => format!(", after {frames} frames"),
                };
                let more = if more.is_empty() { String::new() } else { format!(", {more}") };
                let full = buffer_full * 100.0;
                format!("{often}{pre_roll}, {buffer_ms} ms buffer {full:.0} % full{more}")
            }
        }
    }

    /// Encodes `original`, of so many frames, into transport streams below `to`, in order.
    pub fn encode(
        self,
        original: &Path,
        frames: usize,
        limits: Limits,
        to: &Path,
    ) -> anyhow::Result<Vec<PathBuf>> {
        match self {
            Arm::OneEncoder => {
                let whole = Stretch {
                    first: 0,
                    frames,
                    pre_roll: 0,
                    buffer_ms: 1000,
                    parameters: String::new(),
                };
                Ok(vec![whole.encode(original, limits, to)?])
            }
            Arm::Engine { span } => with_engine(original, span, limits, to),
            Arm::Restarts(restarts) => {
                let stretch = restarts.segments as usize * limits.segment;
                let mut parts = Vec::new();
                for first in (0..frames).step_by(stretch) {
                    let Restarts { buffer_full, buffer_ms, pre_roll, more, .. } = restarts;
                    let run = Stretch {
                        first,
                        frames: stretch.min(frames - first),
                        pre_roll: pre_roll.min(first),
                        buffer_ms,
                        parameters: format!(":vbv-init={buffer_full}{more}"),
                    };
                    parts.push(run.encode(original, limits, to)?);
                }
                Ok(parts)
            }
        }
    }
}

/// Frames that one encoder of the ffmpeg command makes.
struct Stretch {
    /// The first that is kept.
    first: usize,
    /// How many are kept.
    frames: usize,
    /// How many are encoded before those.
    pre_roll: usize,
    buffer_ms: u32,
    parameters: String,
}

impl Stretch {
    /// Gives the file of what is kept.
    fn encode(&self, original: &Path, limits: Limits, to: &Path) -> anyhow::Result<PathBuf> {
        let Stretch { first, frames, pre_roll, .. } = *self;
        let seconds = |frames: usize| frames as f64 / footage::RATE as f64;
        let mut command = ffmpeg();
        command.args(["-ss", &seconds(first - pre_roll).to_string()]).arg("-i").arg(original);
        command.args(["-frames:v", &(pre_roll + frames).to_string(), "-an", "-c:v", "libx264"]);
        command.args(["-preset", PRESET, "-profile:v", "high", "-forced-idr", "1"]);
        command.args(["-threads", &film::threads().to_string()]);
        command.args(["-crf", &limits.crf.to_string(), "-maxrate", &limits.cap.to_string()]);
        let buffer = limits.cap * u64::from(self.buffer_ms) / 1000;
        command.args(["-bufsize", &buffer.to_string()]);
        // As the engine's own, so that nothing differs but where encoders begin.
        let parameters = format!("keyint=infinite:stitchable=1{}", self.parameters);
        command.args(["-x264-params", &parameters]);
        // Half a frame early, as sums of fractions are never quite what they should be.
        let (every, from) = (seconds(limits.segment), seconds(pre_roll) - seconds(1) / 2.0);
        command.args(["-force_key_frames", &format!("expr:gte(t,{from}+n_forced*{every})")]);
        if pre_roll == 0 {
            let file = to.join(format!("{first:05}.ts"));
            run(command.args(["-f", "mpegts"]).arg(&file))?;
            return Ok(file);
        }
        command.args(["-f", "segment", "-segment_times", &from.to_string()]);
        run(command.arg(to.join(format!("{first:05}-%d.ts"))))?;
        Ok(to.join(format!("{first:05}-1.ts")))
    }
}

/// What the engine is asked for.
pub fn wish(limits: Limits) -> Wish {
    Wish {
        bitrate: Some(limits.cap),
        crf: limits.crf,
        preset: PRESET.to_owned(),
        segment: Time::new(limits.segment as i64, footage::RATE as i64),
        silent: true,
        ..Wish::default()
    }
}

fn with_engine(
    original: &Path,
    span: u32,
    limits: Limits,
    to: &Path,
) -> anyhow::Result<Vec<PathBuf>> {
    let job = film::job(original, &wish(limits).request())?;
    film::write(original, &job, span, to)?;
    let rendition = &job.recipe.renditions[0];
    let part = |index| to.join(keys::segment(job.recipe.packaging, rendition, index));
    Ok((0..job.timeline.segments()).map(part).collect())
}
