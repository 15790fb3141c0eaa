//! What is answered where there is no ffmpeg: what jobs need, and nothing that only ffmpeg has.
//!
//! A media server finds a version that it accepts, H.264 and AAC, and so offers to transcode; its
//! pictures, subtitles and other films are commands, for workers. There are no hardware decoders,
//! tone mapping or burnt-in subtitles in it. An ffmpeg that is here is the better answer.

use crate::kept::answers::Answer;

use super::promised::{ENCODERS, row};

/// Newer than Jellyfin's minimum (4.4), and the last whose options it was read with.
const VERSION: &str = "7.0.2";

const DECODERS: [(&str, &str, &str); 13] = [
    ("VFS..D", "av1", "Alliance for Open Media AV1"),
    ("VFS..D", "h264", "H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10"),
    ("VFS..D", "hevc", "HEVC (High Efficiency Video Coding)"),
    ("V.S.BD", "mpeg2video", "MPEG-2 video"),
    ("VF..BD", "mpeg4", "MPEG-4 part 2"),
    ("VFS..D", "vp8", "On2 VP8"),
    ("VFS..D", "vp9", "Google VP9"),
    ("A....D", "aac", "AAC (Advanced Audio Coding)"),
    ("A....D", "ac3", "ATSC A/52A (AC-3)"),
    ("A....D", "eac3", "ATSC A/52B (AC-3, E-AC-3)"),
    ("AF...D", "flac", "FLAC (Free Lossless Audio Codec)"),
    ("A....D", "mp3", "MP3 (MPEG audio layer 3)"),
    ("A....D", "opus", "Opus"),
];

/// Those that jobs understand.
const FILTERS: [(&str, &str, &str, &str); 8] = [
    ("TS.", "bwdif", "V->V", "Deinterlace the input image."),
    ("...", "format", "V->V", "Convert the input video to one of the specified pixel formats."),
    ("...", "fps", "V->V", "Force constant framerate."),
    ("..C", "scale", "V->V", "Scale the input video size and/or convert the image format."),
    ("...", "setparams", "V->V", "Force field, or color property for the output video frame."),
    (".S.", "transpose", "V->V", "Transpose input video."),
    ("T.C", "volume", "A->A", "Change input volume."),
    ("TS.", "yadif", "V->V", "Deinterlace the input image."),
];

/// The answer to what an option asks.
pub(super) fn answer(asks: &str, about: &str) -> Answer {
    let plain = |stdout: String| Answer { code: 0, stdout: stdout.into(), stderr: Vec::new() };
    match asks {
        "version" => plain(format!(
            "ffmpeg version {VERSION}-segue Segue {} stands here; there is no ffmpeg\n\
             libavutil      59.  8.100 / 59.  8.100\nlibavcodec     61.  3.100 / 61.  3.100\n\
             libavformat    61.  1.100 / 61.  1.100\nlibavdevice    61.  1.100 / 61.  1.100\n\
             libavfilter    10.  1.100 / 10.  1.100\nlibswscale      8.  1.100 /  8.  1.100\n\
             libswresample   5.  1.100 /  5.  1.100\nlibpostproc    58.  1.100 / 58.  1.100\n",
            env!("CARGO_PKG_VERSION")
        )),
        "encoders" => {
            let mut list = head("Encoders");
            ENCODERS.iter().for_each(|encoder| list.push_str(&row(encoder)));
            list.push_str(" A....D aac                  AAC (Advanced Audio Coding)\n");
            plain(list)
        }
        "decoders" => {
            let rows = DECODERS
                .iter()
                .map(|(flags, name, words)| format!(" {flags} {name:<20} {words}\n"));
            plain(head("Decoders") + &rows.collect::<String>())
        }
        "filters" => {
            let head = "Filters:\n  T.. = Timeline support\n  .S. = Slice threading\n  \
                        ..C = Command support\n  A = Audio input/output\n  V = Video input/output\n  \
                        N = Dynamic number and/or type of input/output\n  \
                        | = Source or sink filter\n";
            let rows = FILTERS
                .iter()
                .map(|(flags, name, io, words)| format!(" {flags} {name:<17} {io:<10} {words}\n"));
            plain(head.to_owned() + &rows.collect::<String>())
        }
        "hwaccels" => plain("Hardware acceleration methods:\n\n".to_owned()),
        "muxers" => plain(
            "File formats:\n D. = Demuxing supported\n .E = Muxing supported\n --\n  \
             E hls             Apple HTTP Live Streaming\n"
                .to_owned(),
        ),
        "h" | "help" | "?" | "-help" if !about.is_empty() => {
            let name = about.split_once('=').map_or(about, |(_, name)| name);
            let stderr = format!("Unknown '{name}': there is no ffmpeg here to ask.\n").into();
            Answer { code: 0, stdout: Vec::new(), stderr }
        }
        _ => Answer {
            code: 1,
            stdout: Vec::new(),
            stderr: "segue-ffmpeg: there is no ffmpeg here to ask: install one, or name it in the \
                     settings (`segue doctor` says where)\n"
                .into(),
        },
    }
}

fn head(title: &str) -> String {
    format!(
        "{title}:\n V..... = Video\n A..... = Audio\n S..... = Subtitle\n \
         .F.... = Frame-level multithreading\n ..S... = Slice-level multithreading\n \
         ...X.. = Codec is experimental\n ....B. = Supports draw_horiz_band\n \
         .....D = Supports direct rendering method 1\n ------\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(asks: &str) -> String {
        String::from_utf8(answer(asks, "").stdout).unwrap()
    }

    #[test]
    fn the_version_is_one_that_jellyfin_takes() {
        let version = said("version");
        let number = version.strip_prefix("ffmpeg version ").unwrap();
        let number = number.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap();
        let parts: Vec<u32> = number.split('.').map(|part| part.parse().unwrap()).collect();
        assert!(parts >= vec![4, 4], "{number}");
        assert!(version.lines().next().unwrap().contains("segue"));
        assert!(!version.contains("Libav developers"));
    }

    #[test]
    fn lists_have_what_jobs_need() {
        let encoders = said("encoders");
        for name in ["libx264", "aac", "h264_qsv", "h264_nvenc", "h264_vaapi"] {
            let row = |line: &str| line.split_whitespace().nth(1) == Some(name);
            assert!(encoders.lines().any(row), "{name}");
        }
        assert!(said("decoders").contains(" h264 "));
        assert!(said("filters").contains(" scale "));
        assert!(said("muxers").contains(" hls "));
        assert_eq!(said("hwaccels").lines().filter(|line| !line.is_empty()).count(), 1);
    }

    #[test]
    fn what_nobody_can_answer_fails_and_says_what_to_do() {
        let answer = answer("buildconf", "");
        assert_eq!(answer.code, 1);
        assert!(String::from_utf8(answer.stderr).unwrap().contains("install"));
    }
}
