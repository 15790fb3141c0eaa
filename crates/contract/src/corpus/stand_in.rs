//! The same line for an ffmpeg without the hardware or the private parts that it names. Pure.
//!
//! Two reasons to run another line than the one that was found. A plain ffmpeg here may lack what the
//! line names ([`stand_in`]). And a job may, as docs/jellyfin.md says, do what the line was written for
//! where ffmpeg today does something else ([`as_jobs_do`]).
//!
//! Only where that is plain to see: encoders are replaced by libx264 and aac, what belongs to a device
//! is left out, and scaling on a device is scaling. Anything else stays, for ffmpeg to refuse.

use segue_ffmpeg::filter::{Filter, FilterGraph};
use segue_ffmpeg::{CommandLine, Group, Opt, Role, Spelled, Value};

const ENCODERS: &[&str] =
    &["qsv", "vaapi", "nvenc", "amf", "videotoolbox", "rkmpp", "v4l2m2m", "omx", "mmal", "cuvid"];
/// Options of devices, and of their encoders alone.
const DEVICES: &[&str] = &[
    "init_hw_device",
    "filter_hw_device",
    "hwaccel",
    "hwaccel_output_format",
    "hwaccel_device",
    "hwaccel_flags",
    "vaapi_device",
    "qsv_device",
    "extra_hw_frames",
    "afbc",
    "low_power",
    "look_ahead",
    "look_ahead_depth",
    "rc_mode",
    "sei",
    "mbbrc",
    "async_depth",
    "global_quality",
    "allow_sw",
    "realtime",
    "prio_speed",
    "quality",
    "usage",
    "spatial_aq",
    "temporal_aq",
];
/// Options that only Plex's own build has, most of which name its server.
const PLEX: &[&str] = &[
    "progressurl",
    "loglevel_plex",
    "eae_prefix",
    "map_inlineass",
    "manifest_name",
    "skip_to_segment",
    "delete_removed",
    "strict_ts",
    "segment_list_separate_stream_times",
    "segment_list_unfinished",
];
/// Filters that bring pictures to a device and back.
const CARRIERS: &[&str] = &["hwupload", "hwdownload", "hwmap", "hwupload_cuda", "hwupload_vaapi"];
/// Scalers of devices.
const SCALERS: &[&str] =
    &["scale_vaapi", "scale_qsv", "scale_cuda", "scale_npp", "scale_vt", "scale_rkrga", "vpp_qsv"];
/// Formats of pictures that are on a device.
const ON_DEVICE: &[&str] = &["vaapi", "qsv", "cuda", "opencl", "videotoolbox_vld", "drm_prime"];

/// Such a line, if this one names any of that.
pub fn stand_in(line: &CommandLine) -> Option<CommandLine> {
    let mut other = line.clone();
    for group in &mut other.groups {
        soften(group);
    }
    (other != *line).then_some(other)
}

/// The line that makes ffmpeg do what a job does on purpose, and what that is; if there is a difference.
pub fn as_jobs_do(line: &CommandLine) -> Option<(CommandLine, String)> {
    let mut other = line.clone();
    let mut reasons = Vec::new();
    for group in &mut other.groups {
        let before = group.options.len();
        group.options.retain(|option| !(option.name == "accurate_seek" && option.negated));
        if group.options.len() < before {
            reasons.push("from the very place that it seeks to");
        }
        let profile = group.options.iter().any(|option| option.name == "profile");
        for option in &mut group.options {
            let name = option.name.as_str();
            let text = match name {
                "force_key_frames" => from_first_picture(option.text()),
                "x264opts" | "x264-params" if profile => with_transform(option.text()),
                _ => None,
            };
            if let Some(text) = text {
                reasons.push(match name {
                    "force_key_frames" => "keyframes counted from the seek",
                    _ => "the profile that the line names",
                });
                option.value = Value::Text(text);
            }
        }
    }
    (!reasons.is_empty()).then(|| (other, reasons.join(", ")))
}

/// Since 4.2, ffmpeg counts from the first picture that it encodes: `gte(t,783+n_forced*3)` behind
/// `-ss 783` was written for those that counted from the film's start.
fn from_first_picture(text: &str) -> Option<String> {
    let (begin, rest) = text.strip_prefix("expr:gte(t,")?.split_once("+n_forced")?;
    let begin: f64 = begin.parse().ok()?;
    (begin != 0.0).then(|| format!("expr:gte(t,n_forced{rest}"))
}

