//! The directory that a media server transcodes into, and the clock.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Finding;

const CHECK: &str = "transcodes";
/// Media servers take the newest file for the last one made: two that were made this far apart have to
/// be told apart.
const APART: Duration = Duration::from_millis(20);
/// Clocks of file servers that differ by less do no harm.
const SKEW: Duration = Duration::from_secs(2);
/// No clock that is right says less: 2026-01-01.
const BUILT: Duration = Duration::from_secs(1_767_225_600);

/// Files of a check, which end with it.
struct Trial {
    partial: PathBuf,
    files: [PathBuf; 2],
}

impl Trial {
    fn new(directory: &Path) -> Trial {
        // No media server takes these for its own.
        let name =
            |part: &str| directory.join(format!(".segue-doctor.{}.{part}", std::process::id()));
        Trial { partial: name("partial"), files: [name("0"), name("1")] }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        for file in [&self.partial, &self.files[0], &self.files[1]] {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Whether segments can appear there as media servers expect them: whole at once, the newest last.
pub(super) fn transcodes(directory: &Path) -> Vec<Finding> {
    match try_out(directory) {
        Ok(findings) => findings,
        Err(error) => {
            let what = if directory.is_dir() { "no file can be made there: " } else { "" };
            let said = format!("{}: {what}{error}", directory.display());
            let remedy = match directory.exists() {
                true => "let the media server's user write there, and run this as that user",
                false => "make it, or name the one that the media server transcodes into",
            };
            vec![Finding::fail(CHECK, said, remedy)]
        }
    }
}

fn try_out(directory: &Path) -> io::Result<Vec<Finding>> {
    let shown = directory.display();
    let trial = Trial::new(directory);
    let before = SystemTime::now();
    for file in &trial.files {
        std::fs::write(&trial.partial, b"segue")?;
        std::fs::rename(&trial.partial, file)?;
    }
    let after = SystemTime::now();
    let written = trial.files[1].metadata()?.modified()?;
    let mut findings = Vec::new();
    let skew = distance(written, before, after);
    if skew > SKEW {
        findings.push(Finding::warn(
            CHECK,
            format!("a file written to {shown} just now is dated {} s off", skew.as_secs()),
            "set the file server's clock (NTP): the newest file counts as the last one",
        ));
    }
    // What was made later is dated later, and stays so.
    for (file, at) in trial.files.iter().zip([after, after + APART]) {
        File::options().write(true).open(file)?.set_modified(at)?;
    }
    let [first, second] =
        [&trial.files[0], &trial.files[1]].map(|file| file.metadata()?.modified());
    findings.push(match second? > first? {
        true => Finding::ok(CHECK, format!("{shown}: files appear whole and in order")),
        false => Finding::warn(
            CHECK,
            format!("{shown} dates files too roughly to tell which is the newest"),
            "let the media server transcode into a local directory, or one in memory",
        ),
    });
    Ok(findings)
}

/// How far a time is out of a span of time.
fn distance(time: SystemTime, from: SystemTime, to: SystemTime) -> Duration {
    let early = from.duration_since(time).unwrap_or_default();
    early.max(time.duration_since(to).unwrap_or_default())
}

/// Whether the clock can be right.
pub(super) fn clock() -> Finding {
    match SystemTime::now() > UNIX_EPOCH + BUILT {
        true => Finding::ok("clock", "plausible"),
        false => {
            Finding::fail("clock", "it says a time before this program was made", "set it (NTP)")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_directory_that_works_is_left_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let found = transcodes(directory.path());
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].verdict, Verdict::Ok, "{found:?}");
        assert_eq!(directory.path().read_dir().unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_is_not_there_fails_and_is_named() {
        let found = transcodes(Path::new("/nowhere/transcodes"));
        assert_eq!(found[0].verdict, Verdict::Fail);
        assert!(found[0].said.contains("/nowhere/transcodes"));
    }

    #[test]
    fn a_time_within_the_span_is_not_off() {
        let at = |second| UNIX_EPOCH + Duration::from_secs(second);
        assert_eq!(distance(at(5), at(4), at(6)), Duration::ZERO);
        assert_eq!(distance(at(1), at(4), at(6)), Duration::from_secs(3));
        assert_eq!(distance(at(9), at(4), at(6)), Duration::from_secs(3));
    }
}
