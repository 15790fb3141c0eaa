//! Samples of any kind into planes of floats, and from one rate to another.

use std::ffi::c_int;
use std::ptr;

use ffmpeg_next::ffi;

use super::{AvError, Frame, check};

/// A conversion of samples.
pub(crate) struct Resampler {
    context: *mut ffi::SwrContext,
    channels: usize,
    /// What it converts from: format, channels, rate.
    input: (c_int, u32, u32),
}

// SAFETY: owned by one holder at a time; libav ties it to no thread.
unsafe impl Send for Resampler {}

const PLANAR_FLOAT: ffi::AVSampleFormat = ffi::AVSampleFormat::AV_SAMPLE_FMT_FLTP;

impl Resampler {
    /// From frames like `frame` to `channels` planes at the same rate: no sample depends on
    /// another. Mixes down as ffmpeg does by default. `None`: the frame's own channels.
    pub(crate) fn to_planes(frame: &Frame, channels: Option<u32>) -> Result<Resampler, AvError> {
        let rate = frame.sample_rate() as c_int;
        // SAFETY: the frame is valid; its format is one of libav's own. The layouts are uninitialised
        // on return and own nothing (a default or copied native layout has no allocation).
        unsafe {
            let mut input: ffi::AVChannelLayout = std::mem::zeroed();
            let layout = &(*frame.0).ch_layout;
            if layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
                ffi::av_channel_layout_default(&mut input, layout.nb_channels);
            } else {
                check(ffi::av_channel_layout_copy(&mut input, layout), "lay out channels")?;
            }
            let format = std::mem::transmute::<c_int, ffi::AVSampleFormat>(frame.format());
            let mut output: ffi::AVChannelLayout = std::mem::zeroed();
            match channels {
                Some(channels) => ffi::av_channel_layout_default(&mut output, channels as c_int),
                None => {
                    check(ffi::av_channel_layout_copy(&mut output, &input), "lay out channels")?;
                }
            }
            let made = Resampler::new(&mut input, format, rate, &mut output, rate);
            ffi::av_channel_layout_uninit(&mut input);
            ffi::av_channel_layout_uninit(&mut output);
            let mut made = made?;
            made.input = signature(frame);
            Ok(made)
        }
    }

    /// From one rate to another, planes in and out.
    pub(crate) fn between_rates(channels: u32, from: u32, to: u32) -> Result<Resampler, AvError> {
        // SAFETY: a default layout owns nothing.
        unsafe {
            let mut layout: ffi::AVChannelLayout = std::mem::zeroed();
            let mut output: ffi::AVChannelLayout = std::mem::zeroed();
            ffi::av_channel_layout_default(&mut layout, channels as c_int);
            ffi::av_channel_layout_default(&mut output, channels as c_int);
            Resampler::new(&mut layout, PLANAR_FLOAT, from as c_int, &mut output, to as c_int)
        }
    }

    /// # Safety
    /// `input` and `output` are initialised layouts.
    unsafe fn new(
        input: &mut ffi::AVChannelLayout,
        format: ffi::AVSampleFormat,
        from: c_int,
        output: &mut ffi::AVChannelLayout,
        to: c_int,
    ) -> Result<Resampler, AvError> {
        let channels = output.nb_channels;
        let mut context = ptr::null_mut();
        // SAFETY: layouts are initialised; the context is owned by the value once allocated.
        unsafe {
            let code = ffi::swr_alloc_set_opts2(
                &mut context,
                output,
                PLANAR_FLOAT,
                to,
                input,
                format,
                from,
                0,
                ptr::null_mut(),
            );
            let made = Resampler { context, channels: channels as usize, input: (0, 0, 0) };
            check(code, "set up the resampler")?;
            check(ffi::swr_init(made.context), "set up the resampler")?;
            Ok(made)
        }
    }

    /// Whether `frame` is like the one the conversion was made for.
    pub(crate) fn suits(&self, frame: &Frame) -> bool {
        self.input == signature(frame)
    }

    /// Converts a whole frame.
    pub(crate) fn convert_frame(&mut self, frame: &Frame) -> Result<Vec<Vec<f32>>, AvError> {
        // SAFETY: a valid frame has a plane for each channel (or one for all) of `samples`.
        unsafe {
            let planes = (*frame.0).extended_data.cast::<*const u8>();
            self.convert(planes, frame.samples(), frame.samples())
        }
    }

    /// Converts planes, all of one length; the result may lag behind by the filter's length.
    pub(crate) fn convert_planes(
        &mut self,
        planes: &[&[f32]],
        room: usize,
    ) -> Result<Vec<Vec<f32>>, AvError> {
        let samples = planes.first().map_or(0, |plane| plane.len());
        let mut pointers: Vec<*const u8> =
            planes.iter().map(|plane| plane.as_ptr().cast()).collect();
        // SAFETY: the pointers name planes of `samples` floats that live through the call.
        unsafe { self.convert(pointers.as_mut_ptr(), samples, room) }
    }

    /// # Safety
    /// `input` names as many planes of `samples` as the conversion was made for.
    unsafe fn convert(
        &mut self,
        input: *mut *const u8,
        samples: usize,
        room: usize,
    ) -> Result<Vec<Vec<f32>>, AvError> {
        let mut output = vec![vec![0f32; room]; self.channels];
        let mut pointers: Vec<*mut u8> =
            output.iter_mut().map(|plane| plane.as_mut_ptr().cast()).collect();
        // SAFETY: output planes have room for `room` floats each; the input is as the caller says.
        let made = unsafe {
            ffi::swr_convert(
                self.context,
                pointers.as_mut_ptr(),
                room as c_int,
                input,
                samples as c_int,
            )
        };
        let made = check(made, "convert samples")? as usize;
        for plane in &mut output {
            plane.truncate(made);
        }
        Ok(output)
    }
}

fn signature(frame: &Frame) -> (c_int, u32, u32) {
    (frame.format(), frame.channels(), frame.sample_rate())
}

impl Drop for Resampler {
    fn drop(&mut self) {
        // SAFETY: allocated once or null, freed once.
        unsafe { ffi::swr_free(&mut self.context) };
    }
}
