//! From options of the hls muxer to boundaries and names.

use segue_model::{Packaging, Time};

use crate::finding::{Findings, Meaning, differs, immaterial, prevents, understood, unknown};
use crate::job::{PlaylistKind, Projection};
use crate::line::Opt;
use crate::number;
use crate::paths;

/// What is known of the files to write so far.
#[derive(Debug)]
pub(super) struct Hls {
    pub segment: Option<Time>,
    pub packaging: Packaging,
    pub first_segment: u32,
    /// What the transport stream muxer adds half of to all times; its default.
    max_delay: Time,
    /// `-f hls` was said.
    pub is_hls: bool,
    kind: Option<PlaylistKind>,
    all_listed: bool,
    segments: Option<String>,
    init: Option<String>,
    by_rename: bool,
    independent: bool,
    negative_kept: bool,
    /// Fragments carry the film's times also after a seek.
    absolute: bool,
    playlist: Option<String>,
}

impl Hls {
    pub fn new() -> Hls {
        Hls {
            segment: None,
            packaging: Packaging::MpegTs,
            first_segment: 0,
            max_delay: Time::new(7, 10),
            is_hls: false,
            kind: None,
            all_listed: false,
            segments: None,
            init: None,
            by_rename: false,
            independent: false,
            negative_kept: false,
            absolute: false,
            playlist: None,
        }
    }

    /// The playlist.
    pub fn file(&mut self, name: &str) -> Meaning {
        let Some(path) = paths::local(name) else {
            return prevents("is no file: a job's files appear in a directory");
        };
        self.playlist = Some(path.to_owned());
        // Without -f the name decides.
        if !self.is_hls {
            return prevents("is not said to be HLS (`-f hls`), which is what the engine makes");
        }
        understood(format!("the playlist, {path}"))
    }

    /// `None` for options that are not of the muxer.
    pub fn option(&mut self, option: &Opt) -> Option<Meaning> {
        let text = option.text();
        if option.suffix.is_some() {
            return None;
        }
        Some(match option.name.as_str() {
            "f" => self.format(text),
            "hls_time" => match number::time(text).filter(|time| time.is_positive()) {
                Some(time) => {
                    self.segment = Some(time);
                    understood(format!("segments of {} s", time.as_secs_f64()))
                }
                None => prevents("is no length of a segment"),
            },
            "hls_segment_type" => match text {
                "mpegts" => {
                    self.packaging = Packaging::MpegTs;
                    understood("segments are transport streams")
                }
                "fmp4" => {
                    self.packaging = Packaging::Fmp4;
                    understood("segments are fragmented MP4")
                }
                _ => prevents("is no type of segment"),
            },
            "hls_fmp4_init_filename" => {
                self.init = Some(text.to_owned());
                understood("the name of the header")
            }
            "hls_segment_filename" => match paths::local(text).filter(|name| numbered(name)) {
                Some(name) => {
                    self.segments = Some(name.to_owned());
                    understood("the names of segments")
                }
                None => prevents("is no file name with one number (`%d`) in it"),
            },
            "start_number" => match number::count(text).and_then(|n| u32::try_from(n).ok()) {
                Some(first) => {
                    self.first_segment = first;
                    understood(format!("segment {first} is the first that is wanted"))
                }
                None => prevents("is no number of a segment"),
            },
            "hls_playlist_type" => match text {
                "vod" => {
                    self.kind = Some(PlaylistKind::Vod);
                    understood("a playlist that is written when all is there")
                }
                _ => prevents("a playlist of something live, which the engine does not make"),
            },
            "hls_list_size" => {
                self.all_listed = text == "0";
                if self.all_listed {
                    understood("all segments are listed")
                } else {
                    prevents("only the last segments are listed, as of something live")
                }
            }
            "hls_flags" => self.flags(text),
            "hls_segment_options" | "hls_ts_options" => self.segment_options(text),
            "individual_header_trailer" => immaterial("of the segment muxer, which is not asked"),
            "hls_base_url" => prevents("puts addresses into the playlist"),
            "max_delay" => match number::count(text).and_then(|n| i64::try_from(n).ok()) {
                Some(micros) if micros <= 60_000_000 => {
                    self.max_delay = Time::new(micros, 1_000_000);
                    understood("what transport streams' timestamps begin with, by half")
                }
                _ => prevents("is no delay"),
            },
            "avoid_negative_ts" => {
                self.negative_kept = matches!(text, "disabled" | "0");
                if self.negative_kept {
                    understood("timestamps stay what they are")
                } else {
                    prevents("timestamps are shifted by what the first one is")
                }
            }
            "max_muxing_queue_size"
            | "muxing_queue_data_threshold"
            | "thread_queue_size"
            | "max_interleave_delta"
            | "flush_packets" => immaterial("how much ffmpeg holds in memory"),
            _ => return None,
        })
    }

