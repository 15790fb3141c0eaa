//! The structure of an MPEG-TS segment (ISO/IEC 13818-1 section 2.4): packets, counters, tables.

use std::collections::HashMap;

use super::report::FaultKind;

const PACKET: usize = 188;
const SYNC: u8 = 0x47;
const STUFFING_PID: u16 = 0x1fff;

/// The continuity counters at the end of what was read so far.
#[derive(Debug, Default)]
pub(super) struct Counters(HashMap<u16, Last>);

#[derive(Debug)]
struct Last {
    counter: u8,
    repeated: bool,
}

/// What a segment's structure says.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) faults: Vec<(FaultKind, String)>,
    /// Whether a demuxer can make something of it.
    pub(super) readable: bool,
    pub(super) scrambled: bool,
}

/// Whether these bytes look like packets.
pub(super) fn is_ts(bytes: &[u8]) -> bool {
    bytes.first() == Some(&SYNC) && bytes.get(PACKET).is_none_or(|byte| *byte == SYNC)
}

/// Checks a segment. `counters` are those at the end of the segment it continues, if it does.
pub(super) fn inspect(bytes: &[u8], counters: &mut Counters) -> Look {
    let mut look = Look { readable: true, ..Look::default() };
    if !bytes.len().is_multiple_of(PACKET) {
        let rest = bytes.len() % PACKET;
        let what = format!("it ends {rest} bytes into a packet of 188 bytes");
        look.faults.push((FaultKind::SegmentTruncated, what));
        look.readable = false;
        return look;
    }
    let mut walk = Walk {
        counters,
        tables: Tables::default(),
        lost: 0,
        first_lost: None,
        units: HashMap::new(),
        media_before_tables: false,
    };
    for (at, packet) in bytes.chunks_exact(PACKET).enumerate() {
        let Some(packet) = Packet::parse(packet) else {
            let what = format!("no sync byte at byte {}", at * PACKET);
            look.faults.push((FaultKind::SegmentMalformed, what));
            look.readable = false;
            return look;
        };
        look.scrambled |= packet.scrambled;
        if packet.damaged {
            walk.lose(|| format!("the packet at byte {} is marked as damaged", at * PACKET));
            continue;
        }
        walk.packet(at * PACKET, &packet);
    }
    walk.finish(&mut look);
    look
}

struct Packet<'a> {
    pid: u16,
    starts_unit: bool,
    /// Whoever received it knows that it is damaged.
    damaged: bool,
    scrambled: bool,
    counter: u8,
    /// The counter may jump here.
    discontinuity: bool,
    payload: Option<&'a [u8]>,
}

impl<'a> Packet<'a> {
    fn parse(packet: &'a [u8]) -> Option<Packet<'a>> {
        let [SYNC, second, third, fourth, rest @ ..] = packet else { return None };
        let (has_adaptation, has_payload) = (fourth & 0x20 != 0, fourth & 0x10 != 0);
        let adaptation = if has_adaptation { usize::from(*rest.first()?) } else { 0 };
        let discontinuity = adaptation > 0 && rest.get(1).is_some_and(|flags| flags & 0x80 != 0);
        let payload = rest.get(usize::from(has_adaptation) + adaptation..).filter(|_| has_payload);
        Some(Packet {
            pid: u16::from(second & 0x1f) << 8 | u16::from(*third),
            starts_unit: second & 0x40 != 0,
            damaged: second & 0x80 != 0,
            scrambled: fourth & 0xc0 != 0,
            counter: fourth & 0x0f,
            discontinuity,
            payload,
        })
    }
}

#[derive(Default)]
struct Tables {
    /// PIDs of the PMTs, once the PAT was seen.
    map_pids: Option<Vec<u16>>,
    /// PIDs of media, once a PMT was seen.
    media: Option<Vec<u16>>,
}

struct Walk<'a> {
    counters: &'a mut Counters,
    tables: Tables,
    lost: usize,
    first_lost: Option<String>,
    /// How many bytes each PID's PES packet still lacks, where it says its length.
    units: HashMap<u16, usize>,
    media_before_tables: bool,
}

