//! Which times are written.

use std::path::Path;

use segue_lab::{ffmpeg, run};
use segue_model::{BoundaryRule, Job, JobRequest, Packaging, Time};
use tempfile::TempDir;

use crate::support::{Made, job, make, quick, scattered};
use crate::{made, written};

/// When pictures are shown in each of these files, with the header they need.
fn shown(header: &[u8], segments: &[Vec<u8>]) -> Vec<Vec<String>> {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("segment");
    let times = |segment: &Vec<u8>| {
        std::fs::write(&path, [header, segment].concat()).expect("written");
        segue_lab::frames(&path).into_iter().map(|frame| frame.pts_time).collect()
    };
    segments.iter().map(times).collect()
}

pub(crate) fn ours(job: &Job, made: &Made) -> Vec<Vec<String>> {
    let header = made.inits.get(&0).cloned().unwrap_or_default();
    let of_picture = made.segments.iter().filter(|(id, _)| id.rendition == 0);
    let segments: Vec<_> = of_picture.map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(segments.len(), job.timeline.segments() as usize);
    shown(&header, &segments)
}

/// What a media server's line makes.
pub(crate) fn by_hls_muxer(film: &Path, packaging: Packaging, options: &str) -> Vec<Vec<String>> {
    let directory = TempDir::new().expect("a directory");
    // From a film's start, and from there alone, ffmpeg's transport streams begin later by as much as
    // B-frames are decoded, or AAC's priming is heard, before it (its hls muxer does not tell the
    // muxer in it of `-avoid_negative_ts disabled`). A job's segments are the same wherever one
    // begins, so this compares what has neither.
    let (without, kind) = match packaging {
        Packaging::MpegTs => ("-bf 0 -an", "mpegts"),
        Packaging::Fmp4 => ("-c:a aac", "fmp4 -hls_fmp4_init_filename header.mp4"),
    };
    let line = format!(
        "-c:v libx264 -preset veryfast -force_key_frames:0 expr:gte(t,n_forced*3) \
         -sc_threshold:v:0 0 {without} -copyts -avoid_negative_ts disabled -f hls {options} \
         -hls_time 3 -hls_segment_type {kind} -hls_playlist_type vod -hls_list_size 0"
    );
    run(ffmpeg()
        .args(["-v", "fatal", "-i"])
        .arg(film)
        .args(line.split_whitespace())
        .arg("-hls_segment_filename")
        .arg(directory.path().join("%d.seg"))
        .arg(directory.path().join("list.m3u8")));
    let read = |name: &str| std::fs::read(directory.path().join(name)).ok();
    let header = read("header.mp4").unwrap_or_default();
    let segments: Vec<_> = (0..).map_while(|index| read(&format!("{index}.seg"))).collect();
    shown(&header, &segments)
}

#[test]
fn every_picture_is_shown_when_ffmpegs_line_shows_it() {
    for (packaging, options, offset, keep_start) in [
        (Packaging::MpegTs, "-max_delay 5000000", "10", true),
        (Packaging::MpegTs, "-max_delay 5000000 -start_at_zero", "10", false),
        (Packaging::MpegTs, "-start_at_zero", "1.4", false),
        (Packaging::Fmp4, "", "0", true),
        (Packaging::Fmp4, "-start_at_zero", "0", false),
    ] {
        // A whole number of pictures: ffmpeg counts from zero in them.
        for start in ["0", "7.2"] {
            let input = "testsrc2=s=64x48:r=25:d=7";
            let sources = ["-f", "lavfi", "-i", input, "-f", "lavfi", "-i", "sine=r=48000:d=7"];
            let encoded = ["-output_ts_offset", start, "-c:v", "libx264", "-c:a", "flac"];
            let (_film, film) = made("film.mkv", &[&sources[..], &encoded].concat());
            let request = JobRequest {
                boundaries: BoundaryRule::Multiples { segment: Time::from_secs(3) },
                timestamp_offset: Some(offset.parse().expect("a time")),
                keep_start,
                together: true,
                preset: "veryfast".to_owned(),
                ..quick(packaging)
            };
            let job = job(&film, &request);
            let many = make(&film, &job, &scattered(&job, 1));
            let asked = by_hls_muxer(&film, packaging, options);
            assert_eq!(ours(&job, &many), asked, "{packaging:?} {options} from {start}");
            let (directory, playlist) = written(&job, &many);
            assert_eq!(segue_lab::complaints(&playlist), "");
            let report = segue_media::verify::verify(
                &playlist.to_string_lossy(),
                &Default::default(),
                &mut |_| {},
            );
            assert_eq!(report.expect("readable").faults.len(), 0);
            drop(directory);
            let one = make(&film, &job, &[job.timeline.whole()]);
            assert_eq!(one.inits, many.inits);
        }
    }
}
