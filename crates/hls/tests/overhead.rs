//! What the playlists say containers add, against what libav's muxers add.

mod sample;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use m3u8_rs::parse_master_playlist_res;
use sample::{grid, job, picture, sound};
use segue_hls::playlist;
use segue_model::{Job, Packaging, RateControl, Rendition};

const SECONDS: u64 = 8;

fn run(command: &mut Command) -> String {
    let out = command.output().expect("ffmpeg and ffprobe are installed");
    let words = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {words}");
    String::from_utf8(out.stdout).expect("text")
}

/// Moving noise, so that bits are spent, with a keyframe every two seconds.
fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.mkv");
    run(Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi"])
        .args(["-i", "testsrc2=s=320x180:r=24000/1001:d=8,noise=alls=20:allf=t"])
        .args(["-f", "lavfi", "-i", "anoisesrc=d=8:r=48000", "-ac", "2", "-shortest"])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-b:v", "800k", "-g", "48", "-bf", "2"])
        .args(["-c:a", "aac", "-b:a", "128k"])
        .arg(&path));
    path
}

/// Bits per second in the packets of a stream (`v` or `a`).
fn payload(clip: &Path, stream: &str) -> u64 {
    let sizes = run(Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", stream, "-of", "csv=p=0"])
        .args(["-show_entries", "packet=size"])
        .arg(clip));
    let bytes: u64 =
        sizes.lines().filter_map(|size| size.trim_end_matches(',').parse::<u64>().ok()).sum();
    bytes * 8 / SECONDS
}

/// How long a segment is with each table sent once and each stream's packets made a multiple of 16,
/// as ours are. libav's tables are in PIDs below 256, but for the PMT in 4096.
fn made_whole(segment: &[u8]) -> u64 {
    let (packets, rest) = segment.as_chunks::<188>();
    assert!(rest.is_empty() && packets.iter().all(|packet| packet[0] == 0x47));
    let mut counts = BTreeMap::<u16, u64>::new();
    for packet in packets {
        *counts.entry(u16::from_be_bytes([packet[1] & 0x1f, packet[2]])).or_default() += 1;
    }
    let is_table = |pid: u16| pid < 256 || pid == 4096;
    let sent = |(pid, count): (&u16, &u64)| match is_table(*pid) {
        true => 1,
        false => count.next_multiple_of(16),
    };
    counts.iter().map(sent).sum::<u64>() * 188
}

/// Bits per second in the segments that ffmpeg writes for `tracks`.
fn packaged(clip: &Path, tracks: &[&str], kind: &str) -> u64 {
    let folder = clip.with_extension(kind);
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i"]).arg(clip).args(["-c", "copy"]);
    for track in tracks {
        ffmpeg.args(["-map", track]);
    }
    ffmpeg.args(["-f", "hls", "-hls_time", "2", "-hls_list_size", "0", "-hls_segment_type", kind]);
    if kind == "mpegts" {
        // Ours are made with a PES packet for each packet of sound.
        ffmpeg.args(["-hls_segment_options", "pes_payload_size=0"]);
    }
    run(ffmpeg.arg(folder.join("index.m3u8")));
    let bytes: u64 = std::fs::read_dir(&folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "ts" || end == "m4s"))
        .map(|entry| {
            let segment = std::fs::read(entry.path()).expect("a segment");
            if kind == "mpegts" { made_whole(&segment) } else { segment.len() as u64 }
        })
        .sum();
    std::fs::remove_dir_all(&folder).expect("removable");
    bytes * 8 / SECONDS
}

fn declared(job: &Job) -> u64 {
    let text = playlist::multivariant(job);
    let read = parse_master_playlist_res(text.as_bytes()).expect("a multivariant playlist");
    read.variants[0].average_bandwidth.expect("an average")
}

fn at_bitrate(mut rendition: Rendition, video: u64, audio: u64) -> Rendition {
    if let Some(settings) = &mut rendition.video {
        settings.rate_control =
            RateControl::CappedBitrate { bitrate: video, bitrate_max: video, buffer_bits: video };
    }
    if let Some(settings) = &mut rendition.audio {
        settings.bitrate = audio as u32;
    }
    rendition
}

/// Declared is never less, and more by at most `slack` hundredths.
fn assert_covers(what: &str, declared: u64, actual: u64, slack: u64) {
    assert!(declared >= actual, "{what}: {declared} b/s declared, {actual} made");
    let most = actual + actual * slack / 100;
    assert!(declared <= most, "{what}: {declared} b/s declared, only {actual} made");
}

#[test]
fn declared_averages_cover_what_libav_s_muxers_make_and_little_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = clip(folder.path());
    let (video, audio) = (payload(&clip, "v"), payload(&clip, "a"));
    assert!(video > 400_000 && audio > 100_000, "{video} {audio}");
    let pictures = || at_bitrate(picture("x", (320, 180), 1), video, audio);
    let sounds = || at_bitrate(sound("y"), video, audio);
    let both = || Rendition { audio: sounds().audio, ..pictures() };

    for (what, tracks, packaging, rendition, slack) in [
        ("ts", &["0:v", "0:a"][..], Packaging::MpegTs, both(), 6),
        ("ts picture", &["0:v"], Packaging::MpegTs, pictures(), 5),
        ("ts sound", &["0:a"], Packaging::MpegTs, sounds(), 15),
        ("mp4 picture", &["0:v"], Packaging::Fmp4, pictures(), 3),
        ("mp4 sound", &["0:a"], Packaging::Fmp4, sounds(), 5),
    ] {
        let kind = if packaging == Packaging::MpegTs { "mpegts" } else { "fmp4" };
        let actual = packaged(&clip, tracks, kind);
        let job = job(grid("2"), packaging, "8", vec![rendition]);
        assert_covers(what, declared(&job), actual, slack);
    }
}
