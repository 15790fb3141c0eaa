//! What encoders hand to the assembler: one track of one segment.

use crate::av::{EncodedPacket, Parameters};

/// A rendition's picture for one segment; ticks are slots of the job's clock.
pub(super) struct VideoPart {
    /// Index into the recipe.
    pub(super) rendition: u32,
    pub(super) segment: u32,
    pub(super) packets: Vec<EncodedPacket>,
    pub(super) parameters: Parameters,
}

/// A track's sound for one segment; ticks are samples.
pub(super) struct SoundPart {
    /// Which of the span's tracks.
    pub(super) track: usize,
    pub(super) segment: u32,
    pub(super) sample_rate: u32,
    pub(super) packets: Vec<EncodedPacket>,
    pub(super) parameters: Parameters,
}

/// What encoders hand in.
pub(super) enum Part {
    Video(VideoPart),
    Sound(SoundPart),
}
