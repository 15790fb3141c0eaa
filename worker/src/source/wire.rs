//! How a child asks its parent for a film's bytes, over a socket that came in place of a file.
//!
//! ```text
//! child:  'S' or 'R' | position: u64 LE | length: u32 LE
//! parent: kind | length: u32 LE | payload
//! ```
//!
//! `S` asks for the size (position and length are zero), `R` for bytes. The parent answers one
//! request at a time: with the size, with bytes (fewer than asked, if it likes; none at the end), or
//! with the words of an error, after which the next request is a new attempt. While it waits for
//! storage itself it says so now and then, so that a child which waits is not taken for one that
//! hangs.
//!
//! Neither side believes a length that it did not check. The child needs nothing for it but read()
//! and write().

use std::fs::File;
use std::io::{self, Read, Seek, Write};

use segue_media::ByteSource;

/// The most that is asked for at once; libav asks for 256 KiB.
pub(super) const READ_MAX: u32 = 4 << 20;
/// The longest words that are passed on.
const WORDS_MAX: usize = 4096;
const REQUEST: usize = 13;
const HEAD: usize = 5;

/// What a child asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Size,
    Read { position: u64, length: u32 },
}

impl Request {
    fn to_bytes(self) -> [u8; REQUEST] {
        let (kind, position, length) = match self {
            Request::Size => (b'S', 0, 0),
            Request::Read { position, length } => (b'R', position, length),
        };
        let mut out = [0; REQUEST];
        out[0] = kind;
        out[1..9].copy_from_slice(&position.to_le_bytes());
        out[9..].copy_from_slice(&length.to_le_bytes());
        out
    }

    /// The next request; `None` when the child is done with the film.
    pub(super) fn read_from(from: &mut impl Read) -> io::Result<Option<Request>> {
        let mut bytes = [0; REQUEST];
        let first = loop {
            match from.read(&mut bytes) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                done => break done?,
            }
        };
        if first == 0 {
            return Ok(None);
        }
        from.read_exact(&mut bytes[first..])?;
        let (position, length) = bytes[1..].split_at(8);
        let position = u64::from_le_bytes(position.try_into().map_err(io::Error::other)?);
        let length = u32::from_le_bytes(length.try_into().map_err(io::Error::other)?);
        match bytes[0] {
            b'S' => Ok(Some(Request::Size)),
            b'R' if (1..=READ_MAX).contains(&length) => {
                Ok(Some(Request::Read { position, length }))
            }
            _ => Err(strange("a request that no child makes")),
        }
    }
}

/// What a parent answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer<'a> {
    Size(u64),
    Bytes(&'a [u8]),
    /// Why there are none.
    Failed(&'a str),
    /// The answer is still to come.
    Wait,
}

impl Answer<'_> {
    pub(super) fn write_to(self, to: &mut impl Write) -> io::Result<()> {
        let size;
        let (kind, payload) = match self {
            Answer::Size(bytes) => {
                size = bytes.to_le_bytes();
                (b's', &size[..])
            }
            Answer::Bytes(bytes) => (b'b', bytes),
            Answer::Failed(words) => (b'e', &words.as_bytes()[..words.len().min(WORDS_MAX)]),
            Answer::Wait => (b'w', &b""[..]),
        };
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut head = [kind, 0, 0, 0, 0];
        head[1..].copy_from_slice(&length.to_le_bytes());
        to.write_all(&head)?;
        to.write_all(payload)
    }
}

/// A film that the parent reads: a child's end of the socket.
pub struct RemoteSource {
    socket: File,
    size: u64,
    on_wait: Box<dyn FnMut() -> io::Result<()> + Send>,
}

impl RemoteSource {
    /// Whether what was given for a source is a socket and not a file. Asked by seeking: a sandbox
    /// need not let a child ask what a descriptor is.
    pub fn is_behind(mut descriptor: &File) -> bool {
        let sought = descriptor.stream_position();
        sought.is_err_and(|error| error.kind() == io::ErrorKind::NotSeekable)
    }

    /// Asks the parent for the size of the film behind `socket`. Calls `on_wait` now and then while
    /// bytes do not come because the parent waits for them too; a read fails if that does.
    pub fn new(
        socket: File,
        on_wait: impl FnMut() -> io::Result<()> + Send + 'static,
    ) -> io::Result<RemoteSource> {
        let mut source = RemoteSource { socket, size: 0, on_wait: Box::new(on_wait) };
        source.socket.write_all(&Request::Size.to_bytes())?;
        let mut size = [0; 8];
        match source.answer()? {
            (b's', 8) => source.socket.read_exact(&mut size)?,
            _ => return Err(strange("no size")),
        }
        source.size = u64::from_le_bytes(size);
        Ok(source)
    }

