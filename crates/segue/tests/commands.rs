//! Lines of ffmpeg's run on a worker as if they ran here: the same files, the same bytes on the same
//! streams, the same exit codes; and nothing is left behind, whoever is killed.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use support::film;
use support::pool::{Pool, children_of, lives, until};
use tempfile::TempDir;

/// A pool whose workers run commands, and a directory to run them in.
struct House {
    pool: Pool,
    here: TempDir,
}

impl House {
    fn new(workers: usize) -> House {
        House::with(workers, &[])
    }

    fn with(workers: usize, more: &[(&str, &str)]) -> House {
        let scratch = tempfile::tempdir().unwrap();
        let store = scratch.path().join("store").display().to_string();
        let commands = scratch.path().join("commands").display().to_string();
        let mut environment = vec![
            ("SEGUE_COMMANDS".to_owned(), "true".to_owned()),
            ("SEGUE_COMMAND_SCRATCH".to_owned(), commands),
        ];
        environment.extend(more.iter().map(|(name, value)| ((*name).into(), (*value).into())));
        let pool = Pool::start_in(scratch, store, environment, workers);
        House { pool, here: tempfile::tempdir().unwrap() }
    }

    fn scratch(&self) -> PathBuf {
        self.pool.scratch.path().join("commands")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.here.path().join(name)
    }

    /// A line that runs on the pool, in its directory.
    fn ffmpeg(&self, words: &[&str]) -> Command {
        self.program("ffmpeg", words)
    }

    fn program(&self, program: &str, words: &[&str]) -> Command {
        let built = Path::new(env!("CARGO_BIN_EXE_segue")).with_file_name("examples/run_on_pool");
        assert!(built.exists(), "build it: cargo build -p segue --examples");
        let mut command = Command::new(built);
        command.arg(self.pool.url()).arg(program).args(words).current_dir(self.here.path());
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.ffmpeg(words).output().unwrap()
    }

