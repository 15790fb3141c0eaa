//! What cannot be done is said in one line that helps, and leaves nothing behind.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use support::machine::{allow, as_an_ordinary_user, run_mounting};
use support::{Run, assert_nothing_unfinished, contents, film, names, run, segue, transcode};
use tempfile::{TempDir, tempdir};

/// Refused with exit code 2 and one line that says all of `words`; `directory` is not there.
fn assert_refused(command: &mut Command, directory: &Path, words: &[&str]) {
    let (code, output, errors) = run(command);
    assert_eq!(code, Some(2), "{output}{errors}");
    assert_eq!(output, "");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    for word in words {
        assert!(errors.contains(word), "no `{word}` in: {errors}");
    }
    assert!(!directory.exists(), "{} was made", directory.display());
}

fn scratch() -> (TempDir, PathBuf) {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("out");
    (scratch, directory)
}

fn assert_input_refused(input: &Path, words: &[&str]) {
    let (_scratch, directory) = scratch();
    let name = input.file_name().unwrap().to_str().unwrap();
    assert_refused(&mut transcode(input, &directory), &directory, &[&[name], words].concat());
    assert_refused(segue().arg("probe").arg(input), &directory, &[&[name], words].concat());
}

#[test]
fn a_missing_file() {
    assert_input_refused(Path::new("/films/no-such-film.mkv"), &["no such file", "check the path"]);
}

#[test]
fn a_url() {
    let url = Path::new("https://example.org/film.mkv");
    assert_input_refused(url, &["download it first"]);
}

#[test]
fn a_directory() {
    assert_input_refused(tempdir().unwrap().path(), &["is a directory", "name the film in it"]);
}

#[test]
fn a_device() {
    assert_input_refused(Path::new("/dev/zero"), &["not a regular file"]);
}

#[test]
fn a_text_named_mp4() {
    let text = segue_lab::bad_source("text-named-mp4");
    assert_input_refused(&text, &["cannot be read as a film", "check that it is one"]);
}

#[test]
fn zero_bytes() {
    let empty = segue_lab::bad_source("zero-bytes");
    assert_input_refused(&empty, &["is empty (0 bytes)", "again"]);
}

#[test]
fn an_mp4_without_its_index() {
    let headless = segue_lab::bad_source("mp4-without-moov");
    assert_input_refused(&headless, &["cannot be read as a film", "moov atom not found"]);
}

#[test]
fn films_cut_off_in_the_middle_are_kept_as_far_as_they_go_and_the_loss_is_told() {
    for bad in segue_lab::bad().iter().filter(|bad| bad.salvageable) {
        let (_scratch, directory) = scratch();
        let input = segue_lab::bad_source(bad.name);
        let (code, output, errors) = run(&mut transcode(&input, &directory));
        assert_eq!(code, Some(0), "{}: {errors}", bad.name);
        assert!(directory.join("master.m3u8").exists());
        let told = ["the source is cut off", "damaged frame"];
        assert!(told.iter().any(|words| output.contains(words)), "{}: {output}", bad.name);

        // For programs, what is there is told again.
        let events = Run::start(&mut transcode(&input, &directory)).succeed();
        let job = events.iter().find(|event| event["event"] == "job").unwrap();
        assert!(job["duration"].as_f64().unwrap() > 3.0, "{}: {job}", bad.name);
        let done = events.last().unwrap();
        let is_cut_off = done["claimed"].as_f64() > job["duration"].as_f64();
        assert!(is_cut_off || done["damaged"].as_u64() > Some(0), "{}: {done}", bad.name);
    }
}

#[test]
fn renditions_that_make_no_sense() {
    let (_scratch, directory) = scratch();
    let cases = [
        ("large", "write SIZE or SIZE@BITRATE"),
        ("0x0", "16 to 8192"),
        ("0p", "16 to 8192"),
        ("99999p", "16 to 8192"),
        ("720p@", "write SIZE"),
        ("720p@1k", "50k to 200M"),
    ];
    for (rendition, words) in cases {
        let (code, _, errors) =
            run(transcode(&film(), &directory).args(["--rendition", rendition]));
        assert_eq!(code, Some(2), "{rendition}: {errors}");
        assert!(errors.contains(rendition) && errors.contains(words), "{rendition}: {errors}");
        assert!(!directory.exists());
    }
    let mut larger = transcode(&film(), &directory);
    larger.args(["--rendition", "1080p"]);
    assert_refused(&mut larger, &directory, &["1920x1080", "320x180", "--upscale"]);
}

