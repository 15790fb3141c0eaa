//! Bytes behind an http(s) URL, by libav's own client.

use std::ffi::{CString, c_int, c_void};
use std::ptr;

use ffmpeg_next::ffi;

use super::memory::Dictionary;
use super::{END, message};
use crate::byte_source::Cancel;

/// A server that says nothing for so long (microseconds) is given up.
const SILENCE_MAX: &str = "20000000";
/// A server may send a redirect to any of these and to nothing else: never to a local file.
const PROTOCOLS: &str = "http,https,httpproxy,tcp,tls";

/// Why a URL could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UrlError {
    /// The server has no such thing (404, 410), or keeps it back (401, 403).
    #[error("{0}")]
    Refused(String),
    /// The server or the way to it failed.
    #[error("{0}")]
    Failed(String),
    /// More than was allowed.
    #[error("larger than {0} bytes")]
    TooLarge(u64),
    /// Somebody asked for it to stop.
    #[error("cancelled")]
    Cancelled,
}

/// A connection being read; closed on drop.
struct Reading(*mut ffi::AVIOContext);

impl Drop for Reading {
    fn drop(&mut self) {
        // SAFETY: opened by `avio_open2` or null; closed once.
        unsafe { ffi::avio_closep(&mut self.0) };
    }
}

/// Reads all of `url`, or `range` (offset, length) of it. Fewer bytes than the range asks for come
/// back when the resource ends before.
pub(crate) fn fetch(
    url: &str,
    range: Option<(u64, u64)>,
    limit: u64,
    cancel: &Cancel,
) -> Result<Vec<u8>, UrlError> {
    super::log::install();
    let reading = open(url, range, cancel)?;
    let wanted = range.map_or(limit.saturating_add(1), |(_, length)| length);
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while (bytes.len() as u64) < wanted {
        let room =
            buffer.len().min(usize::try_from(wanted - bytes.len() as u64).unwrap_or(usize::MAX));
        // SAFETY: the connection is open and the buffer has room for that many bytes.
        let read = unsafe { ffi::avio_read_partial(reading.0, buffer.as_mut_ptr(), room as c_int) };
        if cancel.is_cancelled() {
            return Err(UrlError::Cancelled);
        }
        if read == END || read == 0 {
            break;
        }
        if read < 0 {
            return Err(UrlError::Failed(message(read)));
        }
        bytes.extend_from_slice(&buffer[..read as usize]);
        if bytes.len() as u64 > limit {
            return Err(UrlError::TooLarge(limit));
        }
    }
    Ok(bytes)
}

fn open(url: &str, range: Option<(u64, u64)>, cancel: &Cancel) -> Result<Reading, UrlError> {
    let Ok(address) = CString::new(url) else {
        return Err(UrlError::Refused("it has a NUL in it".to_owned()));
    };
    let mut options = vec![
        ("timeout".to_owned(), SILENCE_MAX.to_owned()),
        ("protocol_whitelist".to_owned(), PROTOCOLS.to_owned()),
        // libav believes any certificate unless told otherwise.
        ("tls_verify".to_owned(), "1".to_owned()),
    ];
    if let Some((offset, length)) = range {
        options.push(("offset".to_owned(), offset.to_string()));
        options.push(("end_offset".to_owned(), offset.saturating_add(length).to_string()));
    }
    let options: Vec<_> =
        options.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let mut options = Dictionary::new(&options);
    let interrupt = ffi::AVIOInterruptCB {
        callback: Some(on_interrupt),
        opaque: ptr::from_ref(cancel).cast_mut().cast(),
    };
    let mut reading = Reading(ptr::null_mut());
    // SAFETY: all pointers live through the call; libav keeps a copy of the callback, whose flag
    // the caller's borrow keeps alive longer than the connection.
    let code = unsafe {
        ffi::avio_open2(
            &mut reading.0,
            address.as_ptr(),
            ffi::AVIO_FLAG_READ as c_int,
            &interrupt,
            &mut options.0,
        )
    };
    match code {
        0.. => Ok(reading),
        _ if cancel.is_cancelled() => Err(UrlError::Cancelled),
        code if is_refusal(code) => Err(UrlError::Refused(message(code))),
        code => Err(UrlError::Failed(message(code))),
    }
}

fn is_refusal(code: c_int) -> bool {
    [
        ffi::AVERROR_HTTP_BAD_REQUEST,
        ffi::AVERROR_HTTP_UNAUTHORIZED,
        ffi::AVERROR_HTTP_FORBIDDEN,
        ffi::AVERROR_HTTP_NOT_FOUND,
        ffi::AVERROR_HTTP_OTHER_4XX,
        ffi::AVERROR_PROTOCOL_NOT_FOUND,
    ]
    .contains(&code)
}

unsafe extern "C" fn on_interrupt(opaque: *mut c_void) -> c_int {
    // SAFETY: points to the caller's flag, see `open`.
    c_int::from(unsafe { &*opaque.cast::<Cancel>() }.is_cancelled())
}
