//! What goes wrong in real set-ups of the drop-in, and what to do about it. Start at [`examine`].
//!
//! Each check is one question with one answer ([`Finding`]). None of them changes anything but a file
//! of its own that it removes again, and, with a film, the pool knows that film afterwards.

mod directory;
mod drop_in;
mod pool;

use std::ffi::OsString;
use std::path::PathBuf;

use segue_drop_in::config::Config;

/// What is to be looked at besides the settings.
#[derive(Clone, Debug, Default)]
pub struct What {
    /// A film, as the media server names it.
    pub film: Option<PathBuf>,
    /// The directory that the media server transcodes into.
    pub transcodes: Option<PathBuf>,
    /// `segue-ffmpeg`, as the media server names it.
    pub drop_in: Option<PathBuf>,
}

/// How well something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, though not as well as it could, or not always.
    Warn,
    /// It does not work.
    Fail,
}

impl Verdict {
    /// For people and programs.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
        }
    }
}

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found, on one line.
    pub said: String,
    /// What to do, unless all is well.
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, said: impl Into<String>) -> Finding {
        Finding { check, verdict: Verdict::Ok, said: plain(said), remedy: None }
    }

    fn warn(check: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let remedy = Some(plain(remedy));
        Finding { check, verdict: Verdict::Warn, said: plain(said), remedy }
    }

    fn fail(check: &'static str, said: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let remedy = Some(plain(remedy));
        Finding { check, verdict: Verdict::Fail, said: plain(said), remedy }
    }
}

/// On one line, whatever names hold.
fn plain(text: impl Into<String>) -> String {
    text.into().split_whitespace().collect::<Vec<_>>().join(" ").replace(char::is_control, "?")
}

/// Looks at everything, in the order in which it is to be mended.
pub fn examine(what: &What, variable: &impl Fn(&str) -> Option<OsString>) -> Vec<Finding> {
    let loaded = Config::load(variable);
    let mut findings = vec![drop_in::settings(&loaded, variable)];
    // Without settings nobody knows what else to look at.
    if let Ok(config) = &loaded {
        findings.extend(drop_in::programs(config, what, variable));
        findings.extend(drop_in::kept(config, variable));
        findings.extend(pool::examine(config, what));
    }
    if let Some(directory) = &what.transcodes {
        findings.extend(directory::transcodes(directory));
    }
    findings.push(directory::clock());
    findings
}
