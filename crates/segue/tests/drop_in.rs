//! `segue-ffmpeg` on a real pool: lines that are jobs. What appears is what ffmpeg itself makes of the
//! same line, whatever becomes of the pool meanwhile.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Signal, kill_process};
use segue_lab::packets;
use support::drop_in::{
    LARGE, Line, SEGMENTS, SLOW, Stand, assert_like_ffmpeg, by_ffmpeg, drop_in, film, late_film,
    names, segment, times,
};
use support::machine::mounting;
use support::pool::{Pool, until};
use support::run;
use tempfile::tempdir;

fn command(pool: &Pool, line: &Line) -> Command {
    let mut command = Command::new(drop_in());
    command.args(line.words()).env("SEGUE_SCHEDULER", pool.url()).env("SEGUE_FALLBACK", "never");
    command
}

fn start(pool: &Pool, line: &Line) -> Stand {
    Stand::start(command(pool, line))
}

/// How many jobs the store has.
fn jobs(pool: &Pool) -> usize {
    fs::read_dir(Path::new(&pool.store).join("jobs")).unwrap().count()
}

#[test]
fn jellyfins_lines_become_what_ffmpeg_makes_of_them() {
    let pool = Pool::start(2);
    for fragments in [false, true] {
        for first in [0, 3] {
            let out = tempdir().unwrap();
            let line = Line::new(film(), out.path()).from(first);
            let line = if fragments { line.fragments() } else { line };
            let said = start(&pool, &line).succeed();
            assert_like_ffmpeg(&line);
            assert!(said.contains("Stream mapping:"), "{said}");
            let last = said.rsplit("frame=").next().unwrap();
            assert!(last.contains("time=00:00:") && last.contains("speed="), "{said}");
        }
    }
    // A seek is another place in the same film.
    assert_eq!(jobs(&pool), 2);
}

/// What a playlist says, its lengths rounded to milliseconds: ffmpeg adds up Matroska's in the last one.
fn in_milliseconds(line: &Line) -> Vec<String> {
    let text = fs::read_to_string(line.directory.join("X.m3u8")).unwrap();
    let rounded = |line: &str| match line.strip_prefix("#EXTINF:") {
        Some(rest) => {
            let seconds: f64 = rest.trim_end_matches(',').parse().expect("seconds");
            format!("#EXTINF:{seconds:.3},")
        }
        None => line.to_owned(),
    };
    text.lines().map(rounded).collect()
}

#[test]
fn pictures_that_begin_after_the_sound_are_where_ffmpeg_puts_them() {
    let pool = Pool::start(2);
    let here = tempdir().unwrap();
    let film = late_film(here.path());
    // Neither of these is shifted by B-frames.
    for (fragments, first) in [(true, 0), (true, 3), (false, 3)] {
        let out = tempdir().unwrap();
        let line = Line::new(&film, out.path()).from(first);
        let line = if fragments { line.fragments() } else { line };
        start(&pool, &line).succeed();
        let (_directory, plain) = by_ffmpeg(&line);
        assert_eq!(in_milliseconds(&line), in_milliseconds(&plain));
        let (ours, theirs) = (times(&line), times(&plain));
        let apart = ours.iter().zip(&theirs).map(|(ours, theirs)| (ours - theirs).abs());
        // A tick of a transport stream is 11 microseconds.
        assert_eq!(
            (ours.len(), apart.max() <= Some(12)),
            (theirs.len(), true),
            "{ours:?} {theirs:?}"
        );
    }
    assert_eq!(jobs(&pool), 2);
}

