//! Options that say how an encoder goes about its work, and not what the work is.

use segue_model::Effort;

use crate::finding::{Meaning, differs, immaterial, prevents, understood};
use crate::number;

use super::video::Family;

/// Options of encoders that change how well or how fast they work, within the same rate, size and
/// keyframes. Each worker's encoder is set up to suit itself.
const TUNING: [&str; 44] = [
    "allow_sw",
    "aq-mode",
    "aq-strength",
    "aq_mode",
    "async_depth",
    "compression_level",
    "delay",
    "enforce_hrd",
    "extbrc",
    "filler_data",
    "gops_per_idr",
    "gpu",
    "header_insertion_mode",
    "header_spacing",
    "level_limit",
    "look_ahead",
    "look_ahead_depth",
    "low_power",
    "mbbrc",
    "multipass",
    "num_capture_buffers",
    "num_output_buffers",
    "preanalysis",
    "preencode",
    "prio_speed",
    "qcomp",
    "qdiff",
    "qmax",
    "qmin",
    "qp_init",
    "qp_max",
    "qp_max_i",
    "qp_min",
    "qp_min_i",
    "rc-lookahead",
    "rc_init_occupancy",
    "realtime",
    "spatial-aq",
    "spatial_aq",
    "surfaces",
    "temporal-aq",
    "temporal_aq",
    "threads",
    "tune",
];

/// The same within `-x264opts`, in the spellings that are seen, where it does not refine a preset.
const X264: [&str; 31] = [
    "8x8dct",
    "aq-mode",
    "aq-strength",
    "aq_mode",
    "b-adapt",
    "b_adapt",
    "chroma_me",
    "deblock",
    "direct",
    "info",
    "mbtree",
    "me",
    "me_range",
    "merange",
    "mixed-refs",
    "no-8x8dct",
    "no-chroma-me",
    "no-info",
    "no_chroma_me",
    "partitions",
    "psy",
    "psy-rd",
    "qcomp",
    "rc-lookahead",
    "rc_lookahead",
    "sliced-threads",
    "subme",
    "subq",
    "threads",
    "trellis",
    "weightp",
];

/// Those that change how x264 spreads its bits over pictures and their parts, as options of ffmpeg's
/// and of its own.
const SPREAD: [&str; 10] = [
    "aq-mode",
    "aq-strength",
    "aq_mode",
    "deblock",
    "direct",
    "mbtree",
    "psy",
    "psy-rd",
    "qcomp",
    "weightp",
];

pub(super) fn is_tuning(name: &str) -> bool {
    TUNING.contains(&name)
}

/// Whether an option changes how x264 spreads its bits.
pub(super) fn spreads(name: &str) -> bool {
    SPREAD.contains(&name)
}

/// What bounds of x264's quantisers mean: nothing where they are as far apart as they can be.
pub(super) fn quantisers(name: &str, text: &str) -> Meaning {
    let value = number::number(text);
    let wide = match name {
        "qmin" => value.is_some_and(|value| value <= 0.0),
        "qmax" => value.is_some_and(|value| !(0.0..51.0).contains(&value)),
        _ => value.is_some_and(|value| value < 0.0),
    };
    match wide {
        true => immaterial("is so without it"),
        false => {
            prevents("bounds how good or bad a picture may be, and the engine has no such bounds")
        }
    }
}

/// What `-x264opts` means.
pub(super) fn x264(text: &str) -> Meaning {
    // What is refined does not matter for whether it is.
    let mut effort: Effort = match "medium".parse() {
        Ok(effort) => effort,
        Err(error) => return prevents(error.to_string()),
    };
    let mut heeded = Vec::new();
    for pair in text.split(':') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, "1"));
        let harmless = X264.contains(&key)
            || matches!((key, value), ("open_gop" | "open-gop" | "scenecut" | "sc_threshold", "0"));
        if effort.refine(pair) {
            heeded.push(pair);
        } else if !harmless {
            return prevents(format!("Segue does not know what x264's `{pair}` changes"));
        }
    }
    let spread: Vec<&str> = text
        .split(':')
        .filter(|pair| SPREAD.contains(&pair.split('=').next().unwrap_or_default()))
        .collect();
    if !spread.is_empty() {
        return differs(format!(
            "x264 spreads its bits over pictures as `{}` says; a job's encoder spreads them in its own \
             way",
            spread.join(":")
        ));
    }
    let lower = text.split(':').filter_map(has_transform).next_back() == Some(false);
    let lower = lower.then_some("the main profile, unless one is named");
    let hard = format!("how hard x264 tries ({}), where it is the encoder", heeded.join(":"));
    let hard = (!heeded.is_empty()).then_some(hard);
    let heeded: Vec<&str> = lower.into_iter().chain(hard.as_deref()).collect();
    match heeded.is_empty() {
        true => {
            immaterial("how x264 would go about it; each worker's encoder is set up to suit it")
        }
        false => understood(format!("{}; the rest is how to go about it", heeded.join("; "))),
    }
}

/// Whether one of x264's options says that there are transforms of 8x8, or that there are none.
pub(super) fn has_transform(option: &str) -> Option<bool> {
    match option {
        "8x8dct=0" | "no-8x8dct" | "no_8x8dct" => Some(false),
        "8x8dct=1" | "8x8dct" => Some(true),
        _ => None,
    }
}

/// What `-rc` and `-rc_mode` mean, and whether that is a quality; the numbers are in other options.
pub(super) fn rate_control(text: &str) -> (bool, Meaning) {
    match text.to_ascii_lowercase().as_str() {
        "vbr" | "vbr_hq" | "vbr_peak" | "vbr_latency" | "auto" => {
            (false, understood("a bit rate on average"))
        }
        "cbr" | "cbr_hq" | "cbr_ld_hq" => (false, understood("a bit rate, evenly: as capped")),
        "cqp" | "constqp" | "icq" => (true, understood("a constant quality")),
        _ => (false, prevents(format!("the rate control `{text}` is not known"))),
    }
}

/// x264's name for about the same effort; a hint.
pub(super) fn preset(family: Family, text: &str) -> Option<&'static str> {
    Some(match (family, text) {
        (Family::Qsv, "1" | "veryslow") => "veryslow",
        (Family::Qsv, "2" | "slower") => "slower",
        (Family::Qsv, "3" | "slow") => "slow",
        (Family::Qsv, "4" | "medium") => "medium",
        (Family::Qsv, "5" | "fast") => "fast",
        (Family::Qsv, "6" | "faster") => "faster",
        (Family::Qsv, "7" | "veryfast") => "veryfast",
        (Family::Nvenc, "p1" | "hp" | "llhp" | "fast") => "veryfast",
        (Family::Nvenc, "p2") => "faster",
        (Family::Nvenc, "p3" | "default" | "ll") => "fast",
        (Family::Nvenc, "p4" | "medium" | "bd") => "medium",
        (Family::Nvenc, "p5" | "hq" | "llhq" | "slow") => "slow",
        (Family::Nvenc, "p6") => "slower",
        (Family::Nvenc, "p7") => "veryslow",
        (Family::Amf, "speed" | "transcoding" | "ultralowlatency" | "lowlatency") => "veryfast",
        (Family::Amf, "balanced" | "webcam") => "medium",
        (Family::Amf, "quality") => "slow",
        _ => return None,
    })
}
