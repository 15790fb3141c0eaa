//! Which of five things is to be done with a line. Start at [`decide`].

use std::fmt;

use serde::Serialize;

use crate::copy::trivial_copy;
use crate::files::Files;
use crate::finding::{Finding, Verdict};
use crate::here::answered_here;
use crate::job::{Job, request};
use crate::line::{CommandLine, Program};
use crate::understand::understand;

/// What is to be done with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It is answered where it is asked, without a pool: questions about ffmpeg, and ffprobe.
    Here,
    /// It is understood, and any worker can make any part of it.
    Job,
    /// It only copies, which is done where the files are.
    CopyHere,
    /// It runs as it is, in an ffmpeg on a worker.
    Command,
    /// It runs as it is, in an ffmpeg here if that is allowed: there is no pool to do it, or it opens
    /// what no worker could.
    Fallback,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Answer::Here => "here",
            Answer::Job => "job",
            Answer::CopyHere => "copy here",
            Answer::Command => "command",
            Answer::Fallback => "fallback",
        })
    }
}

/// What an answer depends on besides the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// How the pool is.
    pub pool: Pool,
    /// Whether ffmpeg may run here instead.
    pub fallback: FallbackPolicy,
}

/// How the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pool {
    /// It takes work.
    #[default]
    Ready,
    /// No scheduler answers.
    Unreachable,
    /// It has had no room for as long as was to be waited.
    Busy,
}

/// Whether ffmpeg may run here when the pool cannot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FallbackPolicy {
    /// Never: the run fails.
    #[default]
    Never,
    /// When no scheduler answers.
    WhenUnreachable,
    /// Also when the pool has no room.
    WhenBusy,
}

/// An answer, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// What is to be done.
    pub answer: Answer,
    /// Of a fallback: what it stands in for.
    pub instead_of: Option<Answer>,
    /// Why, in a sentence.
    pub because: String,
    /// What each word of the line means, in order, what is missing, and what the engine cannot do
    /// whatever the source is like.
    pub findings: Vec<Finding>,
    /// Of a job: what it means.
    pub job: Option<Job>,
}

/// What findings of what the engine cannot do are about.
const ENGINE: &str = "(engine)";
/// What a line opens does not depend on where it runs, but for names.
const SOMEWHERE: &str = "/work";

/// Decides what is to be done with a line.
pub fn decide(line: &CommandLine, surroundings: Surroundings) -> Decision {
    let mut understanding = understand(line);
    // A job that could be asked of the engine of no source is none.
    if let Some(job) = &understanding.job {
        for obstacle in request::obstacles(job) {
            let (option, verdict) = (ENGINE.to_owned(), Verdict::Prevents);
            let meaning = obstacle.to_string();
            understanding.findings.push(Finding { option, verdict, meaning });
        }
    }
    // What the engine cannot do tells more than what is not known.
    let known = understanding.obstacles().find(|finding| !finding.is_unknown());
    let obstacle = known.or_else(|| understanding.obstacles().next());
    let reason = obstacle.map(|finding| match finding.option.as_str() {
        ENGINE => format!("the engine cannot do it: {}", finding.meaning),
        option => format!("{option}: {}", finding.meaning),
    });
    let (answer, because) = if let Some(because) = answered_here(line) {
        (Answer::Here, because)
    } else if trivial_copy(line) {
        (Answer::CopyHere, "it only copies streams into local files".to_owned())
    } else if let Some(reason) = reason {
        return runs_elsewhere(line, reason, understanding.findings).without_pool(surroundings);
    } else {
        (Answer::Job, "every option is understood, and the engine can do it".to_owned())
    };
    let job = understanding.job.filter(|_| answer == Answer::Job);
    let findings = understanding.findings;
    let decision = Decision { answer, instead_of: None, because, findings, job };
    decision.without_pool(surroundings)
}

/// A line that is no job, for `reason`: a command, unless what it opens cannot be told.
fn runs_elsewhere(line: &CommandLine, reason: String, findings: Vec<Finding>) -> Decision {
    let (answer, instead_of, because) = match Files::of(line, SOMEWHERE) {
        Ok(_) => (Answer::Command, None, reason),
        Err(refusal) => (
            Answer::Fallback,
            Some(Answer::Command),
            format!("{refusal}; it is no job, as {reason}"),
        ),
    };
    Decision { answer, instead_of, because, findings, job: None }
}

