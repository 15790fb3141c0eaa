//! Answers a worker that asks for parts of inputs, several at once.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use segue_api::v1::run_request::Says;
use segue_api::v1::{Read, ReadAnswer, RunRequest};
use tokio::sync::mpsc;

use super::gather::Input;

/// Longer parts nobody asks for.
const PART_MAX: u32 = 1 << 20;

/// Reads a part, and sends it. Only what the line names is read.
pub fn answer(inputs: &[Input], read: Read, outgoing: &mpsc::Sender<RunRequest>) {
    let Read { id, input, offset, length } = read;
    let file = inputs.get(input as usize).map(|input| Arc::clone(&input.file));
    let outgoing = outgoing.clone();
    tokio::spawn(async move {
        let part = tokio::task::spawn_blocking(move || match file {
            Some(file) => part(&file, offset, length.min(PART_MAX)),
            None => Err(io::Error::other("there is no such input")),
        });
        let (data, error) = match part.await {
            Ok(Ok(data)) => (data, String::new()),
            Ok(Err(error)) => (Vec::new(), error.to_string()),
            Err(error) => (Vec::new(), error.to_string()),
        };
        let says = Some(Says::Read(ReadAnswer { id, data, error }));
        // The run may be over.
        let _ = outgoing.send(RunRequest { says }).await;
    });
}

fn part(file: &std::fs::File, offset: u64, length: u32) -> io::Result<Vec<u8>> {
    let mut data = vec![0; length as usize];
    let mut filled = 0;
    while filled < data.len() {
        match file.read_at(&mut data[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    data.truncate(filled);
    Ok(data)
}
