//! From what a person asks for to a recipe with every choice made.

mod asking;
mod sample;

use asking::{picture, request, with_pixels};
use std::collections::BTreeSet;

use proptest::prelude::*;
use sample::{film, sound};
use segue_model::{
    AudioRequest, AudioSettings, BoundaryRule, ChannelRequest, Deinterlace, EffortError,
    FieldOrder, FrameRate, Gain, JobRequest, Packaging, RateControl, Recipe, RenditionRequest,
    RequestError, Sizing, SourceFacts, Time, VideoSettings,
};

fn exactly(width: u32, height: u32, sample_aspect: Time) -> Sizing {
    Sizing::Exactly { width, height, sample_aspect }
}

fn videos(recipe: &Recipe) -> Vec<&VideoSettings> {
    recipe.renditions.iter().filter_map(|rendition| rendition.video.as_ref()).collect()
}

fn size(asked: &str, facts: &SourceFacts) -> Result<(u32, u32), RequestError> {
    let recipe = request(&[asked]).resolve(facts)?;
    let video = videos(&recipe)[0];
    Ok((video.width, video.height))
}

fn names(recipe: &Recipe) -> Vec<&str> {
    recipe.renditions.iter().map(|rendition| rendition.name.as_str()).collect()
}

fn heard(request: AudioRequest, facts: &SourceFacts) -> Result<AudioSettings, RequestError> {
    let recipe = JobRequest { audio: Some(request), ..JobRequest::default() }.resolve(facts)?;
    Ok(recipe.renditions[0].audio.clone().expect("sound"))
}

#[test]
fn renditions_are_read_as_people_write_them() {
    let asked = |sizing, bitrate| Ok(RenditionRequest { sizing, bitrate });
    for (text, expected) in [
        ("720p", asked(Sizing::Rows(720), None)),
        ("720p@3M", asked(Sizing::Rows(720), Some(3_000_000))),
        ("1280x720@2.5m", asked(Sizing::Within(1280, 720), Some(2_500_000))),
        ("1280x720@800k", asked(Sizing::Within(1280, 720), Some(800_000))),
        ("16x8192@800000", asked(Sizing::Within(16, 8192), Some(800_000))),
        ("source@8M", asked(Sizing::Source, Some(8_000_000))),
        ("source", asked(Sizing::Source, None)),
        ("=720x576", asked(exactly(720, 576, Time::from_secs(1)), None)),
        ("=720x576:64/45@3M", asked(exactly(720, 576, Time::new(64, 45)), Some(3_000_000))),
        ("=16x8192:0.5", asked(exactly(16, 8192, Time::HALF), None)),
    ] {
        assert_eq!(text.parse::<RenditionRequest>(), expected, "{text}");
    }
}

#[test]
fn a_malformed_rendition_is_shown_how_to_be_written() {
    for text in [
        "",
        "p",
        "720",
        "x",
        "1280x",
        "x720",
        "1280x720p",
        "-720p",
        "+720p",
        "7.2p",
        "720P",
        " 720p",
        "720p@",
        "720p@M",
        "720p@-3M",
        "720p@3G",
        "720p@3M@4M",
        "@3M",
        "720p@3/2M",
        "720p@1e6",
        "1280x720x3",
        "٧٢٠p",
        "720p@3Ｍ",
        "Source",
        "=",
        "=720p",
        "=720x",
        "=720x576:",
        "=720x576:4:3",
        "=720x576:1/0",
        "=source",
    ] {
        let refused = text.parse::<RenditionRequest>();
        assert_eq!(refused, Err(RequestError::Malformed(text.to_owned())), "{text}");
    }
}

#[test]
fn a_size_or_bit_rate_that_no_encoder_takes_is_refused() {
    for text in ["0p", "15p", "8193p", "0x0", "1280x0", "8193x720", "99999999999999999999p"] {
        let refused = text.parse::<RenditionRequest>();
        assert_eq!(refused, Err(RequestError::Size(text.to_owned())), "{text}");
    }
    for text in ["720p@0", "720p@0.1k", "720p@49999", "720p@201M", "720p@9999999999999"] {
        let refused = text.parse::<RenditionRequest>();
        assert_eq!(refused, Err(RequestError::Bitrate(text.to_owned())), "{text}");
    }
}

