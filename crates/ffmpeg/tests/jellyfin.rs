//! Every shape of line that Jellyfin's EncodingHelper and DynamicHlsController write for H.264 and
//! AAC in HLS, without burn-in and tone mapping, is a job, and means the same on any hardware.
//! The shapes are those of Jellyfin 10.8 to 12; values are made up.

use segue_ffmpeg::job::picture::{Picture, Step, Turn, size_after};
use segue_ffmpeg::job::{
    Cap, FrameRate, Pick, Profile, Proviso, RateControl, Rotation, Scale, SoundRate, SoundStep,
};
use segue_ffmpeg::{
    Answer, CommandLine, Decision, Finding, Job, Program, Surroundings, Verdict, decide_words,
    understand,
};
use segue_model::{DeinterlaceMethod, Packaging, Time};

/// The parts of a line that differ, each as one string of words without blanks in them.
#[derive(Clone)]
struct Shape {
    before: &'static str,
    input: &'static str,
    encode: &'static str,
    filters: &'static str,
    audio: &'static str,
    packaging: &'static str,
    start: &'static str,
}

const SOFTWARE: &str = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize \
    8000000 -profile:v:0 high -level 41 -x264opts:0 \
    subme=0:me_range=16:rc_lookahead=10:me=hex:open_gop=0 -force_key_frames:0 \
    expr:gte(t,n_forced*3) -sc_threshold:v:0 0";
const SIZE: &str = r"setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale=trunc(min(max(iw\,ih*a)\,min(1280\,720*a))/2)*2:trunc(min(max(iw/a\,ih)\,min(1280/a\,720))/2)*2,format=yuv420p";
const TS: &str = "-hls_segment_type mpegts";

const PLAIN: Shape = Shape {
    before: "",
    input: "",
    encode: SOFTWARE,
    filters: SIZE,
    audio: "-codec:a:0 libfdk_aac -ac 2 -ab 256000 -af volume=2",
    packaging: TS,
    start: "-start_number 0",
};

fn words(shape: &Shape) -> Vec<String> {
    let extension = if shape.packaging.contains("fmp4") { "mp4" } else { "ts" };
    let split = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut words = split("-analyzeduration 200M -probesize 1G");
    words.extend(split(shape.before));
    words.extend(split(shape.input));
    words.extend(["-i", "file:/films/It's [1], 100% \"new\".mkv"].map(str::to_owned));
    words.extend(split("-map_metadata -1 -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s"));
    words.extend(split(shape.encode));
    if !shape.filters.is_empty() {
        words.extend(["-vf", shape.filters].map(str::to_owned));
    }
    words.extend(split(shape.audio));
    words.extend(split(
        "-copyts -avoid_negative_ts disabled -max_muxing_queue_size 2048 -f hls -max_delay 5000000 \
         -hls_time 3",
    ));
    words.extend(split(shape.packaging));
    words.extend(split(shape.start));
    words.extend(split(&format!(
        "-hls_segment_filename /cache/0123abcd%d.{extension} -hls_playlist_type vod -hls_list_size \
         0 -y /cache/0123abcd.m3u8"
    )));
    words
}

fn decision(shape: &Shape) -> Decision {
    decide_words(Program::Ffmpeg, &words(shape), Surroundings::default())
}

#[track_caller]
fn job(shape: &Shape) -> Job {
    let decision = decision(shape);
    let obstacles: Vec<_> =
        decision.findings.iter().filter(|f| f.verdict == Verdict::Prevents).collect();
    assert_eq!(decision.answer, Answer::Job, "{obstacles:#?}");
    decision.job.unwrap()
}

#[track_caller]
/// What a line means, also where the engine cannot do it.
fn meaning(shape: &Shape) -> Job {
    let line = CommandLine::parse(Program::Ffmpeg, &words(shape)).unwrap();
    understand(&line).job.unwrap()
}

fn reason(shape: &Shape) -> String {
    let decision = decision(shape);
    assert!(matches!(decision.answer, Answer::Command | Answer::Fallback));
    decision.because
}

