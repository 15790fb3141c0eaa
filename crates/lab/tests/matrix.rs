//! The laboratory's promises: every source is what its row says, the bad ones are bad, and the
//! looking glass sees what is there and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use segue_lab::{
    ExpectedSound, ExpectedVideo, Rate, SourceSpec, audio_frames, bad, bad_source, complaints,
    directory, frames, matrix, packets, pcm, probe, source,
};

/// What differs between a row and its file, in words; empty when nothing does.
struct Differences(Vec<String>);

impl Differences {
    fn check<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, found: T, expected: T) {
        if found != expected {
            self.0.push(format!("{what}: found {found:?}, expected {expected:?}"));
        }
    }

    fn near(&mut self, what: &str, found: f64, expected: f64, tolerance: f64) {
        if (found - expected).abs() > tolerance {
            self.0.push(format!("{what}: found {found:.3}, expected {expected:.3}"));
        }
    }
}

#[test]
fn every_source_is_what_its_row_says() {
    let started = Instant::now();
    two_at_a_time(|spec| {
        spec.path();
    });
    println!("{} sources made in {:.1?}", matrix().len(), started.elapsed());
    let wrong = Mutex::new(Vec::new());
    two_at_a_time(|spec| {
        let words = differences(spec).into_iter().map(|words| format!("{}: {words}", spec.name));
        wrong.lock().expect("nobody panicked").extend(words);
    });
    println!("made and looked at in {:.1?}", started.elapsed());
    let wrong = wrong.into_inner().expect("nobody panicked");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Two, so that the tests of other crates beside these keep some processor.
fn two_at_a_time(act: impl Fn(&SourceSpec) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(spec) = matrix().get(next.fetch_add(1, Ordering::Relaxed)) {
                    act(spec);
                }
            });
        }
    });
}

