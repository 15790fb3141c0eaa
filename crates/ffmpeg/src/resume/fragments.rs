//! What fragmented MP4 (ISO/IEC 14496-12) says of its pictures, and the same fragments at another time.
//! Read from workers, who may send anything: what is damaged is `None`, and nothing is taken on trust.
//!
//! ffmpeg's fragments count time in one of two ways. With `frag_discont` each track's decode times are
//! the source's, later by what the edit list takes off again: room for pictures that are stored before
//! they are shown. Without it they begin at zero with each run, and the edit list has an empty part of
//! so many milliseconds before.

use segue_model::Time;

use super::boxes::{Code, boxes, child, code_at, place, u32_at, u64_at};
use super::entries::{Entry, entries};
use super::pictures::{Pictures, Stamps};

const PICTURE: &Code = b"vide";
const SOUND: &Code = b"soun";
/// More than a segment has: what says so is damaged.
const SAMPLES_MAX: usize = 1 << 17;
/// Later than any film: sums of such times never leave their type.
const TICKS_MAX: u64 = 1 << 48;

/// What an init section says of its tracks.
#[derive(Clone, Debug, PartialEq)]
pub struct Init {
    tracks: Vec<Track>,
}

#[derive(Clone, Debug, PartialEq)]
struct Track {
    id: u32,
    kind: Code,
    /// Ticks a second.
    rate: i64,
    /// What is shown before its first sample is nothing, for so long.
    empty: Option<Time>,
    /// The tick at which it begins to be shown.
    from: i64,
    /// How long a sample is that does not say so.
    duration: u32,
    entries: Vec<Entry>,
}

/// When samples of a track are shown.
#[derive(Clone, Debug, Default)]
struct Shown {
    /// In its ticks and in no order.
    times: Vec<i64>,
    /// How much later than decoded the first of them is.
    ahead: i64,
}

/// How fragments count time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As the source does.
    Source,
    /// From where each run begins.
    Run,
}

/// How much later a run's fragments are to be that counts time as the source does, by track.
pub type Moves = Vec<(u32, i64)>;

impl Init {
    /// Of an init section.
    pub fn parse(bytes: &[u8]) -> Option<Init> {
        let movie = child(bytes, b"moov")?;
        let rate = i64::from(u32_at(movie_header(child(movie, b"mvhd")?)?, 0)?);
        let mut tracks = Vec::new();
        for found in boxes(movie) {
            let (code, at) = found?;
            if code == *b"trak" {
                tracks.push(Track::parse(&movie[at], rate)?);
            }
        }
        let extends = child(movie, b"mvex")?;
        for found in boxes(extends) {
            let (code, at) = found?;
            if code == *b"trex" {
                let (id, duration) = (u32_at(&extends[at.clone()], 4)?, u32_at(&extends[at], 12)?);
                let track = tracks.iter_mut().find(|track| track.id == id)?;
                track.duration = duration;
            }
        }
        Some(Init { tracks })
    }

    /// Whether players that have loaded this one can decode and place what belongs to `other`. Where
    /// the two begin is another matter, and what they say for people.
    pub fn serves(&self, other: &Init) -> bool {
        let pairs = || self.tracks.iter().zip(&other.tracks);
        let alike = |(one, other): (&Track, &Track)| {
            let same = (one.id, one.kind, one.rate) == (other.id, other.kind, other.rate);
            // Pictures that are stored earlier would be shown later.
            let placed = one.kind != *PICTURE || one.from == other.from;
            same && placed && one.entries == other.entries
        };
        self.tracks.len() == other.tracks.len() && pairs().all(alike)
    }

