//! Frames in, packets out: libx264 and libav's own AAC.

use std::ffi::{CStr, c_int};
use std::ptr;

use ffmpeg_next::ffi;
use segue_model::{AudioSettings, Effort, H264Profile, RateControl, Time, VideoSettings};

use super::memory::Dictionary;
use super::{
    AGAIN, AvError, END, EncodedPacket, Frame, Packet, Parameters, c_string, check, rational,
};

/// An open codec context that takes frames.
struct Encoder(*mut ffi::AVCodecContext);

// SAFETY: owned by one holder at a time; libav ties a codec context to no thread.
unsafe impl Send for Encoder {}

impl Encoder {
    fn allocate(name: &'static CStr) -> Result<(Encoder, *const ffi::AVCodec), AvError> {
        // SAFETY: a look-up by a terminated name, and an allocation for what it found.
        unsafe {
            let codec = ffi::avcodec_find_encoder_by_name(name.as_ptr());
            if codec.is_null() {
                return Err(AvError::new("find the encoder", ffi::AVERROR_ENCODER_NOT_FOUND));
            }
            let context = ffi::avcodec_alloc_context3(codec);
            assert!(!context.is_null(), "out of memory");
            Ok((Encoder(context), codec))
        }
    }

    fn open(
        &mut self,
        codec: *const ffi::AVCodec,
        options: &[(&str, &str)],
    ) -> Result<(), AvError> {
        let mut dictionary = Dictionary::new(options);
        // SAFETY: context and codec belong together; options are a valid dictionary.
        check(unsafe { ffi::avcodec_open2(self.0, codec, &mut dictionary.0) }, "open the encoder")?;
        match dictionary.left_over() {
            None => Ok(()),
            Some(_) => {
                Err(AvError::new("set the encoder's options", ffi::AVERROR_OPTION_NOT_FOUND))
            }
        }
    }

    fn context(&mut self) -> &mut ffi::AVCodecContext {
        // SAFETY: allocated in `allocate`, freed on drop.
        unsafe { &mut *self.0 }
    }

    /// Sends a frame (`None`: there are no more) and gives each packet that is ready to `on_packet`,
    /// when it is: at the end, an encoder has seconds of film before it, and works for minutes.
    fn encode(
        &mut self,
        frame: Option<&Frame>,
        on_packet: &mut dyn FnMut(EncodedPacket),
    ) -> Result<(), AvError> {
        let raw = frame.map_or(ptr::null(), |frame| frame.0.cast_const());
        // SAFETY: the context is open; the frame is valid or null, which means the end.
        check(unsafe { ffi::avcodec_send_frame(self.0, raw) }, "encode")?;
        let packet = Packet::new();
        loop {
            // SAFETY: the context is open; libav clears the packet first.
            match unsafe { ffi::avcodec_receive_packet(self.0, packet.0) } {
                AGAIN | END => return Ok(()),
                code => check(code, "encode")?,
            };
            on_packet(EncodedPacket {
                pts: packet.raw().pts,
                dts: packet.raw().dts,
                duration: packet.raw().duration,
                keyframe: packet.is_keyframe(),
                data: packet.data().to_vec(),
            });
        }
    }

    fn parameters(&self) -> Result<Parameters, AvError> {
        let parameters = Parameters::new();
        // SAFETY: the context is open and the parameters allocated.
        let code = unsafe { ffi::avcodec_parameters_from_context(parameters.0, self.0) };
        check(code, "describe the encoded stream").map(|_| parameters)
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // SAFETY: allocated once, freed once.
        unsafe { ffi::avcodec_free_context(&mut self.0) };
    }
}

/// What a [`VideoEncoder`] is opened with.
pub(crate) struct VideoEncoderSettings<'a> {
    pub(crate) video: &'a VideoSettings,
    /// Ticks of frames: slots of the job's clock.
    pub(crate) slots_per_second: Time,
    /// What the rate control expects.
    pub(crate) frame_rate: Time,
    /// 0 for as many as the machine has cores.
    pub(crate) threads: u32,
    pub(crate) exact: bool,
}

/// libx264, set up so that its segments can be mixed with any other's.
pub(crate) struct VideoEncoder(Encoder);

