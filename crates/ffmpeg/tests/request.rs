//! What a line asks of the engine: all of it, or what is in the way.

#[path = "../../model/tests/sample/mod.rs"]
mod sample;

use segue_ffmpeg::job::request::{obstacles, request};
use segue_ffmpeg::{Job, Program, Surroundings, decide_words, explain};
use segue_model::{
    AudioRequest, BoundaryRule, ChannelRequest, ColourLabels, FieldOrder, FrameRate, Gain,
    H264Profile, JobRequest, Orientation, Packaging, RateControl, SourceFacts, Time,
};

const VIDEO: &str = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 5611686 -bufsize \
    11223372 -profile:v:0 main -level 41 -force_key_frames:0 expr:gte(t,n_forced*3) \
    -sc_threshold:v:0 0";
const FILTERS: &str = r"setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale=trunc(min(max(iw\,ih*a)\,426)/2)*2:trunc(ow/a/2)*2,format=yuv420p";
const AUDIO: &str = "-codec:a:0 libfdk_aac -ac 2 -ab 256000 -af volume=2";

fn line(video: &str, filters: &str, audio: &str, more: &str) -> Vec<String> {
    let words = format!(
        "-i file:/film.mkv -map_metadata -1 -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s \
         {video} -vf {filters} {audio} -copyts -avoid_negative_ts disabled -f hls -max_delay 5000000 \
         -hls_time 3 {more} -start_number 0 -hls_segment_filename /t/X%d.ts -hls_playlist_type vod \
         -hls_list_size 0 -y /t/X.m3u8"
    );
    words.split_whitespace().map(str::to_owned).collect()
}

fn job(words: &[String]) -> Job {
    let decision = decide_words(Program::Ffmpeg, words, Surroundings::default());
    let because = decision.because.clone();
    decision.job.unwrap_or_else(|| panic!("{because}"))
}

fn plain() -> Job {
    job(&line(VIDEO, FILTERS, AUDIO, ""))
}

