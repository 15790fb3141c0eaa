//! H.264 levels and codec strings, against the standard's own numbers.

use segue_model::{Colour, H264Contract, H264Profile, Time, h264_level};

#[test]
fn levels_are_those_of_the_standard() {
    let rate = Time::from_secs;
    for (size, frame_rate, references, bitrate, level) in [
        ((1920, 1080), rate(24), 4, 6_000_000, 40),
        ((1920, 1080), Time::new(30_000, 1001), 4, 6_000_000, 40),
        ((1920, 1080), rate(60), 4, 6_000_000, 42),
        // One reference more does not fit into level 4.0's pictures, nor 4.1's.
        ((1920, 1080), rate(24), 5, 6_000_000, 50),
        // Nor so many bits.
        ((1920, 1080), rate(24), 4, 40_000_000, 41),
        ((1280, 720), rate(30), 3, 3_000_000, 31),
        ((720, 1280), rate(30), 3, 3_000_000, 31),
        ((1280, 720), rate(60), 3, 3_000_000, 32),
        ((720, 576), rate(25), 3, 2_000_000, 30),
        ((3840, 2160), rate(30), 3, 20_000_000, 51),
        ((3840, 2160), rate(60), 3, 20_000_000, 52),
        ((176, 144), rate(15), 3, 60_000, 10),
        ((16, 16), rate(1), 1, 0, 10),
        // Longer than a level of so few macroblocks allows a side to be.
        ((8192, 16), rate(1), 1, 0, 51),
        // What no level allows.
        ((u32::MAX, u32::MAX), rate(i64::MAX), u8::MAX, u64::MAX, 62),
    ] {
        assert_eq!(
            h264_level(size, frame_rate, references, bitrate),
            level,
            "{size:?} at {frame_rate}, {references} references, {bitrate} b/s"
        );
    }
}

#[test]
fn a_codec_string_names_profile_and_level() {
    let unknown = || "unknown".to_owned();
    for (profile, level, expected) in [
        (H264Profile::High, 31, "avc1.64001f"),
        (H264Profile::High, 40, "avc1.640028"),
        (H264Profile::Main, 10, "avc1.4d000a"),
        (H264Profile::Baseline, 30, "avc1.42c01e"),
    ] {
        let contract = H264Contract {
            profile,
            level,
            reference_frames: 3,
            reorder_depth: 2,
            colour: Colour {
                full_range: false,
                primaries: unknown(),
                transfer: unknown(),
                matrix: unknown(),
            },
        };
        assert_eq!(contract.codec_string(), expected);
    }
}