#[test]
fn the_plain_line_means_what_it_says() {
    let job = job(&PLAIN);
    assert_eq!(job.source.path, "/films/It's [1], 100% \"new\".mkv");
    assert_eq!(job.content.boundaries.segment, Time::from_secs(3));
    assert_eq!(job.content.packaging, Packaging::MpegTs);
    // The transport stream muxer adds its delay twice.
    assert_eq!(job.content.timestamps.offset, Time::from_secs(10));
    assert!(!job.content.timestamps.from_zero);
    let steady = Proviso::EvenPictures;
    assert_eq!(job.provisos, [Proviso::IsVideo(0), Proviso::IsAudio(1), steady]);
    assert_eq!(job.projection.playlist, "/cache/0123abcd.m3u8");
    assert_eq!(job.projection.segments, "/cache/0123abcd%d.ts");
    assert!(job.projection.overwrite && !job.projection.by_rename);
    let video = job.content.video.unwrap();
    assert_eq!(video.stream, Pick::Stream(0));
    let cap = Some(Cap { bitrate_max: 4_000_000, buffer_bits: Some(8_000_000) });
    let expected = RateControl::Quality { scale: Scale::Crf, value: 23, cap };
    assert_eq!(video.rate_control, expected);
    assert_eq!((video.profile, video.level), (Some(Profile::High), Some(41)));
    assert_eq!(video.preset.as_deref(), Some("veryfast:me=hex:merange=16:rc-lookahead=10:subme=0"));
    assert_eq!(video.frame_rate, FrameRate::Constant);
    let source = Picture { width: 1920, height: 800, pixel: Time::from_secs(1) };
    let size = size_after(&video.steps, source).unwrap();
    assert_eq!((size.width, size.height), (1280, 532));
    let audio = job.content.audio.unwrap();
    assert_eq!(audio.rate, SoundRate::Bitrate(256_000));
    assert_eq!(audio.steps, [SoundStep::Volume("2".to_owned())]);
}

#[test]
fn where_it_is_watched_from_is_no_part_of_what_it_is() {
    let from_start = job(&PLAIN);
    let later = job(&Shape { before: "-ss 00:25:54.000", start: "-start_number 518", ..PLAIN });
    assert_eq!(later.demand.first_segment, 518);
    assert_eq!(later.content, from_start.content);
    assert_eq!(later.source, from_start.source);
    // Jellyfin 10.8 counts keyframes from the film's start.
    let encode = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize 8000000 \
        -profile:v:0 high -level 41 -x264opts:0 \
        subme=0:me_range=16:rc_lookahead=10:me=hex:8x8dct=0 \
        -force_key_frames:0 expr:gte(t,1554+n_forced*3) -sc_threshold:v:0 0";
    let older = Shape {
        before: "-ss 00:25:54.000 -noaccurate_seek",
        start: "-start_number 518",
        encode,
        ..PLAIN
    };
    assert_eq!(job(&older).content, from_start.content);
    // ... and it is said that ffmpeg itself does not follow that.
    let findings = decision(&older).findings;
    let differs = said(&findings, Verdict::Differs);
    assert!(differs.contains(&"-noaccurate_seek") && differs.contains(&"(keyframes)"));
}

fn said(findings: &[Finding], verdict: Verdict) -> Vec<&str> {
    let of_it = findings.iter().filter(|finding| finding.verdict == verdict);
    of_it.map(|finding| finding.option.as_str()).collect()
}

#[test]
fn the_last_of_equal_options_counts() {
    let preset = |encode| job(&Shape { encode, ..PLAIN }).content.video.unwrap().preset.unwrap();
    let twice = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize 8000000 \
        -x264opts:0 subme=0:trellis=1 -x264-params:0 me=hex -x264opts:0 me=dia \
        -force_key_frames:0 expr:gte(t,n_forced*3)";
    assert_eq!(preset(twice), "veryfast:me=hex");
}

