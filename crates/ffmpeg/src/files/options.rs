//! Options whose values name files.

use super::inputs::{is_network, is_of_this_machine};
use super::{Name, Reader, Refusal, Side, Word, parted, prefix_of, refuse, text};
use crate::line::{Group, Opt};
use crate::paths;

/// What an option's value is.
enum Meaning {
    /// Read whole.
    Read,
    /// Written as it comes.
    Grows,
    /// Written; complete when it is closed.
    Written,
    /// Segments: a pattern, or one file that grows.
    Segments,
    /// Files that begin so are written, and read by a second pass.
    Begins,
    /// A name beside the output, which the output knows.
    Beside,
    /// Not a path, even if it looks like one.
    Words,
    /// A GPU, or a word.
    Device,
    /// Files that are not followed.
    NotFollowed,
    /// Nothing is known of it.
    Unknown,
}

fn meaning(option: &Opt) -> Meaning {
    match option.name.as_str() {
        "attach" => Meaning::Read,
        "progress" | "vstats_file" | "sdp_file" | "print_graphs_file" | "o" | "stats_enc_pre"
        | "stats_enc_post" | "stats_mux_pre" => Meaning::Grows,
        "dump_attachment" | "segment_list" | "segment_header_filename" | "hls_enc_key_url" => {
            Meaning::Written
        }
        "hls_segment_filename" => Meaning::Segments,
        "passlogfile" | "stats" => Meaning::Begins,
        "hls_fmp4_init_filename"
        | "master_pl_name"
        | "init_seg_name"
        | "media_seg_name"
        | "single_file_name" => Meaning::Beside,
        "metadata"
        | "hls_base_url"
        | "segment_list_entry_prefix"
        | "user_agent"
        | "headers"
        | "referer"
        | "cookies"
        | "disposition"
        | "program"
        | "attachment_metadata" => Meaning::Words,
        "vaapi_device" | "qsv_device" | "hwaccel_device" | "init_hw_device" => Meaning::Device,
        "hls_key_info_file"
        | "fpre"
        | "vpre"
        | "apre"
        | "spre"
        | "pre"
        | "hls_vtt_init"
        | "hls_subtitle_path"
        | "decryption_key_file"
        | "dump_graph" => Meaning::NotFollowed,
        _ => Meaning::Unknown,
    }
}

/// Why an option leads to files that nothing here follows, though its value names none.
fn beyond(option: &Opt) -> Option<&'static str> {
    let value = option.text();
    let has = |flags: &[&str]| value.split(['+', '-']).any(|flag| flags.contains(&flag));
    match option.name.as_str() {
        "hls_flags" if has(&["append_list"]) => Some("it goes on with a playlist that is there"),
        "hls_flags" if value.contains("second_level_segment_") => {
            Some("segments get names that follow from what is in them")
        }
        "flags" if has(&["pass1", "pass2"]) => Some("what two passes keep is not named"),
        "follow" if value != "0" => Some("what is read is still being written"),
        _ => None,
    }
}

/// Codecs' own parameters, `stats=file:...` among them.
const PARAMETERS: &[&str] = &["x264-params", "x264opts", "x265-params", "svtav1-params"];
const PARAMETER_FILES: &[&str] = &[
    "pass",
    "stats",
    "csv",
    "dhdr10-info",
    "zonefile",
    "qpfile",
    "cqmfile",
    "analysis-save",
    "recon",
];

impl Reader {
    /// An option's value that is neither graph nor map.
    pub(super) fn value(&mut self, option: &Opt, group: Option<&Group>) -> Result<Word, Refusal> {
        let value = option.text();
        let shown = || option.to_string();
        if let Some(reason) = beyond(option) {
            return refuse(shown(), reason);
        }
        if PARAMETERS.contains(&option.name.as_str()) {
            let names_file = value.split(':').any(|parameter| {
                parameter.split('=').next().is_some_and(|key| PARAMETER_FILES.contains(&key))
            });
            return if names_file { refuse(shown(), "it names a file") } else { Ok(text(value)) };
        }
        let meaning = meaning(option);
        match meaning {
            Meaning::Words | Meaning::Beside => return Ok(text(value)),
            Meaning::Device => {
                let word = super::devices::word(value);
                self.files.device |= word.len() > 1 || word != text(value);
                return Ok(word);
            }
            Meaning::NotFollowed => return refuse(shown(), "it names a file that may name others"),
            _ => {}
        }
        if option.name == "dump_attachment" && value.is_empty() {
            // Named by the file that they come from.
            self.add_output(self.directory.clone(), Name::Any, false);
            return Ok(text(value));
        }
        if is_network(value) {
            self.files.network.push(shown());
            return Ok(text(value));
        }
        let names_path = value.starts_with('/') || value.starts_with("file:");
        if matches!(meaning, Meaning::Unknown) {
            if names_path {
                return refuse(shown(), "it names a file, and what for is not known");
            }
            return Ok(text(value));
        }
        let Some(path) = paths::local(value) else {
            return match value.is_empty() || value == "-" || value.starts_with("pipe:") {
                true => Ok(text(value)),
                false => refuse(shown(), "what that protocol opens is not known"),
            };
        };
        let whole = self.absolute(path);
        if whole == "/dev/null" {
            return Ok(text(value));
        }
        if is_of_this_machine(&whole) && !matches!(meaning, Meaning::Segments | Meaning::Written) {
            return refuse(shown(), "that belongs to this machine");
        }
        let (directory, file) = parted(&whole);
        match meaning {
            Meaning::Read => self.add_side(Side::File(whole)),
            Meaning::Grows => self.write(path, true),
            Meaning::Written => self.write(path, false),
            Meaning::Segments if directory.contains('%') => {
                return refuse(shown(), "the name of its directory is a pattern");
            }
            Meaning::Segments => {
                // Made in a directory of the playlist's if it names none.
                let strftime =
                    group.is_some_and(|g| g.options.iter().any(|o| o.name == "strftime"));
                let name = match Name::pattern(&file) {
                    Name::Pattern(_) if strftime => Name::Any,
                    name => name,
                };
                let growing = matches!(name, Name::Exactly(_));
                self.add_output(directory, name, growing);
            }
            Meaning::Begins => {
                self.add_side(Side::Matching {
                    directory: directory.clone(),
                    name: Name::Beginning(file.clone()),
                });
                self.add_output(directory, Name::Beginning(file), false);
            }
            _ => {}
        }
        Ok(self.in_tree(path, prefix_of(value).0))
    }
}