/// Splits the words behind a program's name and decides what is to be done with them. What ffmpeg
/// refuses to split is refused here, too.
pub fn decide_words(program: Program, words: &[String], surroundings: Surroundings) -> Decision {
    match CommandLine::parse(program, words) {
        Ok(line) => decide(&line, surroundings),
        Err(error) => Decision {
            answer: Answer::Here,
            instead_of: None,
            because: format!("ffmpeg refuses it: {error}"),
            findings: Vec::new(),
            job: None,
        },
    }
}

impl Decision {
    /// The same, if the pool cannot do it and may be done without.
    fn without_pool(self, Surroundings { pool, fallback }: Surroundings) -> Decision {
        let because = match (pool, fallback) {
            (Pool::Unreachable, FallbackPolicy::WhenUnreachable | FallbackPolicy::WhenBusy) => {
                "no scheduler answers, and ffmpeg may run here then"
            }
            (Pool::Busy, FallbackPolicy::WhenBusy) => {
                "the pool has no room, and ffmpeg may run here then"
            }
            _ => return self,
        };
        if !matches!(self.answer, Answer::Job | Answer::Command) {
            return self;
        }
        Decision {
            answer: Answer::Fallback,
            instead_of: Some(self.answer),
            because: format!("{because}; otherwise: {}, as {}", self.answer, self.because),
            findings: self.findings,
            job: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str, surroundings: Surroundings) -> Decision {
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        decide_words(Program::Ffmpeg, &words, surroundings)
    }

    #[test]
    fn without_a_pool_the_policy_decides() {
        let line = "-i film.mkv -c:v libx265 out.mp4";
        let policies =
            [FallbackPolicy::Never, FallbackPolicy::WhenUnreachable, FallbackPolicy::WhenBusy];
        let answers =
            |pool| policies.map(|fallback| answer(line, Surroundings { pool, fallback }).answer);
        use Answer::{Command, Fallback};
        assert_eq!(answers(Pool::Ready), [Command, Command, Command]);
        assert_eq!(answers(Pool::Unreachable), [Command, Fallback, Fallback]);
        assert_eq!(answers(Pool::Busy), [Command, Command, Fallback]);
    }

    #[test]
    fn what_needs_no_pool_never_falls_back() {
        let away =
            Surroundings { pool: Pool::Unreachable, fallback: FallbackPolicy::WhenUnreachable };
        assert_eq!(answer("-version", away).answer, Answer::Here);
        assert_eq!(answer("-i a.mkv -c copy b.mp4", away).answer, Answer::CopyHere);
    }

    #[test]
    fn what_no_worker_can_do_is_said_at_once() {
        let decision = answer("-i film.mkv -f tee a.mp4|b.mp4", Surroundings::default());
        assert_eq!(decision.answer, Answer::Fallback);
        assert_eq!(decision.instead_of, Some(Answer::Command));
        assert!(decision.because.contains("cannot run on another machine"), "{}", decision.because);
    }

    #[test]
    fn what_ffmpeg_would_not_overwrite_is_refused_by_it() {
        for line in ["-i a.mkv -t 1 a.mkv", "-i a.mkv -i b.srt -c:s srt b.srt"] {
            let decision = answer(&format!("-y {line}"), Surroundings::default());
            assert_eq!(decision.answer, Answer::Here, "{line}");
            assert!(decision.because.contains("read and written"), "{}", decision.because);
        }
        for line in ["-i - -f mpegts -", "-i a.mkv -t 1 -f null a.mkv", "-i a.mkv ./a.mkv"] {
            assert_ne!(answer(line, Surroundings::default()).answer, Answer::Here, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_split_is_refused_here() {
        let decision = answer("-i", Surroundings::default());
        assert_eq!(decision.answer, Answer::Here);
        assert!(decision.because.contains("-i"), "{}", decision.because);
    }
}
