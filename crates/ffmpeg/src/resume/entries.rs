//! What a decoder must know before the first sample: the sample descriptions of an init section,
//! without what may differ between two encoders that do the same.

use std::ops::Range;

use super::boxes::{Code, boxes};

/// One sample description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    code: Code,
    /// Pixels of a picture; channels and rate of sound.
    shape: Vec<u8>,
    configurations: Vec<(Code, Vec<u8>)>,
}

/// What configures a decoder. What else is there describes colours, shapes and bit rates: these a
/// player may be wrong about, and bit rates differ from run to run.
const CONFIGURATIONS: [&Code; 11] = [
    b"avcC", b"hvcC", b"vvcC", b"av1C", b"vpcC", b"esds", b"dac3", b"dec3", b"dOps", b"dfLa",
    b"alac",
];
/// NAL units of HEVC that say things for people, such as the encoder's version.
const REMARKS: [u8; 2] = [39, 40];
/// Descriptors of MPEG-4 (ISO/IEC 14496-1): an elementary stream, its decoder, and what that needs.
const STREAM: u8 = 3;
const DECODER: u8 = 4;
const SPECIFIC: u8 = 5;

/// The sample descriptions of a track of this kind; `None` if they are damaged.
pub(super) fn entries(table: &[u8], kind: Code) -> Option<Vec<Entry>> {
    let content = table.get(8..)?;
    let entry = |found: Option<(Code, Range<usize>)>| {
        let (code, at) = found?;
        Entry::parse(code, &content[at], kind)
    };
    boxes(content).map(entry).collect()
}

impl Entry {
    fn parse(code: Code, content: &[u8], kind: Code) -> Option<Entry> {
        let (shape, boxes_at) = match &kind {
            b"vide" => (content.get(24..28)?.to_vec(), 78),
            b"soun" => ([content.get(16..18)?, content.get(24..28)?].concat(), 28),
            _ => (content.to_vec(), content.len()),
        };
        let inner = content.get(boxes_at..)?;
        let mut configurations = Vec::new();
        for found in boxes(inner) {
            let (code, at) = found?;
            if CONFIGURATIONS.contains(&&code) {
                configurations.push((code, essence(code, &inner[at])));
            }
        }
        Some(Entry { code, shape, configurations })
    }
}

/// What of a configuration matters; all of it where that cannot be told.
fn essence(code: Code, content: &[u8]) -> Vec<u8> {
    let essence = match &code {
        b"hvcC" => without_remarks(content),
        b"esds" => content.get(4..).and_then(decoder_specific),
        _ => None,
    };
    essence.unwrap_or_else(|| content.to_vec())
}

/// A configuration of HEVC (ISO/IEC 14496-15, 8.3.3.1) without the remarks in it.
fn without_remarks(content: &[u8]) -> Option<Vec<u8>> {
    let mut kept = content.get(..22)?.to_vec();
    let mut rest = content.get(23..)?;
    for _ in 0..content[22] {
        let [kind, high, low, ..] = *rest else { return None };
        let mut size = 3;
        for _ in 0..u16::from_be_bytes([high, low]) {
            let length = rest.get(size..size + 2)?;
            size += 2 + usize::from(u16::from_be_bytes([length[0], length[1]]));
        }
        let array = rest.get(..size)?;
        if !REMARKS.contains(&(kind & 0x3f)) {
            kept.extend_from_slice(array);
        }
        rest = &rest[size..];
    }
    Some(kept)
}

/// What a decoder needs, of an MPEG-4 stream's description; bit rates stand beside it.
fn decoder_specific(content: &[u8]) -> Option<Vec<u8>> {
    let (STREAM, stream) = descriptor(content)? else { return None };
    // Its id, and no options: ffmpeg sets none.
    let (DECODER, decoder) = descriptor(stream.get(3..)?)? else { return None };
    let mut specific = vec![*decoder.first()?];
    if let Some((SPECIFIC, needed)) = descriptor(decoder.get(13..)?) {
        specific.extend_from_slice(needed);
    }
    Some(specific)
}

