//! What is asked for.

use segue_model::{
    AudioRequest, BoundaryRule, ChannelRequest, ColourLabels, FieldRequest, Gain, H264Profile,
    Hash, JobId, JobRequest, Mix, Packaging, RateControl, RenditionRequest, Time,
};

use crate::invalid::{Invalid, fits};
use crate::{picture, v1};

/// A job's id from its 64 digits.
pub fn job_id(text: &str) -> Result<JobId, Invalid> {
    let wrong = || Invalid::new("job", format!("'{text}' is not 64 hexadecimal digits"));
    Hash::from_hex(text).map(JobId).ok_or_else(wrong)
}

impl TryFrom<v1::Request> for JobRequest {
    type Error = Invalid;

    fn try_from(wire: v1::Request) -> Result<JobRequest, Invalid> {
        let usual = JobRequest::default();
        let boundaries = boundaries(&wire, usual.boundaries.segment())?;
        let packaging = match v1::Packaging::try_from(wire.packaging) {
            Ok(v1::Packaging::Unspecified) => usual.packaging,
            Ok(v1::Packaging::MpegTs) => Packaging::MpegTs,
            Ok(v1::Packaging::Fmp4) => Packaging::Fmp4,
            Err(_) => return Err(unknown("packaging", wire.packaging)),
        };
        let profile = match v1::Profile::try_from(wire.profile) {
            Ok(v1::Profile::Unspecified) => usual.profile,
            Ok(v1::Profile::Baseline) => H264Profile::Baseline,
            Ok(v1::Profile::Main) => H264Profile::Main,
            Ok(v1::Profile::High) => H264Profile::High,
            Err(_) => return Err(unknown("profile", wire.profile)),
        };
        let mut renditions = Vec::new();
        for (at, text) in wire.renditions.iter().enumerate() {
            let field = format!("renditions[{at}]");
            let parsed: Result<RenditionRequest, _> = text.parse();
            renditions.push(parsed.map_err(|error| Invalid::new(&field, error.to_string()))?);
        }
        let audio = wire.audio.unwrap_or_default();
        let sound = sound(&audio)?;
        Ok(JobRequest {
            boundaries,
            packaging,
            together: wire.together,
            exact: wire.exact,
            without_picture: wire.without_picture,
            renditions,
            upscale: wire.upscale,
            crf: wire.crf.map_or(Ok(usual.crf), |crf| fits(crf, "crf"))?,
            constant_bitrate: wire.constant_bitrate,
            rate_control: wire.rate_control.map(RateControl::try_from).transpose()?,
            preset: if wire.preset.is_empty() { usual.preset } else { wire.preset },
            fields: picture::fields(wire.keep_fields, wire.deinterlace)?,
            orientation: wire.orientation.map(picture::orientation).transpose()?,
            captions: !wire.without_captions,
            keyframes: seconds(&wire.keyframe_seconds, "keyframe_seconds")?,
            colour: labels(wire.colour.unwrap_or_default()),
            profile,
            level_max: wire.level_max.map(|level| fits(level, "level_max")).transpose()?,
            over_level: wire.over_level,
            timestamp_offset: seconds(&wire.timestamp_offset_seconds, "timestamp_offset_seconds")?,
            keep_start: wire.keep_start,
            frame_grid: wire.frame_grid,
            audio: (!audio.none).then_some(sound),
        })
    }
}

fn sound(wire: &v1::Audio) -> Result<AudioRequest, Invalid> {
    let v1::Audio {
        none: _,
        stream,
        bitrate,
        source_channels,
        channels,
        sample_rate,
        gain,
        mix,
        copy,
    } = wire;
    let channels = match (source_channels, channels) {
        (false, None) => ChannelRequest::Stereo,
        (true, None) => ChannelRequest::Source,
        (false, Some(channels)) => ChannelRequest::Exactly(*channels),
        (true, Some(_)) => {
            let reason = "a number is given, and source_channels: leave out one of them";
            return Err(Invalid::new("audio.channels", reason));
        }
    };
    let wrong = |_| Invalid::new("audio.gain", format!("'{gain}' is no gain, such as 2 or -3dB"));
    let gain = match gain.strip_suffix("dB") {
        Some(decibels) => Gain::Decibels(decibels.parse().map_err(wrong)?),
        None if gain.is_empty() => Gain::NONE,
        None => Gain::Factor(gain.parse().map_err(wrong)?),
    };
    let (stream, bitrate, sample_rate) = (*stream, *bitrate, *sample_rate);
    let mix = mixed(mix)?;
    Ok(AudioRequest { stream, bitrate, channels, sample_rate, gain, mix, copy: *copy })
}

