//! Pictures that do not begin with the film: they stand where ffmpeg puts them, and segments begin with
//! the pictures that ffmpeg's begin with.

use segue_model::{
    BoundaryRule, Deinterlace, DeinterlaceMethod, FieldRequest, JobRequest, Packaging, Time,
};

use crate::made;
use crate::support::{job, make, quick, scattered};
use crate::timestamps::{by_hls_muxer, ours};

/// A film whose sound begins at `start`, and whose picture comes `late` seconds after it.
struct Film<'a> {
    rate: &'a str,
    late: &'a str,
    start: &'a str,
    name: &'a str,
    /// Seconds.
    length: u32,
}

/// A film, what is asked of the engine, and the same in options of ffmpeg's.
fn assert_alike(film: &Film<'_>, packaging: Packaging, asked: &JobRequest, options: &str) {
    let Film { rate, late, start, name, length } = film;
    let what = format!("{name} at {rate}, {late} s late, from {start} s, {packaging:?} {options}");
    let picture = format!("testsrc2=s=64x48:r={rate}:d={length}");
    let quick = ["-c:v", "libx264", "-preset", "ultrafast"];
    let (_picture, picture) =
        made("picture.mp4", &[&["-f", "lavfi", "-i", &picture], &quick[..]].concat());
    let picture = picture.to_str().expect("a name");
    let sound = format!("sine=r=48000:d={length}");
    let sources = ["-f", "lavfi", "-i", &sound, "-itsoffset", late, "-i", picture];
    // No sound that has packets before the film's start; pictures that are encoded again would be moved.
    let sounding = ["-c:a", if name.ends_with("mp4") { "mp3" } else { "flac" }];
    let as_it_is = ["-map", "1:v", "-map", "0:a", "-c:v", "copy", "-output_ts_offset", start];
    let (_film, path) = made(name, &[&sources[..], &sounding, &as_it_is].concat());
    let request = JobRequest {
        boundaries: BoundaryRule::Multiples { segment: Time::from_secs(3) },
        timestamp_offset: Some(match packaging {
            Packaging::MpegTs => Time::from_secs(10),
            Packaging::Fmp4 => Time::ZERO,
        }),
        together: true,
        preset: "veryfast".to_owned(),
        frame_grid: true,
        ..asked.clone()
    };
    let job = job(&path, &request);
    let by_ffmpeg = by_hls_muxer(&path, packaging, options);
    // Each segment of a span of its own, and then all of one.
    for spans in [scattered(&job, 1), vec![job.timeline.whole()]] {
        let ours = ours(&job, &make(&path, &job, &spans));
        let counts = |segments: &[Vec<String>]| segments.iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(counts(&ours), counts(&by_ffmpeg), "{what}");
        for (ours, theirs) in ours.iter().flatten().zip(by_ffmpeg.iter().flatten()) {
            let apart = micros(ours) - micros(theirs);
            // Two ways to round to a tick of a transport stream, which is 11 microseconds.
            assert!(apart.abs() <= 12, "{what}: {ours} and {theirs}");
        }
    }
}

/// Of seconds with six digits.
fn micros(text: &str) -> i64 {
    text.replace('.', "").parse().expect("a number")
}

fn kept() -> JobRequest {
    JobRequest { keep_start: true, ..quick(Packaging::MpegTs) }
}

/// For transport streams.
const DELAY: &str = "-max_delay 5000000";

#[test]
fn late_pictures_stand_where_ffmpeg_puts_them_at_any_rate() {
    for rate in ["24000/1001", "24", "25", "30000/1001", "30", "50", "60000/1001"] {
        // What AAC's priming makes of it in Matroska: half a frame at the lowest, more than one above.
        let film = Film { rate, late: "0.021", start: "0", name: "film.mkv", length: 7 };
        assert_alike(&film, Packaging::MpegTs, &kept(), DELAY);
    }
}

#[test]
fn pictures_stand_where_ffmpeg_puts_them_however_late_they_are() {
    for (rate, late, name) in [
        ("24000/1001", "0.007", "film.mkv"),
        ("24000/1001", "0.05", "film.mkv"),
        ("25", "0.007", "film.mkv"),
        ("25", "0.048", "film.mkv"),
        ("50", "0.007", "film.mkv"),
        ("60000/1001", "0.02", "film.mkv"),
        ("24000/1001", "0", "film.mp4"),
        ("25", "0", "film.mp4"),
        ("30000/1001", "0.021", "film.mp4"),
    ] {
        let film = Film { rate, late, start: "0", name, length: 7 };
        assert_alike(&film, Packaging::MpegTs, &kept(), DELAY);
    }
}

#[test]
fn a_frames_length_that_is_no_part_of_a_segments_adds_up_as_it_does_in_ffmpeg() {
    // After 42 s, segments of 72 pictures are ahead of 3 s by a picture.
    let film = Film { rate: "24000/1001", late: "0.021", start: "0", name: "film.mkv", length: 46 };
    assert_alike(&film, Packaging::MpegTs, &kept(), DELAY);
}

#[test]
fn multiples_count_from_where_timestamps_are_zero() {
    for (start, late) in [("7.21", "0"), ("7.21", "0.021"), ("7.23", "0")] {
        let film = Film { rate: "25", late, start, name: "film.mkv", length: 7 };
        assert_alike(&film, Packaging::MpegTs, &kept(), DELAY);
        let fmp4 = JobRequest { packaging: Packaging::Fmp4, ..kept() };
        assert_alike(&film, Packaging::Fmp4, &fmp4, "");
        let from_zero = JobRequest { keep_start: false, ..kept() };
        assert_alike(&film, Packaging::MpegTs, &from_zero, &format!("{DELAY} -start_at_zero"));
    }
}

#[test]
fn frames_of_fields_stand_at_multiples_of_their_own_length() {
    let method = DeinterlaceMethod::Yadif;
    let made = Deinterlace { method, every_field: true, marked_only: false };
    let asked = JobRequest { fields: FieldRequest::Made(made), ..kept() };
    for late in ["0.007", "0.021", "0.04"] {
        let film = Film { rate: "25", late, start: "0", name: "film.mkv", length: 7 };
        assert_alike(&film, Packaging::MpegTs, &asked, &format!("{DELAY} -vf yadif=1:-1:0"));
    }
}
