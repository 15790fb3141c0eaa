//! The boxes of fragmented MP4 (ISO/IEC 14496-12): what an init section declares, and where and
//! when each sample of a segment is.
//!
//! Read here and not by libav because libav prefers a sidx's times to the fragment's own (tfdt),
//! which are what browsers go by, and applies edit lists.

use std::ops::Range;

use super::nal::Framing;

/// A four-character code.
pub(super) type Code = [u8; 4];

/// An init section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InitSection {
    pub(super) tracks: Vec<InitTrack>,
}

/// What an init section declares of a track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InitTrack {
    pub(super) id: u32,
    /// `vide`, `soun`, ...
    pub(super) handler: Code,
    /// Ticks a second.
    pub(super) timescale: u32,
    /// The sample entry: `avc1`, `mp4a`, ...
    pub(super) entry: Code,
    /// Pixels, of a picture.
    pub(super) size: (u16, u16),
    /// Samples a second, of sound; 0 where 16 bits do not hold it.
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    /// The boxes in the sample entry, such as `avcC`.
    pub(super) configurations: Vec<(Code, Vec<u8>)>,
    default_duration: u32,
    default_size: u32,
    default_flags: u32,
}

/// One sample of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) track: u32,
    /// Ticks of the track's timescale.
    pub(super) decode: i64,
    pub(super) presentation: i64,
    pub(super) duration: u32,
    pub(super) sync: bool,
    pub(super) bytes: Range<usize>,
}

/// What is wrong with the boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BoxError {
    /// Something goes on beyond the end of the segment.
    Truncated(String),
    Malformed(String),
    /// A fragment of a track that the init section does not have.
    UnknownTrack(u32),
}

/// Whether these bytes look like boxes.
pub(super) fn is_mp4(bytes: &[u8]) -> bool {
    const FIRST: [&Code; 9] =
        [b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"emsg", b"prft", b"free", b"skip"];
    bytes.get(4..8).is_some_and(|code| FIRST.iter().any(|first| first[..] == *code))
}

/// Walks the boxes that fill `bytes` exactly: code, and where its content is.
fn walk(bytes: &[u8]) -> Result<Vec<(Code, Range<usize>)>, BoxError> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let truncated = |what: &str| {
            BoxError::Truncated(format!("the box at byte {at} {what}, {} are there", rest.len()))
        };
        let (Some(size), Some(code)) = (u32_at(rest, 0), rest.get(4..8)) else {
            return Err(truncated("has a header of 8 bytes"));
        };
        let code = [code[0], code[1], code[2], code[3]];
        let (header, size) = match size {
            0 => (8, rest.len() as u64),
            1 => (16, u64_at(rest, 8).ok_or_else(|| truncated("has a header of 16 bytes"))?),
            size => (8, u64::from(size)),
        };
        if !code.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ' || *byte >= 0xa0) {
            return Err(BoxError::Malformed(format!("no box at byte {at}")));
        }
        if size < header {
            return Err(BoxError::Malformed(format!("the box {} has no room", name(code))));
        }
        if size > rest.len() as u64 {
            return Err(truncated(&format!("({}) has {size} bytes", name(code))));
        }
        found.push((code, at + header as usize..at + size as usize));
        at += size as usize;
    }
    Ok(found)
}

/// A code for a person.
pub(super) fn name(code: Code) -> String {
    String::from_utf8_lossy(&code).into_owned()
}

fn child<'a>(bytes: &'a [u8], code: &Code) -> Result<Option<&'a [u8]>, BoxError> {
    Ok(walk(bytes)?.into_iter().find(|(found, _)| found == code).map(|(_, range)| &bytes[range]))
}

fn required<'a>(bytes: &'a [u8], path: &[&Code]) -> Result<&'a [u8], BoxError> {
    path.iter().try_fold(bytes, |bytes, code| {
        child(bytes, code)?.ok_or_else(|| BoxError::Malformed(format!("no {} box", name(**code))))
    })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn short(what: &str) -> BoxError {
    BoxError::Malformed(format!("the {what} box is too short"))
}

