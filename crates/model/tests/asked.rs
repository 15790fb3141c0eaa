//! What media servers ask for in every detail, and what follows from it.

mod asking;
mod sample;

use asking::{picture, request, with_pixels};
use sample::film;
use segue_model::{
    AudioRequest, AudioSettings, BoundaryRule, ChannelRequest, ColourLabels, Deinterlace,
    DeinterlaceMethod, FieldOrder, FieldRequest, FrameClock, FrameRate, Gain, H264Profile,
    JobRequest, Mix, Orientation, Packaging, RateControl, Recipe, RenditionRequest, RequestError,
    SourceFacts, Time, VideoSettings,
};

fn videos(recipe: &Recipe) -> Vec<&VideoSettings> {
    recipe.renditions.iter().filter_map(|rendition| rendition.video.as_ref()).collect()
}

fn names(recipe: &Recipe) -> Vec<&str> {
    recipe.renditions.iter().map(|rendition| rendition.name.as_str()).collect()
}

fn heard(request: AudioRequest, facts: &SourceFacts) -> Result<AudioSettings, RequestError> {
    let recipe = JobRequest { audio: Some(request), ..JobRequest::default() }.resolve(facts)?;
    Ok(recipe.renditions[0].audio.clone().expect("sound"))
}

#[test]
fn a_rate_control_is_kept_to_the_bit() {
    for rate_control in [
        RateControl::CappedBitrate { bitrate: 292_000, bitrate_max: 292_001, buffer_bits: 584_003 },
        RateControl::CappedQuality { crf: 23, bitrate_max: 5_611_686, buffer_bits: 11_223_372 },
        RateControl::Quality { crf: 51 },
    ] {
        let request = JobRequest { rate_control: Some(rate_control), ..request(&["720p"]) };
        let recipe = request.resolve(&film()).expect("a recipe");
        assert_eq!(videos(&recipe)[0].rate_control, rate_control);
        assert_eq!(videos(&recipe)[0].contract.level, 31);
    }
}

#[test]
fn a_rate_control_that_no_encoder_keeps_is_refused_by_field() {
    let refused = |renditions: &[&str], rate_control| {
        let request = JobRequest { rate_control: Some(rate_control), ..request(renditions) };
        request.resolve(&film()).expect_err("refused").to_string()
    };
    let capped = |bitrate, bitrate_max, buffer_bits| RateControl::CappedBitrate {
        bitrate,
        bitrate_max,
        buffer_bits,
    };
    for (rate_control, field) in [
        (capped(999, 1_000, 1_000), "rate_control.bitrate of 999"),
        (capped(1_000, 0, 1_000), "rate_control.bitrate_max of 0"),
        (capped(1_000, 1_000, u64::MAX), "rate_control.buffer_bits of 18446744073709551615"),
        (capped(2_000, 1_000, 1_000), "rate_control.bitrate of 2000 is above"),
        (RateControl::Quality { crf: 52 }, "rate factor 52"),
    ] {
        let said = refused(&["720p"], rate_control);
        assert!(said.starts_with(field), "{said}");
    }
    let said = refused(&["720p@3M"], RateControl::Quality { crf: 20 });
    assert!(said.contains("`720p@3000000`") && said.contains("rate_control"), "{said}");
}

#[test]
fn an_exact_size_is_kept_whatever_the_source_is_like() {
    for facts in [film(), picture(64, 48), with_pixels(picture(1080, 1920), Time::new(4, 3), 1)] {
        let recipe = request(&["=426x238:1904/1917"]).resolve(&facts).expect("a recipe");
        let video = videos(&recipe)[0];
        let made = (video.width, video.height, video.sample_aspect);
        assert_eq!(made, (426, 238, Time::new(1904, 1917)));
        assert_eq!(names(&recipe), ["238p"]);
    }
    for text in ["=15x16", "=17x16", "=16x8194", "=0x0"] {
        let refused = text.parse::<RenditionRequest>();
        assert_eq!(refused, Err(RequestError::ExactSize(text.to_owned())), "{text}");
    }
    for text in ["=16x16:0", "=16x16:-1", "=16x16:1/101", "=16x16:100.1"] {
        let refused = text.parse::<RenditionRequest>();
        assert_eq!(refused, Err(RequestError::Shape(text.to_owned())), "{text}");
    }
}

