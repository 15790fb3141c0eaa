//! Plants faults into HLS: byte surgery on a copy of a stream, whoever made it.
//!
//! Decided here: which faults a verifier must find, where, and by what name it has to call them.
//! Each leaves everything else as it was (counters are put right, durations are kept), so that a
//! verifier that says more than one thing about it says too much.
//!
//! Streams must have a file per segment, named by relative URIs, and H.264 pictures. Start at
//! [`planted_faults`] and [`Film::copy_of`].

mod list;
mod mp4;
mod ts;

use std::fs;
use std::path::{Path, PathBuf};

use list::List;
use ts::Which;

/// What segments are wrapped in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packaging {
    /// MPEG-TS.
    Ts,
    /// MP4 fragments with EXT-X-MAP.
    FragmentedMp4,
}

/// A media playlist and its segments, to plant faults into.
#[derive(Clone, Debug)]
pub struct Film {
    playlist: PathBuf,
    packaging: Packaging,
}

/// A fault that a verifier must find.
#[derive(Clone, Copy, Debug)]
pub struct PlantedFault {
    /// What tests call it.
    pub name: &'static str,
    /// What the verifier may call it (its JSON names): all it finds must be among these, and at
    /// least one must be found.
    pub kinds: &'static [&'static str],
    /// How many faults may be reported for it at most: a hole in picture and sound is two.
    pub faults_max: usize,
    /// Whether the segment planted into must be named; else the whole playlist is at fault.
    pub names_segment: bool,
    /// Where it can be planted; `None` for everywhere.
    pub only: Option<Packaging>,
    plant: fn(&Film, usize),
}

impl PlantedFault {
    /// Plants it into a segment that has others before and after it.
    pub fn plant(&self, film: &Film, segment: usize) {
        (self.plant)(film, segment);
    }

    /// Whether it can be planted into such a film.
    pub fn fits(&self, film: &Film) -> bool {
        self.only.is_none_or(|only| only == film.packaging)
    }
}

const fn everywhere(
    name: &'static str,
    kinds: &'static [&'static str],
    faults_max: usize,
    plant: fn(&Film, usize),
) -> PlantedFault {
    PlantedFault { name, kinds, faults_max, names_segment: true, only: None, plant }
}

const GAPS: &[&str] = &["picture gap", "sound gap"];
const FIFTH: i64 = 18_000;
const SECOND: i64 = 90_000;

