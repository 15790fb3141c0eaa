//! Sources that are broken, cut off or failing: a stated failure or the part that is there, never a
//! panic or a hang.

mod support;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use segue_media::span::{SpanEvent, run};
use segue_media::{ByteSource, Cancel, Error, FileSource, describe};
use segue_model::{FailureClass, Packaging, Span, Time};
use support::{Made, facts, job, make, open, quick, run_span, scattered, whole_film, write};
use tempfile::TempDir;

#[test]
fn what_is_no_media_file_is_refused_as_the_sources_fault() {
    for spec in segue_lab::bad().iter().filter(|spec| !spec.salvageable) {
        let path = segue_lab::bad_source(spec.name);
        match describe(open(&path), &Cancel::default()) {
            Err(error) => assert_eq!(error.class(), Some(FailureClass::Source), "{error:?}"),
            Ok(facts) => panic!("{} ({}) was taken for {facts:?}", spec.name, spec.wrong),
        }
    }
}

#[test]
fn what_is_left_of_a_cut_off_file_is_transcoded_whole_and_clean() {
    for spec in segue_lab::bad().iter().filter(|spec| spec.salvageable) {
        let path = segue_lab::bad_source(spec.name);
        let job = job(&path, &quick(Packaging::MpegTs));
        let seconds = job.facts.duration.as_secs_f64();
        assert!((3.0..8.0).contains(&seconds), "{}: {seconds} s left", spec.name);
        let made = make(&path, &job, &scattered(&job, 1));
        assert_eq!(made.segments.len() as u32, job.timeline.segments(), "{}", spec.name);
        let directory = TempDir::new().unwrap();
        let master = write(&job, &made, directory.path());
        assert_eq!(segue_lab::complaints(&master), "", "{}", spec.name);
    }
}

#[test]
fn a_cut_off_file_that_still_promises_the_whole_is_told_to_be_short() {
    let facts = facts(&segue_lab::bad_source("truncated-mp4"));
    let declared = facts.declared_duration.expect("the moov promises more than is there");
    assert!(declared > facts.duration + Time::from_secs(1));
}

#[test]
fn two_recordings_with_clocks_of_their_own_are_refused_in_words() {
    let recording = fs::read(segue_lab::source("h264-ac3-ts")).unwrap();
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("two.ts");
    fs::write(&path, recording.repeat(2)).unwrap();
    let error = describe(open(&path), &Cancel::default()).unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Source));
    assert!(error.to_string().contains("timestamps jump from"), "{error}");
}

#[test]
fn one_timestamp_from_far_ahead_costs_no_more_than_its_own_picture_and_sound() {
    let good = segue_lab::source("h264-aac-mkv");
    let directory = TempDir::new().unwrap();
    let bad = directory.path().join("wrong-timestamps.mkv");
    let setts = |packet: u32| format!("setts=pts='if(eq(N,{packet}),PTS+900/TB,PTS)'");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(&good)
        .args(["-c", "copy", "-bsf:v", &setts(60), "-bsf:a", &setts(90)])
        .arg(&bad)
        .status();
    assert!(made.unwrap().success());
    let spans = |path: &Path| {
        let job = job(path, &quick(Packaging::MpegTs));
        let made = make(path, &job, &[job.timeline.whole()]);
        let directory = TempDir::new().unwrap();
        let master = write(&job, &made, directory.path());
        assert_eq!(segue_lab::complaints(&master), "");
        let packets = segue_lab::packets(&master);
        let pictures = packets.iter().filter(|packet| packet.stream == 0).count();
        (job.timeline.end(), pictures, loudness(&segue_lab::pcm(&master)))
    };
    let ((end, pictures, loud), (bad_end, bad_pictures, bad_loud)) = (spans(&good), spans(&bad));
    // It may cost the certainty that the rate is constant.
    assert!((bad_end - end).as_secs_f64().abs() < 0.1, "{bad_end:?}, not {end:?}");
    assert!(bad_pictures + 2 >= pictures, "{bad_pictures} of {pictures} pictures are left");
    assert!(bad_loud > 0.9 * loud, "{bad_loud} of {loud}");
}

fn loudness(samples: &[f32]) -> f64 {
    samples.iter().map(|sample| f64::from(sample * sample)).sum()
}

