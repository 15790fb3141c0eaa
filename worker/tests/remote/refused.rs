//! Films that cannot be opened: one line that names the film and says what to do.

use std::time::Duration;

use segue_model::FailureClass;
use segue_store::S3Settings;
use segue_worker::{Film, RemoteLimits, Sources};
use tokio::runtime::Runtime;

use crate::limits;
use crate::server::Server;

/// Why `url` does not open, and whose fault that is.
fn refusal(url: &str, sources: &Sources) -> (String, FailureClass) {
    match Film::open(url, sources) {
        Ok(_) => panic!("{url} opens"),
        Err(error) => {
            let words = error.to_string();
            assert!(words.contains(url) && !words.contains('\n'), "{words}");
            (words, error.class())
        }
    }
}

#[test]
fn each_mistake_has_its_own_line() {
    let server = Server::start();
    server.put("film.mkv", "a film");
    server.put("empty.mkv", "");
    let ours = server.sources(limits());
    let stranger = server.sources_of_a_stranger();
    let (source, transient) = (FailureClass::Source, FailureClass::Transient);
    for (url, sources, reason, class) in [
        ("s3://nowhere/film.mkv", &ours, "no such bucket", source),
        ("s3://films/Film.mkv", &ours, "no such object", source),
        ("s3://films/empty.mkv", &ours, "is empty (0 bytes)", source),
        ("s3://films/film.mkv", &stranger, "AWS_SECRET_ACCESS_KEY", transient),
        ("https://films/film.mkv", &ours, "not read over HTTP yet", source),
        ("gopher://films/film.mkv", &ours, "s3://bucket/key", source),
    ] {
        let (words, blamed) = refusal(url, sources);
        assert!(words.contains(reason), "{words}");
        assert_eq!(blamed, class, "{words}");
    }
    Film::open("s3://films/film.mkv", &ours).expect("and the right one opens");
}

/// Sources of a server that is called this, with other settings.
fn elsewhere(runtime: &Runtime, endpoint: &str, others: &[(&str, &str)]) -> Sources {
    let variables = others.iter().copied().chain([("AWS_ENDPOINT_URL", endpoint)]);
    let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let opening = Duration::from_millis(100);
    Sources::new(S3Settings::of(variables.map(owned)), runtime.handle().clone())
        .with_limits(RemoteLimits { opening, ..limits() })
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "someone"), ("AWS_SECRET_ACCESS_KEY", "something")];

#[test]
fn a_server_that_is_not_there_is_named() {
    let runtime = Runtime::new().unwrap();
    // Nobody listens there any more.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let sources = elsewhere(&runtime, &format!("http://{port}"), &KEYS);
    let (words, class) = refusal("s3://films/film.mkv", &sources);
    assert!(words.contains(&port.to_string()) && words.contains("AWS_ENDPOINT_URL"), "{words}");
    assert!(!words.contains("something"), "{words}");
    assert_eq!(class, FailureClass::Transient);
}

#[test]
fn a_server_that_is_not_named_by_a_url_is_not_asked() {
    let runtime = Runtime::new().unwrap();
    for endpoint in ["127.0.0.1:9000", "https://", "http:///films", "http://a host", "ftp://host"] {
        let sources = elsewhere(&runtime, endpoint, &KEYS);
        let (words, class) = refusal("s3://films/film.mkv", &sources);
        assert!(words.contains("AWS_ENDPOINT_URL is no URL"), "{endpoint}: {words}");
        assert_eq!(class, FailureClass::Transient);
    }
}