    fn succeed(&self, words: &[&str]) -> Output {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output.stderr));
        output
    }

    /// The processes of commands, on all workers.
    fn commands(&self) -> Vec<Pid> {
        let workers = self.pool.workers.iter().flatten();
        let children = workers.flat_map(|worker| children_of(worker.pid()));
        let is_ffmpeg = |pid: &Pid| {
            let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_pid()));
            name.unwrap_or_default().trim() == "ffmpeg"
        };
        children.filter(is_ffmpeg).collect()
    }

    fn command(&self) -> Pid {
        until("ffmpeg runs", || self.commands().first().copied())
    }

    fn nothing_is_left(&self) {
        until("no directory is left", || {
            fs::read_dir(self.scratch()).unwrap().next().is_none().then_some(())
        });
        // It is killed before that, and reaped when the kernel is done with it.
        until("no ffmpeg is left", || self.commands().is_empty().then_some(()));
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The same line by the ffmpeg that is here.
fn plain(directory: &Path, words: &[&str]) -> Output {
    let mut command = Command::new("ffmpeg");
    command.args(words).current_dir(directory).stdin(Stdio::null()).output().unwrap()
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap().flatten();
    entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Runs a line both ways in directories of their own, and compares all files and the exit code.
fn assert_alike(
    house: &House,
    prepare: impl Fn(&Path),
    words: &[&str],
) -> BTreeMap<String, Vec<u8>> {
    let there = tempfile::tempdir().unwrap();
    let here = tempfile::tempdir().unwrap();
    prepare(there.path());
    prepare(here.path());
    let expected = plain(there.path(), words);
    let output = house.ffmpeg(words).current_dir(here.path()).output().unwrap();
    assert_eq!(output.status.code(), expected.status.code(), "{}", text(&output.stderr));
    assert!(output.stdout == expected.stdout, "standard output differs");
    let (made, due) = (files(here.path()), files(there.path()));
    assert_eq!(made.keys().collect::<Vec<_>>(), due.keys().collect::<Vec<_>>());
    for (name, bytes) in &due {
        assert!(
            made[name] == *bytes,
            "{name} differs: {} for {} bytes",
            made[name].len(),
            bytes.len()
        );
    }
    made
}

/// Ten minutes in a few megabytes: more than is fetched whole, so that it is streamed.
fn large(directory: &Path) -> PathBuf {
    let path = directory.join("large film.mkv");
    let made = Command::new("ffmpeg")
        .args([
            "-v",
            "error",
            "-y",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=s=320x180:r=25:d=40",
            "-f",
            "lavfi",
        ])
        .args([
            "-i",
            "sine=d=40",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-qp",
            "8",
            "-g",
            "50",
        ])
        .args(["-c:a", "pcm_s16le", "-ar", "48000", "-ac", "2"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    assert!(fs::metadata(&path).unwrap().len() > 9 << 20, "it would be fetched whole");
    path
}

const EXACT: [&str; 6] = ["-fflags", "+bitexact", "-flags", "+bitexact", "-threads", "1"];

fn spawn(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// For ever, as fast as a film plays.
const ENDLESS: [&str; 12] = [
    "-v",
    "error",
    "-re",
    "-f",
    "lavfi",
    "-i",
    "testsrc2=s=64x64:r=10",
    "-c:v",
    "mpeg2video",
    "-f",
    "mpegts",
    "-y",
];

fn endless(out: &str) -> Vec<&str> {
    ENDLESS.iter().copied().chain([out]).collect()
}

#[test]
fn images_appear_at_the_callers_path() {
    let house = House::new(1);
    let film = film();
    let input = format!("file:{}", film.display());
    let out = house.path("a [b] 'c' ü.jpg").display().to_string();
    house
        .succeed(&["-ss", "1", "-i", &input, "-v", "quiet", "-vframes", "1", "-f", "image2", &out]);
    assert_eq!(fs::read(&out).unwrap()[..2], [0xff, 0xd8]);
    let made = assert_alike(
        &house,
        |_| {},
        &["-i", &input, "-an", "-vf", "fps=2", "-f", "image2", "%08d.jpg"],
    );
    assert!(made.len() > 15 && made.keys().any(|name| name == "00000012.jpg"), "{:?}", made.keys());
    house.nothing_is_left();
}

#[test]
fn trickplay_pictures_appear_one_by_one_and_complete() {
    let house = House::new(1);
    let lines = [
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x180:r=5",
        "-f",
        "image2",
        "%08d.jpg",
    ];
    let mut client = spawn(&mut house.ffmpeg(&lines));
    for number in 1..=4 {
        let path = house.path(&format!("{number:08}.jpg"));
        until("the next picture appears", || path.exists().then_some(()));
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes[bytes.len() - 2..], [0xff, 0xd9], "picture {number} is not complete");
    }
    kill_process(Pid::from_child(&client), Signal::TERM).unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(255));
    house.nothing_is_left();
}

#[test]
fn subtitles_go_to_two_outputs_and_attachments_into_the_working_directory() {
    let house = House::new(1);
    let prepare = |directory: &Path| {
        fs::write(directory.join("a.srt"), "1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
        fs::write(directory.join("font.ttf"), [7; 70_000]).unwrap();
        let made = plain(
            directory,
            &[
                "-v",
                "error",
                "-y",
                "-i",
                "a.srt",
                "-i",
                "a.srt",
                "-map",
                "0",
                "-map",
                "1",
                "-attach",
                "font.ttf",
                "-metadata:s:t",
                "mimetype=font/ttf",
                "-metadata:s:t",
                "filename=own name.ttf",
                "-fflags",
                "+bitexact",
                "in.mkv",
            ],
        );
        assert!(made.status.success(), "{}", text(&made.stderr));
    };
    let made = assert_alike(
        &house,
        prepare,
        &[
            "-nostdin",
            "-y",
            "-i",
            "file:in.mkv",
            "-map",
            "0:0",
            "-c:s",
            "srt",
            "one.srt",
            "-map",
            "0:1",
            "-c:s",
            "ass",
            "two.ass",
        ],
    );
    assert!(text(&made["one.srt"]).contains("Hello") && text(&made["two.ass"]).contains("Hello"));
    let made = assert_alike(
        &house,
        prepare,
        &["-dump_attachment:t", "", "-y", "-i", "file:in.mkv", "-t", "0", "-f", "null", "null"],
    );
    assert_eq!(made["own name.ttf"], [7; 70_000]);
}

#[test]
fn files_that_are_patched_when_they_end_are_the_same_in_the_end() {
    let house = House::new(1);
    let film = film().display().to_string();
    for name in ["out.mp4", "out.mkv", "out.wav"] {
        let mut words = vec!["-v", "error", "-y", "-i", &film];
        words.extend(EXACT);
        words.extend(["-preset", "ultrafast", name]);
        assert_alike(&house, |_| {}, &words);
    }
    let mut words = vec!["-v", "error", "-y", "-i", &film, "-c", "copy", "-movflags", "faststart"];
    words.extend(["-fflags", "+bitexact", "fast.mp4"]);
    assert_alike(&house, |_| {}, &words);
    house.nothing_is_left();
}

#[test]
fn a_progressive_file_grows_and_q_ends_it() {
    let house = House::new(1);
    let out = house.path("live.ts");
    let mut client = spawn(&mut house.ffmpeg(&endless(&out.display().to_string())));
    let length = || fs::metadata(&out).map_or(0, |metadata| metadata.len());
    until("it begins", || (length() > 0).then_some(()));
    let first = length();
    until("it grows", || (length() > first).then_some(()));
    client.stdin.as_mut().unwrap().write_all(b"q\n").unwrap();
    assert_eq!(client.wait().unwrap().code(), Some(0));
    house.nothing_is_left();
}

#[test]
fn standard_output_is_bytes_and_standard_error_is_words() {
    let house = House::new(1);
    let film = film().display().to_string();
    let sound = ["-v", "error", "-i", &film, "-vn", "-f", "s16le", "-ar", "48000", "-"];
    let expected = plain(house.here.path(), &sound).stdout;
    assert!(expected.len() > 1 << 20);
    assert!(house.succeed(&sound).stdout == expected, "sound differs");

    let said = house.succeed(&[
        "-hide_banner",
        "-i",
        &film,
        "-af",
        "ebur128=framelog=verbose",
        "-f",
        "null",
        "-",
    ]);
    assert!(said.stdout.is_empty());
    let loudness =
        |said: &[u8]| text(said).lines().rfind(|line| line.contains("LUFS")).map(str::to_owned);
    let here = plain(
        house.here.path(),
        &["-i", &film, "-af", "ebur128=framelog=verbose", "-f", "null", "-"],
    );
    assert_eq!(loudness(&said.stderr), loudness(&here.stderr));
    assert!(loudness(&said.stderr).is_some());

    // As bytes come in, so they go out.
    let mut client =
        spawn(&mut house.ffmpeg(&["-v", "error", "-f", "s16le", "-i", "pipe:0", "-f", "u8", "-"]));
    let mut stdin = client.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || stdin.write_all(&vec![0; 3 << 20]).unwrap());
    let mut out = Vec::new();
    client.stdout.take().unwrap().read_to_end(&mut out).unwrap();
    feeding.join().unwrap();
    assert_eq!((client.wait().unwrap().code(), out.len()), (Some(0), 3 << 19));
}

#[test]
fn whoever_reads_no_further_ends_it_as_it_would_ffmpeg() {
    let house = House::new(1);
    let words = ["-v", "error", "-f", "lavfi", "-i", "sine", "-f", "s16le", "-"];
    let end = |mut command: Command| {
        let mut child = spawn(&mut command);
        drop(child.stdin.take());
        let mut some = [0; 100];
        child.stdout.take().unwrap().read_exact(&mut some).unwrap();
        child.wait().unwrap().code()
    };
    let mut here = Command::new("ffmpeg");
    here.args(words);
    assert_eq!(end(house.ffmpeg(&words)), end(here));
    house.nothing_is_left();
}

#[test]
fn a_streamed_film_makes_the_same_hls_as_a_file_that_is_there() {
    let house = House::new(1);
    let film = large(house.pool.scratch.path()).display().to_string();
    let mut words = vec![
        "-v", "error", "-ss", "6", "-i", &film, "-t", "18", "-map", "0:0", "-map", "0:1", "-c:v",
        "libx264",
    ];
    words.extend([
        "-preset",
        "ultrafast",
        "-force_key_frames:0",
        "expr:gte(t,n_forced*3)",
        "-c:a",
        "aac",
        "-copyts",
    ]);
    words.extend(EXACT);
    words.extend([
        "-f",
        "hls",
        "-hls_time",
        "3",
        "-start_number",
        "2",
        "-hls_segment_filename",
        "ab%d.ts",
    ]);
    words.extend(["-hls_playlist_type", "vod", "-hls_list_size", "0", "-y", "ab.m3u8"]);
    let made = assert_alike(&house, |_| {}, &words);
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        ["ab.m3u8", "ab2.ts", "ab3.ts", "ab4.ts", "ab5.ts"]
    );
    house.nothing_is_left();
}

#[test]
fn fonts_subtitles_and_lists_are_read_beside_the_film() {
    let house = House::new(1);
    let film = film();
    let prepare = |directory: &Path| {
        fs::write(
            directory.join("it's [1], 50%:.srt"),
            "1\n00:00:00,000 --> 00:00:05,000\nHello\n",
        )
        .unwrap();
        let list = format!("file '{}'\nfile '{}'\n", film.display(), film.display());
        fs::write(directory.join("list.concat"), list).unwrap();
    };
    let input = film.display().to_string();
    let filter = r"subtitles=f='it'\\\''s [1], 50%\:.srt':fontsdir='/usr/share/fonts'";
    let mut words =
        vec!["-v", "error", "-y", "-i", &input, "-t", "1", "-vf", filter, "-f", "framemd5"];
    words.extend(["burnt.txt"]);
    assert_alike(&house, prepare, &words);
    let words = [
        "-v",
        "error",
        "-y",
        "-f",
        "concat",
        "-safe",
        "0",
        "-i",
        "list.concat",
        "-c",
        "copy",
        "-f",
        "framemd5",
        "joined.txt",
    ];
    assert_alike(&house, prepare, &words);
    // Without `-safe 0` ffmpeg refuses such names.
    let words = ["-v", "error", "-y", "-f", "concat", "-i", "list.concat", "-c", "copy", "no.mkv"];
    assert_alike(&house, prepare, &words);
}

#[test]
fn a_film_that_the_worker_may_see_is_read_there() {
    let film = film();
    let media = film.parent().unwrap().display().to_string();
    let house = House::with(1, &[("SEGUE_COMMAND_MEDIA", &media)]);
    let here = house.path("mine");
    fs::create_dir(&here).unwrap();
    let mine = here.join(film.file_name().unwrap());
    fs::copy(&film, &mine).unwrap();
    let out = house.path("out.ts").display().to_string();
    let mine = mine.display().to_string();
    let mut command = house.ffmpeg(&["-i", &mine, "-c", "copy", &out]);
    let said =
        command.env("SEGUE_TEST_MAP", format!("{}={media}", here.display())).output().unwrap();
    assert!(said.status.success(), "{}", text(&said.stderr));
    assert!(!text(&said.stderr).contains("127.0.0.1"), "{}", text(&said.stderr));
    assert!(fs::metadata(out).unwrap().len() > 0);
}

#[test]
fn what_ffmpeg_rejects_is_rejected_with_its_exit_code() {
    let house = House::new(1);
    fs::write(house.path("bad.mkv"), "this is no film").unwrap();
    fs::write(house.path("there.mkv"), "mine").unwrap();
    let film = film().display().to_string();
    for words in [
        &["-v", "error", "-i", "bad.mkv", "out.mp4"][..],
        &["-v", "error", "-i", "missing.mkv", "out.mp4"],
        &["-v", "error", "-i", "/nowhere/missing.mkv", "out.mp4"],
        &["-v", "error", "-i", &film, "-strange_option", "1", "out.mp4"],
        &["-v", "error", "-i", &film, "no/such/directory/out.mp4"],
        &["-v", "error", "-n", "-i", &film, "there.mkv"],
        &["-v", "error", "-nostdin", "-i", &film, "there.mkv"],
    ] {
        let (here, there) = (plain(house.here.path(), words), house.run(words));
        assert_eq!(there.status.code(), here.status.code(), "{words:?}: {}", text(&there.stderr));
        assert_eq!(fs::read(house.path("there.mkv")).unwrap(), b"mine", "{words:?}");
        let lines = |output: &Output| text(&output.stderr).lines().count();
        assert_eq!(lines(&there), lines(&here), "{words:?}: {}", text(&there.stderr));
    }
    house.nothing_is_left();
}

#[test]
fn sigterm_ends_it_as_it_would_ffmpeg_and_its_file_is_whole() {
    let house = House::new(1);
    let out = house.path("live.mkv").display().to_string();
    let words = [
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=64x64:r=10",
        "-c:v",
        "mpeg2video",
        "-flush_packets",
        "1",
        "-y",
        &out,
    ];
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
    let words = [
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=64x64:r=10",
        "-g",
        "10",
        "-f",
        "hls",
        "-hls_time",
        "1",
        "-hls_segment_filename",
        "x%d.ts",
        "x.m3u8",
    ];
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
    let words = [
        "-v",
        "error",
        "-re",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=64x64:r=10:d=4",
        "-vf",
        "reverse",
        "-frames:v",
        "1",
        "p.png",
    ];
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

#[test]
fn ffprobe_runs_there_too() {
    let house = House::new(1);
    let film = film().display().to_string();
    let words = ["-v", "error", "-print_format", "json", "-show_streams", "-i", &film];
    let there = house.program("ffprobe", &words).output().unwrap();
    let here = Command::new("ffprobe").args(words).output().unwrap();
    assert!(there.status.success() && there.stdout == here.stdout, "{}", text(&there.stderr));
}

#[test]
fn the_drop_in_has_a_worker_run_what_is_no_job() {
    let house = House::new(1);
    let film = film().display().to_string();
    let mut drop_in = Command::new(support::drop_in::drop_in());
    drop_in
        .args(["-ss", "1", "-i", &film, "-v", "quiet", "-vframes", "1", "-f", "image2", "p.jpg"]);
    drop_in.current_dir(house.here.path()).stdin(Stdio::null());
    drop_in.env("SEGUE_SCHEDULER", house.pool.url()).env("SEGUE_FALLBACK", "never");
    let ended = drop_in.output().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty(), "{}", text(&ended.stderr));
    assert!(house.path("p.jpg").exists());
    house.pool.worker(0).until("a command ended");
}
