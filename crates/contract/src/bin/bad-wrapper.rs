//! A wrapper around a real ffmpeg that breaks one rule on purpose, to show that the harness notices.
//! Which one is the name of the directory that it is called from: `late-boundary/ffmpeg -i ...`.

#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime};

const FFMPEG: &str = "/usr/bin/ffmpeg";

fn main() -> ExitCode {
    let mut words = std::env::args().collect::<Vec<_>>();
    let own = PathBuf::from(words.remove(0));
    let vice =
        own.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let result = if own.file_name().is_some_and(|name| name == "ffprobe") {
        Err(Command::new("/usr/bin/ffprobe").args(words).exec())
    } else {
        misbehave(&vice, words)
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("bad-wrapper: {vice}: {error}");
            ExitCode::from(99)
        }
    }
}

fn misbehave(vice: &str, words: Vec<String>) -> io::Result<u8> {
    let mut real = Command::new(FFMPEG);
    real.args(&words);
    match vice {
        "honest" => Err(real.exec()),
        "zero-for-failure" => real.status().map(|_| 0),
        "one-for-success" => real.status().map(|_| 1),
        "quit-ignored" => {
            // Its own standard input stays open, and unread.
            let mut child = tied(&words).stdin(Stdio::null()).spawn()?;
            code(child.wait()?.code())
        }
        "terminate-ignored" => {
            let mut shell = Command::new("sh");
            shell.args([
                "-c",
                "trap '' TERM; \"$@\"",
                "sh",
                "setpriv",
                "--pdeathsig",
                "KILL",
                FFMPEG,
            ]);
            Err(shell.args(&words).exec())
        }
        "orphan" => {
            // Slow enough that it is not done before anybody looks.
            let mut words = words;
            let input = words.iter().position(|word| word == "-i").unwrap_or(0);
            words.splice(input..input, ["-readrate".to_owned(), "10".to_owned()]);
            code(Command::new(FFMPEG).args(words).status()?.code())
        }
        "silent" => Err(real.stderr(Stdio::null()).exec()),
        "stdin-closed" => Err(real.stdin(Stdio::null()).exec()),
        "pipe-held" => {
            Command::new("sleep").arg("30").stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
            Err(real.exec())
        }
        "noise" => {
            println!("hello");
            Err(real.exec())
        }
        "progress-backwards" => {
            for time in ["00:00:20.00", "00:00:01.00"] {
                eprint!(
                    "frame=    1 fps=0.0 q=0.0 size=N/A time={time} bitrate=N/A speed=1x    \r"
                );
            }
            Err(real.exec())
        }
        "hung" => Err(Command::new("sleep").arg("1000").exec()),
        "start-number" => Err(Command::new(FFMPEG).args(with(&words, "-start_number", "0")).exec()),
        "late-boundary" => {
            let forced = "expr:gte(t,n_forced*3+0.03*gte(n_forced,1))";
            Err(Command::new(FFMPEG).args(with(&words, "-force_key_frames:0", forced)).exec())
        }
        "sound-lost" => {
            // A packet in the middle of a segment, whose number of packets stays within bounds.
            let mut words = words;
            let at = words.iter().position(|word| word == "-copyts").unwrap_or(0);
            let lost = ["-bsf:a".to_owned(), "noise=drop=eq(n\\,500)".to_owned()];
            words.splice(at..at, lost);
            Err(Command::new(FFMPEG).args(words).exec())
        }
        "smaller" => Err(Command::new(FFMPEG)
            .args(with(&words, "-vf", "scale=160:90,format=yuv420p"))
            .exec()),
        "columns" => {
            let said = real.output()?.stdout;
            let text = String::from_utf8_lossy(&said).replace("\n ", "\n  ");
            io::stdout().write_all(text.as_bytes()).map(|()| 0)
        }
        "one-byte-more" => {
            let status = real.status()?;
            io::stdout().write_all(b"\n")?;
            code(status.code())
        }
        _ => project(vice, &words),
    }
}

/// A real ffmpeg that dies with this process.
fn tied(words: &[String]) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", FFMPEG]).args(words);
    command
}

fn code(code: Option<i32>) -> io::Result<u8> {
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(98))
}

/// The line with another value for an option.
fn with(words: &[String], option: &str, value: &str) -> Vec<String> {
    let mut words = words.to_vec();
    if let Some(at) = words.iter().position(|word| word == option)
        && let Some(word) = words.get_mut(at + 1)
    {
        *word = value.to_owned();
    }
    words
}

/// Has the work done elsewhere, and then puts the segments where they were to be.
fn project(vice: &str, words: &[String]) -> io::Result<u8> {
    let Some(at) = words.iter().position(|word| word == "-hls_segment_filename") else {
        return Err(Command::new(FFMPEG).args(words).exec());
    };
    let target = PathBuf::from(&words[at + 1]);
    let target = target.parent().unwrap_or(Path::new("/")).to_owned();
    let private = std::env::temp_dir().join(format!("bad-wrapper-{}", std::process::id()));
    fs::create_dir_all(&private)?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let moved: Vec<OsString> =
        words.iter().map(|word| word.replace(&text(&target), &text(&private)).into()).collect();
    // The film may lie below the same directory: its word must not change.
    let moved = moved.iter().zip(words).map(|(new, old)| match old.starts_with("file:") {
        true => OsString::from(old),
        false => new.clone(),
    });
    let status = Command::new(FFMPEG).args(moved).status()?;
    let put = put(vice, &private, &target);
    fs::remove_dir_all(&private)?;
    put?;
    code(status.code())
}

fn put(vice: &str, from: &Path, to: &Path) -> io::Result<()> {
    let mut names: Vec<String> = fs::read_dir(from)?
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    const ID: usize = 32;
    let number =
        |name: &String| name.get(ID..).and_then(|rest| rest.split('.').next()?.parse::<i32>().ok());
    names.sort_by_key(|name| number(name).unwrap_or(i32::MAX));
    if vice == "out-of-order" {
        names.swap(3, 4);
    }
    if vice == "ends-early" {
        names.drain(5..);
    }
    let id = names[0].get(..ID).unwrap_or_default().to_owned();
    let last = names.iter().filter_map(number).max();
    for (at, name) in names.iter().enumerate() {
        let bytes = fs::read(from.join(name))?;
        let half = &bytes[..bytes.len() / 2];
        match vice {
            "half-written" if number(name) == Some(3) => {
                fs::write(to.join(name), half)?;
                fs::write(to.join(&names[at + 1]), "begun")?;
                fs::write(to.join(name), &bytes)?;
                continue;
            }
            // It has its name already.
            "half-written" if number(name) == Some(4) => fs::write(to.join(name), &bytes)?,
            "last-cut" if number(name) == last => complete(to, name, half)?,
            _ => complete(to, name, &bytes)?,
        }
        if vice == "foreign-name" && number(name) == Some(2) {
            fs::write(to.join(format!("{id}_part.ts")), "part")?;
        }
        if vice == "old-times" && number(name) == Some(4) {
            let old = SystemTime::now() - Duration::from_secs(60);
            fs::File::options().write(true).open(to.join(name))?.set_modified(old)?;
        }
    }
    if vice == "extra-file" {
        fs::write(to.join(format!("{id}.log")), "extra")?;
    }
    Ok(())
}

/// Whole before it has its name.
fn complete(to: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let part = to.join(".part");
    fs::write(&part, bytes)?;
    fs::rename(part, to.join(name))
}
