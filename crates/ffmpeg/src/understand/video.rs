//! From options of the video encoder, whichever it is, to what the picture may cost and must keep.

use segue_model::{Effort, Time};

use crate::expression::Expression;
use crate::finding::{Findings, Meaning, differs, immaterial, prevents, understood, unknown};
use crate::job::{Cap, FrameRate, Profile, RateControl, Scale};
use crate::line::{Opt, Value};
use crate::number;

use super::picture::{self, Chain};
use super::{keyframes, tuning};

/// Families of encoders, as far as their options mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    X264,
    Qsv,
    Nvenc,
    Amf,
    Other,
}

/// What is known of the picture so far.
#[derive(Debug)]
pub(super) struct VideoOptions {
    family: Family,
    pub chain: Chain,
    pub forced: Option<Expression>,
    pub gop: Option<u32>,
    /// How many frames there are to be in a second.
    rate: Option<Time>,
    /// Frames are shown as they come.
    uneven: bool,
    /// An even rate is asked for by name: from the start on, wherever the first frame is.
    pub filled: bool,
    pub preset: Option<String>,
    profile: Option<Profile>,
    /// `-x264opts` and `-x264-params`, which goes before it; of each the last one counts.
    x264: [Option<String>; 2],
    pub level: Option<u8>,
    pub captions: bool,
    /// `-pix_fmt` makes pictures of 8 bits and 4:2:0.
    pub plain: bool,
    /// The rate control named is one of constant quality.
    quality_named: bool,
    crf: Option<u8>,
    cq: Option<u8>,
    qp: Option<u8>,
    global_quality: Option<u8>,
    bitrate: Option<u64>,
    bitrate_max: Option<u64>,
    buffer_bits: Option<u64>,
}

/// The family of an encoder of H.264; `None` for encoders of anything else.
pub(super) fn family(encoder: &str) -> Option<Family> {
    Some(match encoder {
        "libx264" => Family::X264,
        "h264_qsv" => Family::Qsv,
        "h264_nvenc" | "nvenc_h264" | "nvenc" => Family::Nvenc,
        "h264_amf" => Family::Amf,
        "h264_vaapi" | "h264_rkmpp" | "h264_v4l2m2m" | "h264_videotoolbox" | "h264_omx"
        | "h264_mf" | "h264_mediacodec" => Family::Other,
        _ => return None,
    })
}

/// What naming a video encoder means.
pub(super) fn encoder(name: &str) -> Meaning {
    match family(name) {
        Some(_) => understood("H.264, made by whatever hardware a worker has"),
        None if name == "copy" => prevents("the picture is copied, and the engine encodes"),
        None if name.contains("264") => prevents(format!("the encoder `{name}` is not known")),
        None => prevents(format!("`{name}` does not make H.264, which is what the engine makes")),
    }
}

impl VideoOptions {
    pub fn new(family: Family) -> VideoOptions {
        VideoOptions {
            family,
            chain: Chain::default(),
            forced: None,
            gop: None,
            rate: None,
            uneven: false,
            filled: false,
            preset: None,
            profile: None,
            x264: [None, None],
            level: None,
            captions: true,
            plain: false,
            quality_named: false,
            crf: None,
            cq: None,
            qp: None,
            global_quality: None,
            bitrate: None,
            bitrate_max: None,
            buffer_bits: None,
        }
    }

    pub fn option(&mut self, option: &Opt) -> Meaning {
        let text = option.text();
        match option.name.as_str() {
            "vf" | "filter" => self.filters(&option.value),
            "crf" | "qp" if self.family == Family::X264 && number::number(text) == Some(0.0) => {
                prevents("is lossless, and the engine is not")
            }
            "crf" => quality(&mut self.crf, text),
            "cq" => quality(&mut self.cq, text),
            "qp" => quality(&mut self.qp, text),
            "global_quality" => quality(&mut self.global_quality, text),
            "b" => bits(&mut self.bitrate, text, "the average to aim at"),
            "maxrate" => bits(&mut self.bitrate_max, text, "the rate that the buffer fills with"),
            "bufsize" => bits(&mut self.buffer_bits, text, "what the player's buffer holds"),
            "preset" | "quality" | "usage" => self.preset(option),
            "profile" => self.profile(text),
            "level" => self.level(text),
            "g" => match number::count(text).and_then(|frames| u32::try_from(frames).ok()) {
                Some(frames) if frames > 0 => {
                    self.gop = Some(frames);
                    understood(format!("a keyframe every {frames} frames"))
                }
                _ => prevents("is no number of frames"),
            },
            "keyint_min" | "sc_threshold" | "forced-idr" | "forced_idr" | "idr_interval" => {
                immaterial("no other keyframes; segments begin with one in any case")
            }
            "force_key_frames" => self.force(text),
            "r" => match number::rate(text) {
                Some(rate) => {
                    self.rate = Some(rate);
                    understood(format!("{text} frames a second"))
                }
                None => prevents("is no frame rate"),
            },
            "vsync" | "fps_mode" => match text {
                "-1" | "auto" => {
                    self.uneven = false;
                    understood("frames at an even rate, as with HLS")
                }
                "1" | "cfr" => {
                    (self.filled, self.uneven) = (true, false);
                    understood("frames at an even rate, as with HLS")
                }
                "2" | "vfr" => {
                    self.uneven = true;
                    understood("frames as they come")
                }
                _ => prevents("which frames there are would depend on how they are read"),
            },
            "pix_fmt" if picture::PLAIN.contains(&text) => {
                self.plain = true;
                understood("8 bits and 4:2:0, as always")
            }
            "pix_fmt" => prevents(format!("`{text}` is not 8 bits and 4:2:0")),
            "sei" if text == "-a53_cc" => self.captions(false),
            "a53cc" => match number::truth(text) {
                Some(passed) => self.captions(passed),
                None => unknown(),
            },
            "x264opts" => self.x264(0, text),
            "x264-params" => self.x264(1, text),
            "rc" | "rc_mode" => {
                let (quality, meaning) = tuning::rate_control(text);
                self.quality_named = quality;
                meaning
            }
            "tune" if text == "lossless" => prevents("is lossless, and the engine is not"),
            "tune" if self.family == Family::X264 => {
                prevents("changes pictures in ways that the engine does not")
            }
            "qmin" | "qmax" | "qdiff" if self.family == Family::X264 => {
                tuning::quantisers(&option.name, text)
            }
            "autoscale" => immaterial("the size stays the same throughout in any case"),
            "tag" if text == "avc1" => immaterial("is so without it"),
            name if self.family == Family::X264 && tuning::spreads(name) => differs(
                "how x264 spreads its bits over pictures; a job's encoder spreads them in its own way",
            ),
            name if tuning::is_tuning(name) => {
                immaterial("how an encoder goes about it; each worker's own is set up to suit it")
            }
            _ => unknown(),
        }
    }

