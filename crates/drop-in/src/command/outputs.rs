//! What a worker's ffmpeg writes, at the paths that the line names here. Files that grow are seen to
//! grow; all others have their name when they are complete, not before.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File, FileTimes, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use segue_api::v1::file_event::Event;
use segue_api::v1::{FileEvent, Wrote};
use segue_ffmpeg::files::Files;
use segue_ffmpeg::resume::{Joint, Misfit, Pictures, Resumable};

/// Names that are tried for a file that is not complete. One that is taken is rare enough.
const NAMES: usize = 8;
/// A longer file is no segment that could be read as a whole.
const FITTED_MAX: u64 = 512 << 20;

/// Files that are being written. What is not complete when this is dropped goes, unless it grew.
#[derive(Debug)]
pub struct Outputs {
    expected: Files,
    /// Files that another run has written: they stay as they are.
    settled: HashSet<String>,
    /// What the others must fit.
    joint: Joint,
    /// Whether this run is known to join what is there. Before that nothing of it is kept.
    joined: bool,
    open: HashMap<String, Open>,
    /// The line, if it can go on elsewhere.
    watched: Option<Resumable>,
    /// Where that began, as its first segment says.
    pub beginning: Option<Pictures>,
    /// Whether anything of the line's can be seen.
    pub delivered: bool,
    /// Files that are complete, and have their names.
    pub complete: Vec<String>,
    /// Files here that this run made: nothing else is removed.
    made: HashSet<String>,
    /// When the last one was complete.
    latest: Option<SystemTime>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// What it is called until it is complete.
    part: Option<PathBuf>,
}

/// A file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {error}")]
pub struct OutputError {
    path: String,
    error: io::Error,
}

impl Outputs {
    /// Of a line that writes these, but for those that are settled: what others write meets them as
    /// the joint says.
    pub fn new(expected: Files, settled: &[String], joint: &Joint) -> Outputs {
        Outputs {
            expected,
            settled: settled.iter().cloned().collect(),
            joint: joint.clone(),
            joined: joint.seam().is_none(),
            open: HashMap::new(),
            watched: None,
            beginning: None,
            delivered: false,
            complete: Vec::new(),
            made: HashSet::new(),
            latest: None,
        }
    }

    /// Takes note of where a line begins that may have to go on elsewhere.
    pub fn watching(mut self, watched: Option<Resumable>) -> Outputs {
        self.watched = watched;
        self
    }

    /// Does here what happened there. What the line does not name is not touched, whoever asks.
    pub fn happened(&mut self, event: FileEvent) -> Result<(), OutputError> {
        let FileEvent { path, event } = event;
        if self.settled.contains(&path) && !self.joint.judges(&path) {
            return Ok(());
        }
        let Some(growing) = self.expected.expects(&path).map(|output| output.growing) else {
            return Ok(());
        };
        let Some(event) = event else { return Ok(()) };
        let failed = |error| OutputError { path: path.clone(), error };
        self.change(&path, growing, event).map_err(failed)
    }

