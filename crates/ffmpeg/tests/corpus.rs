//! Lines that media servers really gave to ffmpeg (`lines.json`: from public issue threads and
//! logs, each with its source) keep their words, and get the answer that they should.
//!
//! `SEGUE_CORPUS=FILE` also takes every line of a larger collection, one JSON object with an `argv`
//! on each line, and prints a table by answer, server and cause (with `--nocapture`).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use segue_ffmpeg::resume::Resumable;
use segue_ffmpeg::{
    Answer, CommandLine, Decision, Program, Surroundings, Verdict, decide, explain,
};

#[derive(serde::Deserialize)]
struct Line {
    id: String,
    argv: Vec<String>,
    answer: Option<String>,
    because: Option<String>,
    server: Option<String>,
    category: Option<String>,
}

impl Line {
    /// The words, and whose they are: some lines lack the program's name.
    fn parse(&self) -> CommandLine {
        let (program, words) = match self.argv.split_first() {
            Some((name, words)) if !name.starts_with('-') => (Program::of(name), words),
            _ => (Program::Ffmpeg, &self.argv[..]),
        };
        let line = CommandLine::parse(program, words)
            .unwrap_or_else(|error| panic!("{}: {error}", self.id));
        assert_eq!(line.render(), words, "{} changed its words", self.id);
        let again = CommandLine::parse(program, &line.render()).unwrap();
        assert_eq!(again, line, "{} reads back otherwise", self.id);
        line
    }
}

fn fixture() -> Vec<Line> {
    serde_json::from_str(include_str!("lines.json")).unwrap()
}

#[test]
fn every_line_has_the_answer_it_should() {
    for line in fixture() {
        let decision = decide(&line.parse(), Surroundings::default());
        let (id, expected) = (&line.id, line.answer.as_deref().unwrap());
        let text = explain::text(&decision);
        assert_eq!(text.lines().next(), Some(expected), "{id}: {text}");
        let reason = line.because.as_deref().unwrap();
        assert!(decision.because.contains(reason), "{id}: because {}", decision.because);
        assert_eq!(decision.job.is_some(), decision.answer == Answer::Job, "{id}");
    }
}

#[test]
fn every_word_is_explained() {
    for line in fixture() {
        let parsed = line.parse();
        let decision = decide(&parsed, Surroundings::default());
        let explained = |word: &str| decision.findings.iter().any(|f| f.option.starts_with(word));
        for option in parsed.options() {
            assert!(explained(&option.to_string()), "{}: {option}", line.id);
        }
        for group in &parsed.groups {
            let file = &group.file;
            let word = if file.dashed { format!("-i {}", file.name) } else { file.name.clone() };
            assert!(explained(&word), "{}: {word}", line.id);
        }
    }
}

/// Lines for HLS of one input that do not go on elsewhere when their worker is lost, and why.
const STAY: [(&str, &str); 7] = [
    ("jellyfin-008", "pictures are copied"),
    ("jellyfin-030", "pictures are copied"),
    // It has sound alone.
    ("jellyfin-044", "keyframes"),
    // Counted from the film's start after a seek: ffmpeg forces none for 783 s.
    ("jellyfin-089", "keyframes"),
    ("jellyfin-090", "HLS of one file"),
    ("peertube-001", "-hls_flags"),
    ("silo-001", "-hls_flags"),
];

#[test]
fn hls_lines_of_one_input_go_on_elsewhere_or_say_why_not() {
    let mut going_on = Vec::new();
    for line in fixture() {
        let parsed = line.parse();
        if parsed.inputs().count() != 1 || !line.argv.iter().any(|word| word == "hls") {
            continue;
        }
        let stays = STAY.iter().find(|(id, _)| *id == line.id);
        match (Resumable::of(&parsed, "/"), stays) {
            (Ok(_), None) => going_on.push(line.id),
            (Err(obstacle), Some((id, why))) => {
                assert!(obstacle.to_string().contains(why), "{id}: {obstacle}");
            }
            (other, _) => panic!("{}: {other:?}", line.id),
        }
    }
    let numbers = "002 003 011 014 026 046 049 052 065 088 103 104".split(' ');
    let numbers: Vec<String> = numbers.map(|number| format!("jellyfin-{number}")).collect();
    assert_eq!(going_on, numbers);
}

#[test]
fn a_job_says_in_what_it_differs() {
    let mut jobs = 0;
    for line in fixture() {
        let decision = decide(&line.parse(), Surroundings::default());
        let said: Vec<&str> = decision
            .findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Differs)
            .map(|finding| finding.option.as_str())
            .collect();
        if let Some(job) = decision.job {
            jobs += 1;
            let content = job.content;
            assert_eq!(said.contains(&"(holes)"), content.video.is_some(), "{}: {said:?}", line.id);
            assert!(content.audio.is_none() || said.iter().any(|said| said.contains("sound")));
        }
    }
    assert!(jobs > 0);
}

#[test]
fn an_explanation_for_programs_says_the_same() {
    for line in fixture() {
        let decision = decide(&line.parse(), Surroundings::default());
        let json: serde_json::Value =
            serde_json::from_str(&explain::json(&decision).unwrap()).unwrap();
        assert_eq!(json["answer"], decision.answer.to_string().replace(' ', "_"));
        assert_eq!(json["findings"].as_array().unwrap().len(), decision.findings.len());
    }
}

#[test]
fn a_larger_corpus_keeps_its_words_and_gets_answers() {
    let Some(path) = std::env::var_os("SEGUE_CORPUS") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let mut table = Table::default();
    for line in text.lines() {
        let line: Line = serde_json::from_str(line).unwrap();
        let decision = decide(&line.parse(), Surroundings::default());
        assert!(!decision.because.is_empty(), "{}", line.id);
        table.add(line, &decision);
    }
    println!("{table}");
}

/// Lines by answer, whose they are and why, each with those that have it.
#[derive(Default)]
struct Table(BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>>);

impl Table {
    fn add(&mut self, line: Line, decision: &Decision) {
        let whose = line.server.unwrap_or_default();
        let whose = format!("{whose} {}", line.category.unwrap_or_default());
        let mut causes = vec![cause(&decision.because)];
        // Of a job, what a player gets otherwise is told, too.
        let is_job = decision.answer == Answer::Job;
        let differs =
            decision.findings.iter().filter(|it| is_job && it.verdict == Verdict::Differs);
        causes.extend(differs.map(|finding| format!("  differs: {} ", finding.option)));
        let answers = self.0.entry(decision.answer.to_string()).or_default();
        let causes_of = answers.entry(whose).or_default();
        for cause in causes {
            causes_of.entry(cause).or_default().push(line.id.clone());
        }
    }
}

/// Without file names and numbers, which are each line's own.
fn cause(because: &str) -> String {
    let mut words = String::new();
    for word in because.split(' ') {
        let own = word.contains('/') || word.contains('\\') || word.len() > 60;
        words += if own { "..." } else { word };
        words.push(' ');
    }
    words.chars().take(110).collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (answer, servers) in &self.0 {
            let ids = servers.values().flat_map(|causes| causes.values().flatten());
            let all: BTreeSet<&String> = ids.collect();
            writeln!(f, "{answer}: {}", all.len())?;
            for (whose, causes) in servers {
                let own: BTreeSet<&String> = causes.values().flatten().collect();
                writeln!(f, "  {whose}: {}", own.len())?;
                for (cause, ids) in causes {
                    writeln!(f, "    {} {cause}({})", ids.len(), ids.join(" "))?;
                }
            }
        }
        Ok(())
    }
}