    /// The pictures of a segment that goes with this.
    pub fn pictures(&self, segment: &[u8], clock: Clock) -> Option<Pictures> {
        let shown = self.shown(segment)?;
        let of_kind = |kind: &'static Code| {
            let all = self.tracks.iter().zip(&shown);
            all.filter(move |(track, shown)| track.kind == *kind && !shown.times.is_empty())
        };
        let (track, shown) = of_kind(PICTURE).next()?;
        let (first, each) = Pictures::even(shown.times.clone(), track.rate)?;
        let empty = match (clock, track.empty) {
            (_, None) => Time::ZERO,
            // What says so is not ffmpeg's, and not understood.
            (Clock::Source, Some(_)) => return None,
            (Clock::Run, Some(empty)) => exactly(empty, each)?,
        };
        let sound = of_kind(SOUND).filter_map(|(track, shown)| {
            let first = Time::new(shown.times.iter().min()? - track.from, track.rate);
            Some(first + track.empty.unwrap_or(Time::ZERO))
        });
        let first = first - Time::new(track.from, track.rate) + empty;
        Some(Pictures { first, each, sound: sound.min() })
    }

    /// When all of a segment is shown, but for what all of it is earlier or later by.
    pub(super) fn stamps(&self, segment: &[u8]) -> Option<Stamps> {
        let mut tracks: Vec<_> = self.tracks.iter().zip(self.shown(segment)?).collect();
        let sound = tracks.iter().filter(|(track, _)| track.kind == *SOUND);
        let sound = sound
            .filter_map(|(track, shown)| Some(Time::new(*shown.times.iter().min()?, track.rate)));
        let sound = sound.min();
        let (track, shown) = tracks.iter_mut().find(|(track, _)| track.kind == *PICTURE)?;
        Some(Stamps::new(std::mem::take(&mut shown.times), track.rate, sound))
    }

    /// When the first picture of a segment is shown, but for what all of them are earlier or later by;
    /// `head` is its beginning, with the first fragment's description.
    pub fn first(&self, head: &[u8]) -> Option<Time> {
        let mut described = boxes(head).map_while(|found| found);
        let (_, fragment) = described.find(|(code, _)| code == b"moof")?;
        let shown = self.shown(&head[..fragment.end])?;
        let mut tracks = self.tracks.iter().zip(&shown);
        let (track, shown) = tracks.find(|(track, _)| track.kind == *PICTURE)?;
        Some(Time::new(*shown.times.iter().min()?, track.rate))
    }

    /// What makes a run's times, which are the source's, those of the run that began with this and made
    /// this segment.
    pub fn moves(&self, segment: &[u8]) -> Option<Moves> {
        let shown = self.shown(segment)?;
        let later = |(track, shown): (&Track, &Shown)| {
            let begins = match (&track.kind, track.empty) {
                (PICTURE, Some(empty)) => {
                    exactly(empty, Pictures::even(shown.times.clone(), track.rate)?.1)?
                }
                // Rounded down to a millisecond: the half of it is less than anybody can hear.
                (SOUND, Some(empty)) => empty + Time::new(1, 2000),
                // What primes a decoder comes before the beginning.
                (PICTURE | SOUND, None) => Time::new(shown.ahead - track.from, track.rate),
                _ => return None,
            };
            Some((track.id, -begins.to_ticks(track.rate)))
        };
        self.tracks.iter().zip(&shown).map(later).collect()
    }

    /// When the samples of each track are shown.
    fn shown(&self, segment: &[u8]) -> Option<Vec<Shown>> {
        let mut shown = vec![Shown::default(); self.tracks.len()];
        let mut room = SAMPLES_MAX;
        for found in boxes(segment) {
            let (code, at) = found?;
            if code != *b"moof" {
                continue;
            }
            let fragment = &segment[at];
            for found in boxes(fragment) {
                let (code, at) = found?;
                if code == *b"traf" {
                    self.run(&fragment[at], &mut shown, &mut room)?;
                }
            }
        }
        Some(shown)
    }

    /// The samples of one track in one fragment.
    fn run(&self, run: &[u8], shown: &mut [Shown], room: &mut usize) -> Option<()> {
        let header = child(run, b"tfhd")?;
        let id = u32_at(header, 4)?;
        let at = self.tracks.iter().position(|track| track.id == id)?;
        let flags = u32_at(header, 0)?;
        let before = 8 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
        let duration = match flags & 8 {
            0 => self.tracks[at].duration,
            _ => u32_at(header, before)?,
        };
        let mut decode = decode_time(child(run, b"tfdt")?)?;
        if decode.unsigned_abs() > TICKS_MAX {
            return None;
        }
        let (begin, shown) = (decode, &mut shown[at]);
        let is_first = shown.times.is_empty();
        for found in boxes(run) {
            let (code, range) = found?;
            if code == *b"trun" {
                samples(&run[range], duration, &mut decode, &mut shown.times, room)?;
            }
        }
        if let Some(first) = shown.times.first().filter(|_| is_first) {
            shown.ahead = first - begin;
        }
        Some(())
    }
}

