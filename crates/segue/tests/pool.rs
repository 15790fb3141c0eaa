//! A scheduler and workers as real processes, which are killed, stopped and started again: what comes
//! out is what one undisturbed process makes.

mod support;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use support::draws::Draws;
use support::media::{assert_same, media, undisturbed};
use support::pool::{Pool, begun_spans, children_of, job_of, lives, until, until_published};
use support::{Run, film, names, run, segue};
use tempfile::tempdir;

#[test]
fn three_workers_make_what_one_process_makes_and_the_store_can_be_played() {
    let pool = Pool::start(3);
    for packaging in ["ts", "fmp4"] {
        let ladder = ["--rendition", "180p", "--rendition", "90p", "--packaging", packaging];
        let whole = undisturbed(&ladder);
        let events = Run::start(pool.transcode(&film()).args(ladder)).succeed();
        let directory = pool.job(&job_of(&events));
        assert_same(&whole, &media(&directory));
        let (code, said, errors) = run(segue().arg("verify").arg(directory.join("master.m3u8")));
        assert_eq!(code, Some(0), "{said}{errors}");

        // The same once more is there already, and can be fetched.
        let copy = pool.scratch.path().join(format!("copy-{packaging}"));
        let events = Run::start(pool.transcode(&film()).args(ladder).arg("--to").arg(&copy));
        let done = events.succeed().pop().unwrap();
        assert_eq!(done["made_now"], 0, "{done}");
        assert_same(&whole, &media(&copy));
    }
}

#[test]
fn any_pattern_of_kills_and_stops_ends_in_the_same_bytes_and_leaves_no_orphan() {
    for (seed, packaging) in [(1, "ts"), (2, "fmp4"), (3, "ts")] {
        let ladder = ["--rendition", "180p", "--rendition", "90p", "--packaging", packaging];
        let whole = undisturbed(&ladder);
        let mut draws = Draws(seed);
        let pool = Pool::start(3);
        let mut seen: HashSet<Pid> = HashSet::new();
        let mut run = Run::start(pool.transcode(&film()).args(ladder));
        let mut published = 0;
        // The last worker and its children are spared.
        while let Some(event) = run.next() {
            let now = event["published"].as_u64().unwrap_or(0);
            for worker in pool.workers.iter().flatten() {
                seen.extend(worker.children());
            }
            if event["event"] != "progress" || now == published {
                continue;
            }
            published = now;
            let worker = pool.worker(draws.below(2));
            let signal = if draws.below(2) == 0 { Signal::KILL } else { Signal::STOP };
            let children = worker.children();
            match draws.below(4) {
                0 => worker.signal(signal),
                _ if children.is_empty() => {}
                _ => disturb(children[draws.below(children.len())], signal),
            }
        }
        let (status, errors) = run.finish();
        assert!(status.success(), "seed {seed}: {errors}\n{:#?}", run.events);
        assert_same(&whole, &media(&pool.job(&job_of(&run.events))));

        // Stopped ones come to themselves, and find that nobody waits for them.
        for worker in pool.workers.iter().flatten() {
            worker.signal(Signal::CONT);
            seen.extend(worker.children());
        }
        drop(pool);
        until("every child has ended", || seen.iter().all(|pid| !lives(*pid)).then_some(()));
    }
}

/// Kills a process, or stops it for longer than a batch has patience with what is behind it. One that
/// stands still for good before its first segment is given up after a minute: `make chaos` waits for
/// that.
fn disturb(pid: Pid, signal: Signal) {
    // It may have ended in the meantime.
    let _ = kill_process(pid, signal);
    if signal == Signal::STOP {
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(5));
            let _ = kill_process(pid, Signal::CONT);
        });
    }
}

#[test]
fn workers_go_on_while_the_scheduler_is_dead_and_nothing_is_made_twice() {
    let mut pool = Pool::start(3);
    let ladder = ["--rendition", "180p", "--preset", "veryslow"];
    let mut command = pool.ask("transcode");
    command.arg(film()).args(support::SEGMENTS).arg("--exact").args(ladder);
    let mut run = Run::start(&mut command);
    until_published(&mut run, 2);
    let directory = pool.job(&job_of(&run.events));
    let mut scheduler = pool.scheduler.take().unwrap();
    scheduler.signal(Signal::KILL);
    scheduler.end();
    let before = segments(&directory);
    // Without it.
    until("workers publish more", || (segments(&directory).len() > before.len()).then_some(()));
    let by_then = segments(&directory);
    pool.start_scheduler();
    run.succeed();
    // Not one was replaced, and not one was begun again.
    let after = segments(&directory);
    assert!(by_then.iter().all(|(name, inode)| after.get(name) == Some(inode)));
    let said: String = pool.workers.iter().flatten().map(|worker| worker.said()).collect();
    assert!(!said.contains("panicked"), "{said}");
    for name in by_then.keys() {
        let index: u32 = name.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        let begun = begun_spans(&said).filter(|(first, end)| (*first..*end).contains(&index));
        assert_eq!(begun.count(), 1, "segment {index} was given out more than once:\n{said}");
    }
}

/// Names and inodes.
fn segments(directory: &Path) -> BTreeMap<PathBuf, u64> {
    let is_segment = |name: &PathBuf| name.extension() == Some("ts".as_ref());
    let inode = |name: PathBuf| {
        let inode = fs::metadata(directory.join(&name)).ok()?.ino();
        Some((name, inode))
    };
    names(directory).into_iter().filter(is_segment).filter_map(inode).collect()
}

