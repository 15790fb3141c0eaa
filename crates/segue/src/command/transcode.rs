//! `segue transcode`.

use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use segue_model::{
    AudioRequest, BoundaryRule, ChannelRequest, JobRequest, Packaging, RenditionRequest, Time,
    parse_bitrate,
};

use crate::ending::Ending;
use crate::pool;
use crate::progress::Style;
use crate::transcode::{self, Settings};
use segue_worker::span_process::Patience;

/// Make HLS from a film, in a directory.
///
/// The film is cut into segments, and several workers make runs of them at once, each in a process of
/// its own. One that dies costs what it had begun, not the film. The workers are this command's own,
/// or those of a pool (--scheduler). A run that was stopped goes on from where it was
/// when the same command is given again.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  segue transcode film.mkv --to out/
      the film's own size, H.264 and stereo AAC, segments of 2 s
  segue transcode film.mkv --to out/ --rendition 1080p --rendition 720p@3M --rendition 480p
      three sizes to choose from while playing, the second with a bit rate of its own
  segue transcode film.mkv --to out/ --packaging fmp4 --segment-length 4
      fragmented MP4 (CMAF) in place of transport streams, picture and sound apart
  segue transcode film.mkv --to out/ --jobs 4 --preset slow --crf 18
      better pictures from the same bits, by four workers at once
  segue transcode film.mkv --scheduler http://127.0.0.1:7700
      by a pool of workers (segue up); with a bar for each
  segue transcode film.mkv --to out/ --json | jq -r 'select(.event == \"done\").playlist'
      for programs: one JSON object per line")]