impl Track {
    fn parse(track: &[u8], movie_rate: i64) -> Option<Track> {
        let header = child(track, b"tkhd")?;
        let id = u32_at(movie_header(header)?, 0)?;
        let media = child(track, b"mdia")?;
        let rate = i64::from(u32_at(movie_header(child(media, b"mdhd")?)?, 0)?);
        let kind = code_at(child(media, b"hdlr")?, 8)?;
        let table = child(child(media, b"minf")?, b"stbl")?;
        let entries = entries(child(table, b"stsd")?, kind)?;
        let list = child(track, b"edts").and_then(|edits| child(edits, b"elst"));
        let (empty, from) = list.map_or(Some((None, 0)), edits)?;
        if rate == 0 || movie_rate == 0 || from.unsigned_abs() > TICKS_MAX {
            return None;
        }
        let empty = empty.map(|ticks| Time::new(ticks, movie_rate));
        Some(Track { id, kind, rate, empty, from, duration: 0, entries })
    }
}

/// When a run's first picture is shown before which so much is empty. Edit lists know milliseconds, and
/// round down; ffmpeg's pictures lie at multiples of their length.
fn exactly(empty: Time, each: Time) -> Option<Time> {
    let exact = each * (empty / each).ceil();
    (exact - empty < Time::new(1, 1000)).then_some(exact)
}

/// What is empty before it, in the movie's ticks, and where the track begins, in its own.
fn edits(list: &[u8]) -> Option<(Option<i64>, i64)> {
    let wide = *list.first()? == 1;
    let count = usize::try_from(u32_at(list, 4)?).ok()?;
    let entry = |index: usize| match wide {
        true => {
            let (at, max) = (8 + index * 20, i64::try_from(TICKS_MAX).ok()?);
            let duration = i64::try_from(u64_at(list, at)?).ok().filter(|ticks| *ticks < max)?;
            Some((duration, u64_at(list, at + 8)? as i64))
        }
        false => {
            let at = 8 + index * 12;
            Some((i64::from(u32_at(list, at)?), i64::from(u32_at(list, at + 4)? as i32)))
        }
    };
    match count {
        1 => Some((None, entry(0)?.1)).filter(|(_, from)| *from >= 0),
        2 => {
            let ((empty, none), (_, from)) = (entry(0)?, entry(1)?);
            (none == -1 && from >= 0).then_some((Some(empty), from))
        }
        _ => None,
    }
}

/// The samples of a run, each decoded when the one before is over.
fn samples(
    run: &[u8],
    default: u32,
    decode: &mut i64,
    times: &mut Vec<i64>,
    room: &mut usize,
) -> Option<()> {
    let (flags, count) = (u32_at(run, 0)?, usize::try_from(u32_at(run, 4)?).ok()?);
    *room = room.checked_sub(count)?;
    let has = |flag: u32| flags & flag != 0;
    let mut at = 8 + [1, 4].iter().filter(|flag| has(**flag)).count() * 4;
    for _ in 0..count {
        let mut next = |flag: u32| -> Option<Option<u32>> {
            if !has(flag) {
                return Some(None);
            }
            at += 4;
            Some(Some(u32_at(run, at - 4)?))
        };
        let (duration, _, _, offset) = (next(0x100)?, next(0x200)?, next(0x400)?, next(0x800)?);
        // Version 0 has no sign; an offset that needs the bit is negative all the same.
        times.push(*decode + i64::from(offset.unwrap_or(0) as i32));
        *decode += i64::from(duration.unwrap_or(default));
    }
    Some(())
}