#[test]
fn a_worker_that_is_told_to_end_hands_back_what_it_holds() {
    let mut pool = Pool::start(2);
    let whole = undisturbed(&["--rendition", "180p"]);
    let mut run = Run::start(pool.transcode(&film()).args(["--rendition", "180p"]));
    until_published(&mut run, 1);
    let children = pool.worker(0).children();
    pool.worker(0).signal(Signal::TERM);
    let mut leaver = pool.workers[0].take().unwrap();
    assert_eq!(leaver.end(), Some(0), "{}", leaver.said());
    until("its children end with it", || children.iter().all(|pid| !lives(*pid)).then_some(()));
    let events = run.succeed();
    assert_same(&whole, &media(&pool.job(&job_of(&events))));
}

#[test]
fn a_drained_worker_is_given_nothing_until_that_is_taken_back() {
    let mut pool = Pool::start(1);
    let (code, said, errors) = run(pool.ask("drain").arg("w0"));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(said.contains("given nothing new"), "{said}");
    let mut waiting = Run::start(pool.transcode(&film()).args(["--rendition", "180p"]));
    let job = waiting.until("job");
    assert_eq!(job["published"], 0);
    let (_, listed, _) = run(&mut pool.ask("workers"));
    assert!(listed.contains("drained"), "{listed}");
    assert!(!pool.worker(0).said().contains("begun"));
    // A scheduler that is started again knows it, too.
    drop(pool.scheduler.take());
    pool.start_scheduler();
    let is_listed = || run(&mut pool.ask("workers")).1.contains("drained").then_some(());
    until("the worker is back, and drained", is_listed);
    run(pool.ask("drain").args(["w0", "--undo"]));
    waiting.succeed();
    let (code, _, errors) = run(pool.ask("drain").arg("nobody"));
    assert_eq!(code, Some(2));
    assert!(errors.contains("nobody"), "{errors}");
}

#[test]
fn an_interrupted_client_takes_its_claim_back_and_another_goes_on() {
    let pool = Pool::start(2);
    let slow = ["--rendition", "180p", "--preset", "veryslow"];
    let start = || {
        let mut command = pool.ask("transcode");
        Run::start(command.arg(film()).args(support::SEGMENTS).args(slow))
    };
    let mut first = start();
    until_published(&mut first, 1);
    let mut second = start();
    second.until("job");
    first.signal(Signal::INT);
    let (status, errors) = first.finish();
    assert_eq!(status.code(), Some(130));
    assert!(errors.contains("others want it still"), "{errors}");
    second.succeed();
}

#[test]
fn a_second_signal_ends_a_client_whose_scheduler_does_not_answer() {
    let pool = Pool::start(1);
    let mut run = Run::start(pool.transcode(&film()).args(["--rendition", "180p"]));
    run.until("job");
    pool.scheduler().signal(Signal::STOP);
    // The first one takes the claim back, for which nobody has an ear.
    run.signal(Signal::INT);
    let pid = run.pid();
    // Two at the same moment may be taken for one.
    until("another one ends it", || {
        run.signal(Signal::TERM);
        (!lives(pid)).then_some(())
    });
    let (status, errors) = run.finish();
    assert_eq!((status.code(), errors.as_str()), (Some(130), ""));
}

#[test]
fn everything_on_one_machine_comes_up_and_goes_down_with_one_process() {
    let data = tempdir().unwrap();
    let mut up = segue();
    up.arg("up").arg("--data").arg(data.path()).args(["--listen", "127.0.0.1:0", "--workers", "2"]);
    let mut up = up.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut lines = std::io::BufReader::new(up.stdout.take().unwrap());
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).unwrap();
    let url = line.split(' ').find(|word| word.starts_with("http://")).expect(&line).to_owned();
    let mut command = segue();
    command.args(["transcode", "--scheduler", &url, "--rendition", "180p"]).arg(film());
    Run::start(&mut command).succeed();

    let pid = Pid::from_child(&up);
    // A scheduler that is started again is where it was, though that port was any that is free.
    let is_scheduler = |pid: &Pid| {
        let told = fs::read(format!("/proc/{}/cmdline", pid.as_raw_pid())).unwrap_or_default();
        told.split(|byte| *byte == 0).nth(1) == Some(b"scheduler")
    };
    let scheduler = children_of(pid).into_iter().find(is_scheduler).unwrap();
    kill_process(scheduler, Signal::KILL).unwrap();
    let is_back = || {
        let (_, listed, _) = run(segue().args(["workers", "--scheduler", &url]));
        ["worker-1", "worker-2"].iter().all(|name| listed.contains(name)).then_some(())
    };
    until("the workers have found their scheduler again", is_back);

    let daemons = children_of(pid);
    assert_eq!(daemons.len(), 3);
    let children: Vec<Pid> = daemons.iter().flat_map(|daemon| children_of(*daemon)).collect();
    kill_process(pid, Signal::KILL).unwrap();
    up.wait().unwrap();
    let all: Vec<Pid> = daemons.into_iter().chain(children).collect();
    until("everything has ended", || all.iter().all(|pid| !lives(*pid)).then_some(()));
}
