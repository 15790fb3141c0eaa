//! What ffmpeg says of a run on standard error, when another run goes on with it: its figures count on
//! instead of beginning anew.

use segue_model::Time;

use crate::number;

/// A longer line is no line of figures.
const LINE_MAX: usize = 16 << 10;

/// What was said so far, of all runs.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// Where the input begins, if that was said.
    pub start: Option<Time>,
    /// The beginning of a line.
    rest: Vec<u8>,
    /// The furthest that was said.
    furthest: Figures,
    /// What was made before this run; `None` for the first.
    before: Option<Figures>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Figures {
    frames: i64,
    time: Time,
}

impl Default for Figures {
    fn default() -> Figures {
        Figures { frames: 0, time: Time::ZERO }
    }
}

impl Said {
    /// What is to be passed on of what a run says. What the first one says is passed on as it comes.
    pub fn pass(&mut self, bytes: Vec<u8>) -> Vec<u8> {
        let mut lines = std::mem::take(&mut self.rest);
        lines.extend_from_slice(&bytes);
        let end = lines.iter().rposition(|byte| is_end(*byte)).map_or(0, |at| at + 1);
        self.rest = lines.split_off(end);
        let mut passed = Vec::new();
        for line in lines.split_inclusive(|byte| is_end(*byte)) {
            passed.extend(self.line(line));
        }
        if self.rest.len() > LINE_MAX {
            passed.append(&mut self.rest);
        }
        if self.before.is_some() { passed } else { bytes }
    }

    /// What is left to be passed on when a run is over.
    pub fn end(&mut self) -> Vec<u8> {
        let rest = std::mem::take(&mut self.rest);
        if self.before.is_some() { rest } else { Vec::new() }
    }

    /// Whether figures were said that another run must not fall behind.
    pub fn has_figures(&self) -> bool {
        self.furthest != Figures::default()
    }

    /// Another run goes on, behind so much of what was to be made.
    pub fn goes_on(&mut self, behind: Time) {
        self.rest.clear();
        let Figures { frames, time } = self.furthest;
        let share = if time.is_positive() { behind / time } else { Time::ZERO };
        self.before = Some(Figures { frames: (share * frames).round(), time: behind });
    }

    fn line(&mut self, line: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(line) else { return line.to_vec() };
        let begin = text.trim_start();
        if begin.starts_with("Duration: ") && self.start.is_none() {
            let start = begin.split_once(", start: ").map(|(_, rest)| rest);
            let start = start.and_then(|rest| rest.split([',', '\n', '\r']).next());
            self.start = start.and_then(number::time);
        }
        let are_figures = ["frame=", "size=", "Lsize="].iter().any(|name| begin.starts_with(name));
        if !are_figures {
            return line.to_vec();
        }
        let before = self.before.unwrap_or_default();
        let furthest = &mut self.furthest;
        let text = replaced(text, "frame=", |frames| {
            let frames: i64 = frames.parse().ok()?;
            furthest.frames = furthest.frames.max(frames.saturating_add(before.frames));
            Some(format!("{:5}", furthest.frames))
        });
        let text = replaced(&text, "time=", |time| {
            furthest.time = furthest.time.max(number::time(time)? + before.time);
            Some(number::clock(furthest.time))
        });
        text.into_bytes()
    }
}

fn is_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

/// The text with another value behind `name`, if there is one.
fn replaced(text: &str, name: &str, by: impl FnOnce(&str) -> Option<String>) -> String {
    let Some((before, behind)) = text.split_once(name) else { return text.to_owned() };
    let value = behind.trim_start_matches(' ');
    let (value, rest) =
        value.split_at(value.find(|c: char| c.is_whitespace()).unwrap_or(value.len()));
    match by(value) {
        Some(value) => format!("{before}{name}{value}{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(said: &mut Said, text: &str) -> String {
        String::from_utf8(said.pass(text.as_bytes().to_vec())).unwrap()
    }

    const DURATION: &str = "  Duration: 00:05:00.02, start: -0.021000, bitrate: 96 kb/s\n";

    fn figures(frames: u32, time: &str) -> String {
        format!(
            "frame={frames:5} fps= 25 q=28.0 size=N/A time={time} bitrate=N/A speed=1.02x    \r"
        )
    }

    #[test]
    fn the_first_run_says_what_it_says() {
        let mut said = Said::default();
        for text in ["fra", "me=  1 time=x\r", DURATION, "\u{fffd}\n", &figures(7, "N/A")] {
            assert_eq!(pass(&mut said, text), text);
        }
        assert_eq!(said.end(), b"");
        assert_eq!(said.start, Some(Time::from_millis(-21)));
    }

    #[test]
    fn the_next_run_counts_on_and_never_back() {
        let mut said = Said::default();
        pass(&mut said, &figures(200, "00:00:08.00"));
        pass(&mut said, "frame=  20");
        said.goes_on(Time::from_secs(6));
        assert_eq!(pass(&mut said, DURATION), DURATION);
        let mut figures_in = |frames, time| {
            let whole = figures(frames, time);
            let (one, other) = whole.split_at(9);
            assert_eq!(pass(&mut said, one), "");
            pass(&mut said, other)
        };
        assert_eq!(figures_in(25, "00:00:01.00"), figures(200, "00:00:08.00"));
        assert_eq!(figures_in(75, "00:00:03.04"), figures(225, "00:00:09.04"));
        assert_eq!(figures_in(75, "N/A"), figures(225, "N/A"));
        assert_eq!(figures_in(75, "-00:00:00.04"), figures(225, "00:00:09.04"));
        assert_eq!(pass(&mut said, "video:1kB "), "");
        assert_eq!(said.end(), b"video:1kB ");
        said.goes_on(Time::from_secs(9));
        assert_eq!(pass(&mut said, &figures(25, "00:00:01.00")), figures(249, "00:00:10.00"));
    }

    #[test]
    fn a_run_that_begins_again_does_not_count_back() {
        let mut said = Said::default();
        assert!(!said.has_figures());
        pass(&mut said, &figures(0, "00:00:00.00"));
        assert!(!said.has_figures());
        pass(&mut said, &figures(50, "00:00:02.00"));
        assert!(said.has_figures());
        said.goes_on(Time::ZERO);
        assert_eq!(pass(&mut said, &figures(25, "00:00:01.00")), figures(50, "00:00:02.00"));
        assert_eq!(pass(&mut said, &figures(75, "00:00:03.00")), figures(75, "00:00:03.00"));
    }

    #[test]
    fn a_line_without_end_is_passed_on() {
        let mut said = Said::default();
        said.goes_on(Time::from_secs(0));
        let long = "x".repeat(LINE_MAX + 1);
        assert_eq!(pass(&mut said, &long), long);
    }
}
