//! What a line asks of the engine: all of it, or what is in the way.

#[path = "../../model/tests/sample/mod.rs"]
mod sample;

use segue_ffmpeg::job::request::{obstacles, request};
use segue_ffmpeg::{
    Answer, CommandLine, Job, Program, Surroundings, Verdict, decide_words, explain, understand,
};
use segue_model::{
    AudioRequest, BoundaryRule, ChannelRequest, ColourLabels, Deinterlace, DeinterlaceMethod,
    FieldOrder, FieldRequest, FrameRate, Gain, H264Profile, JobRequest, Orientation, Packaging,
    RateControl, SourceFacts, StreamKind, Time,
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

/// What a line means, also where the engine cannot do it.
fn job(words: &[String]) -> Job {
    let line = CommandLine::parse(Program::Ffmpeg, words).expect("a line");
    let understanding = understand(&line);
    let why = format!("{:?}", understanding.obstacles().next());
    understanding.job.unwrap_or_else(|| panic!("{why}"))
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
        over_level: true,
        timestamp_offset: Some(Time::from_secs(10)),
        keep_start: true,
        frame_grid: true,
        audio: Some(AudioRequest {
            stream: Some(1),
            bitrate: Some(256_000),
            channels: ChannelRequest::Exactly(2),
            sample_rate: Some(48_000),
            gain: Gain::Factor(Time::from_secs(2)),
            mix: None,
            copy: false,
        }),
        fields: FieldRequest::Kept,
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
fn what_cannot_be_asked_for_is_a_command_whatever_the_source_is_like() {
    let quality = VIDEO.replace("libx264", "h264_qsv").replace("-crf 23", "-global_quality 23");
    for (video, filters, audio, said) in [
        (&*quality, FILTERS, AUDIO, "measured as global quality"),
        (VIDEO, "scale=640:360,transpose=dir=clock", AUDIO, "turned or mirrored after"),
        (VIDEO, "scale=640:360,yadif=0:-1:0", AUDIO, "deinterlaced after it was scaled"),
        (VIDEO, "yadif,bwdif", AUDIO, "deinterlaced twice"),
        (VIDEO, "crop=640:360", AUDIO, "cropped"),
        (VIDEO, "scale=640:360,scale=320:180", AUDIO, "scaled twice"),
        (VIDEO, FILTERS, "-codec:a:0 aac_at", "what aac_at makes of it"),
        (VIDEO, FILTERS, "-codec:a:0 aac -af pan=stereo|FL=FC|FR=FC", "stereo|FL=FC|FR=FC"),
    ] {
        let words = line(video, filters, audio, "");
        let job = job(&words);
        let all = obstacles(&job);
        assert!(all.iter().any(|it| it.to_string().contains(said)), "{said}: {all:?}");
        assert!(in_the_way(&job, |_| ()).contains(said), "{said}");
        let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
        assert_eq!((decision.answer, &decision.job), (Answer::Command, &None), "{said}");
        assert!(decision.because.contains(said), "{}", decision.because);
        let found = decision
            .findings
            .iter()
            .any(|finding| finding.verdict == Verdict::Prevents && finding.meaning.contains(said));
        assert!(found, "{said}");
        let text = explain::text(&decision);
        assert!(text.starts_with("command\n"), "{text}");
    }
}

#[test]
fn deinterlacing_is_asked_for_by_what_it_does() {
    use DeinterlaceMethod::{Bwdif, Yadif};
    let asked = |filters: &str| {
        let words = line(VIDEO, filters, AUDIO, "");
        request(&job(&words), &sample::film()).expect("a request").fields
    };
    let made = |method, every_field, marked_only| {
        FieldRequest::Made(Deinterlace { method, every_field, marked_only })
    };
    for (filters, fields) in [
        ("scale=640:360", FieldRequest::Kept),
        ("yadif=0:-1:0,scale=640:360", made(Yadif, false, false)),
        ("yadif_cuda=1:-1:0,scale_cuda=w=640:h=360", made(Yadif, true, false)),
        ("bwdif=1:-1:0", made(Bwdif, true, false)),
        ("bwdif_opencl=0:-1:1", made(Bwdif, false, true)),
        ("deinterlace_vaapi=rate=field", made(Bwdif, true, false)),
        ("deinterlace_qsv=mode=2", made(Bwdif, false, true)),
        ("vpp_qsv=w=640:h=360:deinterlace=2", made(Bwdif, false, true)),
    ] {
        assert_eq!(asked(filters), fields, "{filters}");
    }
}

#[test]
fn turns_add_up_to_one() {
    let asked = |filters: &str, before: &str, own: Orientation| {
        let mut facts = sample::film();
        facts.video.as_mut().expect("a picture").orientation = own;
        let words = [vec![before.to_owned()], line(VIDEO, filters, AUDIO, "")].concat();
        request(&job(&words), &facts).expect("a request").orientation
    };
    let turned = |quarter_turns, mirrored| Orientation { quarter_turns, mirrored };
    let (upright, stored) = ("-autorotate", "-noautorotate");
    for (filters, before, own, expected) in [
        ("transpose=dir=clock", upright, turned(0, false), Some(turned(1, false))),
        // What a media server writes for a source that it turns by itself.
        ("transpose=dir=clock", stored, turned(1, false), None),
        ("null", stored, turned(1, false), Some(turned(0, false))),
        ("null", upright, turned(1, false), None),
        ("hflip,transpose=cclock", upright, turned(0, false), Some(turned(3, true))),
        ("transpose=cclock,hflip", upright, turned(0, false), Some(turned(1, true))),
        ("vflip,hflip", upright, turned(1, false), Some(turned(3, false))),
    ] {
        assert_eq!(asked(filters, before, own), expected, "{filters} {before}");
    }
}

#[test]
fn sound_is_mixed_and_given_bits_as_the_line_says() {
    let asked = |audio: &str, channels: u32| {
        let mut facts = sample::film();
        facts.audio = vec![sample::sound(1, channels)];
        let words = line(VIDEO, FILTERS, audio, "");
        request(&job(&words), &facts).map(|request| request.audio.expect("sound"))
    };
    let night = "pan=stereo|c0=c2+0.30*c0+0.30*c4|c1=c2+0.30*c1+0.30*c5,volume=2";
    let line = format!("-codec:a:0 libfdk_aac -ab 256000 -af {night}");
    let sound = asked(&line, 6).expect("a request");
    assert_eq!(sound.channels, ChannelRequest::Exactly(2));
    assert_eq!(sound.gain, Gain::Factor(Time::from_secs(2)));
    let mix = sound.mix.expect("a mix");
    assert_eq!((mix.rows().len(), mix.sources(), mix.rows()[0][2]), (2, 6, Time::from_secs(1)));
    // There is no sixth channel to take something of.
    assert!(asked(&line, 2).is_err());
    for (audio, channels, bitrate) in [
        ("-codec:a:0 libfdk_aac -ac 2 -vbr:a 5", 6, 192_000),
        ("-codec:a:0 libfdk_aac -ac 6 -vbr:a 3", 6, 240_000),
        ("-codec:a:0 libfdk_aac -ac 1 -vbr:a 1", 2, 32_000),
        ("-codec:a:0 libfdk_aac -ac 2", 2, 139_636),
        ("-codec:a:0 aac_at -ac 2 -aac_at_mode:a 2 -b:a 128000", 8, 128_000),
    ] {
        let sound = asked(audio, channels).expect("a request");
        assert_eq!(sound.bitrate, Some(bitrate), "{audio}");
    }
}

#[test]
fn sound_is_taken_as_it_is_where_segments_can_hold_it() {
    let words = line(VIDEO, FILTERS, "-codec:a:0 copy", "");
    let job = job(&words);
    let mut facts = sample::film();
    facts.audio[0].codec = "ac3".to_owned();
    let copied = AudioRequest { stream: Some(1), copy: true, ..AudioRequest::default() };
    assert_eq!(request(&job, &facts).expect("a request").audio, Some(copied));
    let found = in_the_way(&job, |facts| facts.audio[0].codec = "truehd".to_owned());
    assert!(found.contains("stream 1 holds truehd"), "{found}");
    assert_eq!(obstacles(&job), []);
}

#[test]
fn keyframes_within_segments_are_asked_for() {
    let asked = |video: &str, filters: &str| {
        let mut facts = sample::film();
        let video_facts = facts.video.as_mut().expect("a picture");
        video_facts.frame_rate = FrameRate::Constant(Time::from_secs(25));
        request(&job(&line(video, filters, AUDIO, "")), &facts).map(|request| request.keyframes)
    };
    let finer = VIDEO.replace("n_forced*3", "n_forced*1");
    assert_eq!(asked(&finer, FILTERS), Ok(Some(Time::from_secs(1))));
    assert_eq!(asked(VIDEO, FILTERS), Ok(None));
    let rule = "-force_key_frames:0 expr:gte(t,n_forced*3)";
    let by_count = VIDEO.replace(rule, "-g:v:0 75 -keyint_min:v:0 75");
    assert_eq!(asked(&by_count, FILTERS), Ok(None));
    // As many pictures of a source whose fields become frames last half as long.
    assert_eq!(asked(&by_count, "yadif=1:-1:0"), Ok(Some(Time::new(3, 2))));
    let other = VIDEO.replace(rule, "-g:v:0 71 -keyint_min:v:0 71");
    assert!(asked(&other, FILTERS).is_err());
}

#[test]
fn a_late_picture_is_a_command_where_ffmpeg_repeats_it_or_it_is_far_off() {
    let late = |words: &[String], frames: Time| {
        in_the_way(&job(words), |facts| {
            let video = facts.video.as_mut().expect("a picture");
            video.start = frames / video.frame_rate.nominal();
        })
    };
    let words = line(VIDEO, FILTERS, AUDIO, "");
    // Its place is kept.
    assert_eq!(late(&words, Time::HALF), "");
    assert_eq!(late(&words, Time::new(7, 5)), "");
    assert!(late(&words, Time::new(8, 5)).contains("after the sound"));
    // Its place is filled from the film's start on.
    let without: Vec<String> = words.iter().filter(|word| *word != "-copyts").cloned().collect();
    let by_name = line(VIDEO, FILTERS, AUDIO, "-fps_mode cfr");
    for words in [without, by_name, line(VIDEO, FILTERS, AUDIO, "-vsync 1")] {
        assert_eq!(late(&words, Time::new(2, 5)), "", "{words:?}");
        let said = late(&words, Time::HALF);
        assert!(said.contains("less than half a frame late"), "{words:?}: {said}");
    }
}

#[test]
fn a_bit_rate_without_a_cap_gets_one_and_that_is_said() {
    let bare = VIDEO.replace("-crf 23 -maxrate 5611686 -bufsize 11223372", "-b:v 5000000");
    let bare = bare.replace("libx264 -preset veryfast", "h264_videotoolbox -prio_speed 1");
    let words = line(&bare, FILTERS, AUDIO, "");
    let asked = request(&job(&words), &sample::film()).expect("a request");
    let (bitrate, bitrate_max, buffer_bits) = (5_000_000, 10_000_000, 20_000_000);
    let capped = RateControl::CappedBitrate { bitrate, bitrate_max, buffer_bits };
    assert_eq!(asked.rate_control, Some(capped));
    let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
    assert_eq!(decision.answer, Answer::Job);
    let mut said = decision.findings.iter().filter(|it| it.verdict == Verdict::Differs);
    assert!(
        said.any(|it| it.meaning.contains("10000000 bits a second")),
        "{:?}",
        decision.findings
    );
}

#[test]
fn sound_alone_and_unnamed_streams_are_asked_for() {
    let words = "-i file:/music/song.flac -map_metadata -1 -map_chapters -1 -threads 0 -vn -acodec \
        libfdk_aac -ab 192000 -ac 2 -copyts -avoid_negative_ts disabled -f hls -max_delay 5000000 \
        -hls_time 3 -start_number 0 -hls_segment_filename /t/X%d.ts -hls_playlist_type vod \
        -hls_list_size 0 -y /t/X.m3u8";
    let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    let alone = job(&words);
    let asked = request(&alone, &sample::film()).expect("a request");
    assert!(asked.without_picture && asked.renditions.is_empty());
    assert_eq!(asked.audio.expect("sound").stream, Some(1));
    let found = in_the_way(&alone, |facts| facts.streams.push(StreamKind::Subtitle));
    assert!(found.contains("the source has no subtitles"), "{found}");
    let found = in_the_way(&alone, |facts| facts.audio[0].start = Time::HALF);
    assert!(found.contains("first sound"), "{found}");
    // ffmpeg takes the most channels, and the first of those.
    let two = |first: u32, second: u32| {
        let mut facts = sample::film();
        facts.audio = vec![sample::sound(1, first), sample::sound(2, second)];
        request(&alone, &facts).ok()?.audio?.stream
    };
    assert_eq!([two(2, 2), two(2, 6), two(6, 2)], [Some(1), Some(2), Some(1)]);
    // Whether it goes by what is marked as default depends on its version.
    let found = in_the_way(&alone, |facts| {
        facts.audio = vec![sample::sound(1, 6), sample::sound(2, 2)];
        facts.audio[1].default = true;
    });
    assert!(found.contains("the best of 2"), "{found}");
}

#[test]
fn captions_are_left_out_where_the_line_says_so() {
    let video = VIDEO.replace("libx264", "h264_vaapi").replace("-crf 23", "-b:v 5000000");
    let video = video.replace("-preset veryfast", "-rc_mode VBR -sei -a53_cc");
    let asked = |video: &str| {
        request(&job(&line(video, FILTERS, AUDIO, "")), &sample::film()).expect("a request")
    };
    assert!(!asked(&video).captions);
    assert!(asked(VIDEO).captions);
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
        (|facts| video(facts).field_order = FieldOrder::TopFirst, ""),
        (|facts| video(facts).colour.matrix = "unknown".to_owned(), ""),
        (|facts| video(facts).pixel_format = "gbrp".to_owned(), "red, green and blue"),
        (|facts| video(facts).colour.full_range = true, "full range"),
        (|facts| video(facts).frame_rate = FrameRate::Variable(Time::from_secs(24)), "even rate"),
        (|facts| video(facts).start = Time::HALF, "1/2 s after the sound"),
        // Its header says what the line does, whatever its rates are.
        (|facts| video(facts).frame_rate_max = Time::from_secs(6000), ""),
        (|facts| facts.audio.clear(), "stream 1, which is no sound"),
        (|facts| facts.audio[0].decodable = false, "cannot be decoded"),
        (|facts| facts.start = Time::from_secs(-10), "timestamps from 0 s on"),
    ];
    for (change, said) in changes {
        let found = in_the_way(&job, change);
        assert!(found.contains(said) && found.is_empty() == said.is_empty(), "{said}: {found}");
    }
    let fmp4 = "-hls_segment_type fmp4 -hls_fmp4_init_filename X-1.mp4";
    let words = [vec!["-noautorotate".to_owned()], line(VIDEO, FILTERS, AUDIO, fmp4)].concat();
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
