//! The facts of a film and how it is encoded, for tests that need some: this crate's and, by path,
//! those of `segue-hls`.
#![allow(dead_code)] // Each test binary uses its own part.

use segue_model::{
    AudioCodec, AudioFacts, AudioSettings, Colour, FieldOrder, FrameClock, FrameRate, Gain,
    H264Contract, H264Profile, KeyframeIndex, Orientation, RateControl, SampleGrid, SourceFacts,
    StreamKind, Time, VideoFacts, VideoSettings,
};

/// A minute of 1920x1080 at 24 frames a second, with English stereo in stream 1.
pub fn film() -> SourceFacts {
    let end = Time::from_secs(60);
    let rate = Time::from_secs(24);
    SourceFacts {
        container: "matroska,webm".to_owned(),
        start: Time::ZERO,
        duration: end,
        declared_duration: None,
        video: Some(VideoFacts {
            stream: 0,
            codec: "hevc".to_owned(),
            width: 1920,
            height: 1080,
            sample_aspect: Time::from_secs(1),
            orientation: Orientation::default(),
            frame_rate: FrameRate::Constant(rate),
            frame_rate_max: rate,
            clock: FrameClock { start: Time::ZERO, rate },
            field_order: FieldOrder::Progressive,
            pixel_format: "yuv420p".to_owned(),
            colour: bt709(),
            time_base: Time::new(1, 1000),
            start: Time::ZERO,
            end,
            keyframes: KeyframeIndex { scanned: false, ticks: vec![0, 2000], positions: vec![] },
        }),
        audio: vec![sound(1, 2)],
        streams: vec![StreamKind::Video, StreamKind::Audio],
    }
}

pub fn sound(stream: u32, channels: u32) -> AudioFacts {
    AudioFacts {
        stream,
        codec: "flac".to_owned(),
        sample_rate: 48_000,
        channels,
        layout: "as it comes".to_owned(),
        language: Some("eng".to_owned()),
        default: false,
        time_base: Time::new(1, 1000),
        start: Time::ZERO,
        end: Time::from_secs(60),
        grid: Some(SampleGrid { frame_size: 4096, origin: 0 }),
        decodable: true,
    }
}

pub fn bt709() -> Colour {
    let bt709 = || "bt709".to_owned();
    Colour { full_range: false, primaries: bt709(), transfer: bt709(), matrix: bt709() }
}

/// A picture at constant quality, with a buffer of a second.
pub fn encoded((width, height): (u32, u32), bitrate_max: u64, level: u8) -> VideoSettings {
    VideoSettings {
        width,
        height,
        sample_aspect: Time::from_secs(1),
        orientation: Orientation::default(),
        deinterlace: None,
        captions: true,
        keyframes: None,
        rate_control: RateControl::CappedQuality { crf: 20, bitrate_max, buffer_bits: bitrate_max },
        preset: "veryfast".to_owned(),
        contract: H264Contract {
            profile: H264Profile::High,
            level,
            reference_frames: 3,
            reorder_depth: 2,
            colour: bt709(),
        },
    }
}

/// Stream 1 at 128 kb/s.
pub fn stereo() -> AudioSettings {
    AudioSettings {
        stream: 1,
        codec: AudioCodec::Aac,
        bitrate: 128_000,
        sample_rate: 48_000,
        channels: 2,
        gain: Gain::NONE,
        mix: None,
    }
}