impl Walk<'_> {
    fn packet(&mut self, position: usize, packet: &Packet) {
        if packet.pid == STUFFING_PID {
            return;
        }
        self.count(position, packet);
        let Some(payload) = packet.payload else { return };
        if packet.pid == 0 {
            if packet.starts_unit {
                self.tables.map_pids = section(payload).and_then(program_association);
            }
        } else if self.tables.map_pids.as_ref().is_some_and(|pids| pids.contains(&packet.pid)) {
            if packet.starts_unit
                && let Some(media) = section(payload).and_then(program_map)
            {
                self.tables.media.get_or_insert_default().extend(media);
            }
        } else if self.tables.media.as_ref().is_none_or(|pids| pids.contains(&packet.pid)) {
            self.media(packet, payload);
        }
    }

    fn media(&mut self, packet: &Packet, payload: &[u8]) {
        if packet.starts_unit {
            // What has no PES start code is a table of another standard (DVB's SDT comes first).
            self.media_before_tables |=
                self.tables.media.is_none() && payload.starts_with(&[0, 0, 1]);
            self.units.remove(&packet.pid);
            if let [0, 0, 1, _, high, low, ..] = payload {
                let length = usize::from(*high) << 8 | usize::from(*low);
                // 0: as long as it takes, for pictures.
                if length > 0 {
                    self.units.insert(packet.pid, (length + 6).saturating_sub(payload.len()));
                }
            }
        } else if let Some(left) = self.units.get_mut(&packet.pid) {
            *left = left.saturating_sub(payload.len());
        }
    }

    fn count(&mut self, position: usize, packet: &Packet) {
        // A packet without payload repeats the counter of the one before.
        if packet.payload.is_none() {
            return;
        }
        let entry = Last { counter: packet.counter, repeated: false };
        let Some(last) = self.counters.0.insert(packet.pid, entry) else { return };
        let expected = (last.counter + 1) & 0x0f;
        if packet.discontinuity || packet.counter == expected {
            return;
        }
        // Every packet may be sent twice.
        if packet.counter == last.counter && !last.repeated {
            self.counters.0.insert(packet.pid, Last { counter: packet.counter, repeated: true });
            return;
        }
        self.lose(|| {
            format!(
                "PID {} goes from {} to {} at byte {position}",
                packet.pid, last.counter, packet.counter
            )
        });
    }

    fn lose(&mut self, what: impl FnOnce() -> String) {
        self.lost += 1;
        self.first_lost.get_or_insert_with(what);
    }

    fn finish(self, look: &mut Look) {
        if let Some(first) = self.first_lost {
            let more = match self.lost - 1 {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            look.faults.push((FaultKind::Continuity, format!("{first}{more}")));
        }
        if self.tables.map_pids.is_none() || self.tables.media.is_none() {
            let what = if self.tables.map_pids.is_none() { "no PAT" } else { "no PMT" };
            look.faults.push((FaultKind::TablesMissing, format!("{what} in the segment")));
        } else if self.media_before_tables {
            let what = "media comes before PAT and PMT".to_owned();
            look.faults.push((FaultKind::TablesMissing, what));
        }
        let mut cut: Vec<_> = self.units.into_iter().filter(|(_, left)| *left > 0).collect();
        cut.sort_unstable();
        if let Some((pid, left)) = cut.first() {
            let what = format!("the last PES packet of PID {pid} lacks {left} bytes");
            look.faults.push((FaultKind::SegmentTruncated, what));
        }
    }
}

/// A section's bytes from its table id to before its checksum, if it fits this packet.
fn section(payload: &[u8]) -> Option<&[u8]> {
    let (pointer, rest) = payload.split_first()?;
    let section = rest.get(usize::from(*pointer)..)?;
    let length = usize::from(section.get(1)? & 0x0f) << 8 | usize::from(*section.get(2)?);
    section.get(..(3 + length).checked_sub(4)?)
}

fn program_association(section: &[u8]) -> Option<Vec<u16>> {
    let programs = section.strip_prefix(&[0])?.get(7..)?.chunks_exact(4);
    let pid = |entry: &[u8]| u16::from(entry[2] & 0x1f) << 8 | u16::from(entry[3]);
    // Program 0 is the network table.
    Some(programs.filter(|entry| entry[..2] != [0, 0]).map(pid).collect())
}

fn program_map(section: &[u8]) -> Option<Vec<u16>> {
    let section = section.strip_prefix(&[2])?;
    let info = usize::from(section.get(9)? & 0x0f) << 8 | usize::from(*section.get(10)?);
    let mut rest = section.get(11 + info..)?;
    let mut pids = Vec::new();
    while let [_kind, high, low, info_high, info_low, ..] = rest {
        pids.push(u16::from(high & 0x1f) << 8 | u16::from(*low));
        let info = usize::from(info_high & 0x0f) << 8 | usize::from(*info_low);
        rest = rest.get(5 + info..).unwrap_or_default();
    }
    Some(pids)
}
