//! The cumulative rule against ffmpeg's own hls muxer, which it must match cut for cut: a media
//! server that computed the playlist by it names segments that ffmpeg has yet to write.

use std::path::{Path, PathBuf};
use std::process::Command;

use segue_hls::timeline;
use segue_model::{BoundaryRule, Time};

fn run(command: &mut Command) -> String {
    let out = command.output().expect("ffmpeg and ffprobe are installed");
    let words = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{command:?}: {words}");
    String::from_utf8(out.stdout).expect("text")
}

/// 31 s at 25 frames a second with keyframes where `force` (ffmpeg's expression or list) says.
fn clip(folder: &Path, force: &str, sound: bool) -> PathBuf {
    let path = folder.join("clip.mkv");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=64x64:r=25:d=31"]);
    if sound {
        ffmpeg.args(["-f", "lavfi", "-i", "sine=d=31", "-c:a", "mp2"]);
    }
    ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "1000", "-bf", "2"]);
    run(ffmpeg.args(["-force_key_frames", force]).arg(&path));
    path
}

/// Keyframes and the end of the picture, on the job's axis.
fn facts(clip: &Path) -> (Vec<Time>, Time) {
    let rows = run(Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v", "-of", "csv=p=0"])
        .args(["-show_entries", "packet=pts_time,flags"])
        .arg(clip));
    let packets: Vec<(Time, bool)> = rows
        .lines()
        .map(|row| {
            let mut fields = row.split(',');
            let pts = fields.next().and_then(|pts| pts.parse().ok()).expect("a timestamp");
            (pts, fields.next().is_some_and(|flags| flags.starts_with('K')))
        })
        .collect();
    let keyframes = packets.iter().filter(|(_, key)| *key).map(|(pts, _)| *pts).collect();
    let last = packets.iter().map(|(pts, _)| *pts).max().expect("packets");
    (keyframes, last + Time::new(1, 25))
}

fn ffmpegs_durations(clip: &Path, segment: &str) -> Vec<Time> {
    let playlist = clip.with_extension("m3u8");
    run(Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(clip)
        .args(["-c", "copy", "-f", "hls", "-hls_list_size", "0", "-hls_time", segment])
        .arg(&playlist));
    std::fs::read_to_string(&playlist)
        .expect("a playlist")
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','))
        .map(|duration| duration.parse().expect("a duration"))
        .collect()
}

fn assert_agreement(force: &str, sound: bool, segments: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = clip(folder.path(), force, sound);
    let (keyframes, duration) = facts(&clip);
    assert!(keyframes.len() > 2, "the clip has keyframes at {keyframes:?}");
    for segment in segments {
        let rule =
            BoundaryRule::KeyframesCumulative { segment: segment.parse().expect("a length") };
        let timeline = timeline(rule, duration, &keyframes).expect("a timeline");
        let ours: Vec<Time> =
            (0..timeline.segments()).map(|index| timeline.duration_of(index)).collect();
        let mut theirs = ffmpegs_durations(&clip, segment);
        // It cuts by the distance from the stream's first packet, and yet its first EXTINF counts
        // from the first picture, which comes later where sound starts before it.
        theirs[0] = theirs[0] + keyframes[0];
        assert_eq!(ours, theirs, "{force}, segments of {segment} s");
    }
}

#[test]
fn ffmpeg_cuts_where_the_cumulative_rule_says() {
    assert_agreement("expr:gte(t,n_forced*3)", false, &["2", "3", "4", "5.5", "10"]);
}

#[test]
fn ffmpeg_cuts_alike_after_gaps_and_with_sound() {
    // The gap of twelve seconds leaves three targets behind; then keyframes come thick.
    let force = "0,1,2.52,14.52,15,15.48,16,16.04,17,18,19.96,20,24,28.04,30";
    assert_agreement(force, true, &["2", "4"]);
}
