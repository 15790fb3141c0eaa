//! How often ffmpeg ran here instead of in the pool, when, and why: for `segue doctor` and for people,
//! as lines of text.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::Kept;

const NAME: &str = "fallbacks";
/// Beyond this the older half is only counted.
const LARGE: u64 = 64 * 1024;
/// A line is no longer than the system writes at once, beside others.
const REASON_MAX: usize = 300;
/// Who holds the lock for longer stands still, and is not waited for.
const PATIENCE: Duration = Duration::from_millis(200);
/// Begins the line that says how many lines there were before.
const EARLIER: &str = "earlier\t";

/// One time that ffmpeg ran here instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fallback {
    /// When.
    pub at: SystemTime,
    /// What the pool should have done: "job" or "command".
    pub instead_of: String,
    /// Why it did not.
    pub reason: String,
}

/// All of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fallbacks {
    /// How many there were.
    pub total: u64,
    /// The latest, oldest first.
    pub latest: Vec<Fallback>,
}

impl Kept {
    /// How often ffmpeg ran here instead, so far.
    pub fn fallbacks(&self) -> Fallbacks {
        let bytes = self.read(NAME, 4 * LARGE).unwrap_or_default();
        parse(&String::from_utf8_lossy(&bytes))
    }

    /// Counts one more.
    pub fn count_fallback(&self, fallback: &Fallback) {
        let Ok(directory) = self.directory() else { return };
        // The lock keeps a line from going into a file that is just being replaced.
        let lock = locked(&directory.join("fallbacks.lock"));
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        let Ok(mut file) = options.open(directory.join(NAME)) else { return };
        // In one piece, so that lines of others do not get between.
        let _ = file.write_all(line(fallback).as_bytes());
        let is_large = file.metadata().is_ok_and(|metadata| metadata.len() > LARGE);
        if is_large && lock.is_some() {
            self.shorten(&directory.join(NAME));
        }
    }

    fn shorten(&self, file: &Path) {
        let mut text = String::new();
        if File::open(file).and_then(|mut file| file.read_to_string(&mut text)).is_err() {
            return;
        }
        let Fallbacks { total, latest } = parse(&text);
        let kept = &latest[latest.len() / 2..];
        let mut text = format!("{EARLIER}{}\n", total.saturating_sub(kept.len() as u64));
        kept.iter().for_each(|fallback| text.push_str(&line(fallback)));
        let _ = self.write(NAME, text.as_bytes());
    }
}

/// The lock, unless somebody stands still with it.
fn locked(path: &Path) -> Option<File> {
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path).ok()?;
    let since = Instant::now();
    while lock.try_lock().is_err() {
        if since.elapsed() > PATIENCE {
            return None;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Some(lock)
}

fn line(fallback: &Fallback) -> String {
    let Fallback { at, instead_of, reason } = fallback;
    let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let reason: String = reason.chars().map(plain).take(REASON_MAX).collect();
    format!("{at}\t{instead_of}\t{reason}\n")
}

fn parse(text: &str) -> Fallbacks {
    let mut found = Fallbacks::default();
    for line in text.lines() {
        if let Some(earlier) = line.strip_prefix(EARLIER) {
            found.total += earlier.parse::<u64>().unwrap_or(0);
            continue;
        }
        let mut parts = line.splitn(3, '\t');
        let at = parts.next().and_then(|at| at.parse::<u32>().ok());
        let (Some(at), Some(instead_of), Some(reason)) = (at, parts.next(), parts.next()) else {
            continue;
        };
        found.total += 1;
        found.latest.push(Fallback {
            at: UNIX_EPOCH + Duration::from_secs(at.into()),
            instead_of: instead_of.to_owned(),
            reason: reason.to_owned(),
        });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::in_directory;
    use super::*;

    fn fallback(second: u64) -> Fallback {
        Fallback {
            at: UNIX_EPOCH + Duration::from_secs(second),
            instead_of: "job".to_owned(),
            reason: "no scheduler answers at http://127.0.0.1:7700".to_owned(),
        }
    }

    #[test]
    fn every_fallback_is_counted_though_the_file_stays_small() {
        let directory = tempfile::tempdir().unwrap();
        let kept = in_directory(&directory.path().join("kept"));
        for second in 0..3000 {
            kept.count_fallback(&fallback(second));
        }
        let found = kept.fallbacks();
        assert_eq!(found.total, 3000);
        assert_eq!(found.latest.last(), Some(&fallback(2999)));
        assert!(found.latest.len() > 100);
        let file = directory.path().join("kept").join(NAME);
        assert!(file.metadata().unwrap().len() <= LARGE);
    }

    #[test]
    fn those_that_count_at_once_lose_none() {
        let directory = tempfile::tempdir().unwrap();
        let kept = in_directory(&directory.path().join("kept"));
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let kept = &kept;
                scope.spawn(move || {
                    (0..200).for_each(|n| kept.count_fallback(&fallback(thread * 200 + n)))
                });
            }
        });
        assert_eq!(kept.fallbacks().total, 1600);
    }

    #[test]
    fn a_reason_cannot_pass_for_a_line_of_its_own() {
        let told = Fallback { reason: "a\n9\tjob\tb".to_owned(), ..fallback(5) };
        let found = parse(&line(&told));
        assert_eq!((found.total, found.latest[0].reason.as_str()), (1, "a 9 job b"));
    }

    #[test]
    fn what_is_damaged_is_passed_over() {
        let found = parse("earlier\tx\n\0\0\n7\tjob\n12\tcommand\tno room\n");
        assert_eq!((found.total, found.latest.len()), (1, 1));
    }
}