#[test]
fn profile_and_level_are_limits() {
    let contract = |profile, level_max, rate_control| {
        let request = JobRequest { profile, level_max, rate_control, ..request(&["720p"]) };
        let recipe = request.resolve(&film()).map_err(|error| error.to_string())?;
        let contract = videos(&recipe)[0].contract.clone();
        Ok::<_, String>((contract.profile, contract.level, contract.reorder_depth))
    };
    let (baseline, main, high) = (H264Profile::Baseline, H264Profile::Main, H264Profile::High);
    assert_eq!(contract(high, Some(51), None), Ok((high, 31, 2)));
    assert_eq!(contract(main, Some(31), None), Ok((main, 31, 2)));
    assert_eq!(contract(baseline, None, None), Ok((baseline, 31, 0)));
    let refused = contract(high, Some(30), None).expect_err("too large");
    assert!(refused.contains("720p needs H.264 level 3.1, and level_max is 3.0"), "{refused}");
    // Level 3.1 has 17.5 Mb/s in High and 14 in the others.
    let (bitrate_max, buffer_bits) = (16_000_000, 16_000_000);
    let rate = Some(RateControl::CappedQuality { crf: 20, bitrate_max, buffer_bits });
    assert_eq!(contract(high, None, rate), Ok((high, 31, 2)));
    assert_eq!(contract(main, None, rate), Ok((main, 32, 2)));
}

#[test]
fn timestamps_begin_where_they_are_asked_to() {
    let offset = |packaging, asked: Option<&str>, keep_start, start: &str| {
        let mut facts = film();
        facts.start = start.parse().expect("a time");
        let timestamp_offset = asked.map(|asked| asked.parse().expect("a time"));
        let request =
            JobRequest { packaging, timestamp_offset, keep_start, ..JobRequest::default() };
        let recipe = request.resolve(&facts).map_err(|error| error.to_string())?;
        Ok::<_, String>(recipe.timestamp_offset.to_string())
    };
    let (ts, mp4) = (Packaging::MpegTs, Packaging::Fmp4);
    assert_eq!(offset(ts, None, false, "7.3"), Ok("10".to_owned()));
    assert_eq!(offset(ts, None, true, "7.3"), Ok("173/10".to_owned()));
    assert_eq!(offset(ts, Some("1.4"), false, "7.3"), Ok("7/5".to_owned()));
    assert_eq!(offset(mp4, Some("0"), false, "7.3"), Ok("0".to_owned()));
    assert_eq!(offset(mp4, Some("0"), true, "7.3"), Ok("73/10".to_owned()));
    for (refused, said) in [
        (offset(mp4, Some("-1"), false, "0"), "timestamp_offset of -1 s"),
        (offset(mp4, Some("3601"), false, "0"), "timestamp_offset of 3601 s"),
        (offset(mp4, Some("0"), true, "-0.007"), "timestamps from -7/1000 s on"),
        // The clock runs 0.7 s ahead, and decoding two pictures.
        (offset(ts, Some("0.7"), false, "0"), "timestamps from 7/10 s on"),
        (offset(ts, None, true, "-9.5"), "timestamps from 1/2 s on"),
    ] {
        assert!(refused.as_ref().is_err_and(|error| error.starts_with(said)), "{refused:?}");
    }
}

