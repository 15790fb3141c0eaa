//! How frames are shaped and coloured.

use super::{FILM, H264, film_sound, film_video, picture, sweep};
use crate::spec::{ExpectedSound, ExpectedVideo, SourceSpec};

pub(super) fn rows() -> Vec<SourceSpec> {
    [interlaced(), turned_and_stretched(), formats()].concat()
}

/// Fields from 50 moments a second, the upper ones first.
const FIELDS: &str = "-vf tinterlace=interleave_top,setfield=tff";

fn interlaced() -> Vec<SourceSpec> {
    let fields = format!("{} {}", picture((50, 1), 300), sweep(48_000, 6.0));
    let video =
        |codec| ExpectedVideo { interlaced: true, ..ExpectedVideo::new(codec, 150, (25, 1)) };
    vec![
        SourceSpec::new("mpeg2-interlaced-ts", "ts", "television: MPEG-2 fields, upper first")
            .ffmpeg(format!(
                "{fields} {FIELDS} -c:v mpeg2video -flags:v +ildct+ilme -top 1 -b:v 1500k -g 13 \
                 -bf 2 -pix_fmt yuv420p -c:a ac3 -b:a 192k"
            ))
            .video(video("mpeg2video").from(1.48))
            .sound(ExpectedSound::new("ac3", 6.0).from(1.4)),
        SourceSpec::new("h264-interlaced-ts", "ts", "MBAFF fields, upper first")
            .ffmpeg(format!(
                "{fields} {FIELDS} {H264} -flags:v +ildct+ilme -x264-params tff=1 -c:a aac \
                 -b:a 128k"
            ))
            .video(video("h264").from(1.48))
            .sound(ExpectedSound::new("aac", 6.0).from(1.459)),
        SourceSpec::new("h264-interlaced-mkv", "mkv", "the same, with an index")
            .ffmpeg("-i {h264-interlaced-ts} -c copy")
            .video(video("h264"))
            .sound(ExpectedSound::new("aac", 6.0)),
    ]
}

fn turned_and_stretched() -> Vec<SourceSpec> {
    let turned = |degrees| ExpectedVideo { rotation: degrees, ..film_video("h264") };
    // ffmpeg 5.1 makes a display matrix of `rotate`, counting against the clock; later ones have
    // `-display_rotation` instead.
    let turn = |degrees: i32| {
        format!("-i {{h264-aac-mp4}} -c copy -metadata:s:v rotate={}", 360 - degrees)
    };
    vec![
        SourceSpec::new(
            "rotated-90-mp4",
            "mp4",
            "held upright: to be turned by 90 degrees",
        )
        .ffmpeg(turn(90))
        .video(turned(90))
        .sound(film_sound("aac")),
        SourceSpec::new("rotated-180-mp4", "mp4", "held upside down")
            .ffmpeg(turn(180))
            .video(turned(180))
            .sound(film_sound("aac")),
        SourceSpec::new("rotated-270-mp4", "mp4", "held upright, the other way")
            .ffmpeg(turn(270))
            .video(turned(270))
            .sound(film_sound("aac")),
        SourceSpec::new(
            "wide-pixels-mkv",
            "mkv",
            "pixels 16:11, as of a widescreen DVD",
        )
        .ffmpeg(format!(
            "{} {} -vf setsar=16/11 {H264} -c:a aac -b:a 128k",
            picture((25, 1), 150),
            sweep(48_000, 6.0)
        ))
        .video(ExpectedVideo {
            sample_aspect: (16, 11),
            ..ExpectedVideo::new("h264", 150, (25, 1))
        })
        .sound(ExpectedSound::new("aac", 6.0)),
        SourceSpec::new("odd-size-webm", "webm", "321x181 with halved colour")
            .ffmpeg(
                "-f lavfi -i testsrc2=s=320x180:r=25:d=4 -vf scale=321:181:flags=bitexact,setsar=1 -c:v libvpx-vp9 -deadline realtime \
                 -cpu-used 8 -b:v 400k -pix_fmt yuv420p -g 77",
            )
            .video(ExpectedVideo {
                width: 321,
                height: 181,
                ..ExpectedVideo::new("vp9", 100, (25, 1))
            }),
    ]
}

fn formats() -> Vec<SourceSpec> {
    let short = format!("{} {}", picture(FILM, 100), sweep(48_000, 4.17));
    let video = |codec, pixel_format| ExpectedVideo {
        pixel_format,
        ..ExpectedVideo::new(codec, 100, FILM)
    };
    let sound = |codec| ExpectedSound::new(codec, 4.17);
    vec![
        SourceSpec::new("hevc-10-bit-mkv", "mkv", "ten bits")
            .ffmpeg(format!(
                "{short} -c:v libx265 -preset ultrafast -crf 26 -pix_fmt yuv420p10le -x265-params \
                 log-level=error:pools=1:frame-threads=1:keyint=77 -c:a aac -b:a 128k"
            ))
            .video(video("hevc", "yuv420p10le"))
            .sound(sound("aac")),
        SourceSpec::new("yuv444-mkv", "mkv", "full colour resolution, and an odd size")
            .ffmpeg(format!(
                "{} {} -vf scale=321:181:flags=bitexact,setsar=1 -c:v libx264 -preset \
                 veryfast -crf 23 -pix_fmt yuv444p -g 77 -bf 3 -c:a aac -b:a 128k",
                picture(FILM, 100),
                sweep(48_000, 4.17)
            ))
            .video(ExpectedVideo { width: 321, height: 181, ..video("h264", "yuv444p") })
            .sound(sound("aac")),
        SourceSpec::new("mjpeg-pcm-avi", "avi", "a still camera's film: full range")
            .ffmpeg(format!("{short} -c:v mjpeg -q:v 5 -pix_fmt yuvj420p -c:a pcm_s16le"))
            .video(video("mjpeg", "yuvj420p"))
            .sound(sound("pcm_s16le")),
        SourceSpec::new("mjpeg-pcm-mov", "mov", "the same in a MOV")
            .ffmpeg("-i {mjpeg-pcm-avi} -c copy")
            .video(video("mjpeg", "yuvj420p"))
            .sound(sound("pcm_s16le")),
    ]
}
