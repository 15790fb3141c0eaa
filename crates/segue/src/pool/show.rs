//! Jobs as people and programs read them.

use segue_api::v1::{self, JobState};
use serde_json::{Value, json};

use crate::progress::clock;

/// How a state is called.
pub fn state_name(state: i32) -> &'static str {
    match JobState::try_from(state) {
        Ok(JobState::Idle) => "idle",
        Ok(JobState::Waiting) => "waiting",
        Ok(JobState::Running) => "running",
        Ok(JobState::Finished) => "finished",
        Ok(JobState::Failed) => "failed",
        Ok(JobState::Unspecified) | Err(_) => "unknown",
    }
}

/// A job as a row: its id shortened.
pub fn job_line(job: &v1::JobInfo) -> Vec<String> {
    let progress = job.progress.clone().unwrap_or_default();
    let percent = (u64::from(progress.published) * 100).checked_div(progress.total.into());
    let mut workers: Vec<String> = progress.spans.into_iter().map(|span| span.worker).collect();
    workers.sort_unstable();
    workers.dedup();
    let name = decoded(job.source.rsplit('/').next().unwrap_or_default());
    vec![
        job.job.chars().take(12).collect(),
        state_name(progress.state).to_owned(),
        format!("{}%", percent.unwrap_or(0)),
        clock(job.duration_ms as f64 / 1000.0),
        job.renditions.join(","),
        if workers.is_empty() { "-".to_owned() } else { workers.join(",") },
        name,
    ]
}

/// A part of a URL as people write it; what is not text stays as it is, and so does what would move
/// the terminal's cursor.
fn decoded(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, others @ ..] = rest {
        let hex = others.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        let byte = hex.filter(|_| *first == b'%').and_then(|two| u8::from_str_radix(two, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    let text = String::from_utf8(bytes).ok().filter(|text| !text.contains(char::is_control));
    text.unwrap_or_else(|| part.to_owned())
}

/// Everything there is to a job.
pub fn job_json(job: &v1::JobInfo) -> Value {
    let progress = job.progress.clone().unwrap_or_default();
    let span = |span: &v1::SpanInfo| {
        json!({
            "worker": span.worker,
            "first": span.first,
            "end": span.end,
            "ready_through": span.ready_through,
            "playback": span.playback,
        })
    };
    let claim = |claim: &v1::ClaimInfo| json!({ "claim": claim.claim, "batch": claim.batch });
    json!({
        "job": job.job,
        "source": job.source,
        "renditions": job.renditions,
        "segments": job.segments,
        "duration": job.duration_ms as f64 / 1000.0,
        "playlist": job.playlist,
        "claimed": (job.claimed_ms > 0).then_some(job.claimed_ms as f64 / 1000.0),
        "damaged": job.damaged,
        "short_by": job.short_by_ms as f64 / 1000.0,
        "state": state_name(progress.state),
        "published": progress.published,
        "total": progress.total,
        "spans": progress.spans.iter().map(span).collect::<Vec<_>>(),
        "failure": progress.failure.map(|failure| failure.message),
        "claims": job.claims.iter().map(claim).collect::<Vec<_>>(),
    })
}

/// What a finished job lacks of its source, in words.
pub fn losses(job: &v1::JobInfo) -> Vec<String> {
    let mut lines = Vec::new();
    match job.damaged {
        0 => {}
        1 => {
            lines.push("1 damaged frame or packet in the source was mended or left out".to_owned())
        }
        many => lines.push(format!(
            "{many} damaged frames or packets in the source were mended or left out"
        )),
    }
    if job.short_by_ms > 0 {
        lines.push(format!(
            "the source ends {:.1} s before it says it does: a held picture and silence fill that",
            job.short_by_ms as f64 / 1000.0
        ));
    }
    if job.claimed_ms > 0 {
        let (claimed, holds) = (job.claimed_ms as f64 / 1000.0, job.duration_ms as f64 / 1000.0);
        lines.push(format!(
            "the source is cut off: it claims {}, and holds {}",
            clock(claimed),
            clock(holds)
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn names_are_shown_as_people_write_them() {
        assert_eq!(decoded("Am%C3%A9lie%27s%20film.mkv"), "Amélie's film.mkv");
        for stays in ["100%", "%zz", "%FF", "a%0Ab", "%+1"] {
            assert_eq!(decoded(stays), stays);
        }
    }
}