/// All faults that can be planted into one media playlist.
pub fn planted_faults() -> Vec<PlantedFault> {
    const TS: Option<Packaging> = Some(Packaging::Ts);
    const MP4: Option<Packaging> = Some(Packaging::FragmentedMp4);
    const LIST: bool = false;
    vec![
        everywhere("segment-missing", &["missing segment"], 1, |film, at| film.delete(at)),
        everywhere("segment-empty", &["empty segment"], 1, |film, at| film.write(at, &[])),
        everywhere("segment-truncated", &["truncated segment"], 1, |film, at| film.cut(at, 1)),
        PlantedFault {
            only: TS,
            ..everywhere(
                "segment-cut-between-packets",
                &["truncated segment", "picture gap", "sound gap", "decoder complaint"],
                3,
                |film, at| film.cut(at, 188),
            )
        },
        everywhere("segment-repeated", &["repeated frames"], 1, |film, at| film.repeat(at, false)),
        everywhere("segment-repeated-with-new-times", &["repeated frames"], 1, |film, at| {
            film.repeat(at, true)
        }),
        everywhere("duration-wrong", &["wrong duration"], 1, |film, at| film.lengthen(at, -0.3)),
        PlantedFault {
            names_segment: LIST,
            ..everywhere(
                "target-duration-too-small",
                &["target duration exceeded"],
                1,
                |film, _| film.line("#EXT-X-TARGETDURATION:", Some("#EXT-X-TARGETDURATION:1")),
            )
        },
        PlantedFault {
            names_segment: LIST,
            ..everywhere("end-missing", &["missing end"], 1, Film::forget_end)
        },
        PlantedFault {
            names_segment: LIST,
            ..everywhere(
                "line-malformed",
                &["malformed playlist", "wrong duration"],
                2,
                |film, at| film.set_duration(at, "2.0s"),
            )
        },
        everywhere("segment-early", &["decode time does not rise"], 2, |film, at| {
            film.shift(at..=at, Which::All, -SECOND)
        }),
        everywhere("segment-late", GAPS, 2, |film, at| film.shift(at..=at, Which::All, FIFTH)),
        everywhere("rest-late", GAPS, 2, |film, at| {
            film.shift(at..=film.count() - 1, Which::All, FIFTH)
        }),
        everywhere("segment-unlisted", GAPS, 2, Film::unlist),
        everywhere("sound-late", &["sound gap"], 1, |film, at| {
            film.shift(at..=at, Which::Sound, FIFTH)
        }),
        everywhere("picture-late", &["picture gap"], 1, |film, at| {
            film.shift(at..=at, Which::Picture, FIFTH)
        }),
        everywhere("keyframe-missing", &["no keyframe"], 1, Film::spoil_first_picture),
        everywhere("picture-damaged", &["decoder complaint"], 1, Film::damage),
        everywhere("picture-track-missing", &["missing track"], 1, |film, at| {
            film.drop_track(at, Which::Picture)
        }),
        everywhere("sound-track-missing", &["missing track"], 1, |film, at| {
            film.drop_track(at, Which::Sound)
        }),
        PlantedFault {
            only: TS,
            ..everywhere("last-pictures-missing", &["picture gap"], 1, |film, at| {
                let units = ts::units(&film.read(at), Which::Picture);
                film.drop_units(at, Which::Picture, |number| number + 5 >= units);
            })
        },
        PlantedFault {
            only: TS,
            ..everywhere("sound-missing-within", &["sound gap"], 1, |film, at| {
                film.drop_units(at, Which::Sound, |number| number == 1);
            })
        },
        PlantedFault {
            only: TS,
            ..everywhere("packet-lost", &["continuity counter error"], 1, |film, at| {
                film.write(at, &ts::drop_packet(&film.read(at)))
            })
        },
        PlantedFault {
            only: TS,
            ..everywhere("tables-missing", &["missing PAT or PMT"], 1, Film::drop_tables)
        },
        PlantedFault {
            only: MP4,
            ..everywhere("sample-data-missing", &["truncated segment"], 1, Film::shrink_data)
        },
        PlantedFault {
            only: MP4,
            names_segment: LIST,
            ..everywhere("init-missing", &["missing init"], 1, |film, _| {
                fs::remove_file(film.init_path()).expect("an init section")
            })
        },
        PlantedFault {
            only: MP4,
            names_segment: LIST,
            ..everywhere("codec-tag-of-another-codec", &["wrong codec"], 1, |film, _| {
                film.rename_entry(b"hvc1")
            })
        },
        PlantedFault {
            only: MP4,
            names_segment: LIST,
            ..everywhere("codec-tag-garbage", &["wrong codec"], 1, |film, _| {
                film.rename_entry(b"x?1z")
            })
        },
    ]
}

impl Film {
    /// Copies the directory a media playlist is in, so that faults can be planted into it.
    ///
    /// # Panics
    /// When something cannot be read or written.
    pub fn copy_of(playlist: &Path, into: &Path) -> Film {
        let from = playlist.parent().expect("a playlist is in a directory");
        copy_directory(from, into);
        let name = playlist.file_name().expect("a playlist is a file");
        let playlist = into.join(name);
        let is_mp4 = List::read(&playlist).init().is_some();
        let packaging = if is_mp4 { Packaging::FragmentedMp4 } else { Packaging::Ts };
        Film { playlist, packaging }
    }