impl InitSection {
    pub(super) fn parse(bytes: &[u8]) -> Result<InitSection, BoxError> {
        let movie = required(bytes, &[b"moov"])?;
        let mut section = InitSection::default();
        for (code, range) in walk(movie)? {
            if code == *b"trak" {
                section.tracks.push(init_track(&movie[range])?);
            }
        }
        if let Some(extends) = child(movie, b"mvex")? {
            for (code, range) in walk(extends)? {
                if code == *b"trex" {
                    section.set_defaults(&extends[range]).ok_or_else(|| short("trex"))?;
                }
            }
        }
        Ok(section)
    }

    fn set_defaults(&mut self, extends: &[u8]) -> Option<()> {
        let id = u32_at(extends, 4)?;
        let defaults = [u32_at(extends, 12)?, u32_at(extends, 16)?, u32_at(extends, 20)?];
        if let Some(track) = self.tracks.iter_mut().find(|track| track.id == id) {
            [track.default_duration, track.default_size, track.default_flags] = defaults;
        }
        Some(())
    }

    fn track(&self, id: u32) -> Option<&InitTrack> {
        self.tracks.iter().find(|track| track.id == id)
    }
}

fn init_track(track: &[u8]) -> Result<InitTrack, BoxError> {
    let header = required(track, &[b"tkhd"])?;
    let wide = header.first() == Some(&1);
    let media = required(track, &[b"mdia"])?;
    let media_header = required(media, &[b"mdhd"])?;
    let handler = required(media, &[b"hdlr"])?;
    let descriptions = required(media, &[b"minf", b"stbl", b"stsd"])?;
    let mut out = InitTrack {
        id: u32_at(header, if wide { 20 } else { 12 }).ok_or_else(|| short("tkhd"))?,
        timescale: u32_at(media_header, if media_header.first() == Some(&1) { 20 } else { 12 })
            .ok_or_else(|| short("mdhd"))?,
        handler: u32_at(handler, 8).ok_or_else(|| short("hdlr"))?.to_be_bytes(),
        ..InitTrack::default()
    };
    let entries = descriptions.get(8..).ok_or_else(|| short("stsd"))?;
    let Some((code, range)) = walk(entries)?.into_iter().next() else {
        return Err(BoxError::Malformed("no sample entry".to_owned()));
    };
    let entry = &entries[range];
    out.entry = code;
    let children = match &out.handler {
        b"vide" => {
            let size = |at| u16_at(entry, at).ok_or_else(|| short("sample entry"));
            out.size = (size(24)?, size(26)?);
            78
        }
        b"soun" => {
            out.channels = u16_at(entry, 16).ok_or_else(|| short("sample entry"))?;
            out.sample_rate = u16_at(entry, 24).ok_or_else(|| short("sample entry"))?.into();
            28
        }
        _ => return Ok(out),
    };
    // QuickTime's entries may hold more than boxes at their end: what reads as boxes is kept.
    let children = entry.get(children..).unwrap_or_default();
    for (code, range) in walk(children).unwrap_or_default() {
        out.configurations.push((code, children[range].to_vec()));
    }
    Ok(out)
}

impl InitTrack {
    pub(super) fn configuration(&self, code: &Code) -> Option<&[u8]> {
        self.configurations
            .iter()
            .find(|(found, _)| found == code)
            .map(|(_, bytes)| bytes.as_slice())
    }

    pub(super) fn is_encrypted(&self) -> bool {
        matches!(&self.entry, b"encv" | b"enca")
    }

    /// How long the lengths before NAL units are.
    pub(super) fn framing(&self) -> Framing {
        let size = self
            .configuration(b"avcC")
            .and_then(|bytes| bytes.get(4))
            .or_else(|| self.configuration(b"hvcC").and_then(|bytes| bytes.get(21)));
        Framing::Length(size.map_or(4, |byte| (byte & 3) + 1))
    }

