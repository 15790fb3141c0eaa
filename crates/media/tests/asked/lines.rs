//! Lines of a media server: the job that each means is what ffmpeg makes of it.

use std::path::{Path, PathBuf};

use segue_ffmpeg::job::request::request;
use segue_ffmpeg::{Program, Surroundings, decide_words};
use segue_hls::keys;
use segue_lab::{ffmpeg, run};
use segue_model::{Fingerprint, Hash, Revision, Source};
use tempfile::TempDir;

use crate::made;
use crate::support::{facts, make, scattered, write};

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=25:d=10"];
const FIELDS: [&str; 4] =
    ["-f", "lavfi", "-i", "testsrc2=s=320x240:r=50:d=10,tinterlace=interleave_top"];
const STEREO: [&str; 4] = ["-f", "lavfi", "-i", "sine=r=48000:d=10,aformat=channel_layouts=stereo"];
const SURROUND: [&str; 4] = [
    "-f",
    "lavfi",
    "-i",
    "aevalsrc=exprs='0.1*sin(900*t)|0.1*sin(1900*t)|0.2*sin(2900*t)|0|0.1*sin(t*4900)|0':d=10:s=48000",
];
const X264: &str = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize 8000000 \
    -profile:v:0 high -level 41 -x264opts:0 subme=0:me_range=16:rc_lookahead=10:me=hex:open_gop=0 \
    -force_key_frames:0 expr:gte(t,n_forced*3) -sc_threshold:v:0 0";
const SIZE: &str = r"setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale=trunc(min(max(iw\,ih*a)\,min(240\,180*a))/2)*2:trunc(min(max(iw/a\,ih)\,min(240/a\,180))/2)*2,format=yuv420p";
const MAPS: &str = "-map 0:0 -map 0:1 -map -0:s";

/// A line, whose names of files are left to fill in.
struct Line {
    before: &'static str,
    streams: String,
    kind: &'static str,
    first: u32,
}

impl Line {
    fn words(&self, film: &Path, directory: &Path) -> Vec<String> {
        let Line { before, streams, kind, first } = self;
        let extension = if kind.starts_with("fmp4") { "mp4" } else { "ts" };
        let (film, directory) = (film.display(), directory.display());
        let line = format!(
            "{before} -i file:{film} -map_metadata -1 -map_chapters -1 -threads 0 {streams} -copyts \
             -avoid_negative_ts disabled -max_muxing_queue_size 2048 -f hls -max_delay 5000000 \
             -hls_time 3 -hls_segment_type {kind} -start_number {first} -hls_segment_filename \
             {directory}/x%d.{extension} -hls_playlist_type vod -hls_list_size 0 -y {directory}/x.m3u8"
        );
        line.split_whitespace().map(str::to_owned).collect()
    }
}

/// What is in a segment.
#[derive(Debug)]
struct Look {
    /// When its pictures are shown, in milliseconds.
    pictures: Vec<i64>,
    /// How many packets of sound there are.
    sound: usize,
    /// Of each stream, what it is.
    streams: Vec<String>,
}

fn look(header: &[u8], segment: &Path) -> Look {
    let directory = TempDir::new().expect("a directory");
    let whole = directory.path().join("whole");
    let bytes = std::fs::read(segment).expect("a segment");
    std::fs::write(&whole, [header, &bytes].concat()).expect("written");
    let known = segue_lab::probe(&whole);
    let mut streams = Vec::new();
    let (mut pictures, mut sound) = (Vec::new(), 0);
    for stream in 0..2 {
        let of = |what: &str| known.get(&format!("streams.stream.{stream}.{what}")).cloned();
        let Some(kind) = of("codec_type") else { continue };
        let told = [
            "codec_name",
            "profile",
            "width",
            "height",
            "sample_aspect_ratio",
            "color_space",
            "channels",
            "sample_rate",
        ];
        streams.push(told.map(|what| of(what).unwrap_or_default()).join(" "));
        if kind == "video" {
            let frames = segue_lab::frames(&whole);
            let time = |frame: &segue_lab::Frame| frame.pts_time.parse::<f64>().expect("a time");
            pictures = frames.iter().map(|it| (time(it) * 1000.0).round() as i64).collect();
        } else {
            let packets = segue_lab::packets(&whole);
            sound = packets.iter().filter(|packet| packet.stream == stream).count();
        }
    }
    streams.sort();
    Look { pictures, sound, streams }
}

fn by_ffmpeg(words: &[String], directory: &Path, first: u32) -> Vec<Look> {
    run(ffmpeg().args(["-v", "fatal"]).args(words));
    let header = std::fs::read(directory.join("x-1.mp4")).unwrap_or_default();
    let name = |index: u32| -> PathBuf {
        let made = ["ts", "mp4"].map(|extension| directory.join(format!("x{index}.{extension}")));
        made.into_iter().find(|path| path.exists()).unwrap_or_default()
    };
    (first..).map(name).take_while(|path| path.exists()).map(|path| look(&header, &path)).collect()
}

fn by_job(words: &[String], film: &Path, first: u32) -> Vec<Look> {
    let decision = decide_words(Program::Ffmpeg, words, Surroundings::default());
    let job = decision.job.unwrap_or_else(|| panic!("{}", decision.because));
    let facts = facts(film);
    let request = request(&job, &facts).unwrap_or_else(|why| panic!("{why:?}"));
    let fingerprint =
        Fingerprint { size: 1, revision: Revision::Mtime(0), head_tail: Hash::of(b"") };
    let source = Source { url: format!("file://{}", film.display()), fingerprint };
    let job = segue_hls::plan(source, &request, facts).expect("a job");
    let made = make(film, &job, &scattered(&job, 2));
    let directory = TempDir::new().expect("a directory");
    let playlist = write(&job, &made, directory.path());
    assert_eq!(segue_lab::complaints(&playlist), "");
    let header = made.inits.get(&0).cloned().unwrap_or_default();
    let rendition = &job.recipe.renditions[0];
    let path = |index| directory.path().join(keys::segment(request.packaging, rendition, index));
    (first..job.timeline.segments()).map(|index| look(&header, &path(index))).collect()
}

