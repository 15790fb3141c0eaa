//! What a source is gets across the wire whole, but for its keyframes.

use proptest::prelude::*;
use prost::Message;
use segue_api::v1;
use segue_model::{
    AudioFacts, Colour, FieldOrder, FrameClock, FrameRate, KeyframeIndex, Orientation, SampleGrid,
    SourceFacts, StreamKind, Time, VideoFacts,
};

fn times() -> impl Strategy<Value = Time> {
    (any::<i32>(), 1..i32::MAX).prop_map(|(num, den)| Time::new(num.into(), den.into()))
}

fn rates() -> impl Strategy<Value = FrameRate> {
    (times(), any::<bool>()).prop_map(|(rate, varies)| match varies {
        true => FrameRate::Variable(rate),
        false => FrameRate::Constant(rate),
    })
}

fn colours() -> impl Strategy<Value = Colour> {
    (any::<bool>(), ".*", ".*", ".*").prop_map(|(full_range, primaries, transfer, matrix)| Colour {
        full_range,
        primaries,
        transfer,
        matrix,
    })
}

prop_compose! {
    fn pictures()(
        (stream, width, height) in any::<(u32, u32, u32)>(),
        (codec, pixel_format) in (".*", ".*"),
        (quarter_turns, mirrored) in (0..4u8, any::<bool>()),
        frame_rate in rates(),
        [sample_aspect, frame_rate_max, clock_start, clock_rate] in prop::array::uniform4(times()),
        field_order in prop::sample::select(vec![
            FieldOrder::Progressive,
            FieldOrder::TopFirst,
            FieldOrder::BottomFirst,
        ]),
        colour in colours(),
        [time_base, start, end] in prop::array::uniform3(times()),
        (scanned, ticks) in (any::<bool>(), prop::collection::vec(any::<i64>(), 0..4)),
    ) -> VideoFacts {
        VideoFacts {
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
            colour,
            time_base,
            start,
            end,
            keyframes: KeyframeIndex { scanned, ticks, positions: vec![7] },
        }
    }
}

prop_compose! {
    fn sounds()(
        (stream, sample_rate, channels) in any::<(u32, u32, u32)>(),
        (codec, layout, language) in (".*", ".*", prop::option::of(".*")),
        (default, decodable) in any::<(bool, bool)>(),
        [time_base, start, end] in prop::array::uniform3(times()),
        grid in prop::option::of((1..u32::MAX, any::<i64>())),
    ) -> AudioFacts {
        let grid = grid.map(|(frame_size, origin)| SampleGrid { frame_size, origin });
        AudioFacts {
            stream, codec, sample_rate, channels, layout, language, default, time_base, start, end,
            grid, decodable,
        }
    }
}

fn kinds() -> impl Strategy<Value = StreamKind> {
    prop::sample::select(vec![
        StreamKind::Video,
        StreamKind::Cover,
        StreamKind::Audio,
        StreamKind::Subtitle,
        StreamKind::Other,
    ])
}

prop_compose! {
    fn sources()(
        container in ".*",
        (start, duration) in (times(), times()),
        declared_duration in prop::option::of(times()),
        video in prop::option::of(pictures()),
        audio in prop::collection::vec(sounds(), 0..3),
        streams in prop::collection::vec(kinds(), 0..9),
    ) -> SourceFacts {
        SourceFacts { container, start, duration, declared_duration, video, audio, streams }
    }
}

/// Sent as bytes, as it would be.
fn sent(facts: &SourceFacts) -> v1::SourceInfo {
    let message = v1::SourceInfo::from(facts);
    v1::SourceInfo::decode(message.encode_to_vec().as_slice()).expect("what was encoded is decoded")
}

proptest! {
    #[test]
    fn a_source_arrives_as_it_was_but_for_its_keyframes(facts in sources()) {
        let arrived = SourceFacts::try_from(sent(&facts));
        let mut expected = facts;
        if let Some(video) = &mut expected.video {
            let (ticks, positions) = (Vec::new(), Vec::new());
            video.keyframes = KeyframeIndex { scanned: false, ticks, positions };
        }
        prop_assert_eq!(arrived, Ok(expected));
    }
}

#[test]
fn what_cannot_be_meant_of_a_source_names_its_field() {
    let said = |info: v1::SourceInfo| {
        SourceFacts::try_from(v1::DescribeResponse { info: Some(info) }).expect_err("no").field
    };
    let usual = || v1::SourceInfo {
        start: "0".to_owned(),
        duration: "1001/24".to_owned(),
        ..v1::SourceInfo::default()
    };
    assert_eq!(said(v1::SourceInfo { duration: "1/0".to_owned(), ..usual() }), "info.duration");
    let video = v1::VideoInfo { frame_rate: "24 fps".to_owned(), ..v1::VideoInfo::default() };
    let video = v1::SourceInfo { video: Some(video), ..usual() };
    assert_eq!(said(video), "info.video.frame_rate");
    let grid = Some(v1::SampleGrid { frame_size: 0, origin: 0 });
    let audio = vec![v1::AudioInfo { grid, ..v1::AudioInfo::default() }];
    assert_eq!(said(v1::SourceInfo { audio, ..usual() }), "info.audio[0].grid.frame_size");
    let nothing = SourceFacts::try_from(v1::DescribeResponse { info: None });
    assert_eq!(nothing.expect_err("no").field, "info");
}
