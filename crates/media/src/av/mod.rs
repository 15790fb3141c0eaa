//! libav behind types that own what they allocate. All of this crate's `unsafe` is in here.
//!
//! Thin on purpose: no decision about segments, time or formats is made here. Each type frees what
//! it holds on drop and can move to another thread; none is shared between threads.

mod decoder;
mod encoder;
mod graph;
mod input;
pub(crate) mod log;
mod memory;
mod muxer;
mod parser;
mod resampler;
mod stream;
pub(crate) mod url;

use std::ffi::{CStr, CString, c_char, c_int};

use ffmpeg_next::ffi;
use segue_model::Time;

pub(crate) use decoder::Decoder;
pub(crate) use encoder::{AudioEncoder, VideoEncoder, VideoEncoderSettings};
pub(crate) use graph::Graph;
pub(crate) use input::{Input, SeekTo};
pub(crate) use memory::{EncodedPacket, Frame, Packet, Parameters};
pub(crate) use muxer::{Muxer, Track};
pub(crate) use parser::Parser;
pub(crate) use resampler::Resampler;
pub(crate) use stream::{Stream, StreamKind};

/// A call into libav that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{doing}: {}", message(*code))]
pub struct AvError {
    doing: &'static str,
    code: c_int,
}

impl AvError {
    pub(crate) const fn new(doing: &'static str, code: c_int) -> AvError {
        AvError { doing, code }
    }
}

const AGAIN: c_int = ffi::AVERROR(ffi::EAGAIN);
const END: c_int = ffi::AVERROR_EOF;
const NO_TIMESTAMP: i64 = ffi::AV_NOPTS_VALUE;

fn check(code: c_int, doing: &'static str) -> Result<c_int, AvError> {
    if code < 0 { Err(AvError { doing, code }) } else { Ok(code) }
}

fn message(code: c_int) -> String {
    let mut buffer = [0 as c_char; 128];
    // SAFETY: the buffer outlives the call and is as long as said; av_strerror terminates it.
    unsafe {
        ffi::av_strerror(code, buffer.as_mut_ptr(), buffer.len());
        CStr::from_ptr(buffer.as_ptr()).to_string_lossy().into_owned()
    }
}

/// Names and options that this crate writes itself; a NUL in them would be a bug.
fn c_string(text: &str) -> CString {
    CString::new(text).expect("a NUL in a name given to libav")
}

/// A string that libav owns; empty for a null pointer.
///
/// # Safety
/// `text` is null or a terminated string that lives through the call.
unsafe fn owned_string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: as the caller promises.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// libav's name of a pixel format.
pub(crate) fn pixel_format_name(format: c_int) -> String {
    // SAFETY: the number comes from libav; the name is static, null for none.
    unsafe {
        let format = std::mem::transmute::<c_int, ffi::AVPixelFormat>(format);
        owned_string(ffi::av_get_pix_fmt_name(format))
    }
}

fn rational(time: Time) -> ffi::AVRational {
    let (mut num, mut den) = (time.num(), time.den());
    // Terms beyond 31 bits come from no real file; keep the ratio nearly right.
    while num.abs() > i64::from(i32::MAX) || den > i64::from(i32::MAX) {
        num /= 2;
        den = (den / 2).max(1);
    }
    ffi::AVRational { num: num as c_int, den: den as c_int }
}

fn time(ratio: ffi::AVRational) -> Option<Time> {
    (ratio.den != 0).then(|| Time::new(i64::from(ratio.num), i64::from(ratio.den)))
}
