//! Questions about what ffmpeg is and can do, answered without a pool.
//!
//! The answer is the view of the pool, and it is the same whether a worker is up or not: what the
//! ffmpeg that is here says, word for word, and in its list of encoders those that jobs are written
//! for (`promised`). Answers are kept ([`crate::kept::answers`]), so that a media server that
//! starts does not wait for twenty ffmpegs. Where there is no ffmpeg, a small view is built in
//! (`built_in`).

mod built_in;
mod promised;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use segue_ffmpeg::CommandLine;
use segue_ffmpeg::options::Arity;

use crate::kept::Kept;
use crate::kept::answers::{Answer, Identity, Key};
use crate::local;

/// What ffmpeg's answers depend on besides its words. (What it links to changes with it.)
const DEPENDS: [&str; 5] =
    ["AV_LOG_FORCE_COLOR", "AV_LOG_FORCE_NOCOLOR", "NO_COLOR", "LD_LIBRARY_PATH", "LD_PRELOAD"];

/// A question whose answer does not change while ffmpeg stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// The option that asks.
    asks: &'a str,
    /// What it asks about, if it takes a word: `filter=scale`.
    about: &'a str,
}

impl<'a> Question<'a> {
    /// The question that a line is; `None`: it names files, devices or reports, and ffmpeg itself
    /// answers it each time.
    pub fn of(line: &'a CommandLine) -> Option<Question<'a>> {
        let harmless = |name: &str| {
            matches!(name, "hide_banner" | "v" | "loglevel" | "threads" | "nostdin" | "stdin" | "y")
        };
        let mut asks = None;
        for option in line.options() {
            let asking = option.known.is_some_and(|known| known.arity == Arity::Exit);
            // Wherever `-report` stands, ffmpeg writes one.
            let reports = option.name == "report" || option.text() == "-report";
            // Which devices there are changes.
            let changes = reports || matches!(option.name.as_str(), "sources" | "sinks");
            if changes || !(asking || harmless(&option.name)) {
                return None;
            }
            if asking && asks.is_none() {
                asks = Some((option.name.as_str(), option.text()));
            }
        }
        let (asks, about) = asks.filter(|_| line.groups.is_empty())?;
        Some(Question { asks, about })
    }

    /// Answers it: with what was kept, or by asking the ffmpeg that is here.
    pub fn answer(
        self,
        ffmpeg: Option<&Path>,
        words: &[OsString],
        kept: &Kept,
        variable: &impl Fn(&str) -> Option<OsString>,
    ) -> ExitCode {
        // A report is a file that is written each time.
        if variable("FFREPORT").is_some()
            && let Some(ffmpeg) = ffmpeg
        {
            return local::instead(ffmpeg, words);
        }
        let key = |identity: &Identity| {
            let values = DEPENDS.map(|name| variable(name).map(OsString::into_encoded_bytes));
            let values = values.iter().map(|value| value.as_deref().unwrap_or(b"\0"));
            let depends = [env!("CARGO_PKG_VERSION").as_bytes(), promised::VERSION];
            let words = words.iter().map(OsString::as_os_str);
            Key::new(words, identity, depends.into_iter().chain(values))
        };
        let identity = ffmpeg.and_then(Identity::of);
        let Some((ffmpeg, identity)) = ffmpeg.zip(identity) else {
            // It was taken away, or is just being replaced: what it said still holds.
            let before = kept.answered_by().and_then(|identity| kept.answer(&key(&identity)));
            return say(&before.unwrap_or_else(|| built_in::answer(self.asks, self.about)));
        };
        let key = key(&identity);
        if let Some(answer) = kept.answer(&key) {
            return say(&answer);
        }
        // Somebody may have asked the same while this waited.
        let _alone = kept.ask_alone();
        if let Some(answer) = kept.answer(&key) {
            return say(&answer);
        }
        match self.ask(ffmpeg, words) {
            Some(answer) => {
                // What went wrong may go right next time.
                if answer.code == 0 {
                    kept.keep_answer(&key, &identity, &answer);
                }
                say(&answer)
            }
            // It fails in its own words.
            None => local::instead(ffmpeg, words),
        }
    }

    /// Asks the ffmpeg that is here; `None` if it cannot be started or was killed.
    fn ask(&self, ffmpeg: &Path, words: &[OsString]) -> Option<Answer> {
        let output = local::ask(ffmpeg, words).ok()?;
        let code = u8::try_from(output.status.code()?).ok()?;
        let mut answer = Answer { code, stdout: output.stdout, stderr: output.stderr };
        if self.asks == "encoders" && code == 0 {
            answer.stdout = promised::with_encoders(&answer.stdout);
        }
        Some(answer)
    }
}

/// As ffmpeg does: its banner comes at once, its answer when it ends.
fn say(answer: &Answer) -> ExitCode {
    // Whoever stops reading has read enough.
    let _ = std::io::stderr().write_all(&answer.stderr);
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(&answer.stdout).and_then(|()| stdout.flush());
    ExitCode::from(answer.code)
}

#[cfg(test)]
mod tests {
    use segue_ffmpeg::Program;

    use super::*;

    fn is_question(text: &str) -> bool {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
        Question::of(&line).is_some()
    }

    #[test]
    fn only_what_stays_the_same_is_kept() {
        for line in [
            "-version",
            "-hide_banner -loglevel warning -threads 0 -h muxer=chromaprint",
            "-threads 0 -version",
            "-encoders",
            "-hwaccels",
            "-h filter=scale_cuda",
            "-buildconf",
            "-L",
        ] {
            assert!(is_question(line), "{line}");
        }
        for line in [
            "-i film.mkv -version",
            "-version -hide_banner out.mkv",
            "-version -report",
            "-report -version",
            "-sources pulse",
            "-sinks",
            "-init_hw_device vaapi=va:/dev/dri/renderD128",
            "-init_hw_device list -version",
            "-f lavfi -i nullsrc -f null -",
            "-hide_banner",
        ] {
            assert!(!is_question(line), "{line}");
        }
    }
}