#[test]
fn options_that_make_less_than_high_ask_for_less_where_no_profile_is_named() {
    let profile = |encode| job(&Shape { encode, ..PLAIN }).content.video.unwrap().profile;
    let unnamed = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize 8000000 \
        -x264opts:0 subme=0:8x8dct=0 -force_key_frames:0 expr:gte(t,n_forced*3)";
    let named = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize 8000000 \
        -profile:v:0 high -x264opts:0 subme=0:8x8dct=0 \
        -force_key_frames:0 expr:gte(t,n_forced*3)";
    assert_eq!(profile(unnamed), Some(Profile::Main));
    // Players were told of it.
    assert_eq!(profile(named), Some(Profile::High));
    let findings = decision(&Shape { encode: named, ..PLAIN }).findings;
    assert!(said(&findings, Verdict::Differs).contains(&"(8x8dct=0, and the high profile)"));
    let fastest = "-codec:v:0 libx264 -preset ultrafast -crf 23 -maxrate 4000000 -bufsize 8000000 \
        -force_key_frames:0 expr:gte(t,n_forced*3)";
    assert_eq!(profile(fastest), Some(Profile::Baseline));
}

#[test]
fn the_last_seconds_are_not_sought_to_and_still_wanted() {
    // A film of 100 s: segment 33 begins at 99 s, and Jellyfin seeks to 95 s at most.
    let shape = Shape { before: "-ss 00:01:35.000", start: "-start_number 33", ..PLAIN };
    let job = job(&shape);
    assert_eq!(job.demand.first_segment, 33);
    assert_eq!(job.content, self::job(&PLAIN).content);
    assert!(job.provisos.contains(&Proviso::EndsAt(Time::from_secs(100))));
}