#[test]
fn a_patience_that_makes_no_sense() {
    let (_scratch, directory) = scratch();
    for patience in ["0", "-1", "soon", "0.0001", "99999999999999999999"] {
        let option = format!("--patience={patience}");
        let (code, _, errors) = run(transcode(&film(), &directory).arg(option));
        assert_eq!(code, Some(2), "{patience}: {errors}");
        assert!(errors.contains("--patience <SECONDS>"), "{patience}: {errors}");
        assert!(errors.contains("write seconds as 60 or 0.5"), "{patience}: {errors}");
        assert!(!directory.exists());
    }
    let (_, help, _) = run(segue().args(["transcode", "--help"]));
    assert!(help.contains("--patience <SECONDS>"), "{help}");
}

#[test]
fn settings_out_of_range() {
    let (_scratch, directory) = scratch();
    for (option, value, words) in [
        ("--crf", "52", "0 (best) to 51"),
        ("--preset", "turbo", "veryfast"),
        ("--audio-stream", "7", "sound in stream 1"),
        ("--audio-bitrate", "1", "1k to 10M"),
    ] {
        let mut command = segue();
        command.arg("transcode").arg(film()).arg("--to").arg(&directory).args([option, value]);
        assert_refused(&mut command, &directory, &[words]);
    }
    let mut command = segue();
    command.arg("transcode").arg(film()).arg("--to").arg(&directory);
    assert_refused(command.args(["--segment-length", "0.1"]), &directory, &["0.5 to 30"]);
}

#[test]
fn a_destination_that_is_a_file_stays_as_it_is() {
    let (_scratch, directory) = scratch();
    fs::write(&directory, b"a letter").unwrap();
    for to in [directory.clone(), directory.join("below")] {
        let (code, _, errors) = run(&mut transcode(&film(), &to));
        assert_eq!(code, Some(2), "{errors}");
        assert!(errors.contains("is a file: --to needs a directory"), "{errors}");
        assert_eq!(fs::read(&directory).unwrap(), b"a letter");
    }
}

#[test]
fn a_directory_that_holds_something_else_of_the_same_name_is_not_touched() {
    let (_scratch, directory) = scratch();
    fs::create_dir_all(directory.join("180p")).unwrap();
    fs::write(directory.join("180p/00000.ts"), b"somebody else's").unwrap();
    let before = contents(&directory);
    let (code, _, errors) = run(&mut transcode(&film(), &directory));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("180p") && errors.contains("not made by this job"), "{errors}");
    assert_eq!(contents(&directory), before);
}

#[test]
fn a_film_in_the_directory_it_is_made_into_is_no_problem() {
    let (_scratch, directory) = scratch();
    fs::create_dir(&directory).unwrap();
    let input = directory.join("film.mkv");
    fs::copy(film(), &input).unwrap();
    Run::start(&mut transcode(&input, &directory)).succeed();
    assert!(input.exists() && directory.join("master.m3u8").exists());
}

#[test]
fn other_settings_do_not_mix_with_what_is_there() {
    let (_scratch, directory) = scratch();
    Run::start(&mut transcode(&film(), &directory)).succeed();
    let before = contents(&directory);
    let (code, _, errors) = run(transcode(&film(), &directory).args(["--crf", "30"]));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("made with other settings"), "{errors}");
    let (code, _, errors) = run(&mut transcode(&segue_lab::source("fps-25-mkv"), &directory));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("segments of another film"), "{errors}");
    assert_eq!(contents(&directory), before);
}

#[test]
fn two_do_not_write_to_one_directory() {
    let (_scratch, directory) = scratch();
    let mut first = Run::start(&mut transcode(&film(), &directory));
    first.until("job");
    first.signal(Signal::STOP);
    let (code, _, errors) = run(&mut transcode(&film(), &directory));
    first.signal(Signal::CONT);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("being written to by another segue"), "{errors}");
    first.succeed();
}

