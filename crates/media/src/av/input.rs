//! A container opened over a [`ByteSource`].

use std::ffi::{c_int, c_void};
use std::io;
use std::ptr;

use ffmpeg_next::ffi;
use segue_model::Time;

use super::memory::Dictionary;
use super::{AvError, END, NO_TIMESTAMP, Packet, Stream, StreamKind, check, owned_string};
use crate::byte_source::{ByteSource, Cancel};
use crate::error::{Blame, Error};

/// One read of the caller's source; large, because sources may be far away.
const BUFFER: usize = 256 * 1024;

/// An opened container.
pub(crate) struct Input {
    context: *mut ffi::AVFormatContext,
    io: *mut ffi::AVIOContext,
    /// From `Box::into_raw`: libav holds the same pointer and reads through it, so no Rust reference
    /// may outlive a call into libav.
    reader: *mut Reader,
}

// SAFETY: owned by one holder at a time; the reader it points to is Send.
unsafe impl Send for Input {}

/// What libav calls back to.
struct Reader {
    source: Box<dyn ByteSource>,
    position: u64,
    cancel: Cancel,
    /// libav only passes on a number: the error itself waits here.
    failed: Option<io::Error>,
    /// Answer zeros instead of reading: for when only an index is wanted.
    blank: bool,
}

/// Where to go on reading.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SeekTo {
    /// The start of the file.
    Start,
    /// A keyframe of the stream at or before this tick.
    Tick(u32, i64),
    /// This byte.
    Byte(u64),
}

impl Input {
    /// Opens a container and reads its headers. With `probe`, also reads and decodes as much as it
    /// takes to know all streams.
    pub(crate) fn open(
        source: Box<dyn ByteSource>,
        cancel: &Cancel,
        probe: bool,
    ) -> Result<Input, Error> {
        super::log::install();
        let reader = Box::into_raw(Box::new(Reader {
            source,
            position: 0,
            cancel: cancel.clone(),
            failed: None,
            blank: false,
        }));
        let mut input = Input { context: ptr::null_mut(), io: ptr::null_mut(), reader };
        let opened = input.open_raw();
        input.settle(opened, "this is not a media file that can be read")?;
        if probe {
            // SAFETY: the context is open.
            let probed = unsafe { ffi::avformat_find_stream_info(input.context, ptr::null_mut()) };
            input.settle(check(probed, "probe"), "the streams of this file cannot be read")?;
        }
        Ok(input)
    }

    fn reader(&self) -> &Reader {
        // SAFETY: made in `open`, freed in `drop`; libav uses it only during calls.
        unsafe { &*self.reader }
    }

    fn reader_mut(&mut self) -> &mut Reader {
        // SAFETY: as in `reader`; borrowed mutably.
        unsafe { &mut *self.reader }
    }

