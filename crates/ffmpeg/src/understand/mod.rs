//! From a line to the job that it means, or to what prevents that, word by word.
//!
//! Every option gets a [`Finding`](crate::Finding). One that nothing here knows prevents a job:
//! what is listed is what was looked at, and nothing is passed over because it looks harmless.

mod differences;
mod input;
pub(crate) mod keyframes;
mod output;
mod packaging;
mod picture;
mod sound;
mod streams;
mod tuning;
mod video;

use crate::finding::{Finding, Findings, Meaning, Verdict, immaterial, prevents, understood};
use crate::job::Job;
use crate::line::{CommandLine, Group, Opt, Program, Role};
use crate::options::{Arity, Scope};

use input::Input;
use output::Output;

/// What was made of a line.
#[derive(Debug)]
pub struct Understanding {
    /// What each word means, in order, and what is missing.
    pub findings: Vec<Finding>,
    /// The job; `None` if anything prevents one.
    pub job: Option<Job>,
}

/// What options about the whole run say.
#[derive(Debug, Default)]
struct Run {
    overwrite: bool,
    copy_timestamps: bool,
    from_zero: bool,
    /// Frames are shown as they come.
    uneven: bool,
    /// An even rate is asked for by name: from the start on, wherever the first frame is.
    filled: bool,
}

/// Reads a line as a job.
pub fn understand(line: &CommandLine) -> Understanding {
    if line.program == Program::Ffprobe {
        return question(line);
    }
    let mut findings = Findings::default();
    let mut run = Run::default();
    let mut input = Input::new();
    let first_output = line.outputs().next();
    let mut output = first_output.map(|group| Output::new(line, group));
    let (mut inputs, mut outputs) = (0, 0);
    for group in &line.groups {
        let count = match group.file.role {
            Role::Input => &mut inputs,
            Role::Output => &mut outputs,
            Role::Decoder => &mut 2,
        };
        *count += 1;
        let first = *count == 1;
        for option in &group.options {
            let meaning = if option.is_global() {
                run.option(option, output.as_mut())
            } else if !first {
                immaterial("of a file that prevents a job by itself")
            } else if let Some(fault) = wrong_side(option, group) {
                fault
            } else {
                match (&mut output, group.file.role) {
                    (_, Role::Input) => input.option(option),
                    (Some(output), _) => output.option(option),
                    (None, _) => prevents("there is no output"),
                }
            };
            findings.add(option, meaning);
        }
        let meaning = match (group.file.role, first, &mut output) {
            (Role::Input, true, _) => input.file(&group.file.name),
            (Role::Output, true, Some(output)) => output.file(&group.file.name),
            (Role::Input, ..) => prevents("a second input, and jobs have one"),
            (Role::Output, ..) => prevents("a second output, and jobs have one"),
            (Role::Decoder, ..) => prevents("decodes again what was encoded"),
        };
        findings.add(file_word(group), meaning);
    }
    for option in &line.trailing {
        let meaning = if option.is_global() {
            run.option(option, output.as_mut())
        } else {
            immaterial("behind the last output, where ffmpeg ignores it")
        };
        findings.add(option, meaning);
    }
    if line.inputs().next().is_none() {
        findings.add("(no -i)", prevents("there is nothing to read"));
    }
    let job = match output {
        Some(output) => output.finish(&input, &run, &mut findings),
        None => {
            findings.add("(no output)", prevents("there is nothing to write"));
            None
        }
    };
    let job = job.filter(|_| findings.first_preventing().is_none());
    if let Some(job) = &job {
        differences::tell(job, &mut findings);
    }
    Understanding { findings: findings.0, job }
}

/// A line for ffprobe: it is no job, and nothing on it stands in the way of that.
fn question(line: &CommandLine) -> Understanding {
    let mut findings = Findings::default();
    for group in &line.groups {
        for option in &group.options {
            findings.add(option, understood("for ffprobe, which runs here"));
        }
        findings.add(file_word(group), understood("what ffprobe looks at, here"));
    }
    for option in &line.trailing {
        findings.add(option, understood("for ffprobe, which runs here"));
    }
    findings.add("(ffprobe)", prevents("it asks, and makes nothing"));
    Understanding { findings: findings.0, job: None }
}

/// The file as it stands on the line.
fn file_word(group: &Group) -> String {
    match (group.file.role, group.file.dashed) {
        (Role::Decoder, _) => format!("-dec {}", group.file.name),
        (_, true) => format!("-i {}", group.file.name),
        (_, false) => group.file.name.clone(),
    }
}

/// What ffmpeg says of an option before a file of the wrong kind.
fn wrong_side(option: &Opt, group: &Group) -> Option<Meaning> {
    let scope = option.known?.scope;
    let wrong = match group.file.role {
        Role::Input => scope == Scope::Output,
        Role::Output => scope == Scope::Input,
        Role::Decoder => false,
    };
    wrong.then(|| prevents("ffmpeg refuses it on this side"))
}

impl Run {
    fn option(&mut self, option: &Opt, output: Option<&mut Output<'_>>) -> Meaning {
        let text = option.text();
        match option.name.as_str() {
            _ if option.from_file => prevents("its value is in a file that Segue does not read"),
            _ if option.known.is_some_and(|known| known.arity == Arity::Exit) => {
                prevents("asks what ffmpeg is and can do")
            }
            "y" => {
                self.overwrite = !option.negated;
                understood("files that exist are replaced")
            }
            "n" if option.negated => immaterial("is so without it"),
            "n" => prevents("files that exist end the run"),
            "copyts" => {
                self.copy_timestamps = !option.negated;
                understood("timestamps are the source's")
            }
            "start_at_zero" => {
                self.from_zero = !option.negated;
                understood("timestamps begin with 0")
            }
            "hide_banner" | "loglevel" | "v" | "stats" | "stats_period" => {
                immaterial("how much is said on stderr")
            }
            "stdin" => immaterial("whether keys are listened to"),
            "init_hw_device" | "filter_hw_device" | "vaapi_device" | "qsv_device" => {
                immaterial("the caller's hardware; each worker uses its own")
            }
            "async" if text == "1" => immaterial("sound is where its timestamps say in any case"),
            "filter_threads" | "filter_complex_threads" | "cpuflags" | "cpucount" | "max_alloc" => {
                immaterial("how the caller's machine is used")
            }
            "vsync" => match text {
                "-1" | "auto" => understood("frames at an even rate, as with HLS"),
                "1" | "cfr" => {
                    self.filled = true;
                    understood("frames at an even rate, as with HLS")
                }
                "2" | "vfr" => {
                    self.uneven = true;
                    understood("frames as they come")
                }
                _ => prevents("which frames there are would depend on how they are read"),
            },
            "filter_complex" | "lavfi" => match output {
                Some(output) => output.graph(option),
                None => prevents("there is no output"),
            },
            _ => crate::finding::unknown(),
        }
    }
}

impl Understanding {
    /// What prevents a job, in order.
    pub fn obstacles(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.verdict == Verdict::Prevents)
    }
}
