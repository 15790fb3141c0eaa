//! A decision in words, for people, and in JSON, for programs.

use std::fmt::Write;

use crate::answer::Decision;
use crate::job::Job;

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
    for finding in &decision.findings {
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
        lines.push(format!("picture: {:?}", video.rate_control));
    }
    if let Some(audio) = &content.audio {
        lines.push(format!("sound: {:?}", audio.rate));
    }
    for proviso in &job.provisos {
        lines.push(format!("provided that {proviso}"));
    }
    lines
}
