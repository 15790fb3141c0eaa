//! What is taken out of a film: subtitles, fonts, loudness, samples.

use std::fs;
use std::path::Path;

use crate::error::ContractError;
use crate::jellyfin::capabilities::loudness as read_loudness;
use crate::jellyfin::lines::text;
use crate::play::stage::{Stage, names};
use crate::record::Value;
use crate::rule::Rule;
use crate::tolerance::LOUDNESS;

/// Both tracks in one pass, then a conversion.
pub fn subtitles(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let place = stage.place("subtitles")?;
    let (film, ass) = (text(&stage.films.film()), text(&stage.films.subtitles()));
    let at = text(&place);
    let line = format!(
        "-nostdin -y -i file:\"{film}\" -map 0:3 -an -vn -c:s copy -flush_packets 1 \"{at}/out3.srt\" \
         -map 0:4 -an -vn -c:s copy -flush_packets 1 \"{at}/out4.ass\""
    );
    stage.ran("all in one pass", &line)?;
    stage.ran("conversion", &format!("-y -i \"{ass}\" -c:s srt \"{at}/converted.srt\""))?;
    note_files(stage, &place)
}

/// Into the working directory, named by the film; then one by one.
pub fn attachments(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let film = text(&stage.films.film());
    let place = stage.place("attachments")?;
    let line = format!("-dump_attachment:t \"\" -y -i file:\"{film}\" -t 0 -f null null");
    stage.ran_in("all", &line, Some(&place))?;
    note_files(stage, &place)?;
    let single = stage.place("single")?;
    let line = format!(
        "-dump_attachment:5 \"{}/five\" -i file:\"{film}\" -t 0 -f null null",
        text(&single)
    );
    stage.ran("one", &line)?;
    note_files(stage, &single)
}

/// Files whose every byte is used.
fn note_files(stage: &mut Stage<'_>, place: &Path) -> Result<(), ContractError> {
    let names = names(place);
    for name in &names {
        let path = place.join(name);
        let bytes = fs::read(&path).map_err(ContractError::file(&path))?;
        stage.record.fact(Rule::Content, name, String::from_utf8_lossy(&bytes).into_owned());
    }
    let place = place.file_name().unwrap_or_default().to_string_lossy().into_owned();
    stage.record.fact(Rule::Names, place, names);
    Ok(())
}

/// `ebur128`, read from standard error.
pub fn loudness(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let line = format!(
        "-hide_banner -i \"{}\" -af ebur128=framelog=verbose -f null -",
        text(&stage.films.music())
    );
    let ran = stage.ran("track", &line)?;
    let found = read_loudness(&ran.lines.join("\n"));
    let found = found.map_or("nothing".into(), |found| Value::near(found, LOUDNESS));
    stage.record.fact(Rule::Answer, "loudness", found);
    Ok(())
}

/// Samples as Intro Skipper and chapter tools read them.
pub fn stdout(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let line = format!(
        "-hide_banner -loglevel warning -threads 0 -ss 2 -i \"{}\" -to 5 -ac 1 -ar 8000 -f s16le -",
        text(&stage.films.music())
    );
    let ran = stage.ran("samples", &line)?;
    // FNV-1a: a difference in one byte is one, and records stay small.
    let hash = ran.output.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    stage.record.fact(Rule::Output, "samples", format!("{} bytes, {hash:016x}", ran.output.len()));
    Ok(())
}

/// A list of files (DVDs, Blu-rays, albums) as one film.
pub fn concat(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let place = stage.place("concat")?;
    let list = place.join("0123456789abcdef.concat");
    let part = stage.films.brief();
    // As `GenerateConcatConfig` writes it, with the length that ffprobe told.
    let entry =
        format!("file '{}'\nduration 10.0\n", part.to_string_lossy().replace('\'', "'\\''"));
    fs::write(&list, entry.repeat(2)).map_err(ContractError::file(&list))?;
    let output = place.join("film.ts");
    let line = format!(
        "-f concat -safe 0 -i \"{}\" -map_metadata -1 -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s \
         -codec:v:0 copy -codec:a:0 copy -copyts -avoid_negative_ts disabled -y \"{}\"",
        text(&list),
        text(&output)
    );
    stage.ran("concat", &line)?;
    stage.note_file("concat", &output)
}
