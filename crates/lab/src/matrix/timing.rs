//! When frames come, and where decoding can begin.

use super::{FILM, FILM_FRAMES, FILM_SECONDS, H264, film, film_sound, film_video, picture, sweep};
use crate::spec::{ExpectedSound, ExpectedVideo, SourceSpec};

pub(super) fn rows() -> Vec<SourceSpec> {
    [groups(), rates(), variable(), starts(), lengths()].concat()
}

fn groups() -> Vec<SourceSpec> {
    vec![
        SourceSpec::new(
            "open-gop-h264-mkv",
            "mkv",
            "frames before a keyframe need the group before",
        )
        .ffmpeg(format!("{} {H264} -g 48 -x264-params open-gop=1 -c:a aac -b:a 128k", film()))
        .video(film_video("h264"))
        .sound(film_sound("aac")),
        SourceSpec::new("open-gop-h264-mp4", "mp4", "the same, indexed by decoding time")
            .ffmpeg("-i {open-gop-h264-mkv} -c copy")
            .video(film_video("h264"))
            .sound(film_sound("aac")),
        SourceSpec::new("open-gop-hevc-mkv", "mkv", "CRA pictures with RASL pictures after them")
            .ffmpeg(format!(
                "{} -c:v libx265 -preset ultrafast -crf 26 -pix_fmt yuv420p -x265-params \
                 log-level=error:pools=1:frame-threads=1:open-gop=1:keyint=48:min-keyint=48:\
                 scenecut=0:bframes=4:b-adapt=0 -c:a aac -b:a 128k",
                film()
            ))
            .video(film_video("hevc"))
            .sound(film_sound("aac")),
        SourceSpec::new("one-keyframe-mkv", "mkv", "only its first frame is a keyframe")
            .ffmpeg(format!("{} {H264} -g 9999 -c:a aac -b:a 128k", film()))
            .video(film_video("h264"))
            .sound(film_sound("aac")),
    ]
}

fn rates() -> Vec<SourceSpec> {
    let row = |name, special, rate: (u32, u32), frames: usize| {
        let video = ExpectedVideo::new("h264", frames, rate);
        let seconds = video.end;
        SourceSpec::new(name, "mkv", special)
            .ffmpeg(format!(
                "{} {} {H264} -c:a aac -b:a 128k",
                picture(rate, frames),
                sweep(48_000, seconds)
            ))
            .video(video)
            .sound(ExpectedSound::new("aac", seconds))
    };
    vec![
        row("fps-12-mkv", "12 frames a second", (12, 1), 62),
        row("fps-25-mkv", "25 frames a second", (25, 1), 126),
        row("fps-29-97-mkv", "30000/1001 frames a second", (30_000, 1_001), 151),
        row("fps-50-mkv", "50 frames a second", (50, 1), 226),
        row("fps-60-mkv", "60 frames a second, in ticks of a thousandth", (60, 1), 271),
    ]
}

/// Every third of eleven frames missing and the others up to 4 ms off, except for the middle.
const JITTER: &str = "-vf select='not(eq(mod(n*7,11),3))+between(t,3,4)',settb=1/90000,\
                      setpts='round((T+0.004*sin(N*1.7))/TB)' -fps_mode passthrough \
                      -enc_time_base 1:90000";

/// No picture from the third second to the fourteenth, sound throughout.
const GAP: &str = "-vf select='lt(t,3)+gte(t,14)' -fps_mode passthrough";

fn variable() -> Vec<SourceSpec> {
    let vfr = || ExpectedVideo::new("h264", 184, FILM).variable(FILM_SECONDS);
    let gap = || ExpectedVideo::new("h264", 150, (25, 1)).variable(17.0);
    vec![
        SourceSpec::new("vfr-mkv", "mkv", "frames missing and early or late")
            .ffmpeg(format!("{} {JITTER} {H264} -c:a aac -b:a 128k", film()))
            .video(vfr())
            .sound(film_sound("aac")),
        SourceSpec::new("vfr-mp4", "mp4", "the same in fine ticks")
            .ffmpeg(format!(
                "{} {JITTER} {H264} -video_track_timescale 90000 -c:a aac -b:a 128k",
                film()
            ))
            .video(vfr())
            .sound(film_sound("aac")),
        SourceSpec::new("gap-mkv", "mkv", "no frame for 11 s while the sound goes on")
            .ffmpeg(format!(
                "{} {} {GAP} {H264} -c:a aac -b:a 96k",
                picture((25, 1), 425),
                sweep(48_000, 17.0)
            ))
            .video(gap())
            .sound(ExpectedSound::new("aac", 17.0)),
        SourceSpec::new("gap-mp4", "mp4", "one sample that lasts for 11 s")
            .ffmpeg("-i {gap-mkv} -c copy")
            .video(gap())
            .sound(ExpectedSound::new("aac", 17.0)),
    ]
}

