//! From video filters to steps: the hardware's filters mean the same as the software's.

use segue_model::DeinterlaceMethod;

use crate::expression::Expression;
use crate::filter::Filter;
use crate::finding::{Meaning, differs, prevents, understood};
use crate::job::Colour;
use crate::job::picture::{Crop, Fit, SIZE_VARIABLES, Scaling, Step, Turn};
use crate::number;

use DeinterlaceMethod::{Bwdif, Yadif};

/// What a chain of filters does to a picture.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub steps: Vec<Step>,
    pub colour: Option<Colour>,
    /// Why the format that pictures have at last is none that the engine makes.
    format_fault: Option<Fault>,
    /// Pictures are made into 8 bits and 4:2:0, whatever they were.
    pub plain: bool,
    /// What the engine does in its own way.
    own_way: Vec<&'static str>,
}

/// Why a filter is not understood.
type Fault = String;

/// Pixel formats of 8 bits and 4:2:0, which is what H.264 for players is made of.
pub(super) const PLAIN: [&str; 3] = ["yuv420p", "nv12", "nv21"];
/// Formats that say on which hardware a picture is.
const SURFACES: [&str; 11] = [
    "vaapi",
    "qsv",
    "cuda",
    "d3d11",
    "d3d11va_vld",
    "opencl",
    "vulkan",
    "drm_prime",
    "videotoolbox_vld",
    "videotoolbox",
    "dxva2_vld",
];

/// Reads the filters of a chain and says what they mean together.
pub(super) fn read(filters: &[Filter]) -> Result<(Chain, Meaning), Fault> {
    let mut chain = Chain::default();
    // What is farthest from the engine is named first, whatever stands before it.
    if let Some((name, reason)) =
        filters.iter().find_map(|filter| hard(&filter.name).map(|reason| (&filter.name, reason)))
    {
        return Err(format!("{name}: {reason}"));
    }
    for filter in filters {
        chain.filter(filter).map_err(|fault| format!("{}: {fault}", filter.name))?;
    }
    if let Some(fault) = chain.format_fault.take() {
        return Err(fault);
    }
    let words = words(&chain);
    let meaning = match chain.own_way.is_empty() {
        true => understood(words),
        false => differs(format!("{words}; {}", chain.own_way.join(", and "))),
    };
    Ok((chain, meaning))
}

fn words(chain: &Chain) -> String {
    let mut words = Vec::new();
    for step in &chain.steps {
        words.push(match step {
            Step::Deinterlace { every_field: true, .. } => {
                "a frame of each field (deinterlaced)".to_owned()
            }
            Step::Deinterlace { .. } => "deinterlaced".to_owned(),
            Step::Scale(scaling) => format!("scaled to {} x {}", scaling.width, scaling.height),
            Step::Turn(turn) => turn.words().to_owned(),
            Step::Crop(crop) => format!("cut to {} x {}", crop.width, crop.height),
            Step::PixelShape(shape) => format!("pixels of shape {shape}"),
            Step::PictureShape(shape) => format!("shown in shape {shape}"),
            Step::FrameRate(rate) => format!("{} frames a second", rate.as_secs_f64()),
        });
    }
    if let Some(Colour { matrix: Some(matrix), .. }) = &chain.colour {
        words.push(format!("labelled {matrix}"));
    }
    if words.is_empty() {
        words.push("the picture as it is".to_owned());
    }
    words.join(", ")
}

impl Chain {
    fn filter(&mut self, filter: &Filter) -> Result<(), Fault> {
        match filter.name.as_str() {
            "null" | "hwdownload" => nothing(filter),
            "format" => self.formats(filter),
            "hwmap" | "hwupload" | "hwupload_cuda" | "hwupload_vaapi" => transfer(filter),
            "setparams" => self.label(filter),
            "yadif" | "bwdif" | "yadif_cuda" | "bwdif_cuda" | "yadif_opencl" | "bwdif_opencl"
            | "yadif_videotoolbox" | "bwdif_videotoolbox" | "bwdif_vulkan" => self.fields(filter),
            "deinterlace_vaapi" => self.fields_vaapi(filter),
            "deinterlace_qsv" => self.fields_qsv(filter),
            "scale" | "scale_vaapi" | "scale_qsv" | "vpp_qsv" | "scale_cuda" | "scale_npp"
            | "scale_vt" | "scale_opencl" | "scale_vulkan" | "scale_rkrga" | "vpp_rkrga"
            | "scale_d3d11" | "libplacebo" => self.scale(filter),
            "transpose" | "transpose_vaapi" | "transpose_cuda" | "transpose_opencl"
            | "transpose_vt" | "transpose_vulkan" => self.turn(filter),
            "hflip" | "hflip_vulkan" => self.mirror(filter, Turn::MirrorHorizontally),
            "vflip" | "vflip_vulkan" => self.mirror(filter, Turn::MirrorVertically),
            "flip_vulkan" => self.mirror(filter, Turn::Half),
            "crop" => self.crop(filter),
            "setsar" | "setdar" => self.shape(filter),
            "fps" => self.rate(filter),
            _ => Err("the engine has nothing like it".to_owned()),
        }
    }