    /// Its media playlist.
    pub fn playlist(&self) -> &Path {
        &self.playlist
    }

    /// What its segments are wrapped in.
    pub fn packaging(&self) -> Packaging {
        self.packaging
    }

    /// How many segments it lists.
    pub fn count(&self) -> usize {
        self.list().uris().len()
    }

    /// Puts another init section in the place of its own.
    pub fn swap_init(&self, other: &Path) {
        fs::copy(other, self.init_path()).expect("init sections can be copied");
    }

    /// Names another init section from a segment on, without EXT-X-DISCONTINUITY.
    pub fn change_init(&self, segment: usize, other: &Path) {
        let name = "changed-init.mp4";
        fs::copy(other, self.playlist.with_file_name(name)).expect("init sections can be copied");
        let mut list = self.list();
        list.insert_before(segment, &format!("#EXT-X-MAP:URI=\"{name}\""));
        list.write();
    }

    /// Takes a segment out of the playlist.
    pub fn unlist_last(&self) {
        let mut list = self.list();
        list.remove(list.uris().len() - 1);
        list.write();
    }

    /// Moves the times of all segments by 1/90000 s.
    pub fn shift_all(&self, ticks: i64) {
        self.shift(0..=self.count() - 1, Which::All, ticks);
    }

    /// Its init section.
    ///
    /// # Panics
    /// When it has none.
    pub fn init_path(&self) -> PathBuf {
        self.playlist.with_file_name(self.list().init().expect("a film with EXT-X-MAP"))
    }

    fn list(&self) -> List {
        List::read(&self.playlist)
    }

    fn path(&self, segment: usize) -> PathBuf {
        self.playlist.with_file_name(&self.list().uris()[segment])
    }

    fn read(&self, segment: usize) -> Vec<u8> {
        fs::read(self.path(segment)).expect("a segment")
    }

    fn write(&self, segment: usize, bytes: &[u8]) {
        fs::write(self.path(segment), bytes).expect("segments can be written");
    }

    fn delete(&self, segment: usize) {
        fs::remove_file(self.path(segment)).expect("a segment");
    }

    fn line(&self, start: &str, line: Option<&str>) {
        let mut list = self.list();
        list.replace(start, line);
        list.write();
    }

    fn set_duration(&self, segment: usize, text: &str) {
        let mut list = self.list();
        list.set_duration(segment, text);
        list.write();
    }

    fn lengthen(&self, segment: usize, by: f64) {
        let duration = self.list().duration(segment) + by;
        self.set_duration(segment, &format!("{duration:.6}"));
    }

    fn forget_end(&self, _segment: usize) {
        let mut list = self.list();
        list.replace("#EXT-X-ENDLIST", None);
        if !list.lines.iter().any(|line| line.starts_with("#EXT-X-PLAYLIST-TYPE:")) {
            list.lines.insert(1, "#EXT-X-PLAYLIST-TYPE:VOD".to_owned());
        }
        list.write();
    }

    fn unlist(&self, segment: usize) {
        // The segment planted into is the one after the hole.
        let mut list = self.list();
        list.remove(segment - 1);
        list.write();
        if self.packaging == Packaging::Ts {
            self.renumber();
        }
    }

    /// Cuts a segment to three fifths, to a multiple of `unit` bytes, or one more if that is 1.
    fn cut(&self, segment: usize, unit: usize) {
        let bytes = self.read(segment);
        let length = bytes.len() * 3 / 5 / unit * unit;
        let odd = usize::from(unit == 1 && length.is_multiple_of(188));
        self.write(segment, &bytes[..length + odd]);
        if unit > 1 {
            self.renumber();
        }
    }

    fn repeat(&self, segment: usize, with_new_times: bool) {
        self.write(segment, &self.read(segment - 1));
        if with_new_times {
            let ticks = (self.list().duration(segment - 1) * 90_000.0).round() as i64;
            self.shift(segment..=segment, Which::All, ticks);
        }
        if self.packaging == Packaging::Ts {
            self.renumber();
        }
    }