    fn format(&mut self, text: &str) -> Meaning {
        self.is_hls = text == "hls";
        if self.is_hls {
            understood("HLS, which is what the engine makes")
        } else {
            prevents(format!("`{text}` is not HLS, which is what the engine makes"))
        }
    }

    fn flags(&mut self, text: &str) -> Meaning {
        for flag in text.split('+').filter(|flag| !flag.is_empty()) {
            match flag {
                "independent_segments" => self.independent = true,
                "temp_file" => self.by_rename = true,
                _ => return prevents(format!("`{flag}` changes what is written")),
            }
        }
        understood("segments get their names when they are whole, and stand on their own")
    }

    /// Flags of the MP4 muxer that make its fragments stand on their own, as the engine's do.
    fn segment_options(&mut self, text: &str) -> Meaning {
        let flags = text.strip_prefix("movflags=").unwrap_or("?");
        let known =
            ["frag_discont", "skip_sidx", "frag_keyframe", "empty_moov", "default_base_moof"];
        if flags.split('+').filter(|flag| !flag.is_empty()).all(|flag| known.contains(&flag)) {
            self.absolute = flags.split('+').any(|flag| flag == "frag_discont");
            immaterial("fragments stand on their own in any case")
        } else {
            unknown()
        }
    }

    /// What the transport stream muxer adds to all times: twice its delay.
    pub fn offset(&self) -> Time {
        match self.packaging {
            Packaging::MpegTs => self.max_delay * 2,
            Packaging::Fmp4 => Time::ZERO,
        }
    }

    /// The names, if enough was said.
    pub fn finish(&self, overwrite: bool, findings: &mut Findings) -> Option<Projection> {
        if !self.all_listed && self.kind != Some(PlaylistKind::Vod) {
            let live = "the last segments alone are listed, as of something live";
            findings.add("(no -hls_list_size 0)", prevents(live));
        }
        if !self.negative_kept {
            let shifted = "ffmpeg shifts all timestamps if the first is below 0";
            findings.add("(no -avoid_negative_ts disabled)", prevents(shifted));
        }
        if self.packaging == Packaging::Fmp4 && self.first_segment > 0 && !self.absolute {
            let counted = "ffmpeg counts the times of fragments from the seek on, and an edit list in \
                           its header says where that is; a job's are the film's, wherever one seeks";
            findings.add("(no -hls_segment_options movflags=+frag_discont)", differs(counted));
        }
        if self.segments.is_none() {
            let derived = "the names of segments follow from the playlist's in ways that Segue \
                           leaves to ffmpeg";
            findings.add("(no -hls_segment_filename)", prevents(derived));
        }
        let init = match self.packaging {
            Packaging::MpegTs => None,
            Packaging::Fmp4 => Some(self.init.clone().unwrap_or_else(|| "init.mp4".to_owned())),
        };
        Some(Projection {
            playlist: self.playlist.clone()?,
            playlist_kind: self.kind.unwrap_or(PlaylistKind::Growing),
            segments: self.segments.clone()?,
            init,
            overwrite,
            by_rename: self.by_rename,
            independent: self.independent,
        })
    }
}

/// Whether a name has exactly one `%d` or `%03d`, and no other percent sign.
fn numbered(name: &str) -> bool {
    let mut numbers = 0;
    let mut rest = name;
    while let Some(at) = rest.find('%') {
        let digits = rest[at + 1..].trim_start_matches(|c: char| c.is_ascii_digit());
        match digits.strip_prefix('d') {
            Some(after) => {
                numbers += 1;
                rest = after;
            }
            None => return false,
        }
    }
    numbers == 1
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn a_name_of_segments_has_one_number() {
        assert!(numbered("/a/b%d.ts"));
        assert!(numbered("seg_%05d.ts"));
        for name in ["/a/b.ts", "/a%20b/c%d.ts", "%d_%d.ts", "100%", "%v_%d.ts", "%"] {
            assert!(!numbered(name), "{name}");
        }
    }
}
