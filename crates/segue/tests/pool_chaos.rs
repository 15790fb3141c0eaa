//! Lives of a pool under faults that are drawn from a seed: `make chaos SEEDS=100`. Each has to end
//! with what one undisturbed process makes, whatever was killed, stopped and started on the way.
//!
//! What is done, to whom and after how long follows from the seed; what that meets with is up to the
//! machine. So a seed that failed once fails again often, not always.

mod support;

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use segue_s3_lab::{BUCKET, Server};
use segue_store::{S3Settings, Store};
use support::draws::Draws;
use support::media::{Media, assert_same, media, undisturbed};
use support::pool::{Daemon, Pool, job_of, lives, until};
use support::{Run, SEGMENTS, film};
use tempfile::tempdir;

const WORKERS: usize = 3;
/// After so many faults there is peace, in which the rest has to be made.
const FAULTS: usize = 60;
const PRESETS: [&str; 3] = ["medium", "slow", "veryslow"];
const PACKAGINGS: [&str; 2] = ["ts", "fmp4"];

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

#[test]
#[ignore = "takes as long as it is told to: make chaos"]
fn whatever_is_killed_and_stopped_the_film_is_made_and_nothing_is_left_behind() {
    let first = number("SEGUE_SEED").unwrap_or(1);
    let seeds = number("SEGUE_SEEDS").unwrap_or(1);
    let began = Instant::now();
    let mut wholes: HashMap<_, Media> = HashMap::new();
    for seed in first..first + seeds {
        println!("seed {seed} ({} s; alone: make chaos SEED={seed})", began.elapsed().as_secs());
        let mut draws = Draws(seed);
        let recipe =
            recipe(PRESETS[draws.below(PRESETS.len())], PACKAGINGS[draws.below(PACKAGINGS.len())]);
        let whole = wholes.entry(recipe).or_insert_with(|| undisturbed(&recipe));
        Life::begin(&mut draws, &recipe).live(&mut draws, whole);
    }
    println!("{seeds} lives in {} s", began.elapsed().as_secs());
}

fn recipe(preset: &'static str, packaging: &'static str) -> [&'static str; 8] {
    ["--rendition", "180p", "--rendition", "90p", "--preset", preset, "--packaging", packaging]
}

/// A pool that makes a film.
struct Life {
    server: Option<Server>,
    pool: Pool,
    recipe: Vec<&'static str>,
    /// Every process there ever was.
    seen: HashSet<Pid>,
    /// All that was said by those that are gone.
    said: String,
}

