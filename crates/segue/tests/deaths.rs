//! Span processes that die, and a parent that does: what is made is whole and the same.

mod support;

use std::path::Path;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use support::{
    Run, Watched, assert_nothing_unfinished, contents, film, names, pid, run, transcode,
};
use tempfile::tempdir;

/// What an undisturbed run makes.
fn undisturbed(directory: &Path) {
    Run::start(&mut transcode(&film(), directory)).succeed();
}

fn assert_same(left: &Path, right: &Path) {
    let (left, right) = (contents(left), contents(right));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    let differing: Vec<_> =
        left.iter().filter(|(name, bytes)| right[*name] != **bytes).map(|(name, _)| name).collect();
    assert!(differing.is_empty(), "{differing:?} differ");
}

#[test]
fn processes_killed_at_any_moment_cost_nothing_but_a_retry() {
    let scratch = tempdir().unwrap();
    for packaging in ["ts", "fmp4"] {
        let ladder = ["--rendition", "180p", "--rendition", "90p", "--packaging", packaging];
        let whole = scratch.path().join(format!("whole-{packaging}"));
        let disturbed = scratch.path().join(format!("disturbed-{packaging}"));
        Run::start(transcode(&film(), &whole).args(ladder)).succeed();
        kill_some(Run::start(transcode(&film(), &disturbed).args(ladder)));
        assert_same(&whole, &disturbed);
    }
}

fn kill_some(mut run: Run) {
    // One before it makes anything, stopped so that it cannot, and some in the middle.
    let first = run.process();
    kill_process(first, Signal::STOP).unwrap();
    run.until("segment");
    kill_process(first, Signal::KILL).unwrap();
    for _ in 0..3 {
        let maker = pid(&run.until("segment"));
        // It may have ended its span, and nothing else be left: then it is gone already.
        let _ = kill_process(maker, Signal::KILL);
    }
    let events = run.succeed();
    let died = events.iter().find(|event| event["event"] == "process_died").unwrap();
    assert_eq!(died["how"], "was killed (SIGKILL)");
    let done = events.last().unwrap();
    assert!(done["deaths"].as_u64().unwrap() >= 1, "{done}");
}

#[test]
fn a_process_that_hangs_is_killed_and_its_segments_go_to_another() {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("out");
    let (run, died) = loop {
        // Where the machine lets one of the others not be heard for as long, that one's segments go to
        // another, too.
        let mut run = Run::start(transcode(&film(), &directory).args(["--patience", "10"]));
        let stopped = run.process();
        let _ = kill_process(stopped, Signal::STOP);
        let is_its_end = |event: &Value| event["event"] == "process_died" && pid(event) == stopped;
        let mut events = std::iter::from_fn(|| run.next());
        if let Some(died) = events.find(is_its_end) {
            break (run, died);
        }
        // It had made all it had to when it was stopped.
        run.succeed();
        std::fs::remove_dir_all(&directory).unwrap();
    };
    assert!(died["how"].as_str().unwrap().starts_with("hung (silent for 10 s)"), "{died}");
    run.succeed();
}

#[test]
fn a_segment_that_ends_every_process_ends_the_job_and_is_named() {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("out");
    let mut command = transcode(&film(), &directory);
    let mut run = Run::start(command.args(["--patience", "1"]));
    while let Some(event) = run.next() {
        if event["event"] == "process_started" {
            let _ = kill_process(pid(&event), Signal::STOP);
        }
    }
    let (status, errors) = run.finish();
    assert_eq!(status.code(), Some(1), "{errors}");
    let named = errors.contains("into the film) ended ") && errors.contains(" span processes; ");
    assert!(named, "{errors}");
    assert!(!directory.exists());
}

#[test]
fn a_killed_parent_leaves_no_process_and_the_same_command_goes_on() {
    let scratch = tempdir().unwrap();
    let (whole, resumed) = (scratch.path().join("whole"), scratch.path().join("resumed"));
    undisturbed(&whole);
    let mut run = Run::start(&mut transcode(&film(), &resumed));
    let pids = [run.process(), run.process()];
    let children = pids.map(Watched::new);
    run.until("segment");
    // One that is stopped cannot see that its orders end: the kernel has to kill it.
    kill_process(pids[0], Signal::STOP).unwrap();
    run.signal(Signal::KILL);
    for child in &children {
        child.must_end();
    }
    run.finish();
    assert!(!resumed.join("master.m3u8").exists());

    let events = Run::start(&mut transcode(&film(), &resumed)).succeed();
    let job = events.iter().find(|event| event["event"] == "job").unwrap();
    assert!(job["made"].as_u64().unwrap() >= 1, "{job}");
    assert_nothing_unfinished(&resumed);
    assert_same(&whole, &resumed);
}

