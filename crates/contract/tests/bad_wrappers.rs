//! The harness can fail: each vice of a wrapper is found, and named by the rule that it breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use segue_contract::compare::differences;
use segue_contract::play::stage::Settings;
use segue_contract::record::ScenarioRecord;
use segue_contract::rule::Rule;
use segue_contract::run::Bench;
use segue_contract::scenario::{ALL, Scenario};
use tempfile::TempDir;

const PLAIN: &str = "/usr/bin/ffmpeg";

fn bench() -> &'static Bench {
    static BENCH: OnceLock<Bench> = OnceLock::new();
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-films");
    BENCH.get_or_init(|| Bench::new(Path::new(PLAIN), &cache).expect("a plain ffmpeg makes films"))
}

fn scenario(name: &str) -> &'static Scenario {
    ALL.iter().find(|scenario| scenario.name == name).expect("a scenario")
}

fn played(name: &str, ffmpeg: &Path, settings: &Settings) -> ScenarioRecord {
    let directory = TempDir::new().expect("a directory");
    bench().play(scenario(name), ffmpeg, directory.path(), settings).expect("the harness works")
}

/// What a plain ffmpeg does: asked once for each scenario.
fn plain(name: &str) -> ScenarioRecord {
    static KNOWN: Mutex<BTreeMap<String, ScenarioRecord>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let settings = Settings { stand_in: true, ..Settings::default() };
    known
        .entry(name.to_owned())
        .or_insert_with(|| played(name, Path::new(PLAIN), &settings))
        .clone()
}

/// The rules that a wrapper is found to break in a scenario.
fn found(vice: &str, name: &str) -> (BTreeSet<Rule>, String) {
    let wrappers = TempDir::new().expect("a directory");
    let place = wrappers.path().join(vice);
    std::fs::create_dir(&place).expect("a directory");
    for program in ["ffmpeg", "ffprobe"] {
        symlink(env!("CARGO_BIN_EXE_bad-wrapper"), place.join(program)).expect("a link");
    }
    // What hangs is not waited for as long as what is only slow on a busy machine.
    let patience = Duration::from_secs(if vice == "hung" { 2 } else { 60 });
    let settings = Settings { patience, ..Settings::default() };
    let other = played(name, &place.join("ffmpeg"), &settings);
    let found = differences(name, &plain(name), &other);
    let words = found.iter().map(|difference| format!("{difference}\n")).collect();
    (found.iter().map(|difference| difference.rule).collect(), words)
}

/// A vice must be named by all of the rules in `must`, and by no others but what follows from it.
#[track_caller]
fn names(vice: &str, scenario: &str, must: &[Rule], may: &[Rule]) {
    let (rules, words) = found(vice, scenario);
    let all_named = must.iter().all(|rule| rules.contains(rule));
    let no_others = rules.iter().all(|rule| must.contains(rule) || may.contains(rule));
    assert!(all_named && no_others, "{vice} in {scenario} must break {must:?}; found:\n{words}");
}

/// Facts that are missing when a scenario cannot go on.
const BROKEN_OFF: &[Rule] = &[
    Rule::NeverReady,
    Rule::ExitCode,
    Rule::ProgressSeen,
    Rule::ProgressEnd,
    Rule::Starts,
    Rule::Names,
    Rule::Streams,
    Rule::FirstTimestamp,
    Rule::LastTimestamp,
    Rule::Boundary,
    Rule::Pictures,
    Rule::Keyframes,
    Rule::Steps,
    Rule::Decoding,
];

#[test]
fn an_honest_wrapper_breaks_nothing() {
    for scenario in
        ["vod-ts", "stop-quit", "stop-terminate", "stop-kill", "stdout", "refusals", "questions"]
    {
        names("honest", scenario, &[], &[]);
    }
}

#[test]
fn a_wrapper_that_puts_segments_there_in_order_breaks_nothing() {
    names("late-but-whole", "vod-ts", &[], &[]);
    names("late-but-whole", "vod-fmp4", &[], &[]);
}

#[test]
fn failed_work_that_ends_with_0_is_found() {
    names("zero-for-failure", "refusals", &[Rule::ExitCode], &[]);
}

