//! Waits before a run fails or tries again, and ends at once when it is told to.
//!
//! A media server that sees its ffmpeg fail starts another at the next request. One that fails at
//! once is started again at once, so the wait is a brake.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use segue_ffmpeg::{CommandLine, Role};

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// The time is over.
    Over,
    /// `q` came on standard input.
    Quit,
    /// A signal came that ends ffmpeg.
    Signal,
}

/// What a wait listens to.
#[derive(Debug)]
pub struct Pause {
    /// A byte for each signal.
    signals: Option<UnixStream>,
    /// Whether standard input is read for keys.
    keys: bool,
}

impl Pause {
    /// Listens for signals; and for keys unless standard input is something that the line reads.
    pub fn new(line: Option<&CommandLine>) -> Pause {
        Pause { signals: signals().ok(), keys: line.is_none_or(has_keys) }
    }

    /// Waits for so long.
    pub fn wait(&mut self, time: Duration) -> Waited {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Waited::Over;
            }
            let stdin = rustix::stdio::stdin();
            let mut fds = Vec::new();
            if let Some(signals) = &self.signals {
                fds.push(PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN));
            }
            if self.keys {
                fds.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
            let timeout =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            if let Err(error) = poll(&mut fds, Some(&timeout))
                && error != rustix::io::Errno::INTR
            {
                // It cannot listen; it can still wait.
                std::thread::sleep(left);
                return Waited::Over;
            }
            let mut came = fds.iter().map(|fd| !fd.revents().is_empty());
            if self.signals.is_some() && came.next() == Some(true) {
                return Waited::Signal;
            }
            if self.keys && came.next() == Some(true) && self.read_keys() {
                return Waited::Quit;
            }
        }
    }

    /// Whether `q` is among the keys that were pressed.
    fn read_keys(&mut self) -> bool {
        let mut keys = [0; 256];
        match rustix::io::read(rustix::stdio::stdin(), &mut keys) {
            Ok(0) => self.keys = false,
            Ok(length) => return keys[..length].contains(&b'q'),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => self.keys = false,
        }
        false
    }
}

/// The signals that ffmpeg ends by. Once somebody has listened to them they end no process by
/// themselves any more, so every wait does.
fn signals() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    for signal in [rustix::process::Signal::TERM, rustix::process::Signal::INT] {
        signal_hook::low_level::pipe::register(signal.as_raw(), write.try_clone()?)?;
    }
    Ok(read)
}

/// Whether ffmpeg would take keys from standard input. Bytes that a line reads from there are left
/// for whoever does the line.
fn has_keys(line: &CommandLine) -> bool {
    let inputs = line.groups.iter().filter(|group| group.file.role == Role::Input);
    let mut names = inputs.map(|group| group.file.name.as_str());
    let reads = names.any(|name| {
        name == "-" || name.starts_with("pipe:") || name.starts_with("fd:") || name == "/dev/stdin"
    });
    let off = line.options().any(|option| match option.name.as_str() {
        "nostdin" => true,
        "stdin" => option.negated,
        _ => false,
    });
    !reads && !off
}

#[cfg(test)]
mod tests {
    use segue_ffmpeg::Program;

    use super::*;

    #[test]
    fn a_film_on_standard_input_is_not_taken_for_keys() {
        let keys = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            has_keys(&CommandLine::parse(Program::Ffmpeg, &words).unwrap())
        };
        assert!(keys("-i a.mkv -f mp4 pipe:1"));
        assert!(!keys("-i - b.mkv"));
        assert!(!keys("-i pipe:0 b.mkv"));
        assert!(!keys("-nostdin -i a.mkv b.mkv"));
    }
}