#[test]
fn ctrl_c_ends_everything_in_order_and_says_how_to_go_on() {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("out");
    let mut run = Run::start(&mut transcode(&film(), &directory));
    let children = [run.process(), run.process()].map(Watched::new);
    run.until("segment");
    run.signal(Signal::INT);
    let (status, errors) = run.finish();
    for child in &children {
        child.must_end();
    }
    assert_eq!(status.code(), Some(130), "{errors}");
    assert!(errors.contains("the same command goes on from there"), "{errors}");
    assert_eq!(run.count("process_died"), 0, "{:#?}", run.events);
    assert_nothing_unfinished(&directory);
    assert!(!names(&directory).iter().any(|name| name.extension() == Some("m3u8".as_ref())));
}

#[test]
fn ctrl_c_before_anything_is_made_leaves_nothing_behind() {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("new/out");
    let mut run = Run::start(&mut transcode(&film(), &directory));
    // Stopped, so that nothing is made.
    let first = run.process();
    kill_process(first, Signal::STOP).unwrap();
    let second = run.process();
    kill_process(second, Signal::STOP).unwrap();
    run.signal(Signal::INT);
    let (status, errors) = run.finish();
    assert_eq!(status.code(), Some(130), "{errors}");
    assert!(!scratch.path().join("new").exists(), "{:?}", names(scratch.path()));
}

#[test]
fn a_finished_directory_is_left_alone() {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("out");
    undisturbed(&directory);
    let before = contents(&directory);
    let (code, output, errors) = run(&mut transcode(&film(), &directory));
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains("finished already"), "{output}");
    assert_eq!(contents(&directory), before);
}

/// What the closing words of a run say of the source's losses.
fn losses(events: &[Value]) -> [Value; 3] {
    let done = events.last().unwrap();
    assert_eq!(done["event"], "done");
    ["damaged", "short_by", "claimed"].map(|name| done[name].clone())
}

/// Gives the index of the last segment.
fn interrupt_when_only_the_front_is_missing(input: &Path, directory: &Path) -> Value {
    loop {
        let mut run = Run::start(&mut transcode(input, directory));
        // The front of the film stays with this one, so that it is not finished.
        let _ = kill_process(run.process(), Signal::STOP);
        let segments = run.until("job")["segments"].as_u64().unwrap();
        let last = (segments - 1).into();
        while run.until("segment")["index"] != last {}
        run.signal(Signal::INT);
        let (status, errors) = run.finish();
        if (run.count("segment") as u64) < segments {
            assert_eq!(status.code(), Some(130), "{errors}");
            return last;
        }
        // That process had made all it had to when it was stopped.
        std::fs::remove_dir_all(directory).unwrap();
    }
}

#[test]
fn what_a_cut_off_film_lacks_is_told_by_every_run_though_only_an_interrupted_one_saw_it() {
    let input = segue_lab::bad_source("truncated-mp4");
    let scratch = tempdir().unwrap();
    let (whole, resumed) = (scratch.path().join("whole"), scratch.path().join("resumed"));
    let all = losses(&Run::start(&mut transcode(&input, &whole)).succeed());
    let [damaged, _, claimed] = &all;
    assert!(damaged.as_u64().unwrap() > 0 && claimed.is_number(), "{all:?}");

    let last = interrupt_when_only_the_front_is_missing(&input, &resumed);

    let events = Run::start(&mut transcode(&input, &resumed)).succeed();
    let made: Vec<_> = events.iter().filter(|event| event["event"] == "segment").collect();
    assert!(!made.is_empty(), "nothing was left to make");
    assert!(made.iter().all(|event| event["index"] != last), "the end was made again");
    assert_eq!(losses(&events), all);

    let events = Run::start(&mut transcode(&input, &resumed)).succeed();
    assert_eq!(events.last().unwrap()["made_now"], 0);
    assert_eq!(losses(&events), all);
    let (_, output, _) = run(&mut transcode(&input, &resumed));
    for words in ["finished already", "damaged frame", "the source is cut off"] {
        assert!(output.contains(words), "no `{words}` in: {output}");
    }
}

#[test]
fn a_segment_that_was_truncated_or_removed_is_made_again() {
    let scratch = tempdir().unwrap();
    let directory = scratch.path().join("out");
    undisturbed(&directory);
    let before = contents(&directory);
    std::fs::remove_file(directory.join("180p/00003.ts")).unwrap();
    std::fs::write(directory.join("180p/00007.ts"), b"half").unwrap();
    let events = Run::start(&mut transcode(&film(), &directory)).succeed();
    assert_eq!(events.last().unwrap()["made_now"], 2);
    assert_eq!(contents(&directory), before);
}
