//! Whether a segment can be whole, by its structure: storage that lost the end of an object does
//! not say so.

use std::collections::BTreeMap;

use segue_model::Packaging;

/// Of a transport stream's packet.
const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const NULL_PID: u16 = 0x1fff;

/// Whether a segment of this length can be whole.
pub(crate) fn can_be_whole(packaging: Packaging, length: u64) -> bool {
    match packaging {
        Packaging::MpegTs => length > 0 && length.is_multiple_of(PACKET as u64),
        Packaging::Fmp4 => length > 0,
    }
}

/// Whether these bytes end where a segment of ours does.
pub(crate) fn is_whole(packaging: Packaging, bytes: &[u8]) -> bool {
    can_be_whole(packaging, bytes.len() as u64)
        && match packaging {
            Packaging::MpegTs => ends_with_its_streams(bytes),
            Packaging::Fmp4 => is_row_of_boxes(bytes),
        }
}

/// Each stream is padded so that its packets count from 0 to 15 over and over, to the end.
fn ends_with_its_streams(bytes: &[u8]) -> bool {
    let mut counters = BTreeMap::new();
    for packet in bytes.as_chunks::<PACKET>().0 {
        if packet[0] != SYNC {
            return false;
        }
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let has_payload = packet[3] & 0x10 != 0;
        if pid == NULL_PID || !has_payload {
            continue;
        }
        let (_, last) = counters.entry(pid).or_insert((begins_table(packet), 0));
        *last = packet[3] & 0x0f;
    }
    let mut streams = counters.values().filter(|(is_table, _)| !is_table).peekable();
    streams.peek().is_some() && streams.all(|(_, last)| *last == 15)
}

/// Tables are sent once, and count on from segment to segment. What streams send begins otherwise.
fn begins_table(packet: &[u8; PACKET]) -> bool {
    let has_adaptation = packet[3] & 0x20 != 0;
    let payload = if has_adaptation { 5 + usize::from(packet[4]) } else { 4 };
    !packet[payload.min(PACKET)..].starts_with(&[0, 0, 1])
}

/// Boxes, each of the size that it says.
fn is_row_of_boxes(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(head) = rest.first_chunk::<8>() else { return false };
        let size = match u32::from_be_bytes([head[0], head[1], head[2], head[3]]) {
            1 => rest.get(8..16).and_then(|size| Some(u64::from_be_bytes(size.try_into().ok()?))),
            size => Some(u64::from(size)),
        };
        let size = size.filter(|size| *size >= 8).and_then(|size| usize::try_from(size).ok());
        match size.and_then(|size| rest.get(size..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u8, counter: u8, begins: &[u8]) -> [u8; PACKET] {
        let mut packet = [0xff; PACKET];
        packet[..4].copy_from_slice(&[SYNC, 0x40, pid, 0x10 | counter]);
        packet[4..4 + begins.len()].copy_from_slice(begins);
        packet
    }

    #[test]
    fn of_a_transport_stream_each_stream_has_to_end() {
        let mut packets = vec![packet(0, 7, &[0, 2])];
        packets.extend((0..16).map(|counter| packet(0x11, counter, &[0, 0, 1])));
        let stream = packets.concat();
        assert!(is_whole(Packaging::MpegTs, &stream));
        for cut in [0, 1, PACKET, stream.len() - PACKET, stream.len() - 1] {
            assert!(!is_whole(Packaging::MpegTs, &stream[..cut]), "{cut}");
        }
        let mut torn = stream;
        torn[PACKET] = 0;
        assert!(!is_whole(Packaging::MpegTs, &torn));
    }

    #[test]
    fn of_fragments_each_box_has_to_end() {
        let fragment = [&[0, 0, 0, 9][..], b"moof", &[1], &[0, 0, 0, 8], b"mdat"].concat();
        assert!(is_whole(Packaging::Fmp4, &fragment));
        for cut in (0..fragment.len()).filter(|cut| *cut != 9) {
            assert!(!is_whole(Packaging::Fmp4, &fragment[..cut]), "{cut}");
        }
        let large = [&[0, 0, 0, 1][..], b"mdat", &17u64.to_be_bytes(), &[3]].concat();
        assert!(is_whole(Packaging::Fmp4, &large) && !is_whole(Packaging::Fmp4, &large[..16]));
    }
}
