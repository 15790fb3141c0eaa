//! From arguments to whoever does what they ask. Start at [`run`].

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime};

use segue_ffmpeg::{Answer, CommandLine, Decision, Job, Program, explain};

use crate::announce::announce;
use crate::asked::Asked;
use crate::config::Config;
use crate::fallback::{may_run_here, remedy};
use crate::kept::Kept;
use crate::kept::fallbacks::Fallback;
use crate::pause::{Pause, Waited};
use crate::presence::is_anybody_there;
use crate::questions::Question;
use crate::{Ending, Trouble, command, job, local};

/// What ffmpeg says to most that it cannot do.
const FAILED: u8 = 1;
/// What it says when a signal ended it.
const SIGNALLED: u8 = 255;
/// A scheduler that is not there is looked for again after this.
const TRY_AGAIN: Duration = Duration::from_millis(500);

const USAGE: &str = "segue-ffmpeg stands in for ffmpeg, and as ffprobe for ffprobe. Its own:\n  \
                     segue-ffmpeg --segue-explain ARGV...       what would be done with a line\n  \
                     segue-ffmpeg --segue-explain-json ARGV...  the same, for programs\nARGV is a \
                     line for ffmpeg or ffprobe, with or without the program's name. Settings: \
                     `segue doctor`.";

/// Does what the arguments ask, the program's name first. If the local ffmpeg does it in our place,
/// this does not come back.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> ExitCode {
    let asked = Asked::new(arguments);
    match asked.words.first().and_then(|word| word.to_str()) {
        Some("--segue-explain") => return explain(asked.explained(), false),
        Some("--segue-explain-json") => return explain(asked.explained(), true),
        Some(own) if own.starts_with("--segue-") => {
            // Whoever does not read it has read enough.
            let _ = writeln!(std::io::stderr(), "{USAGE}");
            return ExitCode::from(FAILED);
        }
        _ => {}
    }
    if local::is_loop(variable) {
        announce(format_args!(
            "the program that should be the ffmpeg here has called segue-ffmpeg: name \
             another one with SEGUE_LOCAL_FFMPEG and SEGUE_LOCAL_FFPROBE"
        ));
        return ExitCode::from(FAILED);
    }
    let config = match Config::load(variable) {
        Ok(config) => config,
        Err(error) => return misconfigured(&asked, &error.to_string()),
    };
    if asked.program == Program::Ffprobe {
        return ffprobe(&asked, &config, variable);
    }
    let kept = Kept::new(&config, variable);
    let ffmpeg = local::find(&config, variable);
    let line = asked.line();
    if let Some(question) = line.as_ref().and_then(Question::of) {
        return question.answer(ffmpeg.as_deref(), &asked.words, &kept, variable);
    }
    let decision = asked.decide();
    let run = Run { asked, line, decision, config, kept, ffmpeg };
    match (run.decision.answer, &run.ffmpeg) {
        // What is not asked of the pool, and what ffmpeg itself refuses, in its own words.
        (Answer::Here | Answer::CopyHere, Some(ffmpeg)) => local::instead(ffmpeg, &run.asked.words),
        (Answer::Here, None) => no_program("ffmpeg", "SEGUE_LOCAL_FFMPEG"),
        // Without an ffmpeg here a worker copies. What no worker can do falls back by the policy.
        (Answer::Job | Answer::Command | Answer::CopyHere | Answer::Fallback, _) => run.in_pool(),
    }
}

fn explain(asked: Asked, as_json: bool) -> ExitCode {
    let decision = asked.decide();
    let text = match as_json {
        true => explain::json(&decision).map(|text| text + "\n"),
        false => Ok(explain::text(&decision)),
    };
    match text {
        Ok(text) => {
            // Whoever stops reading has read enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            announce(format_args!("it cannot be explained: {error}"));
            ExitCode::from(FAILED)
        }
    }
}

/// Settings that cannot be used are never guessed. What would do work fails only after a while: a
/// media server that starts ffmpeg again at each request would do so without a pause.
fn misconfigured(asked: &Asked, error: &str) -> ExitCode {
    announce(format_args!("{error}"));
    let line = asked.line();
    let works = asked.decide().answer != Answer::Here;
    if works {
        Pause::new(line.as_ref()).wait(Config::default().absent_wait);
    }
    ExitCode::from(FAILED)
}

