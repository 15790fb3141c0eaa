//! What a line of the corpus is run with: other paths, and films that have what it looks for.

use std::path::Path;

use segue_contract::corpus::layout::{Film, Stuff, Track};
use segue_contract::corpus::plan::{Plan, unix};
use segue_contract::corpus::stand_in::{as_jobs_do, stand_in};
use segue_ffmpeg::{Answer, CommandLine, Program};

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn plan(line: &str) -> Result<Plan, String> {
    Plan::of(&words(line)).1
}

fn film(line: &str) -> Film {
    match plan(line).unwrap().placed.remove(0).1 {
        Stuff::Film(film) => film,
        other => panic!("{other:?} for {line}"),
    }
}

fn parsed(line: &str) -> CommandLine {
    CommandLine::parse(Program::Ffmpeg, &words(line)).unwrap()
}

#[test]
fn every_path_moves_into_the_tree_and_no_other_word_changes() {
    let line = "ffmpeg -i file:/films/a.mkv -i b.srt -map 0:0 -vf subtitles=f=/subs/c.ass:si=1 \
                -metadata title=/not/a/path -f hls -hls_segment_filename /out/x%d.ts /out/x.m3u8";
    let plan = plan(line).unwrap();
    let moved = "-i file:/t/films/a.mkv -i b.srt -map 0:0 -vf subtitles=f=/t/subs/c.ass:si=1 \
                 -metadata title=/not/a/path -f hls -hls_segment_filename /t/out/x%d.ts /t/out/x.m3u8";
    assert_eq!(plan.words(Path::new("/t")), words(moved));
    let placed: Vec<&str> = plan.placed.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(placed, ["/films/a.mkv", "/here/b.srt", "/subs/c.ass"]);
    assert!(plan.directories.contains(&"/out".to_owned()));
}

#[test]
fn paths_of_windows_become_paths() {
    assert_eq!(unix("file:C:\\a b\\c.mkv"), "file:/C/a b/c.mkv");
    assert_eq!(unix("D:/x/%d.ts"), "/D/x/%d.ts");
    for other in ["a:b", "expr:gte(t,3)", "C:", "\\\\server\\share", "scale=w=2:h=3"] {
        assert_eq!(unix(other), other);
    }
}

#[test]
fn a_film_has_the_streams_that_its_line_takes() {
    use Track::{Attachment, Bitmaps, Picture, Sound, Words};
    let laid_over = "-i a.mkv -filter_complex [0:v:0]null[m];[m][0:s:1]overlay[o] -map [o] b.mp4";
    let scaled = "-i a.mkv -filter_complex [0:3]scale=640:-1[s];[0:0][s]overlay[o] -map [o] b.mp4";
    for (line, tracks) in [
        ("-i a.mkv -c copy b.mkv", vec![Picture, Sound]),
        ("-i a.mkv -map 0:2 -map 0:0 b.mkv", vec![Sound, Words, Picture]),
        ("-i a.mkv -map 0:0 -map 0:3 -map -0:s b.mkv", vec![Picture, Words, Words, Sound]),
        ("-i a.mkv -map 0:s:1 b.ass", vec![Picture, Sound, Words, Words]),
        ("-i a.mkv -filter_complex [0:1]aresample=48000[a] -map [a] b.flac", vec![Picture, Sound]),
        ("-i a.mkv -map 0:2 -c copy -f srt b.part", vec![Picture, Sound, Words]),
        ("-i a.mkv -map 0:3 -codec:0 ass -f segment b%d", vec![Picture, Sound, Words, Words]),
        (laid_over, vec![Picture, Sound, Bitmaps, Bitmaps]),
        (scaled, vec![Picture, Sound, Words, Bitmaps]),
        ("-dump_attachment:3 f.ttf -i a.mkv -f null -", vec![Picture, Sound, Words, Attachment]),
    ] {
        assert_eq!(film(line).tracks, tracks, "{line}");
    }
}

#[test]
fn a_film_goes_on_behind_the_place_that_is_sought_to() {
    assert_eq!(film("-i a.mkv b.mp4").seconds, 16);
    assert_eq!(film("-ss 00:01:40 -i a.mkv b.mp4").seconds, 112);
    assert_eq!(film("-ss 100 -i a.mkv -ss 10 b.mp4").seconds, 120);
}

#[test]
fn a_film_is_of_the_kind_that_the_line_counts_on() {
    let hls = film("-i a.mp4 -c:v libx264 -g:v:0 75 -f hls -hls_time 3 b.m3u8");
    assert_eq!((hls.rate, hls.format, hls.picture), (25, "mp4", "libx264"));
    let hevc = film("-f matroska -i a.bin -c copy -bsf:v hevc_mp4toannexb b.ts");
    assert_eq!((hevc.format, hevc.picture), ("matroska", "libx265"));
    assert_eq!(film("-i a.ts -c:a copy -bsf:a aac_adtstoasc b.mp4").sound, "aac");
}

#[test]
fn what_cannot_be_made_here_is_not_run() {
    for line in [
        "-i http://host/a.ts -c copy b.ts",
        "-i - b.mp4",
        "-f v4l2 -i /dev/video0 b.mp4",
        "-i a.iso b.mp4",
        "-i a.mkv -progressurl http://127.0.0.1/x b.mp4",
    ] {
        assert!(plan(line).is_err(), "{line}");
    }
}

#[test]
fn a_plain_ffmpegs_line_names_no_hardware() {
    let line = parsed(
        "-init_hw_device vaapi=va: -hwaccel vaapi -hwaccel_output_format vaapi -i a.mkv \
         -c:v h264_qsv -preset 7 -low_power 1 -vf scale_vaapi=w=426:h=238:format=nv12,hwmap,format=qsv \
         -c:a libfdk_aac b.mp4",
    );
    let expected = "-i a.mkv -c:v libx264 -vf scale=w=426:h=238 -c:a aac -preset veryfast \
                    -sc_threshold 0 b.mp4";
    assert_eq!(stand_in(&line).unwrap().render(), words(expected));
    assert_eq!(stand_in(&parsed("-i a.mkv -c:v libx264 b.mp4")), None);
}

#[test]
fn what_jobs_do_on_purpose_is_asked_of_ffmpeg_in_its_own_words() {
    let line = parsed(
        "-ss 783 -noaccurate_seek -i a.mkv -profile:v high -x264opts subme=0:8x8dct=0 \
         -force_key_frames expr:gte(t,783+n_forced*3) b.ts",
    );
    let expected = "-ss 783 -i a.mkv -profile:v high -x264opts subme=0 \
                    -force_key_frames expr:gte(t,n_forced*3) b.ts";
    assert_eq!(as_jobs_do(&line).unwrap().0.render(), words(expected));
    let same =
        parsed("-i a.mkv -x264opts 8x8dct=0 -force_key_frames expr:gte(t,0+n_forced*3) b.ts");
    assert_eq!(as_jobs_do(&same), None);
}

#[test]
fn a_line_that_ffmpeg_refuses_is_told() {
    let (answer, plan) = Plan::of(&words("ffmpeg -i"));
    assert_eq!((answer, plan.is_err()), (Answer::Here, true));
}