    /// The sequence parameter sets in the configuration.
    pub(super) fn sequence_sets(&self) -> Vec<Vec<u8>> {
        let read = || {
            if let Some(avc) = self.configuration(b"avcC") {
                return counted(avc.get(6..)?, usize::from(avc.get(5)? & 0x1f))
                    .map(|(sets, _)| sets);
            }
            let mut rest = self.configuration(b"hvcC")?.get(22..)?;
            let arrays;
            (arrays, rest) = rest.split_first()?;
            let mut sets = Vec::new();
            for _ in 0..*arrays {
                let kind = rest.first()? & 0x3f;
                let (units, after) = counted(rest.get(3..)?, u16_at(rest, 1)?.into())?;
                rest = after;
                if kind == 33 {
                    sets.extend(units);
                }
            }
            Some(sets)
        };
        read().unwrap_or_default()
    }
}

/// `count` units, each after its length in 16 bits.
fn counted(mut bytes: &[u8], count: usize) -> Option<(Vec<Vec<u8>>, &[u8])> {
    let mut units = Vec::new();
    for _ in 0..count {
        let length = usize::from(u16_at(bytes, 0)?);
        units.push(bytes.get(2..2 + length)?.to_vec());
        bytes = &bytes[2 + length..];
    }
    Some((units, bytes))
}

/// All samples of a segment, in the order of its boxes.
pub(super) fn samples(bytes: &[u8], init: &InitSection) -> Result<Vec<Sample>, BoxError> {
    let boxes = walk(bytes)?;
    let data: Vec<Range<usize>> =
        boxes.iter().filter(|(code, _)| code == b"mdat").map(|(_, range)| range.clone()).collect();
    let mut samples = Vec::new();
    let mut next = 0;
    for (code, range) in boxes {
        let start = std::mem::replace(&mut next, range.end);
        if code != *b"moof" {
            continue;
        }
        for (code, inner) in walk(&bytes[range.clone()])? {
            if code == *b"traf" {
                let track = &bytes[range.start + inner.start..range.start + inner.end];
                fragment(track, start, bytes.len(), init, &mut samples)?;
            }
        }
    }
    for sample in &samples {
        let inside =
            |data: &Range<usize>| data.start <= sample.bytes.start && sample.bytes.end <= data.end;
        if !sample.bytes.is_empty() && !data.iter().any(inside) {
            let Range { start, end } = sample.bytes;
            let what = format!("the sample in bytes {start} to {end} is in no mdat box");
            return Err(BoxError::Truncated(what));
        }
    }
    Ok(samples)
}

/// One track of one fragment; `moof` is where its moof box begins in a segment of `whole` bytes.
fn fragment(
    bytes: &[u8],
    moof: usize,
    whole: usize,
    init: &InitSection,
    samples: &mut Vec<Sample>,
) -> Result<(), BoxError> {
    let mut header = Fields::new(required(bytes, &[b"tfhd"])?, "tfhd")?;
    let flags = header.flags;
    let id = header.u32()?;
    let track = init.track(id).ok_or(BoxError::UnknownTrack(id))?;
    if flags & 0x1 != 0 {
        let what = "sample positions are absolute (tfhd base-data-offset); HLS wants them relative";
        return Err(BoxError::Malformed(what.to_owned()));
    }
    header.optional(flags & 0x2 != 0)?;
    let duration = header.optional(flags & 0x8 != 0)?.unwrap_or(track.default_duration);
    let size = header.optional(flags & 0x10 != 0)?.unwrap_or(track.default_size);
    let sample_flags = header.optional(flags & 0x20 != 0)?.unwrap_or(track.default_flags);

    let Some(time) = child(bytes, b"tfdt")? else {
        return Err(BoxError::Malformed("a fragment without tfdt".to_owned()));
    };
    let mut time = Fields::new(time, "tfdt")?;
    let mut decode = if time.version == 0 { u64::from(time.u32()?) } else { time.u64()? } as i64;
    let mut position = moof;
    for (code, range) in walk(bytes)? {
        if code != *b"trun" {
            continue;
        }
        let mut run = Fields::new(&bytes[range], "trun")?;
        let flags = run.flags;
        let count = run.u32()?;
        if let Some(offset) = run.optional(flags & 0x1 != 0)? {
            position =
                moof.checked_add_signed(offset as i32 as isize).ok_or_else(|| short("trun"))?;
        }
        // Without sizes and durations of their own, four billion samples fit in a few bytes, and so do
        // many runs of fewer.
        if samples.len() + count as usize > whole {
            return Err(BoxError::Malformed(format!("a run of {count} samples in {whole} bytes")));
        }
        let first_flags = run.optional(flags & 0x4 != 0)?;
        for at in 0..count {
            let duration = run.optional(flags & 0x100 != 0)?.unwrap_or(duration);
            let size = run.optional(flags & 0x200 != 0)?.unwrap_or(size);
            let own_flags = run.optional(flags & 0x400 != 0)?;
            let offset = run.optional(flags & 0x800 != 0)?.unwrap_or(0);
            let flags = own_flags.or(first_flags.filter(|_| at == 0)).unwrap_or(sample_flags);
            let end = position.saturating_add(size as usize);
            // Version 0 says unsigned, but packagers write negative offsets there too.
            let presentation = decode.saturating_add(i64::from(offset as i32));
            let sync = flags & 0x0001_0000 == 0;
            samples.push(Sample {
                track: id,
                decode,
                presentation,
                duration,
                sync,
                bytes: position..end,
            });
            position = end;
            decode = decode.saturating_add(duration.into());
        }
    }
    Ok(())
}

