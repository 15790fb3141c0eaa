//! Segments in memory: from when they are ready until they are stored, and a little longer for those
//! who are on their way to read them. Bounded: whoever makes more waits for the store.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use segue_model::JobId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Room is counted in pieces of this many bytes.
const PIECE: usize = 4096;

/// Init sections are small, and wanted as long as somebody reads segments from here.
const INITS: usize = 256;

/// Names an object on the shelf: a segment, or without an index the init section of a rendition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    /// Of which job.
    pub job: JobId,
    /// Of which rendition.
    pub rendition: u32,
    /// Which segment.
    pub index: Option<u32>,
}

/// All that this worker holds in memory.
pub struct Shelf {
    room: Arc<Semaphore>,
    pieces: usize,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Not stored yet. Two leases may have made the same one.
    held: HashMap<Label, Held>,
    /// Stored ones, which may go; the oldest first.
    recent: VecDeque<(Label, Bytes)>,
    recent_bytes: usize,
    inits: VecDeque<(Label, Bytes)>,
}

struct Held {
    bytes: Bytes,
    holders: usize,
    _room: Vec<Room>,
}

/// A part of the shelf that is taken.
pub struct Room(#[allow(dead_code)] OwnedSemaphorePermit);

impl Shelf {
    /// A shelf for `bytes` that are not stored yet, and a quarter as many that are.
    pub fn new(bytes: usize) -> Shelf {
        let pieces = (bytes / PIECE).clamp(1, Semaphore::MAX_PERMITS.min(u32::MAX as usize));
        let room = Arc::new(Semaphore::new(pieces));
        Shelf { room, pieces, books: Mutex::default() }
    }

    /// Room for `bytes`, if there is any now.
    pub fn room_at_once(&self, bytes: usize) -> Option<Room> {
        let pieces = bytes.div_ceil(PIECE).clamp(1, self.pieces) as u32;
        self.room.clone().try_acquire_many_owned(pieces).ok().map(Room)
    }

    /// Waits until there is room for `bytes`. What is larger than the shelf takes all of it.
    pub async fn room_for(&self, bytes: usize) -> Room {
        let pieces = bytes.div_ceil(PIECE).clamp(1, self.pieces) as u32;
        match self.room.clone().acquire_many_owned(pieces).await {
            Ok(permit) => Room(permit),
            // Never closed.
            Err(_) => unreachable!("the shelf is open as long as it is there"),
        }
    }

    /// Puts an object where others can read it.
    pub fn put(&self, label: Label, bytes: Bytes, room: Room) {
        let mut books = self.books();
        let held = books.held.entry(label);
        let held = held.or_insert_with(|| Held { bytes, holders: 0, _room: Vec::new() });
        held.holders += 1;
        held._room.push(room);
    }

    /// Keeps a rendition's init section at hand.
    pub fn put_init(&self, job: JobId, rendition: u32, bytes: Bytes) {
        let label = Label { job, rendition, index: None };
        let mut books = self.books();
        if books.inits.iter().any(|(known, _)| *known == label) {
            return;
        }
        if books.inits.len() == INITS {
            books.inits.pop_front();
        }
        books.inits.push_back((label, bytes));
    }

    /// It is stored: it stays only as long as nothing else needs the room.
    pub fn stored(&self, label: Label) {
        let Some(bytes) = self.take(label) else { return };
        let mut books = self.books();
        books.recent_bytes += bytes.len();
        books.recent.push_back((label, bytes));
        while books.recent_bytes > self.pieces * PIECE / 4 {
            let Some((_, oldest)) = books.recent.pop_front() else { break };
            books.recent_bytes -= oldest.len();
        }
    }

    /// Nobody stores it.
    pub fn dropped(&self, label: Label) {
        self.take(label);
    }

    /// An object, if it is here.
    pub fn read(&self, label: Label) -> Option<Bytes> {
        let books = self.books();
        if label.index.is_none() {
            let init = books.inits.iter().find(|(known, _)| *known == label);
            return init.map(|(_, bytes)| bytes.clone());
        }
        let recent = || books.recent.iter().rev().find(|(at, _)| *at == label).map(|(_, it)| it);
        books.held.get(&label).map(|held| &held.bytes).or_else(recent).cloned()
    }

    #[cfg(test)]
    fn waiting(&self) -> usize {
        (self.pieces - self.room.available_permits()) * PIECE
    }

    /// What nobody else holds any more.
    fn take(&self, label: Label) -> Option<Bytes> {
        let mut books = self.books();
        let held = books.held.get_mut(&label)?;
        held.holders -= 1;
        if held.holders > 0 {
            held._room.pop();
            return None;
        }
        books.held.remove(&label).map(|held| held.bytes)
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use segue_model::Hash;

    use super::*;

    fn label(index: u32) -> Label {
        Label { job: JobId(Hash([7; 32])), rendition: 0, index: Some(index) }
    }

    #[tokio::test]
    async fn who_makes_more_than_there_is_room_for_waits_until_something_is_stored() {
        let shelf = Arc::new(Shelf::new(8 * PIECE));
        let half = Bytes::from(vec![1; 4 * PIECE]);
        for index in 0..2 {
            let room = shelf.room_for(half.len()).await;
            shelf.put(label(index), half.clone(), room);
        }
        assert_eq!(shelf.waiting(), 8 * PIECE);
        let more = tokio::spawn({
            let shelf = shelf.clone();
            async move { shelf.room_for(1).await }
        });
        tokio::task::yield_now().await;
        assert!(!more.is_finished());
        shelf.stored(label(0));
        drop(more.await);
        assert_eq!(shelf.waiting(), 4 * PIECE);
        // More than a quarter of the shelf is not kept once it is stored.
        assert_eq!(shelf.read(label(0)), None);
        assert!(shelf.read(label(1)).is_some());
    }

    #[tokio::test]
    async fn what_is_stored_stays_a_while_and_what_two_made_is_there_until_both_are_done() {
        let shelf = Shelf::new(64 * PIECE);
        for _ in 0..2 {
            let room = shelf.room_for(3).await;
            shelf.put(label(0), Bytes::from_static(b"abc"), room);
        }
        shelf.dropped(label(0));
        assert!(shelf.read(label(0)).is_some());
        shelf.stored(label(0));
        assert_eq!(shelf.read(label(0)).as_deref(), Some(&b"abc"[..]));
        assert_eq!(shelf.waiting(), 0);
    }

    #[test]
    fn init_sections_are_at_hand_and_not_without_end() {
        let shelf = Shelf::new(PIECE);
        let job = label(0).job;
        for rendition in 0..=INITS as u32 {
            shelf.put_init(job, rendition, Bytes::from_static(b"init"));
        }
        let read = |rendition| shelf.read(Label { job, rendition, index: None });
        assert_eq!(read(0), None);
        assert_eq!(read(1).as_deref(), Some(&b"init"[..]));
        assert_eq!(read(INITS as u32).as_deref(), Some(&b"init"[..]));
    }

    #[tokio::test]
    async fn one_larger_than_the_shelf_takes_all_of_it() {
        let shelf = Shelf::new(2 * PIECE);
        drop(shelf.room_for(100 * PIECE).await);
        assert_eq!(shelf.waiting(), 0);
    }
}
