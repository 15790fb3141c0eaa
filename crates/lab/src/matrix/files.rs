//! How containers lay things out.

use super::{H264, film_sound, film_video, picture};
use crate::spec::{ExpectedVideo, SourceSpec};

pub(super) fn rows() -> Vec<SourceSpec> {
    vec![
        SourceSpec::new("faststart-mp4", "mp4", "the moov in front")
            .ffmpeg("-i {h264-aac-mkv} -c copy -movflags +faststart")
            .video(film_video("h264"))
            .sound(film_sound("aac")),
        SourceSpec::new("fragmented-mp4", "mp4", "an empty moov and fragments, without an index")
            .ffmpeg("-i {h264-aac-mkv} -c copy -movflags +frag_keyframe+empty_moov")
            // Its moov was written before the delay of B-frames was known to an edit list.
            .video(film_video("h264").from(0.083))
            .sound(film_sound("aac")),
        // What cannot seek back cannot write its cues, nor its duration.
        SourceSpec::new("no-cues-mkv", "mkv", "written to a pipe: neither cues nor a duration")
            .ffmpeg("-i {h264-aac-mkv} -c copy -f matroska -seekable 0")
            .video(film_video("h264"))
            .sound(film_sound("aac")),
        SourceSpec::new("picture-only-mkv", "mkv", "no sound")
            .ffmpeg("-i {h264-aac-mkv} -map 0:v -c copy")
            .video(film_video("h264")),
        SourceSpec::new("picture-only-mp4", "mp4", "no sound; B-frames delay by an edit list")
            .ffmpeg(format!("{} {H264}", picture((25, 1), 150)))
            .video(ExpectedVideo::new("h264", 150, (25, 1))),
        SourceSpec::new("subtitles-mkv", "mkv", "a subtitle track beside picture and sound")
            .ffmpeg("-i {h264-aac-mkv} -i {subtitles-srt} -map 0 -map 1 -c copy")
            .video(film_video("h264"))
            .sound(film_sound("aac")),
        SourceSpec::new("cover-mkv", "mkv", "an attached picture beside the film")
            .ffmpeg(
                "-i {h264-aac-mkv} -c copy -attach {cover-jpg} -metadata:s:t mimetype=image/jpeg \
                 -metadata:s:t filename=cover.jpg",
            )
            .video(film_video("h264"))
            .sound(film_sound("aac")),
    ]
}
