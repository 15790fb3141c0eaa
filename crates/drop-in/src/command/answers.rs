//! Answers a worker that asks for parts of inputs, several at once.

use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use segue_api::v1::run_request::Says;
use segue_api::v1::{Read, ReadAnswer, RunRequest};
use tokio::sync::{Semaphore, mpsc};

use super::gather::Input;

/// Longer parts no worker asks for. A shorter answer would say that the file ends there.
const PART_MAX: u32 = 4 << 20;
/// Parts that are in memory at once.
const AT_ONCE: usize = 16;

/// Room for the parts of one run.
pub fn room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(AT_ONCE))
}

/// Reads a part, and sends it. Only what the line names is read.
pub fn answer(
    inputs: &[Input],
    read: Read,
    room: &Arc<Semaphore>,
    outgoing: &mpsc::Sender<RunRequest>,
) {
    let Read { id, input, offset, length } = read;
    let file = inputs.get(input as usize).map(|input| Arc::clone(&input.file));
    let (room, outgoing) = (Arc::clone(room), outgoing.clone());
    tokio::spawn(async move {
        // Held until the part is sent. Not waited for by whoever reads the stream: the worker may wait
        // for that one to go on.
        let Ok(_room) = room.acquire_owned().await else { return };
        let part = tokio::task::spawn_blocking(move || match file {
            Some(_) if length > PART_MAX => Err(io::Error::other("too much is asked for at once")),
            Some(file) => part(&file, offset, length),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_wait_for_room_and_too_long_ones_are_refused() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"film", 0).unwrap();
        let (name, there) = (String::new(), String::new());
        let inputs = [Input { path: name.clone(), name, size: 4, there, file: Arc::new(file) }];
        let room = room();
        // Nobody takes more than one answer.
        let (outgoing, mut requests) = mpsc::channel(1);
        let ask = |id, length| {
            answer(&inputs, Read { id, input: 0, offset: 0, length }, &room, &outgoing);
        };
        for id in 0..100 {
            ask(id, PART_MAX);
        }
        let mut answered = 0;
        while answered < 100 {
            let Some(RunRequest { says: Some(Says::Read(read)) }) = requests.recv().await else {
                panic!("no answer");
            };
            assert_eq!((read.data.as_slice(), read.error.as_str()), (&b"film"[..], ""));
            answered += 1;
        }
        ask(100, PART_MAX + 1);
        let Some(RunRequest { says: Some(Says::Read(read)) }) = requests.recv().await else {
            panic!("no answer");
        };
        assert!(read.data.is_empty() && !read.error.is_empty());
    }
}
