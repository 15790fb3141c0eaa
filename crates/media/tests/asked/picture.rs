//! How large a picture is, and what shape its pixels have.

use std::path::{Path, PathBuf};

use segue_lab::{ffmpeg, run};
use segue_model::{ColourLabels, H264Profile, JobRequest, Orientation, Packaging, RateControl};
use tempfile::TempDir;

use crate::support::{job, quick};
use crate::{by_ffmpeg, in_many, made};

fn film(size: &str, shape: &str) -> (TempDir, PathBuf) {
    let input = format!("testsrc2=s={size}:r=25:d=3,setsar={shape}");
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast"];
    made("film.mkv", &[&["-f", "lavfi", "-i", &input], &encoded[..]].concat())
}

/// Columns, rows and the shape of a pixel.
fn look(url: &Path) -> [String; 3] {
    let known = segue_lab::probe(url);
    ["width", "height", "sample_aspect_ratio"]
        .map(|what| known[&format!("streams.stream.0.{what}")].clone())
}

fn exactly(packaging: Packaging, rendition: &str) -> JobRequest {
    let renditions = vec![rendition.parse().expect(rendition)];
    JobRequest { renditions, audio: None, ..quick(packaging) }
}

#[test]
fn an_exact_size_and_shape_are_what_ffmpeg_makes_of_the_scaling() {
    for (size, shape, scaling, rendition) in [
        // Pixels gain what the sides lose: 238 * 640 / (426 * 360).
        ("640x360", "1", "scale=426:238", "=426x238:1904/1917"),
        ("720x576", "64/45", "scale=426:340", "=426x340:2720/1917"),
        ("320x240", "8/9", "scale=480:240", "=480x240:16/27"),
        ("320x240", "1", "scale=640:480", "=640x480"),
    ] {
        let (_film, film) = film(size, shape);
        let line = ["-vf", scaling, "-c:v", "libx264", "-preset", "ultrafast", "-an"];
        for (packaging, name) in [(Packaging::MpegTs, "a.ts"), (Packaging::Fmp4, "a.mp4")] {
            let job = job(&film, &exactly(packaging, rendition));
            let (_many, many) = in_many(&film, &job);
            let (_asked, asked) = by_ffmpeg(&film, name, &line);
            assert_eq!(look(&many), look(&asked), "{scaling} of {size}, {shape}, {name}");
        }
    }
}

#[test]
fn profile_and_level_are_no_more_than_asked() {
    let (_film, film) = film("640x360", "1");
    for (profile, name) in [
        (H264Profile::Baseline, "Constrained Baseline"),
        (H264Profile::Main, "Main"),
        (H264Profile::High, "High"),
    ] {
        for (preset, packaging) in [
            ("ultrafast", Packaging::Fmp4),
            ("veryfast", Packaging::MpegTs),
            ("slow", Packaging::Fmp4),
        ] {
            let preset = preset.to_owned();
            let request = JobRequest {
                profile,
                level_max: Some(30),
                preset,
                audio: None,
                ..quick(packaging)
            };
            let job = job(&film, &request);
            let (_many, many) = in_many(&film, &job);
            let known = segue_lab::probe(&many);
            assert_eq!(known["streams.stream.0.profile"], name, "{}", request.preset);
            assert_eq!(known["streams.stream.0.level"], "30", "{name}");
            let baseline = profile == H264Profile::Baseline;
            if baseline {
                assert_eq!(known["streams.stream.0.has_b_frames"], "0");
            }
        }
    }
}

#[test]
fn what_needs_more_is_labelled_with_the_level_that_is_asked_as_by_x264() {
    let input = "testsrc2=s=640x480:r=50:d=3";
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast"];
    let (_film, film) = made("film.mkv", &[&["-f", "lavfi", "-i", input], &encoded[..]].concat());
    let request = JobRequest {
        level_max: Some(30),
        over_level: true,
        audio: None,
        ..quick(Packaging::MpegTs)
    };
    let (_many, many) = in_many(&film, &job(&film, &request));
    let line = ["-c:v", "libx264", "-preset", "ultrafast", "-level", "30", "-an"];
    let (_asked, asked) = by_ffmpeg(&film, "a.ts", &line);
    let level = |url: &Path| segue_lab::probe(url)["streams.stream.0.level"].clone();
    assert_eq!((level(&many), level(&asked)), ("30".to_owned(), "30".to_owned()));
}

