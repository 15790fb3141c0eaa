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
            Arm::Restarts(Restarts { segments, buffer_full, buffer_ms, more }) => {
                let often = match segments {
                    1 => "a new encoder each segment".to_owned(),
                    _ => format!("a new encoder every {segments} segments"),
                };
                let more = if more.is_empty() { String::new() } else { format!(", {more}") };
                format!("{often}, {buffer_ms} ms buffer {:.0} % full{more}", buffer_full * 100.0)
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
                let file = to.join("whole.ts");
                let run = Stretch { first: 0, frames, buffer_ms: 1000, parameters: String::new() };
                run.encode(original, limits, &file)?;
                Ok(vec![file])
            }
            Arm::Engine { span } => with_engine(original, span, limits, to),
            Arm::Restarts(restarts) => {
                let stretch = restarts.segments as usize * limits.segment;
                let mut parts = Vec::new();
                for first in (0..frames).step_by(stretch) {
                    let file = to.join(format!("{first:05}.ts"));
                    let Restarts { buffer_full, buffer_ms, more, .. } = restarts;
                    let run = Stretch {
                        first,
                        frames: stretch.min(frames - first),
                        buffer_ms,
                        parameters: format!(":vbv-init={buffer_full}{more}"),
                    };
                    run.encode(original, limits, &file)?;
                    parts.push(file);
                }
                Ok(parts)
            }
        }
    }
}

/// Frames that one encoder of the ffmpeg command makes.
struct Stretch {
    first: usize,
    frames: usize,
    buffer_ms: u32,
    parameters: String,
}

impl Stretch {
    fn encode(&self, original: &Path, limits: Limits, to: &Path) -> anyhow::Result<()> {
        let seconds = |frames: usize| frames as f64 / footage::RATE as f64;
        let mut command = ffmpeg();
        command.args(["-ss", &seconds(self.first).to_string()]).arg("-i").arg(original);
        command.args(["-frames:v", &self.frames.to_string(), "-an", "-c:v", "libx264"]);
        command.args(["-preset", PRESET, "-profile:v", "high", "-forced-idr", "1"]);
        command.args(["-threads", &film::threads().to_string()]);
        command.args(["-crf", &limits.crf.to_string(), "-maxrate", &limits.cap.to_string()]);
        let buffer = limits.cap * u64::from(self.buffer_ms) / 1000;
        command.args(["-bufsize", &buffer.to_string()]);
        // As the engine's own, so that nothing differs but where encoders begin.
        let parameters = format!("keyint=infinite:stitchable=1{}", self.parameters);
        command.args(["-x264-params", &parameters]);
        let every = seconds(limits.segment);
        command.args(["-force_key_frames", &format!("expr:gte(t,n_forced*{every})")]);
        run(command.args(["-f", "mpegts"]).arg(to)).map(drop)
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
