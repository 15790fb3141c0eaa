//! What Jellyfin asks at its start and of each film.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use crate::error::ContractError;
use crate::jellyfin::capabilities::{
    DECODERS, ENCODERS, FILTERS, HELP, PAUSE_HELP, accelerations, codecs, filters, keyframes,
    version,
};
use crate::jellyfin::lines::text;
use crate::jellyfin::words::split;
use crate::play::process::{Order, Process, ending};
use crate::play::stage::{Ran, Stage};
use crate::record::Value;
use crate::rule::Rule;

/// The questions of `SetFFmpegPath`, in Jellyfin's order.
pub fn questions(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let asked = |stage: &mut Stage<'_>, line: &str| -> Result<String, ContractError> {
        let ran = stage.ran(line, line)?;
        Ok(String::from_utf8_lossy(&ran.output).into_owned())
    };
    let said = asked(stage, "-version")?;
    // The number itself decides features only at a few steps; that it is readable decides all.
    stage.record.fact(Rule::Answer, "version is accepted", version(&said).is_some());
    type Read = fn(&str) -> BTreeSet<String>;
    let answers: [(&str, Read); 4] = [
        ("-decoders", |said| codecs(said, DECODERS)),
        ("-encoders", |said| codecs(said, ENCODERS)),
        ("-filters", |said| filters(said, FILTERS)),
        ("-hwaccels", accelerations),
    ];
    for (line, read) in answers {
        let said = asked(stage, line)?;
        let names = read(&said);
        // A setting that names an encoder is taken back if the list lacks it; more of them harm nobody.
        let value = if line == "-encoders" { Value::Offered(names) } else { Value::Set(names) };
        stage.record.fact(Rule::Answer, line, value);
    }
    for (what, text) in HELP {
        let line = format!("-h {what}");
        let said = asked(stage, &line)?;
        stage.record.fact(Rule::Answer, format!("{line}: {text}"), said.contains(text));
    }
    let said = pause_help(stage)?;
    stage.record.fact(Rule::Answer, "? names the pause key", said);
    let line = "-loglevel quiet -hwaccel_flags +low_priority -hide_banner -f lavfi -i nullsrc=s=1x1:d=100 -f null -";
    stage.ran("low priority", line)?;
    let line = "-loglevel quiet -f lavfi -i nullsrc=s=1x1:d=1 -only_first_vframe";
    let ran = ffprobe(stage, "only_first_vframe", line)?;
    stage.record.fact(Rule::ExitCode, "ffprobe -only_first_vframe", ending(ran.status));
    for device in
        ["vaapi=va:/dev/dri/renderD128", "drm=dr:/dev/dri/renderD128 -init_hw_device vulkan=vk@dr"]
    {
        // ffmpeg ends with an error as there is nothing to do, which Jellyfin ignores.
        let line = format!("-v verbose -hide_banner -init_hw_device {device}");
        let ran = stage.ran_somehow(device, &line, None)?;
        let said = ran.lines.join("\n");
        for text in [
            "Intel iHD driver",
            "Intel i965 driver",
            "Mesa Gallium driver",
            "VK_EXT_image_drm_format_modifier",
        ] {
            stage.record.fact(Rule::Answer, format!("{device}: {text}"), said.contains(text));
        }
    }
    Ok(())
}

/// Whether `?` on standard input is answered with the pause key.
pub(super) fn pause_help(stage: &mut Stage<'_>) -> Result<bool, ContractError> {
    let line = "-hide_banner -f lavfi -i nullsrc=s=1x1:d=10000 -f null -";
    let program = stage.ffmpeg.clone();
    let order =
        Order { program: &program, words: split(line), directory: None, input: true, output: None };
    let mut process = Process::start(order)?;
    process.write("?", &mut stage.record, "? on standard input");
    let ran = stage.until_end("? on standard input", &mut process)?;
    Ok(ran.lines.iter().any(|line| line.contains(PAUSE_HELP)))
}

/// `GetMediaInfoInternal`, and the keyframes that a copy is cut at.
pub fn probe(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    for film in [stage.films.film(), stage.films.music(), stage.films.text()] {
        let name = film.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let line = format!(
            "-analyzeduration 200M -probesize 1G -i file:\"{}\" -threads 0 -v warning -print_format json -show_streams \
             -show_chapters -show_format",
            text(&film)
        );
        // Its exit code is not looked at.
        let ran = ffprobe(stage, &name, &line)?;
        match serde_json::from_slice::<Json>(&ran.output) {
            Ok(json) => flat(stage, &name, &json),
            Err(_) => stage.record.fact(Rule::Answer, name, "no JSON"),
        }
    }
    let line = format!(
        "-fflags +genpts -v error -skip_frame nokey -show_entries format=duration -show_entries stream=duration \
         -show_entries packet=pts_time,flags -select_streams v -of csv \"{}\"",
        text(&stage.films.film())
    );
    let ran = ffprobe(stage, "keyframes", &line)?;
    stage.record.fact(Rule::Answer, "keyframes", keyframes(&String::from_utf8_lossy(&ran.output)));
    Ok(())
}

fn ffprobe(stage: &mut Stage<'_>, subject: &str, line: &str) -> Result<Ran, ContractError> {
    let program = stage.ffprobe.clone();
    stage.record.notes.push(format!("{subject}: ffprobe {line}"));
    let order = Order {
        program: &program,
        words: split(line),
        directory: None,
        input: false,
        output: None,
    };
    let mut process = Process::start(order)?;
    stage.until_end(subject, &mut process)
}

/// Each value of an answer by its path, so that a difference names one.
fn flat(stage: &mut Stage<'_>, path: &str, json: &Json) {
    match json {
        Json::Object(fields) => {
            fields.iter().for_each(|(key, value)| flat(stage, &format!("{path}.{key}"), value))
        }
        Json::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(at, item)| flat(stage, &format!("{path}[{at}]"), item));
        }
        value => stage.record.fact(Rule::Answer, path, value.to_string()),
    }
}
