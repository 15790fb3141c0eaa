//! `segue verify`.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use segue_media::Cancel;
use segue_media::verify::{
    Fault, PlaylistReport, VerifyError, VerifyProgress, VerifyReport, verify,
};
use serde::Serialize;

use crate::ending::{Ending, with_causes};
use crate::interrupt::Interrupt;
use crate::progress::{clock, counted, to_stdout};

/// Prove HLS sound: ours, or anyone's.
///
/// Everything listed is fetched and decoded. Looks for gaps and overlaps, timestamps that step
/// back, decoder complaints, segments that do not begin with a keyframe, EXTINF off by more than a
/// frame, sound that jumps, init sections that do not fit, and more; says which segment.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 nothing is wrong, 1 faults were found, 2 it cannot be checked

Examples:
  segue verify out/master.m3u8
  segue verify out/720p/index.m3u8
  segue verify https://example.org/film/master.m3u8
  segue verify out/master.m3u8 --json | jq -r 'select(.event == \"fault\").detail'"
)]
pub struct Arguments {
    /// A multivariant or media playlist: a file or a URL
    playlist: String,
    /// Faults as JSON, one object per line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Event<'a> {
    Fault(&'a Fault),
    Done { clean: bool, faults: usize, playlists: &'a [PlaylistReport] },
}

/// Runs it.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Ending> {
    let cancel = Cancel::default();
    let stop = cancel.clone();
    Interrupt::on_signal(move || stop.cancel())
        .map_err(|error| Ending::Failed(format!("segue cannot start: {error}")))?;
    let mut shown = Shown::new(!arguments.json && io::stderr().is_terminal());
    let verified = verify(&arguments.playlist, &cancel, &mut |progress| shown.show(&progress));
    shown.bar.finish_and_clear();
    let report = verified.map_err(|error| match error {
        VerifyError::Cancelled => Ending::Interrupted("interrupted".to_owned()),
        other => Ending::BadInput(with_causes(&other)),
    })?;
    if arguments.json {
        json(&report)
    } else {
        text(&arguments.playlist, &report)
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Shown {
    bar: ProgressBar,
}

impl Shown {
    fn new(visible: bool) -> Shown {
        let bar = if visible { ProgressBar::new(0) } else { ProgressBar::hidden() };
        // The template is a constant; were it wrong, the default bar is as good.
        if let Ok(style) = ProgressStyle::with_template("{bar:32} {pos}/{len} segments of {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        Shown { bar }
    }

    fn show(&mut self, progress: &VerifyProgress) {
        let VerifyProgress { playlist, playlist_index, playlists, segment, segments } = progress;
        self.bar.set_length(*segments as u64);
        self.bar.set_position(*segment as u64);
        self.bar.set_message(format!("{playlist} ({}/{playlists})", playlist_index + 1));
    }
}

fn json(report: &VerifyReport) {
    let VerifyReport { playlists, faults } = report;
    let done = Event::Done { clean: report.is_clean(), faults: faults.len(), playlists };
    for event in faults.iter().map(Event::Fault).chain([done]) {
        if let Ok(line) = serde_json::to_string(&event) {
            to_stdout(&line);
        }
    }
}

fn text(location: &str, report: &VerifyReport) {
    for fault in &report.faults {
        to_stdout(&fault.to_string());
    }
    let segments: usize = report.playlists.iter().map(|playlist| playlist.segments).sum();
    let longest = report.playlists.iter().map(|playlist| playlist.duration).fold(0.0, f64::max);
    let playlists = match report.playlists.len() {
        1 => "1 playlist".to_owned(),
        count => format!("{count} playlists"),
    };
    let what = format!("{playlists}, {}, {}", counted(segments as u64, "segment"), clock(longest));
    let verdict = match report.faults.len() {
        0 => "nothing is wrong".to_owned(),
        1 => "1 fault".to_owned(),
        count => format!("{count} faults"),
    };
    to_stdout(&format!("{location}: {verdict} ({what})"));
}
