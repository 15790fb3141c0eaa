//! What becomes of an HLS line whose worker is killed when some of its segments are there.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;

use crate::house::{House, files, line, plain, spawn, text, uneasy};
use crate::support::pool::until;

/// Without loss, so that pictures can be compared, whichever run they are of.
const X264: &str = "-c:v libx264 -preset ultrafast -qp 0 -threads 1 -bf 2 -sc_threshold:v:0 0";
const X265: &str = "-c:v libx265 -preset ultrafast -tag:v:0 hvc1 \
    -x265-params:0 lossless=1:no-scenecut=1:no-open-gop=1:bframes=3";
const TRANSPORT: &str = "-hls_segment_filename ab%d.ts";
const FRAGMENTS: &str = "-hls_segment_type fmp4 -hls_fmp4_init_filename ab-1.mp4 \
    -hls_segment_filename ab%d.mp4";
/// Without it fragments count time from where a run begins.
const SOURCE_CLOCK: &str = "-hls_segment_options movflags=+frag_discont";

/// A film whose pictures begin three later than its sound.
const LATE: &str = "late.mp4";
/// One that begins at 1.4 s.
const BEGUN: &str = "begun.mp4";

/// A line, as far as lines differ here.
struct Case {
    film: &'static str,
    /// What stands before its input.
    before: &'static str,
    encoder: &'static str,
    sound: &'static str,
    /// How long segments are.
    length: &'static str,
    segments: &'static [&'static str],
}

const USUAL: Case = Case {
    film: "film.mp4",
    before: "",
    encoder: X264,
    sound: "-c:a aac",
    length: "1",
    segments: &[TRANSPORT],
};

#[test]
fn an_hls_line_goes_on_elsewhere_with_nothing_doubled_and_nothing_missing() {
    goes_on_elsewhere(&USUAL);
    goes_on_elsewhere(&Case { film: BEGUN, before: "-start_at_zero", ..USUAL });
    // Where pictures are moved because of such sound, it says by how much.
    goes_on_elsewhere(&Case { film: LATE, sound: "-c:a ac3", ..USUAL });
}

/// Segments have 25, 24, 24, 24 and again 25 pictures: one that counted from another would not.
#[test]
fn keyframes_come_where_the_lost_run_would_have_had_them() {
    goes_on_elsewhere(&Case { film: "film.mkv", before: "-f matroska", length: "1.01", ..USUAL });
    goes_on_elsewhere(&Case { length: "1.01", segments: &[FRAGMENTS], ..USUAL });
}

#[test]
fn fragments_that_count_time_as_the_source_does_go_on_elsewhere() {
    goes_on_elsewhere(&Case { segments: &[FRAGMENTS, SOURCE_CLOCK], ..USUAL });
    const WITHOUT_INDEX: &str = "-hls_segment_options movflags=+frag_discont+skip_sidx";
    goes_on_elsewhere(&Case {
        film: "film.mkv",
        encoder: X265,
        segments: &[FRAGMENTS, WITHOUT_INDEX],
        ..USUAL
    });
}

#[test]
fn fragments_that_count_time_from_where_a_run_begins_go_on_elsewhere() {
    goes_on_elsewhere(&Case { film: "film.mkv", encoder: X265, segments: &[FRAGMENTS], ..USUAL });
    goes_on_elsewhere(&Case { before: "-ss 1.3", segments: &[FRAGMENTS], ..USUAL });
}

/// What the drop-in cannot know beforehand: another worker's ffmpeg, as it were, makes other pictures.
/// Its input has become another one, whose pictures come at another rate.
#[test]
fn a_run_that_does_not_join_what_is_there_leaves_nothing() {
    let house = House::new(2);
    let film = uneasy(house.pool.scratch.path(), "film.mp4");
    let words = words(&USUAL, &film.display().to_string(), &["-readrate", "1.5"]);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let replace = || {
        let other = house.pool.scratch.path().join("other.mp4");
        let made = "-v error -y -f lavfi -i testsrc2=s=320x180:r=25:d=9.5 -f lavfi \
            -i sine=d=9.5:r=48000 -c:v libx264 -preset ultrafast -g 48 -c:a aac";
        let made = Command::new("ffmpeg").args(line(made)).arg(&other).status();
        assert!(made.unwrap().success());
        std::fs::rename(&other, &film).unwrap();
    };
    let (output, before) = with_its_worker_lost(&house, &words, "ab2.ts", replace);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("does not join what is there"), "{said}");
    assert!(files(house.here.path()) == before);
}

fn words(case: &Case, film: &str, pace: &[&str]) -> Vec<String> {
    let Case { before, encoder, sound, length, segments, .. } = case;
    let input: &[&str] = &["-i", film, "-map", "0:0", "-map", "0:1"];
    let keyframes = format!("expr:gte(t,0+n_forced*{length})");
    let rule: &[&str] = &["-force_key_frames:0", &keyframes, "-hls_time", length];
    let rest = "-copyts -avoid_negative_ts disabled -max_delay 5000000 -f hls -hls_playlist_type vod \
        -hls_list_size 0";
    let mut words = [pace, &line(before), input, &line(encoder), &line(sound), rule].concat();
    words.extend(line(rest));
    words.extend(segments.iter().flat_map(|words| line(words)));
    words.extend(["-y", "ab.m3u8"]);
    words.into_iter().map(str::to_owned).collect()
}

