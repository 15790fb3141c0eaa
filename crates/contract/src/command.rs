//! The command line of `contract`.

mod corpus;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::compare::{Difference, compare, differences};
use crate::error::ContractError;
use crate::events::Hooks;
use crate::play::stage::Settings;
use crate::record::{Record, ScenarioRecord};
use crate::rule::Rule;
use crate::run::Bench;
use crate::scenario::{ALL, Scenario, chosen};

/// Behaves towards an ffmpeg as Jellyfin does, and compares two of them.
#[derive(Parser)]
#[command(name = "contract", version)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Names scenarios and rules.
    List,
    /// Plays scenarios against one ffmpeg and writes what was seen to OUT/record.json.
    Run {
        /// The ffmpeg under test; its ffprobe is looked for beside it, as Jellyfin does.
        #[arg(long)]
        ffmpeg: PathBuf,
        /// Where files and the record go.
        #[arg(long)]
        out: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Compares two records; exit code 1 on any difference.
    Compare {
        /// The plain ffmpeg's.
        plain: PathBuf,
        /// The other's.
        other: PathBuf,
    },
    /// Plays each scenario against both and compares; exit code 1 on any difference.
    Both {
        /// What stands in ffmpeg's place.
        #[arg(long)]
        drop_in: PathBuf,
        /// Where files and records go.
        #[arg(long, default_value = "target/contract")]
        out: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Runs real lines by both and compares what comes out; exit code 1 if any differs.
    Corpus(corpus::Wanted),
}

#[derive(Args)]
struct Common {
    /// A plain ffmpeg: makes films, and looks at what comes out.
    #[arg(long, default_value = "/usr/bin/ffmpeg")]
    plain: PathBuf,
    /// Only these; may be given several times.
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<String>,
    /// A choice that takes little time.
    #[arg(long)]
    short: bool,
    /// Where films are kept.
    #[arg(long, default_value = "target/contract/films")]
    films: PathBuf,
    /// Give libx264's line to the ffmpeg under test, too, where a line asks for hardware. A plain one
    /// that has no hardware needs it.
    #[arg(long)]
    stand_in: bool,
    /// Seconds after which something counts as never coming.
    #[arg(long, default_value_t = 60)]
    patience: u64,
    /// Seconds that a process may be ahead of the viewer before it is throttled.
    #[arg(long, default_value_t = 30.0)]
    throttle: f64,
    /// Runs COMMAND with sh when NAME happens first (job-started, segment-3-ready, seek-150, paused,
    /// resumed, stopping, replica-restarted). With `both`, only against the drop-in. The environment
    /// has CONTRACT_EVENT, _SCENARIO, _PROCESS, _REPLICA and _DIRECTORY.
    #[arg(long, value_name = "NAME=COMMAND", value_parser = hook)]
    on_event: Vec<(String, String)>,
}

fn hook(text: &str) -> Result<(String, String), String> {
    let parted = text.split_once('=').map(|(name, command)| (name.to_owned(), command.to_owned()));
    parted.ok_or_else(|| "say NAME=COMMAND, such as segment-3-ready='kill 4711'".to_owned())
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    match act(Cli::parse().what) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("contract: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether all is the same.
fn act(what: What) -> Result<bool, ContractError> {
    match what {
        What::List => {
            list();
            Ok(true)
        }
        What::Run { ffmpeg, out, common } => run(&ffmpeg, &out, common),
        What::Compare { plain, other } => {
            let found = compare(&Record::read(&plain)?, &Record::read(&other)?);
            tell(&found);
            println!("{} differences", found.len());
            Ok(found.is_empty())
        }
        What::Both { drop_in, out, common } => both(&drop_in, &out, common),
        What::Corpus(wanted) => corpus::all(&wanted),
    }
}

fn list() {
    println!("scenarios (* also in the short form)");
    for Scenario { name, about, short, .. } in ALL {
        println!("  {}{name:<18} {about}", if *short { '*' } else { ' ' });
    }
    println!(
        "\nmoments for --on-event\n   job-started, segment-N-ready, header-ready, seek-N, stopping, paused, resumed, replica-restarted"
    );
    println!("\nrules, and why breaking them matters to Jellyfin");
    for rule in Rule::ALL {
        println!("   {:<18} {}", rule.name(), rule.why());
    }
}

fn run(ffmpeg: &Path, out: &Path, common: Common) -> Result<bool, ContractError> {
    let scenarios = chosen(&common.scenarios, common.short)?;
    std::fs::create_dir_all(out).map_err(ContractError::file(out))?;
    let bench = Bench::new(&common.plain, &common.films)?;
    let hooks = Hooks::new(common.on_event.clone());
    let settings = settings(&common, Some(&hooks));
    let bar = bar(scenarios.len());
    let record = bench.play_all(&scenarios, ffmpeg, out, &settings, |scenario| {
        bar.inc(1);
        bar.set_message(scenario.name);
    })?;
    bar.finish_and_clear();
    for (name, played) in &record.scenarios {
        println!("{name:<18} {} facts, {} rules broken", played.facts.len(), played.broken.len());
        for broken in &played.broken {
            println!("    {}: {}: {}", broken.rule.name(), broken.subject, broken.words);
        }
    }
    record.write(&out.join("record.json"))?;
    hooks.all_run()?;
    Ok(record.scenarios.values().all(|played| played.broken.is_empty()))
}

fn both(drop_in: &Path, out: &Path, common: Common) -> Result<bool, ContractError> {
    let scenarios = chosen(&common.scenarios, common.short)?;
    std::fs::create_dir_all(out).map_err(ContractError::file(out))?;
    let bench = Bench::new(&common.plain, &common.films)?;
    let plainly = Settings { stand_in: true, ..settings(&common, None) };
    let hooks = Hooks::new(common.on_event.clone());
    let tested = settings(&common, Some(&hooks));
    let mut plain = Record { ffmpeg: common.plain.display().to_string(), ..Record::default() };
    let mut other = Record { ffmpeg: drop_in.display().to_string(), ..Record::default() };
    let bar = bar(scenarios.len());
    bar.suspend(|| {
        println!("{:<18} {:>8} {:>8} {:>8}  verdict", "scenario", "plain", "drop-in", "slowest")
    });
    for scenario in &scenarios {
        bar.set_message(scenario.name);
        let began = Instant::now();
        let one = bench.play(scenario, &common.plain, &out.join("plain"), &plainly)?;
        let first = began.elapsed();
        let two = bench.play(scenario, drop_in, &out.join("drop-in"), &tested)?;
        let second = began.elapsed() - first;
        let name = scenario.name.to_owned();
        let late = slowest(&two);
        plain.scenarios.insert(name.clone(), one);
        other.scenarios.insert(name.clone(), two);
        let (one, two) = (&plain.scenarios[&name], &other.scenarios[&name]);
        let mut verdict = verdict(&differences(&name, one, two));
        if let Some(broken) = one.broken.first() {
            // What the plain one breaks, the other may break, too.
            verdict.push_str(&format!("; the plain one breaks {}", broken.rule.name()));
        }
        bar.inc(1);
        bar.suspend(|| {
            println!(
                "{name:<18} {:>6.1} s {:>6.1} s {late:>8}  {verdict}",
                first.as_secs_f64(),
                second.as_secs_f64()
            )
        });
    }
    bar.finish_and_clear();
    plain.write(&out.join("plain.json"))?;
    other.write(&out.join("drop-in.json"))?;
    let found = compare(&plain, &other);
    tell(&found);
    hooks.all_run()?;
    println!("{} scenarios, {} differences", scenarios.len(), found.len());
    Ok(found.is_empty())
}

/// Tells differences, rule by rule: a scenario that broke off differs in all that came later.
fn tell(found: &[Difference]) {
    const TOLD: usize = 3;
    let kind = |difference: &Difference| (difference.scenario.clone(), difference.rule);
    let kinds: BTreeSet<_> = found.iter().map(kind).collect();
    for (scenario, rule) in kinds {
        println!("{scenario}: {}: {}", rule.name(), rule.why());
        let all = found
            .iter()
            .filter(|difference| difference.scenario == scenario && difference.rule == rule);
        let count = all.clone().count();
        all.take(TOLD)
            .for_each(|difference| println!("    {}: {}", difference.subject, difference.words));
        if count > TOLD {
            println!("    and {} more", count - TOLD);
        }
    }
}

/// The longest that a viewer waited for a file.
fn slowest(record: &ScenarioRecord) -> String {
    let longest =
        record.ready.iter().map(|ready| ready.seconds).fold(None, |most: Option<f64>, seconds| {
            Some(most.map_or(seconds, |most| most.max(seconds)))
        });
    longest.map(|seconds| format!("{seconds:.2} s")).unwrap_or_default()
}

fn verdict(found: &[Difference]) -> String {
    let rules: BTreeSet<Rule> = found.iter().map(|difference| difference.rule).collect();
    let names: Vec<_> = rules.into_iter().map(Rule::name).collect();
    if names.is_empty() { "same".to_owned() } else { format!("differs: {}", names.join(", ")) }
}

fn settings(common: &Common, hooks: Option<&Hooks>) -> Settings {
    let listener = hooks.map(Hooks::listener);
    Settings {
        patience: Duration::from_secs(common.patience),
        throttle_seconds: common.throttle,
        stand_in: common.stand_in,
        listener,
        ..Settings::default()
    }
}

/// Hidden where standard error is no terminal.
fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
