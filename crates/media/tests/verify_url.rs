//! `verify` over HTTP, and what it says when there is nothing to verify.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::thread;

use segue_lab::clean_stream;
use segue_media::Cancel;
use segue_media::verify::{FaultKind, VerifyError, VerifyReport, verify};

/// Serves a directory on a free port until the test ends; byte ranges too.
fn serve(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let directory = directory.clone();
            thread::spawn(move || answer(stream, &directory));
        }
    });
    format!("http://{address}")
}

fn answer(stream: TcpStream, directory: &Path) -> Option<()> {
    let mut lines = BufReader::new(&stream).lines();
    let request = lines.next()?.ok()?;
    let path = request.split(' ').nth(1)?.split('?').next()?.trim_start_matches('/').to_owned();
    let mut range = None;
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        if let Some(bytes) = line.to_lowercase().strip_prefix("range: bytes=") {
            let (from, to) = bytes.split_once('-')?;
            range = Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()));
        }
    }
    let mut stream = &stream;
    let Ok(bytes) = fs::read(directory.join(path)) else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").ok();
    };
    let (from, to) = range.unwrap_or((0, None));
    let end = to.map_or(bytes.len(), |to| bytes.len().min(to + 1));
    let part = &bytes[from.min(end)..end];
    let (status, length, total) = if range.is_some() {
        ("206 Partial Content", part.len(), bytes.len())
    } else {
        ("200 OK", part.len(), bytes.len())
    };
    let last = end.saturating_sub(1);
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nContent-Range: bytes {from}-{last}/{total}\r\nConnection: close\r\n\r\n"
    )
    .ok()?;
    stream.write_all(part).ok()
}

fn verified(location: &str) -> Result<VerifyReport, VerifyError> {
    verify(location, &Cancel::default(), &mut |_| {})
}

fn directory(playlist: &Path) -> PathBuf {
    playlist.parent().expect("a directory").to_owned()
}

#[test]
fn a_clean_stream_is_clean_over_http_and_by_file_url() {
    for name in ["fmp4-audio-group", "fmp4-single-file", "ts"] {
        let playlist = clean_stream(name);
        let file = playlist.file_name().expect("a name").to_string_lossy().into_owned();
        let address = serve(directory(&playlist));
        for location in
            [format!("{address}/{file}?token=a/b"), format!("file://{}", playlist.display())]
        {
            let report = verified(&location).unwrap_or_else(|error| panic!("{location}: {error}"));
            assert!(report.is_clean(), "{location}: {:?}", report.faults);
            let pictures = report.playlists[0].video.as_ref().map(|video| video.pictures);
            assert_eq!(pictures, Some(300), "{location}");
        }
    }
}

#[test]
fn a_segment_the_server_does_not_have_is_named() {
    let room = tempfile::tempdir().expect("room for a copy");
    let clean = directory(&clean_stream("ts"));
    for entry in fs::read_dir(clean).expect("a directory") {
        let path = entry.expect("an entry").path();
        if !path.ends_with("x2.ts") {
            fs::copy(&path, room.path().join(path.file_name().expect("a name"))).expect("a copy");
        }
    }
    let address = serve(room.path().to_owned());
    let report = verified(&format!("{address}/x.m3u8")).expect("a report");
    let [fault] = &report.faults[..] else { panic!("{:?}", report.faults) };
    assert_eq!(fault.kind, FaultKind::SegmentMissing);
    let line = fault.to_string();
    assert!(line.contains("segment 2 (x2.ts)") && line.contains("404"), "{line}");
}

#[test]
fn what_cannot_be_verified_is_said_with_what_to_do() {
    let room = tempfile::tempdir().expect("room");
    let write = |name: &str, text: &str| {
        let path = room.path().join(name);
        fs::write(&path, text).expect("a file");
        path.to_string_lossy().into_owned()
    };
    let head = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n";
    let address = serve(room.path().to_owned());
    for (location, words) in [
        (write("text.m3u8", "hello\n"), "is not an HLS playlist"),
        (write("empty.m3u8", ""), "is not an HLS playlist"),
        (write("bare.m3u8", "#EXTM3U\n"), "is not an HLS playlist"),
        (
            write(
                "key.m3u8",
                &format!("{head}#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\na.ts\n"),
            ),
            "is encrypted (AES-128)",
        ),
        (room.path().join("none.m3u8").to_string_lossy().into_owned(), "check the path or URL"),
        (room.path().to_string_lossy().into_owned(), "check the path or URL"),
        (format!("{address}/none.m3u8"), "404"),
        ("http://127.0.0.1:1/x.m3u8".to_owned(), "check the path or URL"),
    ] {
        let error = verified(&location).expect_err(&location);
        assert!(error.to_string().contains(words), "{location}: {error}");
    }
}

#[test]
fn a_playlist_from_the_network_cannot_make_us_read_files() {
    let room = tempfile::tempdir().expect("room");
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n";
    fs::write(room.path().join("x.m3u8"), text).expect("a file");
    let address = serve(room.path().to_owned());
    let report = verified(&format!("{address}/x.m3u8")).expect("a report");
    assert_eq!(report.faults.len(), 1, "{:?}", report.faults);
    assert_eq!(report.faults[0].kind, FaultKind::SegmentMissing);
}

#[test]
fn verification_stops_when_asked_to() {
    let cancel = Cancel::default();
    let playlist = clean_stream("ts");
    let stop = cancel.clone();
    let stopped = verify(&playlist.to_string_lossy(), &cancel, &mut |_| stop.cancel());
    assert!(matches!(stopped, Err(VerifyError::Cancelled)), "{stopped:?}");
}

#[test]
fn progress_reaches_the_last_segment_of_every_playlist() {
    let mut seen = Vec::new();
    let playlist = clean_stream("ts-variants");
    verify(&playlist.to_string_lossy(), &Cancel::default(), &mut |progress| seen.push(progress))
        .expect("a report");
    for playlist in 0..2 {
        let last =
            seen.iter().rfind(|progress| progress.playlist_index == playlist).expect("progress");
        assert_eq!((last.segment, last.segments, last.playlists), (6, 6, 2));
    }
}
