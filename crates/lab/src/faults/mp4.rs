//! Surgery on fragmented MP4 (ISO/IEC 14496-12).

use std::ops::Range;

use super::Which;

/// All boxes of a code, wherever they are: the range of their content.
pub(super) fn find(bytes: &[u8], code: &[u8; 4]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    walk(bytes, 0..bytes.len(), code, &mut found);
    found
}

fn walk(bytes: &[u8], range: Range<usize>, code: &[u8; 4], found: &mut Vec<Range<usize>>) {
    const PARENTS: [&[u8; 4]; 8] =
        [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"mvex", b"moof", b"traf"];
    let mut at = range.start;
    while at + 8 <= range.end {
        let size = u32_at(bytes, at) as usize;
        let end = (at + size.max(8)).min(range.end);
        let here: [u8; 4] = bytes[at + 4..at + 8].try_into().expect("four bytes");
        if here == *code {
            found.push(at + 8..end);
        }
        if PARENTS.contains(&&here) {
            walk(bytes, at + 8..end, code, found);
        }
        at = end;
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// What an init section's tracks are: id, kind, ticks a second.
fn tracks(init: &[u8]) -> Vec<(u32, Which, u32)> {
    let content = |code: &[u8; 4]| -> Vec<&[u8]> {
        find(init, code).into_iter().map(|range| &init[range]).collect()
    };
    let (headers, media, handlers) = (content(b"tkhd"), content(b"mdhd"), content(b"hdlr"));
    headers
        .iter()
        .zip(media)
        .zip(handlers)
        .map(|((header, media), handler)| {
            let id = u32_at(header, if header[0] == 1 { 20 } else { 12 });
            let timescale = u32_at(media, if media[0] == 1 { 20 } else { 12 });
            let kind = if &handler[8..12] == b"vide" { Which::Picture } else { Which::Sound };
            (id, kind, timescale)
        })
        .collect()
}

/// What kinds of media there are.
pub(super) fn kinds(init: &[u8]) -> Vec<Which> {
    tracks(init).into_iter().map(|(_, kind, _)| kind).collect()
}

/// Moves the decode times (tfdt) of a segment, or of one kind of track, by 1/90000 s.
pub(super) fn shift(bytes: &mut [u8], init: &[u8], which: Which, ticks: i64) {
    let tracks = tracks(init);
    for fragment in find(bytes, b"traf") {
        let inner = |code: &[u8; 4], bytes: &[u8]| {
            let mut found = Vec::new();
            walk(bytes, fragment.clone(), code, &mut found);
            found.into_iter().next().expect("a fragment has it")
        };
        let id = u32_at(bytes, inner(b"tfhd", bytes).start + 4);
        let Some((_, kind, timescale)) = tracks.iter().find(|(track, ..)| *track == id) else {
            continue;
        };
        if which != Which::All && which != *kind {
            continue;
        }
        let by = ticks * i64::from(*timescale) / 90_000;
        let at = inner(b"tfdt", bytes).start;
        if bytes[at] == 0 {
            let moved = u32_at(bytes, at + 4).wrapping_add(by as u32);
            bytes[at + 4..at + 8].copy_from_slice(&moved.to_be_bytes());
        } else {
            let time = u64::from_be_bytes(bytes[at + 4..at + 12].try_into().expect("eight bytes"));
            bytes[at + 4..at + 12].copy_from_slice(&time.wrapping_add_signed(by).to_be_bytes());
        }
    }
}

/// Takes one kind of track out of a segment: its fragments become free space.
pub(super) fn drop_track(bytes: &mut [u8], init: &[u8], which: Which) {
    let tracks = tracks(init);
    for fragment in find(bytes, b"traf") {
        let mut headers = Vec::new();
        walk(bytes, fragment.clone(), b"tfhd", &mut headers);
        let id = u32_at(bytes, headers[0].start + 4);
        if tracks.iter().any(|(track, kind, _)| *track == id && *kind == which) {
            bytes[fragment.start - 4..fragment.start].copy_from_slice(b"free");
        }
    }
}

/// Where the first picture's NAL units are: the first sample of the first picture fragment.
fn first_picture(bytes: &[u8], init: &[u8]) -> Range<usize> {
    let tracks = tracks(init);
    let moof = find(bytes, b"moof")[0].start - 8;
    for fragment in find(bytes, b"traf") {
        let inner = |code: &[u8; 4]| {
            let mut found = Vec::new();
            walk(bytes, fragment.clone(), code, &mut found);
            found.into_iter().next().expect("a fragment has it")
        };
        let id = u32_at(bytes, inner(b"tfhd").start + 4);
        if tracks.iter().any(|(track, kind, _)| *track == id && *kind == Which::Picture) {
            let run = inner(b"trun").start;
            assert!(bytes[run + 3] & 1 != 0, "the run says where its data is");
            let start = moof + u32_at(bytes, run + 8) as usize;
            let end = find(bytes, b"mdat").into_iter().find(|data| data.contains(&start));
            return start..end.expect("samples lie in an mdat").end;
        }
    }
    panic!("no pictures in this segment");
}

/// Turns the first picture from an IDR into what depends on others.
pub(super) fn spoil_first_picture(bytes: &mut [u8], init: &[u8]) {
    let range = first_picture(bytes, init);
    let mut at = range.start;
    // Parameter sets, SEI and the slices of the IDR; the next picture begins with another type.
    while at + 5 <= range.end {
        let size = u32_at(bytes, at) as usize;
        let unit = bytes[at + 4];
        bytes[at + 4] = super::spoiled_unit(unit);
        if unit & 0x1f == 5 {
            return;
        }
        at += 4 + size;
    }
}

/// Overwrites coded pictures in the middle of the first picture fragment.
pub(super) fn damage(bytes: &mut [u8], init: &[u8]) {
    let mut at = first_picture(bytes, init).start;
    // A few pictures in, so that parameter sets and the IDR stay as they are.
    for _ in 0..6 {
        at += 4 + u32_at(bytes, at) as usize;
    }
    for _ in 0..3 {
        let size = u32_at(bytes, at) as usize;
        bytes[at + 4 + size.min(6)..at + 4 + size].fill(0x5a);
        at += 4 + size;
    }
}

/// Names the picture's sample entry after another codec.
pub(super) fn rename_entry(init: &mut [u8], from: &[u8; 4], to: &[u8; 4]) {
    let at = init.windows(4).position(|window| window == from);
    let at = at.unwrap_or_else(|| panic!("no sample entry {from:?}"));
    init[at..at + 4].copy_from_slice(to);
}

/// The first four-character code of a picture's sample entry.
pub(super) fn picture_entry(init: &[u8]) -> [u8; 4] {
    let tracks = tracks(init);
    let descriptions = find(init, b"stsd");
    let place = tracks.iter().position(|(_, kind, _)| *kind == Which::Picture);
    let start = descriptions[place.expect("an init section with pictures")].start;
    init[start + 12..start + 16].try_into().expect("four bytes")
}