#[test]
fn a_rendition_made_by_a_program_is_checked_like_a_written_one() {
    let resolve = |sizing, bitrate| {
        let renditions = vec![RenditionRequest { sizing, bitrate }];
        JobRequest { renditions, ..JobRequest::default() }.resolve(&film())
    };
    for (sizing, text) in [
        (Sizing::Rows(0), "0p"),
        (Sizing::Rows(u32::MAX), "4294967295p"),
        (Sizing::Within(0, 0), "0x0"),
        (Sizing::Within(u32::MAX, 16), "4294967295x16"),
    ] {
        assert_eq!(resolve(sizing, None), Err(RequestError::Size(text.to_owned())));
    }
    for bits in [0, u64::MAX] {
        let refused = resolve(Sizing::Source, Some(bits));
        assert_eq!(refused, Err(RequestError::Bitrate(format!("source@{bits}"))));
    }
}

#[test]
fn a_picture_keeps_its_shape_inside_the_size_asked_for() {
    let square = Time::from_secs(1);
    let pal = with_pixels(picture(720, 576), Time::new(64, 45), 0);
    let tall_pixels = with_pixels(picture(720, 480), Time::new(8, 9), 0);
    let portrait = with_pixels(picture(1920, 1080), square, 1);
    for (asked, facts, expected) in [
        ("720p", picture(1920, 1080), (1280, 720)),
        ("source", picture(1920, 1080), (1920, 1080)),
        // 2.39:1 fills the width of the 16:9 frame.
        ("720p", picture(1920, 804), (1280, 536)),
        ("720p", picture(1280, 536), (1280, 536)),
        // 4:3 fills its height.
        ("720p", picture(1440, 1080), (960, 720)),
        ("480p", picture(640, 480), (640, 480)),
        ("1280x720", picture(1440, 1080), (960, 720)),
        // Upright: 720 columns.
        ("720p", portrait.clone(), (720, 1280)),
        ("720p", picture(1080, 1920), (720, 1280)),
        ("source", portrait.clone(), (1080, 1920)),
        ("source", with_pixels(picture(1920, 1080), square, 3), (1080, 1920)),
        ("source", with_pixels(picture(1920, 1080), square, 2), (1920, 1080)),
        ("1280x720", portrait, (406, 720)),
        // Wide pixels add columns, narrow ones rows.
        ("source", pal.clone(), (1024, 576)),
        ("576p", pal.clone(), (1024, 576)),
        ("360p", pal, (640, 360)),
        ("source", tall_pixels, (720, 540)),
    ] {
        assert_eq!(size(asked, &facts), Ok(expected), "{asked}");
    }
}

#[test]
fn an_unknown_pixel_shape_counts_as_square() {
    for unknown in [Time::ZERO, Time::from_secs(-1)] {
        let facts = with_pixels(picture(1920, 1080), unknown, 0);
        assert_eq!(size("720p", &facts), Ok((1280, 720)));
    }
}

#[test]
fn odd_sources_lose_or_gain_one_row_at_most() {
    for (width, height) in [(853, 480), (1919, 1079), (17, 17), (1921, 1081)] {
        let (made_width, made_height) = size("source", &picture(width, height)).expect("a size");
        assert!(made_width.is_multiple_of(2) && made_height.is_multiple_of(2));
        assert!(made_width.abs_diff(width) <= 1 && made_height.abs_diff(height) <= 1);
    }
    // The frame has room for the even size above the source's.
    assert_eq!(size("480p", &picture(853, 480)), Ok((854, 480)));
    assert_eq!(size("source", &picture(853, 480)), Ok((852, 480)));
}

#[test]
fn a_source_too_small_for_an_encoder_is_made_as_small_as_it_can_be() {
    for (width, height) in [(1, 1), (0, 0), (2, 8)] {
        assert_eq!(size("source", &picture(width, height)), Ok((16, 16)));
    }
}