    fn open_raw(&mut self) -> Result<c_int, AvError> {
        let opaque: *mut c_void = self.reader.cast();
        let is_stream = self.reader().source.size().is_none();
        // SAFETY: the reader is boxed and lives as long as the contexts that point to it (see
        // `drop`); libav owns the buffer from here on, through `io`.
        unsafe {
            let buffer = ffi::av_malloc(BUFFER).cast::<u8>();
            assert!(!buffer.is_null(), "out of memory");
            self.io = ffi::avio_alloc_context(
                buffer,
                BUFFER as c_int,
                0,
                opaque,
                Some(on_read),
                None,
                Some(on_seek),
            );
            if is_stream && !self.io.is_null() {
                (*self.io).seekable = 0;
            }
            let mut context = ffi::avformat_alloc_context();
            assert!(!self.io.is_null() && !context.is_null(), "out of memory");
            (*context).pb = self.io;
            (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO as c_int;
            (*context).interrupt_callback =
                ffi::AVIOInterruptCB { callback: Some(on_interrupt), opaque };
            // As the ffmpeg command does. Without it, the first packets of a TS that cannot be
            // sought in come without times. Other demuxers ignore it.
            let mut options = Dictionary::new(&[("scan_all_pmts", "1")]);
            // Frees the context and nulls the pointer when it fails.
            let code = ffi::avformat_open_input(
                &mut context,
                c"".as_ptr(),
                ptr::null_mut(),
                &mut options.0,
            );
            self.context = context;
            check(code, "open")
        }
    }

    /// Turns libav's answer into ours: our own reader knows better why a read failed.
    fn settle<T>(&mut self, answer: Result<T, AvError>, what: &str) -> Result<T, Error> {
        if let Some(failed) = self.reader_mut().failed.take() {
            return Err(Error::Io(failed));
        }
        if answer.is_err() && self.reader().cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        answer.blame_source(what)
    }

    /// The next packet; `None` at the end. A file that breaks off ends where it does.
    pub(crate) fn read(&mut self) -> Result<Option<Packet>, Error> {
        if self.reader().cancel.is_cancelled() {
            return Err(Error::Cancelled);
        }
        let packet = Packet::new();
        // SAFETY: the context is open and the packet blank.
        let code = unsafe { ffi::av_read_frame(self.context, packet.0) };
        let invalid = code == ffi::AVERROR_INVALIDDATA || code == ffi::AVERROR(ffi::EIO);
        if code == END || (invalid && self.reader().failed.is_none()) {
            return self.settle(Ok(None), "");
        }
        self.settle(check(code, "read"), "the source cannot be read on")?;
        Ok(Some(packet))
    }

    /// Goes to a place; the next packet read is from there.
    pub(crate) fn seek(&mut self, to: SeekTo) -> Result<(), Error> {
        // SAFETY: the context is open; stream indices come from it.
        let code = unsafe {
            match to {
                SeekTo::Start => self.seek_start(),
                SeekTo::Tick(stream, tick) => {
                    let flags = ffi::AVSEEK_FLAG_BACKWARD as c_int;
                    ffi::av_seek_frame(self.context, stream as c_int, tick, flags)
                }
                SeekTo::Byte(byte) => {
                    let flags = ffi::AVSEEK_FLAG_BYTE as c_int;
                    let byte = i64::try_from(byte).unwrap_or(i64::MAX);
                    ffi::av_seek_frame(self.context, -1, byte, flags)
                }
            }
        };
        self.settle(check(code, "seek"), "the source cannot be read from the middle").map(|_| ())
    }

    /// # Safety
    /// The context is open.
    unsafe fn seek_start(&mut self) -> c_int {
        // Transport and program streams are searched by their clocks, which may find a place after
        // the first keyframe.
        let by_byte = self.format().starts_with("mpeg");
        // SAFETY: as the caller promises.
        unsafe {
            if by_byte {
                let byte = ffi::AVSEEK_FLAG_BYTE as c_int;
                return ffi::av_seek_frame(self.context, -1, 0, byte);
            }
            let declared = (*self.context).start_time;
            let start = if declared == NO_TIMESTAMP { 0 } else { declared };
            let backward = ffi::AVSEEK_FLAG_BACKWARD as c_int;
            // Demuxers differ in what they take for a start; a position is the last resort, as
            // some (AVI) lose count of time by it.
            let code = ffi::avformat_seek_file(self.context, -1, i64::MIN, start, start, 0);
            if code >= 0 {
                return code;
            }
            let code = ffi::av_seek_frame(self.context, -1, start, backward);
            if code >= 0 {
                return code;
            }
            let byte = ffi::AVSEEK_FLAG_BYTE as c_int;
            ffi::av_seek_frame(self.context, -1, 0, backward | byte)
        }
    }

    /// How many bytes the source has.
    pub(crate) fn size(&self) -> Option<u64> {
        self.reader().source.size()
    }

    /// libav's names of the container format.
    pub(crate) fn format(&self) -> String {
        // SAFETY: an open context has a format with a static name.
        unsafe { owned_string((*(*self.context).iformat).name) }
    }

    /// How long the container says it is.
    pub(crate) fn declared_duration(&self) -> Option<Time> {
        // SAFETY: the context is open.
        let micros = unsafe { (*self.context).duration };
        (micros > 0 && micros != NO_TIMESTAMP).then(|| Time::new(micros, 1_000_000))
    }

    /// How many streams there are.
    pub(crate) fn stream_count(&self) -> u32 {
        // SAFETY: the context is open.
        unsafe { (*self.context).nb_streams }
    }

    /// A stream by its index; `None` if there is no such stream.
    pub(crate) fn stream(&self, index: u32) -> Option<Stream<'_>> {
        if index >= self.stream_count() {
            return None;
        }
        // SAFETY: the index is in range; streams live as long as the context.
        let raw = unsafe { &**(*self.context).streams.add(index as usize) };
        Some(Stream { index, raw })
    }

