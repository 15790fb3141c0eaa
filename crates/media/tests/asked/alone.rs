//! Sound alone.

use std::path::Path;

use segue_hls::keys;
use segue_lab::{ffmpeg, run};
use segue_model::{BoundaryRule, Job, JobRequest, Packaging, Time};
use tempfile::TempDir;

use crate::support::{job, quick};
use crate::{in_many, made};

/// How many packets there are, of 1024 samples each.
fn length(file: &Path) -> usize {
    segue_lab::packets(file).len()
}

fn ours(job: &Job, directory: &Path) -> Vec<usize> {
    let key = |index| keys::segment(job.recipe.packaging, &job.recipe.renditions[0], index);
    (0..job.timeline.segments()).map(|index| length(&directory.join(key(index)))).collect()
}

fn by_hls_muxer(film: &Path) -> Vec<usize> {
    let directory = TempDir::new().expect("a directory");
    let line = "-vn -acodec aac -ab 128000 -ac 2 -copyts -avoid_negative_ts disabled -f hls \
                -max_delay 5000000 -hls_time 3 -hls_playlist_type vod -hls_list_size 0";
    run(ffmpeg()
        .args(["-v", "fatal", "-i"])
        .arg(film)
        .args(line.split_whitespace())
        .arg("-hls_segment_filename")
        .arg(directory.path().join("%d.ts"))
        .arg(directory.path().join("list.m3u8")));
    let segment = |index: usize| directory.path().join(format!("{index}.ts"));
    (0..).map(segment).take_while(|path| path.exists()).map(|path| length(&path)).collect()
}

#[test]
fn sound_alone_is_cut_as_ffmpegs_muxer_cuts_it() {
    let tone = ["-f", "lavfi", "-i", "sine=r=48000:d=10"];
    // Its last packet, with what primes a decoder, is past the boundary that it ends at.
    let whole = ["-f", "lavfi", "-i", "sine=r=44100:d=9"];
    let picture = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=8"];
    for (what, name, sources) in [
        ("music", "film.flac", &tone[..]),
        ("music that ends at a boundary", "film.flac", &whole),
        ("a film that ends before its sound", "film.mkv", &[&picture[..], &tone].concat()),
    ] {
        let encoded = ["-c:a", "flac", "-c:v", "libx264", "-preset", "ultrafast"];
        let (_film, film) = made(name, &[sources, &encoded[..]].concat());
        let request = JobRequest {
            boundaries: BoundaryRule::Multiples { segment: Time::from_secs(3) },
            without_picture: true,
            timestamp_offset: Some(Time::from_secs(10)),
            keep_start: true,
            ..quick(Packaging::MpegTs)
        };
        let job = job(&film, &request);
        let (directory, _playlist) = in_many(&film, &job);
        let (made, theirs) = (ours(&job, directory.path()), by_hls_muxer(&film));
        assert_eq!(made.len(), theirs.len(), "{what}: {made:?} and {theirs:?}");
        for (index, (ours, theirs)) in made.iter().zip(&theirs).enumerate() {
            // ffmpeg's first holds what primes a decoder besides.
            let priming = usize::from(index == 0);
            assert_eq!(*ours + priming, *theirs, "{what}: segment {index}");
        }
    }
}
