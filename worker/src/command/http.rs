//! Inputs that stay with the caller, as ffmpeg opens them: over HTTP from this process, on a port of
//! the loopback that only this run knows, under a secret that only this run knows.

use std::collections::VecDeque;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, RANGE};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use axum::routing::any;
use axum::serve::ListenerExt;
use bytes::Bytes;
use segue_model::Hash;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tracing::debug;

use super::inputs::{Asker, PIECE, gone};

/// Parts that are asked for before they are needed.
const AHEAD: usize = 12;

/// A server, which ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// What names of inputs begin with.
    pub url: String,
    /// Where it listens.
    pub port: u16,
    task: JoinHandle<()>,
}

struct Served {
    secret: String,
    /// Length by index.
    sizes: Vec<u64>,
    asker: Asker,
}

impl Server {
    /// Serves inputs of these lengths.
    pub async fn start(sizes: Vec<u64>, asker: Asker) -> io::Result<Server> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let mut random = [0; 32];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let secret = Hash::of(&random).to_string();
        let url = format!("http://127.0.0.1:{port}/{secret}");
        let served = Arc::new(Served { secret, sizes, asker });
        let router =
            Router::new().route("/{secret}/{input}/{name}", any(answer)).with_state(served);
        // The last bytes of an answer are not to wait until those before were acknowledged.
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                debug!(%error, "an input's last bytes may be late");
            }
        });
        let task = tokio::spawn(async move {
            // Ends with the run; a connection that fails is ffmpeg's to try again.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Server { url, port, task })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    State(served): State<Arc<Served>>,
    Path((secret, input, _)): Path<(String, u32, String)>,
    method: Method,
    headers: HeaderMap,
) -> Response<Body> {
    let size = served.sizes.get(input as usize).copied();
    let (Some(size), true) = (size, secret == served.secret) else {
        return plain(StatusCode::NOT_FOUND);
    };
    if method != Method::GET && method != Method::HEAD {
        return plain(StatusCode::METHOD_NOT_ALLOWED);
    }
    let asked = headers.get(RANGE).and_then(|value| value.to_str().ok());
    let range = match asked.map(|asked| range(asked, size)) {
        None => None,
        Some(Some(range)) => Some(range),
        Some(None) => {
            let mut refused = plain(StatusCode::RANGE_NOT_SATISFIABLE);
            if let Ok(value) = format!("bytes */{size}").parse() {
                refused.headers_mut().insert(CONTENT_RANGE, value);
            }
            return refused;
        }
    };
    let (first, end) = range.unwrap_or((0, size));
    let mut response = Response::builder()
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, end - first);
    if range.is_some() {
        let range = format!("bytes {first}-{}/{size}", end.saturating_sub(1));
        response = response.status(StatusCode::PARTIAL_CONTENT).header(CONTENT_RANGE, range);
    }
    let body = match method == Method::HEAD {
        true => Body::empty(),
        false => Body::from_stream(ReceiverStream::new(stream(&served.asker, input, first, end))),
    };
    response.body(body).unwrap_or_else(|_| plain(StatusCode::INTERNAL_SERVER_ERROR))
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// The first byte and the one after the last that `bytes=A-` or `bytes=A-B` asks for. `None`: there is no
/// such part.
fn range(asked: &str, size: u64) -> Option<(u64, u64)> {
    let (first, last) = asked.strip_prefix("bytes=")?.split_once('-')?;
    let first: u64 = first.parse().ok()?;
    let end = match last {
        "" => size,
        last => last.parse::<u64>().ok()?.checked_add(1)?.min(size),
    };
    (first < end).then_some((first, end))
}

/// Parts of a file in order, asked for ahead of whoever takes them; ends when nobody does.
fn stream(asker: &Asker, input: u32, first: u64, end: u64) -> mpsc::Receiver<io::Result<Bytes>> {
    let (give, taken) = mpsc::channel(2);
    let asker = asker.clone();
    tokio::spawn(async move {
        let mut next = first;
        let mut under_way = VecDeque::new();
        loop {
            while under_way.len() < AHEAD && next < end {
                let length = (end - next).min(PIECE.into()) as u32;
                let Ok(asked) = asker.ask(input, next, length).await else { return };
                under_way.push_back((asked, length));
                next += u64::from(length);
            }
            let Some((asked, length)) = under_way.pop_front() else { return };
            let part = tokio::select! {
                part = asked => part.unwrap_or_else(|_| Err(gone())),
                () = give.closed() => return,
            };
            // A file that became shorter ends in an error, as what was promised does not come.
            let part = part.and_then(|part| match part.len() == length as usize {
                true => Ok(part),
                false => Err(io::Error::other("the file became shorter")),
            });
            let ended = part.is_err();
            if give.send(part).await.is_err() || ended {
                return;
            }
        }
    });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_understood_as_far_as_there_is_something() {
        assert_eq!(range("bytes=0-", 10), Some((0, 10)));
        assert_eq!(range("bytes=4-5", 10), Some((4, 6)));
        assert_eq!(range("bytes=4-99", 10), Some((4, 10)));
        for none in ["bytes=10-", "bytes=-5", "bytes=5-4", "lines=1-2", "bytes=a-", ""] {
            assert_eq!(range(none, 10), None, "{none}");
        }
    }
}
