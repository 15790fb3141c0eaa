//! Which streams of a transport stream are sound, as its tables say.

use super::pictures::{PACKET, start};

/// Of streams that are sound and say so by their type: MPEG's, AC-3, DTS, TrueHD, E-AC-3, as ffmpeg
/// writes them.
const SOUND: [u8; 10] = [0x03, 0x04, 0x0f, 0x11, 0x81, 0x82, 0x83, 0x84, 0x86, 0x87];
/// Of streams that say by descriptors what they are (ETSI EN 300 468).
const PRIVATE: u8 = 0x06;
/// Descriptors of AC-3, E-AC-3 and DTS; of subtitles and teletext there are others.
const OF_SOUND: [u8; 3] = [0x6a, 0x7a, 0x7b];
/// A descriptor with four letters, and those that are of sound.
const REGISTRATION: u8 = 0x05;
const LETTERS: [&[u8; 4]; 6] = [b"AC-3", b"EAC3", b"DTS1", b"DTS2", b"DTS3", b"Opus"];

/// The streams that are sound.
#[derive(Debug, Default)]
pub(super) struct Streams {
    sound: Vec<u16>,
}

impl Streams {
    /// Of a segment, which begins with its tables.
    pub(super) fn of(bytes: &[u8]) -> Streams {
        let sections = || {
            bytes.chunks_exact(PACKET).filter_map(|packet| {
                let (pid, payload) = start(packet)?;
                Some((pid, section(payload?)?))
            })
        };
        let programs = sections().find_map(|(pid, table)| match table {
            [0, _, _, _, _, _, _, _, _, _, high, low, ..] if pid == 0 => {
                Some(u16::from_be_bytes([*high, *low]) & 0x1fff)
            }
            _ => None,
        });
        let map = programs.and_then(|map| {
            sections().find(|(pid, table)| *pid == map && table.first() == Some(&2))
        });
        let sound = map.and_then(|(_, table)| sound(table)).unwrap_or_default();
        Streams { sound }
    }

    pub(super) fn sounds(&self, pid: u16) -> bool {
        self.sound.contains(&pid)
    }
}

/// A table that is within one packet, without its check sum (ISO/IEC 13818-1, 2.4.4).
fn section(payload: &[u8]) -> Option<&[u8]> {
    let table = payload.get(1 + usize::from(*payload.first()?)..)?;
    let length = usize::from(u16::from_be_bytes([*table.get(1)?, *table.get(2)?]) & 0xfff);
    table.get(..(3 + length).checked_sub(4)?)
}

/// The sound among the streams of a program map.
fn sound(table: &[u8]) -> Option<Vec<u16>> {
    let length = |at: usize| {
        Some(usize::from(u16::from_be_bytes([*table.get(at)?, *table.get(at + 1)?]) & 0xfff))
    };
    let mut at = 12 + length(10)?;
    let mut sound = Vec::new();
    while let Some([kind, high, low]) = table.get(at..at + 3) {
        let end = at + 5 + length(at + 3)?;
        let descriptors = table.get(at + 5..end)?;
        if SOUND.contains(kind) || *kind == PRIVATE && say_sound(descriptors) {
            sound.push(u16::from_be_bytes([*high, *low]) & 0x1fff);
        }
        at = end;
    }
    Some(sound)
}

fn say_sound(mut descriptors: &[u8]) -> bool {
    while let [tag, length, rest @ ..] = descriptors {
        let Some((content, behind)) = rest.split_at_checked(usize::from(*length)) else {
            return false;
        };
        let letters = *tag == REGISTRATION && LETTERS.iter().any(|l| content.starts_with(*l));
        if letters || OF_SOUND.contains(tag) {
            return true;
        }
        descriptors = behind;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pid: u16, table: u8, content: &[u8]) -> Vec<u8> {
        let [high, low] = (pid | 0x4000).to_be_bytes();
        let mut packet = vec![0x47, high, low, 0x10, 0, table, 0xb0, content.len() as u8 + 4];
        packet.extend(content);
        packet.resize(PACKET, 0xff);
        packet
    }

    fn tables(streams: &[u8]) -> Vec<u8> {
        let programs = packet(0, 0, &[0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0]);
        let map = [&[0, 1, 0xc1, 0, 0, 0xe1, 0, 0xf0, 0][..], streams].concat();
        [packet(0x11, 0x42, &[0; 9]), programs, packet(0x1000, 2, &map)].concat()
    }

    #[test]
    fn sound_is_told_from_pictures_and_subtitles() {
        let opus = [6, 0xe1, 2, 0xf0, 10, 5, 4, b'O', b'p', b'u', b's', 0x7f, 2, 0x80, 2];
        let streams = [
            &[0x1b, 0xe1, 0, 0xf0, 0, 0x81, 0xe1, 1, 0xf0, 0][..],
            &opus,
            &[6, 0xe1, 3, 0xf0, 3, 0x59, 1, 0, 0x87, 0xe1, 4, 0xf0, 0],
        ];
        let streams = Streams::of(&tables(&streams.concat()));
        assert_eq!(streams.sound, [0x101, 0x102, 0x104]);
        assert!(streams.sounds(0x101) && !streams.sounds(0x103));
    }

    #[test]
    fn what_is_damaged_has_no_sound_and_harms_nobody() {
        let whole = tables(&[0x81, 0xe1, 1, 0xf0, 0, 6, 0xe1, 2, 0xf0, 2, 0x6a, 0]);
        assert_eq!(Streams::of(&whole).sound, [0x101, 0x102]);
        for at in 0..whole.len() {
            for byte in [0, 1, 0x7f, 0xff] {
                let mut broken = whole.clone();
                broken[at] = byte;
                Streams::of(&broken);
            }
        }
        assert!(Streams::of(b"").sound.is_empty());
    }
}