    fn in_own_way(&mut self, words: &'static str) {
        if !self.own_way.contains(&words) {
            self.own_way.push(words);
        }
    }

    fn formats(&mut self, filter: &Filter) -> Result<(), Fault> {
        for (key, value) in named(filter, &["pix_fmts"])? {
            match key {
                "pix_fmts" => self.format(value)?,
                _ => return Err(not_known(key, value)),
            }
        }
        Ok(())
    }

    /// What pictures are made into here; only the last such place counts.
    fn format(&mut self, names: &str) -> Result<(), Fault> {
        let any = |known: &[&str]| names.split('|').any(|name| known.contains(&name));
        if any(&PLAIN) {
            self.format_fault = None;
            // Among others to choose from, a surface may hold any number of bits.
            self.plain |= names.split('|').all(|name| PLAIN.contains(&name));
        } else if !any(&SURFACES) {
            let fault = format!("makes `{names}`, and the engine makes 8 bits and 4:2:0");
            // What is lost on the way does not come back with a plain format.
            if !names.split('|').all(is_richer) {
                return Err(fault);
            }
            self.plain = false;
            self.format_fault = Some(fault);
        }
        Ok(())
    }

    fn label(&mut self, filter: &Filter) -> Result<(), Fault> {
        let colour = self.colour.get_or_insert_default();
        for (key, value) in named(filter, &[])? {
            let place = match key {
                "color_primaries" => &mut colour.primaries,
                "color_trc" if matches!(value, "smpte2084" | "arib-std-b67") => {
                    return Err(format!("keeps high dynamic range (`{value}`) in H.264"));
                }
                "color_trc" => &mut colour.transfer,
                "colorspace" => &mut colour.matrix,
                "range" if matches!(value, "tv" | "limited" | "mpeg" | "auto") => continue,
                _ => return Err(not_known(key, value)),
            };
            *place = Some(value.to_owned());
        }
        Ok(())
    }

    fn fields(&mut self, filter: &Filter) -> Result<(), Fault> {
        let (mut every_field, mut marked_only) = (false, false);
        for (key, value) in named(filter, &["mode", "parity", "deint"])? {
            match (key, value) {
                ("mode", "0" | "send_frame") => every_field = false,
                ("mode", "1" | "send_field") => every_field = true,
                ("mode", "2" | "send_frame_nospatial" | "3" | "send_field_nospatial") => {
                    every_field = matches!(value, "3" | "send_field_nospatial");
                    self.in_own_way("fields above and below are looked at in any case");
                }
                ("parity", "-1" | "auto") => {}
                ("deint", "0" | "all") => marked_only = false,
                ("deint", "1" | "interlaced") => marked_only = true,
                _ => return Err(not_known(key, value)),
            }
        }
        let method = if filter.name.starts_with("yadif") { Yadif } else { Bwdif };
        self.steps.push(Step::Deinterlace { method, every_field, marked_only });
        Ok(())
    }

    fn fields_vaapi(&mut self, filter: &Filter) -> Result<(), Fault> {
        let (mut every_field, mut marked_only) = (false, false);
        for (key, value) in named(filter, &["mode", "rate", "auto"])? {
            match (key, value) {
                ("mode", _) => {}
                ("rate", "frame" | "1") => every_field = false,
                ("rate", "field" | "2") => every_field = true,
                ("auto", value) => marked_only = truth(key, value)?,
                _ => return Err(not_known(key, value)),
            }
        }
        self.steps.push(Step::Deinterlace { method: Bwdif, every_field, marked_only });
        Ok(())
    }

    fn fields_qsv(&mut self, filter: &Filter) -> Result<(), Fault> {
        for (key, value) in named(filter, &["mode"])? {
            match (key, value) {
                ("mode", "1" | "2" | "bob" | "advanced") => {}
                _ => return Err(not_known(key, value)),
            }
        }
        self.deinterlace_marked();
        Ok(())
    }

