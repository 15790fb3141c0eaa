//! Playlists: golden texts, a reading by a parser that is not ours, and the rules of RFC 8216
//! that players trip over.

mod sample;

use m3u8_rs::{
    AlternativeMediaType, MasterPlaylist, MediaPlaylist, MediaPlaylistType,
    parse_master_playlist_res, parse_media_playlist_res,
};
use proptest::prelude::*;
use sample::{grid, job, picture, secs, sound, stereo};
use segue_hls::{keys, playlist};
use segue_model::{
    AudioSettings, BoundaryRule, FrameRate, Job, Packaging, RateControl, Rendition, Time, Timeline,
};

fn ladder() -> Vec<Rendition> {
    vec![picture("360p", (640, 360), 800_000), picture("720p", (1280, 720), 3_000_000)]
}

fn with_sound(rendition: Rendition) -> Rendition {
    Rendition { audio: Some(stereo()), ..rendition }
}

fn ts_job() -> Job {
    job(grid("2"), Packaging::MpegTs, "6.3", ladder().into_iter().map(with_sound).collect())
}

fn fmp4_job() -> Job {
    let renditions = ladder().into_iter().chain([sound("audio")]).collect();
    job(grid("1001/250"), Packaging::Fmp4, "9.009", renditions)
}

fn read_multivariant(job: &Job) -> MasterPlaylist {
    let text = playlist::multivariant(job);
    parse_master_playlist_res(text.as_bytes()).expect("a multivariant playlist")
}

fn read_media(job: &Job, rendition: usize) -> MediaPlaylist {
    let text = playlist::media(job, rendition);
    parse_media_playlist_res(text.as_bytes()).expect("a media playlist")
}

fn extinfs(text: &str) -> Vec<Time> {
    text.lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(','))
        .map(secs)
        .collect()
}

#[test]
fn golden_transport_stream_playlists() {
    let job = ts_job();
    assert_eq!(playlist::multivariant(&job), include_str!("golden/ts/master.m3u8"));
    assert_eq!(playlist::media(&job, 1), include_str!("golden/ts/index.m3u8"));
}

#[test]
fn golden_fragmented_mp4_playlists() {
    let job = fmp4_job();
    assert_eq!(playlist::multivariant(&job), include_str!("golden/fmp4/master.m3u8"));
    assert_eq!(playlist::media(&job, 2), include_str!("golden/fmp4/index.m3u8"));
}

