//! A file that is sent while it is written. Programs go back and change what they wrote (a header
//! that learns its length), which nobody says; so what was sent is remembered block by block, and
//! compared when the file is closed.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use segue_model::Hash;

/// A block is compared, and sent again, as a whole.
const BLOCK: usize = 256 << 10;

/// What of a file was sent.
#[derive(Debug)]
pub struct Growth {
    file: File,
    sent: u64,
    /// Of what was sent of each block, as it was then.
    blocks: Vec<Hash>,
    /// What was sent of the last block, until that is full.
    last: Vec<u8>,
}

/// A part of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins.
    pub offset: u64,
    /// Its bytes.
    pub data: Vec<u8>,
}

impl Growth {
    /// Of a file of which nothing was sent.
    pub fn new(file: File) -> Growth {
        Growth { file, sent: 0, blocks: Vec::new(), last: Vec::new() }
    }

    /// How long it is now.
    pub fn length(&self) -> u64 {
        self.file.metadata().map_or(self.sent, |metadata| metadata.len())
    }

    /// Whether it is shorter than what was sent: it was begun anew.
    pub fn is_begun_anew(&self) -> bool {
        self.length() < self.sent
    }

    /// Forgets what was sent.
    pub fn begin_anew(&mut self) {
        (self.sent, self.blocks, self.last) = (0, Vec::new(), Vec::new());
    }

    /// The next part that was not sent yet. `None`: there is none now.
    pub fn next(&mut self) -> io::Result<Option<Part>> {
        let mut data = vec![0; BLOCK - self.last.len()];
        let count = self.file.read_at(&mut data, self.sent)?;
        data.truncate(count);
        if count == 0 {
            return Ok(None);
        }
        let offset = self.sent;
        self.sent += count as u64;
        self.last.extend_from_slice(&data);
        if self.last.len() == BLOCK {
            self.blocks.push(Hash::of(&self.last));
            self.last.clear();
        }
        Ok(Some(Part { offset, data }))
    }

    /// Calls `resend` with each block that is no longer what was sent.
    pub fn changed<E: From<io::Error>>(
        &mut self,
        mut resend: impl FnMut(Part) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut data = vec![0; BLOCK];
        for (at, block) in self.blocks.iter_mut().enumerate() {
            let offset = (at * BLOCK) as u64;
            let count = read_full(&self.file, &mut data, offset)?;
            let hash = Hash::of(&data[..count]);
            if hash != *block {
                *block = hash;
                resend(Part { offset, data: data[..count].to_vec() })?;
            }
        }
        let offset = self.sent - self.last.len() as u64;
        let count = read_full(&self.file, &mut data[..self.last.len()], offset)?;
        if data[..count] != self.last {
            self.last = data[..count].to_vec();
            resend(Part { offset, data: self.last.clone() })?;
        }
        Ok(())
    }
}

fn read_full(file: &File, data: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < data.len() {
        match file.read_at(&mut data[filled..], offset + filled as u64)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apply(copy: &mut Vec<u8>, part: &Part) {
        let end = part.offset as usize + part.data.len();
        copy.resize(copy.len().max(end), 0);
        copy[part.offset as usize..end].copy_from_slice(&part.data);
    }

    #[test]
    fn what_was_changed_behind_our_back_is_sent_again_and_nothing_else() {
        let file = tempfile::tempfile().unwrap();
        let mut growth = Growth::new(file.try_clone().unwrap());
        let mut copy = Vec::new();
        for round in 0..7u8 {
            file.write_all_at(&vec![round; 100_000], u64::from(round) * 100_000).unwrap();
            while let Some(part) = growth.next().unwrap() {
                apply(&mut copy, &part);
            }
        }
        file.write_all_at(b"header", 3).unwrap();
        file.write_all_at(b"tail", 699_990).unwrap();
        let mut again = 0;
        growth
            .changed(|part| {
                again += 1;
                apply(&mut copy, &part);
                Ok::<(), io::Error>(())
            })
            .unwrap();
        let mut whole = vec![0; 700_000];
        file.read_exact_at(&mut whole, 0).unwrap();
        assert!(whole == copy, "the copy is not what the file is");
        assert_eq!(again, 2);
        let quiet = growth.changed(|part| Err(io::Error::other(format!("{part:?}"))));
        assert!(quiet.is_ok());
    }

    #[test]
    fn a_file_that_became_shorter_was_begun_anew() {
        let file = tempfile::tempfile().unwrap();
        let mut growth = Growth::new(file.try_clone().unwrap());
        file.write_all_at(b"long", 0).unwrap();
        assert!(growth.next().unwrap().is_some() && !growth.is_begun_anew());
        file.set_len(0).unwrap();
        assert!(growth.is_begun_anew());
        growth.begin_anew();
        file.write_all_at(b"x", 0).unwrap();
        assert_eq!(growth.next().unwrap(), Some(Part { offset: 0, data: b"x".to_vec() }));
    }
}
