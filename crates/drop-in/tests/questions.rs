//! What is answered here: as plain ffmpeg answers it, and without starting one each time.

mod support;

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use support::{DropIn, FFMPEG, lines};

fn words(text: &str) -> Vec<&str> {
    text.split(' ').collect()
}

/// What media servers and their plug-ins ask, apart from the list of encoders.
const QUESTIONS: [&str; 20] = [
    "-version",
    "-decoders",
    "-filters",
    "-hwaccels",
    "-h filter=scale_cuda",
    "-h filter=overlay_opencl",
    "-h filter=no_such_filter",
    "-h bsf=hevc_metadata",
    "-h bsf=dovi_rpu",
    "-h encoder=libx264",
    "-h",
    "-muxers",
    "-buildconf",
    "-L",
    "-hide_banner -loglevel warning -threads 0 -version",
    "-hide_banner -loglevel info -threads 0 -muxers",
    "-hide_banner -threads 0 -h muxer=chromaprint",
    "-protocols",
    "-bsfs",
    "-pix_fmts",
];

/// What they try: nothing is kept of it, and nothing of it is remembered.
const TRIES: [&str; 6] = [
    "-loglevel quiet -hwaccel_flags +low_priority -hide_banner -f lavfi -i nullsrc=s=1x1:d=100 -f \
     null -",
    "-v verbose -hide_banner -init_hw_device vaapi=va:/dev/dri/renderD128",
    "-v verbose -hide_banner -init_hw_device drm=dr:/nowhere -init_hw_device vulkan=vk@dr",
    "-hide_banner -sources nothing",
    "-hide_banner -i",
    "-hide_banner -nonsense",
];

fn assert_same(ours: &Output, plain: &Output, what: &str) {
    assert_eq!(ours.status.code(), plain.status.code(), "{what}");
    let text = |bytes: &[u8]| without_addresses(&String::from_utf8_lossy(bytes));
    assert_eq!(text(&ours.stdout), text(&plain.stdout), "{what}");
    assert_eq!(text(&ours.stderr), text(&plain.stderr), "{what}");
}

/// ffmpeg says where in its memory something is, and how fast it was; both differ each time.
fn without_addresses(text: &str) -> String {
    let plain = |line: &str| !line.contains("speed=") && !line.contains("bench:");
    let words = |line: &str| {
        let word =
            |word: &str| if word.starts_with("0x") { "0x".to_owned() } else { word.to_owned() };
        line.split(' ').map(word).collect::<Vec<_>>().join(" ")
    };
    text.split(['\n', '\r']).filter(|line| plain(line)).map(words).collect::<Vec<_>>().join("\n")
}

#[test]
fn questions_are_answered_as_ffmpeg_answers_them_at_first_and_ever_after() {
    let drop_in = DropIn::new();
    for question in QUESTIONS {
        let question = words(question);
        let plain = drop_in.plain(&question);
        for time in ["first", "second"] {
            let ours = drop_in.run(&question);
            assert_eq!(ours.status.code(), plain.status.code(), "{question:?}, {time} time");
            assert!(ours.stdout == plain.stdout, "{question:?}, {time} time");
            assert!(ours.stderr == plain.stderr, "{question:?}, {time} time");
        }
    }
}

#[test]
fn what_is_tried_is_tried_by_ffmpeg_itself() {
    let drop_in = DropIn::new();
    for tried in TRIES {
        let tried = words(tried);
        assert_same(&drop_in.run(&tried), &drop_in.plain(&tried), &tried.join(" "));
    }
    assert!(!drop_in.cache().exists());
}

#[test]
fn a_key_that_is_asked_about_reaches_ffmpeg() {
    let drop_in = DropIn::new();
    let words = words("-hide_banner -f lavfi -i nullsrc=s=1x1:d=10000 -f null -");
    let mut child =
        drop_in.command(&words).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"?").unwrap();
    support::says(&mut child, "+      increase verbosity");
    stdin.write_all(b"q").unwrap();
    assert_eq!(support::end(&mut child).code(), Some(0));
}

#[test]
fn encoders_that_jobs_are_written_for_are_listed_and_the_rest_is_ffmpegs() {
    let drop_in = DropIn::new();
    let ours = drop_in.run(&["-encoders"]);
    let plain = drop_in.plain(&["-encoders"]);
    assert_eq!((ours.status, &ours.stderr), (plain.status, &plain.stderr));
    let (ours, plain) = (lines(&ours.stdout), lines(&plain.stdout));
    let name = |row: &String| row.split_whitespace().nth(1).map(str::to_owned);
    for wanted in ["h264_qsv", "h264_nvenc", "h264_vaapi", "h264_amf", "h264_rkmpp", "libx264"] {
        assert_eq!(ours.iter().filter_map(name).filter(|n| n == wanted).count(), 1, "{wanted}");
    }
    let added: Vec<&String> = ours.iter().filter(|row| !plain.contains(row)).collect();
    assert!(added.iter().all(|row| row.ends_with("(codec h264)")), "{added:?}");
    let rest: Vec<&String> = ours.iter().filter(|row| plain.contains(row)).collect();
    assert_eq!(rest, plain.iter().collect::<Vec<_>>());
}