#[test]
fn pictures_are_moved_to_the_nearest_multiple_of_a_frames_length() {
    let shift = |rate: FrameRate, start: &str, late: &str, change: fn(&mut JobRequest)| {
        let mut facts = film();
        facts.start = start.parse().expect("a time");
        let video = facts.video.as_mut().expect("a picture");
        let late: Time = late.parse().expect("a time");
        (video.frame_rate, video.start) = (rate, late);
        video.clock = FrameClock { start: late, rate: rate.nominal() };
        let mut request = JobRequest { frame_grid: true, ..JobRequest::default() };
        change(&mut request);
        let recipe = request.resolve(&facts).expect("a recipe");
        (recipe.picture_shift, recipe.counts_from(facts.video.as_ref().expect("a picture")))
    };
    let (film, ntsc) = (FrameRate::Constant(Time::from_secs(25)), Time::new(24_000, 1_001));
    let at = |shift: &str, first: &str| {
        let time = |text: &str| text.parse::<Time>().expect("a time");
        (Some(time(shift)), time(first))
    };
    let plain = |_: &mut JobRequest| ();
    assert_eq!(shift(film, "0", "0", plain), at("0", "0"));
    assert_eq!(shift(film, "0", "0.007", plain), at("-0.007", "0"));
    // As late as AAC's priming makes it: a little more than half a frame at any usual rate.
    assert_eq!(shift(film, "0", "0.021", plain), at("0.019", "0.04"));
    let (moved, first) = shift(FrameRate::Constant(ntsc), "0", "0.021", plain);
    assert_eq!((moved, first), (Some(first - Time::new(21, 1000)), Time::new(1_001, 24_000)));
    // The later of two that are equally near, and the second where it is nearer.
    assert_eq!(shift(film, "0", "0.02", plain), at("0.02", "0.04"));
    assert_eq!(shift(film, "0", "0.048", plain), at("-0.008", "0.04"));
    // Multiples count from where timestamps are zero.
    assert_eq!(shift(film, "1.41", "0.021", |it| it.keep_start = true), at("0.009", "0.03"));
    assert_eq!(shift(film, "1.41", "0", |it| it.keep_start = true), at("-0.01", "-0.01"));
    assert_eq!(shift(film, "1.41", "0.021", plain), at("0.019", "0.04"));
    // A frame of each field is half as long.
    let fields = |it: &mut JobRequest| {
        it.fields = FieldRequest::Made(Deinterlace {
            every_field: true,
            marked_only: false,
            ..Deinterlace::USUAL
        });
    };
    assert_eq!(shift(film, "0", "0.021", fields), at("-0.001", "0.02"));
    let left = (None, Time::ZERO);
    assert_eq!(shift(film, "0", "0.021", |it| it.frame_grid = false), left);
    assert_eq!(shift(film, "0", "0.021", |it| it.without_picture = true), left);
    assert_eq!(shift(FrameRate::Variable(ntsc), "0", "0.021", plain), left);
}

#[test]
fn pictures_are_not_moved_where_that_would_say_nothing_or_too_much() {
    let refused = |boundaries: BoundaryRule, late: i64| {
        let mut facts = film();
        let video = facts.video.as_mut().expect("a picture");
        let late = Time::new(late, 25);
        (video.frame_rate, video.start) = (FrameRate::Constant(Time::from_secs(25)), late);
        video.clock = FrameClock { start: late, rate: Time::from_secs(25) };
        JobRequest { frame_grid: true, boundaries, ..JobRequest::default() }.resolve(&facts).err()
    };
    let segment = Time::from_secs(2);
    let every = BoundaryRule::Multiples { segment };
    assert_eq!(refused(every, 2), None);
    assert_eq!(refused(every, 3), Some(RequestError::FrameGridLate(Time::new(3, 25))));
    let keyframes = BoundaryRule::KeyframesGreedy { segment };
    assert_eq!(refused(keyframes, 0), Some(RequestError::FrameGridAtKeyframes));
}

#[test]
fn colours_are_labelled_as_asked_and_otherwise_as_the_source_is() {
    let labelled = |colour: ColourLabels| {
        let recipe = JobRequest { colour, ..JobRequest::default() }.resolve(&film())?;
        Ok::<_, RequestError>(videos(&recipe)[0].contract.colour.clone())
    };
    let matrix = Some("smpte170m".to_owned());
    let made = labelled(ColourLabels { matrix, ..ColourLabels::default() }).expect("a recipe");
    assert_eq!((made.primaries.as_str(), made.matrix.as_str()), ("bt709", "smpte170m"));
    for name in ["", "BT.709", "reserved", "gbr"] {
        let matrix = Some(name.to_owned());
        let refused = labelled(ColourLabels { matrix, ..ColourLabels::default() });
        assert_eq!(refused, Err(RequestError::Colour { field: "matrix", name: name.to_owned() }));
    }
}

#[test]
fn fragmented_mp4_can_hold_picture_and_sound_together() {
    let fmp4 =
        JobRequest { packaging: Packaging::Fmp4, together: true, ..request(&["720p", "360p"]) };
    let recipe = fmp4.resolve(&film()).expect("a recipe");
    assert_eq!(names(&recipe), ["720p", "360p"]);
    assert!(recipe.renditions.iter().all(|rendition| rendition.audio.is_some()));
    let mut facts = film();
    facts.video = None;
    let alone = JobRequest { renditions: Vec::new(), ..fmp4 }.resolve(&facts).expect("a recipe");
    assert_eq!(names(&alone), ["audio"]);
}