/// Reads a full box's fields one after the other.
struct Fields<'a> {
    rest: &'a [u8],
    code: &'static str,
    version: u8,
    flags: u32,
}

impl<'a> Fields<'a> {
    fn new(bytes: &'a [u8], code: &'static str) -> Result<Fields<'a>, BoxError> {
        let head = u32_at(bytes, 0).ok_or_else(|| short(code))?;
        let version = (head >> 24) as u8;
        Ok(Fields { rest: &bytes[4..], code, version, flags: head & 0x00ff_ffff })
    }

    fn u32(&mut self) -> Result<u32, BoxError> {
        let value = u32_at(self.rest, 0).ok_or_else(|| short(self.code))?;
        self.rest = &self.rest[4..];
        Ok(value)
    }

    fn u64(&mut self) -> Result<u64, BoxError> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }

    fn optional(&mut self, present: bool) -> Result<Option<u32>, BoxError> {
        if present { self.u32().map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(code: &Code, content: &[u8]) -> Vec<u8> {
        let size = (content.len() as u32 + 8).to_be_bytes();
        [&size[..], code, content].concat()
    }

    fn numbers(numbers: &[u32]) -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
    }

    /// A fragment of runs with so many samples each, of one byte and one tick.
    fn fragment_of(runs: &[u32]) -> Vec<u8> {
        // Flags: durations and sizes are in the header; it counts from the moof box.
        let header = boxed(b"tfhd", &numbers(&[0x02_0018, 1, 1, 1]));
        let time = boxed(b"tfdt", &numbers(&[0, 0]));
        let runs: Vec<u8> =
            runs.iter().flat_map(|count| boxed(b"trun", &numbers(&[0, *count]))).collect();
        boxed(b"moof", &boxed(b"traf", &[header, time, runs].concat()))
    }

    fn one_track() -> InitSection {
        InitSection { tracks: vec![InitTrack { id: 1, ..InitTrack::default() }] }
    }

    #[test]
    fn many_runs_of_many_samples_in_few_bytes_are_refused_before_they_take_memory() {
        let segment = fragment_of(&[10_000; 1_000]);
        let refused = samples(&segment, &one_track()).expect_err("refused");
        assert!(matches!(&refused, BoxError::Malformed(what) if what.contains("a run of 10000")));
    }

    #[test]
    fn positions_count_from_the_fragment_whatever_header_it_has() {
        let plain = fragment_of(&[1]);
        // The same box with its size in 64 bits.
        let size = (plain.len() as u64 + 8).to_be_bytes();
        let wide = [&numbers(&[1])[..], b"moof", &size, &plain[8..]].concat();
        for fragment in [plain, wide] {
            let first = boxed(b"styp", b"msdh");
            // The sample is the byte that the fragment begins with: no mdat box has it.
            let segment = [first.clone(), fragment].concat();
            let refused = samples(&segment, &one_track()).expect_err("refused");
            let what = format!("the sample in bytes {} to {}", first.len(), first.len() + 1);
            assert!(matches!(&refused, BoxError::Truncated(said) if said.starts_with(&what)));
        }
    }
}
