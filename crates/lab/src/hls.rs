//! HLS as the ffmpeg command makes it: streams without a fault, in many shapes.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::cache::directory;
use crate::command::{ffmpeg, run};

/// A stream made with ffmpeg's own HLS muxer (or its segment muxer, for packed audio).
#[derive(Clone, Copy, Debug)]
pub struct HlsSpec {
    /// What tests call it.
    pub name: &'static str,
    /// Arguments after the inputs: a moving test picture, and a sweeping tone.
    arguments: &'static str,
    /// A stream whose own packets are copied instead, made first.
    copied: Option<&'static str>,
    /// The playlist to look at.
    playlist: &'static str,
}

const PICTURE: &str = "testsrc2=size=320x180:rate=25:duration=12";
const SOUND: &str = "aevalsrc=0.3*sin(2*PI*t*(300+40*t))|0.3*sin(2*PI*t*(500+30*t)):s=48000:d=12";
const LENGTH: &str = "-hls_time 2 -hls_list_size 0 -hls_playlist_type vod";

const fn spec(name: &'static str, arguments: &'static str) -> HlsSpec {
    HlsSpec { name, arguments, copied: None, playlist: "x.m3u8" }
}

/// Streams in which a verifier must find nothing. `{x264}` and `{hls}` stand for what most share.
pub fn clean_streams() -> Vec<HlsSpec> {
    const UNEVEN: &str = "-map 0 -map 1 -vf select=not(eq(mod(n\\,7)\\,3))*not(eq(mod(n\\,11)\\,5)),setpts=PTS+0.012*mod(N\\,3)/TB -fps_mode passthrough {x264} -c:a aac";
    const OPEN_GOP: &str = "{x264} -x264-params open-gop=1 -c:a aac";
    let copy = |name, copied, arguments| HlsSpec { copied: Some(copied), ..spec(name, arguments) };
    let variants = |name, arguments| HlsSpec { playlist: "master.m3u8", ..spec(name, arguments) };
    vec![
        spec("ts", "{x264} -c:a aac {hls}"),
        spec("fmp4", "{x264} -c:a aac {hls} -hls_segment_type fmp4"),
        spec("ts-no-b-frames-ac3", "{x264} -bf 0 -c:a ac3 {hls}"),
        spec("fmp4-no-b-frames-ac3", "{x264} -bf 0 -c:a ac3 {hls} -hls_segment_type fmp4"),
        spec("ts-mp3", "{x264} -c:a libmp3lame {hls}"),
        spec("ts-video-only", "-map 0 {x264} {hls}"),
        spec("fmp4-video-only", "-map 0 {x264} {hls} -hls_segment_type fmp4"),
        spec("ts-audio-only", "-map 1 -c:a aac {hls}"),
        spec("fmp4-audio-only", "-map 1 -c:a aac {hls} -hls_segment_type fmp4"),
        spec("ts-44100", "{x264} -c:a aac -ar 44100 {hls}"),
        spec("fmp4-44100", "{x264} -c:a aac -ar 44100 {hls} -hls_segment_type fmp4"),
        spec("ts-single-file", "{x264} -c:a aac {hls} -hls_flags single_file"),
        spec(
            "fmp4-single-file",
            "{x264} -c:a aac {hls} -hls_flags single_file -hls_segment_type fmp4",
        ),
        spec(
            "ts-independent-rounded",
            "{x264} -c:a aac {hls} -hls_flags independent_segments+round_durations",
        ),
        spec(
            "fmp4-independent",
            "{x264} -c:a aac {hls} -hls_flags independent_segments -hls_segment_type fmp4",
        ),
        spec(
            "ts-split-by-time",
            "-c:v libx264 -preset veryfast -g 250 -pix_fmt yuv420p -c:a aac {hls} -hls_flags split_by_time",
        ),
        spec(
            "fmp4-split-by-time",
            "-c:v libx264 -preset veryfast -g 250 -bf 0 -pix_fmt yuv420p -c:a aac {hls} -hls_flags split_by_time -hls_segment_type fmp4",
        ),
        spec(
            "ts-hevc",
            "-c:v libx265 -preset ultrafast -x265-params keyint=50:min-keyint=50:log-level=error -c:a aac {hls}",
        ),
        spec(
            "fmp4-hevc",
            "-c:v libx265 -preset ultrafast -x265-params keyint=50:min-keyint=50:open-gop=0:log-level=error -c:a aac {hls} -hls_segment_type fmp4",
        ),
        spec("ts-mpeg2", "-c:v mpeg2video -g 50 -bf 2 -c:a mp2 {hls}"),
        spec(
            "ts-vfr",
            "-vf select=not(eq(mod(n\\,7)\\,3))*not(eq(mod(n\\,11)\\,5)) -fps_mode passthrough {x264} -c:a aac {hls}",
        ),
        spec(
            "fmp4-vfr",
            "-vf select=not(eq(mod(n\\,7)\\,3))*not(eq(mod(n\\,11)\\,5)) -fps_mode passthrough {x264} -c:a aac {hls} -hls_segment_type fmp4",
        ),
        spec(
            "ts-gap",
            "-vf select=lt(t\\,3)+gte(t\\,9) -fps_mode passthrough {x264} -c:a aac {hls}",
        ),
        spec(
            "fmp4-gap",
            "-vf select=lt(t\\,3)+gte(t\\,9) -fps_mode passthrough {x264} -c:a aac {hls} -hls_segment_type fmp4",
        ),
        spec(
            "ts-still",
            "-vf trim=end_frame=1,loop=-1:1,setpts=N/25/TB -t 12 {x264} -c:a aac {hls}",
        ),
        spec(
            "fmp4-still-and-silent",
            "-vf trim=end_frame=1,loop=-1:1,setpts=N/25/TB -af volume=0 -t 12 {x264} -c:a ac3 {hls} -hls_segment_type fmp4",
        ),
        spec("ts-sound-ends", "-af atrim=end=4.2 {x264} -c:a aac {hls}"),
        spec("fmp4-sound-ends", "-af atrim=end=4.2 {x264} -c:a aac {hls} -hls_segment_type fmp4"),
        copy("ts-copied-open-gop", OPEN_GOP, "-c copy {hls}"),
        copy("ts-copied-vfr", UNEVEN, "-c copy {hls}"),
        copy("fmp4-copied-vfr", UNEVEN, "-c copy {hls} -hls_segment_type fmp4"),
        spec("live", "{x264} -c:a aac -f hls -hls_time 2 -hls_list_size 3 -hls_flags omit_endlist"),
        spec(
            "packed-aac",
            "-map 1 -c:a aac -f segment -segment_time 2 -segment_format adts -segment_list x.m3u8 -segment_list_type m3u8 %d.aac",
        ),
        spec(
            "packed-mp3",
            "-map 1 -c:a libmp3lame -f segment -segment_time 2 -segment_format mp3 -segment_list x.m3u8 -segment_list_type m3u8 %d.mp3",
        ),
        spec(
            "packed-ac3",
            "-map 1 -c:a ac3 -f segment -segment_time 2 -segment_format ac3 -segment_list x.m3u8 -segment_list_type m3u8 %d.ac3",
        ),
        variants(
            "ts-variants",
            "-map 0 -map 1 -map 0 -map 1 {x264} -s:v:1 160x90 -c:a aac {hls} -master_pl_name master.m3u8 -var_stream_map v:0,a:0 v:1,a:1 -hls_segment_filename %v_%d.ts",
        ),
        variants(
            "ts-audio-group",
            "-map 0 -map 0 -map 1 {x264} -s:v:1 160x90 -b:v:0 400k -b:v:1 100k -c:a aac {hls} -master_pl_name master.m3u8 -var_stream_map v:0,agroup:a v:1,agroup:a a:0,agroup:a -hls_segment_filename %v_%d.ts",
        ),
        variants(
            "fmp4-audio-group",
            "-map 0 -map 0 -map 1 {x264} -s:v:1 160x90 -b:v:0 400k -b:v:1 100k -c:a aac {hls} -hls_segment_type fmp4 -master_pl_name master.m3u8 -var_stream_map v:0,agroup:a v:1,agroup:a a:0,agroup:a -hls_segment_filename %v_%d.m4s -hls_fmp4_init_filename init_%v.mp4",
        ),
    ]
}

