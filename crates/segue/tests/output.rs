//! The output directory: what appears in it, and when.

mod support;

use std::fs;
use std::path::Path;

use segue::output::{Output, OutputError, SourceLoss, stored_job};
use segue_model::pool::Renditions;
use segue_model::{Job, SegmentId, Span, Time};
use support::{Run, film, names, transcode};
use tempfile::{TempDir, tempdir};

/// The job of a run in fMP4: a picture and a sound rendition of 17 segments.
fn job(scratch: &TempDir) -> Job {
    let made = scratch.path().join("made");
    Run::start(transcode(&film(), &made).args(["--packaging", "fmp4"])).succeed();
    stored_job(&made).expect("a run leaves its job")
}

fn open(directory: &Path, job: &Job) -> Output {
    Output::open(directory, job.clone()).expect("the directory is new, or this job's")
}

fn id(rendition: u32, index: u32) -> SegmentId {
    SegmentId { rendition, index }
}

#[test]
fn a_directory_is_kept_by_these_rules() {
    let scratch = tempdir().unwrap();
    let job = job(&scratch);
    the_first_copy_wins(&scratch.path().join("a"), &job);
    an_init_section_that_differs_is_refused(&scratch.path().join("b"), &job);
    playlists_come_last_and_go_first(&scratch.path().join("c"), &job);
    what_is_missing_is_told_in_runs(&scratch.path().join("d"), &job);
    what_made_nothing_leaves_nothing(&scratch.path().join("new/e"), &job);
    what_is_not_of_the_job_is_refused(&scratch.path().join("f"), &job);
    what_was_lost_in_segments_is_known_as_long_as_they_are_there(&scratch.path().join("g"), &job);
    what_was_told_is_not_told_again_by_who_goes_on_there(&scratch.path().join("h"), &job);
    what_was_made_again_without_loss_has_lost_nothing(&scratch.path().join("i"), &job);
}

fn the_first_copy_wins(directory: &Path, job: &Job) {
    let output = open(directory, job);
    assert!(output.publish(id(0, 3), b"first").unwrap());
    assert!(!output.publish(id(0, 3), b"second").unwrap());
    assert_eq!(fs::read(directory.join("180p/00003.m4s")).unwrap(), b"first");
    assert_eq!((output.made(), output.bytes()), (1, 5));
}

fn an_init_section_that_differs_is_refused(directory: &Path, job: &Job) {
    let output = open(directory, job);
    output.publish_init(0, b"one").unwrap();
    output.publish_init(0, b"one").unwrap();
    let refused = output.publish_init(0, b"other").unwrap_err();
    assert!(matches!(refused, OutputError::InitDiffers { .. }) && refused.blames_process());
    // Also by a run that goes on later.
    drop(output);
    let output = open(directory, job);
    assert!(output.publish_init(0, b"other").is_err());
    output.publish_init(0, b"one").unwrap();
}

fn playlists_come_last_and_go_first(directory: &Path, job: &Job) {
    let make = |output: &Output| {
        for rendition in 0..2 {
            output.publish_init(rendition, b"init").unwrap();
            for index in 0..job.timeline.segments() {
                output.publish(id(rendition, index), b"segment").unwrap();
            }
        }
    };
    let playlists =
        || names(directory).into_iter().filter(|n| n.extension() == Some("m3u8".as_ref())).count();
    let output = open(directory, job);
    make(&output);
    assert_eq!(playlists(), 0);
    assert!(!output.is_finished());
    output.finish().unwrap();
    assert_eq!(playlists(), 3);
    drop(output);
    assert!(open(directory, job).is_finished());

    fs::remove_file(directory.join("audio/00005.m4s")).unwrap();
    let output = open(directory, job);
    assert_eq!(playlists(), 0);
    assert_eq!(output.missing(), [Span { first: 5, end: 6 }]);
    let (before, after) = (Span { first: 0, end: 5 }, Span { first: 6, end: 17 });
    let whole = job.timeline.whole();
    assert_eq!(whole.end, 17);
    assert_eq!(output.published(), [(0, vec![whole]), (1, vec![before, after])]);
}