    /// Kind and length of an answer that is more than a request for patience.
    fn answer(&mut self) -> io::Result<(u8, u32)> {
        loop {
            let mut head = [0; HEAD];
            self.socket.read_exact(&mut head)?;
            let [kind, length @ ..] = head;
            match (kind, u32::from_le_bytes(length)) {
                (b'w', 0) => (self.on_wait)()?,
                (b'e', length) if length as usize <= WORDS_MAX => {
                    let mut words = vec![0; length as usize];
                    self.socket.read_exact(&mut words)?;
                    return Err(io::Error::other(String::from_utf8_lossy(&words).into_owned()));
                }
                answer => return Ok(answer),
            }
        }
    }
}

impl ByteSource for RemoteSource {
    fn read_at(&mut self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        let left = self.size.saturating_sub(position).min(READ_MAX.into());
        // Both bounds fit.
        let asked = buffer.len().min(left as usize);
        if asked == 0 {
            return Ok(0);
        }
        let request = Request::Read { position, length: asked as u32 };
        self.socket.write_all(&request.to_bytes())?;
        match self.answer()? {
            (b'b', length) if length as usize <= asked => {
                self.socket.read_exact(&mut buffer[..length as usize])?;
                Ok(length as usize)
            }
            _ => Err(strange("no bytes")),
        }
    }

    fn size(&self) -> Option<u64> {
        Some(self.size)
    }
}

fn strange(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} on a film's socket"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_they_were_written() {
        let last = Request::Read { position: u64::MAX, length: READ_MAX };
        for request in [Request::Size, Request::Read { position: 7, length: 1 }, last] {
            let wire = request.to_bytes();
            assert_eq!(Request::read_from(&mut &wire[..]).unwrap(), Some(request));
            for cut in 1..wire.len() {
                assert!(Request::read_from(&mut &wire[..cut]).is_err(), "{cut} bytes");
            }
        }
        assert_eq!(Request::read_from(&mut &b""[..]).unwrap(), None);
    }

    #[test]
    fn a_request_that_no_child_makes_is_refused() {
        for request in [
            Request::Read { position: 0, length: 0 },
            Request::Read { position: 0, length: READ_MAX + 1 },
        ] {
            assert!(Request::read_from(&mut &request.to_bytes()[..]).is_err(), "{request:?}");
        }
        assert!(Request::read_from(&mut &b"GET / HTTP/1."[..]).is_err());
    }

    /// A child's end whose parent says all this, whatever is asked.
    fn told(answers: &[Answer<'_>]) -> io::Result<RemoteSource> {
        use std::os::fd::OwnedFd;
        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        for answer in answers {
            answer.write_to(&mut ours)?;
        }
        ours.shutdown(std::net::Shutdown::Write)?;
        // Held open, so that the child can go on asking.
        std::mem::forget(ours);
        RemoteSource::new(File::from(OwnedFd::from(theirs)), || Ok(()))
    }

    #[test]
    fn a_child_believes_no_answer_that_it_did_not_ask_for() {
        assert!(told(&[Answer::Bytes(b"8 bytes.")]).is_err());
        assert!(told(&[Answer::Wait]).is_err());
        let mut buffer = [0; 4];
        let mut source = told(&[Answer::Size(100), Answer::Bytes(b"too many")]).unwrap();
        assert!(source.read_at(&mut buffer, 0).is_err());
        let mut source = told(&[Answer::Size(100), Answer::Size(100)]).unwrap();
        assert!(source.read_at(&mut buffer, 0).is_err());
    }

    #[test]
    fn after_an_error_the_next_read_is_a_new_attempt() {
        let answers =
            [Answer::Size(100), Answer::Failed("why"), Answer::Wait, Answer::Bytes(b"abc")];
        let mut source = told(&answers).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(source.read_at(&mut buffer, 0).unwrap_err().to_string(), "why");
        assert_eq!(source.read_at(&mut buffer, 0).unwrap(), 3);
        assert_eq!(source.read_at(&mut buffer, 100).unwrap(), 0, "the end needs no answer");
    }
}
