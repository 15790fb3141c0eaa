//! Packed audio (RFC 8216 section 3.4): ADTS, MPEG audio and AC-3 frames without a container, the
//! time in an ID3 tag in front.

use super::report::FaultKind;

/// What a segment of packed audio holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Where the frames begin, after ID3 tags.
    pub(super) start: usize,
    /// The time of the first frame in 1/90000 s, if an ID3 tag says it.
    pub(super) timestamp: Option<i64>,
    pub(super) frames: Vec<Frame>,
    pub(super) faults: Vec<(FaultKind, String)>,
}

/// One audio frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) start: usize,
    pub(super) length: usize,
    pub(super) samples: u32,
    pub(super) sample_rate: u32,
    /// 0 where the header alone does not say.
    pub(super) channels: u32,
}

/// Whether these bytes look like packed audio.
pub(super) fn is_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ID3") || frame(bytes, 0).is_some()
}

pub(super) fn inspect(bytes: &[u8]) -> Look {
    let mut look = Look::default();
    while let Some(size) = tag_size(&bytes[look.start..]) {
        let end = (look.start + size).min(bytes.len());
        look.timestamp = look.timestamp.or(timestamp(&bytes[look.start..end]));
        look.start = end;
    }
    let mut at = look.start;
    while at < bytes.len() {
        match frame(bytes, at) {
            Some(found) if at + found.length > bytes.len() => {
                let lacks = at + found.length - bytes.len();
                let what = format!("the last audio frame lacks {lacks} bytes");
                look.faults.push((FaultKind::SegmentTruncated, what));
                break;
            }
            Some(found) => {
                look.frames.push(found);
                at += found.length;
            }
            None => {
                let what = format!("no audio frame at byte {at}");
                look.faults.push((FaultKind::SegmentMalformed, what));
                break;
            }
        }
    }
    look
}

/// How long the frame that `bytes` begin with lasts, in ticks of `1 / rate` s.
pub(super) fn duration(bytes: &[u8], rate: i64) -> Option<i64> {
    let frame = frame(bytes, 0)?;
    Some(i64::from(frame.samples) * rate / i64::from(frame.sample_rate.max(1)))
}

fn tag_size(bytes: &[u8]) -> Option<usize> {
    let size = bytes.strip_prefix(b"ID3")?.get(3..7)?;
    Some(10 + size.iter().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f)))
}

fn timestamp(tag: &[u8]) -> Option<i64> {
    const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
    let at = tag.windows(OWNER.len()).position(|window| window == OWNER)? + OWNER.len();
    let bytes = tag.get(at..at + 8)?.try_into().ok()?;
    Some(i64::from_be_bytes(bytes) & 0x1_ffff_ffff)
}

fn frame(bytes: &[u8], at: usize) -> Option<Frame> {
    let rest = bytes.get(at..)?;
    let (length, samples, sample_rate, channels) = match rest {
        [0x0b, 0x77, ..] => dolby(rest)?,
        [0xff, second, ..] if second & 0xf6 == 0xf0 => adts(rest)?,
        [0xff, second, ..] if second & 0xe0 == 0xe0 => mpeg_audio(rest)?,
        _ => return None,
    };
    (length > 0).then_some(Frame { start: at, length, samples, sample_rate, channels })
}

type Header = (usize, u32, u32, u32);

/// ISO/IEC 13818-7 section 6.2.
fn adts(header: &[u8]) -> Option<Header> {
    const RATES: [u32; 13] =
        [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];
    let header = header.get(..7)?;
    let rate = *RATES.get(usize::from(header[2] >> 2 & 15))?;
    let channels = u32::from(header[2] & 1) << 2 | u32::from(header[3] >> 6);
    let length = usize::from(header[3] & 3) << 11
        | usize::from(header[4]) << 3
        | usize::from(header[5] >> 5);
    Some((length, 1024 * (u32::from(header[6] & 3) + 1), rate, channels))
}

/// ISO/IEC 11172-3 section 2.4.2.3 and 13818-3.
fn mpeg_audio(header: &[u8]) -> Option<Header> {
    const KBITS: [[u32; 15]; 5] = [
        [0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384],
        [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320],
        [0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256],
        [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160],
    ];
    let header = header.get(..4)?;
    let (version, layer) = (header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3));
    if version == 1 || layer == 4 {
        return None;
    }
    let is_mpeg1 = version == 3;
    let table = match (is_mpeg1, layer) {
        (true, layer) => usize::from(layer) - 1,
        (false, 1) => 3,
        (false, _) => 4,
    };
    let kbits = *KBITS[table].get(usize::from(header[2] >> 4))?;
    let halved = match version {
        3 => 0,
        2 => 1,
        _ => 2,
    };
    let rate = [44100, 48000, 32000].get(usize::from(header[2] >> 2 & 3))? >> halved;
    let padding = u32::from(header[2] >> 1 & 1);
    let samples = match layer {
        1 => 384,
        3 if !is_mpeg1 => 576,
        _ => 1152,
    };
    // Layer I counts in slots of four bytes.
    let length = match layer {
        1 => (samples / 32 * kbits * 1000 / rate + padding) * 4,
        _ => samples / 8 * kbits * 1000 / rate + padding,
    };
    let channels = if header[3] >> 6 == 3 { 1 } else { 2 };
    (kbits > 0).then_some((length as usize, samples, rate, channels))
}

/// ETSI TS 102 366 section 4.4.1 (AC-3) and E.1.3 (E-AC-3).
fn dolby(header: &[u8]) -> Option<Header> {
    const RATES: [u32; 3] = [48000, 44100, 32000];
    const KBITS: [u32; 19] =
        [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];
    const CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
    let header = header.get(..7)?;
    let code = usize::from(header[4] >> 6);
    if header[5] >> 3 <= 10 {
        let rate = *RATES.get(code)?;
        let kbits = *KBITS.get(usize::from(header[4] & 0x3f) / 2)?;
        let words = match rate {
            48000 => kbits * 2,
            44100 => kbits * 1000 * 1536 / 16 / 44100 + u32::from(header[4] & 1),
            _ => kbits * 3,
        };
        // Where the low-frequency channel's bit is depends on others: channels stay unknown.
        return Some((words as usize * 2, 1536, rate, 0));
    }
    let length = (usize::from(header[2] & 7) << 8 | usize::from(header[3])) * 2 + 2;
    let (rate, blocks) = match code {
        3 => (RATES.get(usize::from(header[4] >> 4 & 3))? / 2, 6),
        code => (RATES[code], [1, 2, 3, 6][usize::from(header[4] >> 4 & 3)]),
    };
    let channels = CHANNELS[usize::from(header[4] >> 1 & 7)] + u32::from(header[4] & 1);
    // A dependent substream adds channels to the frame before, not time.
    let samples = if header[2] >> 6 == 1 { 0 } else { blocks * 256 };
    Some((length, samples, rate, channels))
}