fn what_is_missing_is_told_in_runs(directory: &Path, job: &Job) {
    let output = open(directory, job);
    let segments = job.timeline.segments();
    assert_eq!(output.missing(), [Span { first: 0, end: segments }]);
    for rendition in 0..2 {
        output.publish(id(rendition, 4), b"segment").unwrap();
    }
    output.publish(id(0, 5), b"segment").unwrap();
    let (before, after) = (Span { first: 0, end: 4 }, Span { first: 5, end: segments });
    assert_eq!(output.missing(), [before, after]);
    let from_four = Span { first: 4, end: 8 };
    assert_eq!(output.first_missing(from_four, Renditions::first(2)), Some(5));
    assert_eq!(output.first_missing(from_four, Renditions::only(0)), Some(6));
    assert_eq!(output.first_missing(Span { first: 4, end: 5 }, Renditions::first(2)), None);
}

fn what_made_nothing_leaves_nothing(directory: &Path, job: &Job) {
    let output = open(directory, job);
    output.publish_init(0, b"init").unwrap();
    output.leave();
    assert!(!directory.parent().unwrap().exists());
}

fn what_is_not_of_the_job_is_refused(directory: &Path, job: &Job) {
    let output = open(directory, job);
    for stray in [id(2, 0), id(0, job.timeline.segments()), id(u32::MAX, u32::MAX)] {
        assert!(output.publish(stray, b"").unwrap_err().blames_process());
    }
    assert!(output.publish_init(9, b"").unwrap_err().blames_process());
}

fn what_was_lost_in_segments_is_known_as_long_as_they_are_there(directory: &Path, job: &Job) {
    let last = job.timeline.segments() - 1;
    let loss = SourceLoss { damaged: 2, short_by: Some(Time::new(1, 3)) };
    let output = open(directory, job);
    output.note_loss(Span { first: 0, end: 2 }, SourceLoss::default()).unwrap();
    output.note_loss(Span { first: last, end: last + 1 }, loss).unwrap();
    assert_eq!(output.loss(), SourceLoss::default());
    output.publish(id(0, last), b"segment").unwrap();
    assert_eq!(output.loss(), loss);
    drop(output);
    assert_eq!(open(directory, job).loss(), loss);
    fs::remove_file(directory.join(format!("180p/{last:05}.m4s"))).unwrap();
    assert_eq!(open(directory, job).loss(), SourceLoss::default());
}

fn what_was_told_is_not_told_again_by_who_goes_on_there(directory: &Path, job: &Job) {
    let output = open(directory, job);
    let damaged = |first, lead_in, index, damaged| {
        output.count_loss(first, lead_in).note(index, damaged).1.damaged
    };
    let loss = SourceLoss { damaged: 3, short_by: None };
    output.note_loss(Span { first: 2, end: 3 }, loss).unwrap();
    // As long as its segment is not there, somebody will make it again.
    assert_eq!(damaged(3, Time::ZERO, 3, 3), 3);
    output.publish(id(0, 2), b"segment").unwrap();
    assert_eq!(damaged(3, Time::ZERO, 3, 3), 0);
    assert_eq!(damaged(3, Time::ZERO, 3, 5), 2);
    assert_eq!(damaged(2, Time::ZERO, 2, 3), 3);
    // Segments are half a second long: the first is out of reach of what was read ahead, the second
    // is decoded from there on.
    assert_eq!(damaged(12, Time::ZERO, 12, 3), 3);
    assert_eq!(damaged(12, Time::from_secs(1), 12, 3), 0);
    assert_eq!(damaged(3, Time::ZERO, 12, 3), 3);
}

fn what_was_made_again_without_loss_has_lost_nothing(directory: &Path, job: &Job) {
    let output = open(directory, job);
    let loss = SourceLoss { damaged: 3, short_by: None };
    output.note_loss(Span { first: 2, end: 3 }, loss).unwrap();
    output.publish(id(0, 2), b"segment").unwrap();
    // The sound alone.
    output.note_loss_of_some(Span { first: 1, end: 3 }, SourceLoss::default()).unwrap();
    assert_eq!(output.loss(), loss);
    output.note_loss_of_some(Span { first: 2, end: 3 }, SourceLoss { damaged: 4, ..loss }).unwrap();
    assert_eq!(output.loss().damaged, 4);
    output.note_loss(Span { first: 1, end: 3 }, SourceLoss::default()).unwrap();
    drop(output);
    assert_eq!(open(directory, job).loss(), SourceLoss::default());
}