#[test]
fn a_line_for_any_hardware_is_the_same_job() {
    let pool = Pool::start(1);
    let rate = "-b:v 1500000 -maxrate 1500000 -bufsize 3000000 -profile:v:0 high -level 41";
    let rule = "-force_key_frames:0 expr:gte(t,n_forced*1)";
    let lines = [
        (
            format!(
                "-codec:v:0 h264_qsv -preset 7 -look_ahead 0 {rate} -g:v:0 24 -keyint_min:v:0 24"
            ),
            "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_qsv=w=320:h=180:format=nv12",
        ),
        (
            format!("-codec:v:0 h264_nvenc -preset p1 {rate} -g:v:0 24 -keyint_min:v:0 24"),
            "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_cuda=w=320:h=180:format=yuv420p",
        ),
        (
            format!("-codec:v:0 h264_vaapi -rc_mode VBR {rate} {rule}"),
            "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_vaapi=w=320:h=180:format=nv12",
        ),
    ];
    let mut all = Vec::new();
    for (encoder, filters) in &lines {
        let out = tempdir().unwrap();
        let line = Line::new(film(), out.path()).encoder(encoder, filters);
        start(&pool, &line).succeed();
        assert_eq!(names(out.path()).len() as u32, SEGMENTS + 1, "{encoder}");
        all.push(
            packets(out.path().join("X.m3u8"))
                .into_iter()
                .map(|p| (p.pts, p.dts))
                .collect::<Vec<_>>(),
        );
    }
    assert!(all.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn q_and_signals_end_it_in_good_order_and_drop_the_claim() {
    let pool = Pool::start(1);
    for (by, code) in [("q\n", 0), ("TERM", 255), ("INT", 255)] {
        let out = tempdir().unwrap();
        let line = Line::new(film(), out.path()).encoder(SLOW, LARGE);
        let mut stand = start(&pool, &line);
        until("the first segment", || segment(&line, 0).exists().then_some(()));
        match by {
            "TERM" => stand.signal(Signal::TERM),
            "INT" => stand.signal(Signal::INT),
            keys => stand.press(keys),
        }
        assert_eq!(stand.end(), Some(code), "{}", stand.said());
        let left = names(out.path());
        assert!(left.iter().all(|name| !name.contains(".part")), "{left:?}");
        let playlist = fs::read_to_string(out.path().join("X.m3u8")).unwrap();
        assert!(playlist.ends_with("#EXT-X-ENDLIST\n"));
        let idle = || {
            let (_, listed, _) = run(pool.ask("jobs").arg("--json"));
            (!listed.contains("running")).then_some(())
        };
        until("nobody works on it", idle);
    }
}

#[test]
fn a_killed_wrapper_gives_its_capacity_back() {
    let pool = Pool::start(1);
    let out = tempdir().unwrap();
    let line = Line::new(film(), out.path()).encoder(SLOW, LARGE);
    let stand = start(&pool, &line);
    until("the first segment", || segment(&line, 0).exists().then_some(()));
    stand.signal(Signal::KILL);
    let idle = || {
        let (_, listed, _) = run(pool.ask("jobs").arg("--json"));
        (!listed.contains("running")).then_some(())
    };
    until("nobody works on it", idle);
    assert!(!segment(&line, SEGMENTS - 1).exists());
}

#[test]
fn pauses_hold_it_and_it_goes_on() {
    for (pause, resume) in [("p", "u"), ("c", "\n")] {
        // Each with a pool of its own, which has made nothing yet.
        let pool = Pool::start(1);
        let out = tempdir().unwrap();
        let line = Line::new(film(), out.path()).encoder(SLOW, LARGE);
        let mut stand = start(&pool, &line);
        until("the first segment", || segment(&line, 0).exists().then_some(()));
        stand.press(pause);
        let idle = || {
            let (_, listed, _) = run(pool.ask("jobs").arg("--json"));
            (!listed.contains("running")).then_some(())
        };
        until("nobody works on it", idle);
        assert!(!segment(&line, SEGMENTS - 1).exists());
        assert!(!stand.has_ended());
        stand.press(resume);
        stand.succeed();
        assert!(segment(&line, SEGMENTS - 1).exists());
    }
}

#[test]
fn a_killed_worker_and_a_restarted_scheduler_are_late_segments_and_nothing_else() {
    let mut pool = Pool::start(2);
    let out = tempdir().unwrap();
    let line = Line::new(film(), out.path()).encoder(SLOW, LARGE);
    let stand = start(&pool, &line);
    until("the first segment", || segment(&line, 0).exists().then_some(()));
    pool.worker(0).signal(Signal::KILL);
    until("another segment", || segment(&line, 2).exists().then_some(()));
    pool.scheduler().signal(Signal::KILL);
    pool.scheduler = None;
    pool.start_scheduler();
    pool.start_worker(0);
    let said = stand.succeed();
    assert_like_ffmpeg(&line);
    let clock = |text: &str| text.split(' ').next().map(str::to_owned);
    let times: Vec<_> = said.split("time=").skip(1).filter_map(clock).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[test]
fn on_a_full_disk_there_are_as_many_segments_as_fit_and_none_is_half_written() {
    let Some(way) = mounting() else { return };
    let pool = Pool::start(2);
    let (whole, small) = (tempdir().unwrap(), tempdir().unwrap());
    // All of it is in the store then, and could be had at once.
    let line = Line::new(film(), whole.path());
    start(&pool, &line).succeed();
    let pages = |index| fs::metadata(segment(&line, index)).unwrap().len().div_ceil(4096);
    let size = 4096 * (pages(0) + pages(1) / 2);
    let mount = format!(
        "mount -t tmpfs -o size={size} tmpfs '{}' && \"$@\"; code=$?; ls -A '{0}'; exit $code",
        small.path().display()
    );
    let asked = command(&pool, &Line::new(film(), small.path()));
    let mut mounted = Command::new(way[0]);
    mounted.args(&way[1..]).args(["sh", "-c", &mount, "sh"]);
    mounted.arg(asked.get_program()).args(asked.get_args());
    mounted.envs(asked.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let (code, listed, said) = run(&mut mounted);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("X1.ts: No space left on device"), "{said}");
    assert_eq!(listed.lines().collect::<Vec<_>>(), ["X0.ts"], "{said}");
}

/// How many segments the store has. What is just being put has another name, which may be gone soon.
fn stored(pool: &Pool) -> u32 {
    let is_segment = |path: &&PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_suffix(".ts").or(name.strip_suffix(".m4s"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    support::names(&Path::new(&pool.store).join("jobs")).iter().filter(is_segment).count() as u32
}

/// Kills the scheduler when segment `last` is there, while nothing is being made: how many there were
/// then. Whatever comes later was made later; of one of them it may have told.
fn kill_scheduler(pool: &mut Pool, line: &Line, last: u32) -> u32 {
    until("segments", || segment(line, last).exists().then_some(()));
    let children = pool.worker(0).children();
    let all = |signal| {
        for pid in &children {
            // A process that was kept warm may end at any time.
            let _ = kill_process(*pid, signal);
        }
    };
    all(Signal::STOP);
    let made = || (0..SEGMENTS).take_while(|index| segment(line, *index).exists()).count() as u32;
    let settled = || (stored(pool) == made()).then(made);
    let made = until("all that was made is there", settled);
    let mut scheduler = pool.scheduler.take().unwrap();
    scheduler.signal(Signal::KILL);
    scheduler.end();
    all(Signal::CONT);
    made
}

#[test]
fn a_playback_goes_on_without_a_scheduler_as_long_as_workers_do() {
    let mut pool = Pool::start(1);
    let out = tempdir().unwrap();
    let line = Line::new(film(), out.path()).encoder(SLOW, LARGE);
    let stand = start(&pool, &line);
    let made = kill_scheduler(&mut pool, &line, 0);
    until("two more without a scheduler", || segment(&line, made + 1).exists().then_some(()));
    pool.start_scheduler();
    stand.succeed();
    assert_like_ffmpeg(&line);
}

#[test]
fn a_film_that_workers_make_to_its_end_needs_no_scheduler_for_that() {
    let mut pool = Pool::start(1);
    let out = tempdir().unwrap();
    // The rest takes by far not as long as workers go on.
    let encoder = SLOW.replace("slower", "medium");
    let line = Line::new(film(), out.path()).encoder(&encoder, LARGE).fragments();
    let stand = start(&pool, &line);
    let made = kill_scheduler(&mut pool, &line, 2);
    assert!(made < SEGMENTS);
    let said = stand.succeed();
    assert!(!said.contains("does not give"), "{said}");
    assert_like_ffmpeg(&line);
}

#[test]
fn two_replicas_share_one_job_and_neither_minds_the_other() {
    let pool = Pool::start(1);
    let (left, right) = (tempdir().unwrap(), tempdir().unwrap());
    let [one, other] = [left.path(), right.path()]
        .map(|directory| Line::new(film(), directory).encoder(SLOW, LARGE));
    let (first, second) = (start(&pool, &one), start(&pool, &other));
    until("the first segment", || segment(&one, 0).exists().then_some(()));
    // A media server that starts empties its directory.
    for name in names(left.path()) {
        let _ = fs::remove_file(left.path().join(name));
    }
    first.signal(Signal::KILL);
    let again = start(&pool, &one);
    second.succeed();
    again.succeed();
    assert_like_ffmpeg(&other);
    for index in 0..SEGMENTS {
        assert_eq!(
            fs::read(segment(&one, index)).unwrap(),
            fs::read(segment(&other, index)).unwrap()
        );
    }
    assert_eq!(jobs(&pool), 1);
}

#[test]
fn a_directory_that_goes_away_or_is_full_ends_it_with_ffmpegs_code() {
    let pool = Pool::start(1);
    let out = tempdir().unwrap();
    let directory = out.path().join("transcodes");
    fs::create_dir(&directory).unwrap();
    let line = Line::new(film(), &directory).encoder(SLOW, LARGE);
    let mut stand = start(&pool, &line);
    until("the first segment", || segment(&line, 0).exists().then_some(()));
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(stand.end(), Some(1));
    assert!(stand.said().contains("No such file or directory"), "{}", stand.said());
    // One that never was.
    let line = Line::new(film(), &out.path().join("nowhere"));
    let mut stand = start(&pool, &line);
    assert_eq!(stand.end(), Some(1));
    assert!(stand.said().contains("nowhere"), "{}", stand.said());
}

#[test]
fn a_pool_without_workers_is_away_long_before_a_look_at_a_film_would_be() {
    let pool = Pool::start(0);
    let out = tempdir().unwrap();
    let line = Line::new(film(), out.path());
    let mut here = command(&pool, &line);
    here.env("SEGUE_FALLBACK", "when-unreachable");
    let said = Stand::start(here).succeed();
    // In its own words: the scheduler's would have come much later.
    assert!(said.contains("no worker is there") && !said.contains("ask again"), "{said}");
    assert!(segment(&line, SEGMENTS - 1).exists());
}

#[test]
fn unusual_paths_are_read_and_written() {
    let pool = Pool::start(1);
    let out = tempdir().unwrap();
    for name in ["a b", "it's", "[x] (y)", "ünï ☃", "100%", "a#b?c", "new\nline", "back\\slash"]
    {
        let directory = out.path().join(name);
        fs::create_dir(&directory).unwrap();
        let path = directory.join(format!("{name}.mkv"));
        fs::copy(film(), &path).unwrap();
        // A per cent sign is a number's place in a name of segments.
        let into = if name.contains('%') { out.path() } else { &directory };
        let line = Line::new(&path, into);
        let mut stand = start(&pool, &line);
        assert_eq!(stand.end(), Some(0), "{name}: {}", stand.said());
        assert!(segment(&line, SEGMENTS - 1).exists(), "{name}");
    }
}