    /// All streams.
    pub(crate) fn streams(&self) -> impl Iterator<Item = Stream<'_>> {
        (0..self.stream_count()).filter_map(|index| self.stream(index))
    }

    /// The video stream a player would show.
    pub(crate) fn best_video(&self) -> Option<u32> {
        let video = ffi::AVMediaType::AVMEDIA_TYPE_VIDEO;
        // SAFETY: the context is open.
        let found =
            unsafe { ffi::av_find_best_stream(self.context, video, -1, -1, ptr::null_mut(), 0) };
        let index = u32::try_from(found).ok()?;
        self.stream(index).filter(|stream| stream.kind() == StreamKind::Video).map(|s| s.index)
    }

    /// Reads no streams but these.
    pub(crate) fn keep_only(&mut self, wanted: &[u32]) {
        self.set_discard(|index| {
            if wanted.contains(&index) {
                ffi::AVDiscard::AVDISCARD_DEFAULT
            } else {
                ffi::AVDiscard::AVDISCARD_ALL
            }
        });
    }

    /// Reads only the keyframes of one stream, as far as the container can tell them apart.
    pub(crate) fn keep_only_keyframes(&mut self, wanted: u32) {
        self.set_discard(|index| {
            if index == wanted {
                ffi::AVDiscard::AVDISCARD_NONKEY
            } else {
                ffi::AVDiscard::AVDISCARD_ALL
            }
        });
    }

    fn set_discard(&mut self, of: impl Fn(u32) -> ffi::AVDiscard) {
        for index in 0..self.stream_count() {
            // SAFETY: the index is in range.
            unsafe { (**(*self.context).streams.add(index as usize)).discard = of(index) };
        }
    }

    /// From now on zeros are read instead of the source's bytes. For containers whose headers hold
    /// every packet's place and time (MP4), reading packets then costs no transfer.
    pub(crate) fn read_blanks(&mut self) {
        self.reader_mut().blank = true;
    }

    /// The container's own index of a stream: (tick, byte, keyframe) in its order.
    pub(crate) fn index_entries(&self, stream: u32) -> Vec<(i64, u64, bool)> {
        if stream >= self.stream_count() {
            return Vec::new();
        }
        // SAFETY: the index is in range; entries are copied before anything else is called.
        unsafe {
            let raw = *(*self.context).streams.add(stream as usize);
            (0..ffi::avformat_index_get_entries_count(raw))
                .filter_map(|at| ffi::avformat_index_get_entry(raw, at).as_ref())
                .map(|entry| {
                    let keyframe = entry.flags() & ffi::AVINDEX_KEYFRAME as c_int != 0;
                    (entry.timestamp, entry.pos.max(0) as u64, keyframe)
                })
                .collect()
        }
    }

    /// Tells libav where keyframes are, for a container that has no index of its own.
    pub(crate) fn add_index(&mut self, stream: u32, entries: impl Iterator<Item = (i64, u64)>) {
        if stream >= self.stream_count() {
            return;
        }
        for (tick, byte) in entries {
            let byte = i64::try_from(byte).unwrap_or(i64::MAX);
            // SAFETY: the index is in range.
            unsafe {
                let raw = *(*self.context).streams.add(stream as usize);
                ffi::av_add_index_entry(raw, byte, tick, 0, 0, ffi::AVINDEX_KEYFRAME as c_int);
            }
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // SAFETY: the context goes before the I/O it uses, that before the reader. libav may have replaced the buffer: free the one it holds now.
        unsafe {
            if !self.context.is_null() {
                ffi::avformat_close_input(&mut self.context);
            }
            if !self.io.is_null() {
                ffi::av_freep(ptr::from_mut(&mut (*self.io).buffer).cast());
                ffi::avio_context_free(&mut self.io);
            }
            drop(Box::from_raw(self.reader));
        }
    }
}

unsafe extern "C" fn on_read(opaque: *mut c_void, buffer: *mut u8, length: c_int) -> c_int {
    // SAFETY: `opaque` is the boxed reader given in `open_raw`, used by nobody else during a call;
    // the buffer has room for `length` bytes.
    let (reader, buffer) = unsafe {
        (
            &mut *opaque.cast::<Reader>(),
            std::slice::from_raw_parts_mut(buffer, length.max(0) as usize),
        )
    };
    if reader.cancel.is_cancelled() {
        return ffi::AVERROR_EXIT;
    }
    let read = if reader.blank {
        let left = reader.source.size().unwrap_or(0).saturating_sub(reader.position);
        let length = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        buffer[..length].fill(0);
        Ok(length)
    } else {
        reader.source.read_at(buffer, reader.position)
    };
    match read {
        // 0 would make libav ask again.
        Ok(0) => END,
        Ok(length) => {
            reader.position += length as u64;
            length as c_int
        }
        Err(error) => {
            reader.failed = Some(error);
            ffi::AVERROR(ffi::EIO)
        }
    }
}

unsafe extern "C" fn on_seek(opaque: *mut c_void, offset: i64, whence: c_int) -> i64 {
    // SAFETY: as in `on_read`.
    let reader = unsafe { &mut *opaque.cast::<Reader>() };
    let Some(size) = reader.source.size() else { return i64::from(ffi::AVERROR(ffi::ENOSYS)) };
    if whence & ffi::AVSEEK_SIZE as c_int != 0 {
        return i64::try_from(size).unwrap_or(i64::MAX);
    }
    let base = match whence & 3 {
        ffi::SEEK_SET => 0,
        ffi::SEEK_CUR => reader.position,
        ffi::SEEK_END => size,
        _ => return i64::from(ffi::AVERROR(ffi::EINVAL)),
    };
    match base.checked_add_signed(offset) {
        Some(position) if i64::try_from(position).is_ok() => {
            reader.position = position;
            position as i64
        }
        _ => i64::from(ffi::AVERROR(ffi::EINVAL)),
    }
}

unsafe extern "C" fn on_interrupt(opaque: *mut c_void) -> c_int {
    // SAFETY: as in `on_read`; only the shared flag is looked at.
    let reader = unsafe { &*opaque.cast::<Reader>() };
    c_int::from(reader.cancel.is_cancelled())
}