#[test]
fn sound_that_is_asked_for_in_detail_is_made_so() {
    let asked = AudioRequest {
        channels: ChannelRequest::Exactly(6),
        sample_rate: Some(22_050),
        bitrate: Some(62_656),
        gain: Gain::Decibels(Time::from_secs(-3)),
        ..AudioRequest::default()
    };
    let sound = heard(asked.clone(), &film()).expect("sound");
    assert_eq!((sound.channels, sound.sample_rate, sound.bitrate), (6, 22_050, 62_656));
    assert_eq!(sound.gain, asked.gain);
    // As ffmpeg does, more than AAC can take is as much as it can: 6 bits a sample.
    let most = |channels| {
        let channels = ChannelRequest::Exactly(channels);
        let asked = AudioRequest { channels, bitrate: Some(640_000), ..AudioRequest::default() };
        heard(asked, &film()).expect("sound").bitrate
    };
    assert_eq!([most(1), most(2), most(6)], [288_000, 576_000, 640_000]);
}

#[test]
fn fields_become_what_is_asked_whatever_the_source_says() {
    let made =
        Deinterlace { method: DeinterlaceMethod::Yadif, every_field: true, marked_only: false };
    let asked = |fields, order| {
        let mut facts = film();
        facts.video.as_mut().expect("a picture").field_order = order;
        let recipe = JobRequest { fields, ..request(&["720p"]) }.resolve(&facts);
        let recipe = recipe.expect("a recipe");
        let video = facts.video.expect("a picture");
        (videos(&recipe)[0].deinterlace, recipe.frame_rate(&video), recipe.clock(&video).rate)
    };
    let (once, twice) = (Time::from_secs(24), Time::from_secs(48));
    for order in [FieldOrder::Progressive, FieldOrder::TopFirst] {
        assert_eq!(asked(FieldRequest::Kept, order), (None, once, once));
        assert_eq!(asked(FieldRequest::Made(made), order), (Some(made), twice, twice));
    }
    let marked = Deinterlace { marked_only: true, ..made };
    let progressive = asked(FieldRequest::Made(marked), FieldOrder::Progressive);
    assert_eq!(progressive, (Some(marked), once, once));
}

#[test]
fn a_level_is_made_for_the_frames_that_fields_become() {
    let made = Deinterlace { every_field: true, marked_only: false, ..Deinterlace::USUAL };
    let level = |fields| {
        let recipe = JobRequest { fields, ..request(&["720p"]) }.resolve(&film());
        videos(&recipe.expect("a recipe"))[0].contract.level
    };
    assert_eq!([level(FieldRequest::Kept), level(FieldRequest::Made(made))], [31, 32]);
}

#[test]
fn keyframes_are_a_whole_part_of_a_segment() {
    let asked = |keyframes, boundaries| {
        let keyframes = Some(keyframes);
        let recipe = JobRequest { keyframes, boundaries, ..request(&["720p"]) }.resolve(&film());
        recipe.map(|recipe| videos(&recipe)[0].keyframes)
    };
    let segment = Time::from_secs(6);
    let grid = BoundaryRule::Grid { segment };
    assert_eq!(asked(Time::from_secs(3), grid), Ok(Some(Time::from_secs(3))));
    assert_eq!(asked(segment, grid), Ok(None));
    for (keyframes, boundaries) in [
        (Time::from_secs(4), grid),
        (Time::from_secs(12), grid),
        (Time::new(1, 20), grid),
        (Time::ZERO, grid),
        (Time::from_secs(3), BoundaryRule::KeyframesGreedy { segment }),
    ] {
        let refused = asked(keyframes, boundaries).expect_err("refused");
        assert_eq!(refused, RequestError::Keyframes { keyframes, segment });
    }
}

#[test]
fn a_turn_that_is_asked_for_goes_before_the_sources() {
    let turned = Orientation { quarter_turns: 1, mirrored: false };
    let asked = |orientation| {
        let recipe = JobRequest { orientation, ..request(&[]) }.resolve(&film());
        let recipe = recipe.expect("a recipe");
        let video = videos(&recipe)[0].clone();
        (video.orientation, video.width, video.height)
    };
    assert_eq!(asked(None), (Orientation::default(), 1920, 1080));
    assert_eq!(asked(Some(turned)), (turned, 1080, 1920));
}

