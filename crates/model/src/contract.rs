//! What every encoder of a rendition must agree on, so that its segments can be mixed.

use serde::{Deserialize, Serialize};

use crate::{Colour, Time};

/// The parameters of an H.264 stream that players are told once and may not change at a join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct H264Contract {
    /// The decoder features it needs.
    pub profile: H264Profile,
    /// Ten times the level: 40 is level 4.0.
    pub level: u8,
    /// At most so many reference frames.
    pub reference_frames: u8,
    /// D: by how many frames decoding runs ahead of showing, at most, whichever encoder is used.
    /// Decode times are computed with it, so segments of encoders with and without B-frames join
    /// with rising decode times.
    pub reorder_depth: u8,
    /// How its numbers mean colours.
    pub colour: Colour,
}

impl H264Contract {
    /// The RFC 6381 codec string: `avc1.640028`.
    pub fn codec_string(&self) -> String {
        // Baseline is only decoded everywhere with the constraints that make it a part of Main.
        let constraints = if self.profile == H264Profile::Baseline { 0xc0 } else { 0 };
        format!("avc1.{:02x}{constraints:02x}{:02x}", self.profile.idc(), self.level)
    }

    /// Bits per second that its level allows at most.
    pub fn bitrate_max(&self) -> u64 {
        let own = LEVELS.iter().find(|(level, ..)| *level >= self.level);
        let (.., bits) = own.unwrap_or(&LEVELS[LEVELS.len() - 1]);
        if self.profile == H264Profile::High { *bits } else { *bits / 5 * 4 }
    }
}

/// An H.264 profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum H264Profile {
    /// Constrained baseline: neither B-frames nor CABAC.
    Baseline,
    /// Without 8x8 transform.
    Main,
    /// What every device of the last fifteen years decodes.
    High,
}

impl H264Profile {
    /// `profile_idc`, ITU-T H.264 A.2.
    pub fn idc(self) -> u8 {
        match self {
            H264Profile::Baseline => 66,
            H264Profile::Main => 77,
            H264Profile::High => 100,
        }
    }

    /// What of the High profile's bits per second is as much of a level as `bits` are of this one's:
    /// lower profiles have four fifths of it.
    pub(crate) fn as_of_high(self, bits: u64) -> u64 {
        if self == H264Profile::High { bits } else { bits.saturating_mul(5).div_ceil(4) }
    }

    /// x264's name.
    pub fn name(self) -> &'static str {
        match self {
            H264Profile::Baseline => "baseline",
            H264Profile::Main => "main",
            H264Profile::High => "high",
        }
    }
}

/// ITU-T H.264 (08/2021) table A-1: ten times the level, macroblocks per second, macroblocks per
/// frame, macroblocks of decoded pictures, and bits per second (High profile's, 1.25 times the
/// table's).
const LEVELS: [(u8, u64, u64, u64, u64); 17] = [
    (10, 1_485, 99, 396, 80_000),
    (11, 3_000, 396, 900, 240_000),
    (12, 6_000, 396, 2_376, 480_000),
    (13, 11_880, 396, 2_376, 960_000),
    (20, 11_880, 396, 2_376, 2_500_000),
    (21, 19_800, 792, 4_752, 5_000_000),
    (22, 20_250, 1_620, 8_100, 5_000_000),
    (30, 40_500, 1_620, 8_100, 12_500_000),
    (31, 108_000, 3_600, 18_000, 17_500_000),
    (32, 216_000, 5_120, 20_480, 25_000_000),
    (40, 245_760, 8_192, 32_768, 25_000_000),
    (41, 245_760, 8_192, 32_768, 62_500_000),
    (42, 522_240, 8_704, 34_816, 62_500_000),
    (50, 589_824, 22_080, 110_400, 168_750_000),
    (51, 983_040, 36_864, 184_320, 300_000_000),
    (52, 2_073_600, 36_864, 184_320, 300_000_000),
    (60, 4_177_920, 139_264, 696_320, 300_000_000),
];

/// The lowest H.264 level (times ten) that allows pictures of this size at this rate, with
/// `reference_frames` and a buffer and bit rate of `bitrate_max`; 62 when none does.
pub fn h264_level(
    (width, height): (u32, u32),
    frame_rate: Time,
    reference_frames: u8,
    bitrate_max: u64,
) -> u8 {
    let columns = u64::from(width.div_ceil(16));
    let rows = u64::from(height.div_ceil(16));
    let macroblocks = columns * rows;
    let per_second = (frame_rate * macroblocks as i64).ceil().max(0) as u64;
    let fits = |&&(_, rate, frame, stored, bits): &&(u8, u64, u64, u64, u64)| {
        macroblocks <= frame
            && per_second <= rate
            && macroblocks * u64::from(reference_frames) <= stored
            && bitrate_max <= bits
            // A.3.1 f and g: neither side longer than sqrt(8 * MaxFS) macroblocks.
            && columns * columns <= 8 * frame
            && rows * rows <= 8 * frame
    };
    LEVELS.iter().find(fits).map_or(62, |level| level.0)
}
