//! What a source is, as clients are told it.

use segue_model::{
    AudioFacts, Colour, FieldOrder, FrameClock, FrameRate, KeyframeIndex, Orientation, SampleGrid,
    SourceFacts, StreamKind, Time, VideoFacts,
};

use crate::invalid::{Invalid, fits, required};
use crate::v1;

impl From<&SourceFacts> for v1::SourceInfo {
    fn from(facts: &SourceFacts) -> v1::SourceInfo {
        let SourceFacts { container, start, duration, declared_duration, video, audio, streams } =
            facts;
        v1::SourceInfo {
            container: container.clone(),
            start: start.to_string(),
            duration: duration.to_string(),
            declared_duration: declared_duration.map(|declared| declared.to_string()),
            video: video.as_ref().map(v1::VideoInfo::from),
            audio: audio.iter().map(v1::AudioInfo::from).collect(),
            streams: streams.iter().map(|kind| stream_kind(*kind).into()).collect(),
        }
    }
}

/// Without keyframes: enough for boundaries that do not depend on them, and not for a job.
impl TryFrom<v1::SourceInfo> for SourceFacts {
    type Error = Invalid;

    fn try_from(wire: v1::SourceInfo) -> Result<SourceFacts, Invalid> {
        let v1::SourceInfo { container, start, duration, declared_duration, video, audio, streams } =
            wire;
        let declared = declared_duration.as_deref();
        let declared = declared.map(|declared| exact(declared, "declared_duration"));
        let video = video.map(|video| VideoFacts::try_from(video).map_err(|e| e.within("video")));
        let each = |(at, track): (usize, v1::AudioInfo)| {
            AudioFacts::try_from(track)
                .map_err(|error: Invalid| error.within(&format!("audio[{at}]")))
        };
        Ok(SourceFacts {
            container,
            start: exact(&start, "start")?,
            duration: exact(&duration, "duration")?,
            declared_duration: declared.transpose()?,
            video: video.transpose()?,
            audio: audio.into_iter().enumerate().map(each).collect::<Result<_, _>>()?,
            // A kind that is not known is as good as any other that nobody shows.
            streams: streams
                .into_iter()
                .map(|kind| match v1::StreamKind::try_from(kind) {
                    Ok(v1::StreamKind::Video) => StreamKind::Video,
                    Ok(v1::StreamKind::Cover) => StreamKind::Cover,
                    Ok(v1::StreamKind::Audio) => StreamKind::Audio,
                    Ok(v1::StreamKind::Subtitle) => StreamKind::Subtitle,
                    Ok(v1::StreamKind::Unspecified) | Err(_) => StreamKind::Other,
                })
                .collect(),
        })
    }
}

fn stream_kind(kind: StreamKind) -> v1::StreamKind {
    match kind {
        StreamKind::Video => v1::StreamKind::Video,
        StreamKind::Cover => v1::StreamKind::Cover,
        StreamKind::Audio => v1::StreamKind::Audio,
        StreamKind::Subtitle => v1::StreamKind::Subtitle,
        StreamKind::Other => v1::StreamKind::Unspecified,
    }
}

impl From<&VideoFacts> for v1::VideoInfo {
    fn from(facts: &VideoFacts) -> v1::VideoInfo {
        let VideoFacts {
            stream,
            codec,
            width,
            height,
            sample_aspect,
            orientation: Orientation { quarter_turns, mirrored },
            frame_rate,
            frame_rate_max,
            clock: FrameClock { start: clock_start, rate: clock_rate },
            field_order,
            pixel_format,
            colour: Colour { full_range, primaries, transfer, matrix },
            time_base,
            start,
            end,
            keyframes: _,
        } = facts;
        let (frame_rate, variable_rate) = match frame_rate {
            FrameRate::Constant(rate) => (rate, false),
            FrameRate::Variable(rate) => (rate, true),
        };
        v1::VideoInfo {
            stream: *stream,
            codec: codec.clone(),
            width: *width,
            height: *height,
            sample_aspect: sample_aspect.to_string(),
            quarter_turns: u32::from(*quarter_turns),
            mirrored: *mirrored,
            frame_rate: frame_rate.to_string(),
            variable_rate,
            frame_rate_max: frame_rate_max.to_string(),
            clock_start: clock_start.to_string(),
            clock_rate: clock_rate.to_string(),
            field_order: v1::FieldOrder::from(*field_order).into(),
            pixel_format: pixel_format.clone(),
            full_range: *full_range,
            primaries: primaries.clone(),
            transfer: transfer.clone(),
            matrix: matrix.clone(),
            time_base: time_base.to_string(),
            start: start.to_string(),
            end: end.to_string(),
        }
    }
}

impl TryFrom<v1::VideoInfo> for VideoFacts {
    type Error = Invalid;

