//! What a person or a program sees of a job while it runs.
//!
//! A bar on a terminal, a line now and then elsewhere, one JSON object per line for programs. Text
//! for people goes to standard error, so that standard output stays the result's.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use segue_model::{JobId, Time};
use serde::Serialize;

use crate::bars::{Bars, SpanShown};

/// How a job is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// Errors only.
    Quiet,
}

/// One line of `--json`.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The job is known; work begins.
    Job {
        /// Names it.
        id: JobId,
        /// What is read.
        source: &'a str,
        /// Segments of all renditions.
        segments: u64,
        /// How many of them are there already.
        made: u64,
        /// In seconds.
        duration: f64,
        /// Workers, each with a span process at a time.
        workers: u32,
    },
    /// A span process is ready.
    ProcessStarted {
        /// Its process id.
        pid: u32,
    },
    /// A segment got its name.
    Segment {
        /// The rendition's name.
        rendition: &'a str,
        /// Its place on the timeline.
        index: u32,
        /// How long its file is.
        bytes: u64,
        /// Which process made it.
        pid: u32,
    },
    /// How far the job is; about once a second.
    Progress {
        /// Segments that are there, of all renditions.
        made: u64,
        /// Segments of all renditions.
        segments: u64,
        /// Seconds of film made per second; absent until the first segment.
        speed: Option<f64>,
        /// Seconds until the end; absent until the first segment.
        remaining: Option<f64>,
    },
    /// A span process is gone.
    ProcessDied {
        /// Its process id.
        pid: u32,
        /// How, in words.
        how: String,
        /// The first segment it owed.
        segment: u32,
        /// Its last lines on standard error.
        last_words: &'a [String],
    },
    /// Something a person should know.
    Note {
        /// In words.
        text: &'a str,
    },
    /// It ends without everything being there.
    Failed {
        /// In words, as on standard error.
        text: &'a str,
    },
    /// Everything is there.
    Done(Summary<'a>),
}

/// What was made.
#[derive(Debug, Serialize)]
pub struct Summary<'a> {
    /// What a player opens.
    pub playlist: &'a str,
    /// Segments of all renditions.
    pub segments: u64,
    /// Their size.
    pub bytes: u64,
    /// How many of them were made now.
    pub made_now: u64,
    /// How long that took, in seconds.
    pub seconds: f64,
    /// Seconds of film made per second; absent when nothing had to be made.
    pub speed: Option<f64>,
    /// Span processes that died on the way.
    pub deaths: u64,
    /// Frames and packets that decoders complained about, in this run or those before it. Near where
    /// two spans meet, some may count twice or be taken for those of the other: between once and
    /// twice for a damaged place, however many processes die at it.
    pub damaged: u64,
    /// How many seconds at the end are a held picture and silence, as the source ended early.
    pub short_by: Option<f64>,
    /// How long the container claims to last, in seconds, when it holds less: a file cut off.
    pub claimed: Option<f64>,
}

/// How much is made; the bar's numbers.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    /// Segments of all renditions.
    pub segments: u64,
    /// How many of them are there.
    pub made: u64,
    /// How many of those this run made.
    pub made_now: u64,
    /// Mean film time per segment file: a segment's length over the number of renditions.
    pub film_per_segment: Time,
    /// How many are at work.
    pub workers: u32,
    /// How long this run has worked.
    pub elapsed: Duration,
}

impl Tally {
    /// Seconds of film made per second.
    pub fn speed(&self) -> Option<f64> {
        let seconds = self.elapsed.as_secs_f64();
        let film = self.film_per_segment.as_secs_f64() * self.made_now as f64;
        (self.made_now > 0 && seconds > 0.0).then(|| film / seconds)
    }

    /// Seconds until the end at this speed.
    pub fn remaining(&self) -> Option<f64> {
        let left = (self.segments - self.made) as f64;
        (self.made_now > 0).then(|| self.elapsed.as_secs_f64() / self.made_now as f64 * left)
    }

    fn percent(&self) -> u64 {
        (self.made * 100).checked_div(self.segments).unwrap_or(100)
    }

    fn words(&self) -> String {
        let workers = counted(self.workers.into(), "worker");
        match (self.speed(), self.remaining()) {
            (Some(speed), Some(remaining)) => {
                format!("{speed:.1}x real time, {} left, {workers}", clock(remaining))
            }
            _ => workers,
        }
    }
}

/// Shows a job.
pub struct Reporter {
    style: Style,
    bars: Option<Bars>,
    said_at: Option<Instant>,
    said_percent: u64,
    sandbox_noted: Vec<String>,
}

impl Reporter {
    /// Nothing is shown yet.
    pub fn new(style: Style) -> Reporter {
        Reporter { style, bars: None, said_at: None, said_percent: 0, sandbox_noted: Vec::new() }
    }

