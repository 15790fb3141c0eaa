//! What goes over the wire comes back as it was, and what cannot be meant is refused by name.

use proptest::prelude::*;
use prost::Message;
use segue_api::v1;
use segue_model::pool::{
    Answer, Beat, Desired, DeviceCapabilities, EncoderFamily, LeaseId, Measured, Order, Renditions,
    Resources, Screened, Screening, SpanEnd, SpanStatus, Status, Term, WorkerId,
};
use segue_model::{
    AudioRequest, BoundaryRule, ChannelRequest, ColourLabels, Deinterlace, DeinterlaceMethod,
    FailureClass, FieldRequest, Gain, H264Profile, Hash, JobId, JobRequest, Mix, Orientation,
    Packaging, RateControl, SegmentId, Span, SpanFailure, Time,
};

/// Sent as bytes, as it would be.
fn sent<M: Message + Default>(message: &M) -> M {
    M::decode(message.encode_to_vec().as_slice()).expect("what was encoded is decoded")
}

prop_compose! {
    fn orders()(
        (term, epoch) in any::<(u64, u64)>(),
        job in any::<[u8; 32]>(),
        (first, length) in (0..u32::MAX / 2, 0..u32::MAX / 2),
        renditions in any::<u64>(),
        device in any::<u16>(),
        playback in any::<bool>(),
    ) -> Order {
        Order {
            lease: LeaseId { term: Term(term), epoch },
            job: JobId(Hash(job)),
            span: Span { first, end: first + length },
            renditions: Renditions::from_bits(renditions),
            device,
            playback,
        }
    }
}

fn resources() -> impl Strategy<Value = Resources> {
    any::<[u32; 4]>().prop_map(|[video_ms, render_ms, cpu_ms, memory_mib]| Resources {
        video_ms,
        render_ms,
        cpu_ms,
        memory_mib,
    })
}

fn ends() -> impl Strategy<Value = SpanEnd> {
    let classes = prop::sample::select(vec![
        FailureClass::Source,
        FailureClass::Worker,
        FailureClass::Transient,
    ]);
    let failures = (classes, ".*", prop::collection::vec(".*", 0..3))
        .prop_map(|(class, message, log)| SpanEnd::Failed(SpanFailure { class, message, log }));
    let plain = vec![SpanEnd::Done, SpanEnd::Returned, SpanEnd::Died, SpanEnd::Killed];
    prop_oneof![prop::sample::select(plain), failures]
}

prop_compose! {
    fn spans()(
        order in orders(),
        (ready_through, published_through) in any::<(u32, u32)>(),
        gaps in prop::collection::vec(any::<(u32, u32)>(), 0..4),
        measured in prop::option::of((any::<(u32, u32)>(), resources())),
        end in prop::option::of(ends()),
    ) -> SpanStatus {
        let gap = |(rendition, index)| SegmentId { rendition, index };
        let measure = |((segments, pace_ms), effort)| Measured { segments, pace_ms, effort };
        SpanStatus {
            order,
            ready_through,
            published_through,
            gaps: gaps.into_iter().map(gap).collect(),
            measured: measured.map(measure),
            end,
        }
    }
}

fn screenings() -> impl Strategy<Value = Screening> {
    any::<(u64, u16, u32)>().prop_map(|(term, device, round)| Screening {
        term: Term(term),
        device,
        round,
    })
}

fn beats() -> impl Strategy<Value = Beat> {
    any::<[u64; 7]>().prop_map(|[worker, incarnation, stream, sequence, content, term, version]| {
        let (worker, applied) = (WorkerId(worker), (Term(term), version));
        Beat { worker, incarnation, stream, sequence, content, applied }
    })
}

proptest! {
    #[test]
    fn a_status_arrives_as_it_was(
        beat in beats(),
        spans in prop::collection::vec(spans(), 0..4),
        draining in any::<bool>(),
        screened in prop::collection::vec((screenings(), any::<bool>()), 0..3),
    ) {
        let screened = screened.into_iter();
        let screened = screened.map(|(screening, passed)| Screened { screening, passed }).collect();
        let status = Status { beat, spans, draining, screened };
        let wire = sent(&v1::Status::from(status.clone()));
        prop_assert_eq!(Status::try_from(wire), Ok(status));
    }

    #[test]
    fn a_desired_state_arrives_as_it_was(
        numbers in any::<[u64; 5]>(),
        (begin_within_ms, lease_ms) in any::<(u32, u32)>(),
        orders in prop::collection::vec(orders(), 0..4),
        drain in any::<bool>(),
        screenings in prop::collection::vec(screenings(), 0..3),
    ) {
        let [term, stream, version, heard, content] = numbers;
        let term = Term(term);
        let answer = Answer { term, stream, version, heard, content, begin_within_ms, lease_ms };
        let desired = Desired { answer, orders, drain, screenings };
        let wire = sent(&v1::Desired::from(desired.clone()));
        prop_assert_eq!(Desired::try_from(wire), Ok(desired));
    }

    #[test]
    fn a_device_arrives_as_it_was(
        name in ".*",
        family in prop::sample::select(EncoderFamily::ALL.to_vec()),
        (capacity, calibration) in (resources(), resources()),
        (spans_max, batch_spans) in any::<(u16, u16)>(),
    ) {
        let device =
            DeviceCapabilities { name, family, capacity, calibration, spans_max, batch_spans };
        let wire = sent(&v1::Device::from(device.clone()));
        prop_assert_eq!(DeviceCapabilities::try_from(wire), Ok(device));
    }
}