#[test]
fn colours_are_only_labelled() {
    let (_film, film) = film("128x96", "1");
    let label = |name: &str| Some(name.to_owned());
    let colour = ColourLabels {
        primaries: label("bt709"),
        transfer: label("smpte170m"),
        matrix: label("bt470bg"),
    };
    let plain = JobRequest { audio: None, exact: true, ..quick(Packaging::Fmp4) };
    let (_plain, unlabelled) = in_many(&film, &job(&film, &plain));
    let (_many, many) = in_many(&film, &job(&film, &JobRequest { colour, ..plain }));
    let line = "-vf setparams=color_primaries=bt709:color_trc=smpte170m:colorspace=bt470bg \
                -c:v libx264 -an";
    let line: Vec<&str> = line.split_whitespace().collect();
    let (_asked, asked) = by_ffmpeg(&film, "a.mp4", &line);
    let labels = |url: &Path| {
        let known = segue_lab::probe(url);
        ["color_primaries", "color_transfer", "color_space"]
            .map(|what| known.get(&format!("streams.stream.0.{what}")).cloned())
    };
    assert_eq!(labels(&many), labels(&asked));
    assert_ne!(labels(&many), labels(&unlabelled));
    assert_eq!(segue_lab::frames(&many), segue_lab::frames(&unlabelled));
}

/// ANSI/CTA-608 in an SEI message (ATSC A/53, part 4, 6.2.3.1): a filler for each field.
const CAPTIONS: &[u8] = &[
    0, 0, 0, 1, 6, 4, 14, 0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3, 0x41, 0xff, 0xfc, 0x94, 0x20,
    0xff, 0x80,
];

/// How many pictures have closed captions.
fn captioned(url: &Path) -> usize {
    let said = segue_lab::run(
        segue_lab::ffprobe()
            .args(["-v", "fatal", "-select_streams", "v", "-show_frames"])
            .args(["-show_entries", "frame_side_data=side_data_type", "-i"])
            .arg(url),
    );
    said.text().matches("Closed Captions").count()
}

#[test]
fn closed_captions_are_passed_on() {
    let (directory, film) = film("128x96", "1");
    let raw = directory.path().join("raw.h264");
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "slices=1", "-an"];
    let (_made, stream) = by_ffmpeg(&film, "a.h264", &encoded);
    let bytes = std::fs::read(stream).expect("a stream");
    // In front of every slice, each of which is a picture.
    let mut with_captions = Vec::new();
    for (at, byte) in bytes.iter().enumerate() {
        let is_slice = |code: &[u8]| code[..3] == [0, 0, 1] && matches!(code[3] & 31, 1 | 5);
        if bytes.get(at..at + 4).is_some_and(is_slice) {
            with_captions.extend(CAPTIONS);
        }
        with_captions.push(*byte);
    }
    std::fs::write(&raw, with_captions).expect("written");
    let (_film, film) =
        made("b.mkv", &["-r", "25", "-i", raw.to_str().expect("a name"), "-c", "copy"]);
    let pictures = segue_lab::frames(&film).len();
    assert_eq!(captioned(&film), pictures);
    for packaging in [Packaging::MpegTs, Packaging::Fmp4] {
        let request = JobRequest { audio: None, preset: "veryfast".into(), ..quick(packaging) };
        let (_many, many) = in_many(&film, &job(&film, &request));
        assert_eq!(captioned(&many), pictures, "{packaging:?}");
        let without = JobRequest { captions: false, ..request };
        let (_many, many) = in_many(&film, &job(&film, &without));
        assert_eq!(captioned(&many), 0, "{packaging:?}");
    }
}

#[test]
fn pictures_are_turned_as_asked_and_not_as_their_container_says() {
    let (_film, film) = film("128x96", "1");
    for (quarter_turns, mirrored, filters) in [
        (0, false, "null"),
        (1, false, "transpose=clock"),
        (2, false, "transpose=clock,transpose=clock"),
        (3, false, "transpose=cclock"),
        (0, true, "hflip"),
        (2, true, "vflip"),
        (3, true, "hflip,transpose=cclock"),
    ] {
        let orientation = Some(Orientation { quarter_turns, mirrored });
        let request = JobRequest {
            orientation,
            audio: None,
            exact: true,
            rate_control: Some(RateControl::Quality { crf: 4 }),
            ..quick(Packaging::MpegTs)
        };
        let (_many, many) = in_many(&film, &job(&film, &request));
        let line = ["-vf", filters, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "4", "-an"];
        let (_asked, asked) = by_ffmpeg(&film, "a.ts", &line);
        assert_eq!(look(&many), look(&asked), "{filters}");
        let brightness = |url: &Path| corners(url);
        for (ours, theirs) in brightness(&many).iter().zip(brightness(&asked)) {
            assert!(ours.abs_diff(theirs) <= 3, "{filters}: {ours} and {theirs}");
        }
    }
}

/// How bright each quarter of the first picture is.
fn corners(url: &Path) -> Vec<u8> {
    let filters = ["-vf", "scale=2:2:flags=area,format=gray", "-frames:v", "1", "-f", "rawvideo"];
    let said = run(ffmpeg().args(["-v", "fatal", "-i"]).arg(url).args(filters).arg("-"));
    said.stdout
}