#[test]
fn a_source_too_large_for_an_encoder_is_made_smaller_when_asked() {
    let panorama = picture(16_000, 4_000);
    assert_eq!(size("source", &panorama), Err(RequestError::Size("source".to_owned())));
    assert_eq!(size("4000x1000", &panorama), Ok((4000, 1000)));
}

#[test]
fn larger_than_the_source_is_made_only_when_asked() {
    let refused = size("1080p", &picture(1280, 720));
    assert_eq!(
        refused,
        Err(RequestError::Larger {
            width: 1920,
            height: 1080,
            source_width: 1280,
            source_height: 720
        })
    );
    assert!(refused.is_err_and(|error| error.to_string().contains("--upscale")));
    assert!(matches!(size("720p", &picture(640, 480)), Err(RequestError::Larger { .. })));

    let request = JobRequest { upscale: true, ..request(&["1080p"]) };
    let recipe = request.resolve(&picture(1280, 720)).expect("a recipe");
    assert_eq!((videos(&recipe)[0].width, videos(&recipe)[0].height), (1920, 1080));
}

#[test]
fn renditions_are_named_by_rows_and_told_apart_by_bit_rate() {
    let recipe = request(&["1080p", "720p@3M", "720p@1500k"]).resolve(&film()).expect("a recipe");
    assert_eq!(names(&recipe), ["1080p", "720p", "720p-1500k"]);
    let portrait = with_pixels(picture(1920, 1080), Time::from_secs(1), 1);
    assert_eq!(names(&request(&["720p"]).resolve(&portrait).expect("a recipe")), ["720p"]);
}

#[test]
fn the_same_rendition_twice_is_refused() {
    for (asked, twice) in [
        (&["720p@3M", "720p@3M"][..], "720p@3000000"),
        (&["720p", "720p"], "720p"),
        // Two words for one picture.
        (&["1080p", "source"], "source"),
        (&["720p@3M", "1280x720@3000k"], "1280x720@3000000"),
        // Not equal, but too close for different names.
        (&["720p@5M", "720p@3M", "720p@3000001"], "720p-3000k"),
    ] {
        let refused = request(asked).resolve(&film());
        assert_eq!(refused, Err(RequestError::Twice(twice.to_owned())), "{asked:?}");
    }
}

#[test]
fn without_a_wish_there_is_one_rendition_as_large_as_the_source() {
    let recipe = JobRequest::default().resolve(&film()).expect("a recipe");
    assert_eq!(names(&recipe), ["1080p"]);
    assert_eq!(recipe.boundaries, BoundaryRule::Grid { segment: Time::from_secs(2) });
    assert_eq!(recipe.timestamp_offset, Time::from_secs(10));
    let video = videos(&recipe)[0];
    assert_eq!(
        video.rate_control,
        RateControl::CappedQuality { crf: 20, bitrate_max: 6_000_000, buffer_bits: 6_000_000 }
    );
    assert_eq!(video.deinterlace, None);
}

#[test]
fn the_declared_cap_is_a_second_s_refill_and_a_full_buffer() {
    let declared = |rate_control| {
        let video = VideoSettings { rate_control, ..sample::encoded((1920, 1080), 0, 40) };
        (video.average(), video.declared_cap().peak())
    };
    let quality = RateControl::CappedQuality { crf: 20, bitrate_max: 4_000, buffer_bits: 6_000 };
    assert_eq!(declared(quality), (4_000, 10_000));
    let bitrate =
        RateControl::CappedBitrate { bitrate: 3_000, bitrate_max: 4_000, buffer_bits: 4_000 };
    assert_eq!(declared(bitrate), (3_000, 8_000));
    // Of what has no cap, the level's is said: 25 Mb/s at 4.0.
    let uncapped = RateControl::Quality { crf: 20 };
    assert_eq!(declared(uncapped), (25_000_000, 50_000_000));
}

#[test]
fn a_bit_rate_can_be_aimed_at() {
    let request = JobRequest { constant_bitrate: true, ..request(&["720p@3M"]) };
    let recipe = request.resolve(&film()).expect("a recipe");
    assert_eq!(videos(&recipe)[0].average(), 3_000_000);
    assert!(matches!(videos(&recipe)[0].rate_control, RateControl::CappedBitrate { .. }));
}

