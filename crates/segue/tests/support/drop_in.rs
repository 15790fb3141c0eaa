//! `segue-ffmpeg` as a media server runs it: a line, standard input that stays open, and files that
//! appear.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use segue_lab::{complaints, frames};
use tempfile::TempDir;

use super::pool::{Log, until};

/// The program.
pub fn drop_in() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| beside("segue-ffmpeg", "segue-drop-in"))
}

/// A program of another package, which a test of this one alone does not build.
pub fn beside(program: &str, package: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_BIN_EXE_segue")).parent().expect("it is in a folder");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--locked", "--package", package]);
    cargo.arg("--target-dir").arg(folder.parent().expect("of a target directory"));
    if folder.ends_with("release") {
        cargo.arg("--release");
    }
    assert!(cargo.status().expect("cargo runs").success());
    folder.join(program)
}

/// Ten seconds of 24 pictures a second, with sound that begins with them.
pub fn film() -> &'static Path {
    static MADE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let make = || {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("film.mkv");
        let mut ffmpeg = segue_lab::ffmpeg();
        ffmpeg.args(["-v", "fatal", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=24:d=10"]);
        ffmpeg.args(["-f", "lavfi", "-i", "sine=f=440:r=48000:d=10", "-c:v", "libx264"]);
        ffmpeg.args(["-preset", "ultrafast", "-g", "48", "-c:a", "flac", "-ac", "2"]);
        segue_lab::run(ffmpeg.arg(&path));
        (directory, path)
    };
    &MADE.get_or_init(make).1
}

/// Of a second each.
pub const SEGMENTS: u32 = 10;
/// Slow enough that something can happen meanwhile.
pub const SLOW: &str = "-codec:v:0 libx264 -preset slower -crf 23 -maxrate 2000000 -bufsize 4000000 \
    -profile:v:0 high -level 41 -force_key_frames:0 expr:gte(t,n_forced*1) -sc_threshold:v:0 0";
/// As large as the film.
pub const LARGE: &str = "scale=640:360,format=yuv420p";

/// Ten seconds of 24000/1001 pictures a second, which begin 21 ms after the sound: as ffmpeg makes
/// Matroska with AAC.
pub fn late_film(directory: &Path) -> PathBuf {
    let path = directory.join("late.mkv");
    let mut ffmpeg = segue_lab::ffmpeg();
    ffmpeg.args(["-v", "fatal", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=24000/1001:d=10"]);
    ffmpeg.args(["-f", "lavfi", "-i", "sine=f=440:r=48000:d=10", "-c:v", "libx264"]);
    ffmpeg.args(["-preset", "ultrafast", "-g", "48", "-c:a", "aac", "-ac", "2"]);
    segue_lab::run(ffmpeg.arg(&path));
    path
}

/// Jellyfin's line for HLS in transport streams; X is the name of everything.
#[derive(Clone, Debug)]
pub struct Line {
    pub film: PathBuf,
    pub directory: PathBuf,
    pub first: u32,
    pub encoder: Vec<String>,
    pub filters: String,
    pub fragments: bool,
}

/// Seconds.
pub const SEGMENT: u32 = 1;

const X264: &str = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 2000000 -bufsize 4000000 \
    -profile:v:0 high -level 41 -force_key_frames:0 expr:gte(t,n_forced*1) -sc_threshold:v:0 0";

impl Line {
    pub fn new(film: &Path, directory: &Path) -> Line {
        Line {
            film: film.to_owned(),
            directory: directory.to_owned(),
            first: 0,
            encoder: X264.split(' ').map(str::to_owned).collect(),
            filters: "scale=trunc(min(max(iw\\,ih*a)\\,320)/2)*2:trunc(ow/a/2)*2,format=yuv420p"
                .to_owned(),
            fragments: false,
        }
    }

    pub fn from(mut self, first: u32) -> Line {
        self.first = first;
        self
    }

    pub fn fragments(mut self) -> Line {
        self.fragments = true;
        self
    }

    pub fn encoder(mut self, words: &str, filters: &str) -> Line {
        self.encoder = words.split_whitespace().map(str::to_owned).collect();
        self.filters = filters.to_owned();
        self
    }

    pub fn words(&self) -> Vec<String> {
        let Line { film, directory, first, encoder, filters, fragments } = self;
        let seek = first * SEGMENT;
        let at = |name: &str| directory.join(name).display().to_string();
        let mut words: Vec<String> = Vec::new();
        let mut add = |text: &str| words.extend(text.split(' ').map(str::to_owned));
        add("-analyzeduration 200M -probesize 1G");
        if seek > 0 {
            add(&format!("-ss 00:00:{seek:02}.000"));
        }
        words.extend(["-i".to_owned(), format!("file:{}", film.display())]);
        let mut add = |text: &str| words.extend(text.split(' ').map(str::to_owned));
        add("-map_metadata -1 -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s");
        words.extend(encoder.iter().cloned());
        words.extend(["-vf".to_owned(), filters.clone()]);
        let mut add = |text: &str| words.extend(text.split(' ').map(str::to_owned));
        add("-codec:a:0 aac -ac 2 -ab 128000 -copyts -avoid_negative_ts disabled");
        add("-max_muxing_queue_size 2048 -f hls -max_delay 5000000 -hls_time 1");
        match fragments {
            true => add("-hls_segment_type fmp4 -hls_fmp4_init_filename X-1.mp4"),
            false => add("-hls_segment_type mpegts"),
        }
        add(&format!("-start_number {first}"));
        let extension = if *fragments { "mp4" } else { "ts" };
        words.extend(["-hls_segment_filename".to_owned(), at(&format!("X%d.{extension}"))]);
        let mut add = |text: &str| words.extend(text.split(' ').map(str::to_owned));
        add("-hls_playlist_type vod -hls_list_size 0");
        if *fragments {
            add("-hls_segment_options movflags=+frag_discont");
        }
        add("-y");
        words.push(at("X.m3u8"));
        words
    }
}

/// A run of `segue-ffmpeg` (or of ffmpeg), watched as a media server watches it.
pub struct Stand {
    child: Child,
    keys: Option<ChildStdin>,
    log: Log,
}

impl Stand {
    pub fn start(mut command: Command) -> Stand {
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = piped.spawn().expect("it starts");
        let log = Log::default();
        log.listen(child.stderr.take().expect("standard error is a pipe"));
        let keys = child.stdin.take();
        Stand { child, keys, log }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("it runs");
    }

    pub fn press(&mut self, keys: &str) {
        let input = self.keys.as_mut().expect("standard input is open");
        input.write_all(keys.as_bytes()).expect("it listens");
        input.flush().expect("it listens");
    }

    pub fn said(&self) -> String {
        self.log.text()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it can be waited for").is_some()
    }

    /// How it ends: its exit code, if no signal ended it.
    pub fn end(&mut self) -> Option<i32> {
        let child = &mut self.child;
        until("the end of it", || child.try_wait().expect("it can be waited for")).code()
    }

    /// It ends well.
    pub fn succeed(mut self) -> String {
        let code = self.end();
        assert_eq!(code, Some(0), "{}", self.said());
        self.said()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same line by ffmpeg, in a directory of its own.
pub fn by_ffmpeg(line: &Line) -> (TempDir, Line) {
    let directory = tempfile::tempdir().unwrap();
    let line = Line { directory: directory.path().to_owned(), ..line.clone() };
    let mut ffmpeg = segue_lab::ffmpeg();
    ffmpeg.args(line.words());
    Stand::start(ffmpeg).succeed();
    (directory, line)
}

pub fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub fn segment(line: &Line, index: u32) -> PathBuf {
    let extension = if line.fragments { "mp4" } else { "ts" };
    line.directory.join(format!("X{index}.{extension}"))
}

/// When each picture is shown, in microseconds, in the whole of what is there.
pub fn times(line: &Line) -> Vec<i64> {
    let frames = frames(line.directory.join("X.m3u8"));
    let micros = |text: &str| text.replace('.', "").parse().expect("a number with six digits");
    frames.iter().map(|frame| micros(&frame.pts_time)).collect()
}

/// ffmpeg's transport streams are late by its B-frames, two here, when they begin with the film; after
/// a seek they are not.
const LATE: i64 = 83_333;

/// Everything that a media server and its player notice is as ffmpeg makes it.
pub fn assert_like_ffmpeg(line: &Line) {
    let (_directory, plain) = by_ffmpeg(line);
    assert_eq!(names(&line.directory), names(&plain.directory));
    let playlist = |line: &Line| fs::read_to_string(line.directory.join("X.m3u8")).unwrap();
    assert_eq!(playlist(line), playlist(&plain));
    let late = if line.first == 0 && !line.fragments { LATE } else { 0 };
    let shifted: Vec<i64> = times(&plain).into_iter().map(|time| time - late).collect();
    let apart = times(line).into_iter().zip(&shifted).map(|(ours, theirs)| (ours - theirs).abs());
    // A tick of a transport stream is 11 microseconds.
    assert_eq!((times(line).len(), apart.max() <= Some(12)), (shifted.len(), true));
    assert_eq!(complaints(line.directory.join("X.m3u8")), "");
    let modified = |index| fs::metadata(segment(line, index)).unwrap().modified().unwrap();
    let rising: Vec<_> = (line.first..SEGMENTS).map(modified).collect();
    assert!(rising.is_sorted_by(|a, b| a < b));
}
