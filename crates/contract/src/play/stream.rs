//! A stream as Jellyfin plays it: which process runs, which segments may be sent, what is restarted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::POLL;
use super::order::Order;
use super::process::{self, Process, ending};
use super::stage::{Stage, names};
use super::watch::{Change, Seen, Watch};
use crate::content::{View, first, note, note_steps};
use crate::error::ContractError;
use crate::jellyfin::hls::{ready, start};
use crate::jellyfin::lines::{Container, Hls};
use crate::jellyfin::names::{Name, name};
use crate::jellyfin::words::split;
use crate::judge::Track;
use crate::record::{Ready, Value};
use crate::rule::Rule;
use crate::tolerance::{PROGRESS_BACK_SECONDS, PROGRESS_SECONDS};

/// How a stream's process is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// As Jellyfin does.
    Quit,
    /// As service managers do.
    Terminate,
    /// As the kernel does, short of memory.
    Kill,
}

/// A stream and the process that makes it.
pub struct Stream<'a> {
    hls: Hls<'a>,
    id: String,
    directory: PathBuf,
    replica: usize,
    watch: Watch,
    job: Option<Job>,
    starts: Vec<String>,
    /// The last that was sent of each segment, and by which start of a process it was made.
    sent: BTreeMap<i32, Sent>,
}

struct Job {
    process: Process,
    order: Order,
    from: i32,
    subject: String,
}

struct Sent {
    bytes: Vec<u8>,
    start: usize,
    from: i32,
}

impl<'a> Stream<'a> {
    /// A stream in a directory of its own, with nothing running.
    ///
    /// # Errors
    /// When the directory cannot be made or watched.
    pub fn new(stage: &Stage<'_>, hls: Hls<'a>, replica: usize) -> Result<Self, ContractError> {
        // Jellyfin's id is an MD5 of the film, the device and the session.
        let id = format!("{:032x}", 0x5e60_0e00_c0de_u128 * 0x1_0000_0000_0000_0001);
        let directory = stage.place(&format!("transcodes-{replica}"))?;
        let watch = Watch::new(&directory)?;
        let (starts, sent) = (Vec::new(), BTreeMap::new());
        Ok(Self { hls, id, directory, replica, watch, job: None, starts, sent })
    }

    /// Asks for a segment, starting a process if Jellyfin would, and takes it when it is ready.
    ///
    /// # Errors
    /// When it never comes.
    pub fn segment(&mut self, stage: &mut Stage<'_>, segment: i32) -> Result<(), ContractError> {
        let asked = Instant::now();
        if !self.path(segment).exists() {
            let current = self.current(stage)?;
            if let Some(why) = start(segment, current, self.hls.segment_seconds()) {
                stage.event(format!("seek-{segment}"), self.process_id(), self.replica)?;
                if self.job.is_some() {
                    self.stop(stage, Stop::Quit)?;
                }
                if current.is_some() {
                    self.delete_newest();
                }
                self.starts.push(format!("{} for segment {segment}", why.word()));
                self.start(stage, segment.max(0))?;
            }
        }
        self.until_ready(stage, segment, asked)?;
        self.send(stage, segment, asked)
    }