const VAAPI: Shape = Shape {
    input: "-init_hw_device vaapi=va:/dev/dri/renderD128 -filter_hw_device va -hwaccel vaapi \
        -hwaccel_output_format vaapi -noautorotate",
    encode: "-noautoscale -codec:v:0 h264_vaapi -rc_mode VBR -b:v 4000000 -maxrate 4000000 \
        -bufsize 8000000 -profile:v:0 high -level 41 -sei -a53_cc -force_key_frames:0 \
        expr:gte(t,n_forced*3)",
    filters: "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_vaapi=w=1280:h=720:format=nv12:extra_hw_frames=24",
    ..PLAIN
};
const QSV: Shape = Shape {
    input: "-init_hw_device vaapi=va:,vendor_id=0x8086,driver=iHD -init_hw_device qsv=qs@va \
        -filter_hw_device qs -hwaccel vaapi -hwaccel_output_format vaapi -noautorotate",
    encode: "-noautoscale -codec:v:0 h264_qsv -low_power 1 -preset veryfast -mbbrc 1 -b:v 4000000 \
        -maxrate 4000001 -rc_init_occupancy 4000000 -bufsize 8000000 -profile:v:0 high -level 41 \
        -g:v:0 72 -keyint_min:v:0 72",
    filters: "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_vaapi=w=1280:h=720:format=nv12:extra_hw_frames=24,hwmap=derive_device=qsv,format=qsv",
    ..PLAIN
};
const NVENC: Shape = Shape {
    input: "-init_hw_device cuda=cu:0 -filter_hw_device cu -hwaccel cuda -hwaccel_output_format \
        cuda -noautorotate -hwaccel_flags +unsafe_output -threads 1",
    encode: "-noautoscale -codec:v:0 h264_nvenc -preset p1 -b:v 4000000 -maxrate 4000000 -bufsize \
        8000000 -profile:v:0 high -g:v:0 72 -keyint_min:v:0 72",
    filters: "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_cuda=w=1280:h=720:format=yuv420p",
    ..PLAIN
};
const AMF: Shape = Shape {
    input: "-init_hw_device d3d11va=dx11:,vendor=0x1002 -init_hw_device opencl=ocl@dx11 \
        -filter_hw_device ocl -hwaccel d3d11va -hwaccel_output_format d3d11 -noautorotate",
    encode: "-noautoscale -codec:v:0 h264_amf -quality speed -rc cbr -qmin 0 -qmax 32 -b:v 4000000 \
        -maxrate 4000000 -bufsize 8000000 -profile:v:0 high -level 41 -g:v:0 72 -keyint_min:v:0 72",
    filters: "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,hwmap=derive_device=opencl:mode=read,scale_opencl=w=1280:h=720:format=nv12,hwmap=derive_device=d3d11va:mode=write:reverse=1,format=d3d11",
    ..PLAIN
};
const RKMPP: Shape = Shape {
    input: "-init_hw_device rkmpp=rk -hwaccel rkmpp -hwaccel_output_format drm_prime -afbc rga \
        -noautorotate",
    encode: "-noautoscale -codec:v:0 h264_rkmpp -b:v 4000000 -maxrate 4000000 -bufsize 8000000 \
        -profile:v:0 high -level 41 -g:v:0 72 -keyint_min:v:0 72",
    filters: "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_rkrga=w=1280:h=720:format=nv12:force_divisible_by=4:afbc=1",
    ..PLAIN
};
const V4L2: Shape = Shape {
    encode: "-codec:v:0 h264_v4l2m2m -b:v 4000000 -maxrate 4000000 -bufsize 8000000 \
        -force_key_frames:0 expr:gte(t,n_forced*3) -g:v:0 72 -keyint_min:v:0 72",
    filters: r"setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale=trunc(min(max(iw\,ih*a)\,min(1280\,720*a))/64)*64:trunc(min(max(iw/a\,ih)\,min(1280/a\,720))/2)*2,format=yuv420p",
    ..PLAIN
};
const VIDEOTOOLBOX: Shape = Shape {
    input: "-init_hw_device videotoolbox=vt -hwaccel videotoolbox -hwaccel_output_format \
        videotoolbox_vld -noautorotate",
    encode: "-noautoscale -codec:v:0 h264_videotoolbox -prio_speed 1 -b:v 4000000 -qmin -1 -qmax \
        -1 -profile:v:0 high -level 41 -force_key_frames:0 expr:gte(t,n_forced*3) -g:v:0 72 \
        -keyint_min:v:0 72",
    filters: "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,scale_vt=w=1280:h=720",
    ..PLAIN
};

#[test]
fn lines_for_every_vendor_are_jobs() {
    for shape in [VAAPI, QSV, NVENC, AMF, RKMPP, V4L2, VIDEOTOOLBOX] {
        let video = job(&shape).content.video.unwrap();
        let RateControl::Bitrate { bitrate, .. } = video.rate_control else { panic!("{video:?}") };
        assert_eq!(bitrate, 4_000_000);
        let source = Picture { width: 1920, height: 1080, pixel: Time::from_secs(1) };
        let size = size_after(&video.steps, source).unwrap();
        assert_eq!((size.width, size.height), (1280, 720), "{}", shape.encode);
    }
}

#[test]
fn a_vendor_is_no_part_of_what_a_line_means() {
    let vaapi = job(&VAAPI).content;
    let nvenc = job(&NVENC).content;
    let (vaapi, nvenc) = (vaapi.video.unwrap(), nvenc.video.unwrap());
    assert_eq!(vaapi.steps, nvenc.steps);
    assert_eq!(vaapi.rate_control, nvenc.rate_control);
    // What is left to differ is what the lines themselves say differently.
    assert!(!vaapi.captions && nvenc.captions);
    assert_eq!(job(&NVENC).provisos.last(), Some(&Proviso::GopIsSegment { frames: 72 }));
}