#[test]
fn interlaced_sources_are_deinterlaced_and_full_range_ones_limited() {
    let mut facts = film();
    let video = facts.video.as_mut().expect("a picture");
    video.field_order = FieldOrder::BottomFirst;
    video.colour.full_range = true;
    let recipe = JobRequest::default().resolve(&facts).expect("a recipe");
    assert_eq!(videos(&recipe)[0].deinterlace, Some(Deinterlace::USUAL));
    assert_eq!(videos(&recipe)[0].contract.colour, sample::bt709());
}

#[test]
fn the_level_holds_for_the_most_frames_a_second_and_for_what_headers_ask_for() {
    let level = |size, asked, average, most| {
        let (width, height) = size;
        let mut facts = picture(width, height);
        let video = facts.video.as_mut().expect("a picture");
        video.frame_rate = FrameRate::Variable(Time::from_secs(average));
        video.frame_rate_max = Time::from_secs(most);
        let recipe = request(&[asked]).resolve(&facts).expect("a recipe");
        let contract = &videos(&recipe)[0].contract;
        assert_eq!((contract.reference_frames, contract.reorder_depth), (4, 2));
        contract.level
    };
    assert_eq!(level((1920, 1080), "source", 24, 24), 40);
    assert_eq!(level((1920, 1080), "source", 24, 60), 42);
    assert_eq!(level((1280, 720), "source", 24, 60), 32);
    // Level 1.1 would do for three frames of this size, but not for the four that x264 writes.
    assert_eq!(level((320, 240), "source@100k", 10, 10), 12);
}

#[test]
fn sound_goes_with_each_picture_in_transport_streams_and_apart_in_fragmented_mp4() {
    let ladder = request(&["1080p", "720p"]);
    let recipe = ladder.resolve(&film()).expect("a recipe");
    assert!(recipe.renditions.iter().all(|r| r.video.is_some() && r.audio.is_some()));

    let fmp4 = JobRequest { packaging: Packaging::Fmp4, ..ladder };
    let recipe = fmp4.resolve(&film()).expect("a recipe");
    assert_eq!(names(&recipe), ["1080p", "720p", "audio"]);
    assert_eq!(recipe.renditions.iter().filter(|r| r.audio.is_some()).count(), 1);
    assert!(recipe.renditions[2].video.is_none());
}

#[test]
fn sound_alone_and_silence_are_jobs_and_nothing_is_not() {
    let without_picture = || SourceFacts { video: None, ..film() };
    let without_sound = || SourceFacts { audio: vec![], ..film() };
    for packaging in [Packaging::MpegTs, Packaging::Fmp4] {
        let request = JobRequest { packaging, ..JobRequest::default() };
        let recipe = request.resolve(&without_picture()).expect("a recipe");
        assert_eq!(names(&recipe), ["audio"]);
        let recipe = request.resolve(&without_sound()).expect("a recipe");
        assert_eq!((names(&recipe), &recipe.renditions[0].audio), (vec!["1080p"], &None));

        let silent = JobRequest { audio: None, ..request.clone() };
        let recipe = silent.resolve(&film()).expect("a recipe");
        assert_eq!((names(&recipe), &recipe.renditions[0].audio), (vec!["1080p"], &None));
        assert_eq!(silent.resolve(&without_picture()), Err(RequestError::Nothing));
        let nothing = SourceFacts { video: None, audio: vec![], ..film() };
        assert_eq!(request.resolve(&nothing), Err(RequestError::Nothing));
    }
    let refused = request(&["720p"]).resolve(&without_picture());
    assert_eq!(refused, Err(RequestError::NoVideo));
}

