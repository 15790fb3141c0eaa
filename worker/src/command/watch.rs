//! Sends what a program writes, as it writes it: on a thread of its own, by what the kernel says of its
//! tree. Files that grow are sent as they do; all others once they are closed, which is when they are
//! complete.
//!
//! The kernel's words come in order and late, so a file may have become another one by the time it is
//! looked at. What holds all the same: a file that is not to grow is sent as it was at one of the
//! moments when it was closed, never half-written; and if what it says rests on another file that was
//! closed before (a playlist on its segments), that one is sent before. To that end it is opened
//! first, then everything that the kernel has said until then is taken in, and only then it is sent:
//! unless it was written to meanwhile, then its next closing counts.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, PipeReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use rustix::process::Signal;
use segue_api::v1::file_event::Event;
use segue_api::v1::run_response::Says;
use segue_api::v1::{Closed, FileEvent, Made, Removed, Wrote};

use super::child::Group;
use super::growth::{Growth, Part};
use super::inputs::{PIECE, ToCaller, gone, says};
use super::numbered::Numbered;
use super::room::{self, Room};

/// Complete files that wait to be sent are held open; no more than these.
const HELD_MAX: usize = 128;
/// Shorter files are not worth their space.
const RECLAIMED_MIN: u64 = 64 << 10;

/// What is watched, and for whom.
pub struct Watch {
    tree: PathBuf,
    /// All that is opened is opened from here: the program may rename what is below.
    root: File,
    to_caller: ToCaller,
    growing: HashSet<PathBuf>,
    /// What may be emptied when it is sent.
    numbered: Numbered,
    /// There before the program: none of its making until it closes them.
    present: HashSet<PathBuf>,
    /// The program stops when it makes more than is taken.
    group: Option<Group>,
    /// What it may write.
    room: Room,

    kernel: OwnedFd,
    directories: HashMap<i32, PathBuf>,
    growths: HashMap<PathBuf, Growth>,
    /// Complete, opened, and not sent.
    complete: Vec<(PathBuf, File)>,
    /// Sent, and not removed since.
    sent: HashSet<PathBuf>,
    /// Our own closing of these is yet to be heard of.
    reclaimed: HashMap<PathBuf, u32>,
    /// Closed when the program was ending: complete only if it ended by itself.
    doubtful: Vec<(PathBuf, File)>,
    /// The kernel had more to say than it keeps.
    missed: bool,
}

/// How a program ended, as far as its files go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It closed its files itself.
    ByItself,
    /// What was open then is not complete.
    Killed,
}

impl Watch {
    /// Begins to watch a tree that is laid out, before the program starts.
    pub fn begin(
        tree: PathBuf,
        to_caller: ToCaller,
        growing: HashSet<PathBuf>,
        present: HashSet<PathBuf>,
        numbered: Numbered,
        room: Room,
    ) -> io::Result<Watch> {
        let kernel = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let mut watch = Watch {
            root: File::open(&tree)?,
            tree: tree.clone(),
            to_caller,
            growing,
            numbered,
            present,
            group: None,
            room,
            kernel,
            directories: HashMap::new(),
            growths: HashMap::new(),
            complete: Vec::new(),
            sent: HashSet::new(),
            reclaimed: HashMap::new(),
            doubtful: Vec::new(),
            missed: false,
        };
        watch.watch_below(&tree)?;
        Ok(watch)
    }

