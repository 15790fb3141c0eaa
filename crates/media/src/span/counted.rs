//! How much of a source has been read, for whoever watches that work on it gets on.

use std::io;

use crate::ByteSource;

/// Reading everything over and over is no progress: damaged files send demuxers in circles.
const ROUNDS_MAX: u64 = 8;
/// Small files may be read more often.
const BYTES_FREE: u64 = 64 << 20;

/// A source that counts what is read of it.
pub struct Counted {
    source: Box<dyn ByteSource>,
    bytes: u64,
    bytes_max: u64,
    tell: Box<dyn FnMut(u64) -> io::Result<()> + Send>,
}

impl Counted {
    /// Gives `tell` the bytes read so far after each read, up to where reading on cannot be for good.
    /// A read fails if that does.
    pub fn new(
        source: Box<dyn ByteSource>,
        tell: impl FnMut(u64) -> io::Result<()> + Send + 'static,
    ) -> Counted {
        let size = source.size().unwrap_or(u64::MAX);
        let bytes_max = size.saturating_mul(ROUNDS_MAX).max(BYTES_FREE);
        Counted { source, bytes: 0, bytes_max, tell: Box::new(tell) }
    }
}

impl ByteSource for Counted {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let count = self.source.read_at(buffer, position)?;
        if count > 0 && self.bytes < self.bytes_max {
            self.bytes += count as u64;
            (self.tell)(self.bytes)?;
        }
        Ok(count)
    }

    fn size(&self) -> Option<u64> {
        self.source.size()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Says of every buffer that it is full, up to its size.
    struct Blank(u64);

    impl ByteSource for Blank {
        fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
            Ok(self.0.saturating_sub(position).min(buffer.len() as u64) as usize)
        }

        fn size(&self) -> Option<u64> {
            Some(self.0)
        }
    }

    /// What is told of a source of `size` bytes that is read whole so often, 4 MiB at a time.
    fn told(size: u64, rounds: u64) -> Vec<u64> {
        let (tell, told) = mpsc::channel();
        let mut counted = Counted::new(Box::new(Blank(size)), move |bytes| {
            tell.send(bytes).map_err(io::Error::other)
        });
        let mut buffer = vec![0; 4 << 20];
        for _ in 0..rounds {
            let mut at = 0;
            while at < size {
                at += counted.read_at(&mut buffer, at).unwrap() as u64;
            }
        }
        drop(counted);
        told.iter().collect()
    }

    #[test]
    fn every_read_is_told_until_the_source_has_been_read_too_often() {
        const MIB: u64 = 1 << 20;
        assert_eq!(told(10 * MIB, 1), [4 * MIB, 8 * MIB, 10 * MIB]);
        assert_eq!(told(10 * MIB, 100).last(), Some(&(80 * MIB)));
        // A small source may be read more often.
        assert_eq!(told(MIB, 100).len(), 64);
    }

    #[test]
    fn a_read_that_gives_nothing_is_no_progress() {
        let mut counted =
            Counted::new(Box::new(Blank(10)), |_| panic!("there was nothing to tell"));
        assert_eq!(counted.read_at(&mut [0; 4], 10).unwrap(), 0);
    }

    #[test]
    fn a_read_fails_when_nobody_can_be_told_of_it() {
        let mut counted =
            Counted::new(Box::new(Blank(10)), |_| Err(io::ErrorKind::BrokenPipe.into()));
        let failed = counted.read_at(&mut [0; 4], 0).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::BrokenPipe);
    }
}