/// An ffmpeg that counts how often it is started.
fn counting(drop_in: &DropIn) -> (std::path::PathBuf, impl Fn() -> usize + use<>) {
    let log = drop_in.at("starts");
    let text = format!("echo x >> '{}'\nexec {FFMPEG} \"$@\"", log.display());
    let starts = move || std::fs::read(&log).map_or(0, |text| lines(&text).len());
    (drop_in.script("counting/ffmpeg", &text), starts)
}

fn with_ffmpeg(drop_in: DropIn, ffmpeg: &Path) -> DropIn {
    drop_in.with("SEGUE_LOCAL_FFMPEG", ffmpeg.to_str().unwrap())
}

#[test]
fn an_answer_that_was_given_needs_no_ffmpeg_and_holds_when_it_is_gone() {
    let drop_in = DropIn::new();
    let (ffmpeg, starts) = counting(&drop_in);
    let drop_in = with_ffmpeg(drop_in, &ffmpeg);
    let first = drop_in.run(&["-version"]);
    assert_eq!(drop_in.run(&["-version"]).stdout, first.stdout);
    assert_eq!(starts(), 1);
    std::fs::remove_file(&ffmpeg).unwrap();
    assert_eq!(drop_in.run(&["-version"]).stdout, first.stdout);
    // It was never asked this one.
    assert!(lines(&drop_in.run(&["-muxers"]).stdout).iter().any(|line| line.contains("hls")));
}

#[test]
fn an_ffmpeg_that_was_replaced_is_asked_again() {
    let drop_in = DropIn::new();
    let ffmpeg = drop_in.script("ffmpeg", "echo old");
    let drop_in = with_ffmpeg(drop_in, &ffmpeg);
    assert_eq!(drop_in.run(&["-version"]).stdout, b"old\n");
    drop_in.script("ffmpeg", "echo newer");
    assert_eq!(drop_in.run(&["-version"]).stdout, b"newer\n");
}

#[test]
fn a_cache_that_is_damaged_or_cannot_be_written_is_none() {
    let drop_in = DropIn::new();
    let plain = drop_in.plain(&["-version"]);
    assert_eq!(drop_in.run(&["-version"]).stdout, plain.stdout);
    for file in drop_in.cache().read_dir().unwrap() {
        std::fs::write(file.unwrap().path(), b"\0\xffdamaged").unwrap();
    }
    let ours = drop_in.run(&["-version"]);
    assert_eq!((&ours.stdout, &ours.stderr), (&plain.stdout, &plain.stderr));
    for place in ["/proc/segue", "/dev/null"] {
        let drop_in = DropIn::new().with("SEGUE_CACHE", place);
        let ours = drop_in.run(&["-version"]);
        assert_eq!((&ours.stdout, &ours.stderr), (&plain.stdout, &plain.stderr), "{place}");
    }
}

#[test]
fn two_hundred_that_ask_at_once_start_one_ffmpeg() {
    let drop_in = DropIn::new();
    let (ffmpeg, starts) = counting(&drop_in);
    let drop_in = with_ffmpeg(drop_in, &ffmpeg);
    let children: Vec<_> = (0..200)
        .map(|_| {
            let mut command = drop_in.command(&["-hwaccels"]);
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let plain = drop_in.plain(&["-hwaccels"]);
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(output.stdout, plain.stdout);
    }
    assert_eq!(starts(), 1);
}

#[test]
fn a_question_that_failed_is_asked_again() {
    let drop_in = DropIn::new();
    let log = drop_in.at("starts");
    let ffmpeg = drop_in.script("ffmpeg", &format!("echo x >> '{}'; exit 9", log.display()));
    let drop_in = with_ffmpeg(drop_in, &ffmpeg);
    for time in 1..=2 {
        assert_eq!(drop_in.run(&["-version"]).status.code(), Some(9));
        assert_eq!(lines(&std::fs::read(&log).unwrap()).len(), time);
    }
}

#[test]
fn without_any_ffmpeg_a_media_server_still_starts() {
    let drop_in = DropIn::new().with("SEGUE_LOCAL_FFMPEG", "/nowhere/ffmpeg");
    let version = drop_in.run(&["-version"]);
    assert!(version.status.success());
    assert!(lines(&version.stdout)[0].starts_with("ffmpeg version 7"), "{version:?}");
    let encoders = lines(&drop_in.run(&["-encoders"]).stdout);
    assert!(encoders.iter().any(|row| row.contains(" libx264 ")));
}
