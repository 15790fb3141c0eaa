//! Runs a line of ffmpeg's on a pool, with this process's streams: the drop-in without its decisions.
//! For tests, which kill it.
//!
//! `run_on_pool SCHEDULER ffmpeg|ffprobe ARGV...`; `SEGUE_TEST_MAP=HERE=THERE` maps a path. Ends with 97
//! if the pool is unreachable, 98 if it is busy.

use std::process::ExitCode;
use std::time::Duration;

use segue_drop_in::Trouble;
use segue_drop_in::command::run;
use segue_drop_in::config::{Config, PathMap};
use segue_ffmpeg::{CommandLine, FallbackPolicy, Program};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let code = runtime.block_on(ask(&words));
    // Whoever reads standard input may wait for ever.
    runtime.shutdown_background();
    std::process::exit(code.into());
}

async fn ask(words: &[String]) -> u8 {
    let map = std::env::var("SEGUE_TEST_MAP").ok();
    let map = map
        .as_deref()
        .and_then(|map| map.split_once('='))
        .map(|(here, workers)| PathMap { here: here.into(), workers: workers.to_owned() });
    let config = Config {
        schedulers: vec![words[0].clone()],
        path_maps: map.into_iter().collect(),
        fallback: FallbackPolicy::Never,
        busy_wait: Duration::from_millis(10),
        ..Config::default()
    };
    let line = CommandLine::parse(Program::of(&words[1]), &words[2..]).expect("a line");
    match run(&line, &config).await {
        Ok(ending) => ending.code,
        Err(trouble) => {
            eprintln!("run_on_pool: {trouble}");
            if matches!(trouble, Trouble::Busy(_)) { 98 } else { 97 }
        }
    }
}
