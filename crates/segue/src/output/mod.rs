//! The directory a film is made into.
//!
//! Decided here: what appears in it and when. Segments appear whole, once, under their final
//! names; playlists appear when every segment is there, the multivariant one last, so that what a
//! player can open, it can play to the end. `job.json` comes first: it says whose segments these
//! are, and is locked while somebody writes. A directory in which nothing was made is left as it
//! was found.
//!
//! Never here: libav, child processes, retries. Start at [`Output::open`].

mod error;
mod file;
mod journal;
mod loss;

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Access, FlockOperation, access, flock};
use segue_hls::{keys, playlist};
use segue_model::pool::Renditions;
use segue_model::{Job, SegmentId, Span, Time};

pub use error::OutputError;
use journal::Journal;
pub use loss::{LossCount, SourceLoss};

/// The job's description in its directory.
pub const JOB: &str = "job.json";

/// So far ahead of a segment that is ready, sources have been read: encoders look at up to 60
/// pictures before they give one out, and threads hold some more.
const READ_AHEAD: Time = Time::from_secs(4);

/// An output directory, locked for one job.
pub struct Output {
    directory: PathBuf,
    job: Job,
    /// Holds the lock.
    _lock: File,
    /// What this run made to begin with, in order.
    created: Vec<PathBuf>,
    state: Mutex<State>,
}

struct State {
    journal: Journal,
    /// By rendition and segment.
    made: Vec<Vec<bool>>,
    inits: Vec<Option<Vec<u8>>>,
    bytes: u64,
}

/// The job that `directory` holds, if it holds one that can be read.
pub fn stored_job(directory: &Path) -> Option<Job> {
    let job: Job = serde_json::from_slice(&fs::read(directory.join(JOB)).ok()?).ok()?;
    job.is_intact().then_some(job)
}

/// Whether something can be made in `directory`, which is left as it was found.
pub fn try_out(directory: &Path) -> Result<(), OutputError> {
    let mut created = Vec::new();
    let made = create_directories(directory, &mut created);
    let made = made.and_then(|()| {
        let wanted = Access::WRITE_OK | Access::EXEC_OK;
        access(directory, wanted).map_err(|error| OutputError::writing(directory)(error.into()))
    });
    remove(&created);
    made
}

impl Output {
    /// Begins `job` in `directory`, or goes on with it.
    pub fn open(directory: &Path, job: Job) -> Result<Output, OutputError> {
        let mut created = Vec::new();
        let opened = Output::prepare(directory, &job, &mut created);
        let (lock, state) = opened.inspect_err(|_| remove(&created))?;
        let directory = directory.to_owned();
        Ok(Output { directory, job, _lock: lock, created, state: Mutex::new(state) })
    }

    fn prepare(
        directory: &Path,
        job: &Job,
        created: &mut Vec<PathBuf>,
    ) -> Result<(File, State), OutputError> {
        create_directories(directory, created)?;
        let lock = Output::claim(directory, job, created)?;
        let folders = job.recipe.renditions.iter().map(|rendition| directory.join(&rendition.name));
        for folder in folders {
            create_directories(&folder, created)?;
            file::remove_unfinished(&folder).map_err(OutputError::writing(&folder))?;
        }
        file::remove_unfinished(directory).map_err(OutputError::writing(directory))?;
        let journal_path = directory.join(journal::NAME);
        if !journal_path.exists() {
            created.push(journal_path.clone());
        }
        let journal = Journal::open(directory).map_err(OutputError::writing(&journal_path))?;
        let state = scan(directory, job, journal)?;
        Ok((lock, state))
    }