    /// Watches until `end` is closed at its other end, and then once more; `ended` says how it ended by
    /// then. What is returned is to be dropped when there is time: the kernel forgets what it watched in
    /// ten milliseconds or more.
    pub fn run(
        mut self,
        group: Group,
        end: &PipeReader,
        ended: impl FnOnce() -> Ended,
    ) -> io::Result<OwnedFd> {
        self.group = Some(group);
        loop {
            let mut both = [
                PollFd::new(&self.kernel, PollFlags::IN),
                PollFd::new(end, PollFlags::IN | PollFlags::HUP),
            ];
            let look = Timespec { tv_sec: room::LOOK.as_secs() as i64, tv_nsec: 0 };
            match poll(&mut both, Some(&look)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let over = !both[1].revents().is_empty();
            self.room.check()?;
            self.take_in()?;
            self.send_complete()?;
            if over {
                // What the kernel said before the end was known was said before we looked.
                return self.finish(ended());
            }
        }
    }

    fn finish(mut self, ended: Ended) -> io::Result<OwnedFd> {
        self.take_in()?;
        let doubtful = std::mem::take(&mut self.doubtful);
        if ended == Ended::ByItself {
            self.complete.extend(doubtful);
        }
        if self.missed && ended == Ended::ByItself {
            self.find_missed()?;
        }
        let growing: Vec<PathBuf> = self.growths.keys().cloned().collect();
        for path in growing {
            self.grow(&path, true)?;
        }
        self.send_complete()?;
        Ok(self.kernel)
    }

    /// Takes in all that the kernel has to say now.
    fn take_in(&mut self) -> io::Result<()> {
        let mut buffer = [MaybeUninit::uninit(); 16 << 10];
        loop {
            let mut news = Vec::new();
            {
                let mut reader = inotify::Reader::new(&self.kernel, &mut buffer);
                loop {
                    match reader.next() {
                        Ok(event) => {
                            let name = event.file_name();
                            let name =
                                name.map(|name| OsStr::from_bytes(name.to_bytes()).to_owned());
                            news.push((event.wd(), event.events(), name));
                        }
                        Err(Errno::AGAIN) => break,
                        Err(Errno::INTR) => continue,
                        Err(error) => return Err(error.into()),
                    }
                    if reader.is_buffer_empty() {
                        break;
                    }
                }
            }
            if news.is_empty() {
                return Ok(());
            }
            for (directory, what, name) in news {
                if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                    self.missed = true;
                    continue;
                }
                let (Some(directory), Some(name)) = (self.directories.get(&directory), name) else {
                    continue;
                };
                let path = directory.join(name);
                self.hear(&path, what)?;
            }
            if self.complete.len() >= HELD_MAX {
                self.send_complete()?;
            }
        }
    }

