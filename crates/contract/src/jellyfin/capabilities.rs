//! What Jellyfin learns from the questions it asks at its start (`EncoderValidator`). Anything that
//! it does not look for is left out, so that only what decides something is compared.

use std::collections::BTreeSet;

use regex::Regex;

/// Decoders that Jellyfin looks for.
pub const DECODERS: &[&str] = &[
    "h264",
    "hevc",
    "vp8",
    "libvpx",
    "vp9",
    "libvpx-vp9",
    "av1",
    "libdav1d",
    "mpeg2video",
    "mpeg4",
    "msmpeg4",
    "dca",
    "ac3",
    "ac4",
    "aac",
    "mp3",
    "flac",
    "truehd",
    "h264_qsv",
    "hevc_qsv",
    "vp8_qsv",
    "vp9_qsv",
    "av1_qsv",
    "mpeg2_qsv",
    "vc1_qsv",
    "h264_cuvid",
    "hevc_cuvid",
    "vp8_cuvid",
    "vp9_cuvid",
    "av1_cuvid",
    "mpeg1_cuvid",
    "mpeg2_cuvid",
    "mpeg4_cuvid",
    "vc1_cuvid",
    "h264_rkmpp",
    "hevc_rkmpp",
    "mpeg1_rkmpp",
    "mpeg2_rkmpp",
    "mpeg4_rkmpp",
    "vp8_rkmpp",
    "vp9_rkmpp",
    "av1_rkmpp",
];

/// Encoders that Jellyfin looks for.
pub const ENCODERS: &[&str] = &[
    "libx264",
    "libx265",
    "libsvtav1",
    "aac",
    "aac_at",
    "libfdk_aac",
    "ac3",
    "alac",
    "dca",
    "flac",
    "libmp3lame",
    "libopus",
    "libvorbis",
    "truehd",
    "srt",
    "h264_amf",
    "hevc_amf",
    "av1_amf",
    "h264_qsv",
    "hevc_qsv",
    "mjpeg_qsv",
    "av1_qsv",
    "h264_nvenc",
    "hevc_nvenc",
    "av1_nvenc",
    "h264_vaapi",
    "hevc_vaapi",
    "av1_vaapi",
    "mjpeg_vaapi",
    "h264_v4l2m2m",
    "h264_videotoolbox",
    "hevc_videotoolbox",
    "mjpeg_videotoolbox",
    "h264_rkmpp",
    "hevc_rkmpp",
    "mjpeg_rkmpp",
];

/// Filters that Jellyfin looks for.
pub const FILTERS: &[&str] = &[
    "deinterlace_qsv",
    "deinterlace_vaapi",
    "hwupload_cuda",
    "scale_cuda",
    "yadif_cuda",
    "bwdif_cuda",
    "tonemap_cuda",
    "overlay_cuda",
    "transpose_cuda",
    "overlay_qsv",
    "scale_qsv",
    "vpp_qsv",
    "scale_opencl",
    "tonemap_opencl",
    "overlay_opencl",
    "transpose_opencl",
    "yadif_opencl",
    "bwdif_opencl",
    "scale_vaapi",
    "tonemap_vaapi",
    "procamp_vaapi",
    "overlay_vaapi",
    "transpose_vaapi",
    "hwupload_vaapi",
    "libplacebo",
    "scale_vulkan",
    "overlay_vulkan",
    "transpose_vulkan",
    "flip_vulkan",
    "yadif_videotoolbox",
    "bwdif_videotoolbox",
    "scale_vt",
    "transpose_vt",
    "overlay_videotoolbox",
    "tonemap_videotoolbox",
    "scale_rkrga",
    "vpp_rkrga",
    "overlay_rkrga",
    "alphasrc",
    "zscale",
    "tonemapx",
];

/// Help texts that are searched: what is asked, and what is looked for in the answer.
pub const HELP: &[(&str, &str)] = &[
    ("filter=scale_cuda", "format"),
    ("filter=tonemap_cuda", "GPU accelerated HDR to SDR tonemapping"),
    ("filter=tonemap_opencl", "bt2390"),
    ("filter=overlay_opencl", "Action to take when encountering EOF from secondary input"),
    ("filter=overlay_vaapi", "Action to take when encountering EOF from secondary input"),
    ("filter=overlay_vulkan", "Action to take when encountering EOF from secondary input"),
    ("filter=transpose_opencl", "rotate by half-turn"),
    ("filter=overlay_cuda", "Action to take when encountering EOF from secondary input"),
    ("bsf=hevc_metadata", "remove_dovi"),
    ("bsf=av1_metadata", "remove_dovi"),
    ("bsf=dovi_rpu", "strip"),
];