#[test]
fn a_request_arrives_as_it_was() {
    let segment = Time::new(1001, 500);
    for request in [
        JobRequest::default(),
        JobRequest {
            boundaries: BoundaryRule::KeyframesCumulative { segment },
            packaging: Packaging::Fmp4,
            together: true,
            exact: true,
            without_picture: true,
            renditions: ["720p@3M", "640x360", "source", "=720x576:64/45"]
                .map(|r| r.parse().expect(r))
                .to_vec(),
            upscale: true,
            crf: 0,
            constant_bitrate: true,
            rate_control: None,
            preset: "slow".to_owned(),
            fields: FieldRequest::Kept,
            orientation: Some(Orientation { quarter_turns: 3, mirrored: true }),
            captions: false,
            keyframes: Some(Time::HALF),
            colour: ColourLabels {
                primaries: Some("bt709".to_owned()),
                transfer: None,
                matrix: Some("smpte170m".to_owned()),
            },
            profile: H264Profile::Baseline,
            level_max: Some(255),
            over_level: true,
            timestamp_offset: Some(Time::new(7, 5)),
            keep_start: true,
            frame_grid: true,
            audio: None,
        },
        JobRequest {
            boundaries: BoundaryRule::KeyframesGreedy { segment },
            audio: Some(AudioRequest {
                stream: Some(0),
                bitrate: Some(96_000),
                channels: ChannelRequest::Source,
                sample_rate: None,
                gain: Gain::Decibels(Time::new(-7, 2)),
                mix: None,
                copy: true,
            }),
            ..JobRequest::default()
        },
    ] {
        let wire = sent(&v1::Request::from(&request));
        assert_eq!(JobRequest::try_from(wire), Ok(request));
    }
}

#[test]
fn every_sound_arrives_as_it_was() {
    let channels = [ChannelRequest::Stereo, ChannelRequest::Source, ChannelRequest::Exactly(6)];
    let gains = [Gain::NONE, Gain::Factor(Time::new(1, 3)), Gain::Decibels(Time::from_secs(1))];
    for (channels, gain) in channels.into_iter().zip(gains) {
        let (stream, bitrate, sample_rate) = (Some(1), Some(62_656), Some(22_050));
        let halves = vec![Time::HALF, Time::new(-1, 3)];
        let mix = Some(Mix::new(vec![halves.clone(), halves]).expect("a mix"));
        let copy = false;
        let audio = Some(AudioRequest { stream, bitrate, channels, sample_rate, gain, mix, copy });
        let request = JobRequest { audio, ..JobRequest::default() };
        let wire = sent(&v1::Request::from(&request));
        assert_eq!(JobRequest::try_from(wire), Ok(request));
    }
}

#[test]
fn what_becomes_of_fields_arrives_as_it_was() {
    let (yadif, bwdif) = (DeinterlaceMethod::Yadif, DeinterlaceMethod::Bwdif);
    for fields in [
        FieldRequest::Made(Deinterlace { method: yadif, every_field: true, marked_only: false }),
        FieldRequest::Made(Deinterlace { method: bwdif, every_field: false, marked_only: true }),
    ] {
        let request = JobRequest { fields, ..JobRequest::default() };
        let wire = sent(&v1::Request::from(&request));
        assert_eq!(JobRequest::try_from(wire), Ok(request));
    }
}

#[test]
fn every_rate_control_arrives_as_it_was() {
    let (bitrate, bitrate_max, buffer_bits) = (0, u64::MAX, 1);
    for rate_control in [
        RateControl::CappedQuality { crf: 255, bitrate_max, buffer_bits },
        RateControl::CappedBitrate { bitrate, bitrate_max, buffer_bits },
        RateControl::Quality { crf: 0 },
    ] {
        let boundaries = BoundaryRule::Multiples { segment: Time::from_secs(3) };
        let rate_control = Some(rate_control);
        let request = JobRequest { boundaries, rate_control, ..JobRequest::default() };
        let wire = sent(&v1::Request::from(&request));
        assert_eq!(JobRequest::try_from(wire), Ok(request));
    }
}