    fn change(&mut self, path: &str, growing: bool, event: Event) -> io::Result<()> {
        match event {
            Event::Made(_) => self.make(path, growing),
            Event::Wrote(Wrote { offset, data }) => match self.open.get(path) {
                Some(open) => open.file.write_all_at(&data, offset),
                None => Ok(()),
            },
            Event::Closed(_) => match self.open.remove(path) {
                Some(Open { file, part: Some(part) }) => {
                    self.complete(path, &file, &part).inspect_err(|_| drop(fs::remove_file(&part)))
                }
                _ => Ok(()),
            },
            // No worker says so: what has another name is removed, and made again.
            Event::Renamed(_) => Ok(()),
            Event::Removed(_) => {
                if let Some(Open { part: Some(part), .. }) = self.open.remove(path) {
                    let _ = fs::remove_file(part);
                }
                // What was here before is not the worker's.
                if !self.made.remove(path) {
                    return Ok(());
                }
                match fs::remove_file(path) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    _ => Ok(()),
                }
            }
        }
    }

    /// A file that is whole gets its name, unless it is there only to be judged.
    fn complete(&mut self, path: &str, file: &File, part: &Path) -> io::Result<()> {
        if !self.joint.leaves(path) {
            let mut made = Vec::new();
            File::open(part)?.take(FITTED_MAX + 1).read_to_end(&mut made)?;
            if made.len() as u64 > FITTED_MAX {
                return Err(io::Error::other(Misfit::Damaged));
            }
            let fitted = self.joint.fitted(path, made, head);
            let bytes = fitted.map_err(io::Error::other)?;
            self.joined |= self.joint.seam() == Some(path);
            if !self.settled.contains(path) {
                file.write_all_at(&bytes, 0)?;
            }
        }
        if self.settled.contains(path) {
            return fs::remove_file(part);
        }
        self.ended().map_err(io::Error::other)?;
        self.date(file);
        fs::rename(part, path)?;
        self.delivered = true;
        self.made.insert(path.to_owned());
        self.complete.push(path.to_owned());
        // Media servers remove what was played.
        if let (Some(line), None) = (&self.watched, self.beginning) {
            self.beginning = line.beginning(path, |path| fs::read(path).ok());
        }
        Ok(())
    }

    /// What is wrong with a run that ends now.
    pub fn ended(&self) -> Result<(), Misfit> {
        if self.joined { Ok(()) } else { Err(Misfit::Seam) }
    }

    fn make(&mut self, path: &str, growing: bool) -> io::Result<()> {
        let open = if growing {
            self.delivered = true;
            let file = File::create(path)?;
            self.made.insert(path.to_owned());
            Open { file, part: None }
        } else {
            let directory = Path::new(path).parent().unwrap_or(Path::new("/"));
            let (file, part) = begin(directory, name)?;
            Open { file, part: Some(part) }
        };
        if let Some(Open { part: Some(part), .. }) = self.open.insert(path.to_owned(), open) {
            let _ = fs::remove_file(part);
        }
        Ok(())
    }

    /// Media servers take the newest file for the one that is being made: each is newer than all before.
    fn date(&mut self, file: &File) {
        let now = SystemTime::now();
        let time = match self.latest {
            Some(latest) if latest >= now => latest + Duration::from_micros(1),
            _ => now,
        };
        self.latest = Some(time);
        // Where times cannot be set the file is as good.
        let _ = file.set_times(FileTimes::new().set_modified(time));
    }
}

