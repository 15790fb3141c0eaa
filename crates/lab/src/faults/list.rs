//! Surgery on playlists: lines in, lines out.

use std::fs;
use std::path::{Path, PathBuf};

/// A media playlist as lines, and which of them belong to which segment.
pub(super) struct List {
    path: PathBuf,
    pub(super) lines: Vec<String>,
}

impl List {
    pub(super) fn read(path: &Path) -> List {
        let text = fs::read_to_string(path).expect("the playlist can be read");
        List { path: path.to_owned(), lines: text.lines().map(str::to_owned).collect() }
    }

    pub(super) fn write(&self) {
        let text: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        fs::write(&self.path, text).expect("the playlist can be written");
    }

    /// The lines that are URIs.
    fn uri_lines(&self) -> Vec<usize> {
        let is_uri = |line: &str| !line.starts_with('#') && !line.is_empty();
        (0..self.lines.len()).filter(|at| is_uri(&self.lines[*at])).collect()
    }

    pub(super) fn uris(&self) -> Vec<String> {
        self.uri_lines().into_iter().map(|at| self.lines[at].clone()).collect()
    }

    /// The URI of the first EXT-X-MAP.
    pub(super) fn init(&self) -> Option<String> {
        let line = self.lines.iter().find(|line| line.starts_with("#EXT-X-MAP:"))?;
        line.split("URI=\"").nth(1)?.split('"').next().map(str::to_owned)
    }

    fn duration_line(&self, segment: usize) -> usize {
        let uri = self.uri_lines()[segment];
        let is_duration = |line: &String| line.starts_with("#EXTINF:");
        self.lines[..uri].iter().rposition(is_duration).expect("a segment has an EXTINF")
    }

    pub(super) fn duration(&self, segment: usize) -> f64 {
        let line = &self.lines[self.duration_line(segment)];
        let value = line.trim_start_matches("#EXTINF:").split(',').next().unwrap_or_default();
        value.parse().expect("EXTINF is a number")
    }

    pub(super) fn set_duration(&mut self, segment: usize, text: &str) {
        let at = self.duration_line(segment);
        self.lines[at] = format!("#EXTINF:{text},");
    }

    /// Takes a segment out.
    pub(super) fn remove(&mut self, segment: usize) {
        let (from, to) = (self.duration_line(segment), self.uri_lines()[segment]);
        self.lines.drain(from..=to);
    }

    pub(super) fn insert_before(&mut self, segment: usize, line: &str) {
        let at = self.duration_line(segment);
        self.lines.insert(at, line.to_owned());
    }

    /// Replaces the line that begins with `start`; `None` removes it.
    pub(super) fn replace(&mut self, start: &str, line: Option<&str>) {
        let at = self.lines.iter().position(|line| line.starts_with(start));
        let at = at.unwrap_or_else(|| panic!("no line begins with {start}"));
        match line {
            Some(line) => line.clone_into(&mut self.lines[at]),
            None => drop(self.lines.remove(at)),
        }
    }
}
