//! `segue probe`.

use std::path::PathBuf;

use clap::Args;
use segue_model::{
    AudioFacts, FieldOrder, FrameRate, JobRequest, Recipe, Rendition, SourceFacts, Time, VideoFacts,
};
use serde::Serialize;

use crate::ending::{Ending, with_causes};
use crate::progress::{clock, counted, size, to_stdout};
use segue_worker::Film;
use segue_worker::span_process::{Patience, Spawner};

/// See what a film is, and what would be made of it.
///
/// The film is looked at in a sandboxed process, as in a transcode.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  segue probe film.mkv
  segue probe film.mkv --json | jq '.facts.audio[] | {stream, codec, language}'")]
pub struct Arguments {
    /// The film
    input: PathBuf,
    /// Everything that is known of it, as one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    source: &'a segue_model::Source,
    facts: &'a SourceFacts,
    /// What `segue transcode` would do without options; absent when it cannot.
    recipe: Option<&'a Recipe>,
    segments: Option<u32>,
    refused: Option<String>,
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<(), Ending> {
    let source = Film::open_file(&arguments.input)?;
    let spawner = Spawner::new(Spawner::this_program(), Patience::default())
        .map_err(|error| Ending::Failed(format!("segue cannot start: {error}")))?;
    let (facts, _process) = segue_worker::describe(&source, &spawner)?;
    let request = JobRequest::default();
    let planned = request.resolve(&facts).map_err(|error| error.to_string()).and_then(|recipe| {
        let timeline =
            segue_hls::timeline_of(&recipe, &facts).map_err(|error| error.to_string())?;
        Ok((recipe, timeline.segments()))
    });
    if arguments.json {
        let report = Report {
            source: source.source(),
            facts: &facts,
            recipe: planned.as_ref().ok().map(|(recipe, _)| recipe),
            segments: planned.as_ref().ok().map(|(_, segments)| *segments),
            refused: planned.as_ref().err().cloned(),
        };
        let text = serde_json::to_string_pretty(&report)
            .map_err(|error| Ending::Failed(with_causes(&error)))?;
        to_stdout(&text);
        return Ok(());
    }
    to_stdout(&format!("{}", arguments.input.display()));
    for (name, value) in rows(&source, &facts).into_iter().chain(plan(&planned)) {
        to_stdout(&format!("  {name:<10} {value}"));
    }
    Ok(())
}

type Row = (&'static str, String);

fn rows(source: &Film, facts: &SourceFacts) -> Vec<Row> {
    let bytes = source.source().fingerprint.size;
    let seconds = facts.duration.as_secs_f64();
    let bitrate = bytes as f64 * 8.0 / seconds / 1000.0;
    let mut rows = vec![
        ("container", format!("{}, {}, {bitrate:.0} kb/s", facts.container, size(bytes))),
        ("duration", format!("{} ({seconds:.3} s)", clock(seconds))),
    ];
    if let Some(declared) = facts.declared_duration {
        let declared = clock(declared.as_secs_f64());
        rows.push(("cut off", format!("it says it lasts {declared}: the rest is not there")));
    }
    if let Some(video) = &facts.video {
        rows.extend(video_rows(video));
    }
    rows.extend(facts.audio.iter().map(|track| ("sound", sound(track))));
    rows
}

fn video_rows(video: &VideoFacts) -> Vec<Row> {
    let (width, height) = video.display_size();
    let mut picture = format!("stream {}: {}, {width}x{height}", video.stream, video.codec);
    if (width, height) != (video.width, video.height) {
        picture += &format!(" (stored as {}x{})", video.width, video.height);
    }
    picture += match video.frame_rate {
        FrameRate::Constant(_) => ", ",
        FrameRate::Variable(_) => ", variable, about ",
    };
    picture += &format!("{:.3} frames/s", video.frame_rate.nominal().as_secs_f64());
    picture += match video.field_order {
        FieldOrder::Progressive => ", progressive",
        FieldOrder::TopFirst => ", interlaced (top field first)",
        FieldOrder::BottomFirst => ", interlaced (bottom field first)",
    };
    let quarter_turns = video.orientation.quarter_turns % 4;
    if quarter_turns != 0 {
        picture += &format!(", turned by {} degrees", u32::from(quarter_turns) * 90);
    }
    let colour = &video.colour;
    let colours = format!("{}, {}", video.pixel_format, colour.matrix);
    vec![("picture", picture), ("colours", colours), ("keyframes", keyframes(video))]
}

fn keyframes(video: &VideoFacts) -> String {
    let ticks = &video.keyframes.ticks;
    let gaps = ticks.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let longest = gaps.max().map(|gap| Time::from_ticks(gap, video.time_base).as_secs_f64());
    let apart = longest.map(|gap| format!(", at most {gap:.3} s apart")).unwrap_or_default();
    let found = if video.keyframes.scanned {
        "found by reading the whole file, as it has no index"
    } else {
        "from the file's index"
    };
    format!("{}{apart}, {found}", ticks.len())
}

fn sound(track: &AudioFacts) -> String {
    let mut text = format!(
        "stream {}: {}, {} Hz, {}",
        track.stream, track.codec, track.sample_rate, track.layout
    );
    if let Some(language) = &track.language {
        text += &format!(", {language}");
    }
    if track.default {
        text += ", default";
    }
    if !track.decodable {
        text += ", cannot be decoded here";
    }
    text
}

fn plan(planned: &Result<(Recipe, u32), String>) -> Vec<Row> {
    match planned {
        Ok((recipe, segments)) => {
            let made = recipe.renditions.iter().map(|r| ("would make", rendition(r)));
            let seconds = recipe.boundaries.segment();
            made.chain([("", format!("{} of {seconds} s", counted((*segments).into(), "segment")))])
                .collect()
        }
        Err(reason) => vec![("no HLS", reason.clone())],
    }
}

fn rendition(rendition: &Rendition) -> String {
    let mut parts = Vec::new();
    if let Some(video) = &rendition.video {
        let most = match video.rate_control.cap() {
            Some(cap) => format!(" up to {} kb/s", cap.bitrate_max / 1000),
            None => String::new(),
        };
        let fields = if video.deinterlace.is_some() { ", deinterlaced" } else { "" };
        parts.push(format!("H.264 {}x{}{most}{fields}", video.width, video.height));
    }
    if let Some(audio) = &rendition.audio {
        let channels = match audio.channels {
            1 => "mono",
            2 => "stereo",
            6 => "5.1",
            _ => "7.1",
        };
        parts.push(format!("AAC {channels} {} kb/s", audio.bitrate / 1000));
    }
    format!("{}: {}", rendition.name, parts.join(", "))
}