fn ffprobe(
    asked: &Asked,
    config: &Config,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> ExitCode {
    match local::find_ffprobe(config, variable) {
        Some(ffprobe) => local::instead(&ffprobe, &asked.words),
        None => no_program("ffprobe", "SEGUE_LOCAL_FFPROBE"),
    }
}

fn no_program(name: &str, setting: &str) -> ExitCode {
    announce(format_args!(
        "there is no {name} here, which this needs: install one, or name it with \
         {setting} or in the settings"
    ));
    ExitCode::from(FAILED)
}

/// A line that the pool is asked to do.
struct Run {
    asked: Asked,
    line: Option<CommandLine>,
    decision: Decision,
    config: Config,
    kept: Kept,
    ffmpeg: Option<PathBuf>,
}

impl Run {
    fn in_pool(self) -> ExitCode {
        let Some(line) = self.line.as_ref() else {
            return no_program("ffmpeg", "SEGUE_LOCAL_FFMPEG");
        };
        let since = Instant::now();
        let mut pause = None;
        if let Some(word) = self.asked.not_text() {
            let reason = format!("{word:?} is not UTF-8, and what is sent to workers is");
            return self.without_pool(
                &Trouble::NotAJob(reason),
                since,
                &mut Pause::new(Some(line)),
            );
        }
        if self.may_run_here(&Trouble::Unreachable(String::new()))
            && let Some(ago) = self.kept.absent_since(&self.config.schedulers)
        {
            let reason = format!("no scheduler was there {:.1} s ago", ago.as_secs_f64());
            return self.here_instead(&reason);
        }
        let mut job = self.decision.job.as_ref();
        loop {
            let trouble = match self.attempt(line, &mut job) {
                Ok(ending) => {
                    self.kept.forget_absence();
                    return ending.into();
                }
                Err(trouble) => trouble,
            };
            let is_first = pause.is_none();
            let pause = pause.get_or_insert_with(|| Pause::new(Some(line)));
            let is_absent = matches!(trouble, Trouble::Unreachable(_));
            let left = self.config.absent_wait.saturating_sub(since.elapsed());
            if !is_absent || left.is_zero() || self.may_run_here(&trouble) {
                // Others are spared to find out that nobody is there. A worker that does not answer says
                // nothing of the schedulers, however long that took.
                let schedulers = &self.config.schedulers;
                if is_absent && !is_anybody_there(schedulers) {
                    self.kept.remember_absence(schedulers);
                }
                return self.without_pool(&trouble, since, pause);
            }
            if is_first {
                announce(format_args!(
                    "{trouble}: it is waited for, {} s",
                    left.as_secs_f64().ceil()
                ));
            }
            // A scheduler that is just started again is back in a moment.
            if let Some(code) = ended(pause.wait(left.min(TRY_AGAIN))) {
                return code;
            }
        }
    }

    /// Asks the pool once. What turns out to be no job stays none.
    fn attempt(&self, line: &CommandLine, job: &mut Option<&Job>) -> Result<Ending, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| {
            Trouble::Unreachable(format!("the system lets nobody be asked: {error}"))
        })?;
        let done = runtime.block_on(async {
            if let Some(asked) = *job {
                match job::run(asked, line, &self.config).await {
                    Err(Trouble::NotAJob(reason)) => {
                        announce(format_args!("a worker runs this as it is: {reason}"));
                        *job = None;
                    }
                    done => return done,
                }
            }
            command::run(line, &self.config).await
        });
        // A read that never ends is not waited for.
        runtime.shutdown_background();
        done
    }

    fn may_run_here(&self, trouble: &Trouble) -> bool {
        self.ffmpeg.is_some() && may_run_here(self.config.fallback, trouble)
    }

    /// The pool does not do it: ffmpeg here does, or the run fails, and not at once.
    fn without_pool(&self, trouble: &Trouble, since: Instant, pause: &mut Pause) -> ExitCode {
        if self.may_run_here(trouble) {
            return self.here_instead(&trouble.to_string());
        }
        announce(format_args!("{trouble}: {}", remedy(self.config.fallback, trouble)));
        let left = self.config.absent_wait.saturating_sub(since.elapsed());
        ended(pause.wait(left)).unwrap_or(ExitCode::from(FAILED))
    }

    /// Always announced, and counted.
    fn here_instead(&self, reason: &str) -> ExitCode {
        let Some(ffmpeg) = &self.ffmpeg else {
            return no_program("ffmpeg", "SEGUE_LOCAL_FFMPEG");
        };
        let reason = reason.split_whitespace().collect::<Vec<_>>().join(" ");
        announce(format_args!("{} runs here instead of in the pool: {reason}", ffmpeg.display()));
        self.kept.count_fallback(&Fallback {
            at: SystemTime::now(),
            instead_of: self.decision.instead_of.unwrap_or(self.decision.answer).to_string(),
            reason,
        });
        local::instead(ffmpeg, &self.asked.words)
    }
}

fn ended(waited: Waited) -> Option<ExitCode> {
    match waited {
        Waited::Over => None,
        // Nothing was made, so it is no success, whoever asked for its end.
        Waited::Quit => Some(ExitCode::from(FAILED)),
        Waited::Signal => Some(ExitCode::from(SIGNALLED)),
    }
}
