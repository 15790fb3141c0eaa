//! Picture quality against one encoder that makes the whole film with IDR pictures at the same
//! places, on real footage.
//!
//! Two curves for each arm: under a tight cap, which always binds (four caps at one rate factor), and
//! under a loose one, which binds in hard shots only (four rate factors). What happens at joins is
//! judged at one point of each curve, averaged over rounds: with several threads x264's decisions
//! under a cap depend on timing, and one run differs from the next by more than half a decibel at
//! some joins. `one encoder, again` shows how much.

mod arm;
mod curve;
mod judge;

use std::path::PathBuf;
use std::time::Duration;

use segue_hls::playlist;

use crate::progress::Progress;
use crate::table::Table;
use crate::{Effort, film, footage, workplace};
use arm::{Arm, Limits, Restarts};
use curve::{Point, delta_rate};
use judge::Judged;

/// Our engine, against one encoder.
pub fn run(effort: Effort) -> anyhow::Result<()> {
    let arms = [
        Arm::OneEncoder,
        Arm::Engine { span: 1 },
        Arm::Engine { span: 5 },
        Arm::Engine { span: 15 },
    ];
    let arms = if effort.quick { &arms[1..3] } else { &arms[..] };
    compare("Picture quality", effort, arms)
}

/// Ways to start encoders anew, as the ffmpeg command can do them: what the engine's settings were
/// chosen from.
pub fn run_restarts(effort: Effort) -> anyhow::Result<()> {
    let usual = Restarts { segments: 1, buffer_full: 0.9, buffer_ms: 1000, pre_roll: 0, more: "" };
    let arms = [
        Restarts { buffer_full: 0.5, ..usual },
        Restarts { buffer_full: 0.7, ..usual },
        usual,
        Restarts { buffer_full: 1.0, ..usual },
        Restarts { buffer_full: 0.6, buffer_ms: 2000, ..usual },
        Restarts { buffer_full: 0.9, buffer_ms: 2000, ..usual },
        Restarts { more: ":rc-lookahead=30", ..usual },
        Restarts { pre_roll: 12, ..usual },
        Restarts { pre_roll: 25, ..usual },
        Restarts { pre_roll: 50, ..usual },
        Restarts { segments: 5, ..usual },
        Restarts { segments: 5, pre_roll: 12, ..usual },
        Restarts { segments: 10, ..usual },
    ];
    let arms: Vec<Arm> = arms.map(Arm::Restarts).into_iter().chain([Arm::OneEncoder]).collect();
    compare("Ways to start encoders anew", effort, &arms)
}

/// A footage and the limits it is encoded under.
struct Bench {
    original: PathBuf,
    frames: usize,
    /// Of its picture.
    rows: u32,
    /// Runs at the point where joins are judged.
    rounds: u32,
    progress: Progress,
}

fn compare(title: &str, effort: Effort, arms: &[Arm]) -> anyhow::Result<()> {
    let (columns, rows) = if effort.quick { (640, 360) } else { (1280, 720) };
    let rounds = effort.rounds(3, 1);
    let segments: &[usize] = if effort.quick { &[50] } else { &[50, 100] };
    let tight = if effort.quick { 600_000 } else { 1_500_000 };
    let original = footage::film(columns, rows)?;
    let frames = Judged::of(&[&original], &original, workplace::scratch()?.path())?.psnr.len();
    let runs = (arms.len() + 1) * (3 + rounds as usize) * 2 * segments.len();
    let guess = Duration::from_secs(if effort.quick { 6 } else { 16 });
    let mut bench =
        Bench { original, frames, rows, rounds, progress: Progress::new("quality", runs, guess) };
    for segment in segments {
        for (name, curve) in [("tight", tight_curve(tight)), ("loose", loose_curve(2 * tight))] {
            let curve = curve.map(|(crf, cap)| Limits { crf, cap, segment: *segment });
            bench.table(title, name, arms, curve)?;
        }
    }
    Ok(())
}

/// Rate factor and cap; joins are judged at the first.
fn tight_curve(cap: u64) -> [(u8, u64); 4] {
    [(20, cap), (20, cap * 14 / 10), (20, cap * 7 / 10), (20, cap / 2)]
}

fn loose_curve(cap: u64) -> [(u8, u64); 4] {
    [(20, cap), (23, cap), (26, cap), (30, cap)]
}

/// What an arm reached.
struct Reached {
    curve: Vec<Point>,
    /// After each join, averaged over runs.
    joins: Vec<f64>,
    /// Bits in the fullest second.
    peak: f64,
}

