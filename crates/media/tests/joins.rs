//! Segments made apart join as if made together, over the laboratory's whole matrix.

mod support;

use segue_lab::SourceSpec;
use segue_model::{Job, JobRequest, Packaging};
use support::{Made, job, make, quick, scattered, write};
use tempfile::TempDir;

/// Everything that differs between one process and a process for each segment, or that a player
/// would complain of.
fn faults(spec: &SourceSpec, packaging: Packaging) -> Vec<String> {
    let path = spec.path();
    let request = JobRequest { exact: true, ..quick(packaging) };
    let job = job(&path, &request);
    let one = make(&path, &job, &[job.timeline.whole()]);
    let many = make(&path, &job, &scattered(&job, 1));
    let mut faults = Vec::new();
    if one.segments.keys().ne(many.segments.keys()) {
        faults.push("not the same segments".to_owned());
    }
    if one.inits != many.inits {
        faults.push("not the same init sections".to_owned());
    }
    for (id, bytes) in &one.segments {
        if many.segments.get(id) != Some(bytes) {
            faults.push(format!("{id:?} has other bytes when it is made alone"));
        }
    }
    let damaged: u64 = many.reports.iter().map(|report| report.damaged).sum();
    if damaged > 0 {
        faults.push(format!("{damaged} packets or frames of a good source are called damaged"));
    }
    if job.facts.declared_duration.is_some() || many.reports.iter().any(|it| it.short_by.is_some())
    {
        faults.push("a whole source is called cut off".to_owned());
    }
    faults.extend(what_players_say(&job, &many));
    faults
}

fn what_players_say(job: &Job, made: &Made) -> Vec<String> {
    let directory = TempDir::new().unwrap();
    let master = write(job, made, directory.path());
    let mut faults: Vec<String> =
        segue_lab::complaints(&master).lines().take(4).map(str::to_owned).collect();
    let verified =
        segue_media::verify::verify(master.to_str().unwrap(), &Default::default(), &mut |_| {});
    match verified {
        Ok(report) => faults.extend(report.faults.iter().take(4).map(|fault| fault.to_string())),
        Err(error) => faults.push(error.to_string()),
    }
    faults
}

fn check(packaging: Packaging) {
    let only = std::env::var("SEGUE_LAB_ONLY").ok();
    let chosen = |spec: &&SourceSpec| only.as_ref().is_none_or(|only| spec.name.contains(only));
    let mut report = Vec::new();
    for spec in segue_lab::matrix().iter().filter(chosen) {
        let found = std::panic::catch_unwind(|| faults(spec, packaging));
        let found = found.unwrap_or_else(|_| vec!["panicked".to_owned()]);
        report.extend(found.iter().map(|it| format!("{} ({}): {it}", spec.name, spec.special)));
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
}

#[test]
fn transport_streams_join() {
    check(Packaging::MpegTs);
}

#[test]
fn fragmented_mp4_joins() {
    check(Packaging::Fmp4);
}