#[test]
fn fragmented_mp4_is_a_packaging_like_another() {
    for options in [
        "",
        " -hls_segment_options movflags=+frag_discont",
        " -hls_segment_options movflags=+frag_discont+skip_sidx",
    ] {
        let packaging =
            format!("-hls_segment_type fmp4 -hls_fmp4_init_filename 0123abcd-1.mp4{options}");
        let packaging: &'static str = packaging.leak();
        for shape in [PLAIN, VAAPI, QSV, NVENC] {
            let shape =
                Shape { packaging, before: "-ss 00:00:12.000", start: "-start_number 4", ..shape };
            let job = job(&shape);
            assert_eq!(job.content.packaging, Packaging::Fmp4);
            assert_eq!(job.content.timestamps.offset, Time::ZERO);
            assert_eq!(job.projection.init.as_deref(), Some("0123abcd-1.mp4"));
            assert_eq!(job.demand.first_segment, 4);
        }
    }
}

#[test]
fn deinterlacing_is_understood_on_any_hardware() {
    use DeinterlaceMethod::{Bwdif, Yadif};
    for (filters, method, every_field, marked_only) in [
        ("yadif=0:-1:0,format=yuv420p", Yadif, false, false),
        ("yadif=1:-1:0,format=yuv420p", Yadif, true, false),
        ("bwdif=0:-1:0,format=nv12", Bwdif, false, false),
        ("deinterlace_vaapi=rate=field,scale_vaapi=format=nv12", Bwdif, true, false),
        ("deinterlace_vaapi=rate=frame", Bwdif, false, false),
        ("deinterlace_qsv=mode=2,vpp_qsv=format=nv12", Bwdif, false, true),
        ("yadif_cuda=1:-1:0,scale_cuda=format=yuv420p", Yadif, true, false),
        ("bwdif_videotoolbox=0:-1:0", Bwdif, false, false),
        ("hwmap=derive_device=opencl:mode=read,bwdif_opencl=1:-1:0", Bwdif, true, false),
        ("vpp_qsv=deinterlace=2:format=nv12", Bwdif, false, true),
    ] {
        let video = job(&Shape { filters, ..QSV }).content.video.unwrap();
        let expected = Step::Deinterlace { method, every_field, marked_only };
        assert_eq!(video.steps, [expected], "{filters}");
    }
}

#[test]
fn turned_films_are_understood_on_any_hardware() {
    for filters in [
        "transpose_vaapi=dir=clock,scale_vaapi=w=720:h=1280:format=nv12",
        "vpp_qsv=w=720:h=1280:format=nv12:transpose=clock",
        "transpose_cuda=dir=clock,scale_cuda=w=720:h=1280:format=yuv420p",
        "transpose_vt=dir=clock,scale_vt=w=720:h=1280",
        "vpp_rkrga=w=720:h=1280:format=nv12:transpose=clock:afbc=1",
        "hwmap=derive_device=vulkan,format=vulkan,transpose_vulkan=dir=clock,scale_vulkan=w=720:h=1280,hwmap=derive_device=vaapi,format=vaapi",
    ] {
        let video = job(&Shape { filters, ..VAAPI }).content.video.unwrap();
        assert_eq!(video.rotation, Rotation::Told);
        assert_eq!(video.steps[0], Step::Turn(Turn::Clockwise), "{filters}");
        let source = Picture { width: 1920, height: 1080, pixel: Time::from_secs(1) };
        let size = size_after(&video.steps, source).unwrap();
        assert_eq!((size.width, size.height), (720, 1280));
    }
}

#[test]
fn one_eye_of_a_film_in_3d_is_understood() {
    let filters = r"crop=iw/2:ih:0:0,scale=(iw*2):ih,setdar=dar=a,crop=min(iw\,ih*dar):min(ih\,iw/dar):(iw-min(iw\,iw*sar))/2:(ih - min (ih\,ih/sar))/2,setsar=sar=1,scale=1280:trunc(1280/dar/2)*2,format=yuv420p";
    let video = meaning(&Shape { filters, ..PLAIN }).content.video.unwrap();
    let source = Picture { width: 1920, height: 1080, pixel: Time::from_secs(1) };
    let size = size_after(&video.steps, source).unwrap();
    assert_eq!((size.width, size.height), (1280, 720));
    // Which the engine cannot do yet.
    assert!(reason(&Shape { filters, ..PLAIN }).contains("the picture is cropped"));
}