    fn try_from(wire: v1::VideoInfo) -> Result<VideoFacts, Invalid> {
        let v1::VideoInfo {
            stream,
            codec,
            width,
            height,
            sample_aspect,
            quarter_turns,
            mirrored,
            frame_rate,
            variable_rate,
            frame_rate_max,
            clock_start,
            clock_rate,
            field_order,
            pixel_format,
            full_range,
            primaries,
            transfer,
            matrix,
            time_base,
            start,
            end,
        } = wire;
        let rate = exact(&frame_rate, "frame_rate")?;
        let frame_rate =
            if variable_rate { FrameRate::Variable(rate) } else { FrameRate::Constant(rate) };
        let clock = FrameClock {
            start: exact(&clock_start, "clock_start")?,
            rate: exact(&clock_rate, "clock_rate")?,
        };
        if quarter_turns > 3 {
            return Err(Invalid::new("quarter_turns", format!("{quarter_turns} is more than 3")));
        }
        let quarter_turns = fits(quarter_turns, "quarter_turns")?;
        Ok(VideoFacts {
            stream,
            codec,
            width,
            height,
            sample_aspect: exact(&sample_aspect, "sample_aspect")?,
            orientation: Orientation { quarter_turns, mirrored },
            frame_rate,
            frame_rate_max: exact(&frame_rate_max, "frame_rate_max")?,
            clock,
            field_order: read_field_order(field_order)?,
            pixel_format,
            colour: Colour { full_range, primaries, transfer, matrix },
            time_base: exact(&time_base, "time_base")?,
            start: exact(&start, "start")?,
            end: exact(&end, "end")?,
            keyframes: KeyframeIndex { scanned: false, ticks: Vec::new(), positions: Vec::new() },
        })
    }
}

impl From<FieldOrder> for v1::FieldOrder {
    fn from(order: FieldOrder) -> v1::FieldOrder {
        match order {
            FieldOrder::Progressive => v1::FieldOrder::Progressive,
            FieldOrder::TopFirst => v1::FieldOrder::TopFirst,
            FieldOrder::BottomFirst => v1::FieldOrder::BottomFirst,
        }
    }
}

fn read_field_order(wire: i32) -> Result<FieldOrder, Invalid> {
    match v1::FieldOrder::try_from(wire) {
        Ok(v1::FieldOrder::Unspecified) | Err(_) => {
            let reason = format!("{wire} is not known to this version: update the client");
            Err(Invalid::new("field_order", reason))
        }
        Ok(v1::FieldOrder::Progressive) => Ok(FieldOrder::Progressive),
        Ok(v1::FieldOrder::TopFirst) => Ok(FieldOrder::TopFirst),
        Ok(v1::FieldOrder::BottomFirst) => Ok(FieldOrder::BottomFirst),
    }
}

impl From<&AudioFacts> for v1::AudioInfo {
    fn from(facts: &AudioFacts) -> v1::AudioInfo {
        let AudioFacts {
            stream,
            codec,
            sample_rate,
            channels,
            layout,
            language,
            default,
            time_base,
            start,
            end,
            grid,
            decodable,
        } = facts;
        let grid =
            grid.map(|SampleGrid { frame_size, origin }| v1::SampleGrid { frame_size, origin });
        v1::AudioInfo {
            stream: *stream,
            codec: codec.clone(),
            sample_rate: *sample_rate,
            channels: *channels,
            layout: layout.clone(),
            language: language.clone(),
            default: *default,
            time_base: time_base.to_string(),
            start: start.to_string(),
            end: end.to_string(),
            grid,
            decodable: *decodable,
        }
    }
}

impl TryFrom<v1::AudioInfo> for AudioFacts {
    type Error = Invalid;

    fn try_from(wire: v1::AudioInfo) -> Result<AudioFacts, Invalid> {
        let v1::AudioInfo {
            stream,
            codec,
            sample_rate,
            channels,
            layout,
            language,
            default,
            time_base,
            start,
            end,
            grid,
            decodable,
        } = wire;
        let grid =
            grid.map(|v1::SampleGrid { frame_size, origin }| SampleGrid { frame_size, origin });
        if grid.is_some_and(|grid| grid.frame_size == 0) {
            return Err(Invalid::new("grid.frame_size", "0: a packet holds at least one sample"));
        }
        Ok(AudioFacts {
            stream,
            codec,
            sample_rate,
            channels,
            layout,
            language,
            default,
            time_base: exact(&time_base, "time_base")?,
            start: exact(&start, "start")?,
            end: exact(&end, "end")?,
            grid,
            decodable,
        })
    }
}

impl TryFrom<v1::DescribeResponse> for SourceFacts {
    type Error = Invalid;

    fn try_from(wire: v1::DescribeResponse) -> Result<SourceFacts, Invalid> {
        let info = required(wire.info, "info")?;
        SourceFacts::try_from(info).map_err(|error| error.within("info"))
    }
}

fn exact(text: &str, field: &str) -> Result<Time, Invalid> {
    let wrong = |_| Invalid::new(field, format!("'{text}' is no number, such as 24 or 24000/1001"));
    text.parse().map_err(wrong)
}
