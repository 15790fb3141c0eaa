//! Sound that is taken as it is.

use std::path::{Path, PathBuf};

use segue_hls::keys;
use segue_lab::{ffmpeg, run};
use segue_model::{AudioRequest, BoundaryRule, Job, JobRequest, Packaging, Time};
use tempfile::TempDir;

use crate::support::{Made, job, make, quick, scattered};
use crate::{made, written};

/// Seven seconds with sound by this encoder.
fn film(name: &str, encoder: &str) -> (TempDir, PathBuf) {
    let picture = "testsrc2=s=64x48:r=25:d=7";
    let sound = "aevalsrc=exprs='0.2*sin(2*PI*t*300)|0.2*sin(2*PI*t*(300+40*t))':d=7:s=48000";
    let sources = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", sound];
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-c:a", encoder];
    made(name, &[&sources[..], &encoded, &["-b:a", "192k"]].concat())
}

fn asked(packaging: Packaging) -> JobRequest {
    JobRequest {
        boundaries: BoundaryRule::Multiples { segment: Time::from_secs(3) },
        together: true,
        timestamp_offset: Some(match packaging {
            Packaging::MpegTs => Time::from_secs(10),
            Packaging::Fmp4 => Time::ZERO,
        }),
        keep_start: true,
        audio: Some(AudioRequest { copy: true, ..AudioRequest::default() }),
        ..quick(packaging)
    }
}

/// When each packet of sound begins, in milliseconds, and what it holds.
fn packets(file: &Path) -> Vec<(i64, String)> {
    let known = segue_lab::probe(file);
    let stream = [0, 1].into_iter().find(|at| {
        known.get(&format!("streams.stream.{at}.codec_type")).is_some_and(|kind| kind == "audio")
    });
    let stream: u32 = stream.expect("sound");
    let base = &known[&format!("streams.stream.{stream}.time_base")];
    let rate: i64 = base.strip_prefix("1/").expect("a time base").parse().expect("a number");
    let all = segue_lab::packets(file);
    let sound = all.into_iter().filter(|packet| packet.stream == stream);
    sound.map(|it| ((it.pts.expect("a time") * 1000 + rate / 2) / rate, it.hash)).collect()
}

fn ours(job: &Job, made: &Made) -> Vec<Vec<(i64, String)>> {
    let (directory, _playlist) = written(job, made);
    let header = made.inits.get(&0).cloned().unwrap_or_default();
    let key = |index| keys::segment(job.recipe.packaging, &job.recipe.renditions[0], index);
    let look = |index| {
        let bytes = std::fs::read(directory.path().join(key(index))).expect("a segment");
        let whole = directory.path().join("whole");
        std::fs::write(&whole, [&header[..], &bytes].concat()).expect("written");
        packets(&whole)
    };
    (0..job.timeline.segments()).map(look).collect()
}

/// What a media server's line makes.
fn by_hls_muxer(film: &Path, packaging: Packaging) -> Vec<Vec<(i64, String)>> {
    let directory = TempDir::new().expect("a directory");
    let kind = match packaging {
        Packaging::MpegTs => "mpegts -max_delay 5000000",
        Packaging::Fmp4 => {
            "fmp4 -hls_fmp4_init_filename header.mp4 -hls_segment_options movflags=+frag_discont"
        }
    };
    let line = format!(
        "-map 0:v -map 0:a -c:v libx264 -preset ultrafast -bf 0 -force_key_frames:0 \
         expr:gte(t,n_forced*3) -sc_threshold:v:0 0 -c:a copy -copyts -avoid_negative_ts disabled \
         -f hls -hls_time 3 -hls_segment_type {kind} -hls_playlist_type vod -hls_list_size 0"
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
    let look = |bytes: Vec<u8>| {
        let whole = directory.path().join("whole");
        std::fs::write(&whole, [&header[..], &bytes].concat()).expect("written");
        packets(&whole)
    };
    (0..).map_while(|index| read(&format!("{index}.seg"))).map(look).collect()
}

/// Without what begins before the film: a job leaves it out. (Where there is such sound, of MP4, ffmpeg's
/// transport streams begin later by it, from a film's start and from there alone.)
fn from_zero(
    mut segments: Vec<Vec<(i64, String)>>,
    packaging: Packaging,
) -> Vec<Vec<(i64, String)>> {
    let zero = if packaging == Packaging::MpegTs { 10_000 } else { 0 };
    segments.iter_mut().for_each(|segment| segment.retain(|(time, _)| *time >= zero));
    segments
}

#[test]
fn sound_is_copied_packet_for_packet_as_by_ffmpeg() {
    for (name, encoder, packaging) in [
        ("film.mkv", "aac", Packaging::MpegTs),
        ("film.mkv", "aac", Packaging::Fmp4),
        ("film.mp4", "aac", Packaging::Fmp4),
        ("film.ts", "aac", Packaging::MpegTs),
        ("film.mkv", "ac3", Packaging::MpegTs),
        ("film.mkv", "eac3", Packaging::MpegTs),
        ("film.mkv", "libmp3lame", Packaging::MpegTs),
        ("film.mkv", "libmp3lame", Packaging::Fmp4),
    ] {
        let (_film, film) = film(name, encoder);
        let job = job(&film, &asked(packaging));
        let many = make(&film, &job, &scattered(&job, 1));
        let made = ours(&job, &many);
        let theirs = from_zero(by_hls_muxer(&film, packaging), packaging);
        assert_eq!(made.len(), theirs.len(), "{encoder} of {name}");
        // Both hold the same packets at the same times; at a boundary ffmpeg's muxer may take one
        // that begins before a picture for the segment after it, or the other way round.
        let flat = |segments: &[Vec<(i64, String)>]| segments.concat();
        let (all, others) = (flat(&made), flat(&theirs));
        let (first, last) = (&all[0], &all[all.len() - 1]);
        let near = |at: &usize| (others[*at].0 - first.0).abs();
        let begin = (0..others.len()).min_by_key(near).expect("packets");
        assert!(begin <= 1, "{encoder} of {name}: begins with {begin} packets less");
        let end = begin + all.len();
        assert!(
            others.len() - end.min(others.len()) <= 3,
            "{encoder} of {name}: ends with {last:?}"
        );
        for (ours, theirs) in all.iter().zip(&others[begin..]) {
            assert_eq!(ours.1, theirs.1, "{encoder} of {name} at {}", ours.0);
            assert!((ours.0 - theirs.0).abs() <= 1, "{encoder} of {name}: {ours:?} {theirs:?}");
        }
        for (index, (ours, theirs)) in made.iter().zip(&theirs).enumerate() {
            let apart = ours.len().abs_diff(theirs.len());
            assert!(apart <= 3, "{encoder} of {name}: segment {index} is {apart} packets apart");
        }
        let (directory, playlist) = written(&job, &many);
        assert_eq!(segue_lab::complaints(&playlist), "", "{encoder} of {name}");
        drop(directory);
        let one = make(&film, &job, &[job.timeline.whole()]);
        assert_eq!(one.inits, many.inits);
        assert_eq!(ours(&job, &one), made, "{encoder} of {name}: other packets in other spans");
    }
}