#[test]
fn sound_is_understood_in_all_its_shapes() {
    let five_one = "pan=stereo|c0=c2+0.30*c0+0.30*c4|c1=c2+0.30*c1+0.30*c5";
    for (audio, rate, steps) in [
        ("-codec:a:0 aac -ac 6 -ab 640000", SoundRate::Bitrate(640_000), 0),
        ("-codec:a:0 libfdk_aac -ac 2 -vbr:a 5", SoundRate::FdkVariable(5), 0),
        ("-codec:a:0 aac_at -ac 2 -aac_at_mode:a 2 -b:a 256000", SoundRate::Bitrate(256_000), 0),
        (
            "-codec:a:0 libfdk_aac -ac 2 -ab 384000 -ar 48000 -af volume=2",
            SoundRate::Bitrate(384_000),
            1,
        ),
        ("-codec:a:0 aac -ab 256000 -af MIX,volume=2", SoundRate::Bitrate(256_000), 2),
    ] {
        let audio: &'static str = audio.replace("MIX", five_one).leak();
        let sound = job(&Shape { audio, ..PLAIN }).content.audio.unwrap();
        assert_eq!(sound.rate, rate, "{audio}");
        assert_eq!(sound.steps.len(), steps, "{audio}");
    }
}

#[test]
fn sound_is_copied_from_where_the_picture_begins() {
    let told = r"-codec:a:0 copy -bsf:a noise=drop='lt(pts*tb\,12.000)'";
    let start = "-start_number 4";
    let shape = |audio, before, start| Shape { audio, before, start, ..PLAIN };
    for (shape, differs) in [
        (shape("-codec:a:0 copy", "", "-start_number 0"), false),
        (shape("-codec:a:0 copy -ab 1000 -ac 2", "", "-start_number 0"), false),
        (shape(told, "-ss 00:00:12.000", start), false),
        // Without being told, ffmpeg begins with what belongs to the segment before.
        (shape("-codec:a:0 copy", "-ss 00:00:12.000", start), true),
    ] {
        let decision = decision(&shape);
        let job = decision.job.unwrap_or_else(|| panic!("{}", decision.because));
        assert_eq!(job.content.audio.expect("sound").rate, SoundRate::Copied);
        let said = said(&decision.findings, Verdict::Differs);
        let said = said.contains(&"(-ss and sound that is copied)");
        assert_eq!(said, differs, "{}", shape.audio);
    }
    let other = r"-codec:a:0 copy -bsf:a noise=drop='lt(pts*tb\,9.000)'";
    let reason = reason(&shape(other, "-ss 00:00:12.000", start));
    assert!(reason.contains("-bsf:a"), "{reason}");
    let framed = "-codec:a:0 aac -bsf:a aac_adtstoasc -ac 2 -ab 128000";
    assert_eq!(decision(&shape(framed, "", "-start_number 0")).answer, Answer::Job);
}

#[test]
fn sound_alone_is_a_job_too() {
    let words: Vec<String> = "-i file:/a.flac -map_metadata -1 -map_chapters -1 -threads 0 -vn \
        -acodec libfdk_aac -ab 192000 -ac 2 -copyts -avoid_negative_ts disabled -f hls -max_delay \
        5000000 -hls_time 3 -hls_segment_type mpegts -start_number 0 -hls_segment_filename \
        /tmp/x%d.ts -hls_playlist_type vod -hls_list_size 0 -y /tmp/x.m3u8"
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
    let job = decision.job.unwrap();
    assert_eq!(job.content.video, None);
    assert_eq!(job.content.audio.unwrap().stream, Pick::Best);
    assert_eq!(job.provisos, [Proviso::NoSubtitles]);
}