/// The playlist of a clean stream, made now if no test asked for it before.
///
/// # Panics
/// When no stream has that name, or ffmpeg is missing or refuses.
pub fn clean_stream(name: &str) -> PathBuf {
    let specs = clean_streams();
    let spec = specs.iter().find(|spec| spec.name == name);
    spec.unwrap_or_else(|| panic!("no clean stream is called {name:?}")).path()
}

impl HlsSpec {
    /// Its playlist, made now if no test asked for it before.
    ///
    /// # Panics
    /// When ffmpeg is missing or refuses.
    pub fn path(&self) -> PathBuf {
        let hash = crate::cache::hash(&format!("{self:?}{PICTURE}{SOUND}{LENGTH}"));
        let stem = format!("hls-{}-{hash:016x}", self.name);
        let made = directory().join(&stem);
        let lock = File::create(directory().join(format!("{stem}.lock"))).expect("a lock file");
        lock.lock().expect("a lock");
        if !made.exists() {
            let part = directory().join(format!("{stem}.part"));
            // A leftover of a killed process.
            let _ = fs::remove_dir_all(&part);
            fs::create_dir_all(&part).expect("the laboratory is writable");
            self.make(&part);
            fs::rename(&part, &made).expect("the laboratory is writable");
        }
        made.join(self.playlist)
    }

    fn make(&self, directory: &std::path::Path) {
        let inputs = ["-f", "lavfi", "-i", PICTURE, "-f", "lavfi", "-i", SOUND];
        let mut command = ffmpeg();
        command.args(["-v", "error"]).current_dir(directory);
        if let Some(copied) = self.copied {
            run(ffmpeg().current_dir(directory).args(inputs).args(words(copied)).arg("copied.mkv"));
            command.args(["-i", "copied.mkv"]);
        } else {
            command.args(inputs);
        }
        command.args(words(self.arguments));
        if self.arguments.contains("-var_stream_map") {
            command.arg("%v.m3u8");
        } else if !self.arguments.contains("-f segment") {
            command.arg("x.m3u8");
        }
        run(&mut command);
    }
}

/// Splits arguments; the value of -var_stream_map has blanks.
fn words(arguments: &str) -> Vec<String> {
    const X264: &str = "-c:v libx264 -preset veryfast -g 50 -keyint_min 50 -sc_threshold 0 -threads 1 -pix_fmt yuv420p";
    let text = arguments.replace("{x264}", X264).replace("{hls}", &format!("-f hls {LENGTH}"));
    let mut words: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let is_map = |word: &str| word.starts_with("v:") || word.starts_with("a:");
        match words.last_mut() {
            Some(last) if is_map(last) && is_map(word) => {
                last.push(' ');
                last.push_str(word);
            }
            _ => words.push(word.to_owned()),
        }
    }
    words
}
