//! A cluster's life in simulated time, as a seed decides: the very planner and sessions, a network
//! that loses, doubles, delays and reorders, hosts that crash, freeze and lie, a store that stalls,
//! schedulers that die. Rules are checked at every step; planted bugs see to it that they bite.
//!
//! `SEGUE_SEEDS=20000 cargo test -p segue-dispatch --test simulator` for more lives than the usual
//! thousand, `SEGUE_SEED=17` for one of them with everything that happens in it.

mod chance;
mod check;
mod driver;
mod faults;
mod flaw;
mod host;
mod hurry;
mod jobs;
mod rest;
mod weather;
mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flaw::Flaw;
use world::World;

const SEEDS: u64 = 1_000;

fn seeds() -> u64 {
    std::env::var("SEGUE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(SEEDS)
}

/// The first seed below `end` whose life breaks a rule, and which one.
fn first_broken(end: u64, flaw: Option<Flaw>) -> Option<(u64, String)> {
    (0..end).find_map(|seed| Some((seed, World::of(seed, flaw).live()?)))
}

#[test]
fn no_weather_breaks_a_rule() {
    if let Some(seed) = std::env::var("SEGUE_SEED").ok().and_then(|text| text.parse().ok()) {
        return show(seed);
    }
    let (end, begun) = (seeds(), Instant::now());
    let (next, lived, steps) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let life = || -> Result<(), String> {
        let mut said = begun;
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return Ok(());
            }
            let mut world = World::of(seed, None);
            if let Some(broken) = world.live() {
                next.store(end, Ordering::Relaxed);
                return Err(format!("seed {seed}: {broken}"));
            }
            steps.fetch_add(world.checks.steps, Ordering::Relaxed);
            let lived = lived.fetch_add(1, Ordering::Relaxed) + 1;
            if said.elapsed() > Duration::from_secs(10) {
                said = Instant::now();
                println!("{lived} of {end} lives in {} s", begun.elapsed().as_secs());
            }
        }
    };
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(life)).collect();
        threads.into_iter().map(|thread| thread.join().expect("a life panicked")).collect()
    });
    for result in results {
        result.unwrap_or_else(|broken| panic!("{broken}"));
    }
    let (steps, seconds) = (steps.into_inner(), begun.elapsed().as_secs_f64());
    println!("{end} lives, {steps} events, {seconds:.1} s");
}

fn show(seed: u64) {
    let mut world = World::of(seed, None);
    println!("{:#?}\n{:#?}\n{:#?}", world.weather, world.films, world.viewers);
    world.checks.keep_lines = true;
    let broken = world.live();
    for line in &world.checks.lines {
        println!("{line}");
    }
    assert_eq!(broken, None);
}

#[test]
fn the_same_seed_lives_the_same_life() {
    for seed in 0..20 {
        let life = || {
            let mut world = World::of(seed, None);
            (world.live(), world.now, world.checks.steps, world.checks.digest())
        };
        assert_eq!(life(), life(), "seed {seed}");
    }
}

#[test]
fn every_planted_bug_is_found_within_a_thousand_seeds() {
    let missed: Vec<Flaw> = std::thread::scope(|scope| {
        let half = Flaw::ALL.len() / 2;
        let find = |flaws: &'static [Flaw]| {
            let missed = |flaw: &&Flaw| match first_broken(SEEDS, Some(**flaw)) {
                Some((seed, rule)) => {
                    let rule = rule.split(": ").next().unwrap_or_default();
                    println!("{flaw:?}: seed {seed}, \"{rule}\"");
                    false
                }
                None => true,
            };
            scope.spawn(move || flaws.iter().filter(missed).copied().collect::<Vec<_>>())
        };
        const ALL: &[Flaw] = &Flaw::ALL;
        let threads = [find(&ALL[..half]), find(&ALL[half..])];
        threads.into_iter().flat_map(|t| t.join().expect("a life panicked")).collect()
    });
    assert_eq!(missed, []);
}