#[test]
fn no_two_sources_share_a_name() {
    let mut names: Vec<&str> = matrix().iter().map(|spec| spec.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!(names.len(), all);
}

fn differences(spec: &SourceSpec) -> Vec<String> {
    let path = spec.path();
    let facts = probe(&path);
    let streams = facts.keys().filter(|key| key.ends_with(".codec_type")).count();
    let of_kind = |kind: &str| -> Vec<String> {
        (0..streams)
            .map(|index| format!("streams.stream.{index}"))
            .filter(|stream| facts.get(&format!("{stream}.codec_type")).is_some_and(|k| k == kind))
            .filter(|stream| facts[&format!("{stream}.disposition.attached_pic")] == "0")
            .collect()
    };
    let mut found = Differences(Vec::new());
    let container = &facts["format.format_name"];
    found.check("container", container.contains(spec.expect.container), true);
    let videos = of_kind("video");
    found.check("pictures", videos.len(), usize::from(spec.expect.video.is_some()));
    if let (Some(stream), Some(video)) = (videos.first(), &spec.expect.video) {
        video_differences(&mut found, &facts, stream, video);
        shown_differences(&mut found, spec, video);
    }
    let sounds = of_kind("audio");
    found.check("sound tracks", sounds.len(), spec.expect.sound.len());
    for (track, (stream, sound)) in sounds.iter().zip(&spec.expect.sound).enumerate() {
        sound_differences(&mut found, &facts, stream, sound);
        heard_differences(&mut found, spec, track, sound);
    }
    found.0
}

fn video_differences(
    found: &mut Differences,
    facts: &BTreeMap<String, String>,
    stream: &str,
    video: &ExpectedVideo,
) {
    let fact = |key: &str| facts.get(&format!("{stream}.{key}")).cloned().unwrap_or_default();
    found.check("video codec", fact("codec_name").as_str(), video.codec);
    let size = (fact("width"), fact("height"));
    found.check("size", size, (video.width.to_string(), video.height.to_string()));
    found.check("pixel format", fact("pix_fmt").as_str(), video.pixel_format);
    let aspect = match fact("sample_aspect_ratio") {
        // Not told means square.
        unknown if unknown.is_empty() || unknown == "N/A" => "1:1".to_owned(),
        told => told,
    };
    let (width, height) = video.sample_aspect;
    found.check("pixel aspect", aspect, format!("{width}:{height}"));
    let turn: i32 = fact("side_data_list.side_data.0.rotation").parse().unwrap_or(0);
    found.check("rotation", (-turn).rem_euclid(360), video.rotation);
    found.check(
        "interlaced",
        ["tt", "tb"].contains(&fact("field_order").as_str()),
        video.interlaced,
    );
    if let (Rate::Constant(numerator, denominator), true) = (video.rate, video.frames > 1) {
        let (n, d) = fact("avg_frame_rate")
            .split_once('/')
            .map(|(n, d)| (n.parse().unwrap_or(0.0), d.parse().unwrap_or(1.0)))
            .unwrap_or((0.0, 1.0));
        let rate = f64::from(numerator) / f64::from(denominator);
        found.near("frame rate", n / d, rate, rate * 0.02);
    }
}

fn shown_differences(found: &mut Differences, spec: &SourceSpec, video: &ExpectedVideo) {
    let shown = frames(spec.path());
    found.check("frames", shown.len(), video.frames);
    let mut hashes: Vec<&str> = shown.iter().map(|frame| frame.hash.as_str()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    found.check("frames that differ from all others", hashes.len(), shown.len());
    let (Some(first), Some(last)) = (shown.first(), shown.last()) else {
        return;
    };
    let seconds = |time: &str| time.parse::<f64>().expect("a time is a number");
    found.near("first frame", seconds(&first.pts_time), video.start, 0.05);
    let rate = match video.rate {
        Rate::Constant(numerator, denominator) => f64::from(numerator) / f64::from(denominator),
        Rate::Variable => 25.0,
    };
    found.near("end of picture", seconds(&last.pts_time) + 1.0 / rate, video.end, 0.05);
}

fn sound_differences(
    found: &mut Differences,
    facts: &BTreeMap<String, String>,
    stream: &str,
    sound: &ExpectedSound,
) {
    let fact = |key: &str| facts.get(&format!("{stream}.{key}")).cloned().unwrap_or_default();
    found.check("sound codec", fact("codec_name").as_str(), sound.codec);
    found.check("sample rate", fact("sample_rate"), sound.sample_rate.to_string());
    found.check("channels", fact("channels"), sound.channels.to_string());
    if let Some(language) = sound.language {
        found.check("language", fact("tags.language").as_str(), language);
        found.check("default", fact("disposition.default") == "1", sound.default);
    }
}

fn heard_differences(
    found: &mut Differences,
    spec: &SourceSpec,
    track: usize,
    sound: &ExpectedSound,
) {
    let heard = audio_frames(spec.path(), track);
    let first: f64 = heard.first().map_or(f64::NAN, |frame| frame.pts_time.parse().unwrap());
    found.near(&format!("first sample of track {track}"), first, sound.start, 0.05);
    if heard.is_empty() {
        found.check("sound", "none", "some");
    }
    if track == 0 {
        let samples = pcm(spec.path());
        let rate = f64::from(sound.sample_rate * sound.channels);
        found.near("length of sound", samples.len() as f64 / rate, sound.duration, 0.07);
    }
}

#[test]
fn a_bad_input_is_as_bad_as_it_says() {
    for spec in bad() {
        let path = bad_source(spec.name);
        let opens = Command::new("ffprobe")
            .args(["-v", "quiet", "-show_format", "-i"])
            .arg(&path)
            .stdout(Stdio::null())
            .status()
            .expect("ffprobe starts")
            .success();
        assert_eq!(opens, spec.salvageable, "{}", spec.name);
        if spec.salvageable {
            let whole = frames(source("h264-aac-mkv")).len();
            let left = frames(&path).len();
            assert!(left > 60 && left < whole, "{}: {left} of {whole} frames left", spec.name);
        }
    }
}

#[test]
fn a_source_is_made_once() {
    let path = source("h264-aac-mkv");
    let made = || fs::metadata(&path).and_then(|data| data.modified()).expect("a time");
    let before = made();
    assert_eq!(source("h264-aac-mkv"), path);
    assert_eq!(made(), before);
}

#[test]
fn every_encoder_makes_the_same_bytes_each_time() {
    for name in [
        "h264-aac-mkv",
        "hevc-dts-mkv",
        "vp9-opus-webm",
        "av1-opus-webm",
        "mpeg2-mp2-mpg",
        "mpeg4-mp3-avi",
        "h264-interlaced-ts",
        "flac-96000-mkv",
        "surround-ac3-mkv",
    ] {
        let spec = matrix().iter().find(|spec| spec.name == name).expect("a row");
        let kept = spec.path();
        let extension = kept.extension().expect("an extension").display();
        let again = directory().join(format!("again-{}-{name}.{extension}", std::process::id()));
        spec.make_at(&again);
        let same = fs::read(&again).expect("it was made") == fs::read(&kept).expect("it was made");
        fs::remove_file(&again).expect("the laboratory is writable");
        assert!(same, "{name}");
    }
}

#[test]
fn clean_sources_make_nobody_complain() {
    for name in ["h264-aac-mkv", "h264-aac-mp4", "h264-ac3-ts", "vfr-mkv", "fps-60-mkv"] {
        assert_eq!(complaints(source(name)), "", "{name}");
    }
}

#[test]
fn a_truncated_source_makes_somebody_complain() {
    for name in ["truncated-mp4", "truncated-mkv", "truncated-ts", "zero-bytes"] {
        assert_ne!(complaints(bad_source(name)), "", "{name}");
    }
}

#[test]
fn the_same_film_in_two_containers_has_the_same_frames_packets_and_samples() {
    let (mkv, mp4) = (source("h264-aac-mkv"), source("h264-aac-mp4"));
    let pixels = |path| frames(path).into_iter().map(|frame| frame.hash).collect::<Vec<_>>();
    assert_eq!(pixels(&mkv), pixels(&mp4));
    assert_eq!(pcm(&mkv).len(), pcm(&mp4).len());
    let keyframes = |path| {
        let packets = packets(path).into_iter().filter(|packet| packet.stream == 0);
        packets.filter(|packet| packet.flags.starts_with('K')).map(|p| p.hash).collect::<Vec<_>>()
    };
    assert_eq!(keyframes(&mkv).len(), 3, "200 frames, a keyframe every 77");
    assert_eq!(keyframes(&mkv), keyframes(&mp4));
}

#[test]
fn times_are_those_of_the_source_to_the_microsecond() {
    let shown = frames(source("picture-only-mp4"));
    assert_eq!(shown[0].pts_time, "0.000000");
    assert_eq!(shown[149].pts_time, "5.960000");
}