#[test]
fn what_is_left_out_of_a_request_is_as_usual() {
    assert_eq!(JobRequest::try_from(v1::Request::default()), Ok(JobRequest::default()));
}

#[test]
fn what_cannot_be_meant_names_its_field() {
    let request = |wire: v1::Request| JobRequest::try_from(wire).expect_err("refused").to_string();
    let usual = v1::Request::default;
    let renditions = vec!["720p".to_owned(), "big".to_owned()];
    let said = request(v1::Request { renditions, ..usual() });
    assert!(said.starts_with("renditions[1]: ") && said.contains("SIZE"), "{said}");
    let said = request(v1::Request { segment_seconds: "two".to_owned(), ..usual() });
    assert!(said.starts_with("segment_seconds: 'two'"), "{said}");
    assert!(request(v1::Request { crf: Some(256), ..usual() }).starts_with("crf: "));
    let half = v1::RateControl { bitrate_max: Some(1), ..v1::RateControl::default() };
    let no_aim = v1::RateControl { buffer_bits: Some(1), ..half };
    let aim = Some(v1::rate_control::Aim::Bitrate(1));
    let no_cap = v1::RateControl { aim, ..v1::RateControl::default() };
    for rate in [half, no_aim, no_cap] {
        let said = request(v1::Request { rate_control: Some(rate), ..usual() });
        assert!(said.starts_with("rate_control: "), "{said}");
    }
    for gain in ["loud", "2 dB", "dB", "1e3"] {
        let audio = Some(v1::Audio { gain: gain.to_owned(), ..v1::Audio::default() });
        let said = request(v1::Request { audio, ..usual() });
        assert!(said.starts_with("audio.gain: "), "{said}");
    }
    let both = v1::Audio { source_channels: true, channels: Some(2), ..v1::Audio::default() };
    let said = request(v1::Request { audio: Some(both), ..usual() });
    assert!(said.starts_with("audio.channels: "), "{said}");
    for shares in [vec!["half"], vec![], vec!["1001"]] {
        let shares = shares.into_iter().map(str::to_owned).collect();
        let mix = vec![v1::MixRow { shares }];
        let audio = Some(v1::Audio { mix, ..v1::Audio::default() });
        let said = request(v1::Request { audio, ..usual() });
        assert!(said.starts_with("audio.mix: "), "{said}");
    }
    let deinterlace = Some(v1::Deinterlace::default());
    let said = request(v1::Request { keep_fields: true, deinterlace, ..usual() });
    assert!(said.starts_with("deinterlace: "), "{said}");
    let unknown = Some(v1::Deinterlace { method: 9, ..v1::Deinterlace::default() });
    let said = request(v1::Request { deinterlace: unknown, ..usual() });
    assert!(said.starts_with("deinterlace.method: 9"), "{said}");
    let orientation = Some(v1::Orientation { quarter_turns: 4, mirrored: false });
    let said = request(v1::Request { orientation, ..usual() });
    assert!(said.starts_with("orientation.quarter_turns: 4"), "{said}");
    let timestamp_offset_seconds = "soon".to_owned();
    let said = request(v1::Request { timestamp_offset_seconds, ..usual() });
    assert!(said.starts_with("timestamp_offset_seconds: 'soon'"), "{said}");
    assert!(request(v1::Request { profile: 9, ..usual() }).starts_with("profile: 9"));
    assert!(request(v1::Request { level_max: Some(256), ..usual() }).starts_with("level_max: "));
    assert!(request(v1::Request { packaging: 9, ..usual() }).starts_with("packaging: 9"));

    let order = v1::Order {
        lease: Some(v1::LeaseId { term: 1, epoch: 1 }),
        job: vec![0; 31],
        first: 2,
        end: 3,
        renditions: 1,
        device: 0,
        playback: false,
    };
    let status = |order: v1::Order| {
        let span = v1::SpanStatus { order: Some(order), ..v1::SpanStatus::default() };
        let beat = Some(v1::Beat::default());
        let wire = v1::Status { beat, spans: vec![span], ..v1::Status::default() };
        Status::try_from(wire).expect_err("refused").to_string()
    };
    assert_eq!(status(order.clone()), "spans[0].order.job: has 31 bytes, not 32");
    let whole = v1::Order { job: vec![0; 32], ..order };
    assert!(status(v1::Order { end: 1, ..whole.clone() }).starts_with("spans[0].order.end: "));
    assert!(status(v1::Order { device: 1 << 16, ..whole.clone() }).contains("order.device"));
    assert_eq!(status(v1::Order { lease: None, ..whole }), "spans[0].order.lease: is missing");
}
