//! An edit list in a header of fragmented MP4.
//!
//! libav's muxer makes one of the first packet that it sees, so that each segment's muxer would make
//! another; this one is the same for all of a job.

/// `init` with an edit list that shows the picture's track from `media_time` on, in the track's ticks;
/// `None` if there is no such track.
pub(super) fn added(init: &[u8], media_time: i64) -> Option<Vec<u8>> {
    let media_time = i32::try_from(media_time).ok()?;
    let movie = find(init, 0..init.len(), b"moov")?;
    let mut rest = movie.content.clone();
    let track = loop {
        let track = find(init, rest.clone(), b"trak")?;
        if is_picture(init, &track) {
            break track;
        }
        rest.start = track.content.end;
    };
    // ISO/IEC 14496-12, 8.3.1: behind the track's header.
    let at = find(init, track.content.clone(), b"tkhd")?.content.end;
    let edits = edit_box(media_time);
    let mut made = init.to_vec();
    for grown in [&movie, &track] {
        let size = u32::try_from(grown.content.end - grown.start + edits.len()).ok()?;
        made[grown.start..grown.start + 4].copy_from_slice(&size.to_be_bytes());
    }
    made.splice(at..at, edits);
    Some(made)
}

/// Where a box is.
struct Found {
    /// Its size begins here.
    start: usize,
    /// What it holds.
    content: std::ops::Range<usize>,
}

/// The first box of a kind among those that lie side by side in `within`.
fn find(bytes: &[u8], within: std::ops::Range<usize>, kind: &[u8; 4]) -> Option<Found> {
    let mut start = within.start;
    while start + 8 <= within.end {
        let size = bytes.get(start..start + 4)?.try_into().ok().map(u32::from_be_bytes)? as usize;
        let end = start.checked_add(size).filter(|end| size >= 8 && *end <= within.end)?;
        if &bytes[start + 4..start + 8] == kind {
            return Some(Found { start, content: start + 8..end });
        }
        start = end;
    }
    None
}

fn is_picture(bytes: &[u8], track: &Found) -> bool {
    let handler = find(bytes, track.content.clone(), b"mdia")
        .and_then(|media| find(bytes, media.content, b"hdlr"));
    // Version and flags, and a field that is always 0, come before the kind.
    handler.is_some_and(|it| bytes[it.content].get(8..12) == Some(b"vide"))
}

/// `edts` with one entry (ISO/IEC 14496-12, 8.6.6), whose duration of 0 means all fragments.
fn edit_box(media_time: i32) -> Vec<u8> {
    let mut list = Vec::new();
    let whole = 1_i32 << 16;
    list.extend(36_u32.to_be_bytes());
    list.extend(b"edts");
    list.extend(28_u32.to_be_bytes());
    list.extend(b"elst");
    for field in [0, 1, 0, media_time, whole] {
        list.extend(field.to_be_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let size = (content.len() as u32 + 8).to_be_bytes();
        [&size[..], kind, content].concat()
    }

    fn track(handler: &[u8; 4]) -> Vec<u8> {
        let handler = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 13]].concat());
        boxed(b"trak", &[boxed(b"tkhd", &[7; 4]), boxed(b"mdia", &handler)].concat())
    }

    #[test]
    fn an_edit_list_is_put_behind_the_header_of_the_picture_s_track() {
        let (sound, picture) = (track(b"soun"), track(b"vide"));
        let init = [boxed(b"ftyp", b"iso5"), boxed(b"moov", &[sound, picture].concat())].concat();
        let made = added(&init, 3754).expect("a picture");
        assert_eq!(made.len(), init.len() + 36);
        let movie = find(&made, 0..made.len(), b"moov").expect("moov");
        assert_eq!(movie.content.end, made.len());
        let sound = find(&made, movie.content.clone(), b"trak").expect("trak");
        assert!(find(&made, sound.content.clone(), b"edts").is_none());
        let rest = sound.content.end..movie.content.end;
        let picture = find(&made, rest, b"trak").expect("trak");
        let edits = find(&made, picture.content.clone(), b"edts").expect("edts");
        let list = find(&made, edits.content, b"elst").expect("elst");
        assert_eq!(made[list.content][12..16], 3754_u32.to_be_bytes());
        assert!(find(&made, picture.content, b"mdia").is_some());
    }

    #[test]
    fn what_is_no_header_gets_no_edit_list() {
        let init = boxed(b"moov", &track(b"soun"));
        assert_eq!(added(&init, 1), None);
        let init = boxed(b"moov", &track(b"vide"));
        for length in 0..init.len() {
            assert_eq!(added(&init[..length], 1), None, "{length}");
        }
        assert_eq!(added(&[0; 64], 1), None);
    }
}
