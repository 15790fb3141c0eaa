//! NAL units, and the numbers that are written in them bit by bit (ITU-T H.264 7.2, 7.4.1, 9.1 and
//! Annex B; H.265 has the same). No bytes make it panic: what is not there is `None`.

/// How NAL units are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Start codes (TS).
    AnnexB,
    /// Lengths of so many bytes (MP4).
    Length(u8),
}

/// Walks NAL units; stops where lengths make no sense.
pub(crate) struct Units<'a> {
    pub(crate) framing: Framing,
    pub(crate) rest: &'a [u8],
}

impl<'a> Iterator for Units<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        match self.framing {
            Framing::Length(size) => {
                let (length, rest) = self.rest.split_at_checked(usize::from(size))?;
                let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
                let (nal, rest) = rest.split_at_checked(length)?;
                self.rest = rest;
                Some(nal)
            }
            Framing::AnnexB => {
                let start = find_start_code(self.rest)? + 3;
                let after = &self.rest[start..];
                let end = find_start_code(after).unwrap_or(after.len());
                self.rest = &after[end..];
                // A start code may have a zero before it, and units may be padded with zeros.
                let length =
                    after[..end].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
                Some(&after[..length])
            }
        }
    }
}

fn find_start_code(bytes: &[u8]) -> Option<usize> {
    // Most bytes of a payload are not 1: looking for the last byte of the code is the fast way.
    let mut from = 2;
    loop {
        let one = from + bytes.get(from..)?.iter().position(|byte| *byte == 1)?;
        if bytes[one - 2..one] == [0, 0] {
            return Some(one - 2);
        }
        from = one + 1;
    }
}

/// Drops the bytes that keep start codes out of payloads.
pub(crate) fn without_emulation(nal: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        if zeros == 2 && *byte == 3 {
            // The byte behind it may be a 3 that was meant.
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { (zeros + 1).min(2) } else { 0 };
        plain.push(*byte);
    }
    plain
}

/// Reads bytes bit by bit, the highest first.
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit.into())
    }

    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.bit().map(|bit| bit == 1)
    }

    /// A number of `count` bits, at most 32: `u(n)`.
    pub(crate) fn number(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |number, _| Some(number << 1 | self.bit()?))
    }

    /// `ue(v)`.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        Some(((1 << zeros) - 1) + rest)
    }

    /// `se(v)`.
    pub(crate) fn signed_exp_golomb(&mut self) -> Option<i32> {
        let code = self.exp_golomb()?;
        let size = code.div_ceil(2) as i32;
        Some(if code % 2 == 1 { size } else { -size })
    }

    /// Whether all that is left is the bit that ends a payload, and zeros to the end of its byte.
    pub(crate) fn is_at_end(&mut self) -> bool {
        let left = (self.bytes.len() * 8).saturating_sub(self.at);
        left <= 8
            && self.number(left as u32) == (left as u32).checked_sub(1).map(|zeros| 1 << zeros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_found_in_both_framings() {
        let annex_b = [0, 0, 0, 1, 9, 0xf0, 0, 0, 1, 0x65, 1, 2];
        let units: Vec<&[u8]> = Units { framing: Framing::AnnexB, rest: &annex_b }.collect();
        assert_eq!(units, [&[9, 0xf0][..], &[0x65, 1, 2]]);
        let lengths = [0, 2, 9, 0xf0, 0, 3, 0x65, 1, 2, 0, 9, 1];
        let units: Vec<&[u8]> = Units { framing: Framing::Length(2), rest: &lengths }.collect();
        assert_eq!(units, [&[9, 0xf0][..], &[0x65, 1, 2]]);
    }

    #[test]
    fn only_the_bytes_that_were_put_in_are_taken_out() {
        for (written, meant) in [
            (&[1, 2, 3][..], &[1, 2, 3][..]),
            (&[0, 0, 3, 1], &[0, 0, 1]),
            (&[0, 0, 3, 3], &[0, 0, 3]),
            (&[0, 0, 3, 0, 0, 3, 0], &[0, 0, 0, 0, 0]),
            (&[0, 3, 0, 3], &[0, 3, 0, 3]),
        ] {
            assert_eq!(without_emulation(written), meant, "{written:?}");
        }
    }

    #[test]
    fn numbers_are_read_as_the_standard_s_tables_have_them() {
        // 9.1: 1, 010, 011, 00100, 00101.
        let mut bits = Bits::of(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let codes: Vec<_> = (0..5).map(|_| bits.exp_golomb()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4].map(Some));
        assert!(bits.exp_golomb().is_none());
        let mut bits = Bits::of(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        let codes: Vec<_> = (0..5).map(|_| bits.signed_exp_golomb()).collect();
        assert_eq!(codes, [0, 1, -1, 2, -2].map(Some));

        let longest = [0, 0, 0, 1, 0xff, 0xff, 0xff, 0xfe];
        assert_eq!(Bits::of(&longest).exp_golomb(), Some(u32::MAX - 1));
        assert_eq!(Bits::of(&longest).signed_exp_golomb(), Some(-i32::MAX));
        assert_eq!(Bits::of(&[0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff]).exp_golomb(), None);
        assert_eq!(Bits::of(&[0xff; 4]).number(32), Some(u32::MAX));
        assert_eq!(Bits::of(&[0xff; 4]).number(0), Some(0));
    }

    #[test]
    fn a_payload_ends_with_a_one_and_zeros() {
        let after = |skipped: u32, bytes: &[u8]| {
            let mut bits = Bits::of(bytes);
            bits.number(skipped);
            bits.is_at_end()
        };
        assert!(after(0, &[0x80]) && after(3, &[0xf0]) && after(7, &[0xff]));
        assert!(!after(0, &[]) && !after(8, &[0x80]), "there is no end");
        assert!(!after(0, &[0x81]) && !after(1, &[0x80]) && !after(0, &[0x80, 0]), "not yet");
    }
}