fn goes_on_elsewhere(case: &Case) {
    let house = House::new(2);
    let mut film = uneasy(house.pool.scratch.path(), case.film);
    if [LATE, BEGUN].contains(&case.film) {
        let (picture, sound) = if case.film == LATE { ("0.125", "0") } else { ("1.4", "1.4") };
        let words = ["-v", "error", "-itsoffset", picture, "-i", "film.mp4"];
        let words = [&words[..], &["-itsoffset", sound, "-i", "film.mp4"]].concat();
        let maps = ["-map", "0:v", "-map", "1:a", "-c", "copy", "other.mkv"];
        std::fs::rename(&film, film.with_file_name("film.mp4")).unwrap();
        assert!(plain(house.pool.scratch.path(), &[&words[..], &maps].concat()).status.success());
        film.set_file_name("other.mkv");
    }
    let film = film.display().to_string();
    let words = |pace: &[&str]| words(case, &film, pace);
    let there = tempfile::tempdir().unwrap();
    let (all, paced) = (words(&[]), words(&["-readrate", "1.5"]));
    let [all, paced] = [&all, &paced].map(|words| words.iter().map(String::as_str));
    assert!(plain(there.path(), &all.collect::<Vec<_>>()).status.success());
    let extension = if case.segments.contains(&TRANSPORT) { "ts" } else { "mp4" };
    let paced: Vec<&str> = paced.collect();
    let (output, before) = with_its_worker_lost(&house, &paced, &format!("ab2.{extension}"), || ());
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
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
    assert_eq!(text(&made["ab.m3u8"]), text(&due["ab.m3u8"]));
    let (seen, expected) = (pictures(&made), pictures(&due));
    assert!(expected.len() > 180, "{expected:?}");
    let other = seen.iter().zip(&expected).position(|(one, other)| one != other);
    assert_eq!((other, seen.len()), (None, expected.len()), "another picture");
    // Frames of sound begin elsewhere, by less than one.
    let frame = if case.sound == USUAL.sound { 1024.0 } else { 1536.0 } / 48_000.0;
    let sound = times(&made, "a");
    for pair in sound.windows(2) {
        let step = pair[1] - pair[0];
        assert!(step > 0.0 && step < 2.0 * frame, "{step} at {}", pair[0]);
    }
    let last = sound[sound.len() - 1] - times(&due, "a").pop().unwrap();
    assert!(last.abs() < frame, "{last}");
    // What media servers read goes on, too.
    let figures: Vec<&str> = said.split("time=").skip(1).map(|rest| &rest[..11]).collect();
    let nearly_all = if case.before.contains("-ss") { "00:00:08.0" } else { "00:00:09.3" };
    assert!(figures.is_sorted() && figures.last() > Some(&nearly_all), "{figures:?}");
}

/// How a line ends whose worker is killed when a file is there, and what was there then. Before it is
/// killed something may happen.
fn with_its_worker_lost(
    house: &House,
    words: &[&str],
    file: &str,
    happens: impl FnOnce(),
) -> (Output, BTreeMap<String, Vec<u8>>) {
    let client = spawn(&mut house.ffmpeg(words));
    until("segments appear", || house.path(file).exists().then_some(()));
    happens();
    let before = files(house.here.path());
    let command = house.command();
    let mut workers = house.pool.workers.iter().flatten();
    let of_it = workers.find(|worker| worker.children().contains(&command)).unwrap();
    of_it.signal(Signal::KILL);
    (client.wait_with_output().unwrap(), before)
}

/// The segments, each with what is needed to read it, in their order.
fn segments(files: &BTreeMap<String, Vec<u8>>) -> impl Iterator<Item = (&String, &Vec<u8>)> {
    files.iter().filter(|(name, _)| {
        let extension = Path::new(name).extension();
        extension.is_some_and(|what| what == "ts" || what == "mp4") && *name != "ab-1.mp4"
    })
}

fn init(files: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
    files.get("ab-1.mp4").cloned().unwrap_or_default()
}

/// What a program makes of bytes that it reads.
fn piped(mut command: Command, bytes: Vec<u8>) -> String {
    let mut child = spawn(&mut command);
    let mut stdin = child.stdin.take().unwrap();
    let written = std::thread::spawn(move || stdin.write_all(&bytes));
    let seen = child.wait_with_output().unwrap();
    written.join().unwrap().unwrap();
    // Who reads over a seam loses nothing there.
    assert!(!text(&seen.stderr).contains("corrupt"), "{}", text(&seen.stderr));
    text(&seen.stdout)
}

/// What is to be seen in all segments together: a hash of each picture.
fn pictures(files: &BTreeMap<String, Vec<u8>>) -> Vec<String> {
    let all = segments(files).fold(init(files), |all, (_, bytes)| [all, bytes.clone()].concat());
    let mut command = Command::new("ffmpeg");
    command.args(line("-v warning -i - -map 0:v -fps_mode passthrough -f framemd5 -"));
    let seen = piped(command, all);
    let frames = seen.lines().filter(|line| !line.starts_with('#'));
    frames.map(|line| line.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// When each frame of a kind is shown, in all segments together.
fn times(files: &BTreeMap<String, Vec<u8>>, kind: &str) -> Vec<f64> {
    let mut times = Vec::new();
    for (name, bytes) in segments(files) {
        let entries = ["-show_entries", "packet=pts_time", "-of", "csv=p=0"];
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-select_streams", kind]).args(entries).arg("-");
        let seen = piped(command, [init(files).as_slice(), bytes].concat());
        assert!(!seen.is_empty(), "{name} has no {kind}");
        // What stands beside a packet makes lines that are empty.
        let stamps = seen.lines().map(|line| line.trim_end_matches(',')).filter(|s| !s.is_empty());
        times.extend(stamps.map(|stamp| stamp.parse::<f64>().unwrap()));
    }
    times.sort_by(f64::total_cmp);
    times
}