impl Life {
    /// With segments in a directory, or in a bucket.
    fn begin(draws: &mut Draws, recipe: &[&'static str]) -> Life {
        let server = (draws.below(2) == 0).then(Server::start);
        let pool = match &server {
            None => Pool::start(WORKERS),
            Some(server) => {
                let store = format!("s3://{BUCKET}/pool");
                Pool::start_in(tempdir().unwrap(), store, server.variables(), WORKERS)
            }
        };
        let recipe = recipe.to_vec();
        Life { server, pool, recipe, seen: HashSet::new(), said: String::new() }
    }

    fn live(mut self, draws: &mut Draws, whole: &Media) {
        let mut command = self.pool.ask("transcode");
        let mut run =
            Run::start(command.arg(film()).args(SEGMENTS).arg("--exact").args(&self.recipe));
        let job = job_of(&[run.until("job")]);
        let (tell, told) = mpsc::channel();
        let client = thread::spawn(move || {
            let (status, errors) = run.finish();
            // Nobody waits any more when the test has failed.
            let _ = tell.send(());
            (status, format!("{errors}\n{:#?}", run.events.last()))
        });
        for _ in 0..FAULTS {
            let pause = Duration::from_millis(10 + draws.below(200) as u64);
            if told.recv_timeout(pause).is_ok() {
                break;
            }
            self.look();
            self.disturb(draws);
        }
        self.mend();
        let (status, said) = client.join().unwrap();
        assert!(status.success(), "{status}: {said}\n{}", self.all_that_was_said());
        assert_same(whole, &self.made(&job, whole));
        self.look();
        let said = self.all_that_was_said();
        for words in ["panicked", "a job failed", "this is a bug"] {
            assert!(!said.contains(words), "{said}");
        }
        let Life { pool, seen, .. } = self;
        drop(pool);
        until("every process has ended", || seen.iter().all(|pid| !lives(*pid)).then_some(()));
    }

    /// Does one thing that nobody would wish for, or mends one.
    fn disturb(&mut self, draws: &mut Draws) {
        let number = draws.below(WORKERS);
        let signal = if draws.below(2) == 0 { Signal::KILL } else { Signal::STOP };
        match draws.below(12) {
            0..=2 => self.to_child(draws, number, signal),
            3 | 4 => self.to_worker(number, signal),
            5 => self.to_worker(number, Signal::TERM),
            6 | 7 => self.start_worker(number),
            8 => self.to_scheduler(signal),
            9 => self.start_scheduler(),
            10 => self.to_server("stalls or not", |server| server.stall(signal == Signal::STOP)),
            _ => self.to_server("refuses or not", |server| server.refuse(signal == Signal::STOP)),
        }
    }

    fn to_child(&self, draws: &mut Draws, number: usize, signal: Signal) {
        let children = self.pool.workers[number].as_ref().map(Daemon::children);
        let drawn = draws.below(8);
        if let Some(child) =
            children.filter(|all| !all.is_empty()).map(|all| all[drawn % all.len()])
        {
            note("child", number, signal);
            // It may have ended in the meantime.
            let _ = kill_process(child, signal);
        }
    }

    fn to_worker(&self, number: usize, signal: Signal) {
        if let Some(worker) = &self.pool.workers[number] {
            note("worker", number, signal);
            worker.signal(signal);
        }
    }

    fn to_scheduler(&self, signal: Signal) {
        if let Some(scheduler) = &self.pool.scheduler {
            note("scheduler", 0, signal);
            scheduler.signal(signal);
        }
    }

    fn to_server(&self, words: &str, what: impl FnOnce(&Server)) {
        if let Some(server) = &self.server {
            note("server", 0, words);
            what(server);
        }
    }

    /// Whoever sits there goes, and a new one comes.
    fn start_worker(&mut self, number: usize) {
        // Who starts has to find its store.
        self.to_server("is well", heal);
        if let Some(mut worker) = self.pool.workers[number].take() {
            worker.signal(Signal::KILL);
            worker.end();
            self.said += &worker.said();
        }
        note("worker", number, "started");
        self.pool.start_worker(number);
    }

    fn start_scheduler(&mut self) {
        self.to_server("is well", heal);
        if let Some(mut scheduler) = self.pool.scheduler.take() {
            scheduler.signal(Signal::KILL);
            scheduler.end();
            self.said += &scheduler.said();
        }
        note("scheduler", 0, "started");
        self.pool.start_scheduler();
    }

    /// Notes who is there.
    fn look(&mut self) {
        let daemons = self.pool.workers.iter().chain([&self.pool.scheduler]).flatten();
        for daemon in daemons {
            self.seen.extend(daemon.children());
            self.seen.insert(daemon.pid());
        }
    }

    /// Peace: one worker is new, whatever became of the others; those that were stopped go on.
    fn mend(&mut self) {
        self.start_scheduler();
        self.start_worker(0);
        for worker in self.pool.workers.iter().flatten() {
            worker.signal(Signal::CONT);
        }
    }

    fn made(&self, job: &str, whole: &Media) -> Media {
        let Some(server) = &self.server else { return media(&self.pool.job(job)) };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let settings = S3Settings::of(server.variables());
            let store = Store::open(&self.pool.store.parse().unwrap(), &settings).await.unwrap();
            let job = segue_api::request::job_id(job).unwrap();
            let mut made = Media::new();
            for name in whole.keys() {
                let bytes = store.read(job, name.to_str().unwrap()).await.unwrap();
                made.insert(PathBuf::from(name), bytes.expect("it is there").to_vec());
            }
            made
        })
    }

    fn all_that_was_said(&self) -> String {
        let daemons = self.pool.workers.iter().chain([&self.pool.scheduler]).flatten();
        let now: Vec<String> = daemons.map(Daemon::said).collect();
        format!("{}\n{}", self.said, now.join("\n"))
    }
}

fn heal(server: &Server) {
    server.stall(false);
    server.refuse(false);
}

fn note(who: &str, number: usize, what: impl Debug) {
    println!("  {who} {number}: {what:?}");
}