#[test]
fn the_track_asked_for_is_taken_or_else_the_container_s_default_or_else_the_first() {
    let mut facts = film();
    facts.audio = vec![sound(1, 2), sound(2, 6), sound(5, 2)];
    let asked = |stream, facts: &SourceFacts| {
        heard(AudioRequest { stream, ..AudioRequest::default() }, facts).map(|sound| sound.stream)
    };
    assert_eq!(asked(None, &facts), Ok(1));
    facts.audio[2].default = true;
    assert_eq!(asked(None, &facts), Ok(5));
    assert_eq!(asked(Some(2), &facts), Ok(2));
    let refused = asked(Some(0), &facts).expect_err("a picture");
    assert_eq!(
        refused.to_string(),
        "stream 0 is not a sound track; the source has sound in stream 1, 2, 5"
    );
    facts.audio.clear();
    let refused = asked(Some(1), &facts).expect_err("no sound");
    assert!(refused.to_string().ends_with("the source has no sound track"), "{refused}");
}

#[test]
fn a_track_that_cannot_be_decoded_is_refused_by_name() {
    let mut facts = film();
    facts.audio[0].decodable = false;
    let refused = heard(AudioRequest::default(), &facts);
    assert_eq!(refused, Err(RequestError::Undecodable { stream: 1, codec: "flac".to_owned() }));
}

#[test]
fn sound_has_one_two_or_six_channels() {
    for (there, stereo, source) in
        [(0, 1, 1), (1, 1, 1), (2, 2, 2), (3, 2, 2), (5, 2, 2), (6, 2, 6), (8, 2, 6)]
    {
        let mut facts = film();
        facts.audio = vec![sound(1, there)];
        for (channels, expected) in
            [(ChannelRequest::Stereo, stereo), (ChannelRequest::Source, source)]
        {
            let request = AudioRequest { channels, ..AudioRequest::default() };
            let sound = heard(request, &facts).expect("sound");
            assert_eq!((sound.channels, sound.bitrate), (expected, 64_000 * expected), "{there}");
        }
    }
}

#[test]
fn sample_rates_are_ones_that_every_player_knows() {
    for (there, made) in [
        (48_000, 48_000),
        (44_100, 44_100),
        (32_000, 32_000),
        (22_050, 44_100),
        (88_200, 44_100),
        (8_000, 48_000),
        (96_000, 48_000),
        (1, 48_000),
    ] {
        let mut facts = film();
        facts.audio[0].sample_rate = there;
        let sound = heard(AudioRequest::default(), &facts).expect("sound");
        assert_eq!(sound.sample_rate, made, "{there}");
    }
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |request: JobRequest| request.resolve(&film()).expect_err("out of range");
    let default = JobRequest::default;
    for segment in ["0", "0.4", "-2", "30.001"] {
        let segment = segment.parse().expect("a time");
        for boundaries in
            [BoundaryRule::Grid { segment }, BoundaryRule::KeyframesCumulative { segment }]
        {
            let request = JobRequest { boundaries, ..default() };
            assert_eq!(refused(request), RequestError::SegmentLength(segment));
        }
    }
    let preset = "placebo".to_owned();
    let request = JobRequest { preset: preset.clone(), ..default() };
    assert_eq!(refused(request), RequestError::Effort(EffortError::Preset(preset)));
    let preset = "veryfast:me_range=4:no_chroma_me:me=dia".to_owned();
    let settings = JobRequest { preset, ..default() }.resolve(&film()).expect("a recipe");
    let made = settings.renditions[0].video.as_ref().map(|video| video.preset.as_str());
    assert_eq!(made, Some("veryfast:chroma-me=0:me=dia:merange=4"));
    assert_eq!(refused(JobRequest { crf: 52, ..default() }), RequestError::Crf(52));
    for bitrate in [0, 999, 10_000_001] {
        let audio = Some(AudioRequest { bitrate: Some(bitrate), ..AudioRequest::default() });
        let request = JobRequest { audio, ..default() };
        assert_eq!(refused(request), RequestError::AudioBitrate(bitrate));
    }
    let refused = |audio: AudioRequest| heard(audio, &film()).expect_err("out of range");
    for channels in [0, 3, 7] {
        let asked = ChannelRequest::Exactly(channels);
        let refused = refused(AudioRequest { channels: asked, ..AudioRequest::default() });
        assert_eq!(refused, RequestError::Channels(channels));
    }
    for rate in [0, 47_999, 192_000] {
        let audio = AudioRequest { sample_rate: Some(rate), ..AudioRequest::default() };
        assert_eq!(refused(audio), RequestError::SampleRate(rate));
    }
    for gain in [
        Gain::Factor(Time::new(-1, 100)),
        Gain::Factor(Time::from_secs(1001)),
        Gain::Decibels(Time::from_secs(-121)),
        Gain::Decibels(Time::from_secs(61)),
    ] {
        let refused = refused(AudioRequest { gain, ..AudioRequest::default() });
        assert_eq!(refused, RequestError::Gain(gain));
    }
}