#[test]
fn a_frame_rate_is_kept() {
    let encode: &'static str = format!("{SOFTWARE} -r 30").leak();
    let filters: &'static str = format!("fps=30,{SIZE}").leak();
    let video = meaning(&Shape { encode, filters, ..PLAIN }).content.video.unwrap();
    assert_eq!(video.frame_rate, FrameRate::Fixed(Time::from_secs(30)));
    assert_eq!(video.steps[0], Step::FrameRate(Time::from_secs(30)));
}

#[test]
fn what_the_engine_cannot_do_is_a_command_and_the_option_is_named() {
    let encoder = |to: &str| SOFTWARE.replace("libx264", to).leak() as &'static str;
    for (shape, named) in [
        (Shape { audio: "-codec:a:0 copy -af volume=2", ..PLAIN }, "-af volume=2"),
        (Shape { audio: "-codec:a:0 copy -bsf:a noise=drop=1", ..PLAIN }, "-bsf:a"),
        (Shape { audio: "-codec:a:0 ac3 -ab 640000", ..PLAIN }, "-codec:a:0 ac3"),
        (Shape { audio: "-codec:a:0 aac -ac 4", ..PLAIN }, "-ac 4"),
        (Shape { audio: "-codec:a:0 aac -af loudnorm", ..PLAIN }, "loudnorm"),
        (Shape { audio: "-codec:a:0 aac -af asetpts=PTS-12/TB", ..PLAIN }, "asetpts"),
        (Shape { encode: encoder("libx265"), ..PLAIN }, "libx265"),
        (Shape { encode: encoder("copy"), ..PLAIN }, "-codec:v:0 copy"),
        (Shape { filters: "scale=1280:720,format=yuv420p10le", ..PLAIN }, "yuv420p10le"),
        (Shape { filters: "subtitles=f='/a.srt':si=0,format=yuv420p", ..PLAIN }, "subtitles"),
        (Shape { filters: "tonemapx=tonemap=bt2390:format=yuv420p", ..PLAIN }, "tonemapx"),
        (Shape { filters: "vpp_qsv=tonemap=1:format=nv12", ..QSV }, "vpp_qsv"),
        (Shape { filters: "hue=s=0,format=yuv420p", ..PLAIN }, "hue"),
        (Shape { filters: "scale=random(1):720", ..PLAIN }, "random"),
        (Shape { filters: "scale=oh:ow", ..PLAIN }, "scale"),
        (
            Shape { before: "-ss 00:25:55.000", start: "-start_number 518", ..PLAIN },
            "-start_number",
        ),
        (Shape { before: "-t 30", ..PLAIN }, "-t 30"),
        (Shape { before: "-fflags +discardcorrupt", ..PLAIN }, "-fflags"),
        (Shape { before: "-f concat -safe 0", ..PLAIN }, "-f concat"),
        (
            Shape { packaging: "-hls_segment_type mpegts -hls_flags delete_segments", ..PLAIN },
            "-hls_flags",
        ),
        (
            Shape { packaging: "-hls_segment_type mpegts -hls_playlist_type event", ..PLAIN },
            "-hls_playlist_type",
        ),
        (
            Shape { packaging: "-hls_segment_type mpegts -hls_key_info_file k", ..PLAIN },
            "-hls_key_info_file",
        ),
    ] {
        let reason = reason(&shape);
        assert!(reason.contains(named), "{named}: {reason}");
    }
}

#[test]
fn a_rule_of_keyframes_that_gives_other_segments_is_a_command() {
    for rule in ["gte(t,n_forced*5)", "eq(n,0)", "1", "gte(n,n_forced*72)"] {
        let encode: &'static str = SOFTWARE.replace("gte(t,n_forced*3)", rule).leak();
        assert!(reason(&Shape { encode, ..PLAIN }).contains("keyframes"), "{rule}");
    }
    let encode: &'static str =
        SOFTWARE.replace("-force_key_frames:0 expr:gte(t,n_forced*3)", "").leak();
    assert!(reason(&Shape { encode, ..PLAIN }).contains("no -force_key_frames"));
}

