//! Whether a scheduler is there at all.

use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Whoever is there takes a connection at once.
const PATIENCE: Duration = Duration::from_millis(300);

/// Whether anybody listens at one of these addresses. A scheduler that is there and only has no worker
/// for some line is not to be taken for absent: the next line may be another.
pub fn is_anybody_there(schedulers: &[String]) -> bool {
    let listens =
        |address: std::net::SocketAddr| TcpStream::connect_timeout(&address, PATIENCE).is_ok();
    schedulers.iter().any(|scheduler| {
        let place = scheduler.strip_prefix("http://").unwrap_or(scheduler);
        place.to_socket_addrs().is_ok_and(|mut addresses| addresses.any(listens))
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn one_of_several_is_enough() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let there = format!("http://{}", listener.local_addr().unwrap());
        let nobody = "http://127.0.0.1:1".to_owned();
        assert!(is_anybody_there(&[nobody.clone(), there]));
        assert!(!is_anybody_there(&[nobody]));
        assert!(!is_anybody_there(&[]));
    }
}