proptest! {
    #[test]
    fn no_source_makes_a_request_panic_or_a_picture_odd(
        width: u32, height: u32, small: bool, quarter_turns in 0u8..4,
        aspect in (any::<i64>(), 1i64..i64::MAX), frames in (any::<i64>(), 1i64..i64::MAX),
        sizing in prop_oneof![
            Just(Sizing::Source),
            any::<u32>().prop_map(Sizing::Rows),
            (16u32..8193).prop_map(Sizing::Rows),
            (16u32..8193, 16u32..8193).prop_map(|(width, height)| Sizing::Within(width, height)),
        ],
        upscale: bool,
    ) {
        let side = |side: u32| if small { side % 2000 } else { side };
        let mut facts =
            with_pixels(picture(side(width), side(height)), Time::new(aspect.0, aspect.1), quarter_turns);
        if let Some(video) = &mut facts.video {
            video.frame_rate_max = Time::new(frames.0, frames.1);
            video.frame_rate = FrameRate::Variable(video.frame_rate_max);
        }
        let renditions = vec![RenditionRequest { sizing, bitrate: None }];
        let request = JobRequest { renditions, upscale, ..JobRequest::default() };
        if let Ok(recipe) = request.resolve(&facts) {
            for video in videos(&recipe) {
                prop_assert!(video.width.is_multiple_of(2) && video.height.is_multiple_of(2));
                prop_assert!((16..=8192).contains(&video.width));
                prop_assert!((16..=8192).contains(&video.height));
                let (columns, rows) = match sizing {
                    Sizing::Source => (u32::MAX, u32::MAX),
                    Sizing::Rows(rows) => (rows * 2, rows * 2),
                    Sizing::Within(width, height) | Sizing::Exactly { width, height, .. } => {
                        (width, height)
                    }
                };
                prop_assert!(video.width <= columns && video.height <= rows);
            }
        }
    }

    #[test]
    fn names_are_unique_and_safe_in_a_path(
        asked in prop::collection::vec((16u32..1081, prop::option::of(50_000u64..9_000_000)), 1..8)
    ) {
        let renditions = asked
            .into_iter()
            .map(|(rows, bitrate)| RenditionRequest { sizing: Sizing::Rows(rows), bitrate })
            .collect();
        let request =
            JobRequest { renditions, packaging: Packaging::Fmp4, ..JobRequest::default() };
        if let Ok(recipe) = request.resolve(&film()) {
            let names = names(&recipe);
            let unique: BTreeSet<_> = names.iter().collect();
            prop_assert_eq!(unique.len(), names.len());
            for name in names {
                prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'));
            }
        }
    }

    #[test]
    fn what_a_rendition_is_written_as_is_read_back(
        rows in 16u32..8193, bitrate in prop::option::of(50_000u64..200_000_000),
    ) {
        let exact = exactly(rows & !1, 720, Time::new(i64::from(rows), 720));
        for sizing in [Sizing::Source, Sizing::Rows(rows), Sizing::Within(rows, 720), exact] {
            let request = RenditionRequest { sizing, bitrate };
            prop_assert_eq!(request.to_string().parse(), Ok(request));
        }
    }

    #[test]
    fn no_text_panics(text in "([0-9]{0,12}[px@Mk./-]{0,2}){0,4}|.{0,20}") {
        if let Ok(request) = text.parse::<RenditionRequest>() {
            prop_assert_eq!(request.to_string().parse(), Ok(request));
        }
    }
}