#[track_caller]
fn assert_alike(what: &str, film: &Path, line: &Line) {
    let directory = TempDir::new().expect("a directory");
    let words = line.words(film, directory.path());
    let theirs = by_ffmpeg(&words, directory.path(), line.first);
    let ours = by_job(&words, film, line.first);
    assert_eq!(ours.len(), theirs.len(), "{what}");
    // At a film's very start ffmpeg's transport streams are later by what is decoded before it.
    let shift = |looks: &[Look]| looks[0].pictures.first().copied().unwrap_or_default();
    let (own, other) = (shift(&ours), shift(&theirs));
    // ffmpeg counts in whole frames from zero, of which these films are not: half a frame more or less.
    let near = (own - other).abs() <= 20;
    assert!(line.first == 0 || near, "{what}: begins at {own} ms and at {other} ms");
    for (index, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        let shown = |look: &Look, shift| -> Vec<i64> {
            look.pictures.iter().map(|time| time - shift).collect()
        };
        assert_eq!(ours.streams, theirs.streams, "{what}, {index}");
        assert_eq!(shown(ours, own), shown(theirs, other), "{what}, {index}");
        // What primes a decoder before a film, or is left in an encoder at its end, is ffmpeg's alone;
        // between, which packet goes with which picture is a matter of how they are interleaved.
        let apart = ours.sound.abs_diff(theirs.sound);
        assert!(apart <= 4, "{what}, {index}: {} and {} packets", ours.sound, theirs.sound);
    }
}

#[test]
fn the_job_of_a_line_is_what_ffmpeg_makes_of_it() {
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a"];
    let film = |sources: &[&[&str]], name: &str, sound: &str, more: &[&str]| {
        made(name, &[&sources.concat()[..], &encoded, &[sound], more].concat())
    };
    let line = |filters: &str, sound: &str| format!("{MAPS} {X264} -vf {filters} {sound}");
    let pan = "pan=stereo|c0=c2+0.30*c0+0.30*c4|c1=c2+0.30*c1+0.30*c5,volume=2";
    let (ts, fmp4) = ("mpegts", "fmp4 -hls_fmp4_init_filename x-1.mp4");

    let (_plain, plain) = film(&[&PICTURE, &STEREO], "film.mkv", "aac", &[]);
    let louder = "-codec:a:0 aac -ac 2 -ab 192000 -af volume=2";
    let streams = line(SIZE, louder);
    assert_alike("plain", &plain, &Line { before: "", streams, kind: ts, first: 0 });
    let streams = line(SIZE, louder);
    let before = "-ss 00:00:06.000";
    assert_alike("sought", &plain, &Line { before, streams, kind: ts, first: 2 });
    let streams = line(SIZE, "-codec:a:0 copy");
    assert_alike("copied", &plain, &Line { before: "", streams, kind: ts, first: 0 });

    let (_surround, surround) = film(&[&PICTURE, &SURROUND], "film.mkv", "flac", &[]);
    let streams = line(SIZE, &format!("-codec:a:0 aac -ab 192000 -af {pan}"));
    assert_alike("mixed", &surround, &Line { before: "", streams, kind: fmp4, first: 0 });

    let fields = ["-flags", "+ildct+ilme"];
    let (_fields, interlaced) = film(&[&FIELDS, &STEREO], "film.mkv", "ac3", &fields);
    let streams = line(&format!("yadif=1:-1:0,{SIZE}"), "-codec:a:0 copy");
    assert_alike("of fields", &interlaced, &Line { before: "", streams, kind: ts, first: 0 });
    let streams = line("format=yuv420p", "-codec:a:0 aac -ac 6 -ab 384000");
    assert_alike("as fields", &interlaced, &Line { before: "", streams, kind: ts, first: 0 });

    let streams = "-vn -acodec aac -ab 192000 -ac 2".to_owned();
    assert_alike("sound alone", &plain, &Line { before: "", streams, kind: ts, first: 0 });
}

#[test]
fn a_source_that_says_it_is_turned_is_shown_as_the_line_says() {
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"];
    let (directory, stored) = made("stored.mp4", &[&PICTURE[..], &STEREO, &encoded].concat());
    let film = directory.path().join("turned.mp4");
    run(ffmpeg()
        .args(["-v", "fatal", "-i"])
        .arg(&stored)
        .args(["-c", "copy", "-metadata:s:v:0", "rotate=90"])
        .arg(&film));
    let turned = facts(&film).video.expect("a picture").orientation;
    assert_eq!(turned.quarter_turns % 2, 1, "the source says that it is turned");
    for (before, filters) in [
        ("", SIZE),
        ("-noautorotate", SIZE),
        ("-noautorotate", "transpose=dir=clock,scale=180:240,format=yuv420p"),
    ] {
        let streams = format!("{MAPS} {X264} -vf {filters} -codec:a:0 aac -ac 2 -ab 128000");
        let line = Line { before, streams, kind: "mpegts", first: 0 };
        assert_alike(&format!("{before} {filters}"), &film, &line);
    }
}
