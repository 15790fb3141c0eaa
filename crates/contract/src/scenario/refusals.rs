//! What ffmpeg refuses to do, and how it says so.

use std::fs;
use std::path::Path;

use crate::error::ContractError;
use crate::jellyfin::lines::{Container, text};
use crate::play::stage::Stage;
use crate::rule::Rule;

use super::video::encoded;

/// One of each kind; all must end by themselves, with ffmpeg's code and like words.
pub fn refusals(stage: &mut Stage<'_>) -> Result<(), ContractError> {
    let place = stage.place("out")?;
    let film = stage.films.film();
    let missing = place.join("missing.mkv");
    let good = |film: &Path, to: &Path| {
        format!(
            "-i file:\"{}\" -map 0:0 -map 0:1 -codec:v:0 libx264 -preset veryfast -codec:a:0 aac -t 1 -y \"{}\"",
            text(film),
            text(to)
        )
    };
    let output = place.join("out.ts");
    let below = stage.films.text().join("out.ts");
    let line = good(&film, &output);
    let lines = [
        ("missing film", good(&missing, &output)),
        ("no film", good(&stage.films.text(), &output)),
        ("unknown encoder", line.replace("libx264", "libnothing")),
        ("unknown option", line.replace("-map 0:0", "-nosuchoption 1 -map 0:0")),
        ("unknown filter", line.replace("-t 1", "-vf nosuchfilter -t 1")),
        ("missing stream", line.replace("-map 0:1", "-map 0:17")),
        ("output directory missing", good(&film, &place.join("none/out.ts"))),
        ("output below a file", good(&film, &below)),
        ("unknown format", line.replace("out.ts", "out.nosuchformat")),
        ("HLS of a missing film", encoded(&missing, Container::Ts).line(&place, "x", 0)),
        (
            "HLS into a missing directory",
            encoded(&film, Container::Ts).line(&place.join("none"), "x", 0),
        ),
        ("no output", format!("-i file:\"{}\"", text(&film))),
    ];
    for (subject, line) in lines {
        refused(stage, subject, &line)?;
    }
    let kept = place.join("kept.ts");
    fs::write(&kept, "kept").map_err(ContractError::file(&kept))?;
    refused(stage, "no overwriting without -y", &good(&film, &kept).replace(" -y ", " "))?;
    let now = fs::read_to_string(&kept).unwrap_or_default();
    stage.record.fact(Rule::Content, "no overwriting without -y", now);
    Ok(())
}

fn refused(stage: &mut Stage<'_>, subject: &str, line: &str) -> Result<(), ContractError> {
    let ran = stage.ran(subject, line)?;
    stage.record.fact(Rule::ExitReason, subject, reason(&ran.lines));
    Ok(())
}

/// The last words, without the paths and addresses in them.
fn reason(lines: &[String]) -> String {
    let last = lines.iter().rev().find(|line| !line.trim().is_empty());
    let last = last.map(|line| line.trim()).unwrap_or_default();
    // `/a/b: No such file` and `[libx264 @ 0x55] Error: x` both end in what happened.
    let words = last.rsplit(": ").next().unwrap_or_default();
    let words = words.split(' ').map(|word| if word.contains('/') { "PATH" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::reason;

    #[test]
    fn a_reason_is_what_happened_and_not_where() {
        let said = |line: &str| reason(&["first".to_owned(), line.to_owned(), String::new()]);
        assert_eq!(said("file:/a/b.mkv: No such file or directory"), "No such file or directory");
        assert_eq!(
            said("File '/a/b.ts' already exists. Exiting."),
            "File PATH already exists. Exiting."
        );
    }
}
