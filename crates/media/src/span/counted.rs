//! How much of a source has been read, for whoever watches that a span gets on.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ByteSource;

/// Reading everything over and over is no progress: damaged files send demuxers in circles.
const ROUNDS_MAX: u64 = 8;
/// Small files may be read more often.
const BYTES_FREE: u64 = 64 << 20;

/// A source that counts what is read of it.
pub(super) struct Counted {
    source: Box<dyn ByteSource>,
    bytes: Arc<AtomicU64>,
    bytes_max: u64,
}

impl Counted {
    /// Counts into `bytes`, up to where reading on cannot be for good.
    pub(super) fn new(source: Box<dyn ByteSource>, bytes: Arc<AtomicU64>) -> Counted {
        let size = source.size().unwrap_or(u64::MAX);
        Counted { source, bytes, bytes_max: size.saturating_mul(ROUNDS_MAX).max(BYTES_FREE) }
    }
}

impl ByteSource for Counted {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let count = self.source.read_at(buffer, position)?;
        if self.bytes.load(Ordering::Relaxed) < self.bytes_max {
            self.bytes.fetch_add(count as u64, Ordering::Relaxed);
        }
        Ok(count)
    }

    fn size(&self) -> Option<u64> {
        self.source.size()
    }
}
