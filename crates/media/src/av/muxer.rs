//! Packets of one segment into one file in memory.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;

use super::memory::Dictionary;
use super::{AvError, EncodedPacket, Packet, Parameters, check};

/// One track of a segment.
pub(crate) struct Track<'a> {
    pub(crate) parameters: &'a Parameters,
    /// Ticks per second of its packets.
    pub(crate) timescale: u32,
    /// In decoding order, timestamps as they are to be written.
    pub(crate) packets: &'a [EncodedPacket],
}

/// A muxer that writes into memory.
pub(crate) struct Muxer {
    context: *mut ffi::AVFormatContext,
}

impl Muxer {
    /// Writes the header of `format` for these tracks.
    pub(crate) fn open(
        format: &std::ffi::CStr,
        tracks: &[Track<'_>],
        options: &[(&str, &str)],
    ) -> Result<Muxer, AvError> {
        // SAFETY: every pointer comes from libav just before and is owned by the value.
        unsafe {
            let mut muxer = Muxer { context: ptr::null_mut() };
            check(
                ffi::avformat_alloc_output_context2(
                    &mut muxer.context,
                    ptr::null(),
                    format.as_ptr(),
                    ptr::null(),
                ),
                "find the muxer",
            )?;
            // No encoder name or creation time: nothing that differs from run to run.
            (*muxer.context).flags |= ffi::AVFMT_FLAG_BITEXACT as c_int;
            (*muxer.context).avoid_negative_ts = 0;
            // How far a transport stream's clock runs ahead of decoding; no timestamp moves.
            (*muxer.context).max_delay = 700_000;
            for track in tracks {
                let stream = ffi::avformat_new_stream(muxer.context, ptr::null());
                assert!(!stream.is_null(), "out of memory");
                check(
                    ffi::avcodec_parameters_copy((*stream).codecpar, track.parameters.0),
                    "describe a track",
                )?;
                (*(*stream).codecpar).codec_tag = 0;
                (*stream).time_base = ffi::AVRational { num: 1, den: track.timescale as c_int };
            }
            check(ffi::avio_open_dyn_buf(&mut (*muxer.context).pb), "allocate a segment")?;
            let mut dictionary = Dictionary::new(options);
            check(ffi::avformat_write_header(muxer.context, &mut dictionary.0), "write a header")?;
            match dictionary.left_over() {
                None => Ok(muxer),
                Some(_) => {
                    Err(AvError::new("set the muxer's options", ffi::AVERROR_OPTION_NOT_FOUND))
                }
            }
        }
    }

    /// How many bytes have been written.
    pub(crate) fn written(&mut self) -> usize {
        // SAFETY: the buffer is open.
        unsafe {
            ffi::avio_flush((*self.context).pb);
            ffi::avio_seek((*self.context).pb, 0, ffi::SEEK_CUR as c_int).max(0) as usize
        }
    }

    /// Writes all packets, interleaved by decode time; but the first track's first one before all
    /// others, as it carries a transport stream's clock, without which players can place nothing.
    /// With `flush_each`, nothing waits in the muxer for the next packet.
    pub(crate) fn write(&mut self, tracks: &[Track<'_>], flush_each: bool) -> Result<(), AvError> {
        let mut next = vec![0_usize; tracks.len()];
        if let Some((track, packet)) = tracks.first().and_then(|it| Some((it, it.packets.first()?)))
        {
            self.write_packet(0, track.timescale, packet)?;
            next[0] = 1;
            if flush_each {
                self.flush()?;
            }
        }
        let seconds = |track: &Track<'_>, at: usize| {
            let dts = i128::from(track.packets[at].dts);
            dts * 1_000_000_000 / i128::from(track.timescale.max(1))
        };
        let pending = |next: &[usize]| {
            (0..tracks.len())
                .filter(|&index| next[index] < tracks[index].packets.len())
                .min_by_key(|&index| seconds(&tracks[index], next[index]))
        };
        while let Some(index) = pending(&next) {
            let track = &tracks[index];
            self.write_packet(index, track.timescale, &track.packets[next[index]])?;
            next[index] += 1;
            if flush_each {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn write_packet(
        &mut self,
        index: usize,
        timescale: u32,
        packet: &EncodedPacket,
    ) -> Result<(), AvError> {
        let raw = Packet::new();
        let length = c_int::try_from(packet.data.len())
            .map_err(|_| AvError::new("write a packet", ffi::AVERROR(ffi::EINVAL)))?;
        // SAFETY: the packet gets room for its data before it is copied; the stream exists.
        unsafe {
            check(ffi::av_new_packet(raw.0, length), "allocate a packet")?;
            ptr::copy_nonoverlapping(packet.data.as_ptr(), (*raw.0).data, packet.data.len());
            let stream = *(*self.context).streams.add(index);
            let from = ffi::AVRational { num: 1, den: timescale as c_int };
            // The muxer may have chosen another time base when it wrote its header.
            let to = (*stream).time_base;
            (*raw.0).pts = ffi::av_rescale_q(packet.pts, from, to);
            (*raw.0).dts = ffi::av_rescale_q(packet.dts, from, to);
            (*raw.0).duration = ffi::av_rescale_q(packet.duration, from, to);
            (*raw.0).stream_index = index as c_int;
            if packet.keyframe {
                (*raw.0).flags |= ffi::AV_PKT_FLAG_KEY as c_int;
            }
            check(ffi::av_write_frame(self.context, raw.0), "write a packet").map(|_| ())
        }
    }

    /// Ends a fragment.
    pub(crate) fn flush(&mut self) -> Result<(), AvError> {
        // SAFETY: the header is written; a null packet means flush.
        check(unsafe { ffi::av_write_frame(self.context, ptr::null_mut()) }, "end a fragment")
            .map(|_| ())
    }

    /// Ends the file and gives it out.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, AvError> {
        // SAFETY: the header is written.
        check(unsafe { ffi::av_write_trailer(self.context) }, "end a segment")?;
        Ok(self.close())
    }

    fn close(&mut self) -> Vec<u8> {
        // SAFETY: the buffer was opened by avio_open_dyn_buf (or is null); libav gives out its
        // memory, which is copied and freed.
        unsafe {
            if self.context.is_null() || (*self.context).pb.is_null() {
                return Vec::new();
            }
            let mut bytes = ptr::null_mut();
            let length = ffi::avio_close_dyn_buf((*self.context).pb, &mut bytes);
            (*self.context).pb = ptr::null_mut();
            if bytes.is_null() {
                return Vec::new();
            }
            let copy = std::slice::from_raw_parts(bytes, length.max(0) as usize).to_vec();
            ffi::av_free(bytes.cast());
            copy
        }
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        self.close();
        // SAFETY: allocated in `open` or null; freed once.
        unsafe { ffi::avformat_free_context(self.context) };
    }
}
