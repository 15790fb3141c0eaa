//! A parent's end of the socket by which a child reads a film: a thread that answers until the
//! child is done with it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use super::film::{Reader, Shared};
use crate::source::wire::{Answer, Request};

/// Answers whoever has the other end.
pub(super) fn serve(film: Arc<Shared>, mut socket: UnixStream) {
    // However it ends, the child sees the end of the socket, and its death is told elsewhere.
    let _ = answer_all(&mut Reader::new(film), &mut socket);
}

fn answer_all(reader: &mut Reader, socket: &mut UnixStream) -> io::Result<()> {
    while let Some(request) = Request::read_from(socket)? {
        let (position, length) = match request {
            Request::Size => {
                Answer::Size(reader.size()).write_to(socket)?;
                continue;
            }
            Request::Read { position, length } => (position, length),
        };
        match reader.read(position, length.into(), &mut || Answer::Wait.write_to(socket)) {
            Ok(bytes) => Answer::Bytes(&bytes).write_to(socket)?,
            Err(words) => Answer::Failed(&words).write_to(socket)?,
        }
    }
    Ok(())
}
