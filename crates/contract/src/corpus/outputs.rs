//! What came out of a line: every file, by what it is, and what was said.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use segue_ffmpeg::Answer;
use segue_ffmpeg::Program;

use super::plan::Plan;
use super::play::Place;
use crate::content::{View, first, note, note_steps};
use crate::error::ContractError;
use crate::jellyfin::capabilities::{ENCODERS, codecs, loudness, version};
use crate::judge::{Judge, Track};
use crate::record::{ScenarioRecord, Value};
use crate::rule::Rule;
use crate::tolerance::{LOUDNESS, SOUND_SECONDS, TIMESTAMP_SECONDS};

/// Files that are read as they are.
const PLAIN: &[&str] =
    &["srt", "ass", "ssa", "vtt", "txt", "json", "csv", "xml", "ttf", "otf", "ttc", "woff", "log"];
/// Where progress and statistics go: how fast a run was stands in them.
const OF_THE_RUN: &[&str] = &["print_graphs_file", "progress", "vstats_file", "passlogfile"];
const MATROSKA: [u8; 4] = [0x1a, 0x45, 0xdf, 0xa3];
/// Texts longer than this are compared by a number.
const SHOWN: usize = 4000;

/// Notes all files that came about in a place, and what was written to standard output.
///
/// # Errors
/// When the judge cannot be run.
pub fn note_all(
    record: &mut ScenarioRecord,
    plan: &Plan,
    place: &Place,
    judge: &Judge,
) -> Result<(), ContractError> {
    let paths = files(&place.tree, &place.given);
    let name = |path: &Path| path.strip_prefix(&place.tree).unwrap_or(path).display().to_string();
    record.fact(Rule::Names, "files", paths.iter().map(|p| name(p)).collect::<BTreeSet<_>>());
    let notes = Notes { plan, place, judge };
    let mut left: BTreeMap<String, PathBuf> =
        paths.into_iter().map(|path| (name(&path), path)).collect();
    let playlists: Vec<PathBuf> =
        left.values().filter(|path| has(path, &["m3u8", "m3u"])).cloned().collect();
    for playlist in playlists {
        left.remove(&name(&playlist));
        for path in notes.playlist(record, &name(&playlist), &playlist, &left)? {
            left.remove(&name(&path));
        }
    }
    let of_the_run = |path: &Path| {
        let named = plan.line.options().filter(|option| OF_THE_RUN.contains(&option.name.as_str()));
        let mut named = named.filter_map(|option| option.text().rsplit('/').next());
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        named.any(|stem| !stem.is_empty() && file.starts_with(stem))
    };
    for (subject, path) in left {
        if !of_the_run(&path) {
            notes.file(record, &subject, &path)?;
        }
    }
    notes.stdout(record)?;
    if plan.answer != Answer::Job {
        // The same program with the same words: nothing may be apart.
        exact(record);
    }
    Ok(())
}

/// Notes what media servers read from standard error: a measured loudness.
pub fn note_words(record: &mut ScenarioRecord, lines: &[String]) {
    if let Some(loudness) = loudness(&lines.join("\n")) {
        record.fact(Rule::Answer, "loudness", Value::near(loudness, LOUDNESS));
    }
}

struct Notes<'a> {
    plan: &'a Plan,
    place: &'a Place,
    judge: &'a Judge,
}