    /// How many frames there are; `uneven` where the whole run's are as they come. A rate that is named
    /// goes before that.
    pub fn frame_rate(&self, uneven: bool) -> FrameRate {
        match self.rate {
            Some(rate) => FrameRate::Fixed(rate),
            None if uneven || self.uneven => FrameRate::Variable,
            None => FrameRate::Constant,
        }
    }

    fn filters(&mut self, value: &Value) -> Meaning {
        let Value::Graph(graph) = value else {
            return prevents("ffmpeg refuses this filter graph");
        };
        let graph = graph.value();
        let filters: Vec<_> = graph.chains.iter().flatten().collect();
        let [chain] = &graph.chains[..] else { return picture::several(&filters) };
        // The ends of a `-vf` may be called `in` and `out`; anything else is a link of its own.
        let last = filters.len().saturating_sub(1);
        let linked = filters.iter().enumerate().any(|(at, filter)| {
            let ends = |labels: &[String], at_end: bool, name: &str| {
                labels.is_empty() || (at_end && labels == [name])
            };
            !ends(&filter.inputs, at == 0, "in") || !ends(&filter.outputs, at == last, "out")
        });
        if linked {
            return picture::several(&filters);
        }
        if graph.sws_flags.is_some() {
            return unknown();
        }
        match picture::read(chain) {
            Ok((chain, meaning)) => {
                self.chain = chain;
                meaning
            }
            Err(fault) => prevents(fault),
        }
    }

    fn force(&mut self, text: &str) -> Meaning {
        let Some(rule) = text.strip_prefix("expr:") else {
            return prevents("keyframes at certain times, and the engine has them at even ones");
        };
        match Expression::parse(rule, keyframes::VARIABLES) {
            Ok(rule) => {
                self.forced = Some(rule);
                understood("the rule of keyframes")
            }
            Err(error) => prevents(format!("the rule {error}")),
        }
    }

    fn x264(&mut self, place: usize, text: &str) -> Meaning {
        self.x264[place] = Some(text.to_owned());
        tuning::x264(text)
    }

    fn x264_options(&self) -> impl Iterator<Item = &str> {
        self.x264.iter().flatten().flat_map(|text| text.split(':'))
    }

    /// How hard x264 would try, if that is said; `medium` is its own.
    pub fn effort(&self) -> Option<String> {
        let mut effort: Effort = self.preset.as_deref().unwrap_or("medium").parse().ok()?;
        for option in self.x264_options() {
            // What does not refine it was judged where it was read.
            effort.refine(option);
        }
        let said = self.preset.is_some() || effort.options().next().is_some();
        said.then(|| effort.to_string())
    }

    /// Whether x264 does without transforms of 8x8, which are all that makes High of Main.
    fn without_transform(&self) -> bool {
        let said = self.x264_options().filter_map(tuning::has_transform).last();
        self.family == Family::X264 && said == Some(false)
    }

    fn preset(&mut self, option: &Opt) -> Meaning {
        let text = option.text();
        let name = match self.family {
            Family::X264 => Effort::PRESETS.contains(&text).then_some(text),
            family => tuning::preset(family, text),
        };
        match (name, self.family) {
            (Some(name), _) => {
                self.preset = Some(name.to_owned());
                understood(format!("how hard to try: as x264's {name}"))
            }
            (None, Family::X264) => prevents("is no preset for streaming"),
            (None, _) => prevents("is no preset that Segue knows"),
        }
    }

