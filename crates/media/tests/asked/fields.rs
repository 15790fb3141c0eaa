//! What becomes of frames that are two fields.

use std::path::{Path, PathBuf};

use segue_lab::{ffmpeg, run};
use segue_model::{
    Deinterlace, DeinterlaceMethod, FieldOrder, FieldRequest, JobRequest, Packaging, RateControl,
};
use tempfile::TempDir;

use crate::support::{facts, job, quick};
use crate::{by_ffmpeg, in_many, made};

/// Three seconds of frames of two fields each; marked so or not.
fn film(marked: bool) -> (TempDir, PathBuf) {
    let input = "testsrc2=s=320x240:r=50:d=3,tinterlace=interleave_top";
    let fields = if marked { "+ildct+ilme" } else { "+bitexact" };
    let encoded = ["-c:v", "mpeg2video", "-q:v", "2", "-flags", fields, "-top", "1"];
    made("film.mkv", &[&["-f", "lavfi", "-i", input], &encoded[..]].concat())
}

/// How like one film's pictures are the other's: the least signal to noise, in decibels.
fn likeness(one: &Path, other: &Path) -> f64 {
    let compared =
        "[0:v]setpts=N,settb=1/25[a];[1:v]setpts=N,settb=1/25[b];[a][b]psnr=stats_file=-";
    let mut command = ffmpeg();
    command.args(["-v", "fatal", "-i"]).arg(one).arg("-i").arg(other);
    let said = run(command.args(["-lavfi", compared, "-f", "null", "-"]));
    let decibels = said
        .text()
        .lines()
        .filter_map(|line| {
            let (_, rest) = line.split_once("psnr_y:")?;
            // Alike to the bit is infinitely alike.
            rest.split(' ').next()?.parse().ok()
        })
        .collect::<Vec<f64>>();
    assert!(!decibels.is_empty(), "nothing was compared");
    decibels.into_iter().fold(f64::INFINITY, f64::min)
}

/// When pictures are shown, from the first one on, in milliseconds.
fn times(url: &Path) -> Vec<i64> {
    let frames = segue_lab::frames(url);
    let times: Vec<f64> =
        frames.iter().map(|frame| frame.pts_time.parse().expect("a time")).collect();
    times.iter().map(|time| ((time - times[0]) * 1000.0).round() as i64).collect()
}

fn asked(fields: FieldRequest) -> JobRequest {
    let rate_control = Some(RateControl::Quality { crf: 4 });
    JobRequest { fields, rate_control, audio: None, ..quick(Packaging::MpegTs) }
}

fn made_of_fields(method: DeinterlaceMethod, every_field: bool, marked_only: bool) -> FieldRequest {
    FieldRequest::Made(Deinterlace { method, every_field, marked_only })
}

#[test]
fn frames_are_made_of_fields_as_ffmpegs_filters_make_them() {
    let (yadif, bwdif) = (DeinterlaceMethod::Yadif, DeinterlaceMethod::Bwdif);
    for (marked, fields, filter) in [
        (true, made_of_fields(yadif, false, false), "yadif=0:-1:0"),
        (true, made_of_fields(yadif, true, false), "yadif=1:-1:0"),
        (true, made_of_fields(bwdif, false, true), "bwdif=0:-1:1"),
        (true, made_of_fields(bwdif, true, false), "bwdif=1:-1:0"),
        (true, FieldRequest::Kept, "null"),
        (false, made_of_fields(yadif, false, false), "yadif=0:-1:0"),
        (false, made_of_fields(bwdif, true, false), "bwdif=1:-1:0"),
        (false, made_of_fields(bwdif, false, true), "null"),
    ] {
        let (_film, film) = film(marked);
        let marked_so = facts(&film).video.expect("a picture").field_order;
        assert_eq!(marked_so != FieldOrder::Progressive, marked, "the source says of itself");
        let (_many, many) = in_many(&film, &job(&film, &asked(fields)));
        let line = ["-vf", filter, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "4"];
        let (_asked, asked) = by_ffmpeg(&film, "a.ts", &line);
        let what = format!("{filter}, marked: {marked}");
        assert_eq!(times(&many), times(&asked), "{what}");
        let like = likeness(&many, &asked);
        assert!(like > 40.0, "{what}: {like} dB");
    }
}

#[test]
fn rules_of_deinterlacing_are_told_from_each_other() {
    // If not, the comparison above would say nothing.
    let (_film, film) = film(true);
    let by = |filter| {
        let line = ["-vf", filter, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "4"];
        by_ffmpeg(&film, "a.ts", &line)
    };
    let (_yadif, yadif) = by("yadif=0:-1:0");
    for other in ["null", "bwdif=0:-1:0"] {
        let (_other, other_made) = by(other);
        let like = likeness(&yadif, &other_made);
        assert!(like < 39.0, "{other}: {like} dB");
    }
}
