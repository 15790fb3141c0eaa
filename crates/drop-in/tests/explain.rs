//! The program itself: what it prints, and how it ends.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_segue-ffmpeg")).args(arguments).output().unwrap()
}

fn first_line(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap().lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_answer_is_on_the_first_line() {
    for (arguments, answer) in [
        (&["--segue-explain", "-version"][..], "here"),
        (&["--segue-explain", "/usr/bin/ffprobe", "-i", "a.mkv"], "here"),
        (&["--segue-explain", "ffmpeg", "-i", "a.mkv", "-c", "copy", "b.mp4"], "copy here"),
        (&["--segue-explain", "-i", "a\nb.mkv", "c.mp4"], "command"),
    ] {
        let output = run(arguments);
        assert!(output.status.success());
        assert_eq!(first_line(&output), answer, "{arguments:?}");
    }
}

#[test]
fn programs_get_json() {
    let output = run(&["--segue-explain-json", "-i", "a\nb.mkv", "c.mp4"]);
    let value: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(value["answer"], "command");
    assert_eq!(value["findings"][0]["option"], "-i a\nb.mkv");
}

#[test]
fn words_that_are_no_text_are_explained_and_are_no_job() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let words = ["--segue-explain", "-i"].map(OsStr::new);
    let odd = [OsStr::from_bytes(b"a\xff.mkv"), OsStr::new("b.mp4")];
    let mut command = Command::new(env!("CARGO_BIN_EXE_segue-ffmpeg"));
    let output = command.args(words).args(odd).output().unwrap();
    assert!(output.status.success());
    assert_eq!(first_line(&output), "command");
}

#[test]
fn options_of_its_own_that_there_are_not_are_refused() {
    let output = run(&["--segue-explian", "-version"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("--segue-explain ARGV"));
}
