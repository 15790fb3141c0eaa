//! Encoders that media servers may write lines for, whether or not the ffmpeg that is here has them.
//!
//! A media server that is set to some vendor's hardware looks for one thing before it writes
//! `-codec:v h264_qsv`: that name in the list of encoders (Jellyfin's `GetH26xOrAv1Encoder`). Jobs
//! say what a picture is to be, not which chip makes it, so any worker can make such a line, with
//! whatever it has.
//!
//! Nothing else is promised. Jellyfin decides by `-hwaccels`, `-decoders` and `-filters` whether to
//! decode, scale and map tones on the chip too; where one is missing, it decodes and scales in
//! software and gives the result to the encoder. That is a job as well. With more promises the same
//! films would be the same jobs, but lines that are *no* jobs (burnt-in subtitles, tone mapping,
//! HEVC) would ask for devices and filters that perhaps no worker has.

/// Goes into what answers are found by: with another table they are others.
pub(super) const VERSION: &[u8] = b"promised encoders 1";

/// H.264 encoders, in the order and the words that ffmpeg lists them in.
pub(super) const ENCODERS: [(&str, &str, &str); 8] = [
    ("V....D", "libx264", "libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10"),
    ("V....D", "h264_amf", "AMD AMF H.264 Encoder"),
    ("V....D", "h264_nvenc", "NVIDIA NVENC H.264 encoder"),
    (
        "V.....",
        "h264_qsv",
        "H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (Intel Quick Sync Video acceleration)",
    ),
    ("V.....", "h264_rkmpp", "Rockchip MPP (Media Process Platform) H264 encoder"),
    ("V.....", "h264_v4l2m2m", "V4L2 mem2mem H.264 encoder wrapper"),
    ("V....D", "h264_vaapi", "H.264/AVC (VAAPI)"),
    ("V....D", "h264_videotoolbox", "VideoToolbox H.264 Encoder"),
];

/// A row as `print_codecs` writes it.
pub(super) fn row((flags, name, words): &(&str, &str, &str)) -> String {
    format!(" {flags} {name:<20} {words} (codec h264)\n")
}

/// ffmpeg's list of encoders, and those that it lacks: behind its last one of H.264, or of pictures.
pub(super) fn with_encoders(list: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = list.split_inclusive(|byte| *byte == b'\n').collect();
    // What stands above the dashes explains the letters.
    let Some(head) = lines.iter().position(|line| line.trim_ascii().starts_with(b"------")) else {
        return list.to_vec();
    };
    let name = |line: &[u8]| {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).map(<[u8]>::to_vec)
    };
    let is_picture = |line: &&[u8]| line.starts_with(b" V");
    let is_h264 = |line: &&[u8]| line.trim_ascii_end().ends_with(b"(codec h264)");
    let rows = &lines[head + 1..];
    let place = rows.iter().rposition(is_h264).or_else(|| rows.iter().rposition(is_picture));
    let place = head + 1 + place.map_or(0, |at| at + 1);
    let known: Vec<Vec<u8>> = rows.iter().filter_map(|row| name(row)).collect();
    let missing =
        ENCODERS.iter().filter(|(_, name, _)| !known.iter().any(|k| k == name.as_bytes()));
    let mut out = lines[..place].concat();
    missing.for_each(|encoder| out.extend(row(encoder).as_bytes()));
    out.extend(lines[place..].concat());
    out
}

#[cfg(test)]
mod tests {
    use segue_ffmpeg::{Answer, Program, Surroundings, decide_words};

    use super::*;

    const LIST: &str = "Encoders:
 V..... = Video
 .....D = Supports direct rendering method 1
 ------
 V....D a64multi             Multicolor charset for Commodore 64 (codec a64_multi)
 V....D libx264              libx264 H.264 / AVC / MPEG-4 AVC / MPEG-4 part 10 (codec h264)
 V....D h264_nvenc           NVIDIA NVENC H.264 encoder (codec h264)
 V..... mjpeg                MJPEG (Motion JPEG)
 A....D aac                  AAC (Advanced Audio Coding)
";

    fn amended(list: &str) -> String {
        String::from_utf8(with_encoders(list.as_bytes())).unwrap()
    }