fn mixed(wire: &[v1::MixRow]) -> Result<Option<Mix>, Invalid> {
    if wire.is_empty() {
        return Ok(None);
    }
    let wrong = |text: &str| format!("'{text}' is no share, such as 0.5 or 1/3");
    let share = |text: &String| -> Result<Time, Invalid> {
        text.parse().map_err(|_| Invalid::new("audio.mix", wrong(text)))
    };
    let row = |row: &v1::MixRow| row.shares.iter().map(share).collect();
    let rows: Vec<Vec<Time>> = wire.iter().map(row).collect::<Result<_, Invalid>>()?;
    let mix = Mix::new(rows).map_err(|error| Invalid::new("audio.mix", error.to_string()))?;
    Ok(Some(mix))
}

fn mix_rows(mix: &Mix) -> Vec<v1::MixRow> {
    let row =
        |row: &Vec<Time>| v1::MixRow { shares: row.iter().map(ToString::to_string).collect() };
    mix.rows().iter().map(row).collect()
}

fn sent(audio: &AudioRequest) -> v1::Audio {
    let AudioRequest { stream, bitrate, channels, sample_rate, gain, mix, copy } = audio;
    v1::Audio {
        none: false,
        stream: *stream,
        bitrate: *bitrate,
        source_channels: *channels == ChannelRequest::Source,
        channels: match channels {
            ChannelRequest::Exactly(channels) => Some(*channels),
            ChannelRequest::Stereo | ChannelRequest::Source => None,
        },
        sample_rate: *sample_rate,
        gain: match *gain {
            Gain::NONE => String::new(),
            Gain::Factor(factor) => factor.to_string(),
            Gain::Decibels(decibels) => format!("{decibels}dB"),
        },
        mix: mix.as_ref().map(mix_rows).unwrap_or_default(),
        copy: *copy,
    }
}

impl TryFrom<v1::RateControl> for RateControl {
    type Error = Invalid;

    fn try_from(wire: v1::RateControl) -> Result<RateControl, Invalid> {
        let v1::RateControl { aim, bitrate_max, buffer_bits } = wire;
        let cap = match (bitrate_max, buffer_bits) {
            (Some(bitrate_max), Some(buffer_bits)) => Some((bitrate_max, buffer_bits)),
            (None, None) => None,
            _ => {
                let reason = "bitrate_max and buffer_bits need each other";
                return Err(Invalid::new("rate_control", reason.to_owned()));
            }
        };
        let crf = |crf| fits(crf, "rate_control.crf");
        Ok(match (aim, cap) {
            (Some(v1::rate_control::Aim::Crf(factor)), Some((bitrate_max, buffer_bits))) => {
                RateControl::CappedQuality { crf: crf(factor)?, bitrate_max, buffer_bits }
            }
            (Some(v1::rate_control::Aim::Crf(factor)), None) => {
                RateControl::Quality { crf: crf(factor)? }
            }
            (Some(v1::rate_control::Aim::Bitrate(bitrate)), Some((bitrate_max, buffer_bits))) => {
                RateControl::CappedBitrate { bitrate, bitrate_max, buffer_bits }
            }
            (Some(v1::rate_control::Aim::Bitrate(_)), None) => {
                let reason = "a bit rate is aimed at below a cap: say bitrate_max and buffer_bits";
                return Err(Invalid::new("rate_control", reason.to_owned()));
            }
            (None, _) => {
                let reason = "one of crf and bitrate must be given";
                return Err(Invalid::new("rate_control", reason.to_owned()));
            }
        })
    }
}

impl From<RateControl> for v1::RateControl {
    fn from(rate: RateControl) -> v1::RateControl {
        let aim = match rate {
            RateControl::CappedQuality { crf, .. } | RateControl::Quality { crf } => {
                v1::rate_control::Aim::Crf(crf.into())
            }
            RateControl::CappedBitrate { bitrate, .. } => v1::rate_control::Aim::Bitrate(bitrate),
        };
        let cap = rate.cap();
        v1::RateControl {
            aim: Some(aim),
            bitrate_max: cap.map(|cap| cap.bitrate_max),
            buffer_bits: cap.map(|cap| cap.buffer_bits),
        }
    }
}