    /// Quick Sync's processing is told of each picture whether it is interlaced.
    fn deinterlace_marked(&mut self) {
        let (every_field, marked_only) = (false, true);
        self.steps.push(Step::Deinterlace { method: Bwdif, every_field, marked_only });
    }

    /// Every scaler, and those that do more at once. Options that only say how well or how fast
    /// are passed over.
    fn scale(&mut self, filter: &Filter) -> Result<(), Fault> {
        let places: &[&str] = match filter.name.as_str() {
            "scale" => &["w", "h", "flags"],
            "libplacebo" => &[],
            _ => &["w", "h"],
        };
        let (mut width, mut height) = (None, None);
        let (mut fit, mut divisible_by) = (Fit::Stretch, 1);
        let (mut turn, mut deinterlace) = (None, false);
        for (key, value) in named(filter, places)? {
            match (key, value) {
                ("w" | "width", value) => width = Some(value),
                ("h" | "height", value) => height = Some(value),
                ("format", value) => self.format(value)?,
                ("force_original_aspect_ratio", "disable" | "0") => fit = Fit::Stretch,
                ("force_original_aspect_ratio", "decrease" | "1") => fit = Fit::Within,
                ("force_original_aspect_ratio", "increase" | "2") => fit = Fit::Around,
                ("force_divisible_by", value) => {
                    let by = number::count(value).filter(|by| (1..=256).contains(by));
                    divisible_by = by.ok_or_else(|| not_known(key, value))? as u32;
                }
                ("deinterlace", "0") | ("transpose", "-1") | ("tonemap" | "procamp", "0") => {}
                ("deinterlace", "1" | "2" | "bob" | "advanced") => deinterlace = true,
                ("transpose", value) => turn = Some(direction(value)?),
                ("out_range" | "in_range" | "range", "tv" | "limited" | "mpeg" | "auto") => {}
                ("tonemap", _) => return Err("tone mapping, which the engine cannot do".into()),
                ("flags" | "sws_flags", "bicubic") if filter.name == "scale" => {}
                ("flags" | "sws_flags", _) if filter.name == "scale" => {
                    self.in_own_way("scaled by a bicubic filter, whichever is named");
                }
                (
                    "flags" | "mode" | "extra_hw_frames" | "async_depth" | "scale_mode"
                    | "passthrough" | "interp_algo" | "algo" | "scaler" | "upscaler" | "downscaler"
                    | "core" | "afbc" | "sws_dither" | "eval",
                    _,
                ) => {}
                _ if filter.name == "libplacebo" && key.starts_with("tonemapping") => {
                    return Err("tone mapping, which the engine cannot do".into());
                }
                _ => return Err(not_known(key, value)),
            }
        }
        if deinterlace {
            self.deinterlace_marked();
        }
        if let Some(turn) = turn {
            self.steps.push(Step::Turn(turn));
        }
        let size = match (filter.name.as_str(), width, height) {
            // Alone it is a size in one word.
            ("scale", Some(size), None) => Some(
                size.split_once('x')
                    .ok_or_else(|| format!("Segue does not know the size `{size}`"))?,
            ),
            (_, None, None) => None,
            (_, width, height) => Some((width.unwrap_or("iw"), height.unwrap_or("ih"))),
        };
        if let Some((width, height)) = size {
            let (width, height) = (expression(width)?, expression(height)?);
            // Each defined by the other: ffmpeg refuses that.
            let by = |side: &Expression, names: [&str; 2]| names.iter().any(|n| side.uses(n));
            if by(&width, ["oh", "out_h"]) && by(&height, ["ow", "out_w"]) {
                return Err("its sides are defined by each other".into());
            }
            self.steps.push(Step::Scale(Scaling { width, height, fit, divisible_by }));
        }
        Ok(())
    }

    fn turn(&mut self, filter: &Filter) -> Result<(), Fault> {
        let mut turn = None;
        for (key, value) in named(filter, &["dir", "passthrough"])? {
            match (key, value) {
                ("dir", value) => turn = Some(direction(value)?),
                ("passthrough", "none" | "0") => {}
                _ => return Err(not_known(key, value)),
            }
        }
        self.steps.push(Step::Turn(turn.ok_or("does not say which way")?));
        Ok(())
    }

    fn mirror(&mut self, filter: &Filter, turn: Turn) -> Result<(), Fault> {
        self.steps.push(Step::Turn(turn));
        nothing(filter)
    }

