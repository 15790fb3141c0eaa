//! Nothing that ffmpeg does is silently done differently: one option more on a line that is a job keeps
//! it from being one, or is said to differ, or changes nothing.

#[path = "../../model/tests/sample/mod.rs"]
mod sample;

use segue_ffmpeg::job::request::request;
use segue_ffmpeg::job::{FrameRate, Rotation, SoundRate};
use segue_ffmpeg::{
    Answer, CommandLine, Decision, Job, Program, Surroundings, Verdict, decide_words, understand,
};
use segue_model::{FieldOrder, Orientation, SourceFacts, Time};

const X264: &str = "-codec:v:0 libx264 -preset veryfast -crf 23 -maxrate 4000000 -bufsize 8000000 \
    -force_key_frames:0 expr:gte(t,n_forced*3)";
const AMF: &str = "-codec:v:0 h264_amf -quality speed -rc vbr_peak -b:v 4000000 -maxrate 4000000 \
    -bufsize 8000000 -force_key_frames:0 expr:gte(t,n_forced*3)";
const FDK: &str = "-codec:a:0 libfdk_aac -ac 2 -ab 256000";

/// A line with something before its input, an encoder, and more before its output.
fn line(input: &str, maps: &str, video: &str, audio: &str, more: &str) -> Vec<String> {
    let words = format!(
        "{input} -i file:/film.mkv -map_metadata -1 -map_chapters -1 {maps} {video} {audio} -copyts \
         -avoid_negative_ts disabled -f hls -max_delay 5000000 -hls_time 3 {more} \
         -hls_segment_filename /t/X%d.ts -hls_playlist_type vod -hls_list_size 0 -y /t/X.m3u8"
    );
    words.split_whitespace().map(str::to_owned).collect()
}

fn plain(video: &str, more: &str) -> Vec<String> {
    line("", "-map 0:0 -map 0:1 -map -0:s", video, FDK, more)
}

fn decide(words: &[String]) -> Decision {
    decide_words(Program::Ffmpeg, words, Surroundings::default())
}

fn job(words: &[String]) -> Job {
    let parsed = CommandLine::parse(Program::Ffmpeg, words).expect("a line");
    understand(&parsed).job.unwrap_or_else(|| panic!("{words:?}"))
}