/// The same segment with all its tracks later by this.
pub fn moved(mut segment: Vec<u8>, moves: &Moves) -> Option<Vec<u8>> {
    let later = |id: u32| moves.iter().find(|(track, _)| *track == id).map(|(_, by)| *by);
    // Where times are, how many bytes each has, and the new one.
    let mut places: Vec<(usize, usize, i64)> = Vec::new();
    for found in boxes(&segment) {
        let (code, at) = found?;
        let (content, begin) = (&segment[at.clone()], at.start);
        match &code {
            // Some readers believe the index before the fragment itself.
            b"sidx" => {
                let (time, width) = versioned(content, 12)?;
                let time = time.checked_add(later(u32_at(content, 4)?)?)?.max(0);
                places.push((begin + 12, width, time));
            }
            b"moof" => {
                for found in boxes(content) {
                    let (code, at) = found?;
                    if code != *b"traf" {
                        continue;
                    }
                    let run = &content[at.clone()];
                    let by = later(u32_at(child(run, b"tfhd")?, 4)?)?;
                    let place = place(run, b"tfdt")?;
                    let (time, width) = versioned(&run[place.clone()], 4)?;
                    let begin = begin + at.start + place.start + 4;
                    places.push((begin, width, time.checked_add(by)?));
                }
            }
            _ => {}
        }
    }
    for (at, width, time) in places {
        let bytes = match width {
            4 => u32::try_from(time).ok()?.to_be_bytes().to_vec(),
            _ => time.to_be_bytes().to_vec(),
        };
        segment[at..at + width].copy_from_slice(&bytes);
    }
    Some(segment)
}

/// The decode time that a `tfdt` box says. Before zero it is what the muxer's counter makes of it.
fn decode_time(content: &[u8]) -> Option<i64> {
    Some(versioned(content, 4)?.0)
}

/// A time of 4 bytes or, from version 1 on, of 8, and which.
fn versioned(content: &[u8], at: usize) -> Option<(i64, usize)> {
    match content.first()? {
        0 => Some((i64::from(u32_at(content, at)?), 4)),
        _ => Some((u64_at(content, at)? as i64, 8)),
    }
}

/// What stands behind the two dates with which the headers of a movie, a track and a medium begin.
fn movie_header(content: &[u8]) -> Option<&[u8]> {
    content.get(if *content.first()? == 0 { 12 } else { 20 }..)
}

#[cfg(test)]
mod tests {
    use super::super::written::{OFFSETS, boxed, init, segment};
    use super::*;

    /// The picture of this number.
    fn picture(number: i64) -> Time {
        Time::new(1001, 24_000) * number
    }

    fn pictures(init: &[u8], segment: &[u8], clock: Clock) -> Option<Pictures> {
        Init::parse(init)?.pictures(segment, clock)
    }

    #[test]
    fn what_counts_as_the_source_does_is_told_as_it_stands() {
        let init = init(b"c", None, None);
        let found = pictures(&init, &segment(24 * 1001, 46_072, &OFFSETS), Clock::Source).unwrap();
        assert_eq!((found.first, found.each), (picture(24), picture(1)));
        assert_eq!(found.sound, Some(Time::new(46_072 - 1024, 48_000)));
        // What primes the decoder of sound comes before time.
        let found = pictures(&init, &segment(0, -1024, &OFFSETS), Clock::Source).unwrap();
        assert_eq!(found.first, Time::ZERO);
        // What follows the description of a fragment is not needed for the first.
        let later = segment(24 * 1001, 0, &OFFSETS);
        let head = |less: usize| Init::parse(&init)?.first(&later[..later.len() - less]);
        assert_eq!((head(0), head(7)), (Some(picture(26)), Some(picture(26))));
        assert_eq!(head(16), None);
        assert!(found.sound < Some(Time::ZERO));
    }

    #[test]
    fn what_counts_from_where_its_run_begins_is_told_by_what_is_empty_before() {
        // Picture 73 is shown at 3044.7 ms.
        let init = init(b"c", Some(3044), Some(2978));
        let segment = segment(24 * 1001, 48_000, &OFFSETS);
        let found = pictures(&init, &segment, Clock::Run).unwrap();
        assert_eq!((found.first, found.each), (picture(73 + 24), picture(1)));
        assert_eq!(found.sound, Some(Time::from_millis(3978)));
        assert_eq!(pictures(&init, &segment, Clock::Source), None);
        let elsewhere = super::super::written::init(b"c", Some(3020), Some(2978));
        assert_eq!(pictures(&elsewhere, &segment, Clock::Run), None);
        let moves = Init::parse(&init).unwrap().moves(&segment).unwrap();
        assert_eq!(moves, [(1, -73 * 1001), (2, -142_968)]);
    }