    /// Starts a process that begins with a segment.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&mut self, stage: &mut Stage<'_>, from: i32) -> Result<(), ContractError> {
        let line = self.hls.line(&self.directory, &self.id, from);
        let subject = self.about(&format!("process {} from segment {from}", self.starts.len()));
        stage.record.notes.push(format!("{subject}: ffmpeg {line}"));
        // What happened before it was not its doing.
        self.watch.drain()?;
        let process = Process::start(process::Order {
            program: &stage.ffmpeg.clone(),
            words: split(&line),
            directory: None,
            input: true,
            output: Some(stage.directory.join(format!(
                "stdout-{}-{}",
                self.replica,
                self.starts.len()
            ))),
        })?;
        let order = Order::new(&self.id, self.hls.container.extension(), from);
        let id = process.id();
        self.job = Some(Job { process, order, from, subject });
        stage.event("job-started".to_owned(), Some(id), self.replica)
    }

    /// Waits until a segment may be sent (`GetSegmentResult`).
    fn until_ready(
        &mut self,
        stage: &mut Stage<'_>,
        segment: i32,
        asked: Instant,
    ) -> Result<(), ContractError> {
        loop {
            self.look(stage)?;
            let exited = self.job.as_mut().is_none_or(|job| job.process.ended().is_some());
            if self.path(segment).exists() {
                let (successor, current) = (self.path(segment + 1).exists(), self.current(stage)?);
                if ready(segment, exited, successor, current) {
                    return Ok(());
                }
            } else if exited {
                let how =
                    self.job.as_mut().map(|job| ending(job.process.ended())).unwrap_or_default();
                let last = self
                    .job
                    .as_ref()
                    .and_then(|job| job.process.lines().last().cloned())
                    .unwrap_or_default();
                let words = format!("the process ended with {how} without it: {last}");
                stage.record.broke(Rule::NeverReady, self.about(&subject(segment)), words);
                return Err(ContractError::Over);
            }
            if asked.elapsed() > stage.settings.patience {
                let words = format!("not there after {:?}", stage.settings.patience);
                stage.record.broke(Rule::NeverReady, self.about(&subject(segment)), words);
                return Err(ContractError::Over);
            }
            thread::sleep(POLL);
        }
    }

    fn send(
        &mut self,
        stage: &mut Stage<'_>,
        segment: i32,
        asked: Instant,
    ) -> Result<(), ContractError> {
        let path = self.path(segment);
        let bytes = fs::read(&path).map_err(ContractError::file(&path))?;
        let subject = self.about(&subject(segment));
        stage.record.ready.push(Ready { subject, seconds: asked.elapsed().as_secs_f64() });
        // A segment that was there already belongs to the start that made it.
        let made = self.job.as_ref().is_some_and(|job| job.order.made().contains(&segment));
        let (start, from) = match (self.sent.get(&segment), &self.job) {
            (Some(sent), _) if !made => (sent.start, sent.from),
            (_, Some(job)) => (self.starts.len(), job.from),
            (_, None) => (self.starts.len(), 0),
        };
        self.sent.insert(segment, Sent { bytes, start, from });
        self.check_times(stage);
        let name = if segment < 0 {
            "header-ready".to_owned()
        } else {
            format!("segment-{segment}-ready")
        };
        stage.event(name, self.process_id(), self.replica)
    }

    /// The number of the newest file while the process runs (`GetCurrentTranscodingIndex`).
    fn current(&mut self, stage: &mut Stage<'_>) -> Result<Option<i32>, ContractError> {
        if self.job.as_mut().is_none_or(|job| job.process.ended().is_some()) {
            return Ok(None);
        }
        let Some((newest, _)) = self.files().into_iter().max_by_key(|(_, time)| *time) else {
            return Ok(None);
        };
        match name(&newest, &self.id, self.hls.container.extension()) {
            Name::Segment(number) => Ok(Some(number)),
            _ => {
                let words = format!("{:?} is the newest file", newest.replacen(&self.id, "X", 1));
                stage.record.broke(Rule::ForeignName, "directory", words);
                Err(ContractError::Over)
            }
        }
    }

    /// Takes in what happened in the directory since the last look.
    ///
    /// # Errors
    /// When the kernel could not keep up.
    pub fn look(&mut self, stage: &mut Stage<'_>) -> Result<Vec<Seen>, ContractError> {
        let seen = self.watch.drain()?;
        if let Some(job) = &mut self.job {
            job.order.take(&seen, &mut stage.record);
        }
        Ok(seen)
    }

    /// Times must rise as numbers do, within what one process made.
    fn check_times(&self, stage: &mut Stage<'_>) {
        let Some(job) = &self.job else { return };
        // A segment that a later run removed has no time to compare.
        let time =
            |number: &i32| fs::metadata(self.path(*number)).and_then(|data| data.modified()).ok();
        let times: Vec<_> =
            job.order.made().iter().filter_map(|number| Some((*number, time(number)?))).collect();
        for pair in times.windows(2) {
            if pair[1].1 < pair[0].1 {
                let words = format!("older than segment {}", pair[0].0);
                stage.record.broke(Rule::ModifiedTimes, self.about(&subject(pair[1].0)), words);
            }
        }
        if let (Some((_, newest)), Some(header)) = (times.last(), time(&-1))
            && times.len() > 1
            && header > *newest
        {
            stage.record.broke(
                Rule::ModifiedTimes,
                self.about("header"),
                "newer than every segment",
            );
        }
    }

    /// Stops the process, if one runs, and judges what it did. Files stay.
    ///
    /// # Errors
    /// When the kernel could not keep up.
    pub fn stop(&mut self, stage: &mut Stage<'_>, how: Stop) -> Result<(), ContractError> {
        stage.event("stopping".to_owned(), self.process_id(), self.replica)?;
        let Some(job) = &mut self.job else { return Ok(()) };
        let subject = job.subject.clone();
        match how {
            Stop::Quit => job.process.stop(&mut stage.record, &subject),
            Stop::Terminate => job.process.terminate(&mut stage.record, &subject),
            Stop::Kill => job.process.kill(),
        }
        if how == Stop::Quit {
            // The code is only logged; one that is not 0 is logged as an error.
            stage.record.fact(Rule::ExitCode, &subject, ending(job.process.ended()));
        }
        self.over(stage)
    }

    /// Waits until the process ends by itself, and notes how.
    ///
    /// # Errors
    /// When it never does.
    pub fn end(&mut self, stage: &mut Stage<'_>) -> Result<(), ContractError> {
        let Some(job) = &mut self.job else { return Ok(()) };
        let (subject, patience) = (job.subject.clone(), stage.settings.patience);
        let status = job.process.wait(patience);
        if status.is_none() {
            stage.record.broke(Rule::NeverReady, &subject, format!("it runs after {patience:?}"));
            job.process.kill();
        }
        stage.record.fact(Rule::ExitCode, &subject, ending(status));
        let told = job.process.progress();
        let last = told.iter().rev().find_map(|told| told.seconds);
        stage.record.fact(Rule::ProgressSeen, &subject, last.is_some());
        let fast = told.iter().any(|told| told.frames_per_second.is_some());
        stage.record.fact(Rule::ProgressSeen, format!("{subject}, fps"), fast);
        if let Some(last) = last {
            stage.record.fact(Rule::ProgressEnd, &subject, Value::near(last, PROGRESS_SECONDS));
        }
        self.over(stage)
    }

    /// What holds for every process that has ended.
    fn over(&mut self, stage: &mut Stage<'_>) -> Result<(), ContractError> {
        self.look(stage)?;
        self.check_times(stage);
        let Some(mut job) = self.job.take() else { return Ok(()) };
        let times: Vec<f64> =
            job.process.progress().iter().filter_map(|told| told.seconds).collect();
        if let Some(pair) = times.windows(2).find(|pair| pair[1] + PROGRESS_BACK_SECONDS < pair[0])
        {
            let words = format!("time= went from {} to {}", pair[0], pair[1]);
            stage.record.broke(Rule::ProgressBackwards, &job.subject, words);
        }
        job.process.linger(&mut stage.record, &job.subject);
        // Nothing tells that nothing more will come: this is how long is looked for it.
        thread::sleep(Duration::from_millis(300));
        if let Some(late) = self.watch.drain()?.iter().find(|seen| seen.change != Change::Removed) {
            let words = format!("{:?} changed after its end", late.name.replacen(&self.id, "X", 1));
            stage.record.broke(Rule::WritesAfterEnd, &job.subject, words);
        }
        job.process.clear();
        let said = stage.directory.join(format!("stdout-{}-{}", self.replica, self.starts.len()));
        if fs::metadata(&said).is_ok_and(|data| data.len() > 0) {
            stage.record.broke(Rule::StdoutNoise, &job.subject, "it wrote to its standard output");
        }
        self.check_sent(stage, job.order.made());
        Ok(())
    }

    /// What was sent of this start's segments must be what they are in the end.
    fn check_sent(&self, stage: &mut Stage<'_>, made: &BTreeSet<i32>) {
        for (segment, sent) in self.sent.iter().filter(|(segment, _)| made.contains(segment)) {
            let now = fs::read(self.path(*segment)).unwrap_or_default();
            if sent.start == self.starts.len() && now != sent.bytes {
                let words = format!("{} bytes were sent of {}", sent.bytes.len(), now.len());
                stage.record.broke(Rule::ServedPartly, self.about(&subject(*segment)), words);
            }
        }
    }

    /// Looks at all that was sent, and notes what it holds and why processes were started.
    ///
    /// # Errors
    /// When the judge cannot be run.
    pub fn judge(&mut self, stage: &mut Stage<'_>) -> Result<(), ContractError> {
        stage.record.fact(Rule::Starts, self.about("processes"), self.starts.clone());
        let place = stage.place(&format!("sent-{}", self.replica))?;
        let header = self.sent.get(&-1).map(|sent| sent.bytes.clone());
        let header = header.or_else(|| fs::read(self.path(-1)).ok()).unwrap_or_default();
        let mut runs: BTreeMap<usize, f64> = BTreeMap::new();
        let mut row: Vec<(i32, usize, Vec<Track>)> = Vec::new();
        for (segment, sent) in self.sent.iter().filter(|(segment, _)| **segment >= 0) {
            let path = place.join(format!("{segment}.{}", self.hls.container.extension()));
            let bytes = [&header[..], &sent.bytes].concat();
            fs::write(&path, bytes).map_err(ContractError::file(&path))?;
            let tracks = stage.judge.tracks(&path)?;
            if let Some(first) = tracks.as_deref().and_then(first) {
                runs.entry(sent.start).or_insert(first);
            }
            let shifted = self.hls.container == Container::Ts && sent.from == 0;
            let view = View { shifted, run: runs.get(&sent.start).copied() };
            let prefix = self.about(&subject(*segment));
            note(&mut stage.record, &prefix, tracks.as_deref(), view);
            row.push((*segment, sent.start, tracks.unwrap_or_default()));
        }
        for part in row.chunk_by(|one, two| one.1 == two.1 && one.0 + 1 == two.0) {
            let (Some((from, ..)), Some((to, ..))) = (part.first(), part.last()) else { continue };
            let tracks: Vec<_> = part.iter().map(|(.., tracks)| tracks.clone()).collect();
            let subject = self.about(&format!("segments {from} to {to}"));
            note_steps(&mut stage.record, &subject, &tracks);
        }
        Ok(())
    }

    /// Decodes all that was sent in one go, as a player that watches it to the end.
    ///
    /// # Errors
    /// When the judge cannot be run.
    pub fn judge_whole(&self, stage: &mut Stage<'_>) -> Result<(), ContractError> {
        let extension = self.hls.container.extension();
        let place = stage.place(&format!("sent-{}", self.replica))?;
        let mut text = String::from(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:6\n#EXT-X-PLAYLIST-TYPE:VOD\n",
        );
        if let Some(header) = self.sent.get(&-1) {
            let path = place.join("header.mp4");
            fs::write(&path, &header.bytes).map_err(ContractError::file(&path))?;
            text.push_str("#EXT-X-MAP:URI=\"header.mp4\"\n");
        }
        for (segment, sent) in self.sent.iter().filter(|(segment, _)| **segment >= 0) {
            let path = place.join(format!("{segment}.{extension}"));
            fs::write(&path, &sent.bytes).map_err(ContractError::file(&path))?;
            text.push_str(&format!(
                "#EXTINF:{}.0,\n{segment}.{extension}\n",
                self.hls.segment_seconds()
            ));
        }
        text.push_str("#EXT-X-ENDLIST\n");
        let path = place.join("all.m3u8");
        fs::write(&path, text).map_err(ContractError::file(&path))?;
        let complaints = stage.judge.complaints(&path)?;
        stage
            .record
            .notes
            .extend(complaints.iter().take(5).map(|line| format!("decoding: {line}")));
        stage.record.fact(
            Rule::Decoding,
            self.about("whole stream"),
            // To be clean where ffmpeg is not is no fault.
            Value::AtMost(i64::from(!complaints.is_empty())),
        );
        Ok(())
    }

    /// Notes which files there are, when that does not depend on when a process was stopped.
    pub fn judge_names(&self, stage: &mut Stage<'_>) {
        let names: BTreeSet<_> =
            names(&self.directory).iter().map(|name| name.replacen(&self.id, "X", 1)).collect();
        stage.record.fact(Rule::Names, self.about("directory"), names);
    }

    /// Deletes the stream's files as Jellyfin does after a stop, and sees that they stay away.
    ///
    /// # Errors
    /// When the directory can no longer be watched.
    pub fn clean_up(&mut self, stage: &mut Stage<'_>) -> Result<(), ContractError> {
        for _ in 0..10 {
            let left: Vec<_> =
                names(&self.directory).into_iter().filter(|name| name.contains(&self.id)).collect();
            for name in &left {
                // What cannot be deleted now is tried again, as Jellyfin does.
                let _ = fs::remove_file(self.directory.join(name));
            }
            thread::sleep(POLL);
        }
        self.watch.drain()?;
        if let Some(name) = names(&self.directory).first() {
            let words = format!("{:?} is left", name.replacen(&self.id, "X", 1));
            stage.record.broke(Rule::Remains, self.about("directory"), words);
        }
        Ok(())
    }

    /// Deletes all in the directory, as Jellyfin does when it starts.
    pub fn wipe(&mut self) {
        for name in names(&self.directory) {
            let _ = fs::remove_file(self.directory.join(name));
        }
    }

    /// The process that runs.
    pub fn process(&mut self) -> Option<&mut Process> {
        self.job.as_mut().map(|job| &mut job.process)
    }

    /// The number of the segment that came last.
    pub fn newest(&self) -> Option<i32> {
        self.job.as_ref()?.order.newest()
    }

    /// The playlist that the process writes.
    pub fn playlist(&self) -> PathBuf {
        self.directory.join(format!("{}.m3u8", self.id))
    }

    /// The playlist's text without what differs from stream to stream.
    pub fn playlist_text(&self) -> String {
        fs::read_to_string(self.playlist()).unwrap_or_default().replace(&self.id, "X")
    }

    fn path(&self, segment: i32) -> PathBuf {
        self.directory.join(format!("{}{segment}.{}", self.id, self.hls.container.extension()))
    }

    /// What Jellyfin takes for segments, with their times.
    fn files(&self) -> Vec<(String, SystemTime)> {
        let extension = self.hls.container.extension();
        let names = names(&self.directory).into_iter();
        let names = names.filter(|file| name(file, &self.id, extension) != Name::Other);
        let time = |file: &str| {
            fs::metadata(self.directory.join(file)).and_then(|data| data.modified()).ok()
        };
        names.filter_map(|file| time(&file).map(|time| (file, time))).collect()
    }

    fn delete_newest(&self) {
        if let Some((newest, _)) = self.files().into_iter().max_by_key(|(_, time)| *time) {
            // Jellyfin, too, goes on if it cannot.
            let _ = fs::remove_file(self.directory.join(newest));
        }
    }

    fn process_id(&self) -> Option<u32> {
        self.job.as_ref().map(|job| job.process.id())
    }

    /// With two media servers, which of them it is about.
    fn about(&self, subject: &str) -> String {
        if self.replica == 0 {
            subject.to_owned()
        } else {
            format!("replica {}: {subject}", self.replica)
        }
    }
}

fn subject(segment: i32) -> String {
    if segment < 0 { "header".to_owned() } else { format!("segment {segment}") }
}
