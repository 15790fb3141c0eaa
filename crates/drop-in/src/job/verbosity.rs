//! How much a line wants to hear on standard error.

use segue_ffmpeg::{CommandLine, Opt};

/// How much is said on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbosity {
    /// ffmpeg's number: -8 is nothing, 16 errors, 24 warnings, 32 what it says by itself.
    level: i32,
    banner: bool,
    stats: Option<bool>,
}

const QUIET: i32 = -8;
const ERROR: i32 = 16;
const INFO: i32 = 32;

impl Verbosity {
    /// What `line` says; ffmpeg takes the last word on each.
    pub fn of(line: &CommandLine) -> Verbosity {
        let mut verbosity = Verbosity { level: INFO, banner: true, stats: None };
        for option in line.options() {
            verbosity.hear(option);
        }
        verbosity
    }

    fn hear(&mut self, option: &Opt) {
        match option.name.as_str() {
            "loglevel" | "v" => self.level = level(option.text()).unwrap_or(self.level),
            "hide_banner" => self.banner = option.negated,
            "stats" => self.stats = Some(!option.negated),
            _ => {}
        }
    }

    /// The program's name, and what is read and made.
    pub fn banner(self) -> bool {
        self.banner && self.says_all()
    }

    /// What ffmpeg says by itself.
    pub fn says_all(self) -> bool {
        self.level >= INFO
    }

    /// Why something failed.
    pub fn says_errors(self) -> bool {
        self.level >= ERROR
    }

    /// The line of figures.
    pub fn stats(self) -> bool {
        self.stats.unwrap_or(self.says_all())
    }
}

/// A level's number; flags such as `repeat+` before it do not change it.
fn level(text: &str) -> Option<i32> {
    let word = text.rsplit(['+', '-']).next()?;
    let named = match word {
        "quiet" => QUIET,
        "panic" => 0,
        "fatal" => 8,
        "error" => ERROR,
        "warning" => 24,
        "info" => INFO,
        "verbose" => 40,
        "debug" => 48,
        "trace" => 56,
        _ => return text.parse().ok(),
    };
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use segue_ffmpeg::Program;

    fn of(text: &str) -> Verbosity {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        Verbosity::of(&CommandLine::parse(Program::Ffmpeg, &words).unwrap())
    }

    #[test]
    fn the_last_word_counts() {
        assert!(of("-i a b.m3u8").stats());
        assert!(of("-hide_banner -i a b.m3u8").says_all());
        assert!(!of("-hide_banner -i a b.m3u8").banner());
        assert!(!of("-v info -loglevel quiet -i a b.m3u8").says_errors());
        assert!(of("-loglevel repeat+level+error -i a b.m3u8").says_errors());
        assert!(of("-loglevel error -stats -i a b.m3u8").stats());
        assert!(!of("-v 24 -i a b.m3u8").stats());
        assert!(!of("-nostats -i a b.m3u8").stats());
        assert!(!of("-v -8 -i a b.m3u8").says_errors());
    }
}