impl VideoEncoder {
    pub(crate) fn open(settings: &VideoEncoderSettings<'_>) -> Result<VideoEncoder, AvError> {
        let VideoEncoderSettings { video, slots_per_second, frame_rate, threads, exact } = settings;
        let (mut encoder, codec) = Encoder::allocate(c"libx264")?;
        let context = encoder.context();
        context.width = video.width as c_int;
        context.height = video.height as c_int;
        context.pix_fmt = ffi::AVPixelFormat::AV_PIX_FMT_YUV420P;
        context.sample_aspect_ratio = rational(video.sample_aspect);
        context.time_base = rational(slots_per_second.recip().unwrap_or(Time::new(1, 240)));
        context.framerate = rational(*frame_rate);
        context.flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as c_int;
        context.thread_count = if *exact { 1 } else { *threads as c_int };
        set_colour(context, &video.contract.colour);
        let rate = video.rate_control;
        if let Some(cap) = rate.cap() {
            context.rc_max_rate = i64::try_from(cap.bitrate_max).unwrap_or(i64::MAX);
            context.rc_buffer_size = c_int::try_from(cap.buffer_bits).unwrap_or(c_int::MAX);
        }
        if let RateControl::CappedBitrate { bitrate, .. } = rate {
            context.bit_rate = bitrate as i64;
        }
        let contract = &video.contract;
        let level = format!("{}.{}", contract.level / 10, contract.level % 10);
        let mut x264 = vec![
            // A segment ends before any limit would matter.
            "keyint=infinite".to_owned(),
            // The PPS would otherwise follow the rate factor.
            "stitchable=1".to_owned(),
            // A buffer half full starves a segment's first picture: 8 dB on real footage.
            "vbv-init=0.9".to_owned(),
        ];
        let unread = |_| AvError::new("read the preset", ffi::AVERROR(ffi::EINVAL));
        let effort: Effort = video.preset.parse().map_err(unread)?;
        x264.extend(effort.options().map(|(name, value)| format!("{name}={value}")));
        if matches!(effort.preset(), "slow" | "slower" | "veryslow") {
            x264.push(format!("ref={}", contract.reference_frames));
        }
        // The fastest preset would otherwise make another profile than players were told.
        match contract.profile {
            H264Profile::High => x264.push("8x8dct=1".to_owned()),
            H264Profile::Main => x264.push("cabac=1".to_owned()),
            H264Profile::Baseline => {}
        }
        if *exact {
            x264.push("cpu-independent=1".to_owned());
        }
        let x264 = x264.join(":");
        let crf;
        let mut options = vec![
            ("preset", effort.preset()),
            ("profile", contract.profile.name()),
            ("level", level.as_str()),
            ("forced-idr", "1"),
            ("x264-params", x264.as_str()),
        ];
        if !video.captions {
            options.push(("a53cc", "0"));
        }
        if let RateControl::CappedQuality { crf: factor, .. }
        | RateControl::Quality { crf: factor } = rate
        {
            crf = factor.to_string();
            options.push(("crf", crf.as_str()));
        }
        encoder.open(codec, &options)?;
        Ok(VideoEncoder(encoder))
    }

    /// Encodes a frame (`None`: there are no more) and gives each packet to `on_packet` when it comes
    /// out.
    pub(crate) fn encode(
        &mut self,
        frame: Option<&Frame>,
        on_packet: &mut dyn FnMut(EncodedPacket),
    ) -> Result<(), AvError> {
        self.0.encode(frame, on_packet)
    }

    /// What a muxer must know; its extradata are the parameter sets.
    pub(crate) fn parameters(&self) -> Result<Parameters, AvError> {
        self.0.parameters()
    }

    /// By how many frames decoding runs ahead of showing.
    pub(crate) fn reorder_depth(&mut self) -> u32 {
        self.0.context().has_b_frames.max(0) as u32
    }
}

