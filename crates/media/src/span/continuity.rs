//! Transport stream segments whose continuity counters join.
//!
//! Each PID's packets with payload count 0 to 15 over and over (ISO/IEC 13818-1 2.4.3.3). A muxer
//! made for one segment starts at 0, so players would hear of lost packets at every join. Padding
//! a stream's PID to a multiple of 16 packets lets every segment run from 0 to 15, whatever comes
//! before or after it. Tables need none: each is sent once, so that the segment's number says how
//! many there were before. Setting the discontinuity indicator instead would also silence the
//! complaint, but hide real losses.

use std::collections::BTreeMap;

const PACKET: usize = 188;
const PAYLOAD: u8 = 0x10;
const ADAPTATION: u8 = 0x20;
const UNIT_START: u8 = 0x40;
const NULL_PID: u16 = 0x1fff;

type TsPacket = [u8; PACKET];

/// The same stream as segment `index`: tables once, at the start; the PIDs of streams padded to a
/// multiple of 16 packets; all counted so that they go on from the segment before.
pub(super) fn made_whole(stream: &[u8], index: u32) -> Vec<u8> {
    let mut packets: Vec<TsPacket> = stream.as_chunks::<PACKET>().0.to_vec();
    let mut pids: Vec<u16> = packets.iter().map(pid).filter(|pid| *pid != NULL_PID).collect();
    pids.sort_unstable();
    pids.dedup();
    let mut first = BTreeMap::new();
    for wanted in pids {
        if is_table(&packets, wanted) {
            let kept = keep_first(&mut packets, wanted);
            let before = u64::from(index) * kept as u64;
            first.insert(wanted, (before % 16) as u8);
            continue;
        }
        let counted = packets.iter().filter(|p| pid(p) == wanted && has_payload(p)).count();
        pad(&mut packets, wanted, (16 - counted % 16) % 16);
    }
    count(&mut packets, first);
    packets.concat()
}

fn pid(packet: &TsPacket) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

fn has_payload(packet: &TsPacket) -> bool {
    packet[3] & PAYLOAD != 0
}

/// Where the payload begins.
fn payload_at(packet: &TsPacket) -> usize {
    let adaptation = if packet[3] & ADAPTATION != 0 { 1 + usize::from(packet[4]) } else { 0 };
    (4 + adaptation).min(PACKET)
}

/// A table (PAT, PMT, SDT) rather than a piece of a stream: those start with `00 00 01`.
fn is_table(packets: &[TsPacket], wanted: u16) -> bool {
    let first = packets.iter().find(|p| pid(p) == wanted && p[1] & UNIT_START != 0);
    first.is_some_and(|packet| !packet[payload_at(packet)..].starts_with(&[0, 0, 1]))
}

/// Drops all repetitions of a table, and says how many packets it takes.
fn keep_first(packets: &mut Vec<TsPacket>, table: u16) -> usize {
    let mut begun = 0;
    packets.retain(|packet| {
        if pid(packet) != table {
            return true;
        }
        begun += u32::from(packet[1] & UNIT_START != 0);
        begun == 1
    });
    packets.iter().filter(|packet| pid(packet) == table).count()
}

/// Adds `missing` packets with payload to a stream's PID: what is in one is spread over several.
fn pad(packets: &mut Vec<TsPacket>, wanted: u16, missing: usize) {
    let mut missing = missing;
    while missing > 0 {
        let own = packets.iter().enumerate().filter(|(_, p)| pid(p) == wanted && has_payload(p));
        let Some((at, most)) = own.map(|(at, p)| (at, spare(p))).max_by_key(|(_, spare)| *spare)
        else {
            return;
        };
        let count = missing.min(most);
        if count == 0 {
            // Only packets of a single byte: no stream is made of these.
            return;
        }
        let spread = spread(&packets[at], count);
        packets.splice(at..=at, spread);
        missing -= count;
    }
}

/// How many bytes a packet can give away one by one and keep its stream's header whole
/// (ISO/IEC 13818-1 2.4.3.6: nine bytes, the last of which counts those that follow).
fn spare(packet: &TsPacket) -> usize {
    let payload = &packet[payload_at(packet)..];
    let header = match payload.get(8) {
        Some(more) if packet[1] & UNIT_START != 0 => 9 + usize::from(*more),
        _ => 1,
    };
    payload.len().saturating_sub(header)
}

/// One packet as `missing + 1`: the last bytes of its payload one by one in packets of their own.
fn spread(packet: &TsPacket, missing: usize) -> Vec<TsPacket> {
    let payload = &packet[payload_at(packet)..];
    let (kept, moved) = payload.split_at(payload.len() - missing);
    let adaptation = if packet[3] & ADAPTATION != 0 { &packet[5..payload_at(packet)] } else { &[] };
    let mut spread = vec![stuffed(packet, adaptation, kept)];
    let mut follower = *packet;
    follower[1] &= !UNIT_START;
    spread.extend(moved.iter().map(|byte| stuffed(&follower, &[], &[*byte])));
    spread
}

