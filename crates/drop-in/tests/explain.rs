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
fn what_is_not_built_is_said_and_fails() {
    for arguments in [&["-i", "a.mkv", "b.mp4"][..], &["-version"], &[]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(output.stdout.is_empty());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("not built yet") && said.contains("--segue-explain"), "{said}");
    }
}
