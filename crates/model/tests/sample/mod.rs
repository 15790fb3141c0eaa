//! The facts of a film, for tests that need some.

use segue_model::{
    AudioFacts, Colour, FieldOrder, FrameClock, FrameRate, KeyframeIndex, Orientation, SampleGrid,
    SourceFacts, Time, VideoFacts,
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
