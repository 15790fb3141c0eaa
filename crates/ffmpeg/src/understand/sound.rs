//! From options of the audio encoder to a sound.

use std::num::NonZeroU32;

use segue_model::Time;

use crate::filter::Filter;
use crate::finding::{Meaning, differs, immaterial, prevents, understood, unknown};
use crate::job::{Pick, Sound, SoundRate, SoundStep};
use crate::line::{Opt, Value};
use crate::number;

/// What is known of the sound so far.
#[derive(Debug)]
pub(super) struct SoundOptions {
    channels: Option<NonZeroU32>,
    /// `libfdk_aac` makes it, which alone knows variable modes.
    fdk: bool,
    /// Bits per second; `None` for the encoder's default.
    bitrate: Option<u64>,
    /// Goes before a bit rate.
    variable: Option<u8>,
    sample_rate: Option<NonZeroU32>,
    steps: Vec<SoundStep>,
}

/// What naming an audio encoder means.
pub(super) fn encoder(name: &str) -> Meaning {
    match name {
        "aac" | "libfdk_aac" | "aac_at" | "aac_mf" | "libfaac" => understood("AAC"),
        "copy" => understood("the sound is taken as it is; the source must hold what segments may"),
        _ => prevents(format!("`{name}` does not make AAC, which is what the engine makes")),
    }
}

impl SoundOptions {
    /// For an encoder.
    pub fn new(encoder: &str) -> SoundOptions {
        SoundOptions {
            channels: None,
            fdk: encoder == "libfdk_aac",
            bitrate: None,
            variable: None,
            sample_rate: None,
            steps: Vec::new(),
        }
    }

    /// An option of sound that is copied.
    pub fn of_copied(option: &Opt) -> Meaning {
        match option.name.as_str() {
            "af" | "filter" => prevents("ffmpeg refuses filters for sound that is copied"),
            "ab" | "b" | "ac" | "ar" | "vbr" | "profile" | "aac_coder" | "threads" => {
                immaterial("of an encoder, and the sound is copied")
            }
            _ => unknown(),
        }
    }

    /// Filters of encoded packets: those that Jellyfin writes, for sound that begins at `begins`.
    pub fn packet_filters(text: &str, begins: Time) -> Meaning {
        let mut dropped = false;
        for filter in text.replace("\\,", ";").split(',') {
            let until = filter.strip_prefix("noise=drop='lt(pts*tb;");
            let until = until.and_then(|rest| rest.strip_suffix(")'")).and_then(number::time);
            match (filter, until) {
                ("aac_adtstoasc", _) => {}
                (_, Some(time)) if (time - begins).abs() <= Time::new(1, 1000) => dropped = true,
                _ => return prevents("changes encoded packets"),
            }
        }
        if dropped {
            understood("no sound from before the first segment that is wanted")
        } else {
            immaterial("how AAC is framed, which follows from the packaging")
        }
    }

    pub fn option(&mut self, option: &Opt) -> Meaning {
        let text = option.text();
        let whole =
            || number::count(text).and_then(|n| u32::try_from(n).ok()).and_then(NonZeroU32::new);
        match option.name.as_str() {
            "ab" | "b" => match number::count(text).filter(|bits| *bits > 0) {
                Some(bits) => {
                    self.bitrate = Some(bits);
                    understood("bits per second")
                }
                None => prevents("is no number of bits"),
            },
            "ac" => match whole().map(NonZeroU32::get) {
                Some(1 | 2 | 6 | 8) => {
                    self.channels = whole();
                    understood(format!("{text} channels"))
                }
                Some(_) => prevents("the engine makes mono, stereo, 5.1 and 7.1"),
                None => prevents("is no number of channels"),
            },
            "ar" => match whole().map(NonZeroU32::get) {
                Some(32_000 | 44_100 | 48_000) => {
                    self.sample_rate = whole();
                    understood("samples per second")
                }
                _ => prevents("the engine makes 32000, 44100 and 48000 samples a second"),
            },
            "vbr" if !self.fdk => immaterial("of libfdk_aac, which is not asked"),
            "vbr" => match number::count(text) {
                Some(0) => {
                    self.variable = None;
                    immaterial("a bit rate, as without it")
                }
                Some(mode @ 1..=5) => {
                    self.variable = Some(mode as u8);
                    differs(
                        "a bit rate that varies with the sound; a job's is the one that libfdk_aac \
                         reckons with in this mode",
                    )
                }
                _ => prevents("is no mode of variable bit rate"),
            },
            "aac_at_mode" if matches!(text, "0" | "1" | "2" | "auto" | "cbr" | "cvbr") => {
                understood("about the bit rate that is named")
            }
            "profile" if matches!(text, "aac_low" | "1") => immaterial("is so without it"),
            "profile" => prevents(format!("the engine makes no AAC of profile `{text}`")),
            "af" | "filter" => self.filters(&option.value),
            "aac_coder" | "afterburner" | "threads" => {
                immaterial("how an encoder goes about it; workers' own is set up to suit it")
            }
            _ => unknown(),
        }
    }

    fn filters(&mut self, value: &Value) -> Meaning {
        let Value::Graph(graph) = value else {
            return prevents("ffmpeg refuses this filter graph");
        };
        let [chain] = &graph.value().chains[..] else {
            return prevents("is more than one chain of filters");
        };
        // The last one counts.
        self.steps.clear();
        let mut words = Vec::new();
        for filter in chain {
            match step(filter) {
                Some(Some(step)) => {
                    words.push(match &step {
                        SoundStep::Volume(gain) => format!("volume {gain}"),
                        SoundStep::Mix(_) => "channels mixed by a matrix".to_owned(),
                    });
                    self.steps.push(step);
                }
                Some(None) => words.push(format!("{} changes nothing", filter.name)),
                None => {
                    return prevents(format!(
                        "{}: changes the sound in a way that the engine cannot",
                        filter.name
                    ));
                }
            }
        }
        understood(words.join(", "))
    }

    pub fn finish(self, stream: Pick, encoder: &str) -> Sound {
        if encoder == "copy" {
            let (channels, sample_rate, steps) = (None, None, Vec::new());
            return Sound { stream, channels, rate: SoundRate::Copied, sample_rate, steps };
        }
        let rate = match (self.variable, self.bitrate) {
            (Some(mode), _) => SoundRate::FdkVariable(mode),
            (None, Some(bits)) => SoundRate::Bitrate(bits),
            (None, None) => SoundRate::EncodersDefault(encoder.to_owned()),
        };
        Sound {
            stream,
            channels: self.channels,
            rate,
            sample_rate: self.sample_rate,
            steps: self.steps,
        }
    }
}

/// What a filter does to the sound; `Some(None)` for nothing, `None` for what is not known.
fn step(filter: &Filter) -> Option<Option<SoundStep>> {
    if !filter.inputs.is_empty() || !filter.outputs.is_empty() {
        return None;
    }
    match (filter.name.as_str(), &filter.named(&["args"])?[..]) {
        ("anull", []) => Some(None),
        ("volume", [("args" | "volume", gain)]) => {
            let number = number::number(gain)?;
            let sane = (0.0..=1000.0).contains(&number);
            let step = (number != 1.0).then(|| SoundStep::Volume((*gain).to_owned()));
            sane.then_some(step)
        }
        ("pan", [("args", matrix)]) => matrix
            .starts_with(|c: char| c.is_ascii_alphanumeric())
            .then(|| Some(SoundStep::Mix((*matrix).to_owned()))),
        _ => None,
    }
}
