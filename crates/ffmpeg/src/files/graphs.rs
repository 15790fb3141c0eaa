//! Filters that open files.

use super::inputs::is_network;
use super::{Name, Piece, Reader, Refusal, Side, Word, parted, refuse, text};
use crate::filter::{Filter, FilterGraph};
use crate::paths;

/// Stands in a graph where the other place's root will; needs no protection in any of its levels, and
/// is no part of a name that anybody gives.
const MARK: &str = "\u{f8f0}segue\u{f8f1}";

/// What an argument of a filter names.
#[derive(Clone, Copy)]
enum Meaning {
    Read,
    Directory,
    /// As `-i` does.
    Film,
    Written,
}

/// Arguments that name files, by filter; the places of those that may come without a name.
fn arguments(filter: &str) -> &'static [(&'static str, Option<usize>, Meaning)] {
    use Meaning::{Directory, Film, Read, Written};
    match filter {
        "subtitles" | "ass" | "inlineass" => &[
            ("filename", Some(0), Read),
            ("f", None, Read),
            ("fontsdir", None, Directory),
            ("font_dir", None, Directory),
            ("fonts_dir", None, Directory),
        ],
        "movie" | "amovie" => &[("filename", Some(0), Film)],
        "lut3d" | "lut1d" => &[("file", Some(0), Read)],
        "drawtext" => &[("fontfile", Some(0), Read), ("textfile", None, Read)],
        "removelogo" => &[("filename", Some(0), Read), ("f", None, Read)],
        "sendcmd" | "asendcmd" => &[("filename", None, Read), ("f", None, Read)],
        "arnndn" => &[("model", Some(0), Read), ("m", None, Read)],
        "nnedi" => &[("weights", Some(0), Read)],
        "libplacebo" => &[("custom_shader_path", None, Read)],
        "cover_rect" => &[("cover", Some(0), Read)],
        "find_rect" => &[("object", Some(0), Read)],
        "curves" => &[("psfile", None, Read), ("plot", None, Written)],
        "deshake" => &[("filename", None, Written)],
        "sofalizer" => &[("sofa", Some(0), Read)],
        "fieldhint" => &[("hint", Some(0), Read)],
        "vidstabtransform" => &[("input", Some(0), Read)],
        "vidstabdetect" => &[("result", Some(0), Written)],
        "psnr" | "ssim" | "xpsnr" => &[("stats_file", Some(0), Written), ("f", None, Written)],
        "signature" => &[("filename", None, Written)],
        "metadata" | "ametadata" => &[("file", None, Written)],
        "libvmaf" => &[("log_path", None, Written)],
        _ => &[],
    }
}

/// Filters that open what is not looked into: programs, plug-ins, models of several files.
const NOT_FOLLOWED: &[&str] = &[
    "frei0r",
    "frei0r_src",
    "ladspa",
    "lv2",
    "program_opencl",
    "openclsrc",
    "zmq",
    "azmq",
    "dnn_classify",
    "dnn_detect",
    "dnn_processing",
    "sr",
    "derain",
    "ocr",
    "coreimage",
    "coreimagesrc",
    "whisper",
];

impl Reader {
    /// A graph; the text it came from where it names no file.
    pub(super) fn graph(&mut self, graph: &FilterGraph, written: &str) -> Result<Word, Refusal> {
        let mut rewritten = graph.clone();
        let mut changed = false;
        for filter in rewritten.chains.iter_mut().flatten() {
            changed |= self.filter(filter)?;
        }
        if !changed {
            return Ok(text(written));
        }
        if written.contains(MARK) {
            return refuse(written, "it holds signs that are used here");
        }
        Ok(pieces(&rewritten.to_string()))
    }

    fn filter(&mut self, filter: &mut Filter) -> Result<bool, Refusal> {
        let shown = filter.to_string();
        if NOT_FOLLOWED.contains(&filter.name.as_str()) {
            return refuse(shown, "what that filter opens is not followed");
        }
        let known = arguments(&filter.name);
        let mut changed = false;
        // Its file has a name of its own, in the working directory.
        let names_file = filter.arguments.iter().flatten().any(|argument| {
            argument.key.as_deref().is_none_or(|key| matches!(key, "input" | "result"))
        });
        if filter.name.starts_with("vidstab") && !names_file {
            return refuse(shown, "its file is not named");
        }
        for (at, argument) in filter.arguments.iter_mut().flatten().enumerate() {
            let fits = |(key, place, _): &&(&str, Option<usize>, Meaning)| match &argument.key {
                Some(named) => named == key,
                None => *place == Some(at),
            };
            let meaning = match known.iter().find(fits) {
                Some((_, _, meaning)) => *meaning,
                None if argument.value.starts_with('/') && argument.key.is_some() => {
                    return refuse(shown, "it names a file, and what for is not known");
                }
                None => continue,
            };
            changed |= self.argument(&mut argument.value, meaning, &shown)?;
        }
        Ok(changed)
    }

    fn argument(
        &mut self,
        value: &mut String,
        meaning: Meaning,
        shown: &str,
    ) -> Result<bool, Refusal> {
        if is_network(value) {
            self.files.network.push(shown.to_owned());
            return Ok(false);
        }
        let Some(path) = paths::local(value).map(str::to_owned) else {
            // `stats_file=-` is standard output.
            return match value.is_empty() || value == "-" {
                true => Ok(false),
                false => refuse(shown, "what that protocol opens is not known"),
            };
        };
        let whole = self.absolute(&path);
        if super::inputs::is_of_this_machine(&whole) && whole != "/dev/stdin" {
            return refuse(shown, "that belongs to this machine");
        }
        match meaning {
            Meaning::Film => {
                *value = format!("{MARK}{}{MARK}", self.add_input(value));
                return Ok(true);
            }
            Meaning::Read => self.add_side(Side::File(whole.clone())),
            Meaning::Directory => self.add_side(Side::Directory(whole.clone())),
            Meaning::Written => {
                let (directory, name) = parted(&whole);
                self.add_output(directory, Name::Exactly(name), false);
            }
        }
        if !path.starts_with('/') && !path.split('/').any(|part| part == "..") {
            return Ok(false);
        }
        let prefix = if value.starts_with("file:") { "file:" } else { "" };
        *value = format!("{prefix}{MARK}{MARK}{whole}");
        Ok(true)
    }
}

/// Takes what was marked apart: a number between two marks is an input, nothing is the root.
fn pieces(rendered: &str) -> Word {
    let mut word = Vec::new();
    for (at, part) in rendered.split(MARK).enumerate() {
        match (at % 2 == 1, part.parse()) {
            (true, Ok(input)) => word.push(Piece::Input(input)),
            (true, Err(_)) => word.push(Piece::Root),
            (false, _) if part.is_empty() => {}
            (false, _) => word.push(Piece::Text(part.to_owned())),
        }
    }
    word
}
