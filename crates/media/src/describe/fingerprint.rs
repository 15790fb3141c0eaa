//! Telling one state of a source from another.

use segue_model::{Fingerprint, Hash, Revision};

use crate::{ByteSource, Error};

/// Tells this state of a source from others: its size, `revision`, and a hash of both ends.
pub fn fingerprint(source: &mut dyn ByteSource, revision: Revision) -> Result<Fingerprint, Error> {
    let size = source.size().ok_or_else(|| Error::source("a stream has no fingerprint"))?;
    let sample = Fingerprint::SAMPLE;
    let mut bytes = read_range(source, 0, size.min(2 * sample))?;
    if size > 2 * sample {
        bytes.truncate(sample as usize);
        bytes.extend(read_range(source, size - sample, sample)?);
    }
    Ok(Fingerprint { size, revision, head_tail: Hash::of(&bytes) })
}

fn read_range(source: &mut dyn ByteSource, start: u64, length: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; length as usize];
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read_at(&mut bytes[filled..], start + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}
