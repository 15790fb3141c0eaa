//! Runs other programs and says clearly when they are missing or fail.

use std::process::{Command, Stdio};

/// What a program that succeeded had to say.
#[derive(Clone, Debug)]
pub struct Ran {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs a program to its end, with nothing on its standard input.
///
/// # Panics
/// When it cannot be started or does not exit with 0.
pub fn run(command: &mut Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!(
            "cannot start {:?}: {error}. The source laboratory needs ffmpeg and ffprobe on the \
             PATH; on Debian or Ubuntu: apt-get install ffmpeg",
            command.get_program()
        )
    });
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{}\n  ended with {}:\n{stderr}",
        words(command),
        output.status
    );
    Ran { stdout: output.stdout, stderr }
}

/// The ffmpeg command: no questions, no banner, warnings and errors only.
pub fn ffmpeg() -> Command {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-hide_banner", "-v", "warning"]);
    command
}

/// The ffprobe command: no banner, warnings and errors only.
pub fn ffprobe() -> Command {
    let mut command = Command::new("ffprobe");
    command.args(["-hide_banner", "-v", "warning"]);
    command
}

fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
