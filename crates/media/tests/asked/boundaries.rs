//! Where segments begin.

use std::path::Path;

use segue_hls::keys;
use segue_lab::{ffmpeg, run};
use segue_model::{BoundaryRule, Job, JobRequest, Packaging, Time};
use tempfile::TempDir;

use crate::support::{job, quick};
use crate::{in_many, made};

/// How many pictures are in a segment, and when the first is shown, in seconds.
fn pictures(segment: &Path) -> (usize, String) {
    let frames = segue_lab::frames(segment);
    (frames.len(), frames.first().map(|frame| frame.pts_time.clone()).unwrap_or_default())
}

fn ours(job: &Job, directory: &Path) -> Vec<(usize, String)> {
    let key = |index| keys::segment(job.recipe.packaging, &job.recipe.renditions[0], index);
    let segments = 0..job.timeline.segments();
    segments.map(|index| pictures(&directory.join(key(index)))).collect()
}

/// What a media server's line makes, in segments of 3 s.
fn by_hls_muxer(film: &Path) -> Vec<(usize, String)> {
    let directory = TempDir::new().expect("a directory");
    let line = "-c:v libx264 -preset ultrafast -force_key_frames:0 expr:gte(t,n_forced*3) \
                -sc_threshold:v:0 0 -c:a aac -copyts -avoid_negative_ts disabled -f hls \
                -max_delay 5000000 -hls_time 3 -hls_playlist_type vod -hls_list_size 0";
    let names = directory.path().join("%d.ts");
    run(ffmpeg()
        .args(["-v", "fatal", "-i"])
        .arg(film)
        .args(line.split_whitespace())
        .arg("-hls_segment_filename")
        .arg(names)
        .arg(directory.path().join("list.m3u8")));
    let segment = |index: usize| directory.path().join(format!("{index}.ts"));
    (0..).map(segment).take_while(|path| path.exists()).map(|path| pictures(&path)).collect()
}

#[test]
fn multiples_are_cut_as_ffmpegs_muxer_cuts_them() {
    for (rate, frames) in [
        // A last segment of one picture; of some; none, as nothing is shown after the boundary.
        ("25", 151),
        ("25", 170),
        ("25", 150),
        ("24000/1001", 288),
        ("24000/1001", 289),
        ("30000/1001", 185),
    ] {
        let input = format!("testsrc2=s=64x48:r={rate}");
        let count = frames.to_string();
        let encoded = ["-frames:v", &count, "-c:v", "libx264", "-preset", "ultrafast"];
        let (_film, film) =
            made("film.mkv", &[&["-f", "lavfi", "-i", &input], &encoded[..]].concat());
        let boundaries = BoundaryRule::Multiples { segment: Time::from_secs(3) };
        let request = JobRequest { boundaries, ..quick(Packaging::MpegTs) };
        let job = job(&film, &request);
        let (directory, _playlist) = in_many(&film, &job);
        assert_eq!(ours(&job, directory.path()), by_hls_muxer(&film), "{frames} at {rate}");
    }
}

#[test]
fn keyframes_within_segments_are_where_ffmpeg_forces_them() {
    for rate in ["25", "24000/1001"] {
        let input = format!("testsrc2=s=64x48:r={rate}:d=7");
        let encoded = ["-c:v", "libx264", "-preset", "ultrafast"];
        let (_film, film) =
            made("film.mkv", &[&["-f", "lavfi", "-i", &input], &encoded[..]].concat());
        let request = JobRequest {
            boundaries: BoundaryRule::Multiples { segment: Time::from_secs(4) },
            keyframes: Some(Time::from_secs(1)),
            preset: "veryfast".to_owned(),
            ..quick(Packaging::MpegTs)
        };
        let (_many, many) = in_many(&film, &job(&film, &request));
        let line = "-c:v libx264 -preset veryfast -force_key_frames:0 expr:gte(t,n_forced*1) \
                    -sc_threshold:v:0 0 -x264-params keyint=infinite";
        let line: Vec<&str> = line.split_whitespace().collect();
        let (_asked, asked) = crate::by_ffmpeg(&film, "a.ts", &line);
        // Which pictures, in the order they are shown.
        let keyframes = |url: &Path| {
            let mut packets = segue_lab::packets(url);
            packets.sort_by_key(|packet| packet.pts);
            let keys = packets.iter().enumerate().filter(|(_, it)| it.flags.contains('K'));
            keys.map(|(at, _)| at).collect::<Vec<_>>()
        };
        assert_eq!(keyframes(&many), keyframes(&asked), "{rate}");
        assert_eq!(keyframes(&many).len(), 7, "{rate}");
    }
}
