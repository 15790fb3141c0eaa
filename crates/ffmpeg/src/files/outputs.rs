//! What stands alone on a line, and what muxers write beside it.

use super::inputs::{DEVICES, is_network, is_of_this_machine};
use super::{Name, Reader, Refusal, Word, format_of, parted, prefix_of, refuse, text};
use crate::line::Group;
use crate::paths;

/// Formats whose files name each other, in ways that are not looked into.
const NOT_FOLLOWED: &[&str] = &["tee", "hds", "smoothstreaming", "webm_chunk", "ffmetadata_tee"];
/// Formats that write pictures, each a file of its own.
const PICTURES: &[&str] = &["image2"];
const PICTURE_EXTENSIONS: &[&str] = &[
    "bmp", "dpx", "exr", "jpeg", "jpg", "ljpg", "pam", "pbm", "pcx", "pgm", "pgmyuv", "png", "ppm",
    "sgi", "sun", "ras", "tga", "tif", "tiff", "jp2", "j2c", "j2k", "xwd", "xbm", "xface", "im1",
];

impl Reader {
    pub(super) fn output(&mut self, group: &Group) -> Result<Word, Refusal> {
        let name = group.file.name.as_str();
        let (format, extension) = format_of(group);
        let said = |formats: &[&str]| format.is_some_and(|format| formats.contains(&format));
        if said(&["null"]) {
            // Nothing is written, whatever it is called.
            return Ok(text(name));
        }
        if said(DEVICES) {
            return refuse(name, "that is a device of this machine");
        }
        if said(NOT_FOLLOWED) {
            return refuse(name, "what is written there is not followed");
        }
        match name {
            "-" | "pipe:" | "pipe:1" | "pipe:2" | "fd:" => return Ok(text(name)),
            "/dev/stdout" => return Ok(text("pipe:1")),
            "/dev/null" => return Ok(text(name)),
            _ => {}
        }
        if is_network(name) {
            self.files.network.push(name.to_owned());
            return Ok(text(name));
        }
        let Some(path) = paths::local(name) else {
            return refuse(name, "what that protocol opens is not known");
        };
        let whole = self.absolute(path);
        if is_of_this_machine(&whole)
            && !whole.starts_with("/dev/shm/")
            && !whole.starts_with("/run/")
        {
            return refuse(name, "that belongs to this machine");
        }
        let (directory, file) = parted(&whole);
        if directory.contains('%') && said(&["hls", "segment", "ssegment", "stream_segment"]) {
            return refuse(name, "the name of its directory is a pattern");
        }
        let is = |formats: &[&str], extensions: &[&str]| {
            said(formats) || (format.is_none() && extensions.contains(&extension.as_str()))
        };
        if is(&["hls"], &["m3u8"]) {
            self.playlist(group, directory, &file);
        } else if is(&["dash"], &["mpd"]) {
            self.add_output(directory.clone(), Name::Exactly(file), false);
            self.add_output(directory, Name::Any, false);
        } else if said(&["segment", "ssegment", "stream_segment", "stream_segment,ssegment"]) {
            self.add_output(directory, Name::pattern(&file), false);
        } else if is(PICTURES, PICTURE_EXTENSIONS) && extension == "y" {
            return refuse(name, "each picture is several files");
        } else if is(PICTURES, PICTURE_EXTENSIONS) {
            let literal = on(group, "update");
            let name = if literal { Name::Exactly(file) } else { Name::pattern(&file) };
            self.add_output(directory, name, false);
        } else {
            self.add_output(directory, Name::Exactly(file), true);
        }
        Ok(self.in_tree(path, prefix_of(name).0))
    }

    /// An HLS playlist: its segments have its name and a number, unless an option says otherwise.
    fn playlist(&mut self, group: &Group, directory: String, file: &str) {
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
        // Variants have numbers in its place.
        let stem = stem.split('%').next().unwrap_or(stem);
        self.add_output(directory.clone(), Name::pattern(file), false);
        // Where nothing names them: segments, subtitles and their playlist.
        self.add_output(directory.clone(), Name::Beginning(stem.to_owned()), false);
        let set = |name: &str| group.options.iter().rev().find(|option| option.name == name);
        if on_text(set("hls_segment_type").map(|option| option.text()), "fmp4") {
            let init = set("hls_fmp4_init_filename").map_or("init.mp4", |option| option.text());
            let (directory, init) = parted(&super::absolute(&directory, init));
            self.add_output(directory, Name::pattern(&init), false);
        }
        if let Some(master) = set("master_pl_name") {
            let (directory, master) = parted(&super::absolute(&directory, master.text()));
            self.add_output(directory, Name::Exactly(master), false);
        }
    }
}

fn on(group: &Group, option: &str) -> bool {
    let set = group.options.iter().rev().find(|o| o.name == option);
    set.is_some_and(|o| !matches!(o.text(), "0" | "false" | "no" | ""))
}

fn on_text(value: Option<&str>, expected: &str) -> bool {
    value == Some(expected)
}
