//! Parts of the caller's files, asked for over the run's stream: several are under way at once.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use segue_api::v1;
use segue_api::v1::run_response::Says;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;

/// A message holds at most this much of a file.
pub const PIECE: u32 = 256 << 10;

/// What goes to the caller.
pub type ToCaller = mpsc::Sender<Result<v1::RunResponse, Status>>;

/// A message to the caller.
pub fn says(says: Says) -> Result<v1::RunResponse, Status> {
    Ok(v1::RunResponse { says: Some(says) })
}

/// Asks the caller for parts of its files. Clones ask the same one.
#[derive(Clone, Debug)]
pub struct Asker {
    to_caller: ToCaller,
    asked: Arc<Mutex<Asked>>,
}

#[derive(Debug, Default)]
struct Asked {
    last: u64,
    waiting: HashMap<u64, oneshot::Sender<io::Result<Bytes>>>,
}

impl Asker {
    /// Asks by `to_caller`.
    pub fn new(to_caller: ToCaller) -> Asker {
        Asker { to_caller, asked: Arc::default() }
    }

    /// Asks for a part; what is given gets it.
    pub async fn ask(
        &self,
        input: u32,
        offset: u64,
        length: u32,
    ) -> io::Result<oneshot::Receiver<io::Result<Bytes>>> {
        let (answer, answered) = oneshot::channel();
        let id = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            // Those who went away wait for nothing.
            asked.waiting.retain(|_, waiting| !waiting.is_closed());
            asked.last += 1;
            let id = asked.last;
            asked.waiting.insert(id, answer);
            id
        };
        let read = says(Says::Read(v1::Read { id, input, offset, length }));
        self.to_caller.send(read).await.map_err(|_| gone())?;
        Ok(answered)
    }

    /// The caller answers.
    pub fn answered(&self, answer: v1::ReadAnswer) {
        let v1::ReadAnswer { id, data, error } = answer;
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waiting) = asked.waiting.remove(&id) {
            let read =
                if error.is_empty() { Ok(data.into()) } else { Err(io::Error::other(error)) };
            let _ = waiting.send(read);
        }
    }

    /// A whole file, of `size` bytes.
    pub async fn whole(&self, input: u32, size: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < size {
            let length = (size - bytes.len() as u64).min(PIECE.into()) as u32;
            let part = self.ask(input, bytes.len() as u64, length).await?;
            let part = part.await.map_err(|_| gone())??;
            if part.is_empty() {
                break;
            }
            bytes.extend_from_slice(&part);
        }
        Ok(bytes)
    }
}

pub fn gone() -> io::Error {
    io::Error::other("the caller is gone")
}