    fn shift(&self, segments: std::ops::RangeInclusive<usize>, which: Which, ticks: i64) {
        for segment in segments {
            let mut bytes = self.read(segment);
            match self.packaging {
                Packaging::Ts => ts::shift(&mut bytes, which, ticks),
                Packaging::FragmentedMp4 => mp4::shift(&mut bytes, &self.init(), which, ticks),
            }
            self.write(segment, &bytes);
        }
    }

    fn init(&self) -> Vec<u8> {
        fs::read(self.init_path()).expect("an init section")
    }

    fn spoil_first_picture(&self, segment: usize) {
        let mut bytes = self.read(segment);
        match self.packaging {
            Packaging::Ts => ts::spoil_first_picture(&mut bytes),
            Packaging::FragmentedMp4 => mp4::spoil_first_picture(&mut bytes, &self.init()),
        }
        self.write(segment, &bytes);
    }

    fn damage(&self, segment: usize) {
        let mut bytes = self.read(segment);
        match self.packaging {
            Packaging::Ts => ts::damage(&mut bytes),
            Packaging::FragmentedMp4 => mp4::damage(&mut bytes, &self.init()),
        }
        self.write(segment, &bytes);
    }

    fn drop_track(&self, segment: usize, which: Which) {
        match self.packaging {
            Packaging::Ts => self.drop_units(segment, which, |_| true),
            Packaging::FragmentedMp4 => {
                let mut bytes = self.read(segment);
                mp4::drop_track(&mut bytes, &self.init(), which);
                self.write(segment, &bytes);
            }
        }
    }

    fn drop_units(&self, segment: usize, which: Which, drop: impl Fn(usize) -> bool) {
        self.write(segment, &ts::drop_units(&self.read(segment), which, drop));
        self.renumber();
    }

    fn drop_tables(&self, segment: usize) {
        self.write(segment, &ts::drop_tables(&self.read(segment)));
        self.renumber();
    }

    /// Counters must not tell what was done.
    fn renumber(&self) {
        let mut segments: Vec<Vec<u8>> =
            (0..self.count()).map(|segment| self.read(segment)).collect();
        ts::renumber(&mut segments);
        for (segment, bytes) in segments.iter().enumerate() {
            self.write(segment, bytes);
        }
    }

    /// Ends the media data early, boxes intact: the last samples run past it.
    fn shrink_data(&self, segment: usize) {
        let mut bytes = self.read(segment);
        let data = mp4::find(&bytes, b"mdat").pop().expect("a segment has media data");
        let left = data.len() / 2;
        let size = u32::try_from(left + 8).expect("a small segment");
        bytes[data.start - 8..data.start - 4].copy_from_slice(&size.to_be_bytes());
        bytes.drain(data.start + left..data.end);
        self.write(segment, &bytes);
    }

    fn rename_entry(&self, to: &[u8; 4]) {
        let mut init = self.init();
        let from = mp4::picture_entry(&init);
        mp4::rename_entry(&mut init, &from, to);
        fs::write(self.init_path(), init).expect("init sections can be written");
    }
}

/// The first byte of a NAL unit that no longer lets decoding begin: an IDR becomes a picture that
/// depends on others, parameter sets become filler.
fn spoiled_unit(first: u8) -> u8 {
    match first & 0x1f {
        5 => first & 0xe0 | 1,
        6..=8 => first & 0xe0 | 12,
        _ => first,
    }
}

fn copy_directory(from: &Path, into: &Path) {
    fs::create_dir_all(into).expect("the copy's directory can be made");
    for entry in fs::read_dir(from).expect("the film's directory can be read") {
        let entry = entry.expect("an entry");
        let target = into.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("files can be copied");
        }
    }
}
