//! What a person who waits is told, on standard error: tables go to standard output.

use std::io::Write;
use std::time::{Duration, Instant};

/// A line of its own.
pub fn say(text: &str) {
    eprintln!("\r\x1b[K{text}");
}

/// Counts steps of about equal length, and says how long the rest takes.
pub struct Progress {
    name: &'static str,
    steps: usize,
    done: usize,
    since: Instant,
}

impl Progress {
    /// `guess`: how long one step takes on a machine with two idle cores.
    pub fn new(name: &'static str, steps: usize, guess: Duration) -> Progress {
        let minutes = (guess * steps as u32).as_secs_f64() / 60.0;
        say(&format!("{name}: {steps} steps, about {:.0} min with two idle cores", minutes.ceil()));
        Progress { name, steps, done: 0, since: Instant::now() }
    }

    /// `what` begins.
    pub fn step(&mut self, what: &str) {
        let rest = if self.done == 0 {
            String::new()
        } else {
            let rest = self.since.elapsed() / self.done as u32 * (self.steps - self.done) as u32;
            format!(", {:.0} min left", (rest.as_secs_f64() / 60.0).ceil())
        };
        self.done = (self.done + 1).min(self.steps);
        eprint!("\r\x1b[K{} {}/{}{rest}: {what}", self.name, self.done, self.steps);
        // Nobody to tell is no reason to stop.
        let _ = std::io::stderr().flush();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let took = self.since.elapsed().as_secs_f64() / 60.0;
        say(&format!("{}: took {took:.1} min", self.name));
    }
}