/// `like`'s header, then `adaptation` stuffed until `payload` ends the packet.
fn stuffed(like: &TsPacket, adaptation: &[u8], payload: &[u8]) -> TsPacket {
    let mut packet = [0xff; PACKET];
    packet[..4].copy_from_slice(&like[..4]);
    packet[3] |= PAYLOAD | ADAPTATION;
    let length = PACKET - 5 - payload.len();
    packet[4] = length as u8;
    if adaptation.is_empty() {
        // No flags set; behind them, stuffing.
        packet[5] = 0;
    } else {
        packet[5..5 + adaptation.len()].copy_from_slice(adaptation);
    }
    packet[PACKET - payload.len()..].copy_from_slice(payload);
    packet
}

/// Numbers each PID's packets, from 0 unless `next` says otherwise.
fn count(packets: &mut [TsPacket], mut next: BTreeMap<u16, u8>) {
    for packet in packets {
        let pid = pid(packet);
        if pid == NULL_PID {
            continue;
        }
        let counter = next.entry(pid).or_insert(0);
        // Packets without payload repeat the last number.
        let number = if has_payload(packet) { *counter } else { counter.wrapping_sub(1) & 15 };
        packet[3] = packet[3] & 0xf0 | number;
        if has_payload(packet) {
            *counter = (*counter + 1) & 15;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, start: bool, payload: &[u8]) -> TsPacket {
        let mut like = [0; PACKET];
        like[0] = 0x47;
        like[1] = (pid >> 8) as u8 | if start { UNIT_START } else { 0 };
        like[2] = pid as u8;
        like[3] = PAYLOAD;
        if payload.len() == PACKET - 4 {
            like[4..].copy_from_slice(payload);
            return like;
        }
        stuffed(&like, &[], payload)
    }

    fn payload(stream: &[u8], wanted: u16) -> Vec<u8> {
        let packets = stream.as_chunks::<PACKET>().0;
        packets
            .iter()
            .filter(|p| pid(p) == wanted)
            .flat_map(|p| p[payload_at(p)..].to_vec())
            .collect()
    }

    fn sample(frames: usize) -> Vec<u8> {
        let mut out = vec![
            packet(0, true, &[0; 184]),
            packet(256, true, &[vec![0, 0, 1, 0xe0], vec![7; 180]].concat()),
        ];
        out.extend((0..frames).map(|n| packet(256, false, &[n as u8; 184])));
        out.push(packet(256, false, &[9; 50]));
        out.push(packet(257, true, &[vec![0, 0, 1, 0xc0], vec![3; 60]].concat()));
        out.concat()
    }

    #[test]
    fn tiny_packets_of_silence_share_the_padding() {
        let header = [0, 0, 1, 0xc0, 0, 0, 0x80, 0x80, 5, 1, 2, 3, 4, 5];
        let silence: Vec<u8> = header.iter().copied().chain([6; 13]).collect();
        for count in 2..20 {
            let before: Vec<u8> = (0..count).flat_map(|_| packet(257, true, &silence)).collect();
            let after = made_whole(&before, 0);
            assert_eq!(payload(&before, 257), payload(&after, 257));
            assert_eq!(after.len() / PACKET % 16, 0, "{count}");
        }
    }

    #[test]
    fn every_stream_counts_from_0_to_15() {
        for frames in 0..40 {
            let whole = made_whole(&sample(frames), 0);
            for wanted in [256, 257] {
                let counters: Vec<u8> = whole
                    .as_chunks::<PACKET>()
                    .0
                    .iter()
                    .filter(|p| pid(p) == wanted)
                    .map(|p| p[3] & 15)
                    .collect();
                assert_eq!(counters.len() % 16, 0, "pid {wanted}, {frames} frames");
                assert!(counters.iter().enumerate().all(|(at, n)| usize::from(*n) == at % 16));
            }
        }
    }

    #[test]
    fn tables_are_sent_once_and_counted_from_segment_to_segment() {
        let once = packet(0, true, &[0; 184]);
        let long = [packet(18, true, &[0; 184]), packet(18, false, &[1; 184])];
        let stream = [&[once][..], &long, &[once], &long].concat().concat();
        let counters = |index: u32, wanted: u16| -> Vec<u8> {
            let whole = made_whole(&stream, index);
            let packets = whole.as_chunks::<PACKET>().0;
            packets.iter().filter(|p| pid(p) == wanted).map(|p| p[3] & 15).collect()
        };
        for wanted in [0, 18] {
            let all: Vec<u8> = (0..40).flat_map(|index| counters(index, wanted)).collect();
            assert_eq!(all.len(), if wanted == 0 { 40 } else { 80 });
            assert!(all.iter().enumerate().all(|(at, n)| usize::from(*n) == at % 16), "{all:?}");
        }
    }

    #[test]
    fn no_byte_of_a_stream_changes() {
        for frames in 0..40 {
            let before = sample(frames);
            let after = made_whole(&before, 0);
            for wanted in [256, 257] {
                assert_eq!(payload(&before, wanted), payload(&after, wanted));
            }
        }
    }
}
