//! Who is killed, told to end, or too many: nothing is left behind.

use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::house::{House, endless, files, line, spawn, text};
use crate::support::pool::{lives, until};

#[test]
fn sigterm_ends_it_as_it_would_ffmpeg_and_its_file_is_whole() {
    let house = House::new(1);
    let out = house.path("live.mkv").display().to_string();
    let mut words =
        line("-v error -re -f lavfi -i testsrc2=s=64x64:r=10 -c:v mpeg2video -flush_packets 1 -y");
    words.push(&out);
    let mut client = spawn(&mut house.ffmpeg(&words));
    until("it begins", || (fs::metadata(&out).ok()?.len() > 0).then_some(()));
    kill_process(Pid::from_child(&client), Signal::TERM).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(255));
    let seen = Command::new("ffprobe").args(["-v", "error", &out]).output().unwrap();
    assert!(seen.status.success() && seen.stderr.is_empty(), "{}", text(&seen.stderr));
    house.nothing_is_left();
}

#[test]
fn a_film_that_grows_meanwhile_is_read_as_it_was_and_that_is_said() {
    let house = House::new(1);
    let film = house.path("growing.mkv");
    fs::copy(crate::support::film(), &film).unwrap();
    let words = line("-v error -re -i growing.mkv -t 1 -f null -");
    let client = spawn(&mut house.ffmpeg(&words));
    house.command();
    let mut file = fs::OpenOptions::new().append(true).open(&film).unwrap();
    file.write_all(b"more").unwrap();
    let ended = client.wait_with_output().unwrap();
    assert!(ended.status.success());
    assert!(text(&ended.stderr).contains("growing.mkv grew meanwhile"), "{}", text(&ended.stderr));
}

#[test]
fn a_client_that_is_killed_leaves_no_ffmpeg_and_no_half_written_segment() {
    let house = House::new(1);
    let words = line(
        "-v error -re -f lavfi -i testsrc2=s=64x64:r=10 -g 10 -f hls -hls_time 1 \
         -hls_segment_filename x%d.ts x.m3u8",
    );
    let mut client = spawn(&mut house.ffmpeg(&words));
    until("a segment appears", || house.path("x0.ts").exists().then_some(()));
    let command = house.command();
    client.kill().unwrap();
    client.wait().unwrap();
    until("ffmpeg ends", || (!lives(command)).then_some(()));
    house.nothing_is_left();
    for (name, bytes) in files(house.here.path()) {
        if name.ends_with(".ts") {
            assert_eq!(bytes.len() % 188, 0, "{name} is half written");
        }
    }
}

#[test]
fn a_worker_that_is_killed_takes_ffmpeg_with_it_and_the_run_fails_as_ffmpeg_would() {
    let mut house = House::new(1);
    let out = house.path("live.ts").display().to_string();
    let mut client = spawn(&mut house.ffmpeg(&endless(&out)));
    until("it begins", || (fs::metadata(&out).ok()?.len() > 0).then_some(()));
    let command = house.command();
    house.pool.worker(0).signal(Signal::KILL);
    assert_eq!(client.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    client.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("worker w0 was lost"), "{said}");
    assert!(said.contains("cannot go on elsewhere: it does not make HLS"), "{said}");
    until("ffmpeg ends", || (!lives(command)).then_some(()));
    // What it left is removed when it starts again.
    assert!(fs::read_dir(house.scratch()).unwrap().next().is_some());
    house.pool.worker(0);
    house.pool.workers[0] = None;
    house.pool.start_worker(0);
    house.nothing_is_left();
}

#[test]
fn a_worker_that_is_told_to_leave_ends_its_commands_first() {
    let mut house = House::new(1);
    let out = house.path("live.ts").display().to_string();
    let mut words = line("-v error -re -f lavfi -i testsrc2=s=64x64:r=10:d=5 -c:v mpeg2video -y");
    words.push(&out);
    let mut client = spawn(&mut house.ffmpeg(&words));
    until("it begins", || (fs::metadata(&out).ok()?.len() > 0).then_some(()));
    house.pool.worker(0).signal(Signal::TERM);
    assert_eq!(client.wait().unwrap().code(), Some(0));
    let mut counted = Command::new("ffprobe");
    counted.args(["-v", "error", "-count_packets", "-show_streams", &out]);
    assert!(text(&counted.output().unwrap().stdout).contains("nb_read_packets=50"));
    let mut worker = house.pool.workers[0].take().unwrap();
    assert_eq!(worker.end(), Some(0));
}

