//! A decision in words, for people, and in JSON, for programs.

use std::fmt::Write;

use crate::answer::{Answer, Decision};
use crate::job::{Cap, Job, RateControl, Scale, SoundRate};

/// The answer on the first line, then why, then each word of the line.
pub fn text(decision: &Decision) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", decision.answer);
    let _ = writeln!(out, "because {}", plain(&decision.because));
    if let Some(job) = &decision.job {
        for line in meaning(job) {
            let _ = writeln!(out, "  {}", plain(&line));
        }
    }
    // A question has nothing to read and nowhere to write, which is no fault of it.
    let asks = decision.answer == Answer::Here;
    let on_the_line = |option: &str| !option.starts_with('(');
    for finding in decision.findings.iter().filter(|it| !asks || on_the_line(&it.option)) {
        let verdict = finding.verdict.word();
        let (option, meaning) = (plain(&finding.option), plain(&finding.meaning));
        let _ = writeln!(out, "{verdict:<11} {option}: {meaning}");
    }
    out
}

/// All of it as one JSON object.
pub fn json(decision: &Decision) -> serde_json::Result<String> {
    serde_json::to_string_pretty(decision)
}

/// Without line breaks and the like, which file names may have.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

fn meaning(job: &Job) -> Vec<String> {
    let content = &job.content;
    let mut lines = vec![
        format!("source {}", job.source.path),
        format!(
            "segments of {} s from number {} on, as {}",
            content.boundaries.segment.as_secs_f64(),
            job.demand.first_segment,
            job.projection.segments
        ),
    ];
    if let Some(video) = &content.video {
        lines.push(format!("picture: H.264 {}", rate_control(&video.rate_control)));
    }
    if let Some(audio) = &content.audio {
        lines.push(format!("sound: {}", sound_rate(&audio.rate)));
    }
    for proviso in &job.provisos {
        lines.push(format!("provided that {proviso}"));
    }
    lines
}

fn rate_control(rate: &RateControl) -> String {
    let (aim, cap) = match rate {
        RateControl::Quality { scale, value, cap } => {
            let scale = match scale {
                Scale::Crf => "crf",
                Scale::GlobalQuality => "global_quality",
                Scale::Cq => "cq",
                Scale::Qp => "qp",
            };
            (format!("of constant quality ({scale} {value})"), cap)
        }
        RateControl::Bitrate { bitrate, cap } => (format!("of {bitrate} bit/s"), cap),
    };
    match cap {
        None => aim,
        Some(Cap { bitrate_max, buffer_bits: None }) => format!("{aim}, at most {bitrate_max}"),
        Some(Cap { bitrate_max, buffer_bits: Some(bits) }) => {
            format!("{aim}, at most {bitrate_max} into a buffer of {bits} bits")
        }
    }
}

fn sound_rate(rate: &SoundRate) -> String {
    match rate {
        SoundRate::EncodersDefault(encoder) => format!("AAC at what {encoder} takes by itself"),
        SoundRate::Bitrate(bitrate) => format!("AAC of {bitrate} bit/s"),
        SoundRate::FdkVariable(mode) => format!("AAC in libfdk_aac's variable mode {mode}"),
        SoundRate::Copied => "the source's own".to_owned(),
    }
}