    #[test]
    fn a_run_from_the_films_beginning_is_moved_by_its_priming_alone() {
        let init = Init::parse(&init(b"c", None, None)).unwrap();
        let moves = init.moves(&segment(0, 0, &OFFSETS)).unwrap();
        assert_eq!(moves, [(1, 0), (2, 1024)]);
        // Its pictures began before time by one.
        let early: Vec<u32> = OFFSETS.iter().map(|offset| offset - 1001).collect();
        assert_eq!(init.moves(&segment(0, 0, &early)).unwrap()[0], (1, 1001));
    }

    #[test]
    fn fragments_are_moved_with_their_index_and_nothing_else() {
        let moves = vec![(1, -73 * 1001), (2, 500)];
        let made = moved(segment(73 * 1001, 1000, &OFFSETS), &moves).unwrap();
        assert!(made == segment(0, 1500, &OFFSETS));
        assert_eq!(moved(segment(0, 0, &OFFSETS), &vec![(1, 7)]), None, "an unknown track");
        let far = vec![(1, i64::MAX), (2, 0)];
        assert_eq!(moved(segment(1, 0, &OFFSETS), &far), None);
    }

    #[test]
    fn a_time_of_four_bytes_stays_one() {
        let track = |time: u32| {
            let id = boxed(b"tfhd", &[[0; 4], 1_u32.to_be_bytes()].concat());
            let time = boxed(b"tfdt", &[[0; 4], time.to_be_bytes()].concat());
            boxed(b"moof", &boxed(b"traf", &[id, time].concat()))
        };
        assert_eq!(moved(track(9), &vec![(1, -2)]), Some(track(7)));
        assert_eq!(moved(track(9), &vec![(1, -10)]), None);
    }

    #[test]
    fn uneven_pictures_are_not_told() {
        let init = init(b"c", None, None);
        for offsets in [&[2002, 2002, 3003][..], &[2002], &[]] {
            assert_eq!(pictures(&init, &segment(0, 0, offsets), Clock::Source), None);
        }
    }

    #[test]
    fn players_are_served_by_the_init_section_of_another_run_but_not_of_another_encoder() {
        let first = Init::parse(&init(b"c", None, None)).unwrap();
        assert!(first.serves(&Init::parse(&init(b"c", Some(41), Some(7))).unwrap()));
        assert!(!first.serves(&Init::parse(&init(b"d", None, None)).unwrap()));
    }

    #[test]
    fn what_is_damaged_is_not_told_and_harms_nobody() {
        let (init, segment) = (init(b"c", Some(41), Some(7)), segment(1001, 5, &OFFSETS));
        let moves = vec![(1, 7), (2, 7)];
        for end in 0..init.len() {
            assert_eq!(Init::parse(&init[..end]), None, "{end}");
        }
        let parsed = Init::parse(&init).unwrap();
        for end in 0..segment.len() {
            let cut = &segment[..end];
            // Where samples are is nothing that is asked.
            let lacks_samples = end + b"....mdatsamples".len() == segment.len();
            assert_eq!(parsed.pictures(cut, Clock::Run).is_some(), lacks_samples, "{end}");
            assert!(moved(cut.to_vec(), &moves).is_none_or(|made| made.len() == end), "{end}");
        }
        // Any byte may be anything: whatever is made of it, it ends.
        for (whole, is_init) in [(&init, true), (&segment, false)] {
            for at in 0..whole.len() {
                for byte in [0, 1, 0x7f, 0x80, 0xff] {
                    let mut broken = whole.clone();
                    broken[at] = byte;
                    if is_init {
                        let broken = Init::parse(&broken);
                        broken.and_then(|broken| broken.pictures(&segment, Clock::Run));
                    } else {
                        parsed.pictures(&broken, Clock::Run);
                        parsed.moves(&broken);
                        moved(broken, &moves);
                    }
                }
            }
        }
        // A count without anything that is counted.
        let mut many = segment.clone();
        let at = many.windows(4).rposition(|code| code == b"trun").unwrap();
        many[at + 8..at + 12].copy_from_slice(&u32::MAX.to_be_bytes());
        assert_eq!(parsed.pictures(&many, Clock::Run), None);
    }
}
