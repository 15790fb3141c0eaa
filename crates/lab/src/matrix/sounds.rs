//! Sound: rates, channels, tracks, and sources that are nothing but sound.

use super::{FILM_SECONDS, film_sound, film_video, sweep};
use crate::spec::{ExpectedSound, SourceSpec};

pub(super) fn rows() -> Vec<SourceSpec> {
    [beside_a_picture(), alone()].concat()
}

/// Six channels, each with a tone of its own.
fn surround(seconds: f64) -> String {
    format!(
        "-f lavfi -i aevalsrc=0.2*sin(2*PI*(200+30*t)*t)|0.2*sin(2*PI*(300+45*t)*t)\
         |0.1*sin(2*PI*500*t)|0.1*sin(2*PI*60*t)|0.1*sin(2*PI*700*t)|0.1*sin(2*PI*900*t)\
         :c=5.1:s=48000:d={seconds}"
    )
}

fn beside_a_picture() -> Vec<SourceSpec> {
    let row = |name, special, input: String, codec: &str, sound: ExpectedSound| {
        SourceSpec::new(name, "mkv", special)
            .ffmpeg(format!("-i {{h264-aac-mkv}} {input} -map 0:v -map 1:a -c:v copy -c:a {codec}"))
            .video(film_video("h264"))
            .sound(sound)
    };
    let rate = |codec, sample_rate| ExpectedSound { sample_rate, ..film_sound(codec) };
    let channels = |codec, channels| ExpectedSound { channels, ..film_sound(codec) };
    let mono = format!("-f lavfi -i aevalsrc=0.25*sin(2*PI*(200+30*t)*t):s=48000:d={FILM_SECONDS}");
    vec![
        row(
            "surround-ac3-mkv",
            "5.1 in AC-3",
            surround(FILM_SECONDS),
            "ac3 -b:a 384k",
            channels("ac3", 6),
        ),
        row(
            "surround-aac-mkv",
            "5.1 in AAC",
            surround(FILM_SECONDS),
            "aac -b:a 320k",
            channels("aac", 6),
        ),
        row("mono-aac-mkv", "one channel", mono, "aac -b:a 64k", channels("aac", 1)),
        row(
            "flac-44100-mkv",
            "lossless at 44.1 kHz",
            sweep(44_100, FILM_SECONDS),
            "flac",
            rate("flac", 44_100),
        ),
        row(
            "aac-22050-mkv",
            "22.05 kHz",
            sweep(22_050, FILM_SECONDS),
            "aac -b:a 64k",
            rate("aac", 22_050),
        )
        // Matroska has no negative times: all moves by the priming, 1024 samples.
        .video(film_video("h264").from(0.067)),
        row(
            "flac-96000-mkv",
            "lossless at 96 kHz",
            sweep(96_000, FILM_SECONDS),
            "flac",
            rate("flac", 96_000),
        ),
        SourceSpec::new(
            "languages-mkv",
            "mkv",
            "three tracks, the second marked as the one to play",
        )
        .ffmpeg(format!(
            "-i {{h264-aac-mkv}} {} {} -map 0:v -map 0:a -map 1:a -map 2:a -c:v copy \
                 -c:a:0 copy -c:a:1 ac3 -b:a:1 384k -c:a:2 aac -b:a:2 128k \
                 -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger \
                 -metadata:s:a:2 language=fre -disposition:a:0 0 -disposition:a:1 default \
                 -disposition:a:2 0",
            surround(FILM_SECONDS),
            sweep(44_100, FILM_SECONDS)
        ))
        .video(film_video("h264"))
        .sound(ExpectedSound { language: Some("eng"), default: false, ..film_sound("aac") })
        .sound(ExpectedSound { language: Some("ger"), ..channels("ac3", 6) })
        .sound(ExpectedSound {
            language: Some("fre"),
            default: false,
            ..rate("aac", 44_100)
        }),
    ]
}

fn alone() -> Vec<SourceSpec> {
    let sound =
        |codec, sample_rate| ExpectedSound { sample_rate, ..ExpectedSound::new(codec, 6.5) };
    vec![
        SourceSpec::new("sound-only-flac", "flac", "no picture, lossless")
            .ffmpeg(format!("{} -c:a flac", sweep(44_100, 6.5)))
            .sound(sound("flac", 44_100)),
        SourceSpec::new("sound-only-silent", "flac", "digital silence: packets of a few bytes")
            .ffmpeg("-f lavfi -i anullsrc=r=48000:cl=stereo:d=6.5 -c:a flac")
            .sound(sound("flac", 48_000)),
        SourceSpec::new("sound-only-mp3", "mp3", "no picture; lead-in and padding told in a tag")
            .ffmpeg(format!("{} -c:a libmp3lame -b:a 128k", sweep(44_100, 6.5)))
            .sound(sound("mp3", 44_100)),
        SourceSpec::new("sound-only-m4a", "m4a", "no picture; priming as an edit list")
            .ffmpeg(format!("{} -c:a aac -b:a 128k", sweep(44_100, 6.5)))
            .sound(sound("aac", 44_100)),
        SourceSpec::new("sound-only-ogg", "ogg", "no picture; Opus's pre-skip")
            .ffmpeg(format!("{} -c:a libopus -b:a 96k", sweep(48_000, 6.5)))
            .sound(sound("opus", 48_000)),
        SourceSpec::new("cover-mp3", "mp3", "cover art, which is no film")
            .ffmpeg(
                "-i {sound-only-mp3} -i {cover-jpg} -map 0 -map 1 -c copy \
                 -disposition:v attached_pic -id3v2_version 3",
            )
            .sound(sound("mp3", 44_100)),
        SourceSpec::new("cover-m4a", "m4a", "cover art, which is no film")
            .ffmpeg(
                "-i {sound-only-m4a} -i {cover-jpg} -map 0 -map 1 -c copy \
                 -disposition:v attached_pic",
            )
            .sound(sound("aac", 44_100)),
    ]
}

pub(super) fn ingredients() -> Vec<SourceSpec> {
    vec![
        SourceSpec::new("cover-jpg", "jpg", "cover art").ffmpeg(
            "-f lavfi -i testsrc2=s=120x120:r=1:d=1 -frames:v 1 -c:v mjpeg -pix_fmt yuvj420p \
             -f mjpeg",
        ),
        SourceSpec::new("subtitles-srt", "srt", "two lines to read").text(
            "1\n00:00:01,000 --> 00:00:02,500\nThe first line.\n\n\
             2\n00:00:04,000 --> 00:00:06,000\nThe second line.\n",
        ),
    ]
}
