//! An open film in a bucket: its blocks, shared by all who read it, and who fetches them.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use bytes::Bytes;
use segue_media::ByteSource;
use segue_model::{Fingerprint, Revision};
use tokio::runtime::Handle;

use super::ahead::Ahead;
use super::blocks::{Block, Blocks};
use super::fetch::{Fetcher, State};
use super::serve::serve;
use super::words::{Refusal, cannot_open};
use super::{Object, Sources};
use crate::source::SourceError;
use crate::with_causes;

/// A film that this process reads for its children.
pub(crate) struct RemoteFilm {
    shared: Arc<Shared>,
    fingerprint: Fingerprint,
}

/// What those who read a film have in common.
pub(super) struct Shared {
    fetcher: Fetcher,
    state: State,
    runtime: Handle,
    held: Mutex<Held>,
    /// Something came, or will not.
    news: Condvar,
}

struct Held {
    blocks: Blocks,
    /// How the object ceased to be what was opened.
    changed: Option<&'static str>,
    readers: usize,
}

impl RemoteFilm {
    /// Opens `object`, which whoever asked calls `url`, and takes its fingerprint. Blocks.
    pub(crate) fn open(
        url: &str,
        object: &Object,
        sources: &Sources,
    ) -> Result<RemoteFilm, SourceError> {
        let fetcher = sources.fetcher(url, object)?;
        let runtime = sources.runtime().clone();
        let (state, first) =
            runtime.block_on(fetcher.first()).map_err(|refusal| cannot_open(url, &refusal))?;
        let mut blocks = Blocks::new(fetcher.limits.blocks_max);
        blocks.put(0, Block::Here(first));
        let revision = match &state.version {
            Some(version) => Revision::Version(version.clone()),
            None => Revision::Etag(state.etag.clone()),
        };
        let held = Mutex::new(Held { blocks, changed: None, readers: 0 });
        let shared = Shared { fetcher, state, runtime, held, news: Condvar::new() };
        let shared = Arc::new(shared);
        let mut ends = Reader::new(shared.clone());
        ends.ahead = None;
        let fingerprint = segue_media::fingerprint(&mut ends, revision)
            .map_err(|error| SourceError::storage(format!("{url}: {}", with_causes(&error))))?;
        Ok(RemoteFilm { shared, fingerprint })
    }

    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.fingerprint
    }

    /// Whether all that was read of it was of the state that was opened. Asks nobody: each request was
    /// made on that condition.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.shared.held().changed.is_none()
    }

    /// A child's end of a new socket by which it reads the film.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = UnixStream::pair()?;
        let shared = self.shared.clone();
        thread::Builder::new().name("film".to_owned()).spawn(move || serve(shared, ours))?;
        Ok(theirs.into())
    }
}

impl Shared {
    fn held(&self) -> MutexGuard<'_, Held> {
        // Nothing under this lock panics half-way.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn range_of(&self, index: u64) -> Range<u64> {
        let block = self.fetcher.limits.block_bytes;
        index * block..((index + 1) * block).min(self.state.size)
    }

    /// Has a block fetched that was noted as coming.
    fn fetch(self: &Arc<Shared>, index: u64) {
        let expected = Expected { film: self.clone(), index, came: None };
        let film = self.clone();
        self.runtime.spawn(async move {
            let mut expected = expected;
            let part = film.fetcher.part(film.range_of(index), &film.state);
            expected.came = Some(part.await);
        });
    }
}

/// A block on its way. Whoever waits for it learns what became of it, even if nobody fetches it any
/// more because the runtime is shut down.
struct Expected {
    film: Arc<Shared>,
    index: u64,
    came: Option<Result<Bytes, Refusal>>,
}

impl Drop for Expected {
    fn drop(&mut self) {
        let mut held = self.film.held();
        let block = match self.came.take() {
            Some(Ok(bytes)) => Block::Here(bytes),
            Some(Err(Refusal::Changed(how))) => {
                held.changed = Some(how);
                Block::Failed(format!("it {how}"))
            }
            Some(Err(Refusal::Passing(said) | Refusal::Lasting(_, said))) => Block::Failed(said),
            None => Block::Failed("this process is ending".to_owned()),
        };
        held.blocks.put(self.index, block);
        drop(held);
        self.film.news.notify_all();
    }
}

/// Somebody who reads a film.
pub(super) struct Reader {
    film: Arc<Shared>,
    /// `None` for one who looks at the ends only.
    ahead: Option<Ahead>,
}

impl Reader {
    pub(super) fn new(film: Arc<Shared>) -> Reader {
        film.held().readers += 1;
        Reader { film, ahead: Some(Ahead::default()) }
    }

    pub(super) fn size(&self) -> u64 {
        self.film.state.size
    }

    /// Bytes from `position`: as many as asked, or up to the end of a block; none at the end. Calls
    /// `on_wait` now and then while they do not come.
    pub(super) fn read(
        &mut self,
        position: u64,
        length: u64,
        on_wait: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<Bytes, String> {
        if position >= self.size() {
            return Ok(Bytes::new());
        }
        let block = self.film.fetcher.limits.block_bytes;
        let index = position / block;
        let range = self.film.range_of(index);
        let end = range.end.min(position.saturating_add(length));
        let ahead = self.ahead.as_mut();
        let ahead = ahead.map_or(0, |ahead| ahead.after_read(position, end - position, block));
        self.ask_for(index, ahead)?;
        let bytes = self.wait_for(index, on_wait)?;
        Ok(bytes.slice((position - range.start) as usize..(end - range.start) as usize))
    }

    /// Has what is not there fetched: the block, and as many after it.
    fn ask_for(&self, index: u64, ahead: u64) -> Result<(), String> {
        let limits = &self.film.fetcher.limits;
        let last = (self.size() - 1) / limits.block_bytes;
        let mut held = self.film.held();
        if let Some(how) = held.changed {
            return Err(format!("it {how}"));
        }
        // Half of the memory is for what all readers together have not read yet.
        let fair = limits.blocks_max / (2 * held.readers.max(1));
        let ahead = ahead.min(limits.ahead_max).min(fair as u64);
        let needed = held.blocks.need(index).then_some(index);
        let foreseen = (index + 1..=last.min(index.saturating_add(ahead)))
            .filter(|index| held.blocks.foresee(*index));
        let wanted: Vec<u64> = needed.into_iter().chain(foreseen).collect();
        // A runtime that is shut down drops what is spawned, which takes the lock.
        drop(held);
        wanted.into_iter().for_each(|index| self.film.fetch(index));
        Ok(())
    }

    fn wait_for(
        &self,
        index: u64,
        on_wait: &mut dyn FnMut() -> io::Result<()>,
    ) -> Result<Bytes, String> {
        let note = self.film.fetcher.limits.note;
        loop {
            let mut held = self.film.held();
            match held.blocks.look(index) {
                Some(Block::Here(bytes)) => return Ok(bytes),
                Some(Block::Failed(said)) => return Err(said),
                Some(Block::Coming) => {}
                // It came, and was forgotten before this thread could look.
                None => {
                    drop(held);
                    self.ask_for(index, 0)?;
                    continue;
                }
            }
            let waited = self.film.news.wait_timeout(held, note);
            let (held, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            drop(held);
            if waited.timed_out() {
                on_wait().map_err(|error| error.to_string())?;
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.film.held().readers -= 1;
    }
}

impl ByteSource for Reader {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let bytes = self.read(position, buffer.len() as u64, &mut || Ok(()));
        let bytes = bytes.map_err(io::Error::other)?;
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn size(&self) -> Option<u64> {
        Some(Reader::size(self))
    }
}