fn in_the_way(words: &[String], change: impl FnOnce(&mut SourceFacts)) -> String {
    let mut facts = sample::film();
    change(&mut facts);
    let all = request(&job(words), &facts).err().unwrap_or_default();
    all.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn even(rate: i64) -> impl Fn(&mut SourceFacts) {
    move |facts| {
        let video = facts.video.as_mut().expect("a picture");
        video.frame_rate = segue_model::FrameRate::Constant(Time::from_secs(rate));
    }
}

#[test]
fn what_changes_the_picture_is_no_job() {
    for (video, more) in [
        (X264, "-crf 0"),
        (X264, "-tune zerolatency"),
        (X264, "-tune grain"),
        (X264, "-qmin 40"),
        (X264, "-qmax 5"),
        (X264, "-vf format=gray,format=yuv420p"),
        (X264, "-vf format=monow,scale=640:360,format=yuv420p"),
        (X264, "-vf scale=640:360:format=rgb8,format=yuv420p"),
        (X264, "-force_key_frames:0 expr:not(mod(n,60))"),
        (X264, "-force_key_frames:0 expr:gte(n,n_forced*300)"),
        (X264, "-force_key_frames:0 expr:gte(t,n_forced*3)*lt(t,60)"),
        (X264, "-resize 1280x720"),
        (AMF, "-vf format=gray,format=nv12"),
    ] {
        let decision = decide(&plain(video, more));
        assert_eq!(decision.answer, Answer::Command, "{more}");
        let word = more.split([' ', ':']).next().unwrap();
        assert!(decision.because.contains(word), "{more}: {}", decision.because);
    }
}

#[test]
fn what_is_made_in_another_way_is_said() {
    for (more, said) in [
        ("-qcomp 0", "spreads its bits"),
        ("-aq-mode 0", "spreads its bits"),
        ("-x264-params aq-mode=0:psy=0", "`aq-mode=0:psy=0`"),
        ("-vf yadif=2:-1:0", "looked at in any case"),
        ("-vf scale=640:360:flags=neighbor", "bicubic"),
    ] {
        let decision = decide(&plain(X264, more));
        assert_eq!(decision.answer, Answer::Job, "{more}: {}", decision.because);
        let mut differs = decision.findings.iter().filter(|it| it.verdict == Verdict::Differs);
        assert!(differs.any(|it| it.meaning.contains(said)), "{more}: {:?}", decision.findings);
    }
    let fragments = |more: &str| {
        let more = format!("-hls_segment_type fmp4 -start_number 2 {more}");
        let words = line("-ss 6", "-map 0:0 -map 0:1", X264, FDK, &more);
        let decision = decide(&words);
        assert_eq!(decision.answer, Answer::Job, "{}", decision.because);
        decision.findings.iter().any(|it| it.meaning.contains("an edit list"))
    };
    assert!(fragments(""));
    assert!(!fragments("-hls_segment_options movflags=+frag_discont"));
}

#[test]
fn what_changes_nothing_is_no_obstacle() {
    for (video, more) in [
        (X264, "-qmin 0 -qmax 69 -qdiff -1"),
        (X264, "-vf format=p010le,format=yuv420p"),
        (X264, "-vf scale=640:360:flags=bicubic"),
        (AMF, "-qmin 0 -qmax 32"),
        (AMF, "-tune 1"),
    ] {
        let decision = decide(&plain(video, more));
        assert_eq!(decision.answer, Answer::Job, "{more}: {}", decision.because);
    }
}

#[test]
fn a_film_without_sound_is_a_job() {
    let maps = "-map 0:0 -map -0:a -map -0:s";
    let decision = decide(&line("", maps, X264, "", ""));
    assert_eq!(decision.answer, Answer::Job, "{}", decision.because);
    let made = decision.job.unwrap();
    assert!(made.content.audio.is_none() && made.content.video.is_some());
    // Which stream is left would depend on the source.
    let taken = decide(&line("", "-map 0:0 -map 0:1 -map -0:a", X264, FDK, ""));
    assert_eq!(taken.answer, Answer::Command);
}

#[test]
fn a_rate_that_is_named_has_to_be_the_sources_own() {
    for more in
        ["-r 25", "-vf fps=25", "-r 25 -fps_mode vfr", "-fps_mode vfr -r 25", "-r 25 -vsync 2"]
    {
        let words = plain(X264, more);
        let decision = decide(&words);
        assert_eq!(decision.answer, Answer::Job, "{more}: {}", decision.because);
        let provisos = &decision.job.unwrap().provisos;
        assert!(provisos.iter().any(|it| it.to_string().contains("25 pictures")), "{provisos:?}");
        assert_eq!(in_the_way(&words, even(25)), "", "{more}");
        assert!(in_the_way(&words, even(50)).contains("repeated or left out"), "{more}");
    }
    let video = job(&plain(X264, "-r 25 -fps_mode vfr")).content.video.unwrap();
    assert_eq!(video.frame_rate, FrameRate::Fixed(Time::from_secs(25)));
}

#[test]
fn keyframes_between_those_that_a_rule_forces_are_made_too_or_it_is_no_job() {
    let asked = |rate: i64, frames: u32| {
        let mut facts = sample::film();
        even(rate)(&mut facts);
        request(&job(&plain(X264, &format!("-g {frames}"))), &facts).map(|it| it.keyframes).ok()
    };
    assert_eq!(asked(25, 75), Some(None));
    assert_eq!(asked(25, 250), Some(None));
    // Three within each segment, and two, as where Jellyfin counts frames and fields become some.
    assert_eq!(asked(25, 25), Some(Some(Time::from_secs(1))));
    assert_eq!(asked(50, 75), Some(Some(Time::new(3, 2))));
    assert_eq!(asked(25, 10), None);
}

#[test]
fn a_turned_film_whose_players_are_not_told_is_a_job_in_fragments_too() {
    let turned = |facts: &mut SourceFacts| {
        let orientation = Orientation { quarter_turns: 1, mirrored: false };
        facts.video.as_mut().expect("a picture").orientation = orientation;
    };
    let words = |input: &str| {
        line(
            input,
            "-map 0:0 -map 0:1",
            X264,
            FDK,
            "-hls_segment_type fmp4 -vf transpose=dir=clock",
        )
    };
    for input in ["-noautorotate -display_rotation 0", "-display_rotation 0 -noautorotate"] {
        assert_eq!(job(&words(input)).content.video.unwrap().rotation, Rotation::Ignored);
        assert_eq!(in_the_way(&words(input), turned), "", "{input}");
    }
    assert!(in_the_way(&words("-noautorotate"), turned).contains("told to turn it"));
}

#[test]
fn what_nvidias_decoders_do_besides_is_a_part_of_the_job() {
    let maps = "-map 0:0 -map 0:1";
    let input = "-c:v h264_cuvid -resize 1280x720 -deint 1 -drop_second_field 1";
    let words = line(input, maps, X264, FDK, "");
    let decision = decide(&words);
    assert_eq!(decision.answer, Answer::Job, "{}", decision.because);
    let mut facts = sample::film();
    facts.video.as_mut().expect("a picture").field_order = FieldOrder::TopFirst;
    let asked = request(&job(&words), &facts).expect("nothing in the way");
    assert!(asked.renditions[0].to_string().starts_with("=1280x720"), "{:?}", asked.renditions);
    assert!(format!("{:?}", asked.fields).contains("every_field: false"), "{:?}", asked.fields);
    let turned = in_the_way(&words, |facts| {
        let orientation = Orientation { quarter_turns: 1, mirrored: false };
        facts.video.as_mut().expect("a picture").orientation = orientation;
    });
    assert!(turned.contains("stored as it is shown"), "{turned}");
    for bad in ["-c:v h264 -resize 1280x720", "-c:v h264_cuvid -resize 0x0", "-resize 1280x720"] {
        assert_eq!(decide(&line(bad, maps, X264, FDK, "")).answer, Answer::Command, "{bad}");
    }
}

#[test]
fn variable_modes_are_of_the_encoder_that_has_them() {
    let rate = |audio: &str| {
        let words = line("", "-map 0:0 -map 0:1", X264, audio, "");
        job(&words).content.audio.expect("sound").rate
    };
    assert_eq!(rate("-codec:a:0 aac -vbr:a 1 -ab 256000"), SoundRate::Bitrate(256_000));
    let fdk = "-codec:a:0 libfdk_aac";
    assert_eq!(rate(&format!("{fdk} -vbr:a 1 -ab 256000")), SoundRate::FdkVariable(1));
    assert_eq!(rate(&format!("{fdk} -ab 256000 -vbr:a 1")), SoundRate::FdkVariable(1));
    assert_eq!(rate(&format!("{fdk} -ab 256000 -vbr:a 0")), SoundRate::Bitrate(256_000));
}
