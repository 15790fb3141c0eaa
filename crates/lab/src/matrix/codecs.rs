//! Each codec in the containers it comes in.

use super::{FILM, FILM_FRAMES, FILM_SECONDS, H264, film, film_sound, film_video, picture, sweep};
use crate::spec::{ExpectedVideo, SourceSpec};

pub(super) fn rows() -> Vec<SourceSpec> {
    [h264(), hevc(), vp9_and_av1(), older()].concat()
}

fn h264() -> Vec<SourceSpec> {
    vec![
        SourceSpec::new("h264-aac-mkv", "mkv", "B-frames, closed GOPs, keyframes off the grid")
            .ffmpeg(format!("{} {H264} -c:a aac -b:a 128k", film()))
            .video(film_video("h264"))
            .sound(film_sound("aac")),
        SourceSpec::new("h264-aac-mp4", "mp4", "the moov at the end; AAC priming as an edit list")
            .ffmpeg("-i {h264-aac-mkv} -c copy")
            .video(film_video("h264"))
            .sound(film_sound("aac")),
        SourceSpec::new("h264-ac3-ts", "ts", "no index; packets may start anywhere")
            .ffmpeg(format!(
                "-i {{h264-aac-mkv}} {} -map 0:v -map 1:a -c:v copy -c:a ac3 -b:a 192k",
                sweep(48_000, FILM_SECONDS)
            ))
            .video(film_video("h264").from(1.483))
            .sound(film_sound("ac3").from(1.46)),
        SourceSpec::new("h264-eac3-mkv", "mkv", "E-AC-3")
            .ffmpeg(with_sound("eac3", "-b:a 192k"))
            .video(film_video("h264"))
            .sound(film_sound("eac3")),
        SourceSpec::new("h264-flac-mkv", "mkv", "lossless sound at 48 kHz")
            .ffmpeg(with_sound("flac", ""))
            .video(film_video("h264"))
            .sound(film_sound("flac")),
        SourceSpec::new("h264-pcm-mov", "mov", "uncompressed sound")
            .ffmpeg(with_sound("pcm_s16le", ""))
            .video(film_video("h264"))
            .sound(film_sound("pcm_s16le")),
        SourceSpec::new("h264-mp3-avi", "avi", "H.264 in a container without timestamps")
            .ffmpeg(format!("{} {H264} -bf 0 -c:a libmp3lame -b:a 128k", film()))
            .video(film_video("h264"))
            .sound(film_sound("mp3")),
    ]
}

fn hevc() -> Vec<SourceSpec> {
    vec![
        SourceSpec::new("hevc-dts-mkv", "mkv", "HEVC with closed GOPs; DTS")
            .ffmpeg(format!(
                "{} -c:v libx265 -preset ultrafast -crf 26 -pix_fmt yuv420p -x265-params \
                 log-level=error:pools=1:frame-threads=1:open-gop=0:keyint=77:bframes=3 \
                 -c:a dca -strict -2 -b:a 768k",
                film()
            ))
            .video(film_video("hevc"))
            .sound(film_sound("dts")),
        SourceSpec::new("hevc-aac-mp4", "mp4", "HEVC tagged hvc1: parameters out of band")
            .ffmpeg(format!(
                "-i {{hevc-dts-mkv}} {} -map 0:v -map 1:a -c:v copy -tag:v hvc1 -c:a aac -b:a 128k",
                sweep(48_000, FILM_SECONDS)
            ))
            .video(film_video("hevc"))
            .sound(film_sound("aac")),
        SourceSpec::new("hevc-ac3-ts", "ts", "HEVC without an index")
            .ffmpeg(format!(
                "-i {{hevc-dts-mkv}} {} -map 0:v -map 1:a -c:v copy -c:a ac3 -b:a 192k",
                sweep(48_000, FILM_SECONDS)
            ))
            .video(film_video("hevc").from(1.483))
            .sound(film_sound("ac3").from(1.478)),
    ]
}

