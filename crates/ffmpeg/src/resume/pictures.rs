//! When the pictures of a segment are shown.

use segue_model::Time;

/// Bytes of a packet of a transport stream (ISO/IEC 13818-1, 2.4.3).
const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Stream ids of pictures and of sound begin so (Table 2-22).
const PICTURE: u8 = 0xe0;
const SOUND: u8 = 0xc0;
/// Time stamps count so many to a second.
const RATE: i64 = 90_000;

/// The pictures of a segment, which come evenly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pictures {
    /// When the first is shown, as the segment says.
    pub first: Time,
    /// How long each is shown.
    pub each: Time,
    /// When the sound beside them begins.
    pub sound: Option<Time>,
}

impl Pictures {
    /// Of a segment that is a transport stream; `None` if it is none, or its pictures are not even.
    pub fn in_transport_stream(bytes: &[u8]) -> Option<Pictures> {
        let mut video = None;
        let mut times = Vec::new();
        let mut sound: Option<i64> = None;
        for packet in bytes.chunks_exact(PACKET) {
            let (pid, payload) = start(packet)?;
            match payload.and_then(frame) {
                // Of several streams with pictures the first one counts.
                Some((PICTURE, time)) if *video.get_or_insert(pid) == pid => times.push(time),
                Some((SOUND, time)) => sound = Some(sound.map_or(time, |first| first.min(time))),
                _ => {}
            }
        }
        times.sort_unstable();
        let (first, last) = (*times.first()?, *times.last()?);
        let steps = i64::try_from(times.len()).ok()? - 1;
        if steps < 1 {
            return None;
        }
        let each = Time::new(last - first, RATE * steps);
        let is_even = (0..).zip(&times).all(|(number, time)| {
            // Each is rounded to a tick.
            let due = Time::new(first, RATE) + each * number;
            (Time::new(*time, RATE) - due).abs() <= Time::new(2, RATE)
        });
        let sound = sound.map(|time| Time::new(time, RATE));
        let first = Time::new(first, RATE);
        (is_even && each.is_positive()).then_some(Pictures { first, each, sound })
    }
}

/// The stream that a packet belongs to, and what it carries if a picture or the like begins with it.
/// `None`: it is no packet.
fn start(packet: &[u8]) -> Option<(u16, Option<&[u8]>)> {
    if packet[0] != SYNC {
        return None;
    }
    let pid = u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff;
    let (begins, field, payload) =
        (packet[1] & 0x40 != 0, packet[3] & 0x20 != 0, packet[3] & 0x10 != 0);
    let at = if field { 5 + usize::from(packet[4]) } else { 4 };
    Some((pid, packet.get(at..).filter(|_| begins && payload)))
}

/// What begins here, and its time stamp (2.4.3.6).
fn frame(pes: &[u8]) -> Option<(u8, i64)> {
    let [0, 0, 1, id, _, _, _, flags, _, stamp @ ..] = pes else { return None };
    // Four bits say which of sixteen streams of pictures, five which of those of sound.
    let kind = if id & 0xf0 == PICTURE { PICTURE } else { id & 0xe0 };
    let [a, b, c, d, e, ..] = stamp else { return None };
    if flags & 0x80 == 0 {
        return None;
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(|byte| i64::from(*byte));
    Some((kind, (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet in which a frame of stream `id` begins that is shown at `time`.
    fn packet(pid: u16, id: u8, time: i64) -> Vec<u8> {
        let [high, low] = (pid | 0x4000).to_be_bytes();
        let bits = |shift: i64, mask: i64| (time >> shift & mask) as u8;
        // An adaptation field of two bytes, so that the payload begins later.
        let mut packet = vec![SYNC, high, low, 0x30, 1, 0, 0, 0, 1, id, 0, 0, 0x80, 0x80, 5];
        packet.extend([
            0x21 | bits(30, 7) << 1,
            bits(22, 0xff),
            bits(15, 0x7f) << 1 | 1,
            bits(7, 0xff),
            bits(0, 0x7f) << 1 | 1,
        ]);
        packet.resize(PACKET, 0xff);
        packet
    }

    fn stream(times: &[i64]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for time in times {
            bytes.extend(packet(0x101, 0xc0, 7));
            bytes.extend(packet(0x100, 0xe0, *time));
        }
        bytes
    }

    #[test]
    fn pictures_are_told_in_whatever_order_they_come() {
        let far = 7 << 30;
        let times = [0, 11_261, 3754, 7508].map(|time| far + 900_000 + time);
        let pictures = Pictures::in_transport_stream(&stream(&times)).unwrap();
        assert_eq!(pictures.first, Time::new(far + 900_000, RATE));
        assert_eq!(pictures.each, Time::new(11_261, 3 * RATE));
        assert_eq!(pictures.sound, Some(Time::new(7, RATE)));
    }

    #[test]
    fn what_is_uneven_cut_off_or_something_else_is_not_told() {
        assert_eq!(Pictures::in_transport_stream(&stream(&[0, 3600, 9000])), None);
        assert_eq!(Pictures::in_transport_stream(&stream(&[3600])), None);
        assert_eq!(Pictures::in_transport_stream(&stream(&[3600, 3600])), None);
        assert_eq!(Pictures::in_transport_stream(b""), None);
        let whole = stream(&[0, 3600]);
        for (at, byte) in [(PACKET * 2, 0), (PACKET + 4, 255), (PACKET + 4, 183), (PACKET + 4, 170)]
        {
            let mut broken = whole.clone();
            broken[at] = byte;
            assert_eq!(Pictures::in_transport_stream(&broken), None, "{at}: {byte}");
        }
    }
}