/// A copy of a good source with runs of bytes destroyed between its headers and its index.
fn damaged(name: &str, directory: &Path) -> PathBuf {
    let whole = segue_lab::source(name);
    let mut bytes = fs::read(&whole).unwrap();
    let (start, end) = (bytes.len() / 8, bytes.len() * 3 / 4);
    for at in (start..end).step_by(40_000) {
        bytes[at..at + 60].iter_mut().enumerate().for_each(|(n, byte)| *byte ^= 0x5a ^ n as u8);
    }
    let path = directory.join(whole.file_name().unwrap());
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn damage_in_the_middle_is_counted_and_every_segment_is_made() {
    let directory = TempDir::new().unwrap();
    for name in ["h264-aac-mkv", "h264-aac-mp4", "h264-ac3-ts"] {
        let path = damaged(name, directory.path());
        let job = job(&path, &quick(Packaging::MpegTs));
        let made = make(&path, &job, &scattered(&job, 2));
        assert_eq!(made.segments.len() as u32, job.timeline.segments(), "{name}");
        let damaged: u64 = made.reports.iter().map(|report| report.damaged).sum();
        assert!(damaged > 0, "{name}: nobody noticed the damage");
        let output = TempDir::new().unwrap();
        assert_eq!(segue_lab::complaints(write(&job, &made, output.path())), "", "{name}");
    }
}

#[test]
fn what_is_damaged_in_a_segment_is_told_with_it() {
    let directory = TempDir::new().unwrap();
    let path = damaged("h264-aac-mkv", directory.path());
    let job = job(&path, &quick(Packaging::MpegTs));
    let order = whole_film(&job);
    let mut told = Vec::new();
    let report = run(open(&path), &order, &Cancel::default(), &mut |event| {
        if let SpanEvent::Segment { damaged, .. } = event {
            told.push(damaged);
        }
        Ok(())
    });
    assert!(told.is_sorted() && told.last() > Some(&0), "{told:?}");
    assert_eq!(told.last(), Some(&report.unwrap().damaged));
}

#[test]
fn a_source_that_ends_before_its_timeline_is_held_and_told() {
    // The job was made of the whole; what is read has lost its end since.
    let whole = segue_lab::source("faststart-mp4");
    let job = job(&whole, &quick(Packaging::MpegTs));
    let cut = segue_lab::bad_source("truncated-mp4");
    let mut made = Made::default();
    for first in 0..job.timeline.segments() {
        run_span(&cut, &job, Span { first, end: first + 1 }, &mut made).unwrap();
    }
    assert_eq!(made.segments.len() as u32, job.timeline.segments());
    assert!(made.reports.iter().any(|report| report.short_by.is_some()), "{:?}", made.reports);
    let directory = TempDir::new().unwrap();
    let master = write(&job, &made, directory.path());
    assert_eq!(segue_lab::complaints(&master), "");
}

/// Fails after so many bytes.
struct Failing(FileSource, u64);

impl ByteSource for Failing {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let read = self.0.read_at(buffer, position)?;
        self.1 =
            self.1.checked_sub(read as u64).ok_or_else(|| io::Error::other("the disk is gone"))?;
        Ok(read)
    }

    fn size(&self) -> Option<u64> {
        self.0.size()
    }
}

#[test]
fn storage_that_fails_is_transient_wherever_it_fails() {
    let path = segue_lab::source("h264-aac-mkv");
    let job = job(&path, &quick(Packaging::MpegTs));
    let size = fs::metadata(&path).unwrap().len();
    let failing = |after| {
        let file = fs::File::open(&path).unwrap();
        Box::new(Failing(FileSource::new(file).unwrap(), after))
    };
    for after in [0, size / 10, size / 2] {
        let order = whole_film(&job);
        let outcome = run(failing(after), &order, &Cancel::default(), &mut |_| Ok(()));
        let class = outcome.as_ref().err().and_then(Error::class);
        assert_eq!(class, Some(FailureClass::Transient), "after {after}: {outcome:?}");
    }
    let outcome = describe(failing(1000), &Cancel::default());
    assert!(matches!(outcome, Err(Error::Io(_))), "{outcome:?}");
}