#[test]
fn a_worker_that_cannot_start_ffmpeg_any_more_is_passed_over() {
    let own = tempfile::tempdir().unwrap();
    let ffmpeg = own.path().join("ffmpeg");
    fs::copy("/usr/bin/ffmpeg", &ffmpeg).unwrap();
    let name = ffmpeg.display().to_string();
    let house = House::with(1, &[("SEGUE_FFMPEG", &name)]);
    let words = ["-v", "error", "-f", "lavfi", "-i", "nullsrc=d=1", "-f", "null", "-"];
    house.succeed(&words);
    fs::remove_file(&ffmpeg).unwrap();
    let refused = house.run(&words);
    let said = text(&refused.stderr);
    assert!(said.contains("could not be started") && !refused.status.success(), "{said}");
    assert_ne!(refused.status.code(), Some(125), "{said}");
    house.nothing_is_left();
}

#[test]
fn a_run_of_which_nothing_was_delivered_goes_on_elsewhere() {
    for signal in [Signal::KILL, Signal::STOP] {
        goes_on_elsewhere_after(signal);
    }
}

fn goes_on_elsewhere_after(signal: Signal) {
    let house = House::new(2);
    // Nothing comes before all of it was seen.
    let words = line(
        "-v error -re -f lavfi -i testsrc2=s=64x64:r=10:d=4 -vf reverse -frames:v \
         1 p.png",
    );
    let mut client = spawn(&mut house.ffmpeg(&words));
    let command = house.command();
    let worker = house.pool.workers.iter().flatten();
    let mut of_it = worker.filter(|worker| worker.children().contains(&command));
    let worker = of_it.next().unwrap();
    worker.signal(signal);
    assert_eq!(client.wait().unwrap().code(), Some(0));
    assert!(house.path("p.png").exists());
    // One that stood still finds that nobody waits.
    worker.signal(Signal::CONT);
    until("ffmpeg ends", || (!lives(command)).then_some(()));
}

#[test]
fn a_full_pool_and_one_that_lacks_something_are_told_apart() {
    let house = House::with(1, &[("SEGUE_COMMAND_PLACES", "1")]);
    let out = house.path("live.ts").display().to_string();
    let mut client = spawn(&mut house.ffmpeg(&endless(&out)));
    until("it begins", || (fs::metadata(&out).ok()?.len() > 0).then_some(()));
    let full = house.run(&["-f", "lavfi", "-i", "nullsrc=d=1", "-f", "null", "-"]);
    assert_eq!(full.status.code(), Some(98), "{}", text(&full.stderr));
    let ask =
        |words: &[&str]| text(&house.pool.ask(words[0]).args(&words[1..]).output().unwrap().stdout);
    assert!(ask(&["workers"]).contains("1 of 1"), "{}", ask(&["workers"]));
    assert!(ask(&["drain", "w0"]).contains("ends 1 command first"));
    assert!(ask(&["workers"]).contains("draining"), "{}", ask(&["workers"]));
    client.kill().unwrap();
    client.wait().unwrap();
    house.nothing_is_left();
    until("it is drained", || ask(&["workers"]).contains("drained").then_some(()));
    let drained = house.run(&["-f", "lavfi", "-i", "nullsrc=d=1", "-f", "null", "-"]);
    assert_eq!(drained.status.code(), Some(97), "{}", text(&drained.stderr));
    ask(&["drain", "w0", "--undo"]);
    let lacking =
        house.run(&["-f", "lavfi", "-i", "nullsrc=d=1", "-c:v", "h264_strange", "-f", "null", "-"]);
    // Nobody else would do it, so an ffmpeg says what it says of that.
    assert_eq!(lacking.status.code(), Some(1));
    let said = text(&lacking.stderr);
    assert!(said.contains("Unknown encoder 'h264_strange'"), "{said}");
    let network = house.run(&["-i", "http://127.0.0.1:1/a", "-f", "null", "-"]);
    assert!(text(&network.stderr).contains("--command-network"), "{}", text(&network.stderr));
    until("its place is free again", || {
        let run =
            house.run(&["-v", "error", "-f", "lavfi", "-i", "nullsrc=d=1", "-f", "null", "-"]);
        (run.status.code() == Some(0)).then_some(())
    });
}
