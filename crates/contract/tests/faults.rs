//! Faults that a caller causes at named moments: what is only late is no difference, and what is
//! more than late is one.

use std::collections::BTreeSet;
use std::path::Path;

use segue_contract::compare::differences;
use segue_contract::error::ContractError;
use segue_contract::events::Hooks;
use segue_contract::play::stage::Settings;
use segue_contract::record::{ScenarioRecord, Value};
use segue_contract::rule::Rule;
use segue_contract::run::Bench;
use segue_contract::scenario::ALL;
use tempfile::TempDir;

const PLAIN: &str = "/usr/bin/ffmpeg";

fn played(scenario: &str, hooks: &[(&str, &str)]) -> Result<ScenarioRecord, ContractError> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("contract-films");
    let bench = Bench::new(Path::new(PLAIN), &cache)?;
    let scenario = ALL.iter().find(|one| one.name == scenario).expect("a scenario");
    let hooks = hooks.iter().map(|(name, command)| ((*name).to_owned(), (*command).to_owned()));
    let hooks = Hooks::new(hooks.collect());
    let settings = Settings { listener: Some(hooks.listener()), ..Settings::default() };
    let directory = TempDir::new().expect("a directory");
    let played = bench.play(scenario, Path::new(PLAIN), directory.path(), &settings)?;
    hooks.all_run().map(|()| played)
}

/// The hook waits for what it waits for; the harness goes on while the process stands still.
const STAND_STILL: &str =
    "kill -STOP $CONTRACT_PROCESS; (sleep 2; kill -CONT $CONTRACT_PROCESS) >/dev/null 2>&1 &";

#[test]
fn a_process_that_stands_still_for_a_while_is_only_late() {
    let plain = played("stop-quit", &[]).expect("the harness works");
    let late = played("stop-quit", &[("segment-0-ready", STAND_STILL)]).expect("the harness works");
    assert_eq!(differences("stop-quit", &plain, &late), []);
    assert_eq!(late.ready.len(), 2, "each segment's lateness is told");
}

#[test]
fn a_process_that_is_killed_is_more_than_late() {
    let plain = played("stop-quit", &[]).expect("the harness works");
    let hook = ("segment-0-ready", "kill -KILL $CONTRACT_PROCESS");
    let killed = played("stop-quit", &[hook]).expect("the harness works");
    let found: BTreeSet<_> = differences("stop-quit", &plain, &killed)
        .into_iter()
        .map(|difference| difference.rule)
        .collect();
    // What it left of a segment is sent, as Jellyfin does: how much that is differs.
    assert!(found.contains(&Rule::ExitCode), "{found:?}");
}

#[test]
fn a_media_server_that_restarts_does_not_disturb_the_other() {
    let one = played("two-replicas", &[]).expect("the harness works");
    assert_eq!(one.broken, []);
    let starts = one.facts.iter().find(|fact| fact.rule == Rule::Starts);
    let starts = starts.map(|fact| (fact.subject.as_str(), fact.value.clone()));
    let once = Value::List(vec!["no job for segment 0".to_owned()]);
    assert_eq!(starts, Some(("replica 1: processes", once)));
}

#[test]
fn a_hook_that_fails_ends_the_scenario_as_its_fault_is_not_there() {
    let failed = played("stop-quit", &[("job-started", "exit 3")]);
    assert!(matches!(failed, Err(ContractError::Hook { .. })), "{failed:?}");
}

#[test]
fn a_hook_for_what_never_happens_is_no_success() {
    let failed = played("stop-quit", &[("segment-99-ready", "true")]);
    assert!(matches!(failed, Err(ContractError::NoEvent { .. })), "{failed:?}");
}

#[test]
fn a_media_server_that_wipes_the_others_directory_is_found() {
    let hook = ("replica-restarted", "rm \"$CONTRACT_DIRECTORY\"/transcodes-1/*");
    let wiped = played("two-replicas", &[hook]).expect("the harness works");
    let broken: BTreeSet<_> = wiped.broken.iter().map(|broken| broken.rule).collect();
    assert!(broken.contains(&Rule::ServedPartly), "{:?}", wiped.broken);
}