fn boundaries(wire: &v1::Request, usual: Time) -> Result<BoundaryRule, Invalid> {
    let segment = seconds(&wire.segment_seconds, "segment_seconds")?.unwrap_or(usual);
    match v1::Boundaries::try_from(wire.boundaries) {
        Ok(v1::Boundaries::Unspecified | v1::Boundaries::Grid) => {
            Ok(BoundaryRule::Grid { segment })
        }
        Ok(v1::Boundaries::Multiples) => Ok(BoundaryRule::Multiples { segment }),
        Ok(v1::Boundaries::KeyframesGreedy) => Ok(BoundaryRule::KeyframesGreedy { segment }),
        Ok(v1::Boundaries::KeyframesCumulative) => {
            Ok(BoundaryRule::KeyframesCumulative { segment })
        }
        Err(_) => Err(unknown("boundaries", wire.boundaries)),
    }
}

fn labels(wire: v1::ColourLabels) -> ColourLabels {
    let v1::ColourLabels { primaries, transfer, matrix } = wire;
    let label = |text: String| (!text.is_empty()).then_some(text);
    ColourLabels { primaries: label(primaries), transfer: label(transfer), matrix: label(matrix) }
}

/// `None` if nothing is said.
fn seconds(text: &str, field: &str) -> Result<Option<Time>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || format!("'{text}' is not a length in seconds, such as 2 or 1001/500");
    text.parse().map(Some).map_err(|_| Invalid::new(field, wrong()))
}

fn unknown(field: &str, value: i32) -> Invalid {
    Invalid::new(field, format!("{value} is not known to this version: update the scheduler"))
}

impl From<&JobRequest> for v1::Request {
    fn from(request: &JobRequest) -> v1::Request {
        let boundaries = match request.boundaries {
            BoundaryRule::Grid { .. } => v1::Boundaries::Grid,
            BoundaryRule::Multiples { .. } => v1::Boundaries::Multiples,
            BoundaryRule::KeyframesGreedy { .. } => v1::Boundaries::KeyframesGreedy,
            BoundaryRule::KeyframesCumulative { .. } => v1::Boundaries::KeyframesCumulative,
        };
        let packaging = match request.packaging {
            Packaging::MpegTs => v1::Packaging::MpegTs,
            Packaging::Fmp4 => v1::Packaging::Fmp4,
        };
        let audio = match &request.audio {
            None => v1::Audio { none: true, ..v1::Audio::default() },
            Some(audio) => sent(audio),
        };
        v1::Request {
            renditions: request.renditions.iter().map(ToString::to_string).collect(),
            upscale: request.upscale,
            boundaries: boundaries.into(),
            segment_seconds: request.boundaries.segment().to_string(),
            packaging: packaging.into(),
            together: request.together,
            exact: request.exact,
            crf: Some(request.crf.into()),
            constant_bitrate: request.constant_bitrate,
            rate_control: request.rate_control.map(v1::RateControl::from),
            preset: request.preset.clone(),
            colour: (request.colour != ColourLabels::default()).then(|| {
                let ColourLabels { primaries, transfer, matrix } = request.colour.clone();
                v1::ColourLabels {
                    primaries: primaries.unwrap_or_default(),
                    transfer: transfer.unwrap_or_default(),
                    matrix: matrix.unwrap_or_default(),
                }
            }),
            profile: match request.profile {
                H264Profile::Baseline => v1::Profile::Baseline,
                H264Profile::Main => v1::Profile::Main,
                H264Profile::High => v1::Profile::High,
            }
            .into(),
            level_max: request.level_max.map(u32::from),
            over_level: request.over_level,
            audio: Some(audio),
            timestamp_offset_seconds: request
                .timestamp_offset
                .map(|offset| offset.to_string())
                .unwrap_or_default(),
            keep_start: request.keep_start,
            frame_grid: request.frame_grid,
            without_picture: request.without_picture,
            keep_fields: request.fields == FieldRequest::Kept,
            deinterlace: match request.fields {
                FieldRequest::Made(made) => Some(made.into()),
                FieldRequest::Usual | FieldRequest::Kept => None,
            },
            orientation: request.orientation.map(Into::into),
            without_captions: !request.captions,
            keyframe_seconds: request.keyframes.map(|time| time.to_string()).unwrap_or_default(),
        }
    }
}