#[test]
fn pictures_of_more_bits_are_provided_for_where_the_line_says_nothing() {
    let scaled = Shape { filters: "scale=1280:720", ..PLAIN };
    assert!(job(&scaled).provisos.contains(&Proviso::PlainPixels));
    let surface = Shape { filters: "format=nv12|vaapi,hwupload", ..VAAPI };
    assert!(job(&surface).provisos.contains(&Proviso::PlainPixels));
    assert!(!job(&VAAPI).provisos.contains(&Proviso::PlainPixels));
    // Formats on the way there do not matter.
    let on_the_way = Shape { filters: "format=p010le,scale_vaapi=format=nv12", ..VAAPI };
    assert!(!job(&on_the_way).provisos.contains(&Proviso::PlainPixels));
}

#[test]
fn what_jellyfin_asks_when_it_starts_is_answered_here() {
    for line in [
        "-version",
        "-decoders",
        "-encoders",
        "-filters",
        "-hwaccels",
        "-h filter=scale_cuda",
        "-h bsf=dovi_rpu",
        "-hide_banner -f lavfi -i nullsrc=s=1x1:d=10000 -f null -",
        "-loglevel quiet -hwaccel_flags +low_priority -hide_banner -f lavfi -i nullsrc=s=1x1:d=100 -f null -",
        "-v verbose -hide_banner -init_hw_device vaapi=va:/dev/dri/renderD128",
        "-v verbose -hide_banner -init_hw_device drm=dr:/dev/dri/renderD128 -init_hw_device vulkan=vk@dr",
        "-threads 0 -h muxer=chromaprint",
    ] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
        assert_eq!(decision.answer, Answer::Here, "{line}: {}", decision.because);
    }
}

#[test]
fn programs_are_known_by_their_names() {
    for (name, program) in [
        ("/usr/lib/jellyfin-ffmpeg/ffmpeg", Some(Program::Ffmpeg)),
        ("C:\\Program Files\\Jellyfin\\Server\\ffmpeg.exe", Some(Program::Ffmpeg)),
        ("/usr/lib/plexmediaserver/Plex Transcoder", Some(Program::Ffmpeg)),
        ("ffprobe.sh", Some(Program::Ffprobe)),
        ("/opt/ffprobe7", Some(Program::Ffprobe)),
        ("/films/about ffmpeg.mkv", None),
        ("-ffmpeg", None),
    ] {
        let named = Program::is_named_by(name).then(|| Program::of(name));
        assert_eq!(named, program, "{name}");
    }
}

#[test]
fn a_graph_of_one_chain_is_a_filter_like_any_other() {
    let line = words(&PLAIN);
    let mut words: Vec<String> = Vec::new();
    for (at, word) in line.iter().enumerate() {
        match word.as_str() {
            "-vf" => words.push("-filter_complex".to_owned()),
            SIZE => words.push(format!("[0:0]{SIZE}[out]")),
            "0:0" => words.push("[out]".to_owned()),
            _ => words.push(line[at].clone()),
        }
    }
    let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
    assert_eq!(decision.job.unwrap().content, job(&PLAIN).content);
    // ffmpeg takes no second filter for what comes out of a graph.
    let output = words.len() - 1;
    words.splice(output..output, ["-vf".to_owned(), "null".to_owned()]);
    let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
    assert_eq!(decision.answer, Answer::Command);
}

#[test]
fn options_for_other_streams_are_not_taken_for_ours() {
    let sound = |audio| job(&Shape { audio, ..PLAIN }).content.audio.unwrap();
    let plain = sound("-codec:a:0 aac -ac 2 -ab 128000");
    assert_eq!(sound("-codec:a:0 aac -ac:a:1 6 -ac 2 -ab 128000"), plain);
    assert_eq!(sound("-codec:a:0 aac -ac:1 2 -b:a 128k"), plain);
    assert_eq!(sound("-codec:a:0 aac -ac 2 -ab 64000 -ab:a:0 128000"), plain);
    assert_eq!(sound("-codec:a:0 aac -ac 2 -ab 128000 -af volume=3 -af anull"), plain);
}
