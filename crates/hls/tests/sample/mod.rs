//! A film and the jobs made of it, for the tests of playlists and keys.

use segue_model::{
    AudioCodec, AudioFacts, AudioSettings, BoundaryRule, Colour, FieldOrder, Fingerprint,
    FrameClock, FrameRate, H264Contract, H264Profile, Hash, Job, KeyframeIndex, Orientation,
    Packaging, RateControl, Recipe, Rendition, Revision, Source, SourceFacts, Time, VideoFacts,
    VideoSettings,
};

pub fn secs(text: &str) -> Time {
    text.parse().expect("a time")
}

pub fn grid(segment: &str) -> BoundaryRule {
    BoundaryRule::Grid { segment: secs(segment) }
}

pub fn picture(name: &str, (width, height): (u32, u32), bitrate_max: u64) -> Rendition {
    Rendition {
        name: name.to_owned(),
        video: Some(VideoSettings {
            width,
            height,
            deinterlace: false,
            rate_control: RateControl::CappedQuality { crf: 20, bitrate_max, buffer_ms: 1000 },
            preset: "veryfast".to_owned(),
            contract: H264Contract {
                profile: H264Profile::High,
                level: 31,
                reference_frames: 3,
                reorder_depth: 2,
                colour: colour(),
            },
        }),
        audio: None,
    }
}

pub fn stereo() -> AudioSettings {
    AudioSettings {
        stream: 1,
        codec: AudioCodec::Aac,
        bitrate: 128_000,
        sample_rate: 48_000,
        channels: 2,
    }
}

pub fn sound(name: &str) -> Rendition {
    Rendition { name: name.to_owned(), video: None, audio: Some(stereo()) }
}

/// A job on a film of `duration` at 24000/1001 frames a second with English sound.
pub fn job(
    boundaries: BoundaryRule,
    packaging: Packaging,
    duration: &str,
    renditions: Vec<Rendition>,
) -> Job {
    let source = Source {
        url: "file:///films/film.mkv".to_owned(),
        fingerprint: Fingerprint {
            size: 1,
            revision: Revision::Mtime(1),
            head_tail: Hash::of(b"film"),
        },
    };
    let recipe = Recipe {
        boundaries,
        packaging,
        timestamp_offset: Time::from_secs(10),
        exact: false,
        renditions,
    };
    let timeline = segue_hls::timeline(boundaries, secs(duration), &[]).expect("a timeline");
    Job::new(source, recipe, facts(secs(duration)), timeline)
}

fn colour() -> Colour {
    let bt709 = || "bt709".to_owned();
    Colour { full_range: false, primaries: bt709(), transfer: bt709(), matrix: bt709() }
}

fn facts(duration: Time) -> SourceFacts {
    let rate = Time::new(24_000, 1_001);
    SourceFacts {
        container: "matroska,webm".to_owned(),
        start: Time::ZERO,
        duration,
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
            colour: colour(),
            time_base: Time::new(1, 1000),
            start: Time::ZERO,
            end: duration,
            keyframes: KeyframeIndex { scanned: false, ticks: vec![0], positions: Vec::new() },
        }),
        audio: vec![AudioFacts {
            stream: 1,
            codec: "flac".to_owned(),
            sample_rate: 48_000,
            channels: 2,
            layout: "stereo".to_owned(),
            language: Some("eng".to_owned()),
            default: true,
            time_base: Time::new(1, 1000),
            start: Time::ZERO,
            end: duration,
            grid: None,
            decodable: true,
        }],
    }
}
