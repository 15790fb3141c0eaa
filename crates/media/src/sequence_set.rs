//! What an H.264 sequence parameter set tells a decoder (ITU-T H.264 7.3.2.1.1 and annex E).

use crate::bits::{Bits, Framing, Units, without_emulation};

/// The parts of a sequence parameter set that players are promised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SequenceSet {
    /// `profile_idc`.
    pub(crate) profile: u8,
    /// `level_idc`: ten times the level.
    pub(crate) level: u8,
    /// Columns and rows that are shown.
    pub(crate) size: (u32, u32),
    /// `max_num_ref_frames`.
    pub(crate) reference_frames: u32,
    /// All 256 levels; the limited range when it says nothing.
    pub(crate) full_range: bool,
    /// Code points of primaries, transfer and matrix; 2 is unspecified, as they are when it says
    /// nothing.
    pub(crate) colour: [u8; 3],
    /// What a decoder must hold; `None` when it does not say.
    pub(crate) decoder: Option<DecoderNeeds>,
}

/// What a decoder must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DecoderNeeds {
    /// `max_num_reorder_frames`.
    pub(crate) reorder_depth: u32,
    /// `max_dec_frame_buffering`.
    pub(crate) frames: u32,
}

const SEQUENCE_SET: u8 = 7;
/// The colour code point that means nothing.
pub(crate) const UNSPECIFIED: u8 = 2;
/// Profiles whose sets say more of the samples.
const HIGH_PROFILES: [u8; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

impl SequenceSet {
    /// Reads the first set in a row of NAL units with start codes; `None` if there is none, or none
    /// that follows the standard from its first bit to its last.
    pub(crate) fn first(annex_b: &[u8]) -> Option<SequenceSet> {
        let mut units = Units { framing: Framing::AnnexB, rest: annex_b };
        let unit = units.find(|nal| nal.first().is_some_and(|byte| byte & 0x1f == SEQUENCE_SET))?;
        let plain = without_emulation(unit);
        let mut bits = Bits::of(plain.get(1..)?);
        let set = read(&mut bits)?;
        bits.is_at_end().then_some(set)
    }
}

fn read(bits: &mut Bits<'_>) -> Option<SequenceSet> {
    let profile = byte(bits)?;
    let _constraints = byte(bits)?;
    let level = byte(bits)?;
    let _id = bits.exp_golomb()?;
    let chroma = if HIGH_PROFILES.contains(&profile) { samples(bits)? } else { Chroma::HALVED };
    let _frame_number_bits = bits.exp_golomb()?;
    picture_order(bits)?;
    let reference_frames = bits.exp_golomb()?;
    let _gaps_allowed = bits.flag()?;
    let size = size(bits, chroma)?;
    let mut set = SequenceSet {
        profile,
        level,
        size,
        reference_frames,
        full_range: false,
        colour: [UNSPECIFIED; 3],
        decoder: None,
    };
    if bits.flag()? {
        usability(bits, &mut set)?;
    }
    Some(set)
}

/// How many columns and rows of luma share a chroma sample; none in monochrome or where colour
/// planes are pictures of their own.
#[derive(Clone, Copy)]
struct Chroma(u32, u32);

impl Chroma {
    /// 4:2:0.
    const HALVED: Chroma = Chroma(2, 2);
}

fn samples(bits: &mut Bits<'_>) -> Option<Chroma> {
    let format = bits.exp_golomb()?;
    let chroma = match format {
        1 => Chroma::HALVED,
        2 => Chroma(2, 1),
        0 | 3 => Chroma(1, 1),
        _ => return None,
    };
    if format == 3 {
        let _separate_planes = bits.flag()?;
    }
    let _luma_depth = bits.exp_golomb()?;
    let _chroma_depth = bits.exp_golomb()?;
    let _lossless_bypass = bits.flag()?;
    if bits.flag()? {
        let lists = if format == 3 { 12 } else { 8 };
        for list in 0..lists {
            if bits.flag()? {
                scaling_list(bits, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

/// 7.3.2.1.1.1: differences, until one leads to zero, which means that the rest are alike.
fn scaling_list(bits: &mut Bits<'_>, length: usize) -> Option<()> {
    let mut last: i64 = 8;
    for _ in 0..length {
        let next = (last + i64::from(bits.signed_exp_golomb()?)).rem_euclid(256);
        if next == 0 {
            break;
        }
        last = next;
    }
    Some(())
}

fn picture_order(bits: &mut Bits<'_>) -> Option<()> {
    match bits.exp_golomb()? {
        0 => {
            let _order_bits = bits.exp_golomb()?;
        }
        1 => {
            let _no_differences = bits.flag()?;
            let _offsets = (bits.signed_exp_golomb()?, bits.signed_exp_golomb()?);
            let cycle = bits.exp_golomb().filter(|cycle| *cycle <= 255)?;
            for _ in 0..cycle {
                bits.signed_exp_golomb()?;
            }
        }
        2 => {}
        _ => return None,
    }
    Some(())
}

fn size(bits: &mut Bits<'_>, Chroma(columns, rows): Chroma) -> Option<(u32, u32)> {
    let mut in_macroblocks = || bits.exp_golomb()?.checked_add(1);
    let (across, down) = (in_macroblocks()?, in_macroblocks()?);
    let frames_only = bits.flag()?;
    if !frames_only {
        let _switches = bits.flag()?;
    }
    let _direct_inference = bits.flag()?;
    let fields = if frames_only { 1 } else { 2 };
    let width = across.checked_mul(16)?;
    let height = down.checked_mul(16)?.checked_mul(fields)?;
    if !bits.flag()? {
        return Some((width, height));
    }
    let mut cut = |unit: u32| {
        let (one, other) = (bits.exp_golomb()?, bits.exp_golomb()?);
        one.checked_add(other)?.checked_mul(unit)
    };
    let (cut_across, cut_down) = (cut(columns)?, cut(rows * fields)?);
    let left = |whole: u32, cut: u32| whole.checked_sub(cut).filter(|left| *left > 0);
    Some((left(width, cut_across)?, left(height, cut_down)?))
}

/// Annex E: video usability information.
fn usability(bits: &mut Bits<'_>, set: &mut SequenceSet) -> Option<()> {
    const EXTENDED_ASPECT: u8 = 255;
    if bits.flag()? && byte(bits)? == EXTENDED_ASPECT {
        bits.number(32)?;
    }
    if bits.flag()? {
        let _overscan = bits.flag()?;
    }
    if bits.flag()? {
        let _format = bits.number(3)?;
        set.full_range = bits.flag()?;
        if bits.flag()? {
            set.colour = [byte(bits)?, byte(bits)?, byte(bits)?];
        }
    }
    if bits.flag()? {
        let _chroma_places = (bits.exp_golomb()?, bits.exp_golomb()?);
    }
    if bits.flag()? {
        let _tick = (bits.number(32)?, bits.number(32)?);
        let _constant = bits.flag()?;
    }
    let hypothetical_decoders = [decoder_buffers(bits)?, decoder_buffers(bits)?];
    if hypothetical_decoders.contains(&true) {
        let _low_delay = bits.flag()?;
    }
    let _picture_structure = bits.flag()?;
    if bits.flag()? {
        let _vectors_past_edges = bits.flag()?;
        for _limit in ["bytes", "bits", "horizontal vectors", "vertical vectors"] {
            bits.exp_golomb()?;
        }
        let (reorder_depth, frames) = (bits.exp_golomb()?, bits.exp_golomb()?);
        set.decoder = Some(DecoderNeeds { reorder_depth, frames });
    }
    Some(())
}

/// E.1.2, behind its own flag; whether there are any.
fn decoder_buffers(bits: &mut Bits<'_>) -> Option<bool> {
    if !bits.flag()? {
        return Some(false);
    }
    let buffers = bits.exp_golomb().filter(|more| *more <= 31)? + 1;
    let _scales = byte(bits)?;
    for _ in 0..buffers {
        let _rate_and_size = (bits.exp_golomb()?, bits.exp_golomb()?);
        let _constant = bits.flag()?;
    }
    let _delay_lengths = bits.number(20)?;
    Some(true)
}

fn byte(bits: &mut Bits<'_>) -> Option<u8> {
    bits.number(8).map(|byte| byte as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes what [`Bits`] reads.
    #[derive(Default)]
    struct Writer(Vec<bool>);

    impl Writer {
        fn number(mut self, value: u32, count: u32) -> Writer {
            self.0.extend((0..count).rev().map(|at| value >> at & 1 == 1));
            self
        }

        fn codes<const N: usize>(self, values: [u32; N]) -> Writer {
            values.into_iter().fold(self, |writer, value| {
                let length = (value + 1).ilog2();
                writer.number(0, length).number(value + 1, length + 1)
            })
        }

        fn flags<const N: usize>(self, values: [u32; N]) -> Writer {
            values.into_iter().fold(self, |writer, value| writer.number(value, 1))
        }

        /// As a unit with a start code, whatever stands before and behind it.
        fn unit(self) -> Vec<u8> {
            let mut bits = self.flags([1]).0;
            bits.resize(bits.len().next_multiple_of(8), false);
            let mut unit = vec![0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67];
            let mut zeros = 0;
            for byte in bits.chunks(8) {
                let byte = byte.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit));
                if zeros == 2 && byte <= 3 {
                    unit.push(3);
                    zeros = 0;
                }
                zeros = if byte == 0 { zeros + 1 } else { 0 };
                unit.push(byte);
            }
            unit.extend([0, 0, 0, 1, 0x68, 0xeb]);
            unit
        }
    }

    /// Up to the number of reference frames: `profile`, level 4.0, set 0.
    fn head(profile: u32) -> Writer {
        Writer::default().number(profile, 8).number(0, 8).number(40, 8).codes([0])
    }

    /// x264's at 1918x1078, as ffmpeg's own `trace_headers` reads it: High, level 4.0, 4 reference
    /// frames, 1 column and 5 pairs of rows cut off, colours 1, 2, 1, 2 frames reordered of 4.
    const X264: [u8; 40] = [
        0, 0, 0, 1, 0x67, 0x64, 0, 0x28, 0xac, 0xd9, 0x40, 0x78, 2, 0x27, 0xa9, 0xb0, 0x16, 0xa0,
        0x20, 0x40, 0x28, 0, 0, 3, 0, 8, 0, 0, 3, 1, 0x80, 0x78, 0xc1, 0x8c, 0xb0, 0, 0, 0, 1,
        0x68,
    ];

    fn x264() -> SequenceSet {
        SequenceSet {
            profile: 100,
            level: 40,
            size: (1918, 1078),
            reference_frames: 4,
            full_range: false,
            colour: [1, 2, 1],
            decoder: Some(DecoderNeeds { reorder_depth: 2, frames: 4 }),
        }
    }

    #[test]
    fn what_x264_writes_is_read_as_ffmpeg_reads_it() {
        assert_eq!(SequenceSet::first(&X264), Some(x264()));
    }

    #[test]
    fn a_set_may_say_nothing_of_colours_and_decoders() {
        // Main; order by decoding; 2 reference frames; 4x3 macroblocks; frames, inferred vectors,
        // nothing cut off, nothing more.
        let set = head(77).codes([0, 2, 2]).flags([0]).codes([3, 2]).flags([1, 1, 0, 0]);
        let expected = SequenceSet {
            profile: 77,
            size: (64, 48),
            reference_frames: 2,
            colour: [2; 3],
            decoder: None,
            ..x264()
        };
        assert_eq!(SequenceSet::first(&set.unit()), Some(expected));
    }

    #[test]
    fn everything_that_may_stand_between_is_stepped_over() {
        // High 4:4:4 in one picture, 10 bits.
        let set = head(244).codes([3]).flags([0]).codes([2, 2]).flags([0]);
        // Twelve scaling lists: the second of 16 falls to zero at once (-8 is code 16), the eighth
        // of 64 is written out.
        let set = set.flags([1, 0, 1]).codes([16]).flags([0, 0, 0, 0, 0, 1]);
        let set = set.codes([0; 64]).flags([0, 0, 0, 0]);
        // Order by cycles, of two differences.
        let set = set.codes([0, 1]).flags([1]).codes([3, 4, 2, 5, 6]);
        // 3 reference frames; 20x10 macroblocks of field pairs; 4 columns and 2 x 3 rows cut off.
        let set = set.codes([3]).flags([0]).codes([19, 9]).flags([0, 1, 1, 1]);
        let set = set.codes([3, 1, 0, 3]);
        // Usability: an aspect in numbers, overscan, the full range in BT.2020, chroma places,
        // the tick, both buffers, the first with two rates.
        let set = set.flags([1, 1]).number(255, 8).number(0, 32).flags([1, 1]);
        let set = set.flags([1]).number(5, 3).flags([1, 1]);
        let set = set.number(9, 8).number(16, 8).number(9, 8);
        let set = set.flags([1]).codes([2, 2]).flags([1]).number(1, 32).number(50, 32).flags([1]);
        let set = set.flags([1]).codes([1]).number(0x34, 8).codes([9, 9]).flags([1]);
        let set = set.codes([99, 99]).flags([0]).number(0x84210, 20);
        let set = set.flags([1]).codes([0]).number(0, 8).codes([0, 0]).flags([1]).number(0, 20);
        let set = set.flags([0, 1, 1, 1]).codes([1, 2, 16, 16, 3, 5]);
        let expected = SequenceSet {
            profile: 244,
            size: (316, 314),
            reference_frames: 3,
            full_range: true,
            colour: [9, 16, 9],
            decoder: Some(DecoderNeeds { reorder_depth: 3, frames: 5 }),
            ..x264()
        };
        assert_eq!(SequenceSet::first(&set.unit()), Some(expected));
    }

    #[test]
    fn what_the_standard_forbids_is_not_read() {
        // With all that should follow the order of pictures.
        let ends = |set: Writer| {
            let set = set.codes([2]).flags([0]).codes([3, 2]).flags([1, 1, 0, 0]);
            SequenceSet::first(&set.unit()).is_some()
        };
        let sampled = |format| head(100).codes([format, 0, 0]).flags([0, 0]).codes([0, 2]);
        assert!(ends(sampled(1)) && !ends(sampled(4)), "no such chroma format");
        let ordered = |kind| head(77).codes([0, kind]);
        assert!(ends(ordered(2)) && !ends(ordered(3)), "no such order");
        let cycle = |length| ordered(1).flags([0]).codes([0, 0, length]);
        assert!(ends(cycle(255).codes([0; 255])) && !ends(cycle(256).codes([0; 256])), "too long");
        let sized = |across, down| head(77).codes([0, 2, 2]).flags([0]).codes([across, down]);
        let whole = |set: Writer| SequenceSet::first(&set.unit()).map(|set| set.size);
        assert_eq!(whole(sized(3, 2).flags([1, 1, 0, 0])), Some((64, 48)));
        assert_eq!(whole(sized(u32::MAX - 1, 2).flags([1, 1, 0, 0])), None, "too wide");
        assert_eq!(whole(sized(3, u32::MAX >> 5).flags([0, 1, 1, 0, 0])), None, "too high");
        let cut = |columns| sized(3, 2).flags([1, 1, 1]).codes([0, columns, 0, 0]).flags([0]);
        assert_eq!(whole(cut(31)), Some((2, 48)));
        assert_eq!(whole(cut(32)), None, "nothing is left");
        assert_eq!(whole(cut(u32::MAX - 1)), None, "less than nothing is left");
        assert_eq!(whole(sized(3, 2).flags([1, 1, 0, 0, 1])), None, "more than there should be");
    }

    #[test]
    fn a_cut_off_set_is_no_set() {
        let whole = &X264[..35];
        assert_eq!(SequenceSet::first(whole), Some(x264()));
        for length in 0..whole.len() {
            assert_eq!(SequenceSet::first(&whole[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn no_bytes_panic() {
        // xorshift64, so that a failure can be met again.
        let mut state = 0x5e90_e5e9_0e5e_90e5_u64;
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut read = 0;
        for _ in 0..20_000 {
            let mut noise = X264;
            // A few bytes of a real set, or all of them, behind its start code.
            for _ in 0..random() % 40 {
                noise[5 + random() as usize % 35] = random() as u8;
            }
            let length = 5 + random() as usize % 36;
            read += u32::from(SequenceSet::first(&noise[..length]).is_some());
            // Without emulation, lengths and sizes get large.
            let zeros: Vec<u8> = noise.iter().map(|byte| byte & random() as u8).collect();
            read += u32::from(SequenceSet::first(&[&noise[..8], &zeros].concat()).is_some());
        }
        assert!(read > 10, "only {read} were read to their end");
    }
}
