//! The program `contract` and the records that it writes and compares.

use std::path::Path;
use std::process::{Command, Output};

use segue_contract::compare::differences;
use segue_contract::record::{Record, ScenarioRecord, Value};
use segue_contract::rule::Rule;
use tempfile::TempDir;

const PLAIN: &str = "/usr/bin/ffmpeg";

fn contract(words: &[&str]) -> Output {
    let films = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-films");
    let mut command = Command::new(env!("CARGO_BIN_EXE_contract"));
    command.args(words);
    if matches!(words[0], "run" | "both") {
        command.arg("--films").arg(films);
    }
    command.output().expect("the program runs")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn two_records_of_a_plain_ffmpeg_are_the_same_until_one_is_changed() {
    let directory = TempDir::new().expect("a directory");
    let mut records = Vec::new();
    for name in ["a", "b"] {
        let out = directory.path().join(name);
        let out = out.to_string_lossy();
        let words = [
            "run",
            "--ffmpeg",
            PLAIN,
            "--out",
            &out,
            "--scenario",
            "subtitles",
            "--scenario",
            "stdout",
        ];
        let ran = contract(&words);
        assert!(ran.status.success(), "{}", said(&ran));
        records.push(format!("{out}/record.json"));
    }
    let same = contract(&["compare", &records[0], &records[1]]);
    assert_eq!(same.status.code(), Some(0), "{}", said(&same));

    let path = Path::new(&records[1]);
    let mut record = Record::read(path).expect("a record");
    let facts = &mut record.scenarios.get_mut("stdout").expect("played").facts;
    facts.retain(|fact| fact.rule != Rule::Output);
    record.write(path).expect("written");
    let differs = contract(&["compare", &records[0], &records[1]]);
    assert_eq!(differs.status.code(), Some(1));
    assert!(said(&differs).contains("stdout: output: plugins read"), "{}", said(&differs));
}

#[test]
fn both_shows_a_line_for_each_scenario_with_its_verdict() {
    let directory = TempDir::new().expect("a directory");
    let out = directory.path().to_string_lossy();
    let ran = contract(&["both", "--drop-in", PLAIN, "--out", &out, "--scenario", "loudness"]);
    assert_eq!(ran.status.code(), Some(0), "{}", said(&ran));
    let table = said(&ran);
    assert!(
        table.lines().any(|line| line.starts_with("loudness") && line.ends_with("same")),
        "{table}"
    );
}

#[test]
fn what_cannot_be_played_is_said_with_what_to_do() {
    let unknown =
        contract(&["run", "--ffmpeg", PLAIN, "--out", "/nowhere", "--scenario", "nothing"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(said(&unknown).contains("contract list"), "{}", said(&unknown));
    let directory = TempDir::new().expect("a directory");
    let out = directory.path().to_string_lossy();
    let missing =
        contract(&["run", "--ffmpeg", "/nowhere/ffmpeg", "--out", &out, "--scenario", "stdout"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(said(&missing).contains("/nowhere/ffmpeg"), "{}", said(&missing));
}

#[test]
fn every_scenario_and_every_rule_is_listed_in_words() {
    let listed = said(&contract(&["list"]));
    for rule in Rule::ALL {
        assert!(listed.contains(rule.name()) && rule.why().len() > 30, "{rule:?}");
    }
    for scenario in segue_contract::scenario::ALL {
        assert!(listed.contains(scenario.name), "{}", scenario.name);
    }
}

#[test]
fn values_differ_only_beyond_their_tolerance_and_in_their_direction() {
    let record = |value: Value| {
        let mut record = ScenarioRecord::default();
        record.fact(Rule::Boundary, "segment 1", value);
        record
    };
    let same = |one: Value, two: Value| differences("x", &record(one), &record(two)).is_empty();
    assert!(same(Value::near(3.0, 0.002), Value::near(3.002, 0.002)));
    assert!(!same(Value::near(3.0, 0.002), Value::near(3.003, 0.002)));
    assert!(same(Value::AtMost(51), Value::AtMost(40)));
    assert!(!same(Value::AtMost(40), Value::AtMost(51)));
    assert!(!same(Value::Flag(true), Value::Whole(1)));
}

#[test]
fn a_rule_that_the_plain_one_breaks_in_the_same_place_is_no_difference() {
    let (mut plain, mut other) = (ScenarioRecord::default(), ScenarioRecord::default());
    plain.broke(Rule::Order, "directory", "as ffmpeg does it");
    other.broke(Rule::Order, "directory", "as another does it");
    assert_eq!(differences("x", &plain, &other), []);
    other.broke(Rule::Order, "elsewhere", "new");
    assert_eq!(differences("x", &plain, &other).len(), 1);
}
