//! What parent and child say to each other, as frames: a preamble, a JSON header, and raw bytes.
//!
//! ```text
//! "SGF1" | header length: u32 LE | payload length: u64 LE | header (JSON) | payload
//! ```
//!
//! Orders go to the child over a socket, so that the source's descriptor can come with them;
//! messages come back over a pipe. How a child reads a source that is no file is said elsewhere
//! ([`crate::RemoteSource`]). Both sides check every length before they believe it.

use std::io::{self, Read, Write};

use segue_media::span::{Progress, SpanOrder, SpanReport};
use segue_model::{Hash, SegmentId, SourceFacts, SpanFailure};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Which form of the protocol this is. Parent and child are the same file, but an upgrade may
/// replace it between the two starts.
pub const VERSION: u32 = 3;

/// How long a frame's first part is.
pub const PREAMBLE: usize = 16;

const MAGIC: [u8; 4] = *b"SGF1";
/// A day of film with every frame a keyframe has an index of about this size.
const HEADER_MAX: u64 = 256 << 20;
/// Thirty seconds at 200 Mb/s are 750 MB.
const PAYLOAD_MAX: u64 = 1 << 30;

/// What a child is told to do, one at a time. The source's descriptor comes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Order {
    /// Find out what the source is; answered by [`Message::Described`].
    Describe,
    /// Make segments; answered by [`Message::Done`].
    Span(Box<SpanOrder>),
    /// Try what the sandbox must deny; needs no source, answered by [`Message::Checked`].
    CheckSandbox,
}

/// What a child says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Said once, when it is ready for orders.
    Hello {
        /// Its [`VERSION`].
        version: u32,
        /// What the kernel could not enforce of the sandbox, a line for each.
        unenforced: Vec<String>,
    },
    /// Something advanced.
    Progress(Progress),
    /// Nothing can advance: the parent waits for the source's bytes, as it said itself.
    Waiting,
    /// A rendition's init section is the payload.
    Init {
        /// Index into the recipe's renditions.
        rendition: u32,
        /// Of the payload.
        hash: Hash,
    },
    /// A segment is the payload.
    Segment {
        /// Which one.
        id: SegmentId,
        /// Of the payload.
        hash: Hash,
        /// Frames and packets that decoders complained about so far.
        damaged: u64,
    },
    /// The span is finished.
    Done(SpanReport),
    /// The source is described.
    Described(Box<SourceFacts>),
    /// The sandbox was tried.
    Checked(SandboxCheck),
    /// The order could not be carried out; the child is ready for another.
    Failed(SpanFailure),
}

impl Message {
    /// What this is, for an error text.
    pub fn name(&self) -> &'static str {
        match self {
            Message::Hello { .. } => "hello",
            Message::Progress(_) => "progress",
            Message::Waiting => "waiting",
            Message::Init { .. } => "init",
            Message::Segment { .. } => "segment",
            Message::Done(_) => "done",
            Message::Described(_) => "described",
            Message::Checked(_) => "checked",
            Message::Failed(_) => "failed",
        }
    }
}

/// What a child in its sandbox could and could not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxCheck {
    /// Attempts that were refused, as they should be.
    pub denied: Vec<String>,
    /// Attempts that succeeded, which they should not.
    pub allowed: Vec<String>,
}

/// A header and the raw bytes that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<T> {
    /// The header.
    pub header: T,
    /// Raw bytes; empty for most.
    pub payload: Vec<u8>,
}

/// What is wrong with the bytes that came.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The other side is gone or silent.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// Something else than a frame: somebody wrote where only frames may go.
    #[error("not a frame but {0:?}")]
    NotAFrame(String),
    /// A length no honest frame has.
    #[error("a frame of {0} bytes is longer than any may be")]
    TooLong(u64),
    /// A frame with a header that this version does not know.
    #[error("a header that cannot be read")]
    Header(#[from] serde_json::Error),
}

/// The first bytes of a frame with these lengths.
pub fn preamble(header: &[u8], payload: &[u8]) -> [u8; PREAMBLE] {
    let mut out = [0; PREAMBLE];
    out[..4].copy_from_slice(&MAGIC);
    out[4..8].copy_from_slice(&(header.len() as u32).to_le_bytes());
    out[8..].copy_from_slice(&(payload.len() as u64).to_le_bytes());
    out
}