#[test]
fn a_film_replaced_while_it_is_read_is_noticed_and_its_segments_are_not_mixed() {
    let (scratch, directory) = scratch();
    let (input, other) = (scratch.path().join("film.mkv"), scratch.path().join("other.mkv"));
    fs::copy(film(), &input).unwrap();
    fs::copy(segue_lab::source("fps-25-mkv"), &other).unwrap();
    let mut replaced = Run::start(&mut transcode(&input, &directory));
    replaced.until("segment");
    replaced.signal(Signal::STOP);
    fs::rename(&other, &input).unwrap();
    replaced.signal(Signal::CONT);
    let (status, errors) = replaced.finish();
    assert_eq!(status.code(), Some(1), "{errors}");
    assert!(errors.contains("changed or replaced") && errors.contains("film.mkv"), "{errors}");
    assert!(!directory.join("master.m3u8").exists());
    assert_nothing_unfinished(&directory);
    let (code, _, errors) = run(&mut transcode(&input, &directory));
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("what the film was before it was changed"), "{errors}");
}

#[test]
fn a_film_that_may_not_be_read() {
    let (scratch, directory) = scratch();
    allow(scratch.path(), 0o777);
    let input = scratch.path().join("secret.mkv");
    fs::copy(film(), &input).unwrap();
    allow(&input, 0o000);
    let mut command = as_an_ordinary_user(&transcode(&input, &directory), scratch.path());
    assert_refused(&mut command, &directory, &["secret.mkv", "may not be read", "chmod"]);
}

#[test]
fn a_destination_that_may_not_be_written() {
    let (scratch, directory) = scratch();
    let input = tempdir().unwrap();
    allow(input.path(), 0o755);
    let film_copy = input.path().join("film.mkv");
    fs::copy(film(), &film_copy).unwrap();
    allow(&film_copy, 0o444);
    let mut command = as_an_ordinary_user(&transcode(&film_copy, &directory), input.path());
    allow(scratch.path(), 0o555);
    assert_refused(&mut command, &directory, &["out", "may not be written", "chmod"]);
    allow(scratch.path(), 0o755);
}

#[test]
fn a_full_disk_keeps_what_is_finished_and_says_how_to_go_on() {
    let (scratch, directory) = scratch();
    fs::create_dir(&directory).unwrap();
    let (d, p) = (directory.display(), env!("CARGO_BIN_EXE_segue"));
    let again =
        format!("{p} transcode {} --to {d}/new --segment-length 0.5 --quiet", film().display());
    let script = format!(
        "mount -t tmpfs -o size=4096k tmpfs {d} && head -c 3840k /dev/zero >{d}/others || exit
         {again}; echo code $?
         find {d}/new -type f -printf '%P %s\\n'
         rm {d}/others
         {again}; echo code $?
         test -f {d}/new/master.m3u8 && echo finished"
    );
    let Some((code, output, errors)) = run_mounting(&script) else { return };
    drop(scratch);
    assert_eq!(code, Some(0), "{output}{errors}");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[0], "code 1", "{output}{errors}");
    let error = errors.lines().find(|line| line.starts_with("segue:")).unwrap();
    assert!(error.contains("no space is left"), "{error}");
    assert!(error.contains("are kept, the same command goes on from there"), "{error}");
    let segments = lines.iter().filter(|line| line.contains(".ts ")).count();
    assert!(segments > 0, "{output}");
    assert!(
        !lines.iter().any(|line| line.contains(".part") || line.ends_with(".ts 0")),
        "{output}"
    );
    assert_eq!(lines[lines.len() - 2..], ["code 0", "finished"], "{output}{errors}");
}

#[test]
fn nothing_is_left_over_in_the_directory_of_a_good_run() {
    let (_scratch, directory) = scratch();
    Run::start(&mut transcode(&film(), &directory)).succeed();
    assert_nothing_unfinished(&directory);
    let top: Vec<_> =
        names(&directory).into_iter().filter(|name| name.components().count() == 1).collect();
    assert_eq!(top, [".segue-journal", "job.json", "master.m3u8"].map(PathBuf::from));
}