    #[test]
    fn what_is_missing_stands_behind_the_others_of_its_codec_and_nothing_else_changes() {
        let amended = amended(LIST);
        let added: Vec<&str> = amended.lines().filter(|line| !LIST.contains(line)).collect();
        let names: Vec<&str> = added.iter().filter_map(|l| l.split_whitespace().nth(1)).collect();
        assert_eq!(
            names,
            [
                "h264_amf",
                "h264_qsv",
                "h264_rkmpp",
                "h264_v4l2m2m",
                "h264_vaapi",
                "h264_videotoolbox"
            ]
        );
        let rest: String = amended
            .lines()
            .filter(|line| !added.contains(line))
            .map(|l| format!("{l}\n"))
            .collect();
        assert_eq!(rest, LIST);
        let first = amended.lines().position(|line| line == added[0]).unwrap();
        assert!(amended.lines().nth(first - 1).unwrap().contains("h264_nvenc"));
    }

    #[test]
    fn a_list_that_has_all_of_them_stays_as_it_is() {
        let full = amended(LIST);
        assert_eq!(amended(&full), full);
    }

    #[test]
    fn without_any_of_h264_they_stand_behind_the_pictures() {
        let list: String =
            LIST.lines().filter(|line| !line.contains("h264")).map(|l| format!("{l}\n")).collect();
        let amended = amended(&list);
        let lines: Vec<&str> = amended.lines().collect();
        let at = |name: &str| lines.iter().position(|line| line.contains(name)).unwrap();
        assert!(at("mjpeg") < at("libx264") && at("h264_videotoolbox") < at(" aac"));
    }

    #[test]
    fn what_is_no_list_is_left_alone() {
        assert_eq!(with_encoders(b"Unknown option\n\xff"), b"Unknown option\n\xff");
        assert_eq!(with_encoders(b""), b"");
    }

    /// `^\s\S{6}\s(?<codec>[\w|-]+)\s+.+$`
    #[test]
    fn media_servers_read_every_row() {
        for encoder in &ENCODERS {
            let row = row(encoder);
            let rest = row.strip_prefix(' ').unwrap();
            let (flags, rest) = rest.split_once(' ').unwrap();
            let (name, rest) = rest.split_once(' ').unwrap();
            assert_eq!((flags.len(), name), (6, encoder.1));
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
            assert!(!rest.trim().is_empty());
        }
    }

    /// What Jellyfin writes where it finds the encoder and neither its decoders nor its filters.
    #[test]
    fn lines_that_follow_from_a_promise_are_jobs() {
        for (_, encoder, _) in &ENCODERS {
            let format = match *encoder {
                "libx264" => "format=yuv420p",
                "h264_vaapi" => "format=nv12,hwupload=derive_device=vaapi",
                _ => "format=nv12",
            };
            let filters = format!(
                "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709,\
                 scale=trunc(min(max(iw\\,ih*a)\\,1280)/2)*2:trunc(ow/a/2)*2,{format}"
            );
            let line = format!(
                "-analyzeduration 200M -probesize 1G -i file:/media/a.mkv -map_metadata -1 \
                 -map_chapters -1 -threads 0 -map 0:0 -map 0:1 -map -0:s -codec:v:0 {encoder} \
                 -b:v 3000000 -maxrate 3000000 -bufsize 6000000 -g:v:0 72 -keyint_min:v:0 72 \
                 -force_key_frames:0 expr:gte(t,n_forced*3) \
                 -vf {filters} -codec:a:0 aac -ac 2 -ab 256000 -copyts -avoid_negative_ts disabled \
                 -max_muxing_queue_size 2048 -f hls -max_delay 5000000 -hls_time 3 \
                 -hls_segment_type mpegts -start_number 0 -hls_segment_filename /t/x%d.ts \
                 -hls_playlist_type vod -hls_list_size 0 -y /t/x.m3u8"
            );
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let decision = decide_words(Program::Ffmpeg, &words, Surroundings::default());
            assert_eq!(decision.answer, Answer::Job, "{encoder}: {}", decision.because);
        }
    }
}