/// Writes a frame in one piece and flushes it.
pub fn write_frame<T: Serialize>(
    out: &mut impl Write,
    header: &T,
    payload: &[u8],
) -> io::Result<()> {
    let header = serde_json::to_vec(header)?;
    if header.len() as u64 > HEADER_MAX || payload.len() as u64 > PAYLOAD_MAX {
        return Err(io::Error::other("a frame longer than any may be"));
    }
    out.write_all(&preamble(&header, payload))?;
    out.write_all(&header)?;
    out.write_all(payload)?;
    out.flush()
}

/// Reads a frame; `None` when the stream ends before one begins.
pub fn read_frame<T: DeserializeOwned>(
    from: &mut impl Read,
) -> Result<Option<Frame<T>>, WireError> {
    let mut preamble = [0; PREAMBLE];
    let mut filled = 0;
    while filled < PREAMBLE {
        match from.read(&mut preamble[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    if filled < PREAMBLE {
        return Err(not_a_frame(&preamble[..filled]));
    }
    read_body(preamble, from).map(Some)
}

/// Reads what follows a preamble.
pub fn read_body<T: DeserializeOwned>(
    preamble: [u8; PREAMBLE],
    from: &mut impl Read,
) -> Result<Frame<T>, WireError> {
    let [m0, m1, m2, m3, h0, h1, h2, h3, payload @ ..] = preamble;
    if [m0, m1, m2, m3] != MAGIC {
        return Err(not_a_frame(&preamble));
    }
    let header = u64::from(u32::from_le_bytes([h0, h1, h2, h3]));
    let payload = u64::from_le_bytes(payload);
    if header > HEADER_MAX || payload > PAYLOAD_MAX {
        return Err(WireError::TooLong(header.max(payload)));
    }
    let header = serde_json::from_slice(&read_exactly(from, header)?)?;
    Ok(Frame { header, payload: read_exactly(from, payload)? })
}

/// Grows with what really comes: a lying length must not allocate a gigabyte.
fn read_exactly(from: &mut impl Read, length: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn not_a_frame(bytes: &[u8]) -> WireError {
    WireError::NotAFrame(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(message: &Message, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_frame(&mut out, message, payload).expect("a vector takes everything");
        out
    }

    #[test]
    fn frames_in_a_row_come_back_as_they_were_sent() {
        let progress = Message::Progress(Progress { bytes: 9, packets: 7, frames: 3, encoded: 1 });
        let id = SegmentId { rendition: 1, index: 31 };
        let segment = Message::Segment { id, hash: Hash::of(b"bytes"), damaged: 2 };
        let mut wire = bytes_of(&progress, b"");
        wire.extend(bytes_of(&segment, b"bytes"));
        let mut from = &wire[..];
        let first: Frame<Message> = read_frame(&mut from).unwrap().unwrap();
        assert_eq!(first, Frame { header: progress, payload: Vec::new() });
        let second: Frame<Message> = read_frame(&mut from).unwrap().unwrap();
        assert_eq!(second, Frame { header: segment, payload: b"bytes".to_vec() });
        assert!(read_frame::<Message>(&mut from).unwrap().is_none());
    }

    #[test]
    fn a_line_of_text_among_frames_is_quoted_in_the_error() {
        let error = read_frame::<Message>(&mut &b"warning: something"[..]).unwrap_err();
        assert!(error.to_string().contains("warning: somethi"), "{error}");
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_anything_is_read() {
        let mut wire = bytes_of(&Message::Done(SpanReport::default()), b"");
        wire[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        let error = read_frame::<Message>(&mut &wire[..]).unwrap_err();
        assert!(matches!(error, WireError::TooLong(u64::MAX)), "{error}");
    }

    #[test]
    fn a_frame_cut_off_is_an_error_and_not_an_end() {
        let wire = bytes_of(&Message::Done(SpanReport::default()), b"payload");
        for length in 1..wire.len() {
            assert!(read_frame::<Message>(&mut &wire[..length]).is_err(), "{length} bytes");
        }
    }
}
