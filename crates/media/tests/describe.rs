//! What `describe` finds is what the laboratory put in.

mod support;

use std::process::Command;

use segue_lab::{Expect, Rate, SourceSpec};
use segue_model::{FieldOrder, FrameRate, SourceFacts, Time};

fn seconds(time: Time) -> f64 {
    time.as_secs_f64()
}

/// Every difference between what was found and what is there.
fn differences(facts: &SourceFacts, expect: &Expect) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut check = |what: &str, holds: bool, found: String| {
        if !holds {
            wrong.push(format!("{what}: found {found}"));
        }
    };
    check("container", facts.container.contains(expect.container), facts.container.clone());
    check("picture", facts.video.is_some() == expect.video.is_some(), format!("{:?}", facts.video));
    if let (Some(video), Some(expected)) = (&facts.video, &expect.video) {
        check("codec", video.codec == expected.codec, video.codec.clone());
        let size = (video.width, video.height);
        check("size", size == (expected.width, expected.height), format!("{size:?}"));
        check("format", video.pixel_format == expected.pixel_format, video.pixel_format.clone());
        let (num, den) = expected.sample_aspect;
        let aspect = Time::new(i64::from(num), i64::from(den));
        check("sample aspect", video.sample_aspect == aspect, video.sample_aspect.to_string());
        let turned = i32::from(video.orientation.quarter_turns) * 90;
        check("rotation", turned == expected.rotation, format!("{:?}", video.orientation));
        let interlaced = video.field_order == FieldOrder::TopFirst;
        check("field order", interlaced == expected.interlaced, format!("{:?}", video.field_order));
        let rate = match (video.frame_rate, expected.rate) {
            (FrameRate::Constant(rate), Rate::Constant(num, den)) => {
                rate == Time::new(i64::from(num), i64::from(den))
            }
            (FrameRate::Variable(_), Rate::Variable) => true,
            // A pause between frames that keep to their grid leaves the rate constant.
            (FrameRate::Constant(_), Rate::Variable) => expected.end > 16.0,
            _ => false,
        };
        check("rate", rate, format!("{:?}, expected {:?}", video.frame_rate, expected.rate));
        let start = seconds(video.start + facts.start);
        check(
            "start",
            (start - expected.start).abs() < 0.05,
            format!("{start}, expected {}", expected.start),
        );
        let end = seconds(video.end + facts.start);
        check(
            "end",
            (end - expected.end).abs() < 0.05,
            format!("{end}, expected {}", expected.end),
        );
        let first = video.keyframes.ticks.first();
        let first = first.map(|tick| seconds(Time::from_ticks(*tick, video.time_base)));
        let begins = seconds(video.start + facts.start);
        // Edit lists hide pictures after it.
        let at_start = first.is_some_and(|first| first < begins + 0.1);
        check("first keyframe", at_start, format!("{first:?}, the picture begins at {begins}"));
    }
    let tracks = facts.audio.len();
    check("tracks", tracks == expect.sound.len(), tracks.to_string());
    for (track, expected) in facts.audio.iter().zip(&expect.sound) {
        check("codec", track.codec == expected.codec, track.codec.clone());
        check("rate", track.sample_rate == expected.sample_rate, track.sample_rate.to_string());
        check("channels", track.channels == expected.channels, track.channels.to_string());
        check(
            "language",
            track.language.as_deref() == expected.language,
            format!("{:?}", track.language),
        );
        // Of a single track it does not matter, and muxers differ.
        let default = tracks < 2 || track.default == expected.default;
        check("default", default, track.default.to_string());
        let start = seconds(track.start + facts.start);
        check(
            "start",
            (start - expected.start).abs() < 0.05,
            format!("{start}, expected {}", expected.start),
        );
        let duration = seconds(track.end - track.start);
        // ffmpeg's fragmenting leaves a hole of 62 ms after the first packet.
        let close = (duration - expected.duration).abs() < 0.11;
        check("duration", close, format!("{duration}, expected {}", expected.duration));
    }
    wrong
}

#[test]
fn facts_are_what_the_laboratory_put_in() {
    let describe = |spec: &'static SourceSpec| {
        let facts = segue_media::describe(support::open(&spec.path()), &Default::default());
        let wrong = match facts {
            Ok(facts) => differences(&facts, &spec.expect),
            Err(error) => vec![format!("{error:?}")],
        };
        wrong.into_iter().map(move |line| format!("{} ({}): {line}", spec.name, spec.special))
    };
    let wrong: Vec<String> = segue_lab::matrix().iter().flat_map(describe).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Frames per second in the densest stretch of a second or more, by ffprobe's word.
fn densest(path: &std::path::Path) -> f64 {
    let mut probe = Command::new("ffprobe");
    probe.args(["-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time"]);
    let out = probe.args(["-of", "csv=p=0"]).arg(path).output().expect("ffprobe");
    let text = String::from_utf8(out.stdout).expect("text");
    let mut times: Vec<f64> =
        text.lines().filter_map(|line| line.trim_end_matches(',').parse().ok()).collect();
    times.sort_by(f64::total_cmp);
    let stretches = times.iter().enumerate().filter_map(|(begin, first)| {
        let end = begin + times[begin..].iter().position(|time| time - first >= 1.0)?;
        Some((end - begin) as f64 / (times[end] - first))
    });
    stretches.fold(0.0, f64::max)
}

