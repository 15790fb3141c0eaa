//! What is asked for in every detail is what comes out, judged beside the ffmpeg command that is
//! asked for the same.

mod alone;
mod boundaries;
mod copied;
mod fields;
mod grid;
mod lines;
mod picture;
mod rate;
mod sound;
#[path = "../support/mod.rs"]
mod support;
mod timestamps;
mod together;

use std::path::{Path, PathBuf};

use segue_lab::{ffmpeg, run};
use segue_model::Job;
use support::{Made, make, scattered, write};
use tempfile::TempDir;

/// A source that ffmpeg makes.
fn made(name: &str, arguments: &[&str]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join(name);
    run(ffmpeg().args(["-v", "fatal"]).args(arguments).arg(&path));
    (directory, path)
}

/// What ffmpeg makes of a film with these options.
fn by_ffmpeg(film: &Path, name: &str, options: &[&str]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join(name);
    run(ffmpeg().args(["-v", "fatal", "-i"]).arg(film).args(options).arg(&path));
    (directory, path)
}

/// The job's files, from one span.
fn in_one(film: &Path, job: &Job) -> (TempDir, PathBuf) {
    written(job, &make(film, job, &[job.timeline.whole()]))
}

/// The job's files, each segment from a span of its own; nobody has anything to complain of.
fn in_many(film: &Path, job: &Job) -> (TempDir, PathBuf) {
    let (directory, playlist) = written(job, &make(film, job, &scattered(job, 1)));
    assert_eq!(segue_lab::complaints(&playlist), "");
    (directory, playlist)
}

fn written(job: &Job, made: &Made) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let playlist = write(job, made, directory.path());
    (directory, playlist)
}
