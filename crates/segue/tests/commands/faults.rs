//! Who is killed, told to end, or too many: nothing is left behind.

use std::fs;
use std::io::Read;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::house::{House, endless, files, large, line, spawn, text};
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
fn an_hls_line_goes_on_from_the_next_segment_elsewhere() {
    let house = House::new(2);
    let film = large(house.pool.scratch.path()).display().to_string();
    let mut words = vec!["-v", "error", "-re", "-i", &film, "-map", "0:0", "-c:v", "libx264"];
    words.extend(["-preset", "ultrafast", "-force_key_frames:0", "expr:gte(t,n_forced*1)"]);
    words.extend(["-copyts", "-avoid_negative_ts", "disabled", "-f", "hls", "-hls_time", "1"]);
    words.extend([
        "-hls_segment_filename",
        "ab%d.ts",
        "-hls_playlist_type",
        "vod",
        "-y",
        "ab.m3u8",
    ]);
    let mut client = spawn(&mut house.ffmpeg(&words));
    let segment = |number: u32| house.path(&format!("ab{number}.ts"));
    until("segments appear", || segment(2).exists().then_some(()));
    let before = fs::read(segment(0)).unwrap();
    let command = house.command();
    let mut workers = house.pool.workers.iter().flatten();
    let of_it = workers.find(|worker| worker.children().contains(&command)).unwrap();
    of_it.signal(Signal::KILL);
    until("it goes on", || segment(8).exists().then_some(()));
    kill_process(Pid::from_child(&client), Signal::TERM).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(255));
    assert!(fs::read(segment(0)).unwrap() == before, "what was there was touched");
    // Each begins a second after the one before, as one process would have it.
    let begins = |number: u32| {
        let seen = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "format=start_time", "-of", "csv=p=0"])
            .arg(segment(number))
            .output()
            .unwrap();
        text(&seen.stdout).trim().parse::<f64>().unwrap()
    };
    let begins: Vec<f64> = (0..8).map(begins).collect();
    for pair in begins.windows(2) {
        assert!((pair[1] - pair[0] - 1.0).abs() < 0.001, "{begins:?}");
    }
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