#[test]
fn good_work_that_ends_with_1_is_found() {
    names("one-for-success", "vod-ts", &[Rule::ExitCode], &[]);
}

#[test]
fn ignoring_q_is_found() {
    names("quit-ignored", "stop-quit", &[Rule::QuitIgnored], &[Rule::ExitCode]);
}

#[test]
fn ignoring_sigterm_is_found() {
    names("terminate-ignored", "stop-terminate", &[Rule::TerminateIgnored], &[]);
}

#[test]
fn an_orphan_that_goes_on_writing_is_found() {
    names("orphan", "stop-kill", &[Rule::Orphan, Rule::PipesHeld, Rule::WritesAfterEnd], &[]);
}

#[test]
fn segments_out_of_order_are_found() {
    names("out-of-order", "vod-ts", &[Rule::Order], &[Rule::ModifiedTimes]);
}

#[test]
fn a_segment_that_is_whole_only_after_its_successor_is_there_is_found() {
    names("half-written", "vod-ts", &[Rule::ChangedLate], &[]);
}

#[test]
fn a_foreign_name_is_found() {
    names("foreign-name", "vod-ts", &[Rule::ForeignName], &[Rule::Names]);
}

#[test]
fn old_modification_times_are_found() {
    names("old-times", "vod-ts", &[Rule::ModifiedTimes], &[]);
}

#[test]
fn an_end_before_the_films_end_is_found() {
    names("ends-early", "vod-ts", &[Rule::Starts], BROKEN_OFF);
}

#[test]
fn a_last_segment_that_is_cut_is_found() {
    names(
        "last-cut",
        "vod-ts",
        &[Rule::Pictures, Rule::LastTimestamp],
        &[Rule::Decoding, Rule::Streams, Rule::Steps],
    );
}

#[test]
fn a_file_too_many_is_found() {
    names("extra-file", "vod-ts", &[Rule::Names], &[]);
}

#[test]
fn progress_that_goes_backwards_is_found() {
    names("progress-backwards", "vod-ts", &[Rule::ProgressBackwards], &[]);
}

#[test]
fn swallowed_words_are_found() {
    names("silent", "vod-ts", &[Rule::ProgressSeen], &[Rule::ProgressEnd]);
    names("silent", "loudness", &[Rule::Answer], &[]);
}

#[test]
fn a_closed_standard_input_is_found() {
    names("stdin-closed", "stop-quit", &[Rule::StdinClosed], &[Rule::QuitIgnored, Rule::ExitCode]);
}

#[test]
fn a_helper_that_holds_standard_error_is_found() {
    names("pipe-held", "vod-ts", &[Rule::PipesHeld], &[Rule::Orphan]);
}

#[test]
fn words_on_standard_output_are_found() {
    names("noise", "vod-ts", &[Rule::StdoutNoise], &[]);
}

#[test]
fn a_wrong_start_number_is_found() {
    names("start-number", "vod-ts-resume", &[Rule::Order, Rule::NeverReady], BROKEN_OFF);
}

#[test]
fn a_boundary_that_is_one_picture_late_is_found() {
    let may = &[Rule::FirstTimestamp, Rule::LastTimestamp];
    names("late-boundary", "vod-ts", &[Rule::Boundary, Rule::Pictures], may);
}

#[test]
fn a_packet_of_sound_that_is_lost_is_found() {
    names("sound-lost", "vod-ts", &[Rule::Steps], &[]);
}

#[test]
fn another_picture_size_is_found() {
    names("smaller", "vod-ts", &[Rule::Streams], &[]);
}

#[test]
fn a_process_that_hangs_is_found() {
    names("hung", "vod-ts", &[Rule::NeverReady], &[&[Rule::QuitIgnored], BROKEN_OFF].concat());
}

#[test]
fn lists_in_other_columns_are_found() {
    names("columns", "questions", &[Rule::Answer], &[Rule::ExitCode]);
}

#[test]
fn a_byte_too_many_on_standard_output_is_found() {
    names("one-byte-more", "stdout", &[Rule::Output], &[]);
}
