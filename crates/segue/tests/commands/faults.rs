//! Who is killed, told to end, or too many: nothing is left behind.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::house::{House, endless, files, line, plain, spawn, text, uneasy};
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
    until("ffmpeg ends", || (!lives(command)).then_some(()));
    // What it left is removed when it starts again.
    assert!(fs::read_dir(house.scratch()).unwrap().next().is_some());
    house.pool.worker(0);
    house.pool.workers[0] = None;
    house.pool.start_worker(0);
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
fn an_hls_line_goes_on_elsewhere_with_nothing_doubled_and_nothing_missing() {
    goes_on_elsewhere_with("film.mp4");
    goes_on_elsewhere_with("film.mkv");
}

fn goes_on_elsewhere_with(name: &str) {
    let house = House::new(2);
    let film = uneasy(house.pool.scratch.path(), name).display().to_string();
    let words = |paced: bool| {
        let pace: &[&str] = if paced { &["-readrate", "2"] } else { &[] };
        let mut words = [pace, &["-i", &film, "-map", "0:0", "-map", "0:1"]].concat();
        words.extend(line(
            "-c:v libx264 -preset ultrafast -bf 2 -sc_threshold:v:0 0 -c:a aac \
             -force_key_frames:0 expr:gte(t,n_forced*1) -copyts -avoid_negative_ts disabled \
             -max_delay 5000000 -f hls -hls_time 1 -hls_segment_filename ab%d.ts \
             -hls_playlist_type vod -hls_list_size 0 -y ab.m3u8",
        ));
        words
    };
    let there = tempfile::tempdir().unwrap();
    assert!(plain(there.path(), &words(false)).status.success());

    let mut client = spawn(&mut house.ffmpeg(&words(true)));
    until("segments appear", || house.path("ab3.ts").exists().then_some(()));
    let before = files(house.here.path());
    let command = house.command();
    let mut workers = house.pool.workers.iter().flatten();
    let of_it = workers.find(|worker| worker.children().contains(&command)).unwrap();
    of_it.signal(Signal::KILL);
    let mut said = String::new();
    client.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("another one goes on"), "{said}");

    let made = files(house.here.path());
    for (name, bytes) in before.iter().filter(|(name, _)| name.starts_with("ab")) {
        assert!(made[name] == *bytes, "{name} was there, and was touched");
    }
    let due = files(there.path());
    assert_eq!(made.keys().collect::<Vec<_>>(), due.keys().collect::<Vec<_>>());
    let (shown, expected) = (times(&made, "v"), times(&due, "v"));
    let differs = |pair: &(&f64, &f64)| (pair.0 - pair.1).abs() > 2.0 / 90_000.0;
    assert_eq!(shown.iter().zip(&expected).find(differs), None);
    assert_eq!(shown.len(), expected.len());
    // Frames of sound begin elsewhere, by less than one.
    let frame = 1024.0 / 48_000.0;
    let sound = times(&made, "a");
    for pair in sound.windows(2) {
        let step = pair[1] - pair[0];
        assert!(step > 0.0 && step < 2.0 * frame, "{step} at {}", pair[0]);
    }
    let last = sound[sound.len() - 1] - times(&due, "a").pop().unwrap();
    assert!(last.abs() < frame, "{last}");
    // What media servers read goes on, too.
    let figures: Vec<&str> = said.split("time=").skip(1).map(|rest| &rest[..11]).collect();
    assert!(figures.is_sorted() && figures.last() > Some(&"00:00:09.3"), "{figures:?}");
}

/// When each frame of a kind is shown, in all segments together.
fn times(files: &BTreeMap<String, Vec<u8>>, kind: &str) -> Vec<f64> {
    let mut times = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".ts")) {
        let entries = ["-show_entries", "packet=pts_time", "-of", "csv=p=0"];
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-select_streams", kind]).args(entries).arg("-");
        let mut child = spawn(&mut command);
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.clone();
        let written = std::thread::spawn(move || stdin.write_all(&bytes));
        let seen = child.wait_with_output().unwrap();
        written.join().unwrap().unwrap();
        let seen = text(&seen.stdout);
        assert!(!seen.is_empty(), "{name} has no {kind}");
        // What stands beside a packet makes lines that are empty.
        let stamps = seen.lines().map(|line| line.trim_end_matches(',')).filter(|s| !s.is_empty());
        times.extend(stamps.map(|stamp| stamp.parse::<f64>().unwrap()));
    }
    times.sort_by(f64::total_cmp);
    times
}

#[test]
fn a_full_pool_and_one_that_lacks_something_are_told_apart() {
    let house = House::with(1, &[("SEGUE_COMMAND_PLACES", "1")]);
    let out = house.path("live.ts").display().to_string();
    let mut client = spawn(&mut house.ffmpeg(&endless(&out)));
    until("it begins", || (fs::metadata(&out).ok()?.len() > 0).then_some(()));
    let full = house.run(&["-f", "lavfi", "-i", "nullsrc=d=1", "-f", "null", "-"]);
    assert_eq!(full.status.code(), Some(98), "{}", text(&full.stderr));
    client.kill().unwrap();
    client.wait().unwrap();
    house.nothing_is_left();
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