/// What is in the way on a source like this.
fn in_the_way(job: &Job, change: impl FnOnce(&mut SourceFacts)) -> String {
    let mut facts = sample::film();
    change(&mut facts);
    let all = request(job, &facts).err().unwrap_or_default();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn a_media_servers_line_is_asked_for_to_the_letter() {
    let asked = request(&plain(), &sample::film()).expect("nothing in the way");
    let expected = JobRequest {
        boundaries: BoundaryRule::Multiples { segment: Time::from_secs(3) },
        // 1920x1080 within 426 columns: ow/a is 239.6.
        renditions: vec!["=426x238:1904/1917".parse().expect("a rendition")],
        rate_control: Some(RateControl::CappedQuality {
            crf: 23,
            bitrate_max: 5_611_686,
            buffer_bits: 11_223_372,
        }),
        preset: "veryfast".to_owned(),
        colour: ColourLabels {
            primaries: Some("bt709".to_owned()),
            transfer: Some("bt709".to_owned()),
            matrix: Some("bt709".to_owned()),
        },
        profile: H264Profile::Main,
        level_max: Some(41),
        timestamp_offset: Some(Time::from_secs(10)),
        keep_start: true,
        audio: Some(AudioRequest {
            stream: Some(1),
            bitrate: Some(256_000),
            channels: ChannelRequest::Exactly(2),
            sample_rate: Some(48_000),
            gain: Gain::Factor(Time::from_secs(2)),
        }),
        ..JobRequest::default()
    };
    assert_eq!(asked, expected);
    assert_eq!(obstacles(&plain()), []);
}

#[test]
fn lines_that_differ_ask_for_what_differs() {
    let asked = |words: Vec<String>| request(&job(&words), &sample::film()).expect("a request");
    let video = VIDEO.replace("-crf 23", "-b:v 5000000");
    let rate = RateControl::CappedBitrate {
        bitrate: 5_000_000,
        bitrate_max: 5_611_686,
        buffer_bits: 11_223_372,
    };
    assert_eq!(asked(line(&video, FILTERS, AUDIO, "")).rate_control, Some(rate));
    let video = VIDEO.replace("-maxrate 5611686 -bufsize 11223372", "");
    let uncapped = Some(RateControl::Quality { crf: 23 });
    assert_eq!(asked(line(&video, FILTERS, AUDIO, "")).rate_control, uncapped);
    let from_zero = asked(line(VIDEO, FILTERS, AUDIO, "-start_at_zero"));
    assert!(!from_zero.keep_start);
    let fmp4 = "-hls_segment_type fmp4 -hls_fmp4_init_filename X-1.mp4";
    let fmp4 = asked(line(VIDEO, FILTERS, AUDIO, fmp4));
    assert_eq!((fmp4.packaging, fmp4.together), (Packaging::Fmp4, true));
    assert_eq!(fmp4.timestamp_offset, Some(Time::ZERO));
    let sound = |audio: &str| asked(line(VIDEO, FILTERS, audio, "")).audio.expect("sound");
    let quiet = sound("-codec:a:0 aac -ac 1 -ar 44100 -af volume=0.5");
    assert_eq!(quiet.gain, Gain::Factor(Time::HALF));
    assert_eq!((quiet.channels, quiet.sample_rate), (ChannelRequest::Exactly(1), Some(44_100)));
    // What ffmpeg's own encoder takes for one channel.
    assert_eq!(quiet.bitrate, Some(69_000));
}

#[test]
fn what_cannot_be_asked_for_is_named_whatever_the_source_is_like() {
    let quality = VIDEO.replace("libx264", "h264_qsv").replace("-crf 23", "-global_quality 23");
    let bare = VIDEO.replace("-crf 23 -maxrate 5611686 -bufsize 11223372", "-b:v 5000000");
    let finer = VIDEO.replace("n_forced*3", "n_forced*1");
    for (video, filters, audio, more, said) in [
        (&*quality, FILTERS, AUDIO, "", "measured as global quality"),
        (&bare, FILTERS, AUDIO, "", "without a cap"),
        (&finer, FILTERS, AUDIO, "", "keyframes within segments, every 1 s"),
        (VIDEO, "yadif=1:-1:0", AUDIO, "", "a frame of each field"),
        (VIDEO, "yadif=0:-1:0", AUDIO, "", "also where it is not marked"),
        (VIDEO, "transpose=dir=clock", AUDIO, "", "turned or mirrored"),
        (VIDEO, "scale=640:360,scale=320:180", AUDIO, "", "scaled twice"),
        (VIDEO, FILTERS, "-codec:a:0 libfdk_aac -vbr:a 3", "", "variable mode 3"),
    ] {
        let words = line(video, filters, audio, more);
        let job = job(&words);
        let all = obstacles(&job);
        assert!(all.iter().any(|it| it.to_string().contains(said)), "{said}: {all:?}");
        assert!(in_the_way(&job, |_| ()).contains(said), "{said}");
        let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
        let text = explain::text(&decision);
        assert!(text.starts_with("job\n"), "{text}");
        let explained = text.lines().find(|it| it.contains("not yet asked of the engine: "));
        assert!(explained.is_some_and(|it| text.contains(said) && !it.is_empty()), "{text}");
    }
}

#[test]
fn what_a_source_stands_in_the_way_of_is_named() {
    let job = plain();
    type Change = fn(&mut SourceFacts);
    fn video(facts: &mut SourceFacts) -> &mut segue_model::VideoFacts {
        facts.video.as_mut().expect("a picture")
    }
    let changes: [(Change, &str); 13] = [
        (|_| (), ""),
        (|facts| facts.video = None, "the source has a picture"),
        (|facts| video(facts).stream = 2, "stream 0 is a picture"),
        (|facts| video(facts).field_order = FieldOrder::TopFirst, "stays interlaced"),
        (|facts| video(facts).colour.matrix = "unknown".to_owned(), ""),
        (|facts| video(facts).pixel_format = "gbrp".to_owned(), "red, green and blue"),
        (|facts| video(facts).colour.full_range = true, "full range"),
        (|facts| video(facts).frame_rate = FrameRate::Variable(Time::from_secs(24)), "even rate"),
        (|facts| video(facts).start = Time::HALF, "1/2 s after the sound"),
        (
            |facts| video(facts).frame_rate_max = Time::from_secs(6000),
            "it cannot be made: rendition =426x238:1904/1917 needs H.264 level",
        ),
        (|facts| facts.audio.clear(), "stream 1, which is no sound"),
        (|facts| facts.audio[0].decodable = false, "cannot be decoded"),
        (|facts| facts.start = Time::from_secs(-10), "timestamps from 0 s on"),
    ];
    for (change, said) in changes {
        let found = in_the_way(&job, change);
        assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{said}: {found}");
    }
    let words = [vec!["-noautorotate".to_owned()], line(VIDEO, FILTERS, AUDIO, "")].concat();
    let ignored = self::job(&words);
    let orientation = Orientation { quarter_turns: 1, mirrored: false };
    let found = in_the_way(&ignored, |facts| video(facts).orientation = orientation);
    assert!(found.contains("stays as it is stored"), "{found}");
}

#[test]
fn a_turned_source_is_scaled_as_it_is_seen() {
    let orientation = Orientation { quarter_turns: 1, mirrored: false };
    let mut facts = sample::film();
    let video = facts.video.as_mut().expect("a picture");
    (video.orientation, video.sample_aspect) = (orientation, Time::new(4, 3));
    let asked = request(&plain(), &facts).expect("a request");
    // 1080 columns, which are three quarters as wide as they are high, and 1920 rows.
    let pixel = Time::new(3, 4) * Time::new(756 * 1080, 426 * 1920);
    assert_eq!(asked.renditions[0].to_string(), format!("=426x756:{pixel}"));
}
