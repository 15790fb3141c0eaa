//! How large a picture is, and what shape its pixels have.

use std::path::{Path, PathBuf};

use segue_model::{H264Profile, JobRequest, Packaging};
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