#[test]
fn another_parser_reads_the_variants_that_the_recipe_lists() {
    for job in [ts_job(), fmp4_job()] {
        let read = read_multivariant(&job);
        let version = if job.recipe.packaging == Packaging::MpegTs { 6 } else { 7 };
        assert_eq!(read.version, Some(version));
        assert!(read.independent_segments);
        assert!(read.unknown_tags.is_empty(), "{:?}", read.unknown_tags);

        let pictures: Vec<_> = job.recipe.renditions.iter().filter(|r| r.video.is_some()).collect();
        assert_eq!(read.variants.len(), pictures.len());
        for rendition in pictures {
            let uri = keys::media_playlist(rendition);
            let variant = read.variants.iter().find(|variant| variant.uri == uri).expect("listed");
            let video = rendition.video.as_ref().expect("a picture");
            let resolution = variant.resolution.expect("a resolution");
            assert_eq!(resolution.width, u64::from(video.width));
            assert_eq!(resolution.height, u64::from(video.height));
            assert_eq!(variant.codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
            assert_eq!(variant.frame_rate, Some(23.976));
            assert_eq!(variant.other_attributes, None);
            let average = variant.average_bandwidth.expect("an average");
            assert!(variant.bandwidth > video.declared_cap().peak() + 128_000);
            assert!(average > video.average() + 128_000);
            assert!(average < variant.bandwidth);
        }
    }
}

#[test]
fn another_parser_reads_the_segments_that_the_timeline_lists() {
    for job in [ts_job(), fmp4_job()] {
        for index in 0..job.recipe.renditions.len() {
            let read = read_media(&job, index);
            let rendition = &job.recipe.renditions[index];
            assert_eq!(read.playlist_type, Some(MediaPlaylistType::Vod));
            assert!(read.end_list && read.independent_segments);
            assert_eq!((read.media_sequence, read.discontinuity_sequence), (0, 0));
            assert!(read.unknown_tags.is_empty(), "{:?}", read.unknown_tags);
            assert_eq!(read.segments.len(), job.timeline.segments() as usize);
            for (at, segment) in (0..).zip(&read.segments) {
                let key = keys::segment(job.recipe.packaging, rendition, at);
                assert_eq!(format!("{}/{}", rendition.name, segment.uri), key);
                let exact = job.timeline.duration_of(at).as_secs_f64();
                assert!((f64::from(segment.duration) - exact).abs() < 1e-5);
                assert!(!segment.discontinuity);
            }
            let map = read.segments[0].map.as_ref().map(|map| map.uri.as_str());
            let init = keys::init(job.recipe.packaging, rendition);
            assert_eq!(map.map(|uri| format!("{}/{uri}", rendition.name)), init);
        }
    }
}

#[test]
fn sound_apart_is_a_group_that_pictures_refer_to_and_count_in() {
    let job = fmp4_job();
    let read = read_multivariant(&job);
    let [group] = &read.alternatives[..] else { panic!("one group: {:?}", read.alternatives) };
    assert_eq!(group.media_type, AlternativeMediaType::Audio);
    assert_eq!(group.uri.as_deref(), Some("audio/index.m3u8"));
    assert_eq!(group.language.as_deref(), Some("en"));
    assert_eq!(group.channels.as_deref(), Some("2"));
    assert!(group.default && group.autoselect);

    let mut silent = job.clone();
    silent.recipe.renditions.pop();
    let without = read_multivariant(&silent);
    assert!(without.alternatives.is_empty());
    for (variant, without) in read.variants.iter().zip(&without.variants) {
        assert_eq!(variant.audio.as_deref(), Some(group.group_id.as_str()));
        assert_eq!(without.audio, None);
        assert_eq!(without.codecs.as_deref(), Some("avc1.64001f"));
        // Its sound at 128 kb/s, with the half more that its encoder may take, and packaging.
        let sound = variant.bandwidth - without.bandwidth;
        assert!((192_000..210_000).contains(&sound), "{sound}");
    }
}

#[test]
fn sound_alone_is_a_variant() {
    for packaging in [Packaging::MpegTs, Packaging::Fmp4] {
        let job = job(grid("2"), packaging, "6", vec![sound("audio")]);
        let read = read_multivariant(&job);
        let [variant] = &read.variants[..] else { panic!("one variant: {:?}", read.variants) };
        assert!(read.alternatives.is_empty());
        assert_eq!(variant.uri, "audio/index.m3u8");
        assert_eq!(variant.codecs.as_deref(), Some("mp4a.40.2"));
        assert_eq!((variant.resolution, variant.frame_rate), (None, None));
        assert_eq!(variant.audio, None);
        let (peak, average) = (variant.bandwidth, variant.average_bandwidth.expect("one"));
        let container = if packaging == Packaging::MpegTs { 220_000 } else { 20_000 };
        assert!((192_000..192_000 + container).contains(&peak), "{peak}");
        assert!((128_000..128_000 + container * 3 / 5).contains(&average), "{average}");
    }
}

#[test]
fn a_single_channel_may_take_all_that_a_packet_holds() {
    let bandwidth = |channels, bitrate| {
        let mut rendition = sound("audio");
        rendition.audio = Some(AudioSettings { bitrate, channels, ..stereo() });
        let job = job(grid("2"), Packaging::Fmp4, "60", vec![rendition]);
        read_multivariant(&job).variants[0].bandwidth
    };
    // 6144 bits in each of 46.875 packets.
    assert!((288_000..320_000).contains(&bandwidth(1, 64_000)), "{}", bandwidth(1, 64_000));
    assert_eq!(bandwidth(1, 64_000), bandwidth(1, 32_000));
    assert!(bandwidth(2, 64_000) < 120_000);
    // What no packet can hold is not declared, and what no encoder can save is.
    assert!(bandwidth(2, 1_000_000) < 620_000);
    assert!(bandwidth(6, 16_000) > 108_000);
}

/// What the picture at 1 Mb/s with a buffer of a second is said to take, in hundredths of that.
fn picture_percent(boundaries: &[&str]) -> u64 {
    let rendition = picture("x", (640, 360), 1_000_000);
    let end = boundaries.last().expect("boundaries");
    let mut job = job(grid("2"), Packaging::Fmp4, end, vec![rendition]);
    let boundaries = boundaries.iter().copied().map(secs).collect();
    job.timeline = Timeline::new(boundaries).expect("rising");
    read_multivariant(&job).variants[0].bandwidth / 10_000
}

#[test]
fn a_buffer_may_be_spent_on_each_segment_of_the_stretch_that_has_most() {
    // A second's refill and a buffer, and boxes.
    assert_eq!(picture_percent(&["0", "2", "4", "6", "8"]), 200);
    assert_eq!(picture_percent(&["0", "1", "2", "3"]), 200);
    // A buffer every half second.
    assert_eq!(picture_percent(&["0", "0.5", "1", "1.5"]), 300);
    // Two in 0.6 s.
    assert_eq!(picture_percent(&["0", "0.5", "1", "1.5", "1.6"]), 434);
    // Two in 1.2 s, in the middle.
    assert_eq!(picture_percent(&["0", "2", "4", "4.6", "5.2", "7.2"]), 267);
    // Half a second by itself is too short to be measured when the target is two.
    assert_eq!(picture_percent(&["0", "2", "4", "4.5"]), 200);
    // Films too short to be measured, and too short to be printed.
    assert_eq!(picture_percent(&["0", "0.4"]), 350);
    picture_percent(&["0", "0.0000001"]);
}

#[test]
fn exact_encoders_spend_some_of_a_buffer_on_each_segment() {
    let average = |exact: bool, segment: &str| {
        let film = vec![picture("p", (320, 180), 800_000)];
        let mut job = job(grid(segment), Packaging::Fmp4, "60", film);
        job.recipe.exact = exact;
        read_multivariant(&job).variants[0].average_bandwidth.expect("an average")
    };
    // Of noise under this cap, exact encoders made 1001 kb/s in segments of 2 s, and 870 in those of 6.
    assert!(average(true, "2") > 1_001_000, "{}", average(true, "2"));
    assert!(average(true, "6") > 870_000, "{}", average(true, "6"));
    assert!(average(false, "2") < 850_000, "{}", average(false, "2"));
}

#[test]
fn the_frame_rate_is_the_most_frames_a_second_not_the_average() {
    let mut job = ts_job();
    let video = job.facts.video.as_mut().expect("a picture");
    video.frame_rate = FrameRate::Variable(Time::from_secs(20));
    video.frame_rate_max = Time::new(48_000, 1001);
    let text = playlist::multivariant(&job);
    assert_eq!(text.matches(",FRAME-RATE=47.952\n").count(), 2, "{text}");
    // Nobody counted: no promise is better than one that turns players away.
    let video = job.facts.video.as_mut().expect("a picture");
    video.frame_rate_max = FrameRate::UNCOUNTED;
    let text = playlist::multivariant(&job);
    assert!(text.contains("RESOLUTION=") && !text.contains("FRAME-RATE"), "{text}");
    // A constant rate is known.
    let video = job.facts.video.as_mut().expect("a picture");
    video.frame_rate = FrameRate::Constant(FrameRate::UNCOUNTED);
    let text = playlist::multivariant(&job);
    assert_eq!(text.matches(",FRAME-RATE=60.000\n").count(), 2, "{text}");

    // Each frame brings packaging with it: to the peak at that rate, to the average at the average.
    let at = |average, most| {
        let mut job = job.clone();
        let video = job.facts.video.as_mut().expect("a picture");
        video.frame_rate = FrameRate::Variable(Time::from_secs(average));
        video.frame_rate_max = Time::from_secs(most);
        let variant = &read_multivariant(&job).variants[0];
        (variant.bandwidth, variant.average_bandwidth)
    };
    let (slow, dense, fast) = (at(20, 25), at(20, 60), at(50, 60));
    assert!(slow.0 < dense.0 && slow.1 == dense.1, "{slow:?} {dense:?}");
    assert!(dense.0 == fast.0 && dense.1 < fast.1, "{dense:?} {fast:?}");
}

#[test]
fn of_several_sounds_only_the_first_is_the_default_and_pictures_count_in_the_largest() {
    let mut loud = sound("audio-5.1");
    loud.audio = Some(AudioSettings { bitrate: 384_000, channels: 6, ..stereo() });
    let pictures = || picture("720p", (1280, 720), 3_000_000);
    let two = job(grid("2"), Packaging::Fmp4, "6", vec![pictures(), sound("audio"), loud.clone()]);
    let one = job(grid("2"), Packaging::Fmp4, "6", vec![pictures(), loud]);
    let read = read_multivariant(&two);
    let defaults: Vec<bool> = read.alternatives.iter().map(|media| media.default).collect();
    assert_eq!(defaults, [true, false]);
    assert_eq!(read.variants[0].bandwidth, read_multivariant(&one).variants[0].bandwidth);
}

#[test]
fn an_unknown_language_is_left_out() {
    for (code, tag) in [
        (None, None),
        (Some("und"), None),
        (Some("\"\n#EXT"), None),
        (Some(""), None),
        (Some("english"), None),
        (Some("ger"), Some("de")),
        (Some("deu"), Some("de")),
        (Some("fr"), Some("fr")),
        (Some("PT-BR"), Some("pt-br")),
        (Some("haw"), Some("haw")),
    ] {
        let mut job = fmp4_job();
        job.facts.audio[0].language = code.map(str::to_owned);
        let read = read_multivariant(&job);
        assert_eq!(read.alternatives[0].language.as_deref(), tag, "{code:?}");
        assert_eq!(read.alternatives[0].other_attributes, None);
    }
}

#[test]
fn the_best_variant_comes_first() {
    let read = read_multivariant(&ts_job());
    let uris: Vec<_> = read.variants.iter().map(|variant| variant.uri.as_str()).collect();
    assert_eq!(uris, ["720p/index.m3u8", "360p/index.m3u8"]);
}

#[test]
fn the_target_duration_is_rounded_up() {
    for (segment, target) in [("2", 2), ("1001/500", 3), ("1001/250", 5), ("4.5", 5), ("0.5", 1)] {
        let job = job(grid(segment), Packaging::MpegTs, "45", vec![sound("audio")]);
        assert_eq!(read_media(&job, 0).target_duration, target, "segments of {segment} s");
    }
}

#[test]
fn an_absurd_rate_cap_does_not_overflow() {
    let mut job = ts_job();
    let video = job.recipe.renditions[0].video.as_mut().expect("a picture");
    let most = u64::MAX / 2_000;
    video.rate_control =
        RateControl::CappedBitrate { bitrate: most, bitrate_max: most, buffer_bits: most };
    assert!(read_multivariant(&job).variants[0].bandwidth > most);
}

#[test]
#[should_panic(expected = "rendition 2 of a recipe of 2")]
fn there_is_no_playlist_of_a_rendition_that_is_not_there() {
    playlist::media(&ts_job(), 2);
}

proptest! {
    #[test]
    fn printed_durations_never_drift_from_the_timeline(
        gaps in prop::collection::vec((1i64..20_000, 1i64..3_000), 1..100)
    ) {
        let mut boundaries = vec![Time::ZERO];
        let mut at = Time::ZERO;
        for (num, den) in gaps {
            at = at + Time::new(num + den, den);
            boundaries.push(at);
        }
        let mut job = ts_job();
        job.timeline = Timeline::new(boundaries.clone()).expect("rising");
        let text = playlist::media(&job, 0);
        let printed = extinfs(&text);
        prop_assert_eq!(printed.len(), boundaries.len() - 1);
        let mut sum = Time::ZERO;
        for (duration, boundary) in printed.iter().zip(&boundaries[1..]) {
            sum = sum + *duration;
            // Half a microsecond, and the nanosecond that differences of such odd fractions are
            // rounded to.
            let drift = (sum - *boundary).abs();
            prop_assert!(drift <= Time::new(501, 1_000_000_000), "{sum} instead of {boundary}");
        }
        let read = read_media(&job, 0);
        let longest = printed.iter().copied().max().expect("segments");
        prop_assert_eq!(read.target_duration as i64, longest.ceil());
    }

    #[test]
    fn every_playlist_of_every_rule_is_readable(
        segment in 500i64..10_000, duration in 1i64..200_000, fmp4: bool, keyframed: bool,
        rate in 50_000u64..200_000_000,
    ) {
        let packaging = if fmp4 { Packaging::Fmp4 } else { Packaging::MpegTs };
        let segment = Time::from_millis(segment);
        let duration = Time::from_millis(duration);
        let mut job = job(
            BoundaryRule::Grid { segment }, packaging, &duration.to_string(),
            vec![picture("x", (640, 360), rate), sound("audio")],
        );
        if keyframed {
            let keyframes: Vec<Time> = (0..200).map(|n| Time::new(n * 1001, 1000)).collect();
            let rule = BoundaryRule::KeyframesCumulative { segment };
            job.timeline = segue_hls::timeline(rule, duration, &keyframes).expect("a timeline");
        }
        let read = read_multivariant(&job);
        for variant in read.variants {
            prop_assert!(variant.average_bandwidth <= Some(variant.bandwidth));
        }
        prop_assert_eq!(read_media(&job, 1).segments.len(), job.timeline.segments() as usize);
    }
}