impl Notes<'_> {
    /// A file on its own.
    fn file(
        &self,
        record: &mut ScenarioRecord,
        subject: &str,
        path: &Path,
    ) -> Result<(), ContractError> {
        let tracks = if has(path, PLAIN) { None } else { self.judge.tracks(path)? };
        if tracks.is_none() {
            record.fact(Rule::Content, subject, self.content(path));
            return Ok(());
        }
        let view = View { shifted: self.shifted(path), run: None };
        note(record, subject, tracks.as_deref(), view);
        Ok(())
    }

    /// Whether what [`View`] tells of may have happened to a file.
    fn shifted(&self, path: &Path) -> bool {
        has(path, &["ts"]) && !self.plan.seeks
    }

    /// A playlist and its segments, which are told.
    fn playlist(
        &self,
        record: &mut ScenarioRecord,
        subject: &str,
        path: &Path,
        others: &BTreeMap<String, PathBuf>,
    ) -> Result<Vec<PathBuf>, ContractError> {
        let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let text = self.without_tree(&text);
        let lengths: Vec<f64> = text
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.split(',').next()?.parse().ok())
            .collect();
        let job = self.plan.answer == Answer::Job;
        for (at, length) in lengths.iter().enumerate() {
            // The last one ends with whatever ends last, and sound is cut in packets.
            let last = at + 1 == lengths.len();
            let sound = last || self.plan.line.options().any(|option| option.name == "vn");
            let tolerance = if sound { SOUND_SECONDS } else { TIMESTAMP_SECONDS };
            let subject = format!("{subject}, length {at}");
            record.fact(Rule::Playlist, subject, Value::near(*length, tolerance));
        }
        let plain = text.lines().filter(|line| !line.starts_with("#EXTINF:")).map(str::to_owned);
        record.fact(Rule::Playlist, format!("{subject}, other lines"), plain.collect::<Vec<_>>());
        let here = |name: &str| {
            let name = name.rsplit('/').next().unwrap_or(name).to_owned();
            let beside = path.with_file_name(&name);
            let found = others.values().find(|other| **other == beside);
            found.or_else(|| others.values().find(|other| other.ends_with(&name))).cloned()
        };
        let map = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\""));
        let header = map.and_then(|map| map.split('"').next()).and_then(here);
        let listed = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        let segments: Vec<PathBuf> = listed.filter_map(here).collect();
        let mut run = None;
        let mut row: Vec<Vec<Track>> = Vec::new();
        for segment in segments.iter().filter(|segment| !has(segment, &["m3u8", "vtt"])) {
            let mut tracks = self.judge.tracks(&self.whole(header.as_deref(), segment)?)?;
            if run.is_none() {
                run = tracks.as_deref().and_then(first);
                self.cut_before(run, tracks.as_deref_mut().unwrap_or_default());
            }
            let view = View { shifted: self.shifted(segment), run };
            let name = segment.file_name().unwrap_or_default().to_string_lossy().into_owned();
            note(record, &name, tracks.as_deref(), view);
            row.push(tracks.unwrap_or_default());
        }
        note_steps(record, subject, &row);
        if job {
            let complaints = self.judge.complaints(path)?;
            record.notes.extend(complaints.iter().take(5).map(|line| format!("decoding: {line}")));
            // To be clean where ffmpeg is not is no fault.
            let complains = Value::AtMost(i64::from(!complaints.is_empty()));
            record.fact(Rule::Decoding, subject, complains);
        }
        Ok(segments.into_iter().filter(|path| !has(path, &["m3u8", "vtt"])).chain(header).collect())
    }

    /// Copied sound begins at the keyframe before the seek, where ffmpeg copies it, and with the
    /// segment in a job: see docs/jellyfin.md. What comes before the picture is looked past.
    fn cut_before(&self, run: Option<f64>, tracks: &mut [Track]) {
        let Some(begin) = run.filter(|_| self.plan.answer == Answer::Job && self.plan.seeks) else {
            return;
        };
        for track in tracks.iter_mut().filter(|track| track.kind == "audio") {
            track.packets.retain(|packet| packet.shown >= begin - SOUND_SECONDS);
        }
    }

    /// A segment behind its header.
    fn whole(&self, header: Option<&Path>, segment: &Path) -> Result<PathBuf, ContractError> {
        let Some(header) = header else { return Ok(segment.to_owned()) };
        let read = |path: &Path| fs::read(path).map_err(ContractError::file(path));
        let bytes = [read(header)?, read(segment)?].concat();
        let whole = self.place.aside.join("whole.mp4");
        fs::write(&whole, bytes).map_err(ContractError::file(&whole))?;
        Ok(whole)
    }

    fn stdout(&self, record: &mut ScenarioRecord) -> Result<(), ContractError> {
        let bytes = fs::read(&self.place.stdout).unwrap_or_default();
        let asks = |option: &str| self.plan.line.options().any(|o| o.name == option);
        let text = || String::from_utf8_lossy(&bytes).into_owned();
        // It says that it is Segue's, and offers what the pool can do: see docs/jellyfin.md.
        if self.plan.program == Program::Ffmpeg && asks("version") {
            record.fact(Rule::Answer, "version is accepted", version(&text()).is_some());
        } else if self.plan.program == Program::Ffmpeg && asks("encoders") {
            let offered = Value::Offered(codecs(&text(), ENCODERS));
            record.fact(Rule::Answer, "encoders", offered);
        } else if !bytes.is_empty() {
            let probes = self.plan.program == Program::Ffprobe;
            let tracks = if probes { None } else { self.judge.tracks(&self.place.stdout)? };
            match tracks {
                Some(tracks) => note(record, "stdout", Some(&tracks), View::default()),
                None => record.fact(Rule::Output, "stdout", self.content(&self.place.stdout)),
            }
        } else {
            record.fact(Rule::Output, "stdout", "");
        }
        Ok(())
    }

    /// A file as it is: its text, or a number for it.
    fn content(&self, path: &Path) -> String {
        let bytes = fs::read(path).unwrap_or_default();
        match String::from_utf8(bytes) {
            Ok(text) if text.len() <= SHOWN => self.without_tree(&text),
            Ok(text) => digest(self.without_tree(&text).as_bytes()),
            // Every Matroska file has a random number of its own.
            Err(error) if error.as_bytes().starts_with(&MATROSKA) => {
                format!("{} bytes of Matroska", error.as_bytes().len())
            }
            Err(error) => digest(error.as_bytes()),
        }
    }

    fn without_tree(&self, text: &str) -> String {
        text.replace(&self.place.tree.display().to_string(), "")
    }
}

fn digest(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("{} bytes, {:016x}", bytes.len(), hasher.finish())
}

/// Takes all tolerance back.
fn exact(record: &mut ScenarioRecord) {
    for fact in &mut record.facts {
        match &mut fact.value {
            Value::Near { tolerance, .. } => *tolerance = 0.0,
            Value::AtMost(count) => fact.value = Value::Whole(*count),
            _ => {}
        }
    }
}

fn has(path: &Path, extensions: &[&str]) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    extensions.contains(&extension.as_str())
}

/// All files below a directory but those that lay there before.
fn files(directory: &Path, given: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path, given));
        } else if !given.contains(&path) {
            found.push(path);
        }
    }
    found.sort();
    found
}
