//! When the pictures of a segment are shown.

use segue_model::Time;

use super::streams::Streams;

/// Bytes of a packet of a transport stream (ISO/IEC 13818-1, 2.4.3).
pub(super) const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Stream ids of pictures and of sound begin so (Table 2-22).
const PICTURE: u8 = 0xe0;
const SOUND: u8 = 0xc0;
/// What is either sound of other kinds (AC-3, DTS, Opus) or something else (subtitles).
const PRIVATE: u8 = 0xbd;
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

/// When all that a segment holds is shown, as it says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamps {
    /// Each picture's, in their order, in ticks.
    pictures: Vec<i64>,
    /// Ticks a second.
    rate: i64,
    /// The first of sound.
    sound: Option<Time>,
}

impl Pictures {
    /// Of a segment that is a transport stream; `None` if it is none, or its pictures are not even.
    pub fn in_transport_stream(bytes: &[u8]) -> Option<Pictures> {
        let stamps = Stamps::in_transport_stream(bytes)?;
        let (first, each) = Pictures::even(stamps.pictures, stamps.rate)?;
        Some(Pictures { first, each, sound: stamps.sound })
    }

    /// When the first picture of a transport stream is shown, if that is in these bytes, with which it
    /// begins.
    pub(super) fn first_in_transport_stream(head: &[u8]) -> Option<Time> {
        let mut frames = head.chunks_exact(PACKET).filter_map(|packet| frame(start(packet)?.1?));
        let (_, time) = frames.find(|(kind, _)| *kind == PICTURE)?;
        Some(Time::new(time, RATE))
    }

    /// The first of these times, which come in any order, and how far they are apart, if that is even.
    pub(super) fn even(mut times: Vec<i64>, rate: i64) -> Option<(Time, Time)> {
        times.sort_unstable();
        let (first, last) = (*times.first()?, *times.last()?);
        let steps = i64::try_from(times.len()).ok()? - 1;
        if steps < 1 {
            return None;
        }
        let each = Time::new(last - first, steps) * Time::new(1, rate);
        let is_even = (0..).zip(&times).all(|(number, time)| {
            // Each is rounded to a tick.
            let due = Time::new(first, rate) + each * number;
            (Time::new(*time, rate) - due).abs() <= Time::new(2, rate)
        });
        (is_even && each.is_positive()).then_some((Time::new(first, rate), each))
    }
}

impl Stamps {
    /// Of pictures in any order.
    pub(super) fn new(mut pictures: Vec<i64>, rate: i64, sound: Option<Time>) -> Stamps {
        pictures.sort_unstable();
        Stamps { pictures, rate, sound }
    }

    /// Of a segment that is a transport stream; `None` if it is none.
    pub(super) fn in_transport_stream(bytes: &[u8]) -> Option<Stamps> {
        let mut video = None;
        let mut times = Vec::new();
        let mut sound: Option<i64> = None;
        let streams = Streams::of(bytes);
        for packet in bytes.chunks_exact(PACKET) {
            let (pid, payload) = start(packet)?;
            match payload.and_then(frame) {
                // Of several streams with pictures the first one counts.
                Some((PICTURE, time)) if *video.get_or_insert(pid) == pid => times.push(time),
                Some((kind, time)) if kind == SOUND || kind == PRIVATE && streams.sounds(pid) => {
                    sound = Some(sound.map_or(time, |first| first.min(time)));
                }
                _ => {}
            }
        }
        Some(Stamps::new(times, RATE, sound.map(|time| Time::new(time, RATE))))
    }

    /// Whether what follows `made`, a segment of another run, follows this one as well: both have the
    /// same pictures to the end, and sound if this one has it. What `made` has before the first picture
    /// of this one is nobody's.
    pub(super) fn is_followed_as(&self, made: &Stamps) -> bool {
        let Some(first) = self.pictures.first() else { return false };
        // Two ticks of transport streams: each stamp is rounded.
        let slack = 2 * self.rate / RATE;
        let begin = made.pictures.partition_point(|time| *time < first.saturating_sub(slack));
        let same = |(one, other): (&i64, &i64)| one.abs_diff(*other) <= slack.unsigned_abs();
        let pictures = &made.pictures[begin..];
        self.rate == made.rate
            && self.pictures.len() == pictures.len()
            && self.pictures.iter().zip(pictures).all(same)
            && (self.sound.is_none() || made.sound.is_some())
    }
}

/// The stream that a packet belongs to, and what it carries if a picture or the like begins with it.
/// `None`: it is no packet.
pub(super) fn start(packet: &[u8]) -> Option<(u16, Option<&[u8]>)> {
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
    let kind = match *id {
        PRIVATE => PRIVATE,
        id if id & 0xf0 == PICTURE => PICTURE,
        id => id & 0xe0,
    };
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
        let head = &stream(&times)[..PACKET * 3 + 9];
        assert_eq!(Pictures::first_in_transport_stream(head), Some(pictures.first));
        assert_eq!(Pictures::first_in_transport_stream(&head[..PACKET]), None);
    }

    #[test]
    fn another_run_follows_if_it_ends_with_the_same_pictures_and_has_sound() {
        let stamps = |bytes: &[u8]| Stamps::in_transport_stream(bytes).unwrap();
        let there = stamps(&stream(&[3600, 7200, 10_800]));
        let follows = |times: &[i64]| there.is_followed_as(&stamps(&stream(times)));
        assert!(follows(&[3600, 7200, 10_800]) && follows(&[3602, 10_798, 7201]));
        assert!(follows(&[0, 3600, 7200, 10_800]), "what comes before is thrown away");
        for times in [
            &[3600, 7200][..],
            &[7200, 10_800],
            &[3600, 7200, 10_800, 14_400],
            &[7200, 10_800, 14_400],
            &[3597, 7200, 10_800],
            &[3600, 7203, 10_800],
        ] {
            assert!(!follows(times), "{times:?}");
        }
        let silent: Vec<u8> =
            [3600, 7200, 10_800].iter().flat_map(|time| packet(0x100, 0xe0, *time)).collect();
        assert!(!there.is_followed_as(&stamps(&silent)));
        assert!(stamps(&silent).is_followed_as(&there));
        assert!(!stamps(b"").is_followed_as(&there));
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