fn set_colour(context: &mut ffi::AVCodecContext, colour: &segue_model::Colour) {
    context.color_range = if colour.full_range {
        ffi::AVColorRange::AVCOL_RANGE_JPEG
    } else {
        ffi::AVColorRange::AVCOL_RANGE_MPEG
    };
    // SAFETY: look-ups by terminated names; each gives a value of its own enum, or is negative.
    unsafe {
        let primaries = ffi::av_color_primaries_from_name(c_string(&colour.primaries).as_ptr());
        if primaries >= 0 {
            context.color_primaries =
                std::mem::transmute::<c_int, ffi::AVColorPrimaries>(primaries);
        }
        let transfer = ffi::av_color_transfer_from_name(c_string(&colour.transfer).as_ptr());
        if transfer >= 0 {
            context.color_trc =
                std::mem::transmute::<c_int, ffi::AVColorTransferCharacteristic>(transfer);
        }
        let matrix = ffi::av_color_space_from_name(c_string(&colour.matrix).as_ptr());
        if matrix >= 0 {
            context.colorspace = std::mem::transmute::<c_int, ffi::AVColorSpace>(matrix);
        }
    }
}

impl Drop for AudioEncoder {
    fn drop(&mut self) {
        // What lies beyond a segment's window is thrown away; without a flush libav warns of it.
        // A failure here changes nothing that was given out.
        let _ = self.encoder.encode(None, &mut drop);
    }
}

/// libav's AAC encoder. Its ticks are samples.
pub(crate) struct AudioEncoder {
    encoder: Encoder,
    channels: usize,
    frame_size: usize,
}

impl AudioEncoder {
    pub(crate) fn open(settings: &AudioSettings, exact: bool) -> Result<AudioEncoder, AvError> {
        let (mut encoder, codec) = Encoder::allocate(c"aac")?;
        let context = encoder.context();
        context.sample_rate = settings.sample_rate as c_int;
        context.time_base = ffi::AVRational { num: 1, den: settings.sample_rate as c_int };
        context.bit_rate = i64::from(settings.bitrate);
        context.sample_fmt = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;
        context.flags |= ffi::AV_CODEC_FLAG_GLOBAL_HEADER as c_int;
        if exact {
            context.flags |= ffi::AV_CODEC_FLAG_BITEXACT as c_int;
        }
        // SAFETY: the layout is a field of the context.
        unsafe {
            ffi::av_channel_layout_default(&mut context.ch_layout, settings.channels as c_int);
        }
        encoder.open(codec, &[])?;
        let frame_size = encoder.context().frame_size.max(1) as usize;
        Ok(AudioEncoder { encoder, channels: settings.channels as usize, frame_size })
    }

    /// Samples in each frame it takes.
    pub(crate) fn frame_size(&self) -> usize {
        self.frame_size
    }

    pub(crate) fn parameters(&self) -> Result<Parameters, AvError> {
        self.encoder.parameters()
    }

    /// Encodes one frame of samples, a plane for each channel, that begins at sample `pts`.
    pub(crate) fn encode(
        &mut self,
        planes: &[&[f32]],
        pts: i64,
    ) -> Result<Vec<EncodedPacket>, AvError> {
        // What is written below relies on both.
        assert_eq!(planes.len(), self.channels);
        assert!(planes.iter().all(|plane| plane.len() >= self.frame_size));
        let mut frame = Frame::new();
        let samples = planes.first().map_or(0, |plane| plane.len()).min(self.frame_size);
        // SAFETY: the frame is blank; libav allocates a plane of `samples` floats for each channel,
        // in `extended_data`, before they are written.
        unsafe {
            let raw = &mut *frame.0;
            raw.nb_samples = samples as c_int;
            raw.format = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP as c_int;
            raw.sample_rate = self.encoder.context().sample_rate;
            let layout = ptr::from_ref(&self.encoder.context().ch_layout);
            check(ffi::av_channel_layout_copy(&mut raw.ch_layout, layout), "lay out channels")?;
            check(ffi::av_frame_get_buffer(frame.0, 0), "allocate samples")?;
            for (channel, plane) in planes.iter().enumerate() {
                let target = (*(*frame.0).extended_data.add(channel)).cast::<f32>();
                ptr::copy_nonoverlapping(plane.as_ptr(), target, samples.min(plane.len()));
            }
        }
        frame.set_pts(pts);
        let mut packets = Vec::new();
        self.encoder.encode(Some(&frame), &mut |packet| packets.push(packet))?;
        Ok(packets)
    }
}