impl Bench {
    fn table(
        &mut self,
        title: &str,
        name: &str,
        arms: &[Arm],
        curve: [Limits; 4],
    ) -> anyhow::Result<()> {
        let Limits { cap, crf, segment } = curve[0];
        let seconds = segment / footage::RATE;
        let one = self.reach(Arm::OneEncoder, curve)?;
        let bandwidth = self.bandwidth(curve[0])?;
        let title = format!(
            "{title}: {}p, segments of {seconds} s, {name} cap of {} kb/s (joins and peaks at \
             rate factor {crf}, mean of {} rounds; BANDWIDTH is {} kb/s)",
            self.rows,
            cap / 1000,
            self.rounds,
            bandwidth / 1000
        );
        let mut table = Table::new(
            title,
            &[
                "against one encoder",
                "BD-rate",
                "rate",
                "Y-PSNR",
                "6 frames after joins, mean",
                "worst",
                "more than 1 dB below",
                "peak second / cap",
                "/ BANDWIDTH",
            ],
        );
        table.row(row("one encoder", &one, &one, cap, bandwidth));
        for arm in arms {
            let reached = self.reach(*arm, curve)?;
            table.row(row(&arm.name(), &reached, &one, cap, bandwidth));
        }
        table.print();
        Ok(())
    }

    fn reach(&mut self, arm: Arm, curve: [Limits; 4]) -> anyhow::Result<Reached> {
        let mut points = Vec::new();
        let mut joins = Vec::new();
        let mut peak = 0f64;
        for (index, limits) in curve.into_iter().enumerate() {
            let rounds = if index == 0 { self.rounds } else { 1 };
            let mut runs = Vec::new();
            for _ in 0..rounds {
                runs.push(self.judge(arm, limits)?);
            }
            let mean = |value: &dyn Fn(&Judged) -> f64| {
                runs.iter().map(value).sum::<f64>() / runs.len() as f64
            };
            let rate = mean(&|run| run.rate(footage::RATE));
            points.push(Point { rate, quality: mean(&Judged::mean) });
            if index == 0 {
                let after: Vec<_> = runs.iter().map(|it| it.after_joins(limits.segment)).collect();
                let at = |join: usize| after.iter().map(|it| it[join]).sum::<f64>();
                joins = (0..after[0].len()).map(|join| at(join) / after.len() as f64).collect();
                peak = runs.iter().map(|run| run.peak(footage::RATE)).fold(0.0, f64::max);
            }
        }
        Ok(Reached { curve: points, joins, peak })
    }

    fn judge(&mut self, arm: Arm, limits: Limits) -> anyhow::Result<Judged> {
        let Limits { crf, cap, segment } = limits;
        let (kbps, seconds) = (cap / 1000, segment / footage::RATE);
        self.progress.step(&format!("{}, {seconds} s, {kbps} kb/s, factor {crf}", arm.name()));
        let scratch = workplace::scratch()?;
        let parts = arm.encode(&self.original, self.frames, limits, scratch.path())?;
        let parts: Vec<_> = parts.iter().map(PathBuf::as_path).collect();
        Judged::of(&parts, &self.original, scratch.path())
    }

    /// What the engine's playlist declares.
    fn bandwidth(&self, limits: Limits) -> anyhow::Result<u64> {
        let job = film::job(&self.original, &arm::wish(limits).request())?;
        let text = playlist::multivariant(&job);
        let declared = text.split([':', ',', '\n']).find_map(|it| it.strip_prefix("BANDWIDTH="));
        Ok(declared.unwrap_or("0").parse()?)
    }
}

fn row(name: &str, reached: &Reached, one: &Reached, cap: u64, bandwidth: u64) -> Vec<String> {
    let below: Vec<f64> = reached.joins.iter().zip(&one.joins).map(|(it, one)| it - one).collect();
    let mean = below.iter().sum::<f64>() / below.len() as f64;
    let worst = below.iter().copied().fold(f64::INFINITY, f64::min);
    let bad = below.iter().filter(|it| **it < -1.0).count();
    let (point, other) = (reached.curve[0], one.curve[0]);
    vec![
        name.to_owned(),
        delta_rate(&reached.curve, &one.curve)
            .map_or("-".to_owned(), |delta| format!("{:+.1} %", delta * 100.0)),
        format!("{:.0} kb/s ({:+.1} %)", point.rate / 1e3, (point.rate / other.rate - 1.0) * 100.0),
        format!("{:.2} dB ({:+.2})", point.quality, point.quality - other.quality),
        format!("{mean:+.2} dB"),
        format!("{worst:+.2} dB"),
        format!("{bad} of {}", below.len()),
        format!("{:.2}", reached.peak / cap as f64),
        format!("{:.2}", reached.peak / bandwidth as f64),
    ]
}