#[test]
fn sound_alone_is_made_of_a_film_that_has_a_picture() {
    let alone = JobRequest { without_picture: true, ..request(&[]) };
    assert_eq!(names(&alone.resolve(&film()).expect("a recipe")), ["audio"]);
    let both = JobRequest { without_picture: true, ..request(&["720p"]) };
    assert_eq!(both.resolve(&film()), Err(RequestError::WithoutPicture));
}

#[test]
fn a_mix_fits_the_track_and_what_is_made_of_it() {
    let mut facts = film();
    facts.audio = vec![sample::sound(1, 6)];
    let asked = |rows: usize, shares: usize, channels| {
        let mix = Mix::new(vec![vec![Time::HALF; shares]; rows]).ok();
        let channels = ChannelRequest::Exactly(channels);
        heard(AudioRequest { mix, channels, ..AudioRequest::default() }, &facts)
    };
    assert_eq!(asked(2, 6, 2).expect("sound").mix.expect("a mix").sources(), 6);
    let refused = asked(2, 8, 2).expect_err("refused");
    assert_eq!(refused, RequestError::MixSources { stream: 1, asked: 8, channels: 6 });
    let refused = asked(1, 6, 2).expect_err("refused");
    assert_eq!(refused, RequestError::MixRows { rows: 1, channels: 2 });
}

#[test]
fn sound_is_copied_where_segments_can_hold_it() {
    let asked = |codec: &str, container: &str, packaging| {
        let mut facts = film();
        facts.container = container.to_owned();
        facts.audio[0].codec = codec.to_owned();
        facts.audio[0].grid = None;
        let audio = Some(AudioRequest { copy: true, ..AudioRequest::default() });
        let recipe = JobRequest { audio, packaging, ..JobRequest::default() }.resolve(&facts);
        let sound = recipe.ok()?.renditions.into_iter().find_map(|made| made.audio)?;
        Some(sound.codec.codec_string())
    };
    let (ts, fmp4) = (Packaging::MpegTs, Packaging::Fmp4);
    for (codec, container, packaging, string) in [
        ("aac", "matroska,webm", ts, Some("mp4a.40.2")),
        ("aac", "matroska,webm", fmp4, Some("mp4a.40.2")),
        ("aac", "mpegts", ts, Some("mp4a.40.2")),
        ("aac", "mpegts", fmp4, None),
        ("ac3", "matroska,webm", ts, Some("ac-3")),
        ("eac3", "mpegts", ts, Some("ec-3")),
        ("eac3", "matroska,webm", fmp4, None),
        ("mp3", "avi", ts, Some("mp4a.40.34")),
        ("dts", "matroska,webm", ts, None),
        ("aac_latm", "mpegts", ts, None),
    ] {
        assert_eq!(asked(codec, container, packaging), string, "{codec} of {container}");
    }
    let louder = AudioRequest {
        copy: true,
        gain: Gain::Factor(Time::from_secs(2)),
        ..AudioRequest::default()
    };
    assert_eq!(heard(louder, &film()), Err(RequestError::CopiedWith("gain")));
}

#[test]
fn what_needs_more_than_a_level_is_labelled_with_it_where_that_is_asked() {
    let asked = |over_level, level_max, size| {
        let rate_control = RateControl::CappedQuality {
            crf: 23,
            bitrate_max: 60_000_000,
            buffer_bits: 60_000_000,
        };
        let (level_max, rate_control) = (Some(level_max), Some(rate_control));
        let asked = JobRequest { level_max, over_level, rate_control, ..request(&[size]) };
        asked.resolve(&film()).map(|recipe| videos(&recipe)[0].contract.level)
    };
    assert_eq!(asked(true, 31, "720p"), Ok(31));
    let refused = asked(false, 31, "720p");
    assert!(matches!(refused, Err(RequestError::Level { level: 41, level_max: 31, .. })));
    // A decoder of level 3.1 cannot hold the frames that others refer to.
    let refused = asked(true, 31, "1080p");
    assert!(matches!(refused, Err(RequestError::Level { level: 41, level_max: 31, .. })));
}