    fn crop(&mut self, filter: &Filter) -> Result<(), Fault> {
        let (mut width, mut height) = ("iw", "ih");
        let (mut left, mut top) = (None, None);
        for (key, value) in named(filter, &["w", "h", "x", "y"])? {
            match key {
                "w" | "out_w" => width = value,
                "h" | "out_h" => height = value,
                "x" => left = Some(value),
                "y" => top = Some(value),
                _ => return Err(not_known(key, value)),
            }
        }
        self.steps.push(Step::Crop(Crop {
            width: expression(width)?,
            height: expression(height)?,
            left: expression(left.unwrap_or("(in_w-out_w)/2"))?,
            top: expression(top.unwrap_or("(in_h-out_h)/2"))?,
        }));
        Ok(())
    }

    fn shape(&mut self, filter: &Filter) -> Result<(), Fault> {
        for (key, value) in named(filter, &["r"])? {
            match (filter.name.as_str(), key) {
                ("setsar", "r" | "sar" | "ratio") => {
                    self.steps.push(Step::PixelShape(expression(&value.replace(':', "/"))?));
                }
                ("setdar", "r" | "dar" | "ratio") => {
                    self.steps.push(Step::PictureShape(expression(&value.replace(':', "/"))?));
                }
                _ => return Err(not_known(key, value)),
            }
        }
        Ok(())
    }

    fn rate(&mut self, filter: &Filter) -> Result<(), Fault> {
        for (key, value) in named(filter, &["fps"])? {
            match (key, number::rate(value)) {
                ("fps", Some(rate)) => self.steps.push(Step::FrameRate(rate)),
                _ => return Err(not_known(key, value)),
            }
        }
        Ok(())
    }
}

/// Whether a format holds all that 8 bits and 4:2:0 do.
fn is_richer(format: &str) -> bool {
    let families =
        ["yuv420p1", "yuv422p", "yuv444p", "nv16", "nv20", "nv24", "p010", "p016", "p210", "p216"];
    families.iter().any(|family| format.starts_with(family))
}

fn named<'a>(filter: &'a Filter, places: &[&'a str]) -> Result<Vec<(&'a str, &'a str)>, Fault> {
    filter.named(places).ok_or_else(|| "an argument without a name is not known here".to_owned())
}

fn nothing(filter: &Filter) -> Result<(), Fault> {
    match named(filter, &[])?.first() {
        Some((key, value)) => Err(not_known(key, value)),
        None => Ok(()),
    }
}

fn transfer(filter: &Filter) -> Result<(), Fault> {
    for (key, value) in named(filter, &[])? {
        match key {
            "derive_device" | "mode" | "reverse" | "extra_hw_frames" => {}
            _ => return Err(not_known(key, value)),
        }
    }
    Ok(())
}

fn direction(value: &str) -> Result<Turn, Fault> {
    match value {
        "1" | "clock" => Ok(Turn::Clockwise),
        "2" | "cclock" => Ok(Turn::Counterclockwise),
        "4" | "reversal" => Ok(Turn::Half),
        "5" | "hflip" => Ok(Turn::MirrorHorizontally),
        "6" | "vflip" => Ok(Turn::MirrorVertically),
        _ => Err(not_known("direction", value)),
    }
}

fn truth(key: &str, value: &str) -> Result<bool, Fault> {
    number::truth(value).ok_or_else(|| not_known(key, value))
}

fn expression(text: &str) -> Result<Expression, Fault> {
    Expression::parse(text, SIZE_VARIABLES).map_err(|error| format!("`{text}` {error}"))
}

fn not_known(key: &str, value: &str) -> Fault {
    format!("Segue does not know what `{key}={value}` changes")
}

/// Words for a filter that does something else than to size and turn pictures.
fn hard(name: &str) -> Option<&'static str> {
    let draws = ["overlay", "subtitles", "ass", "alphasrc", "inlineass", "drawtext"];
    if draws.iter().any(|draw| name.starts_with(draw)) {
        Some("draws subtitles into the picture, which the engine cannot do")
    } else if name.starts_with("tonemap") || name == "zscale" {
        Some("tone mapping, which the engine cannot do")
    } else {
        None
    }
}

/// What a graph means that is not one chain.
pub(super) fn several(filters: &[&Filter]) -> Meaning {
    let hard = filters.iter().find_map(|filter| Some((&filter.name, hard(&filter.name)?)));
    match hard {
        Some((name, reason)) => prevents(format!("{name}: {reason}")),
        None => prevents("is more than one chain of filters, or one of sound"),
    }
}