    fn profile(&mut self, text: &str) -> Meaning {
        let profile = match text {
            "baseline" | "constrained_baseline" | "66" | "578" => Profile::Baseline,
            "main" | "77" => Profile::Main,
            "high" | "constrained_high" | "100" => Profile::High,
            _ => return prevents(format!("the engine makes no H.264 of profile `{text}`")),
        };
        self.profile = Some(profile);
        understood("the most that the player decodes")
    }

    /// The most that the player decodes: as named, which is what it was told. Where nothing is named,
    /// x264's own options make less than High.
    pub fn highest_profile(&self, findings: &mut Findings) -> Option<Profile> {
        if self.without_transform() && self.profile == Some(Profile::High) {
            let meaning = "ffmpeg's stream says main, as nothing in it needs more; a job's says high, \
                           as the line does";
            findings.add("(8x8dct=0, and the high profile)", differs(meaning));
        }
        let ours = match self.preset.as_deref() {
            _ if self.family != Family::X264 => None,
            Some("ultrafast") => Some(Profile::Baseline),
            _ => self.without_transform().then_some(Profile::Main),
        };
        self.profile.or(ours)
    }

    fn level(&mut self, text: &str) -> Meaning {
        let Some(level) = number::number(text) else { return prevents("is no level") };
        if level < 0.0 || text == "auto" {
            return immaterial("no level in particular");
        }
        let tenths = if level < 9.0 { (level * 10.0).round() } else { level };
        if !(9.0..=62.0).contains(&tenths) || tenths.fract() != 0.0 {
            return prevents("is no level");
        }
        self.level = Some(tenths as u8);
        understood(format!("level {:.1} at most", tenths / 10.0))
    }

    fn captions(&mut self, passed: bool) -> Meaning {
        self.captions = passed;
        understood(if passed { "closed captions are passed on" } else { "no closed captions" })
    }

    /// The cap of a bit rate, also where none is said: players are told of one, and a decoder's buffer
    /// has to hold what comes.
    fn cap_for(&self, bitrate: u64, cap: Option<Cap>, findings: &mut Findings) -> Cap {
        // x264 knows no cap without a buffer; hardware has a buffer of its own.
        let known = |cap: &Cap| cap.buffer_bits.is_some() || self.family != Family::X264;
        let said = cap.filter(known);
        let bitrate_max = said.map_or(bitrate.saturating_mul(2), |cap| cap.bitrate_max);
        let buffer_bits = said.and_then(|cap| cap.buffer_bits);
        if buffer_bits.is_none() {
            let meaning = format!(
                "the encoder's own cap, or none; a job's is {bitrate_max} bits a second, with a buffer \
                 that two seconds of them fill, around the same average"
            );
            let missing = if said.is_some() { "(no -bufsize)" } else { "(no -maxrate, -bufsize)" };
            findings.add(missing, differs(meaning));
        }
        let buffer_bits = Some(buffer_bits.unwrap_or(bitrate_max.saturating_mul(2)));
        Cap { bitrate_max, buffer_bits }
    }

    /// How many bits the picture may take, from all that was said.
    pub fn rate_control(&self, findings: &mut Findings) -> Option<RateControl> {
        let cap = self
            .bitrate_max
            .filter(|max| *max > 0)
            .map(|bitrate_max| Cap { bitrate_max, buffer_bits: self.buffer_bits });
        let quality = |scale, value| Some(RateControl::Quality { scale, value, cap });
        let bitrate = self.bitrate.filter(|bitrate| *bitrate > 0);
        match (self.family, self.crf, self.cq, self.qp, self.global_quality, bitrate) {
            // As libx264 reads them: a rate factor goes before a bit rate.
            (Family::X264, Some(crf), ..) => quality(Scale::Crf, crf),
            (Family::Nvenc, _, Some(cq), _, _, None) => quality(Scale::Cq, cq),
            (_, _, _, Some(qp), _, None) => quality(Scale::Qp, qp),
            (_, None, None, None, Some(value), None) => quality(Scale::GlobalQuality, value),
            (_, None, None, None, None, Some(bitrate)) if !self.quality_named => {
                let cap = Some(self.cap_for(bitrate, cap, findings));
                Some(RateControl::Bitrate { bitrate, cap })
            }
            // libx264's own default.
            (Family::X264, None, None, None, None, None) => quality(Scale::Crf, 23),
            _ => {
                findings.add(
                    "(rate control)",
                    prevents("neither one bit rate nor one quality, so the encoder would choose"),
                );
                None
            }
        }
    }
}

fn quality(place: &mut Option<u8>, text: &str) -> Meaning {
    match number::count(text).filter(|value| *value <= 51) {
        Some(value) => {
            *place = Some(value as u8);
            understood(format!("constant quality {value}"))
        }
        None => prevents("is no whole number from 0 to 51"),
    }
}

fn bits(place: &mut Option<u64>, text: &str, meaning: &str) -> Meaning {
    match number::count(text) {
        Some(value) => {
            *place = Some(value);
            understood(meaning)
        }
        None => prevents("is no number of bits"),
    }
}
