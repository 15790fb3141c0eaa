//! `segue-ffmpeg`: stands where ffmpeg or ffprobe stood. In this step it only explains what would
//! be done with a line; see the library.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use segue_ffmpeg::{Program, Surroundings, decide_words, explain};

const USAGE: &str = "segue-ffmpeg: running command lines is not built yet. It can say what would \
                     be done with one:\n  segue-ffmpeg --segue-explain ARGV...\n  segue-ffmpeg \
                     --segue-explain-json ARGV...\nARGV is a line for ffmpeg or ffprobe, with or \
                     without the program's name.";

fn main() -> ExitCode {
    match run() {
        Ok(text) => {
            // Whoever stops reading has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let mut words = Vec::new();
    for word in std::env::args_os() {
        words.push(word.into_string().map_err(|word| {
            format!("segue-ffmpeg: the argument {word:?} is not UTF-8, which is not explained yet")
        })?);
    }
    let name = if words.is_empty() { String::new() } else { words.remove(0) };
    let as_json = match words.first().map(String::as_str) {
        Some("--segue-explain") => false,
        Some("--segue-explain-json") => true,
        _ => return Err(USAGE.to_owned()),
    };
    words.remove(0);
    let program = match words.first().filter(|word| Program::is_named_by(word)) {
        Some(named) => Program::of(named),
        None => Program::of(&name),
    };
    if words.first().is_some_and(|word| Program::is_named_by(word)) {
        words.remove(0);
    }
    let decision = decide_words(program, &words, Surroundings::default());
    if as_json {
        explain::json(&decision).map(|text| text + "\n").map_err(|error| error.to_string())
    } else {
        Ok(explain::text(&decision))
    }
}
