//! What ffmpeg says on standard error while it makes a job, for people who read the log and for media
//! servers that read the figures in it.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use segue_ffmpeg::Job;
use segue_ffmpeg::number::clock;
use segue_model::{Packaging, SourceFacts};

use super::stats::Stats;
use super::verbosity::Verbosity;

/// Standard error, as much of it as the line wants.
#[derive(Debug)]
pub struct Report {
    verbosity: Verbosity,
    begun: bool,
}

impl Report {
    /// Says nothing yet.
    pub fn new(verbosity: Verbosity) -> Report {
        Report { verbosity, begun: false }
    }

    /// What is read and what is made of it; said once.
    pub fn begin(&mut self, job: &Job, facts: &SourceFacts, pool: &str) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        if self.verbosity.banner() {
            let version = env!("CARGO_PKG_VERSION");
            say(&format!(
                "ffmpeg version 7.0-segue-{version} segue-ffmpeg: made by the pool at {pool}\n"
            ));
        }
        if self.verbosity.says_all() {
            say(&described(job, facts));
        }
    }

    /// Whether anything was said of the job.
    pub fn has_begun(&self) -> bool {
        self.begun
    }

    /// A file is next.
    pub fn opening(&self, path: &Path) {
        if self.verbosity.says_all() {
            say(&format!("[hls @ 0x1] Opening '{}' for writing\n", path.display()));
        }
    }

    /// How far it is.
    pub fn stats(&self, stats: &Stats) {
        if self.verbosity.stats() && self.begun {
            say(&stats.line());
        }
    }

    /// It ends by a signal.
    pub fn ended_by(&self, signal: i32) {
        if self.verbosity.says_all() {
            say(&format!("Exiting normally, received signal {signal}.\n"));
        }
    }

    /// What goes on meanwhile, for people.
    pub fn note(&self, text: &str) {
        if self.verbosity.says_all() {
            say(&format!("[segue] {text}\n"));
        }
    }

    /// Why it fails.
    pub fn error(&self, text: &str) {
        if self.verbosity.says_errors() {
            say(&format!("{text}\n"));
        }
    }

    /// An answer to a key, which is given however little is to be said.
    pub fn answer(&self, text: &str) {
        say(text);
    }
}

/// Whoever does not listen has no need of it.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Input, output and stream mapping in ffmpeg's form.
fn described(job: &Job, facts: &SourceFacts) -> String {
    let Job { source, content, projection, .. } = job;
    let mut text = format!("Input #0, {}, from 'file:{}':\n", facts.container, source.path);
    let duration = clock(facts.duration);
    let start = facts.start.as_secs_f64();
    text += &format!("  Duration: {duration}, start: {start:.6}, bitrate: N/A\n");
    let mut mapping = String::from("Stream mapping:\n");
    let packaging = match content.packaging {
        Packaging::MpegTs => "mpegts",
        Packaging::Fmp4 => "mp4",
    };
    let mut output = format!("Output #0, hls ({packaging}), to '{}':\n", projection.playlist);
    let mut streams = 0;
    if let (Some(video), Some(_)) = (&facts.video, &content.video) {
        let fps = video.frame_rate.nominal().as_secs_f64();
        text += &format!(
            "  Stream #0:{}: Video: {}, {}, {}x{}, {} fps\n",
            video.stream,
            video.codec,
            video.pixel_format,
            video.width,
            video.height,
            (fps * 100.0).round() / 100.0
        );
        mapping += &format!("  Stream #0:{} -> #0:0 ({} -> h264)\n", video.stream, video.codec);
        output += "  Stream #0:0: Video: h264\n";
        streams += 1;
    }
    for track in &facts.audio {
        text += &format!(
            "  Stream #0:{}: Audio: {}, {} Hz, {}\n",
            track.stream, track.codec, track.sample_rate, track.layout
        );
    }
    if content.audio.is_some() {
        mapping += &format!("  Stream #0:a -> #0:{streams} (-> aac)\n");
        output += &format!("  Stream #0:{streams}: Audio: aac (LC)\n");
    }
    text + &mapping + "Press [q] to stop, [?] for help\n" + &output
}

/// How long somebody waits in words: whole seconds.
pub fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs())
}
