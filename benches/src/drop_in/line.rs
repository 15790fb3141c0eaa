//! Jellyfin's line for HLS in transport streams, as versions since 10.9 write it for libx264.

use std::path::{Path, PathBuf};

/// Seconds of each segment.
pub const SEGMENT: u32 = 3;

/// What Jellyfin says of x264 in all its lines.
const X264: &str = "-codec:v:0 libx264 -preset veryfast -crf 23";
const TUNING: &str = "-profile:v:0 high -level 41 \
    -x264opts:0 subme=0:me_range=16:rc_lookahead=10:me=hex:open_gop=0 \
    -force_key_frames:0 expr:gte(t,n_forced*3) -sc_threshold:v:0 0";
/// At most 1280 by 720.
const FILTERS: &str = "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,\
    scale=trunc(min(max(iw\\,ih*a)\\,min(1280\\,720*a))/2)*2:\
    trunc(min(max(iw/a\\,ih)\\,min(1280/a\\,720))/2)*2,format=yuv420p";

/// The line for one playback.
pub struct Line<'a> {
    pub film: &'a Path,
    /// The first segment that is wanted.
    pub first: u32,
    /// Makes another job of each number, which is as much work.
    pub number: u32,
    /// Where segments go.
    pub to: &'a Path,
}

impl Line<'_> {
    /// All words but the program's name.
    pub fn words(&self) -> Vec<String> {
        let cap = 3_000_000 + self.number;
        let mut words = Words::default();
        words.add("-analyzeduration 200M -probesize 1G");
        if self.first > 0 {
            let seconds = self.first * SEGMENT;
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            words.add(&format!("-ss {hours:02}:{minutes:02}:{:02}.000", seconds % 60));
        }
        words.pair("-i", &format!("file:{}", self.film.display()));
        words.add("-map_metadata -1 -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s");
        words.add(&format!("{X264} -maxrate {cap} -bufsize {} {TUNING}", cap * 2));
        words.pair("-vf", FILTERS);
        words.add("-codec:a:0 aac -ac 2 -ab 256000 -copyts -avoid_negative_ts disabled");
        words.add(&format!(
            "-max_muxing_queue_size 2048 -f hls -max_delay 5000000 -hls_time {SEGMENT}"
        ));
        words.add(&format!("-hls_segment_type mpegts -start_number {}", self.first));
        words.pair("-hls_segment_filename", &self.to.join("film%d.ts").display().to_string());
        words.add("-hls_playlist_type vod -hls_list_size 0");
        words.0.push("-y".to_owned());
        words.0.push(self.to.join("film.m3u8").display().to_string());
        words.0
    }
}

/// The file of segment `number` in a folder that such a line fills.
pub fn segment(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("film{number}.ts"))
}

#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn add(&mut self, text: &str) {
        self.0.extend(text.split_whitespace().map(str::to_owned));
    }

    fn pair(&mut self, option: &str, value: &str) {
        self.0.extend([option.to_owned(), value.to_owned()]);
    }
}
