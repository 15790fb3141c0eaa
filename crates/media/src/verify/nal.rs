//! Just enough of H.264 (ITU-T H.264 7.3, Annex B) and HEVC (H.265 7.3) to tell where decoding
//! can begin and which parameter sets are in force.

pub(super) use crate::bits::Framing;
use crate::bits::{Bits, Units, without_emulation};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum NalCodec {
    H264,
    Hevc,
}

/// What a coded picture says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Picture {
    /// Decoding can begin here: IDR, HEVC IRAP, or an H.264 recovery point or intra picture with
    /// its own parameter sets (open GOP).
    pub(super) random_access: bool,
    /// It begins a coded video sequence: nothing before it is referred to by anything after.
    pub(super) begins_sequence: bool,
    /// The sequence parameter sets it carries.
    pub(super) sequence_sets: Vec<Vec<u8>>,
}

impl NalCodec {
    /// By libav's name.
    pub(super) fn named(name: &str) -> Option<NalCodec> {
        match name {
            "h264" => Some(NalCodec::H264),
            "hevc" => Some(NalCodec::Hevc),
            _ => None,
        }
    }

    pub(super) fn is_sequence_set(self, nal: &[u8]) -> bool {
        match self {
            NalCodec::H264 => nal.first().is_some_and(|byte| byte & 0x1f == 7),
            NalCodec::Hevc => nal.first().is_some_and(|byte| byte >> 1 & 0x3f == 33),
        }
    }

    /// Which of several parameter sets this is.
    pub(super) fn sequence_set_id(self, sequence_set: &[u8]) -> Option<u8> {
        let plain = without_emulation(sequence_set);
        match self {
            NalCodec::H264 => Bits::of(plain.get(4..)?).exp_golomb().map(|id| id as u8),
            // After profile, tier and level of up to seven layers: encoders use 0.
            NalCodec::Hevc => Some(0),
        }
    }

    /// The RFC 6381 string of a sequence parameter set: `avc1.640028`, `hvc1.1.6.L93.B0`.
    pub(super) fn codec_string(self, sequence_set: &[u8]) -> Option<String> {
        match self {
            NalCodec::H264 => match sequence_set {
                [_, profile, constraints, level, ..] => {
                    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
                }
                _ => None,
            },
            NalCodec::Hevc => {
                let plain = without_emulation(sequence_set);
                let fields = plain.get(3..15)?;
                let profile = fields[0] & 0x1f;
                let tier = if fields[0] & 0x20 == 0 { 'L' } else { 'H' };
                let compatible = u32::from_be_bytes([fields[1], fields[2], fields[3], fields[4]]);
                let (reversed, level) = (compatible.reverse_bits(), fields[11]);
                Some(format!("hvc1.{profile}.{reversed:x}.{tier}{level}.{:X}", fields[5]))
            }
        }
    }

    /// Looks at one access unit.
    pub(super) fn look(self, framing: Framing, data: &[u8]) -> Picture {
        let mut picture = Picture::default();
        let mut recovery = false;
        let mut intra = None;
        for nal in (Units { framing, rest: data }) {
            if self.is_sequence_set(nal) {
                picture.sequence_sets.push(nal.to_vec());
                continue;
            }
            match (self, nal) {
                (NalCodec::H264, [first, payload @ ..]) => match first & 0x1f {
                    5 => {
                        picture.random_access = true;
                        picture.begins_sequence = true;
                    }
                    1 => intra = Some(intra.unwrap_or(true) && is_intra_slice(payload)),
                    6 => recovery |= has_recovery_point(payload),
                    _ => {}
                },
                (NalCodec::Hevc, [first, ..]) => {
                    let kind = first >> 1 & 0x3f;
                    picture.random_access |= (16..=23).contains(&kind);
                    // All of these but CRA.
                    picture.begins_sequence |= (16..=20).contains(&kind);
                }
                _ => {}
            }
        }
        // Encoders of broadcasts often leave the recovery point out, yet repeat the parameter sets
        // only where one can tune in.
        let tunable = recovery || !picture.sequence_sets.is_empty();
        picture.random_access |= tunable && intra == Some(true);
        picture
    }
}

/// Whether a slice's type (the second Exp-Golomb code) is I or SI.
fn is_intra_slice(payload: &[u8]) -> bool {
    let mut bits = Bits::of(payload);
    let kind = bits.exp_golomb().and_then(|_first_block| bits.exp_golomb());
    matches!(kind, Some(2 | 4 | 7 | 9))
}

/// Whether an SEI unit holds a recovery point message (type 6).
fn has_recovery_point(mut payload: &[u8]) -> bool {
    fn number(payload: &mut &[u8]) -> Option<usize> {
        let mut sum = 0;
        loop {
            let (first, rest) = payload.split_first()?;
            *payload = rest;
            sum += usize::from(*first);
            if *first != 255 {
                return Some(sum);
            }
        }
    }
    while payload.len() > 2 {
        let (Some(kind), Some(size)) = (number(&mut payload), number(&mut payload)) else {
            return false;
        };
        if kind == 6 {
            return true;
        }
        payload = payload.get(size..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_begins_at_idr_and_recovery_points_only() {
        let look = |nals: &[u8]| NalCodec::H264.look(Framing::Length(1), nals).random_access;
        assert!(look(&[2, 0x65, 0x88]));
        assert!(!look(&[2, 0x41, 0x9a]));
        // first_mb 0, slice type 7 (I): "1 0001000".
        let intra = [3, 0x41, 0b1000_1000, 0];
        assert!(!look(&intra));
        assert!(look(&[&[5, 6, 6, 1, 0x84, 0x80][..], &intra].concat()));
        let hevc =
            |kind: u8| NalCodec::Hevc.look(Framing::Length(1), &[2, kind << 1, 1]).random_access;
        assert!(hevc(19) && hevc(21) && !hevc(1));
    }

    #[test]
    fn codec_strings_name_profile_and_level() {
        assert_eq!(
            NalCodec::H264.codec_string(&[0x67, 0x64, 0, 0x28]).as_deref(),
            Some("avc1.640028")
        );
        let hevc = [0x42, 1, 1, 1, 0x60, 0, 0, 3, 0, 0x90, 0, 0, 3, 0, 0, 3, 0, 0x5d, 0];
        assert_eq!(NalCodec::Hevc.codec_string(&hevc).as_deref(), Some("hvc1.1.6.L93.90"));
    }
}
