//! The same files and the same bytes as ffmpeg makes here.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::house::{EXACT, House, assert_alike, endless, large, line, plain, spawn, text};
use crate::support::drop_in;
use crate::support::film;
use crate::support::pool::until;

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
    let lines = line("-v error -re -f lavfi -i testsrc2=s=320x180:r=5 -f image2 %08d.jpg");
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
    // Fonts beside them, too: what is found twice is sent once.
    for fonts in ["'/usr/share/fonts'", "."] {
        let filter = format!(r"subtitles=f='it'\\\''s [1], 50%\:.srt':fontsdir={fonts}");
        let mut words = vec!["-v", "error", "-y", "-i", &input, "-t", "1", "-vf", &filter];
        words.extend(["-f", "framemd5", "burnt.txt"]);
        assert_alike(&house, prepare, &words);
    }
    let words = line(
        "-v error -y -f concat -safe 0 -i list.concat -c copy -f framemd5 \
         joined.txt",
    );
    assert_alike(&house, prepare, &words);
    // Without `-safe 0` ffmpeg refuses such names.
    let words = ["-v", "error", "-y", "-f", "concat", "-i", "list.concat", "-c", "copy", "no.mkv"];
    assert_alike(&house, prepare, &words);
}

#[test]
fn what_a_first_pass_keeps_is_there_for_the_second() {
    let house = House::new(1);
    let input = film().display().to_string();
    let pass = |number, end: [&'static str; 3]| {
        let mut words =
            vec!["-v", "error", "-y", "-i", &input, "-t", "2", "-an", "-c:v", "libx264"];
        words.extend(["-b:v", "200k", "-preset", "ultrafast", "-pass", number]);
        words.extend(EXACT);
        words.extend(end);
        words
    };
    let first = pass("1", ["-f", "null", "-"]);
    let made = assert_alike(&house, |_| {}, &first);
    assert!(made.contains_key("ffmpeg2pass-0.log"), "{:?}", made.keys());
    let after_first = |directory: &Path| {
        assert!(plain(directory, &first).status.success());
    };
    assert_alike(&house, after_first, &pass("2", ["-f", "mpegts", "out.ts"]));
    house.nothing_is_left();
}

#[test]
fn a_film_that_the_worker_may_see_is_read_there() {
    let film = film();
    let media = film.parent().unwrap().display().to_string();
    let house = House::with(1, &[("SEGUE_COMMAND_MEDIA", &media)]);
    let here = house.path("mine");
    fs::create_dir(&here).unwrap();
    let mine = here.join(film.file_name().unwrap());
    // What is here is no film: who reads it here finds nothing.
    fs::write(&mine, vec![0; fs::metadata(&film).unwrap().len() as usize]).unwrap();
    let out = house.path("out.ts").display().to_string();
    let mine = format!("file:{}", mine.display());
    let mut command = house.ffmpeg(&["-i", &mine, "-c", "copy", &out]);
    let said =
        command.env("SEGUE_TEST_MAP", format!("{}={media}", here.display())).output().unwrap();
    assert!(said.status.success(), "{}", text(&said.stderr));
    // It is called what the caller calls it.
    assert!(text(&said.stderr).contains(&format!("from '{mine}'")), "{}", text(&said.stderr));
    assert!(fs::metadata(out).unwrap().len() > 0);
}

#[test]
fn what_ffmpeg_rejects_is_rejected_with_its_exit_code() {
    let house = House::new(1);
    fs::write(house.path("bad.mkv"), "this is no film").unwrap();
    fs::write(house.path("there.mkv"), "mine").unwrap();
    fs::create_dir(house.path("ä folder")).unwrap();
    let folder = house.path("ä folder").display().to_string();
    let film = film().display().to_string();
    for words in [
        &["-v", "error", "-i", "bad.mkv", "out.mp4"][..],
        &["-v", "error", "-i", "missing.mkv", "out.mp4"],
        &["-v", "error", "-i", &folder, "out.mp4"],
        &["-v", "error", "-i", "/nowhere/missing.mkv", "out.mp4"],
        &["-v", "error", "-i", "file:/nowhere/missing.mkv", "out.mp4"],
        &["-v", "error", "-i", &film, "-strange_option", "1", "out.mp4"],
        &["-v", "error", "-i", &film, "no/such/directory/out.mp4"],
        &["-v", "error", "-n", "-i", &film, "there.mkv"],
        &["-v", "error", "-nostdin", "-i", &film, "there.mkv"],
    ] {
        let (here, there) = (plain(house.here.path(), words), house.run(words));
        assert_eq!(there.status.code(), here.status.code(), "{words:?}: {}", text(&there.stderr));
        assert_eq!(fs::read(house.path("there.mkv")).unwrap(), b"mine", "{words:?}");
        // In the same words, but for where things are in its memory.
        let said = |output: &Output| {
            let words = text(&output.stderr);
            let plain = |line: &str| line.rsplit_once("] ").map_or(line, |(_, it)| it).to_owned();
            words.lines().map(plain).collect::<Vec<_>>()
        };
        assert_eq!(said(&there), said(&here), "{words:?}");
    }
    house.nothing_is_left();
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
    let mut drop_in = Command::new(drop_in::drop_in());
    drop_in
        .args(["-ss", "1", "-i", &film, "-v", "quiet", "-vframes", "1", "-f", "image2", "p.jpg"]);
    drop_in.current_dir(house.here.path()).stdin(Stdio::null());
    drop_in.env("SEGUE_SCHEDULER", house.pool.url()).env("SEGUE_FALLBACK", "never");
    let ended = drop_in.output().unwrap();
    assert!(ended.status.success() && ended.stdout.is_empty(), "{}", text(&ended.stderr));
    assert!(house.path("p.jpg").exists());
    house.pool.worker(0).until("a command ended");
}
