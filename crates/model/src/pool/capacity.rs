//! What a device can do, and what work takes of it.

use serde::{Deserialize, Serialize};

/// How encoders are kin: segments of one rendition are kept within a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EncoderFamily {
    /// libx264 on the processor.
    X264,
    /// A graphics processor by way of VA-API.
    Vaapi,
}

impl EncoderFamily {
    /// Every family.
    pub const ALL: [EncoderFamily; 2] = [EncoderFamily::X264, EncoderFamily::Vaapi];
}

/// An amount of everything a device has. As a capacity: what it gives in a second. As an effort:
/// what a second of film takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// Milliseconds of the video engine.
    pub video_ms: u32,
    /// Milliseconds of the render engine, which scales and converts.
    pub render_ms: u32,
    /// Milliseconds of processor cores.
    pub cpu_ms: u32,
    /// Mebibytes, for as long as the work is held.
    pub memory_mib: u32,
}

impl Resources {
    /// Each part, with its counterpart of `other`.
    fn zip(self, other: Resources, with: impl Fn(u32, u32) -> u32) -> Resources {
        Resources {
            video_ms: with(self.video_ms, other.video_ms),
            render_ms: with(self.render_ms, other.render_ms),
            cpu_ms: with(self.cpu_ms, other.cpu_ms),
            memory_mib: with(self.memory_mib, other.memory_mib),
        }
    }

    /// Both together.
    pub fn plus(self, other: Resources) -> Resources {
        self.zip(other, u32::saturating_add)
    }

    /// What is left of it.
    pub fn minus(self, other: Resources) -> Resources {
        self.zip(other, u32::saturating_sub)
    }

    /// So many thousandths of it; no part that is there vanishes.
    pub fn per_mille(self, thousandths: u32) -> Resources {
        let of = |part: u32, _| {
            let share = (u64::from(part) * u64::from(thousandths)).div_ceil(1000);
            u32::try_from(share).unwrap_or(u32::MAX)
        };
        self.zip(self, of)
    }

    /// An eighth of the way towards `other`: one measurement is not the truth.
    pub fn towards(self, other: Resources) -> Resources {
        let step = |from: u32, to: u32| {
            ((u64::from(from) * 7 + u64::from(to)).div_ceil(8)).min(u64::from(u32::MAX)) as u32
        };
        self.zip(other, step)
    }

    /// Whether `other` has at least as much of everything.
    pub fn fits_in(self, other: Resources) -> bool {
        self.video_ms <= other.video_ms
            && self.render_ms <= other.render_ms
            && self.cpu_ms <= other.cpu_ms
            && self.memory_mib <= other.memory_mib
    }

    /// How many thousandths of `effort` this can do at once: the scarcest part decides.
    pub fn speed_per_mille(self, effort: Resources) -> u32 {
        let parts = [
            (self.video_ms, effort.video_ms),
            (self.render_ms, effort.render_ms),
            (self.cpu_ms, effort.cpu_ms),
        ];
        let speeds = parts.into_iter().filter(|(_, takes)| *takes > 0);
        let speeds = speeds.map(|(has, takes)| u64::from(has) * 1000 / u64::from(takes));
        speeds.min().unwrap_or(1_000_000).min(1_000_000) as u32
    }
}

/// What a worker has.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    /// For people.
    pub name: String,
    /// What encodes on it.
    pub devices: Vec<DeviceCapabilities>,
}

/// What a device has, and what it was found to do with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceCapabilities {
    /// For people.
    pub name: String,
    /// How its segments are kin to others'.
    pub family: EncoderFamily,
    /// What it gives in a second.
    pub capacity: Resources,
    /// What a second of the reference work (1080p30 H.264 to 720p) took of it at start-up.
    pub calibration: Resources,
    /// More span processes than this it is not given.
    pub spans_max: u16,
    /// So many batch spans at once keep it busy.
    pub batch_spans: u16,
}
