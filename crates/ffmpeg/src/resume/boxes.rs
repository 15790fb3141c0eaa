//! The boxes that files of MP4 are made of (ISO/IEC 14496-12, 4.2). Nothing is read that is not there.

use std::ops::Range;

pub(super) type Code = [u8; 4];

/// The boxes that fill `bytes`, and where their content is; `None` where there is none, and the end.
pub(super) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Option<(Code, Range<usize>)>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= bytes.len() {
            return None;
        }
        let found = first(&bytes[at..]).map(|(code, header, size)| {
            let range = at + header..at + size;
            at += size;
            (code, range)
        });
        if found.is_none() {
            at = bytes.len();
        }
        Some(found)
    })
}

/// The box with which `bytes` begin: its name, its header's size, and its own.
fn first(bytes: &[u8]) -> Option<(Code, usize, usize)> {
    let (header, size) = match u32_at(bytes, 0)? {
        0 => (8, bytes.len()),
        1 => (16, usize::try_from(u64_at(bytes, 8)?).ok()?),
        size => (8, usize::try_from(size).ok()?),
    };
    let code = code_at(bytes, 4)?;
    (header <= size && size <= bytes.len()).then_some((code, header, size))
}

pub(super) fn place(bytes: &[u8], code: &Code) -> Option<Range<usize>> {
    let mut all = boxes(bytes).map_while(|found| found);
    all.find(|(found, _)| found == code).map(|(_, range)| range)
}

pub(super) fn child<'a>(bytes: &'a [u8], code: &Code) -> Option<&'a [u8]> {
    bytes.get(place(bytes, code)?)
}

pub(super) fn code_at(bytes: &[u8], at: usize) -> Option<Code> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok()
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    code_at(bytes, at).map(u32::from_be_bytes)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
    Some(u64::from_be_bytes(bytes))
}