fn vp9_and_av1() -> Vec<SourceSpec> {
    let frames = 144;
    let seconds = 6.006;
    let short = format!("{} {}", picture(FILM, frames), sweep(48_000, seconds));
    let video = |codec| ExpectedVideo::new(codec, frames, FILM);
    let sound = |codec| crate::spec::ExpectedSound::new(codec, seconds);
    vec![
        SourceSpec::new("vp9-opus-webm", "webm", "VP9's hidden frames; Opus's pre-skip")
            .ffmpeg(format!(
                "{short} -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 400k -pix_fmt yuv420p \
                 -g 77 -c:a libopus -b:a 96k"
            ))
            .video(video("vp9"))
            .sound(sound("opus")),
        SourceSpec::new("av1-opus-webm", "webm", "AV1")
            .ffmpeg(format!(
                "{short} -c:v libsvtav1 -preset 12 -crf 40 -pix_fmt yuv420p -g 77 \
                 -svtav1-params lp=1 -c:a libopus -b:a 96k"
            ))
            .video(video("av1"))
            .sound(sound("opus")),
        SourceSpec::new("av1-aac-mp4", "mp4", "AV1 with an index of samples")
            .ffmpeg(format!(
                "-i {{av1-opus-webm}} {} -map 0:v -map 1:a -c:v copy -c:a aac -b:a 128k",
                sweep(48_000, seconds)
            ))
            .video(video("av1"))
            .sound(sound("aac")),
        SourceSpec::new("av1-flac-mkv", "mkv", "AV1 with lossless sound")
            .ffmpeg(format!(
                "-i {{av1-opus-webm}} {} -map 0:v -map 1:a -c:v copy -c:a flac",
                sweep(48_000, seconds)
            ))
            .video(video("av1"))
            .sound(sound("flac")),
    ]
}

fn older() -> Vec<SourceSpec> {
    let film_25 = format!("{} {}", picture((25, 1), FILM_FRAMES), sweep(48_000, 8.0));
    let video = |codec| ExpectedVideo::new(codec, FILM_FRAMES, (25, 1));
    let sound = |codec| crate::spec::ExpectedSound::new(codec, 8.0);
    vec![
        SourceSpec::new("mpeg2-ac3-mkv", "mkv", "MPEG-2 as taken from a disc")
            .ffmpeg(format!(
                "{film_25} -c:v mpeg2video -b:v 1500k -g 15 -bf 2 -pix_fmt yuv420p -c:a ac3 \
                 -b:a 192k"
            ))
            .video(video("mpeg2video"))
            .sound(sound("ac3")),
        SourceSpec::new("mpeg2-mp2-mpg", "mpg", "a program stream, as DVDs and old cameras write")
            .ffmpeg(format!(
                "{film_25} -c:v mpeg2video -b:v 1500k -g 15 -bf 2 -pix_fmt yuv420p -c:a mp2 \
                 -b:a 192k -f vob"
            ))
            .video(video("mpeg2video").from(0.54))
            .sound(sound("mp2").from(0.5)),
        SourceSpec::new("mpeg4-mp3-avi", "avi", "MPEG-4 part 2 with B-frames: AVI as most are")
            .ffmpeg(format!(
                "{film_25} -c:v mpeg4 -b:v 800k -g 77 -bf 2 -pix_fmt yuv420p -c:a libmp3lame \
                 -b:a 128k"
            ))
            .video(video("mpeg4"))
            .sound(sound("mp3")),
        SourceSpec::new(
            "mpeg4-b-frames-avi",
            "avi",
            "keyframes shown after a boundary, by no index",
        )
        .ffmpeg(format!("{film_25} -c:v mpeg4 -b:v 800k -g 50 -bf 2 -pix_fmt yuv420p -an"))
        .video(video("mpeg4")),
        SourceSpec::new("h264-b-frames-avi", "avi", "show times that only decoding tells")
            .ffmpeg(format!("{film_25} {H264} -g 50 -bf 3 -c:a libmp3lame -b:a 128k"))
            .video(video("h264").from(0.08))
            .sound(sound("mp3")),
    ]
}

/// The picture of `h264-aac-mkv` with other sound.
fn with_sound(codec: &str, settings: &str) -> String {
    let sound = sweep(48_000, FILM_SECONDS);
    format!("-i {{h264-aac-mkv}} {sound} -map 0:v -map 1:a -c:v copy -c:a {codec} {settings}")
}
