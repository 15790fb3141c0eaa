//! ffmpeg and ffprobe in our place.

mod support;

use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::{DropIn, FFMPEG, FFPROBE, end, lines, until};

/// A copy that takes as long as its film plays, under way.
fn slow_copy(drop_in: &DropIn) -> Child {
    drop_in.film("film.mkv", 120);
    let line = "-v error -re -i film.mkv -c copy -flush_packets 1 copy.mkv";
    let words: Vec<&str> = line.split(' ').collect();
    let mut command = drop_in.command(&words);
    let child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let written = || drop_in.at("copy.mkv").metadata().is_ok_and(|file| file.len() > 0);
    until("the copy to begin", written);
    child
}

#[test]
fn a_copy_is_ffmpeg_itself_so_a_signal_reaches_it_and_nothing_is_orphaned() {
    let drop_in = DropIn::new();
    let mut child = slow_copy(&drop_in);
    let program = std::fs::read_link(format!("/proc/{}/exe", child.id())).unwrap();
    assert_eq!(program, Path::new(FFMPEG).canonicalize().unwrap());
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    // Nobody else holds the pipe open.
    let mut said = Vec::new();
    std::io::Read::read_to_end(child.stderr.as_mut().unwrap(), &mut said).unwrap();
    assert_eq!(end(&mut child).code(), Some(255));
}

#[test]
fn q_ends_a_copy_in_good_order() {
    let drop_in = DropIn::new();
    let mut child = slow_copy(&drop_in);
    child.stdin.as_mut().unwrap().write_all(b"q\n").unwrap();
    assert_eq!(end(&mut child).code(), Some(0));
    let probed = Command::new(FFPROBE).args(["-v", "error"]).arg(drop_in.at("copy.mkv")).status();
    assert!(probed.unwrap().success());
}

#[test]
fn what_ffmpeg_refuses_ends_with_its_words_and_its_code() {
    let drop_in = DropIn::new();
    std::fs::write(drop_in.at("text.mkv"), "no film").unwrap();
    drop_in.film("film.mkv", 1);
    for line in [
        "-hide_banner -i missing.mkv -c copy out.mkv",
        "-hide_banner -i text.mkv -c copy out.mkv",
        "-hide_banner -i film.mkv -c copy /nowhere/out.mkv",
        "-hide_banner -i film.mkv -c copy film.mkv",
        "-hide_banner -i film.mkv -c copy out.nothing",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let (ours, plain) = (drop_in.run(&words), drop_in.plain(&words));
        assert_eq!(ours.status.code(), plain.status.code(), "{line}");
        assert_ne!(ours.status.code(), Some(0), "{line}");
        let last = |bytes: &[u8]| lines(bytes).pop();
        assert_eq!(last(&ours.stderr), last(&plain.stderr), "{line}");
    }
}

#[test]
fn names_that_are_no_text_are_copied_like_any_other() {
    let drop_in = DropIn::new();
    let odd = OsStr::from_bytes(b"odd \xff [1] '\n.mkv");
    drop_in.film(odd, 1);
    let out = OsStr::from_bytes(b"out \xfe.mkv");
    let copy = ["-v", "error", "-i"].map(OsStr::new);
    let words: Vec<&OsStr> =
        copy.into_iter().chain([odd, OsStr::new("-c"), OsStr::new("copy"), out]).collect();
    let ran = drop_in.run(&words);
    assert!(ran.status.success(), "{ran:?}");
    assert!(drop_in.at(out).metadata().unwrap().len() > 0);
}

#[test]
fn as_ffprobe_it_is_ffprobe() {
    let drop_in = DropIn::new();
    let film = drop_in.film("film.mkv", 1);
    let film = film.to_str().unwrap();
    for name in ["ffprobe", "ffprobe.sh"] {
        let program = drop_in.at(name);
        symlink(env!("CARGO_BIN_EXE_segue-ffmpeg"), &program).unwrap();
        for words in [
            &["-v", "warning", "-print_format", "json", "-show_streams", "-show_format", film][..],
            &[
                "-v",
                "error",
                "-skip_frame",
                "nokey",
                "-show_entries",
                "packet=pts_time,flags",
                film,
            ],
            &["-loglevel", "quiet", "-f", "lavfi", "-i", "nullsrc=s=1x1:d=1", "-only_first_vframe"],
            &["-version"],
            &["/nowhere"],
        ] {
            let ours = drop_in.command_as(&program, words).output().unwrap();
            let plain = Command::new(FFPROBE).args(words).output().unwrap();
            assert_eq!(ours.status.code(), plain.status.code(), "{words:?}");
            assert_eq!(ours.stdout, plain.stdout, "{words:?}");
            assert_eq!(ours.stderr, plain.stderr, "{words:?}");
        }
    }
}

#[test]
fn under_the_name_of_ffmpeg_in_path_it_finds_the_other_one() {
    let drop_in = DropIn::new();
    std::fs::create_dir(drop_in.at("bin")).unwrap();
    symlink(env!("CARGO_BIN_EXE_segue-ffmpeg"), drop_in.at("bin/ffmpeg")).unwrap();
    symlink(env!("CARGO_BIN_EXE_segue-ffmpeg"), drop_in.at("bin/ffprobe")).unwrap();
    let path = format!("{}:/usr/bin:/bin", drop_in.at("bin").display());
    let drop_in =
        drop_in.without("SEGUE_LOCAL_FFMPEG").without("SEGUE_LOCAL_FFPROBE").with("PATH", path);
    let film = drop_in.film("film.mkv", 1);
    for (program, words) in [
        ("bin/ffmpeg", &["-v", "error", "-i", "film.mkv", "-c", "copy", "copy.mkv"][..]),
        ("bin/ffprobe", &["-v", "error", film.to_str().unwrap()]),
    ] {
        let output = drop_in.command_as(&drop_in.at(program), words).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

#[test]
fn an_ffmpeg_that_calls_us_again_is_found_out_at_once() {
    let drop_in = DropIn::new();
    let text = format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_segue-ffmpeg"));
    let ffmpeg = drop_in.script("ffmpeg", &text);
    let drop_in = drop_in.with("SEGUE_LOCAL_FFMPEG", ffmpeg.to_str().unwrap());
    for words in [&["-version"][..], &["-i", "a.mkv", "-c", "copy", "b.mkv"]] {
        let output = drop_in.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("SEGUE_LOCAL_FFMPEG") && said.lines().count() == 1, "{said}");
    }
}

#[test]
fn an_ffmpeg_that_is_not_there_is_named() {
    let drop_in = DropIn::new().with("SEGUE_LOCAL_FFMPEG", "/nowhere/ffmpeg");
    let output = drop_in.run(&["-i", "a.mkv", "-c", "copy", "b.mkv"]);
    assert_eq!(output.status.code(), Some(127));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nowhere/ffmpeg"));
}
