//! Continuity counters of transport streams (ISO/IEC 13818-1, 2.4.3.3): each packet of a stream counts
//! on from the one before, also over segments. A run that goes on begins anew, and whoever plays over
//! the seam takes that for lost packets.

use std::collections::BTreeMap;

use super::pictures::PACKET;

/// Streams by their number, and where each has counted to, of 16.
pub(super) type Counters = BTreeMap<u16, u8>;

/// What fills up a stream does not count.
const STUFFING: u16 = 0x1fff;

/// Where the streams of a segment have counted to when it ends.
pub(super) fn last(segment: &[u8]) -> Counters {
    let packets = segment.chunks_exact(PACKET);
    packets.filter_map(|packet| Some((stream(packet)?, packet[3] & 15))).collect()
}

/// How much further `there` has counted than `made`, which ends at the same place.
pub(super) fn ahead(there: &Counters, made: &Counters) -> Counters {
    let ahead =
        |(stream, made): (&u16, &u8)| Some((*stream, (there.get(stream)? + 16 - made) & 15));
    made.iter().filter_map(ahead).collect()
}

/// Has the streams of a segment count from further on.
pub(super) fn moved(mut segment: Vec<u8>, by: &Counters) -> Vec<u8> {
    for packet in segment.chunks_exact_mut(PACKET) {
        if let Some(by) = stream(packet).and_then(|stream| by.get(&stream)) {
            packet[3] = (packet[3] & 0xf0) | (packet[3].wrapping_add(*by) & 15);
        }
    }
    segment
}

fn stream(packet: &[u8]) -> Option<u16> {
    let stream = u16::from_be_bytes([packet[1], packet[2]]) & STUFFING;
    (packet[0] == b'G' && stream != STUFFING).then_some(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(packets: &[(u16, u8)]) -> Vec<u8> {
        let packet = |(stream, count): &(u16, u8)| {
            let [high, low] = (stream | 0x4000).to_be_bytes();
            let mut packet = vec![b'G', high, low, 0xf0 | count];
            packet.resize(PACKET, 0xff);
            packet
        };
        packets.iter().flat_map(packet).collect()
    }

    #[test]
    fn what_goes_on_counts_on() {
        let there = segment(&[(0, 14), (256, 15), (256, 0), (STUFFING, 3)]);
        let made = segment(&[(0, 2), (256, 6), (256, 7), (257, 1)]);
        let by = ahead(&last(&there), &last(&made));
        let next = segment(&[(0, 3), (256, 8), (257, 2), (STUFFING, 3), (256, 9)]);
        let due = segment(&[(0, 15), (256, 1), (257, 2), (STUFFING, 3), (256, 2)]);
        assert_eq!(moved(next, &by), due);
    }

    #[test]
    fn what_is_no_transport_stream_stays() {
        let bytes = vec![7; 2 * PACKET + 5];
        assert!(last(&bytes).is_empty());
        assert_eq!(moved(bytes.clone(), &[(0x0707, 3)].into()), bytes);
    }
}
