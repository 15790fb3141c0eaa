//! Live television: a source that comes at its own speed, and never from the network here.

use std::fs;

use super::video::encoded;
use crate::error::ContractError;
use crate::jellyfin::lines::{Container, Hls, Picture, recording as recording_line};
use crate::jellyfin::words::split;
use crate::play::process::{Order, Process, ending};
use crate::play::stage::Stage;
use crate::play::stream::{Stop, Stream};
use crate::play::wait;
use crate::record::Value;
use crate::rule::Rule;
use crate::tolerance::{SOUND_SECONDS, TIMESTAMP_SECONDS};

/// Encoded, in transport streams.
pub fn ts(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    live(stage, Container::Ts, Picture::X264, 4)
}

/// Encoded, in fragmented MP4.
pub fn fmp4(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    live(stage, Container::Fmp4, Picture::X264, 4)
}

/// Copied: cut at the source's keyframes, which come every two seconds.
pub fn copy(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    live(stage, Container::Ts, Picture::Copy, 3)
}

fn live(
    stage: &mut Stage<'_>,
    container: Container,
    picture: Picture,
    segments: i32,
) -> Result<(), ContractError> {
    let film = stage.films.brief();
    let sound_copied = picture == Picture::Copy;
    let hls = Hls { live: true, picture, sound_copied, ..encoded(&film, container) };
    let mut stream = Stream::new(stage, hls, 0)?;
    let played = watch(stage, &mut stream, container, segments);
    stream.end(stage)?;
    stream.judge(stage)?;
    stream.judge_names(stage);
    note_playlist(stage, &stream.playlist_text());
    played
}

fn watch(
    stage: &mut Stage<'_>,
    stream: &mut Stream<'_>,
    container: Container,
    segments: i32,
) -> Result<(), ContractError> {
    stream.start(stage, 0)?;
    // `HlsHelpers.WaitForMinimumSegmentCount`: only then the playlist is sent for the first time.
    let there = wait(stage.settings.patience, || {
        stream.look(stage).ok()?;
        (stream.playlist_text().matches("#EXTINF:").count() >= 2).then_some(())
    });
    if there.is_none() {
        stage.record.broke(Rule::NeverReady, "playlist", "it never listed two segments");
        stream.stop(stage, Stop::Quit)?;
        return Err(ContractError::Over);
    }
    if container == Container::Fmp4 {
        stream.segment(stage, -1)?;
    }
    (0..segments).try_for_each(|segment| stream.segment(stage, segment))
}

fn note_playlist(stage: &mut Stage<'_>, text: &str) {
    let lengths: Vec<f64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.split(',').next()?.parse().ok())
        .collect();
    for (at, length) in lengths.iter().enumerate() {
        // The last one ends with whatever ends last, and sound is cut in packets.
        let tolerance = if at + 1 == lengths.len() { SOUND_SECONDS } else { TIMESTAMP_SECONDS };
        stage.record.fact(Rule::Playlist, format!("length {at}"), Value::near(*length, tolerance));
    }
    let others = text.lines().filter(|line| !line.starts_with("#EXTINF:")).map(str::to_owned);
    stage.record.fact(Rule::Playlist, "other lines", others.collect::<Vec<_>>());
}

/// A recording: copied as it comes, ended by `q`, and readable then.
pub fn recording(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let output = stage.place("recordings")?.join("A film (2020).ts");
    let line = recording_line(&stage.films.brief(), &output);
    stage.record.notes.push(format!("recording: ffmpeg {line}"));
    let program = stage.ffmpeg.clone();
    let mut process = Process::start(Order {
        program: &program,
        words: split(&line),
        directory: None,
        input: true,
        output: Some(stage.directory.join("stdout")),
    })?;
    // How much is there when depends on the source alone: some of it is enough.
    let grows = wait(stage.settings.patience, || {
        fs::metadata(&output).ok().filter(|data| data.len() > 100_000)?;
        Some(())
    });
    stage.record.fact(Rule::Content, "the recording grows", grows.is_some());
    process.stop(&mut stage.record, "recording");
    stage.record.fact(Rule::ExitCode, "recording", ending(process.ended()));
    process.linger(&mut stage.record, "recording");
    process.clear();
    let tracks = stage.judge.tracks(&output)?.unwrap_or_default();
    let words = tracks
        .iter()
        .map(|track| format!("{} {}", track.kind, track.parameters))
        .collect::<Vec<_>>();
    stage.record.fact(Rule::Streams, "recording", words);
    Ok(())
}