pub struct Arguments {
    /// The film
    input: PathBuf,
    /// The directory to make it in: new, or begun by the same command. Needed without --scheduler
    #[arg(long, value_name = "DIR")]
    to: Option<PathBuf>,
    /// Have the pool of this scheduler make it; FILM is a path or URL that its workers can read.
    /// Without --to, it stays in the store
    #[arg(long, value_name = "URL", env = "SEGUE_SCHEDULER",
          conflicts_with_all = ["jobs", "patience"])]
    scheduler: Option<String>,
    /// A size to make, with its highest bit rate if need be: 720p, 1280x720@3M, source@8M; again
    /// for more [default: the source's size]
    #[arg(long = "rendition", value_name = "SIZE[@BITRATE]")]
    renditions: Vec<RenditionRequest>,
    /// Let renditions be larger than the source
    #[arg(long)]
    upscale: bool,
    /// Seconds of film in a segment, 0.5 to 30
    #[arg(long, value_name = "SECONDS", default_value = "2")]
    segment_length: Time,
    /// What segments are files of
    #[arg(long, value_enum, default_value = "ts")]
    packaging: PackagingName,
    /// Where segments begin
    #[arg(long, value_enum, default_value = "grid")]
    boundaries: BoundariesName,
    /// Quality, 0 (best) to 51, below each rendition's bit rate
    #[arg(long, value_name = "FACTOR", default_value_t = JobRequest::default().crf,
          value_parser = crf)]
    crf: u8,
    /// Aim at each rendition's bit rate, in place of staying below it at constant quality
    #[arg(long, conflicts_with = "crf")]
    constant_bitrate: bool,
    /// How hard x264 tries, ultrafast to veryslow; options may refine it (veryfast:subme=0:me=dia)
    #[arg(long, default_value_t = JobRequest::default().preset)]
    preset: String,
    /// Which stream of the film is its sound; `segue probe` lists them [default: the film's own
    /// choice]
    #[arg(long, value_name = "STREAM")]
    audio_stream: Option<u32>,
    /// Bits per second of sound: 160k [default: 64k a channel]
    #[arg(long, value_name = "BITRATE", value_parser = audio_bitrate)]
    audio_bitrate: Option<u32>,
    /// How many channels
    #[arg(long, value_enum, default_value = "stereo")]
    audio_channels: ChannelsName,
    /// Leave the sound out
    #[arg(long, conflicts_with_all = ["audio_stream", "audio_bitrate", "audio_channels"])]
    no_audio: bool,
    /// The same bytes on every machine and in every run: slower, single-threaded encoders
    #[arg(long)]
    exact: bool,
    /// Workers of its own [default: one per 4 cores, and at least 2, so that one whose process dies
    /// does not stop the work]
    #[arg(long, short, value_name = "N")]
    jobs: Option<NonZeroU32>,
    /// Seconds a span process may show no progress before it counts as hung and is replaced
    /// [default: 60, and up to 300 for one that is slow all the time]
    #[arg(long, value_name = "SECONDS", value_parser = silence, hide_short_help = true)]
    patience: Option<Duration>,
    /// Say what happens as JSON, one object per line, on standard output
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
    /// Say nothing but errors, and what the film lacks
    #[arg(long, short)]
    quiet: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PackagingName {
    /// MPEG transport streams, picture and sound in one file: what every player takes
    Ts,
    /// CMAF fragmented MP4, picture and sound in files of their own
    Fmp4,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum BoundariesName {
    /// Every so many seconds
    Grid,
    /// At the source's first keyframe so long after the segment's beginning
    KeyframesGreedy,
    /// At the source's first keyframe after each multiple, as `ffmpeg -f hls` and Jellyfin cut
    KeyframesCumulative,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ChannelsName {
    /// At most two, mixed down: what every device plays
    Stereo,
    /// The source's own, at most 5.1
    Source,
}

/// Any number; which ones make sense is the recipe's business.
fn crf(text: &str) -> Result<u8, String> {
    text.parse().map_err(|_| "write a whole number from 0 (best) to 51".to_owned())
}

fn audio_bitrate(text: &str) -> Result<u32, String> {
    let bits = parse_bitrate(text).and_then(|bits| u32::try_from(bits).ok());
    bits.ok_or_else(|| "write bits per second as 160k or 160000".to_owned())
}

/// `silence`: whoever asks for one knows better than how slow the child was so far.
fn patience(silence: Option<Duration>) -> Patience {
    let usual = Patience::default();
    silence.map_or(usual, |silence| Patience { floor: silence, ceiling: silence, ..usual })
}

fn silence(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<Time>().ok().filter(|seconds| seconds.is_positive());
    let silence = seconds.and_then(|it| Duration::try_from_secs_f64(it.as_secs_f64()).ok());
    // The system counts no more finely than this where it matters.
    let silence = silence.filter(|silence| *silence >= Duration::from_millis(1));
    silence.ok_or_else(|| "write seconds as 60 or 0.5".to_owned())
}

/// Runs it.
pub fn run(arguments: Arguments) -> Result<(), Ending> {
    let style = match (arguments.json, arguments.quiet) {
        (true, _) => Style::Json,
        (_, true) => Style::Quiet,
        _ => Style::Text,
    };
    let (input, to) = (arguments.input.clone(), arguments.to.clone());
    if let Some(to) = to.as_ref().and_then(|to| to.to_str()).filter(|to| to.contains("://")) {
        return Err(Ending::BadInput(format!(
            "--to {to} is no directory of this machine: a pool keeps what it makes in its own store \
             (leave --to out)"
        )));
    }
    if let Some(scheduler) = arguments.scheduler.clone() {
        let source = source_url(&input)?;
        let request = arguments.request();
        return pool::transcode(&pool::Settings { scheduler, source, to, request, style });
    }
    let Some(to) = to else {
        return Err(Ending::BadInput(
            "where is it to be made? --to DIR makes it on this machine, in that directory; \
             --scheduler URL has a pool make it, in the pool's store"
                .to_owned(),
        ));
    };
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32);
    // One process keeps 2 to 4 cores busy; more of them cost memory and lead-ins.
    let jobs = arguments.jobs.map_or((cores / 4).max(2), NonZeroU32::get);
    transcode::run(&Settings {
        style,
        jobs,
        threads: cores.div_ceil(jobs),
        patience: patience(arguments.patience),
        input,
        to,
        request: arguments.request(),
    })
}

/// How workers call it: they run elsewhere, with other working directories.
fn source_url(input: &Path) -> Result<String, Ending> {
    match input.to_str().filter(|text| text.contains("://") && !input.exists()) {
        Some(url) => Ok(url.to_owned()),
        None => match input.canonicalize() {
            Ok(absolute) => Ok(segue_worker::file_url(&absolute)),
            // The workers may see what this machine does not.
            Err(_) if input.is_absolute() => Ok(segue_worker::file_url(input)),
            Err(error) => {
                let name = input.display();
                Err(Ending::BadInput(format!("{name}: {error}: check the path")))
            }
        },
    }
}

impl Arguments {
    fn request(self) -> JobRequest {
        let segment = self.segment_length;
        let usual = JobRequest::default();
        JobRequest {
            boundaries: match self.boundaries {
                BoundariesName::Grid => BoundaryRule::Grid { segment },
                BoundariesName::KeyframesGreedy => BoundaryRule::KeyframesGreedy { segment },
                BoundariesName::KeyframesCumulative => {
                    BoundaryRule::KeyframesCumulative { segment }
                }
            },
            packaging: match self.packaging {
                PackagingName::Ts => Packaging::MpegTs,
                PackagingName::Fmp4 => Packaging::Fmp4,
            },
            together: false,
            exact: self.exact,
            without_picture: false,
            renditions: self.renditions,
            upscale: self.upscale,
            crf: self.crf,
            constant_bitrate: self.constant_bitrate,
            rate_control: None,
            preset: self.preset,
            fields: usual.fields,
            orientation: None,
            captions: true,
            keyframes: None,
            colour: usual.colour,
            profile: usual.profile,
            level_max: None,
            over_level: false,
            timestamp_offset: None,
            keep_start: false,
            frame_grid: false,
            audio: (!self.no_audio).then_some(AudioRequest {
                stream: self.audio_stream,
                bitrate: self.audio_bitrate,
                channels: match self.audio_channels {
                    ChannelsName::Stereo => ChannelRequest::Stereo,
                    ChannelsName::Source => ChannelRequest::Source,
                },
                ..AudioRequest::default()
            }),
        }
    }
}