    /// Work begins.
    pub fn begin(&mut self, tally: &Tally, event: &Event<'_>) {
        self.event(event);
        self.said_percent = tally.percent();
        if self.style == Style::Text && io::stderr().is_terminal() {
            self.bars = Some(Bars::new());
        }
    }

    /// Something advanced; `spans` are being made.
    pub fn advance(&mut self, tally: &Tally, spans: &[SpanShown]) {
        if let Some(bars) = &mut self.bars {
            bars.show((tally.made, tally.segments), &tally.words(), spans);
        } else if self.style == Style::Json {
            let recently = self.said_at.is_some_and(|at| at.elapsed() < Duration::from_secs(1));
            if !recently || tally.made == tally.segments {
                self.said_at = Some(Instant::now());
                let Tally { made, segments, .. } = *tally;
                let (speed, remaining) = (tally.speed(), tally.remaining());
                self.event(&Event::Progress { made, segments, speed, remaining });
            }
        } else if tally.percent() / 10 > self.said_percent / 10 {
            self.said_percent = tally.percent();
            let Tally { made, segments, .. } = tally;
            self.say(&format!("{made}/{segments} segments, {}", tally.words()));
        }
    }

    /// A line for people, above the bar.
    pub fn say(&self, line: &str) {
        if self.style != Style::Text {
            return;
        }
        match &self.bars {
            Some(bars) => bars.suspend(|| to_stderr(line)),
            None => to_stderr(line),
        }
    }

    /// A line for programs.
    pub fn event(&self, event: &Event<'_>) {
        if self.style == Style::Json
            && let Ok(line) = serde_json::to_string(event)
        {
            to_stdout(&line);
        }
    }

    /// Something that people and programs should know.
    pub fn note(&self, text: &str) {
        self.say(&format!("note: {text}"));
        self.event(&Event::Note { text });
    }

    /// A span process is ready. What its sandbox lacks is said once: all run on the same kernel.
    pub fn process(&mut self, pid: u32, unenforced: &[String]) {
        self.event(&Event::ProcessStarted { pid });
        for line in unenforced {
            if !self.sandbox_noted.contains(line) {
                self.sandbox_noted.push(line.clone());
                self.note(&format!("sandbox: {line}"));
            }
        }
    }

    /// A span process is gone, and whether what it owed from this segment on is still to be made.
    pub fn died(&self, death: &segue_worker::span_process::Death, segment: u32, is_missed: bool) {
        let what_now = if is_missed { ": the rest of its span is made again" } else { "" };
        self.say(&format!("{death} at segment {segment}{what_now}"));
        self.event(&Event::ProcessDied {
            pid: death.pid,
            how: death.ended_by.to_string(),
            segment,
            last_words: &death.last_words,
        });
    }

    /// The bars go; what follows is the result.
    pub fn end(&mut self) {
        if let Some(bars) = self.bars.take() {
            bars.end();
        }
    }

    /// How it is shown.
    pub fn style(&self) -> Style {
        self.style
    }
}

/// Writes a line of the result. A reader who has gone away misses nothing he wants.
pub fn to_stdout(line: &str) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line about the work.
pub fn to_stderr(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// So many of something, in words: `1 segment`, `2 segments`.
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// `1:02:03`, `2:03`.
pub fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// `1.3 GB`, `640 kB`.
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        bytes if bytes >= 1e9 => format!("{:.1} GB", bytes / 1e9),
        bytes if bytes >= 1e6 => format!("{:.1} MB", bytes / 1e6),
        bytes => format!("{:.0} kB", bytes / 1e3),
    }
}

/// As a shell takes it for one word.
pub fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/-._~:@+,".contains(c);
    if path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn a_path_that_a_shell_would_take_apart_is_quoted() {
        assert_eq!(quoted("out/master.m3u8"), "out/master.m3u8");
        assert_eq!(quoted("Amélie's film"), r"'Amélie'\''s film'");
    }

    #[test]
    fn speed_and_remaining_time_count_only_what_this_run_made() {
        let tally = Tally {
            segments: 100,
            made: 60,
            made_now: 20,
            film_per_segment: Time::from_secs(2),
            workers: 2,
            elapsed: Duration::from_secs(10),
        };
        assert_eq!(tally.speed(), Some(4.0));
        assert_eq!(tally.remaining(), Some(20.0));
        assert_eq!(tally.words(), "4.0x real time, 0:20 left, 2 workers");
    }

    #[test]
    fn times_and_sizes_read_as_people_write_them() {
        assert_eq!([clock(0.0), clock(63.4), clock(3723.0)], ["0:00", "1:03", "1:02:03"]);
        assert_eq!([size(640_000), size(1_300_000_000)], ["640 kB", "1.3 GB"]);
    }
}