    fn hear(&mut self, path: &Path, what: ReadFlags) -> io::Result<()> {
        if what.contains(ReadFlags::ISDIR) {
            if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                self.watch_below(path)?;
            }
            return Ok(());
        }
        if what.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
            return self.removed(path);
        }
        if self.growing.contains(path) {
            return self.grow(path, what.contains(ReadFlags::CLOSE_WRITE));
        }
        if what.contains(ReadFlags::MODIFY) {
            self.complete.retain(|(waiting, _)| waiting != path);
        }
        if what.intersects(ReadFlags::CLOSE_WRITE | ReadFlags::MOVED_TO) {
            self.completed(path, what.contains(ReadFlags::MOVED_TO));
        }
        Ok(())
    }

    /// A file was closed, or got its name.
    fn completed(&mut self, path: &Path, renamed: bool) {
        if let Some(own) = self.reclaimed.get_mut(path).filter(|own| **own > 0 && !renamed) {
            *own -= 1;
            return;
        }
        // Muxers write under such a name what they then rename, and again before we look.
        if path.extension().is_some_and(|extension| extension == "tmp" || extension == "temp") {
            return;
        }
        // What is gone again is nobody's any more.
        let Ok(file) = self.open(path) else { return };
        self.complete.retain(|(waiting, _)| waiting != path);
        let ending = !renamed && self.group.as_ref().is_some_and(Group::is_ending);
        let list = if ending { &mut self.doubtful } else { &mut self.complete };
        list.push((path.to_owned(), file));
    }

    fn removed(&mut self, path: &Path) -> io::Result<()> {
        self.complete.retain(|(waiting, _)| waiting != path);
        self.growths.remove(path);
        if self.sent.remove(path) {
            self.say(path, Event::Removed(Removed {}))?;
        }
        Ok(())
    }

    fn grow(&mut self, path: &Path, closed: bool) -> io::Result<()> {
        if !self.growths.contains_key(path) {
            let Ok(file) = self.open(path) else { return Ok(()) };
            self.say(path, Event::Made(Made {}))?;
            self.sent.insert(path.to_owned());
            self.growths.insert(path.to_owned(), Growth::new(file));
        }
        let Some(mut growth) = self.growths.remove(path) else { return Ok(()) };
        if growth.is_begun_anew() {
            growth.begin_anew();
            self.say(path, Event::Made(Made {}))?;
        }
        while let Some(part) = growth.next()? {
            self.send_part(path, part)?;
        }
        if closed {
            growth.changed(|part| self.send_part(path, part))?;
            self.say(path, Event::Closed(Closed {}))?;
        }
        self.growths.insert(path.to_owned(), growth);
        Ok(())
    }

    fn send_complete(&mut self) -> io::Result<()> {
        for (path, file) in std::mem::take(&mut self.complete) {
            self.say(&path, Event::Made(Made {}))?;
            self.sent.insert(path.clone());
            let mut offset = 0;
            loop {
                let mut data = vec![0; PIECE as usize];
                let count = file.read_at(&mut data, offset)?;
                if count == 0 {
                    break;
                }
                data.truncate(count);
                self.send_part(&path, Part { offset, data })?;
                offset += count as u64;
            }
            self.say(&path, Event::Closed(Closed {}))?;
            self.reclaim(&path, &file, offset);
        }
        Ok(())
    }

    /// Who made it does not read it again: its space is for the next one.
    fn reclaim(&mut self, path: &Path, file: &File, length: u64) {
        let is_spent = length >= RECLAIMED_MIN
            && self.numbered.holds(path)
            && self.is_still(path, file, length);
        // The very file that was sent, whatever has its name by now.
        if is_spent && let Ok(file) = OpenOptions::new().write(true).open(by_descriptor(file)) {
            // Heard of even if it stays as it is: then it only takes room.
            *self.reclaimed.entry(path.to_owned()).or_default() += 1;
            let _ = file.set_len(0);
        }
    }

    /// Whether `file` is what has that name, and nobody wrote to it since it was sent.
    fn is_still(&self, path: &Path, file: &File, length: u64) -> bool {
        let what = |file: &File| {
            let now = file.metadata()?;
            Ok::<_, io::Error>((now.dev(), now.ino(), now.mtime(), now.mtime_nsec(), now.len()))
        };
        match (self.open(path).and_then(|named| what(&named)), what(file)) {
            (Ok(named), Ok(sent)) => named == sent && sent.4 == length,
            _ => false,
        }
    }

    /// Files of which the kernel could not tell.
    fn find_missed(&mut self) -> io::Result<()> {
        let mut folders = vec![self.tree.clone()];
        while let Some(folder) = folders.pop() {
            let Ok(directory) = self.open_directory(&folder) else { continue };
            for (name, kind) in entries(&directory)? {
                let path = folder.join(name);
                if kind.is_dir() {
                    folders.push(path);
                } else if !kind.is_file() {
                } else if self.growing.contains(&path) {
                    self.grow(&path, true)?;
                } else if !self.sent.contains(&path) && !self.present.contains(&path) {
                    self.completed(&path, true);
                }
            }
        }
        Ok(())
    }

    fn watch_below(&mut self, directory: &Path) -> io::Result<()> {
        let flags = WatchFlags::CREATE
            | WatchFlags::MODIFY
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVE
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR;
        let opened = match self.open_directory(directory) {
            Ok(opened) => opened,
            // It was removed again.
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let number = inotify::add_watch(&self.kernel, by_descriptor(&opened), flags)?;
        self.directories.insert(number, directory.to_owned());
        let entries = entries(&opened)?;
        drop(opened);
        for (name, kind) in entries {
            if kind.is_dir() {
                self.watch_below(&directory.join(name))?;
            } else if self.group.is_some() {
                // Made before we watched; if it is not closed yet, its closing is heard.
                self.missed = true;
            }
        }
        Ok(())
    }

    fn send_part(&self, path: &Path, part: Part) -> io::Result<()> {
        self.say(path, Event::Wrote(Wrote { offset: part.offset, data: part.data }))
    }

    /// Says something of a file; a program that makes more than is taken stands still meanwhile.
    fn say(&self, path: &Path, event: Event) -> io::Result<()> {
        let Some(path) = path.strip_prefix(&self.tree).ok().and_then(Path::to_str) else {
            // The caller could not name it.
            return Ok(());
        };
        let event = FileEvent { path: format!("/{path}"), event: Some(event) };
        match self.to_caller.try_reserve() {
            Ok(room) => {
                room.send(says(Says::File(event)));
                Ok(())
            }
            Err(_) => {
                self.signal(Signal::STOP);
                let said = self.to_caller.blocking_send(says(Says::File(event)));
                self.signal(Signal::CONT);
                said.map_err(|_| gone())
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = &self.group {
            group.signal(signal);
        }
    }

    /// Only what is a file: a link would lead out of the tree, a pipe would keep us waiting.
    fn open(&self, path: &Path) -> io::Result<File> {
        let file = self.open_below(path, OFlags::NONBLOCK)?;
        match file.metadata()?.is_file() {
            true => Ok(file),
            false => Err(io::Error::other("not a file")),
        }
    }

    fn open_directory(&self, path: &Path) -> Result<File, Errno> {
        self.open_below(path, OFlags::DIRECTORY)
    }

    /// Opens what is in the tree without a link in any part of its path.
    fn open_below(&self, path: &Path, flags: OFlags) -> Result<File, Errno> {
        let below = path.strip_prefix(&self.tree).map_err(|_| Errno::XDEV)?;
        let below = if below.as_os_str().is_empty() { Path::new(".") } else { below };
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        loop {
            match openat2(&self.root, below, flags, Mode::empty(), resolve) {
                Ok(file) => return Ok(file.into()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A path to what is open, wherever that is by now.
fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// What a directory holds; links are links.
fn entries(directory: &File) -> io::Result<Vec<(OsString, FileType)>> {
    let entries = fs::read_dir(by_descriptor(directory))?.flatten();
    Ok(entries.filter_map(|entry| Some((entry.file_name(), entry.file_type().ok()?))).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn watch(tree: &Path) -> Watch {
        let (to_caller, _) = tokio::sync::mpsc::channel(1);
        let numbered = Numbered::new(&["a%d.ts".to_owned()]);
        let none = HashSet::new();
        let room = Room::new(&[tree.to_owned()], 1 << 30).unwrap();
        Watch::begin(tree.to_owned(), to_caller, none.clone(), none, numbered, room).unwrap()
    }

    #[test]
    fn no_link_is_followed() {
        let (tree, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(outside.path().join("secret"), "x").unwrap();
        symlink(outside.path(), tree.path().join("folder")).unwrap();
        symlink(outside.path().join("secret"), tree.path().join("file")).unwrap();
        let mut watch = watch(tree.path());
        assert!(watch.open(&tree.path().join("file")).is_err());
        assert!(watch.open(&tree.path().join("folder/secret")).is_err());
        assert!(watch.open(&tree.path().join("../x")).is_err());
        watch.watch_below(&tree.path().join("folder")).unwrap();
        assert_eq!(watch.directories.len(), 1);
        watch.find_missed().unwrap();
        assert!(watch.complete.is_empty());
    }

    #[test]
    fn only_the_very_file_that_was_sent_is_emptied() {
        let tree = tempfile::tempdir().unwrap();
        let mut watch = watch(tree.path());
        let length = RECLAIMED_MIN;
        let content = vec![1; length as usize];
        for (name, replaced, left) in
            [("a0.ts", false, 0), ("a1.ts", true, length), ("list", false, length)]
        {
            let path = tree.path().join(name);
            fs::write(&path, &content).unwrap();
            let sent = watch.open(&path).unwrap();
            if replaced {
                let newer = tree.path().join("newer");
                fs::write(&newer, &content).unwrap();
                fs::rename(newer, &path).unwrap();
            }
            watch.reclaim(&path, &sent, length);
            assert_eq!(fs::metadata(&path).unwrap().len(), left, "{name}");
        }
    }
}