    /// Writes `job.json`, or finds the same one there, and locks it.
    fn claim(directory: &Path, job: &Job, created: &mut Vec<PathBuf>) -> Result<File, OutputError> {
        let path = directory.join(JOB);
        let writing = OutputError::writing;
        if !path.exists() {
            refuse_foreign(directory, job)?;
            let text = serde_json::to_vec_pretty(job).map_err(io::Error::from);
            let text = text.map_err(writing(&path))?;
            if file::create_only(&path, &text).map_err(writing(&path))? {
                created.push(path.clone());
            }
        }
        let lock = File::options().read(true).write(true).open(&path).map_err(writing(&path))?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(OutputError::Locked { directory: directory.to_owned() });
            }
            // A file system without locks: two writers still only waste work, as no file is
            // replaced.
            Err(_) => {}
        }
        // Whoever held the lock may have made nothing, and removed the file: then there is none by its
        // name, or another.
        let inode = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let (own, named) = (lock.metadata().map(inode), fs::metadata(&path).map(inode));
        if !matches!((own, named), (Ok(own), Ok(named)) if own == named) {
            return Err(OutputError::Locked { directory: directory.to_owned() });
        }
        match stored_job(directory) {
            Some(stored) if stored.id == job.id => Ok(lock),
            stored => Err(OutputError::other_job(directory, job, stored.as_ref())),
        }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What is made here.
    pub fn job(&self) -> &Job {
        &self.job
    }

    /// What a player is given.
    pub fn master(&self) -> PathBuf {
        self.directory.join(keys::MULTIVARIANT)
    }

    /// Runs of segments that at least one rendition lacks.
    pub fn missing(&self) -> Vec<Span> {
        let state = self.state();
        let segments = 0..self.job.timeline.segments() as usize;
        let all = segments.map(|index| state.made.iter().all(|made| made[index]));
        runs(&all.collect::<Vec<_>>(), false)
    }

    /// Runs of segments that are there, of each rendition.
    pub fn published(&self) -> Vec<(u32, Vec<Span>)> {
        let state = self.state();
        (0..).zip(state.made.iter().map(|made| runs(made, true))).collect()
    }

    /// The first segment of `span` that one of `renditions` lacks.
    pub fn first_missing(&self, span: Span, renditions: Renditions) -> Option<u32> {
        let state = self.state();
        let made =
            || (0..).zip(&state.made).filter(|(rendition, _)| renditions.contains(*rendition));
        (span.first..span.end).find(|at| made().any(|(_, made)| !made[*at as usize]))
    }

    /// How many segments are there, of all renditions.
    pub fn made(&self) -> u64 {
        let state = self.state();
        state.made.iter().flatten().map(|made| u64::from(*made)).sum()
    }

    /// How many bytes the segments that are there take.
    pub fn bytes(&self) -> u64 {
        self.state().bytes
    }

    /// Notes what was lost in the making of `span`, so that every later run knows it. Call before the
    /// last of it gets its name: once that is there, nobody makes it again to find out.
    pub fn note_loss(&self, span: Span, loss: SourceLoss) -> Result<(), OutputError> {
        let mut state = self.state();
        if !loss::is_news(state.journal.losses(), span, loss) {
            return Ok(());
        }
        let noted = state.journal.note_loss(span, loss);
        noted.map_err(OutputError::writing(&self.directory.join(journal::NAME)))
    }

    /// The same when only some renditions were made: what the others lost is not made good by that.
    pub fn note_loss_of_some(&self, span: Span, loss: SourceLoss) -> Result<(), OutputError> {
        let known = self.loss_in(span);
        if known.damaged >= loss.damaged && known.short_by >= loss.short_by {
            return Ok(());
        }
        self.note_loss(span, loss)
    }

    /// Counts what is lost in a span from segment `first` on, before which `lead_in` of film is
    /// decoded in vain.
    pub fn count_loss(&self, first: u32, lead_in: Time) -> LossCount {
        let timeline = &self.job.timeline;
        let from = timeline.start_of(first) - lead_in - READ_AHEAD;
        let until = timeline.start_of(first) + READ_AHEAD;
        let near = (0..first).find(|index| timeline.start_of(index + 1) > from).unwrap_or(first);
        let known_until = (first..timeline.segments()).find(|at| timeline.start_of(*at) > until);
        let known = self.loss_in(Span { first: near, end: first }).damaged;
        LossCount::new(first, known, known_until.unwrap_or(timeline.segments()))
    }

    /// What was lost of the source in the segments that are there, whichever run made them.
    pub fn loss(&self) -> SourceLoss {
        self.loss_in(self.job.timeline.whole())
    }

    fn loss_in(&self, span: Span) -> SourceLoss {
        let state = self.state();
        let is_there = |index: u32| {
            let index_is_in = (span.first..span.end).contains(&index);
            index_is_in && state.made.iter().any(|made| made[index as usize])
        };
        let is_there: Vec<bool> = (0..self.job.timeline.segments()).map(is_there).collect();
        loss::standing(state.journal.losses(), &is_there)
    }

    /// Gives a segment its name. Says whether it is new: the first copy wins.
    pub fn publish(&self, id: SegmentId, bytes: &[u8]) -> Result<bool, OutputError> {
        let SegmentId { rendition, index } = id;
        let known = self.job.recipe.renditions.get(rendition as usize);
        let Some(rendition_settings) = known.filter(|_| index < self.job.timeline.segments())
        else {
            return Err(OutputError::NotOfThisJob);
        };
        let at = |state: &State| state.made[rendition as usize][index as usize];
        if at(&self.state()) {
            return Ok(false);
        }
        let key = keys::segment(self.job.recipe.packaging, rendition_settings, index);
        let new = self.create(&key, bytes)?;
        let mut state = self.state();
        if !at(&state) {
            state.made[rendition as usize][index as usize] = true;
            state.bytes += bytes.len() as u64;
        }
        Ok(new)
    }

    /// Gives a rendition its init section. All processes must make the same.
    pub fn publish_init(&self, rendition: u32, bytes: &[u8]) -> Result<(), OutputError> {
        let known = self.job.recipe.renditions.get(rendition as usize);
        let Some(settings) = known else { return Err(OutputError::NotOfThisJob) };
        let Some(key) = keys::init(self.job.recipe.packaging, settings) else {
            return Err(OutputError::NotOfThisJob);
        };
        match &self.state().inits[rendition as usize] {
            Some(init) if init == bytes => return Ok(()),
            Some(_) => return Err(OutputError::InitDiffers { key }),
            None => {}
        }
        if !self.create(&key, bytes)? {
            // Another process was faster: its copy is the one to agree with.
            let path = self.directory.join(&key);
            let there = fs::read(&path).map_err(OutputError::writing(&path))?;
            if there != bytes {
                return Err(OutputError::InitDiffers { key });
            }
        }
        self.state().inits[rendition as usize] = Some(bytes.to_vec());
        Ok(())
    }

    fn create(&self, key: &str, bytes: &[u8]) -> Result<bool, OutputError> {
        let path = self.directory.join(key);
        let noted = self.state().journal.note(key, bytes.len() as u64);
        noted.map_err(OutputError::writing(&path))?;
        file::create_only(&path, bytes).map_err(OutputError::writing(&path))
    }

    /// Whether everything was there already when this directory was opened, playlists and all.
    pub fn is_finished(&self) -> bool {
        self.missing().is_empty()
            && self.playlists().all(|(key, text)| {
                fs::read(self.directory.join(key)).is_ok_and(|there| there == text.as_bytes())
            })
    }

    /// Lets players in: writes the playlists, now that every segment is there.
    pub fn finish(&self) -> Result<(), OutputError> {
        for rendition in &self.job.recipe.renditions {
            let folder = self.directory.join(&rendition.name);
            file::sync_directory(&folder).map_err(OutputError::writing(&folder))?;
        }
        for (key, text) in self.playlists() {
            let path = self.directory.join(key);
            file::replace(&path, text.as_bytes()).map_err(OutputError::writing(&path))?;
        }
        let directory = &self.directory;
        file::sync_directory(directory).map_err(OutputError::writing(directory))
    }

    /// All playlists with their texts, the multivariant one last.
    fn playlists(&self) -> impl Iterator<Item = (String, String)> {
        let job = &self.job;
        let media = job.recipe.renditions.iter().enumerate();
        let media = media
            .map(|(at, rendition)| (keys::media_playlist(rendition), playlist::media(job, at)));
        media.chain(std::iter::once_with(|| {
            (keys::MULTIVARIANT.to_owned(), playlist::multivariant(job))
        }))
    }

    /// Leaves the directory as it was found if nothing was made. Call when nobody publishes any more.
    pub fn leave(&self) {
        if self.made() == 0 {
            let inits = self.job.recipe.renditions.iter();
            for key in inits.filter_map(|r| keys::init(self.job.recipe.packaging, r)) {
                let _ = fs::remove_file(self.directory.join(key));
            }
            remove(&self.created);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked while it held the lock left nothing half-done here.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where `made` is `wanted`.
fn runs(made: &[bool], wanted: bool) -> Vec<Span> {
    let mut runs: Vec<Span> = Vec::new();
    for (index, _) in (0..).zip(made).filter(|(_, made)| **made == wanted) {
        match runs.last_mut() {
            Some(run) if run.end == index => run.end += 1,
            _ => runs.push(Span { first: index, end: index + 1 }),
        }
    }
    runs
}

fn create_directories(path: &Path, created: &mut Vec<PathBuf>) -> Result<(), OutputError> {
    let mut absent: Vec<&Path> =
        path.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists()).collect();
    while let Some(next) = absent.pop() {
        match fs::create_dir(next) {
            Ok(()) => created.push(next.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(OutputError::writing(next)(error)),
        }
    }
    if path.is_dir() { Ok(()) } else { Err(OutputError::NotADirectory { path: path.to_owned() }) }
}

/// Takes back what was created, last first. What is not empty stays.
fn remove(created: &[PathBuf]) {
    for path in created.iter().rev() {
        let _ = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    }
}

/// A directory may hold anything but what the job would make.
fn refuse_foreign(directory: &Path, job: &Job) -> Result<(), OutputError> {
    let folders = job.recipe.renditions.iter().map(|rendition| rendition.name.as_str());
    match folders.chain([keys::MULTIVARIANT]).find(|name| directory.join(name).exists()) {
        Some(name) => Err(OutputError::Foreign { path: directory.join(name) }),
        None => Ok(()),
    }
}

/// Finds what is there, and removes what nobody of ours has made like that.
fn scan(directory: &Path, job: &Job, journal: Journal) -> Result<State, OutputError> {
    let packaging = job.recipe.packaging;
    let mut bytes = 0;
    let length_if_ours = |key: &str| -> Result<Option<u64>, OutputError> {
        let path = directory.join(key);
        match fs::metadata(&path) {
            Ok(there) if journal.knows(key, there.len()) => Ok(Some(there.len())),
            Ok(_) => fs::remove_file(&path).map(|()| None).map_err(OutputError::writing(&path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OutputError::writing(&path)(error)),
        }
    };
    let (mut made, mut inits) = (Vec::new(), Vec::new());
    for rendition in &job.recipe.renditions {
        let init = match keys::init(packaging, rendition) {
            Some(key) if length_if_ours(&key)?.is_some() => fs::read(directory.join(key)).ok(),
            _ => None,
        };
        let init_lacks = packaging == segue_model::Packaging::Fmp4 && init.is_none();
        inits.push(init);
        let mut of_rendition = Vec::with_capacity(job.timeline.segments() as usize);
        for index in 0..job.timeline.segments() {
            let length = length_if_ours(&keys::segment(packaging, rendition, index))?;
            bytes += length.unwrap_or(0);
            of_rendition.push(length.is_some());
        }
        // Only a span can make an init section: one segment is made again to get it.
        if init_lacks && of_rendition.iter().all(|made| *made) {
            let first = directory.join(keys::segment(packaging, rendition, 0));
            fs::remove_file(&first).map_err(OutputError::writing(&first))?;
            of_rendition[0] = false;
        }
        made.push(of_rendition);
    }
    let state = State { journal, made, inits, bytes };
    if state.made.iter().flatten().any(|made| !made) {
        // A playlist of what is not all there must not be found, however it came to be.
        let media = job.recipe.renditions.iter().map(keys::media_playlist);
        for key in [keys::MULTIVARIANT.to_owned()].into_iter().chain(media) {
            let path = directory.join(key);
            if path.exists() {
                fs::remove_file(&path).map_err(OutputError::writing(&path))?;
            }
        }
    }
    Ok(state)
}