/// The descriptor with which `bytes` begin.
fn descriptor(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (tag, mut rest) = bytes.split_first()?;
    let mut length = 0;
    // Seven bits in each of at most four bytes.
    for _ in 0..4 {
        let (byte, behind) = rest.split_first()?;
        rest = behind;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((*tag, rest.get(..length)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::written::boxed;
    use super::*;

    fn table(codec: &[u8; 4], configurations: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let inner = configurations.iter().flat_map(|(code, content)| boxed(code, content));
        let mut entry = vec![0; 78];
        entry.extend(inner);
        [vec![0; 8], boxed(codec, &entry)].concat()
    }

    fn same(one: &[u8], other: &[u8]) -> bool {
        let [one, other] = [one, other].map(|table| entries(table, *b"vide").unwrap());
        one == other
    }

    #[test]
    fn bit_rates_and_colours_configure_no_decoder() {
        let one = table(b"avc1", &[(b"avcC", b"a"), (b"btrt", b"1")]);
        assert!(same(&one, &table(b"avc1", &[(b"avcC", b"a"), (b"btrt", b"2"), (b"colr", b"")])));
        assert!(!same(&one, &table(b"avc1", &[(b"avcC", b"b"), (b"btrt", b"1")])));
        assert!(!same(&one, &table(b"avc3", &[(b"avcC", b"a"), (b"btrt", b"1")])));
        // ffmpeg writes its encoder's name into a picture's description.
        let mut named = one.clone();
        named[8 + 8 + 50] = b'x';
        assert!(same(&one, &named));
        named[8 + 8 + 24] = 1;
        assert!(!same(&one, &named), "its width");
    }

    #[test]
    fn remarks_of_hevc_encoders_are_not_compared() {
        let configuration = |header: u8, arrays: &[&[u8]]| {
            let content = [&[header; 22][..], &[arrays.len() as u8], &arrays.concat()].concat();
            table(b"hvc1", &[(b"hvcC", &content)])
        };
        let (set, remark, other) =
            (b"\xa1\0\x01\0\x02SP", b"\xa7\0\x01\0\x01x", b"\xa7\0\x01\0\x01y");
        assert!(same(&configuration(1, &[set, remark]), &configuration(1, &[set, other])));
        assert!(same(&configuration(1, &[set, remark]), &configuration(1, &[set])));
        assert!(!same(&configuration(1, &[set, remark]), &configuration(1, &[remark])));
        assert!(!same(&configuration(1, &[set]), &configuration(2, &[set])));
        // What is cut off is compared as it is.
        let cut =
            |last| table(b"hvc1", &[(b"hvcC", &[&[1; 23][..], &[0xa7, 0, 1, 0, last]].concat())]);
        assert!(same(&cut(9), &cut(9)) && !same(&cut(9), &cut(8)));
    }

    #[test]
    fn of_sound_in_mpeg_4_the_decoders_own_words_count() {
        let described = |rate: u8, specific: u8, long: bool| {
            let length =
                |length: u8| if long { vec![0x80, 0x80, 0x80, length] } else { vec![length] };
            let specific = [vec![5], length(2), vec![0x11, specific]].concat();
            let decoder = [&[0x40, 0x15][..], &[0; 10], &[rate], &specific].concat();
            let decoder = [vec![4], length(decoder.len() as u8), decoder].concat();
            let stream = [&[0, 2, 0][..], &decoder, &[6, 1, 2]].concat();
            let stream = [vec![0, 0, 0, 0, 3], length(stream.len() as u8), stream].concat();
            let entry = [vec![0; 28], boxed(b"esds", &stream)].concat();
            entries(&[vec![0; 8], boxed(b"mp4a", &entry)].concat(), *b"soun").unwrap()
        };
        assert_eq!(described(1, 0x90, false), described(2, 0x90, true));
        assert_ne!(described(1, 0x90, false), described(1, 0x88, false));
    }
}
