//! Paths as people have them.

use std::fs;

use crate::error::ContractError;
use crate::jellyfin::lines::{self, text};
use crate::play::stage::{Stage, names};
use crate::rule::Rule;

/// Names that broke wrappers: as directories of the film and of what comes out.
const NAMES: &[&str] = &[
    "two  blanks",
    "it's quoted",
    "a \"double\" one",
    "Amélie – 字幕 (2001) 🎬",
    "[brackets] {braces} 100% $HOME `x` #1 ;&|",
    "back\\slash",
    "comma, colon: equals=",
    "line\nbreak",
];

/// A short copy from and to each of them.
pub fn paths(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    for name in NAMES {
        let place = stage.directory.join(name);
        // Not every file system allows each; all ffmpegs are tested on the same one.
        if fs::create_dir_all(&place).is_err() {
            stage.record.notes.push(format!("{name:?} is not allowed here"));
            continue;
        }
        let film = place.join(format!("{name}.mkv"));
        fs::copy(stage.films.film(), &film).map_err(ContractError::file(&film))?;
        let output = place.join("copy.ts");
        let line = format!(
            "-analyzeduration 200M -i file:\"{}\" -map 0:0 -map 0:1 -codec:v:0 copy -codec:a:0 copy -t 4 -y \"{}\"",
            text(&film),
            text(&output)
        );
        stage.ran(&format!("{name:?}, copy"), &line)?;
        stage.note_file(&format!("{name:?}, copy"), &output)?;
        let picture = place.join("picture.jpg");
        stage.ran(&format!("{name:?}, picture"), &lines::image(&film, &picture, Some(2.0)))?;
        stage.record.fact(Rule::Names, format!("{name:?}"), names(&place));
    }
    Ok(())
}
