//! Plants faults into HLS: byte surgery on a copy of a stream, whoever made it.
//!
//! Decided here: which faults a verifier must find, where, and by what name it has to call them.
//! Each leaves everything else as it was (counters are put right, durations are kept), so that a
//! verifier that says more than one thing about it says too much.
//!
//! Streams must have a file per segment, named by relative URIs, and H.264 pictures. Start at
//! [`planted_faults`] and [`Film::copy_of`].

mod catalogue;
mod list;
mod mp4;
mod ts;

use std::fs;
use std::path::{Path, PathBuf};

pub use catalogue::{PlantedFault, planted_faults};
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

    /// What kinds of media its first segment has.
    fn kinds(&self) -> Vec<Which> {
        match self.packaging {
            Packaging::Ts => ts::kinds(&self.read(0)),
            Packaging::FragmentedMp4 => mp4::kinds(&self.init()),
        }
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

    fn forget_end(&self) {
        let mut list = self.list();
        list.replace("#EXT-X-ENDLIST", None);
        if !list.lines.iter().any(|line| line.starts_with("#EXT-X-PLAYLIST-TYPE:")) {
            list.lines.insert(1, "#EXT-X-PLAYLIST-TYPE:VOD".to_owned());
        }
        list.write();
    }

    /// Takes the segment before out of the playlist.
    fn unlist_before(&self, segment: usize) {
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