fn starts() -> Vec<SourceSpec> {
    vec![
        SourceSpec::new("start-7s-mkv", "mkv", "begins at 7.3 s")
            .ffmpeg("-i {h264-aac-mkv} -c copy -output_ts_offset 7.3")
            .video(film_video("h264").from(7.321))
            .sound(film_sound("aac").from(7.3)),
        SourceSpec::new("start-7s-ts", "ts", "begins at 7.3 s, and the muxer's 1.4 s")
            .ffmpeg("-i {h264-aac-mkv} -c copy -output_ts_offset 7.3")
            .video(film_video("h264").from(8.721))
            .sound(film_sound("aac").from(8.7)),
        // Two seconds before its 33 bits are full, libav takes the clock for negative.
        SourceSpec::new("wrap-ts", "ts", "its 33-bit clock wraps after two seconds")
            .ffmpeg("-i {h264-aac-mkv} -c copy -output_ts_offset 95440")
            .video(film_video("h264").from(-2.297))
            .sound(film_sound("aac").from(-2.318)),
        SourceSpec::new("picture-late-mkv", "mkv", "the picture begins 1.5 s after the sound")
            .ffmpeg(format!(
                "-itsoffset 1.5 {} {} {H264} -c:a aac -b:a 128k",
                picture(FILM, 144),
                sweep(48_000, 7.5)
            ))
            .video(ExpectedVideo::new("h264", 144, FILM).from(1.521))
            .sound(ExpectedSound::new("aac", 7.5)),
        SourceSpec::new("picture-late-mp4", "mp4", "the same, by an empty edit")
            .ffmpeg("-i {picture-late-mkv} -c copy")
            .video(ExpectedVideo::new("h264", 144, FILM).from(1.5))
            .sound(ExpectedSound::new("aac", 7.5)),
        SourceSpec::new("sound-late-mkv", "mkv", "the sound begins 1.5 s after the picture")
            .ffmpeg(format!(
                "{} -itsoffset 1.5 {} {H264} -c:a aac -b:a 128k",
                picture(FILM, 144),
                sweep(48_000, 4.5)
            ))
            .video(ExpectedVideo::new("h264", 144, FILM))
            .sound(ExpectedSound::new("aac", 4.5).from(1.5)),
        SourceSpec::new("sound-late-mp4", "mp4", "the same, by an empty edit")
            .ffmpeg("-i {sound-late-mkv} -c copy")
            .video(ExpectedVideo::new("h264", 144, FILM))
            .sound(ExpectedSound::new("aac", 4.5).from(1.5)),
        SourceSpec::new("edit-list-mp4", "mp4", "an edit list hides the first 1.5 s")
            .ffmpeg("-ss 1.5 -i {h264-aac-mp4} -c copy")
            .video(ExpectedVideo::new("h264", FILM_FRAMES - 36, FILM))
            .sound(ExpectedSound::new("aac", FILM_SECONDS - 1.5)),
    ]
}

fn lengths() -> Vec<SourceSpec> {
    let row = |name, special, frames: usize, sound_seconds: f64| {
        SourceSpec::new(name, "mkv", special)
            .ffmpeg(format!(
                "{} {} {H264} -c:a aac -b:a 128k",
                picture((25, 1), frames),
                sweep(48_000, sound_seconds)
            ))
            .video(ExpectedVideo::new("h264", frames, (25, 1)))
            .sound(ExpectedSound::new("aac", sound_seconds))
    };
    vec![
        row("tail-mkv", "6.04 s: a tail of one frame on a 2 s grid", 151, 6.04),
        row("half-second-mkv", "shorter than a segment", 13, 0.5),
        row("one-frame-mkv", "a single frame", 1, 0.04),
        SourceSpec::new("one-frame-mp4", "mp4", "a single frame and no sound")
            .ffmpeg(format!("{} {H264}", picture((25, 1), 1)))
            .video(ExpectedVideo::new("h264", 1, (25, 1))),
        row("sound-longer-mkv", "sound 0.3 s longer than the picture", 125, 5.3),
        row("sound-much-longer-mkv", "sound 5 s longer than the picture", 125, 10.0),
        row("sound-two-segments-longer-mkv", "its last two segments hold a picture", 100, 8.0),
        row("picture-longer-mkv", "picture 2.5 s longer than the sound", 150, 3.5),
    ]
}