/// Without this, x264 calls a stream Main although the line, and whoever told the player, says High.
fn with_transform(text: &str) -> Option<String> {
    let off = |pair: &str| matches!(pair, "8x8dct=0" | "no-8x8dct" | "no_8x8dct");
    let left: Vec<&str> = text.split(':').filter(|pair| !off(pair)).collect();
    (left.len() < text.split(':').count()).then(|| left.join(":"))
}

fn soften(group: &mut Group) {
    let output = group.file.role == Role::Output;
    let mut named = group.options.iter().filter(|o| is_codec(o) && of_device(o.text()));
    let maker = named.next().map(|option| plain_name(option.text())).filter(|_| output);
    group.options.retain(|option| {
        let name = option.name.as_str();
        let list = name == "segment_list" && option.text().contains("://");
        !(DEVICES.contains(&name) || PLEX.contains(&name) || list)
    });
    // A decoder that ffmpeg chooses itself reads the same.
    let own = |codec: &str| of_device(codec) || codec.ends_with("_eae");
    group.options.retain(|option| output || !is_codec(option) || !own(option.text()));
    for option in &mut group.options {
        if matches!(option.name.as_str(), "loglevel" | "v") && option.text() == "quiet" {
            // Why it fails must be told.
            option.value = Value::Text("error".to_owned());
        } else if is_codec(option) && option.text() == "libfdk_aac" {
            option.value = Value::Text("aac".to_owned());
        } else if is_codec(option) && of_device(option.text()) {
            option.value = Value::Text(plain_name(option.text()).to_owned());
        } else if let Value::Graph(graph) = &option.value {
            option.value = Value::Graph(Spelled::new(softened(graph.value())));
        }
    }
    let said = group.options.iter().any(|option| option.name == "sc_threshold");
    if let Some(maker) = maker {
        // What a preset is called is each encoder's own.
        group.options.retain(|option| option.name != "preset");
        let set = |name: &str, value: &str| Opt {
            name: name.to_owned(),
            negated: false,
            from_file: false,
            suffix: None,
            value: Value::Text(value.to_owned()),
            known: None,
        };
        match maker {
            "libx264" => group.options.push(set("preset", "veryfast")),
            "libx265" => group.options.push(set("preset", "ultrafast")),
            _ => {}
        }
        if !said {
            // Devices look for no cuts.
            group.options.push(set("sc_threshold", "0"));
        }
    }
}

fn is_codec(option: &Opt) -> bool {
    matches!(option.name.as_str(), "c" | "codec" | "vcodec" | "acodec")
}

/// Who makes the same here.
fn plain_name(codec: &str) -> &'static str {
    match codec.split('_').next() {
        Some("hevc") => "libx265",
        Some("av1") => "libsvtav1",
        Some("vp9") => "libvpx-vp9",
        Some("mjpeg") => "mjpeg",
        _ => "libx264",
    }
}

fn of_device(codec: &str) -> bool {
    ENCODERS.iter().any(|kind| codec.ends_with(&format!("_{kind}")))
}

fn softened(graph: &FilterGraph) -> FilterGraph {
    let mut graph = graph.clone();
    for chain in &mut graph.chains {
        chain.retain(|filter| !(is_carried(filter) && is_unlinked(filter)));
        for filter in chain.iter_mut().filter(|filter| is_carried(filter)) {
            (filter.name, filter.arguments) = ("null".to_owned(), None);
        }
        for filter in chain.iter_mut().filter(|filter| SCALERS.contains(&filter.name.as_str())) {
            filter.name = "scale".to_owned();
            let mut sizes = filter.arguments.take().unwrap_or_default();
            sizes.retain(|size| matches!(size.key.as_deref(), None | Some("w" | "h")));
            filter.arguments = (!sizes.is_empty()).then_some(sizes);
        }
        if chain.is_empty() {
            let name = "null".to_owned();
            chain.push(Filter { name, ..Filter::default() });
        }
    }
    graph
}

fn is_carried(filter: &Filter) -> bool {
    let format = filter.name == "format"
        && filter
            .arguments
            .iter()
            .flatten()
            .any(|format| ON_DEVICE.contains(&format.value.as_str()));
    format || CARRIERS.contains(&filter.name.as_str())
}

fn is_unlinked(filter: &Filter) -> bool {
    filter.inputs.is_empty() && filter.outputs.is_empty()
}