#[test]
fn the_most_frames_a_second_are_counted_where_the_container_lists_them() {
    let facts = |name| {
        let path = segue_lab::source(name);
        (support::facts(&path).video.expect("a picture"), densest(&path))
    };
    let (counted, real) = facts("vfr-mp4");
    let FrameRate::Variable(average) = counted.frame_rate else { panic!("it varies") };
    let most = seconds(counted.frame_rate_max);
    // Put into slots, a second is shorter or longer by one in 240.
    assert!((most - real).abs() <= real / 240.0, "{most} instead of {real}");
    assert!(most > seconds(average) * 1.05, "{most} is no more than the average");

    // A list with a hole may lack a fragment.
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("hole.mp4");
    let uneven = "select='not(eq(mod(n*7,11),3))*not(between(t,2,4))',settb=1/90000,\
                  setpts='round((T+0.004*sin(N*1.7))/TB)'";
    let mut ffmpeg = segue_lab::ffmpeg();
    ffmpeg.args(["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=6", "-vf", uneven]);
    ffmpeg.args(["-fps_mode", "passthrough", "-enc_time_base", "1:90000"]);
    segue_lab::run(ffmpeg.args(["-c:v", "libx264", "-preset", "ultrafast"]).arg(&path));
    let holed = support::facts(&path).video.expect("a picture");
    assert!(matches!(holed.frame_rate, FrameRate::Variable(_)), "{:?}", holed.frame_rate);
    assert_eq!(holed.frame_rate_max, FrameRate::UNCOUNTED);

    // Matroska's cues spare reading, and list keyframes only.
    let (uncounted, real) = facts("vfr-mkv");
    assert!(!uncounted.keyframes.scanned);
    assert_eq!(uncounted.frame_rate_max, FrameRate::UNCOUNTED);
    assert!(real < 60.0);
    let (constant, _) = facts("fps-50-mkv");
    assert_eq!(constant.frame_rate_max, Time::from_secs(50));
}

#[test]
fn the_most_frames_a_second_are_counted_where_all_were_read_whatever_the_container_claims() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let ffmpeg = |arguments: &str, output: &std::path::Path| {
        let mut ffmpeg = segue_lab::ffmpeg();
        ffmpeg.current_dir(&directory).args(arguments.split_whitespace());
        segue_lab::run(ffmpeg.arg(output));
    };
    // About 12 frames a second, and 25 for two seconds that the head does not reach; of 50, so that
    // 50 is what containers claim.
    let film = directory.path().join("film.mkv");
    ffmpeg(
        "-f lavfi -i testsrc2=s=64x48:r=50:d=30 \
         -vf select='not(mod(n,4))+between(t,25,27)*not(mod(n,2))',settb=1/90000,\
         setpts='round((T+0.004*sin(N*1.7))/TB)' -fps_mode passthrough -enc_time_base 1:90000 \
         -c:v libx264 -preset veryfast -g 25",
        &film,
    );
    for (name, options) in [
        ("read.ts", ""),
        // No cues.
        ("read.mkv", "-live 1"),
        ("read.flv", ""),
    ] {
        let path = directory.path().join(name);
        ffmpeg(&format!("-i film.mkv -c copy {options}"), &path);
        let (video, real) = (support::facts(&path).video.expect("a picture"), densest(&path));
        assert!(video.keyframes.scanned, "{name}");
        let FrameRate::Variable(average) = video.frame_rate else { panic!("{name}: it varies") };
        assert!((24.0..27.0).contains(&real), "{name}: {real}");
        let most = seconds(video.frame_rate_max);
        assert!((most - real).abs() <= real / 240.0, "{name}: {most} instead of {real}");
        assert!(average <= video.frame_rate_max, "{name}: {average} on average, {most} at most");
    }

    // Of pictures without a timestamp nobody knows in which second they are.
    let path = directory.path().join("untimed.ts");
    let mut stream = std::fs::read(directory.path().join("read.ts")).expect("a stream");
    let starts = stream.windows(4).enumerate().filter(|(_, four)| *four == [0, 0, 1, 0xe0]);
    let headers: Vec<usize> = starts.map(|(at, _)| at).collect();
    for header in headers.into_iter().skip(200).step_by(3) {
        // The flags that say which timestamps follow.
        stream[header + 7] &= 0x3f;
    }
    std::fs::write(&path, stream).expect("room");
    let untimed = support::facts(&path).video.expect("a picture");
    assert!(untimed.keyframes.scanned);
    assert!(matches!(untimed.frame_rate, FrameRate::Variable(_)), "{:?}", untimed.frame_rate);
    assert_eq!(untimed.frame_rate_max, FrameRate::UNCOUNTED);
}
