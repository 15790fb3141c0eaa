//! Surgery on MPEG-TS segments (ISO/IEC 13818-1): packets are dropped, times moved, counters put
//! right again so that only the planted fault shows.

use std::collections::HashMap;

const PACKET: usize = 188;
const STUFFING: u16 = 0x1fff;

/// Which elementary streams something is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Picture,
    Sound,
    All,
}

fn pid(packet: &[u8]) -> u16 {
    u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2])
}

fn starts(packet: &[u8]) -> bool {
    packet[1] & 0x40 != 0
}

/// Where the payload begins; 188 if there is none.
fn payload(packet: &[u8]) -> usize {
    let adaptation = if packet[3] & 0x20 != 0 { 1 + usize::from(packet[4]) } else { 0 };
    if packet[3] & 0x10 != 0 { (4 + adaptation).min(PACKET) } else { PACKET }
}

/// The kind of media each PID carries, by the stream ids of its PES packets.
fn media(bytes: &[u8]) -> HashMap<u16, Which> {
    let mut kinds = HashMap::new();
    for packet in bytes.chunks_exact(PACKET).filter(|packet| starts(packet)) {
        if let [0, 0, 1, id, ..] = packet[payload(packet)..] {
            let kind = if id & 0xf0 == 0xe0 { Which::Picture } else { Which::Sound };
            kinds.insert(pid(packet), kind);
        }
    }
    kinds
}

fn is(which: Which, kind: Option<&Which>) -> bool {
    kind.is_some_and(|kind| which == Which::All || *kind == which)
}

/// Moves the PTS and DTS of a segment (or of one kind of stream) by `ticks` of 1/90000 s.
pub(super) fn shift(bytes: &mut [u8], which: Which, ticks: i64) {
    let kinds = media(bytes);
    for packet in bytes.chunks_exact_mut(PACKET) {
        if !starts(packet) || !is(which, kinds.get(&pid(packet))) {
            continue;
        }
        let at = payload(packet);
        let flags = packet[at + 7];
        if flags & 0x80 != 0 {
            shift_stamp(&mut packet[at + 9..at + 14], ticks);
        }
        if flags & 0x40 != 0 {
            shift_stamp(&mut packet[at + 14..at + 19], ticks);
        }
    }
}

fn shift_stamp(stamp: &mut [u8], ticks: i64) {
    let high = u64::from(stamp[0] >> 1 & 7) << 30;
    let middle = u64::from(stamp[1]) << 22 | u64::from(stamp[2] >> 1) << 15;
    let low = u64::from(stamp[3]) << 7 | u64::from(stamp[4] >> 1);
    let moved = (high | middle | low).wrapping_add_signed(ticks) & 0x1_ffff_ffff;
    stamp[0] = stamp[0] & 0xf1 | (moved >> 30 << 1) as u8 & 0x0e;
    stamp[1] = (moved >> 22) as u8;
    stamp[2] = (moved >> 15 << 1) as u8 | 1;
    stamp[3] = (moved >> 7) as u8;
    stamp[4] = (moved << 1) as u8 | 1;
}

/// Drops the PES packets of a kind whose number (from 0) `drop` says yes to.
pub(super) fn drop_units(bytes: &[u8], which: Which, drop: impl Fn(usize) -> bool) -> Vec<u8> {
    let kinds = media(bytes);
    let mut numbers: HashMap<u16, usize> = HashMap::new();
    let mut kept = Vec::with_capacity(bytes.len());
    for packet in bytes.chunks_exact(PACKET) {
        if is(which, kinds.get(&pid(packet))) {
            let number = numbers.entry(pid(packet)).or_insert(0);
            *number += usize::from(starts(packet));
            if *number > 0 && drop(*number - 1) {
                continue;
            }
        }
        kept.extend_from_slice(packet);
    }
    kept
}

/// How many PES packets of a kind there are.
pub(super) fn units(bytes: &[u8], which: Which) -> usize {
    let kinds = media(bytes);
    let is_start = |packet: &&[u8]| starts(packet) && is(which, kinds.get(&pid(packet)));
    bytes.chunks_exact(PACKET).filter(is_start).count()
}

/// Drops PAT and PMT (and all else that is no media).
pub(super) fn drop_tables(bytes: &[u8]) -> Vec<u8> {
    let kinds = media(bytes);
    let is_media = |packet: &&[u8]| kinds.contains_key(&pid(packet));
    bytes.chunks_exact(PACKET).filter(is_media).flatten().copied().collect()
}

/// Drops one packet from the middle of a picture.
pub(super) fn drop_packet(bytes: &[u8]) -> Vec<u8> {
    let kinds = media(bytes);
    let packets: Vec<&[u8]> = bytes.chunks_exact(PACKET).collect();
    let lost = (packets.len() / 2..packets.len())
        .find(|at| kinds.get(&pid(packets[*at])) == Some(&Which::Picture) && !starts(packets[*at]))
        .expect("a picture of more than one packet");
    packets
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != lost)
        .flat_map(|(_, packet)| *packet)
        .copied()
        .collect()
}

/// Turns the first picture from an IDR into what depends on others, and its parameter sets into
/// filler: NAL unit types are changed in place.
pub(super) fn spoil_first_picture(bytes: &mut [u8]) {
    let kinds = media(bytes);
    let mut seen = 0;
    for packet in bytes.chunks_exact_mut(PACKET) {
        if kinds.get(&pid(packet)) != Some(&Which::Picture) {
            continue;
        }
        seen += usize::from(starts(packet));
        if seen > 1 {
            return;
        }
        let at = payload(packet);
        spoil_units(&mut packet[at..]);
    }
}

fn spoil_units(data: &mut [u8]) {
    for at in 0..data.len().saturating_sub(3) {
        if data[at..at + 3] == [0, 0, 1] {
            data[at + 3] = super::spoiled_unit(data[at + 3]);
        }
    }
}

/// Overwrites the second half of the first picture: what comes before its slices stays.
pub(super) fn damage(bytes: &mut [u8]) {
    let kinds = media(bytes);
    let mut seen = 0;
    let mut first: Vec<&mut [u8]> = Vec::new();
    for packet in bytes.chunks_exact_mut(PACKET) {
        if kinds.get(&pid(packet)) == Some(&Which::Picture) {
            seen += usize::from(starts(packet));
            if seen == 1 {
                first.push(packet);
            }
        }
    }
    let half = first.len().div_ceil(2);
    for packet in first.into_iter().skip(half) {
        let at = payload(packet);
        // No start codes and no zeros: it stays one picture.
        packet[at..].fill(0x5a);
    }
}

/// What kinds of media there are.
pub(super) fn kinds(bytes: &[u8]) -> Vec<Which> {
    media(bytes).into_values().collect()
}

/// Numbers all packets of a row of segments anew, each PID from where it began.
pub(super) fn renumber(segments: &mut [Vec<u8>]) {
    let mut counters: HashMap<u16, u8> = HashMap::new();
    for packet in segments.iter_mut().flat_map(|bytes| bytes.chunks_exact_mut(PACKET)) {
        let pid = pid(packet);
        if pid == STUFFING {
            continue;
        }
        let has_payload = packet[3] & 0x10 != 0;
        let counter = counters
            .entry(pid)
            .and_modify(|counter| *counter = (*counter + u8::from(has_payload)) & 15)
            .or_insert(packet[3] & 15);
        packet[3] = packet[3] & 0xf0 | *counter;
    }
}
