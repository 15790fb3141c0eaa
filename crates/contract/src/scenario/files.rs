//! Work that ends in files: growing ones, and pictures.

use std::fs;
use std::time::{Duration, Instant};

use crate::error::ContractError;
use crate::jellyfin::lines;
use crate::jellyfin::words::split;
use crate::play::process::{Order, Process, ending};
use crate::play::stage::{Stage, names};
use crate::play::wait;
use crate::play::watch::{Change, Watch};
use crate::record::Value;
use crate::rule::Rule;
use crate::tolerance::PROGRESS_SECONDS;

/// MP4 in fragments.
pub fn progressive_mp4(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    progressive(stage, "mp4")
}

/// Matroska.
pub fn progressive_mkv(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    progressive(stage, "mkv")
}

/// A transport stream.
pub fn progressive_ts(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    progressive(stage, "ts")
}

/// Music.
pub fn progressive_mp3(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    progressive(stage, "mp3")
}

fn progressive(stage: &mut Stage<'_>, extension: &str) -> Result<(), ContractError> {
    let film = if extension == "mp3" { stage.films.music() } else { stage.films.film() };
    let place = stage.place("transcodes")?;
    let output = place.join(format!("0123456789abcdef0123456789abcdef.{extension}"));
    let line = lines::progressive(&film, &output);
    stage.record.notes.push(format!("{extension}: ffmpeg {line}"));
    let mut watch = Watch::new(&place)?;
    let program = stage.ffmpeg.clone();
    let mut process = Process::start(Order {
        program: &program,
        words: split(&line),
        directory: None,
        input: true,
        output: Some(stage.directory.join("stdout")),
    })?;
    // `ProgressiveFileStream` reads what is there again and again while the job lives, and never
    // looks back: what it read must stay.
    let mut sent: Vec<u8> = Vec::new();
    let asked = Instant::now();
    while process.ended().is_none() && asked.elapsed() < stage.settings.patience {
        read_on(&output, &mut sent);
        wait(Duration::from_millis(50), || process.ended());
    }
    let ran = stage.until_end(extension, &mut process)?;
    read_on(&output, &mut sent);
    stage.record.fact(Rule::ExitCode, extension, ending(ran.status));
    let now = fs::read(&output).unwrap_or_default();
    // Lengths and indexes that are filled in at the end (MP3's and Matroska's headers) are rewritten
    // by every ffmpeg; nothing behind them may be.
    const REWRITTEN: usize = 4096;
    let kept =
        sent.len() == now.len() && sent.iter().skip(REWRITTEN).eq(now.iter().skip(REWRITTEN));
    if !kept {
        let words = format!("{} bytes were sent of {}, or not the same", sent.len(), now.len());
        stage.record.broke(Rule::ServedPartly, extension, words);
    }
    let created: Vec<_> =
        watch.drain()?.into_iter().filter(|seen| seen.change == Change::Created).collect();
    stage.record.fact(Rule::Names, "directory", names(&place));
    stage.record.fact(
        Rule::Order,
        "names made",
        created.into_iter().map(|seen| seen.name).collect::<Vec<_>>(),
    );
    let last = process.progress().iter().rev().find_map(|told| told.seconds);
    stage.record.fact(Rule::ProgressSeen, extension, last.is_some());
    stage.record.fact(
        Rule::ProgressEnd,
        extension,
        Value::near(last.unwrap_or(-1.0), PROGRESS_SECONDS),
    );
    stage.note_file(extension, &output)
}

fn read_on(path: &std::path::Path, sent: &mut Vec<u8>) {
    use std::io::{Read, Seek, SeekFrom};
    let Ok(mut file) = fs::File::open(path) else { return };
    if file.seek(SeekFrom::Start(sent.len() as u64)).is_ok() {
        // What cannot be read now is read the next time.
        let _ = file.read_to_end(sent);
    }
}

/// A picture for every five seconds; a new one must come within 20 s, or it is killed.
pub fn trickplay(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    const SUBJECT: &str = "trickplay";
    let place = stage.place("0f8fad5b-d9cb-469f-a165-70867728950e")?;
    let line = lines::trickplay(&stage.films.film(), &place);
    stage.record.notes.push(format!("{SUBJECT}: ffmpeg {line}"));
    let mut watch = Watch::new(&place)?;
    let program = stage.ffmpeg.clone();
    let order = Order {
        program: &program,
        words: split(&line),
        directory: None,
        input: false,
        output: None,
    };
    let mut process = Process::start(order)?;
    let (mut count, mut since) = (0, Instant::now());
    let stuck = wait(stage.settings.patience, || {
        if process.ended().is_some() {
            return Some(false);
        }
        let now = names(&place).len();
        if now > count {
            (count, since) = (now, Instant::now());
        }
        (since.elapsed() > Duration::from_secs(20)).then_some(true)
    });
    if stuck == Some(true) {
        stage.record.broke(Rule::NeverReady, SUBJECT, "no new picture for 20 s");
        process.kill();
    }
    let ran = stage.until_end(SUBJECT, &mut process)?;
    stage.record.fact(Rule::ExitCode, SUBJECT, ending(ran.status));
    let created = watch.drain()?.into_iter().filter(|seen| {
        // `TrickplayManager` lists pictures by their extension.
        seen.change == Change::Created && seen.name.ends_with(".jpg")
    });
    stage.record.fact(Rule::Order, "pictures", created.map(|seen| seen.name).collect::<Vec<_>>());
    for name in names(&place) {
        note_picture(stage, &name, &place.join(&name))?;
    }
    Ok(())
}

/// A poster and a chapter's picture.
pub fn images(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let place = stage.place("temp")?;
    for (subject, at) in [("poster", None), ("chapter", Some(15.0))] {
        let output = place.join(format!("{subject}.jpg"));
        let line = lines::image(&stage.films.film(), &output, at);
        stage.ran(subject, &line)?;
        note_picture(stage, subject, &output)?;
    }
    stage.record.fact(Rule::Names, "directory", names(&place));
    Ok(())
}

/// Jellyfin needs a file that is not empty; the picture's kind and size are what it was told.
fn note_picture(
    stage: &mut Stage<'_>,
    subject: &str,
    path: &std::path::Path,
) -> Result<(), ContractError> {
    let tracks = stage.judge.tracks(path)?.unwrap_or_default();
    let words = tracks.iter().map(|track| track.parameters.clone()).collect::<Vec<_>>();
    stage.record.fact(Rule::Streams, subject, words);
    Ok(())
}