/// What marks that `p` pauses, in what `?` shows.
pub const PAUSE_HELP: &str = "p      pause transcoding";

/// The version that Jellyfin reads, or nothing: then it refuses to use the program.
pub fn version(said: &str) -> Option<String> {
    if said.contains("Libav developers") {
        return None;
    }
    let line = Regex::new(r"(?m)^ffmpeg version n?([0-9.]+)").expect("a fixed expression");
    let found = line.captures(said)?[1].trim_end_matches('.').to_owned();
    let mut parts = found.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let version = (parts.next()?, parts.next().unwrap_or(0));
    (version >= (4, 4)).then_some(found)
}

/// Of the names in `wanted`, those that a list of codecs names in Jellyfin's columns.
pub fn codecs(said: &str, wanted: &[&str]) -> BTreeSet<String> {
    found(said, r"(?m)^\s\S{6}\s(?<name>[\w|-]+)\s+.+$", wanted)
}

/// Of the names in `wanted`, those that a list of filters names in Jellyfin's columns.
pub fn filters(said: &str, wanted: &[&str]) -> BTreeSet<String> {
    found(said, r"(?m)^\s\S{2,3}\s(?<name>[\w|-]+)\s+.+$", wanted)
}

/// What a list of hardware accelerations names: all lines but the first.
pub fn accelerations(said: &str) -> BTreeSet<String> {
    said.lines().skip(1).map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn found(said: &str, expression: &str, wanted: &[&str]) -> BTreeSet<String> {
    let expression = Regex::new(expression).expect("a fixed expression");
    let names = expression.captures_iter(said).map(|found| found["name"].to_owned());
    names.filter(|name| wanted.contains(&name.as_str())).collect()
}

/// The integrated loudness that Jellyfin reads from standard error.
pub fn loudness(said: &str) -> Option<f64> {
    let line = Regex::new(r"(?m)^\s+I:\s+(.*?)\s+LUFS").expect("a fixed expression");
    line.captures_iter(said).last()?[1].parse().ok()
}

/// Keyframes, as Jellyfin reads ffprobe's CSV: `packet,<time>,K_`.
pub fn keyframes(said: &str) -> Vec<String> {
    let packets = said.lines().filter_map(|line| line.strip_prefix("packet,"));
    let keys = packets.filter_map(|line| line.split_once(','));
    keys.filter(|(_, flags)| flags.starts_with("K_")).map(|(time, _)| time.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{codecs, filters, keyframes, loudness, version};

    #[test]
    fn lists_are_read_by_their_columns() {
        let said = "Encoders:\n V..... = Video\n ------\n V....D libx264              libx264 H.264\n V..... h264_qsv x\n  V....D libx265 moved\n";
        let wanted = &["libx264", "h264_qsv", "libx265"];
        assert_eq!(codecs(said, wanted).into_iter().collect::<Vec<_>>(), ["h264_qsv", "libx264"]);
        let said = " ... tonemap_cuda      V->V       x\n T.C scale_cuda V->V y\n";
        assert_eq!(filters(said, &["tonemap_cuda", "scale_cuda"]).len(), 2);
    }

    #[test]
    fn a_version_that_jellyfin_refuses_is_none() {
        assert_eq!(version("ffmpeg version 5.1.9-0+deb12u1 Copyright").as_deref(), Some("5.1.9"));
        assert_eq!(version("ffmpeg version n7.1-2").as_deref(), Some("7.1"));
        assert_eq!(version("ffmpeg version 4.3.1"), None);
        assert_eq!(version("segue version 1"), None);
    }

    #[test]
    fn the_last_loudness_counts_and_only_keyframes_are_keyframes() {
        assert_eq!(loudness("  I: -70.0 LUFS\n    I:         -20.3 LUFS\n"), Some(-20.3));
        assert_eq!(keyframes("packet,0.000000,K__\npacket,1.0,__\nstream,30\n"), ["0.000000"]);
    }
}
