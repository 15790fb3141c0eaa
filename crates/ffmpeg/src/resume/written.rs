//! What ffmpeg writes, as far as it is read here: for tests.

pub(super) fn boxed(code: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = (content.len() as u32 + 8).to_be_bytes();
    [&size[..], code, content].concat()
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// An init section of pictures at 24000 ticks a second (track 1, two of them stored ahead) and
/// sound at 48000 (track 2). What is empty before each is in milliseconds.
pub(super) fn init(configuration: &[u8], pictures: Option<u32>, sound: Option<u32>) -> Vec<u8> {
    let track = |id: u32, kind: &[u8; 4], rate: u32, empty: Option<u32>, from: u32, entry| {
        let (edits, count) = match empty {
            Some(empty) => (words(&[empty, u32::MAX, 1 << 16, 0, from, 1 << 16]), 2),
            None => (words(&[0, from, 1 << 16]), 1),
        };
        let list = [words(&[0, count]), edits].concat();
        let handler = [&words(&[0, 0])[..], kind, &words(&[0, 0, 0])].concat();
        let descriptions = boxed(b"stsd", &[words(&[0, 1]), entry].concat());
        let media = [
            boxed(b"mdhd", &words(&[0, 0, 0, rate, 0, 0])),
            boxed(b"hdlr", &handler),
            boxed(b"minf", &boxed(b"stbl", &descriptions)),
        ];
        let parts = [
            boxed(b"tkhd", &words(&[3, 0, 0, id, 0, 0])),
            boxed(b"edts", &boxed(b"elst", &list)),
            boxed(b"mdia", &media.concat()),
        ];
        boxed(b"trak", &parts.concat())
    };
    let avc = boxed(b"avc1", &[&[0; 78], &boxed(b"avcC", configuration)[..]].concat());
    let esds =
        boxed(b"esds", b"\0\0\0\0\x03\x16\0\x02\0\x04\x11\x40\x15\0\0\0.max.avg\x05\x02\x11\x88");
    let aac = boxed(b"mp4a", &[&[0; 28], &esds[..]].concat());
    let priming = if sound.is_none() { 1024 } else { 0 };
    let defaults = |id| boxed(b"trex", &words(&[0, id, 1, 1001, 0, 0]));
    let movie = [
        boxed(b"mvhd", &words(&[0, 0, 0, 1000, 0, 0])),
        track(1, b"vide", 24_000, pictures, 2002, avc),
        track(2, b"soun", 48_000, sound, priming, aac),
        boxed(b"mvex", &[defaults(1), defaults(2)].concat()),
    ];
    [boxed(b"ftyp", b"iso5"), boxed(b"moov", &movie.concat())].concat()
}

/// A segment whose pictures are decoded from this tick on, and shown in another order, and whose
/// sound begins at that tick.
pub(super) fn segment(pictures: i64, sound: i64, offsets: &[u32]) -> Vec<u8> {
    let time = |time: i64| [words(&[1 << 24]), time.to_be_bytes().to_vec()].concat();
    let index = |id: u32, at: i64| {
        let time = at.max(0).to_be_bytes();
        boxed(b"sidx", &[&words(&[1 << 24, id, 1000])[..], &time, &[0; 24]].concat())
    };
    // Sizes and composition offsets; the length is the track's.
    let samples = offsets.iter().flat_map(|offset| [7, *offset]).collect::<Vec<u32>>();
    let run = [words(&[0xa00, offsets.len() as u32]), words(&samples)].concat();
    let pictures_run =
        [boxed(b"tfhd", &words(&[0, 1])), boxed(b"tfdt", &time(pictures)), boxed(b"trun", &run)];
    // A length for all, behind where data begin; each run says where its own do.
    let sound_run = [
        boxed(b"tfhd", &words(&[9, 2, 0, 0, 1024])),
        boxed(b"tfdt", &time(sound)),
        boxed(b"trun", &words(&[1, 2, 0])),
    ];
    let fragment = [
        boxed(b"mfhd", &words(&[0, 1])),
        boxed(b"traf", &pictures_run.concat()),
        boxed(b"traf", &sound_run.concat()),
    ];
    let parts = [
        boxed(b"styp", b"msdh"),
        index(1, pictures),
        index(2, sound),
        boxed(b"moof", &fragment.concat()),
        boxed(b"mdat", b"samples"),
    ];
    parts.concat()
}

/// Four pictures as x264 stores them.
pub(super) const OFFSETS: [u32; 4] = [2002, 4004, 1001, 1001];