/// At most so many of the first bytes of a file.
fn head(path: &str, size: usize) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path).ok()?.take(size as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// A new file in a directory, under the first of some names that nobody has.
fn begin(directory: &Path, name: impl Fn() -> String) -> io::Result<(File, PathBuf)> {
    let mut tried = 0;
    loop {
        let part = directory.join(name());
        tried += 1;
        match OpenOptions::new().write(true).create_new(true).open(&part) {
            Ok(file) => return Ok((file, part)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tried < NAMES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Begins with a dot, so that no pattern of a media server takes it for its own. In containers process
/// ids come again, and who was killed left its files: so there is chance in it, too.
fn name() -> String {
    let id = std::process::id();
    // The standard library's hash maps are seeded by the system's random numbers.
    format!(".segue-{id}-{:016x}.part", RandomState::new().hash_one(id))
}

impl Drop for Outputs {
    fn drop(&mut self) {
        for part in self.open.values().filter_map(|open| open.part.as_ref()) {
            let _ = fs::remove_file(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use segue_api::v1::{Closed, Made, Removed, Renamed};
    use segue_ffmpeg::files::{Name, Output};
    use segue_ffmpeg::{CommandLine, Program};

    use super::*;

    /// An init section of no track at all: `mvhd` and `mvex` in a `moov`.
    const INIT: &[u8] = b"\0\0\0\x30moov\
        \0\0\0\x20mvhd\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\0\
        \0\0\0\x08mvex";

    fn outputs(directory: &Path, names: &[&str], growing: bool) -> Outputs {
        let output = |name: &&str| Output {
            directory: directory.to_str().unwrap().to_owned(),
            name: Name::Exactly((*name).to_owned()),
            growing,
        };
        let outputs = names.iter().map(output).collect();
        Outputs::new(Files { outputs, ..Files::default() }, &[], &Joint::default())
    }

    fn say(outputs: &mut Outputs, path: &Path, event: Event) {
        let path = path.to_str().unwrap().to_owned();
        outputs.happened(FileEvent { path, event: Some(event) }).unwrap();
    }

    fn write(outputs: &mut Outputs, path: &Path) {
        say(outputs, path, Event::Made(Made {}));
        say(outputs, path, Event::Wrote(Wrote { offset: 0, data: b"new".to_vec() }));
    }

    fn count(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn only_what_this_run_made_is_removed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ts");
        for growing in [false, true] {
            let mut outputs = outputs(directory.path(), &["a.ts", "b.ts"], growing);
            fs::write(&path, "old").unwrap();
            say(&mut outputs, &path, Event::Removed(Removed {}));
            let to = directory.path().join("b.ts").to_str().unwrap().to_owned();
            say(&mut outputs, &path, Event::Renamed(Renamed { to }));
            assert_eq!(fs::read(&path).unwrap(), b"old");
            write(&mut outputs, &path);
            say(&mut outputs, &path, Event::Closed(Closed {}));
            assert_eq!(fs::read(&path).unwrap(), b"new");
            say(&mut outputs, &path, Event::Removed(Removed {}));
            assert_eq!(count(directory.path()), 0);
        }
    }

    #[test]
    fn what_is_removed_before_it_is_complete_leaves_nothing_and_takes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ts");
        fs::write(&path, "old").unwrap();
        let mut outputs = outputs(directory.path(), &["a.ts"], false);
        write(&mut outputs, &path);
        say(&mut outputs, &path, Event::Removed(Removed {}));
        assert_eq!(count(directory.path()), 1);
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn a_name_that_somebody_left_is_passed_over() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("0"), "left").unwrap();
        let next = Cell::new(0);
        let name = || next.replace(next.get() + 1).to_string();
        let (_, part) = begin(directory.path(), name).unwrap();
        assert_eq!(part, directory.path().join("1"));
        assert_eq!(fs::read(directory.path().join("0")).unwrap(), b"left");
        let error = begin(directory.path(), || "0".to_owned()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_ne!(super::name(), super::name());
    }

    #[test]
    fn what_another_run_has_written_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.ts");
        fs::write(&path, "old").unwrap();
        let settled = [path.to_str().unwrap().to_owned()];
        let files = outputs(directory.path(), &["a.ts", "b.ts"], false).expected.clone();
        let mut outputs = Outputs::new(files, &settled, &Joint::default());
        write(&mut outputs, &path);
        say(&mut outputs, &path, Event::Closed(Closed {}));
        say(&mut outputs, &path, Event::Removed(Removed {}));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert!(!outputs.delivered && outputs.complete.is_empty());
        let next = directory.path().join("b.ts");
        write(&mut outputs, &next);
        say(&mut outputs, &next, Event::Closed(Closed {}));
        assert_eq!(fs::read(&next).unwrap(), b"new");
    }

    /// What a run meets that goes on where these files are whole.
    fn goes_on(directory: &Path, options: &str, settled: &[String]) -> Outputs {
        let words = format!(
            "-i /m/a.mkv -c:v libx264 -g 25 -keyint_min 25 -copyts -avoid_negative_ts disabled -f hls \
             -hls_time 1 -hls_playlist_type vod {options} {}/a.m3u8",
            directory.display()
        );
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        let line = CommandLine::parse(Program::Ffmpeg, &words).unwrap();
        let resumable = Resumable::of(&line, "/").unwrap();
        let rest = resumable.rest(settled, None, None, |path| fs::read(path).ok()).unwrap();
        Outputs::new(Files::of(&line, "/").unwrap(), settled, &rest.joint)
    }

    fn comes(outputs: &mut Outputs, path: &str, data: &[u8]) -> Result<(), OutputError> {
        let data = data.to_vec();
        let wrote = Event::Wrote(Wrote { offset: 0, data });
        for event in [Event::Made(Made {}), wrote, Event::Closed(Closed {})] {
            outputs.happened(FileEvent { path: path.to_owned(), event: Some(event) })?;
        }
        Ok(())
    }

    #[test]
    fn what_does_not_fit_the_init_section_that_is_there_ends_the_run_and_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let init = directory.path().join("a-1.mp4").to_str().unwrap().to_owned();
        fs::write(&init, INIT).unwrap();
        let options = format!(
            "-hls_segment_type fmp4 -hls_fmp4_init_filename {init} -hls_segment_filename {}/a%d.mp4",
            directory.path().display()
        );
        let mut outputs = goes_on(directory.path(), &options, std::slice::from_ref(&init));
        let mut comes = |bytes: &[u8]| {
            let ended = comes(&mut outputs, &init, bytes);
            assert_eq!(fs::read(&init).unwrap(), INIT);
            assert_eq!(count(directory.path()), 1);
            ended
        };
        // The same but for the date of the movie, of which nobody takes notice.
        let mut later = INIT.to_vec();
        later[22] = 1;
        comes(&later).unwrap();
        let error = comes(b"no init section").unwrap_err();
        assert!(error.to_string().contains("cannot be decoded"), "{error}");
        assert!(!outputs.delivered && outputs.complete.is_empty());
    }

    /// A transport stream of pictures that are shown at these ticks.
    fn pictures(times: &[i64]) -> Vec<u8> {
        let packet = |time: &i64| {
            let [a, b, c] =
                [time >> 14 & 0xfe | 1, time >> 7, time << 1 | 1].map(|bits| bits as u8);
            let mut packet = vec![0x47, 0x41, 0, 0x10, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
            packet.extend([0x21, 0, a, b, c]);
            packet.resize(188, 0xff);
            packet
        };
        times.iter().flat_map(packet).collect()
    }

    #[test]
    fn nothing_of_a_run_has_a_name_before_it_is_seen_to_join_what_is_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
        let (there, next) = (pictures(&[0, 3600, 7200]), pictures(&[10_800, 14_400]));
        fs::write(path("a0.ts"), &there).unwrap();
        let options = format!("-hls_segment_filename {}", path("a%d.ts"));
        let run = || goes_on(directory.path(), &options, &[path("a0.ts")]);
        let misfit = |outcome: Result<(), OutputError>| {
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("does not join what is there"), "{error}");
            assert_eq!(count(directory.path()), 1);
            assert_eq!(fs::read(path("a0.ts")).unwrap(), there);
        };
        for made in [&[0, 3600][..], &[0, 3600, 7200, 10_800], &[3600, 7200, 10_800]] {
            misfit(comes(&mut run(), &path("a0.ts"), &pictures(made)));
        }
        let mut outputs = run();
        misfit(comes(&mut outputs, &path("a1.ts"), &next));
        assert_eq!(outputs.ended(), Err(Misfit::Seam));
        comes(&mut outputs, &path("a0.ts"), &pictures(&[0, 3601, 7200])).unwrap();
        assert!(outputs.ended() == Ok(()) && !outputs.delivered);
        comes(&mut outputs, &path("a1.ts"), &next).unwrap();
        assert_eq!(fs::read(path("a1.ts")).unwrap(), next);
        assert_eq!(fs::read(path("a0.ts")).unwrap(), there);
        assert_eq!(outputs.complete, [path("a1.ts")]);
    }

    #[test]
    fn later_files_are_newer_however_quickly_they_come() {
        let directory = tempfile::tempdir().unwrap();
        let names: Vec<String> = (0..50).map(|index| format!("a{index}.ts")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut outputs = outputs(directory.path(), &names, false);
        // As if the clock had been set back.
        outputs.latest = Some(SystemTime::now() + Duration::from_secs(60));
        let mut times = Vec::new();
        for name in names {
            let path = directory.path().join(name);
            write(&mut outputs, &path);
            say(&mut outputs, &path, Event::Closed(Closed {}));
            times.push(fs::metadata(path).unwrap().modified().unwrap());
        }
        assert!(times.is_sorted_by(|a, b| a < b));
    }
}
