//! Looks at media with the ffmpeg and ffprobe commands: frames, packets, samples, complaints.
//!
//! Every function takes a path or URL of anything they can open, playlists included.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::process::Stdio;

use crate::command::{ffmpeg, ffprobe, run};

/// A decoded frame (or a run of samples).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// When it is shown, in seconds with six digits, such as `10.041708`.
    pub pts_time: String,
    /// MD5 of its pixels.
    pub hash: String,
}

/// A packet as the container holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The stream's index.
    pub stream: u32,
    /// Presentation time, in the stream's ticks.
    pub pts: Option<i64>,
    /// Decoding time, in the stream's ticks.
    pub dts: Option<i64>,
    /// How long it is shown, in the stream's ticks.
    pub duration: Option<i64>,
    /// ffprobe's letters: `K` for a keyframe, `D` for one that is not shown.
    pub flags: String,
    /// Bytes.
    pub size: usize,
    /// MD5 of its bytes.
    pub hash: String,
}

/// The frames of the first video stream, in the order they are shown. Cover art is none.
pub fn frames(url: impl AsRef<OsStr>) -> Vec<Frame> {
    frames_of(url.as_ref(), "0:V:0")
}

/// The decoded runs of samples of a sound track; `track` counts sound tracks from 0.
pub fn audio_frames(url: impl AsRef<OsStr>, track: usize) -> Vec<Frame> {
    frames_of(url.as_ref(), &format!("0:a:{track}"))
}

fn frames_of(url: &OsStr, stream: &str) -> Vec<Frame> {
    // The command's habits change what it tells: `-noautorotate` keeps the decoder's pixels,
    // `passthrough` neither drops nor repeats frames, `-copyts` keeps the source's clock, and
    // without `-enc_time_base -1` times are rounded to the nominal frame rate.
    let said = run(ffmpeg()
        .args(["-v", "fatal", "-noautorotate", "-copyts", "-i"])
        .arg(url)
        .args(["-map", stream, "-fps_mode", "passthrough", "-enc_time_base", "-1"])
        .args(["-f", "framemd5", "-"]))
    .text();
    let mut time_base = (0, 1);
    let mut frames = Vec::new();
    for line in said.lines() {
        if let Some(base) = line.strip_prefix("#tb 0: ") {
            let (numerator, denominator) = base.split_once('/').expect("a time base is a fraction");
            time_base = (whole(numerator), whole(denominator));
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            frames.push(Frame {
                pts_time: seconds(whole(fields[2]), time_base),
                hash: fields[5].to_owned(),
            });
        }
    }
    frames
}

/// All packets of all streams, in the container's order.
pub fn packets(url: impl AsRef<OsStr>) -> Vec<Packet> {
    let said = run(ffprobe()
        .args(["-v", "fatal", "-show_packets", "-show_data_hash", "MD5"])
        .args(["-show_entries", "packet=stream_index,pts,dts,duration,flags,size,data_hash"])
        .args(["-of", "compact=print_section=0", "-i"])
        .arg(url.as_ref()))
    .text();
    // Side data breaks a packet's line in two.
    said.replace("\n|", "|")
        .lines()
        .filter(|line| line.contains("stream_index="))
        .map(packet)
        .collect()
}

fn packet(line: &str) -> Packet {
    let fields: BTreeMap<&str, &str> =
        line.split('|').filter_map(|field| field.split_once('=')).collect();
    let ticks = |key: &str| fields.get(key).and_then(|value| value.parse().ok());
    Packet {
        stream: fields["stream_index"].parse().expect("a stream index is a number"),
        pts: ticks("pts"),
        dts: ticks("dts"),
        duration: ticks("duration"),
        flags: fields["flags"].to_owned(),
        size: fields["size"].parse().expect("a size is a number"),
        hash: fields["data_hash"].trim_start_matches("MD5:").to_owned(),
    }
}

/// What ffprobe knows of the container and its streams, flat: `streams.stream.0.codec_name` to
/// `h264`, `format.duration` to `8.008000`.
pub fn probe(url: impl AsRef<OsStr>) -> BTreeMap<String, String> {
    let said = run(ffprobe()
        .args(["-v", "fatal", "-show_format", "-show_streams", "-of", "flat", "-i"])
        .arg(url.as_ref()))
    .text();
    said.lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned()))
        .collect()
}

/// All that ffmpeg (decoding all pictures and sound) and ffprobe (reading all packets) complain
/// of. Empty for a clean stream, and whoever fails to open it is a complaint too.
pub fn complaints(url: impl AsRef<OsStr>) -> String {
    let url = url.as_ref();
    let mut decode = ffmpeg();
    // The command itself complains ("Application provided invalid, non monotonically increasing
    // dts") when it rounds good timestamps to its idea of the frame rate: it is told not to.
    decode
        .args(["-copyts", "-i"])
        .arg(url)
        .args(["-map", "0:v?", "-map", "0:a?", "-fps_mode", "passthrough"])
        .args(["-enc_time_base:v", "-1", "-f", "null", "-"]);
    let mut read = ffprobe();
    read.args(["-show_packets", "-show_streams", "-i"]).arg(url);
    let mut said = String::new();
    for command in [&mut decode, &mut read] {
        let output = command
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("cannot start {:?}: {error}", command.get_program()));
        said.push_str(&String::from_utf8_lossy(&output.stderr));
        if !output.status.success() {
            said.push_str(&format!("{:?}: {}\n", command.get_program(), output.status));
        }
    }
    said
}

/// The samples of the first sound track, as floats, channels interleaved as they come. Samples
/// follow each other without regard to timestamps: nothing is filled in or taken away.
pub fn pcm(url: impl AsRef<OsStr>) -> Vec<f32> {
    let ran = run(ffmpeg().args(["-v", "fatal", "-i"]).arg(url.as_ref()).args([
        "-map",
        "0:a:0",
        "-c:a",
        "pcm_f32le",
        "-f",
        "f32le",
        "-",
    ]));
    ran.stdout.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

fn whole(text: &str) -> i64 {
    text.trim().parse().unwrap_or_else(|_| panic!("ffmpeg said {text:?} where a number belongs"))
}

/// Microseconds, rounded half away from zero, as ffprobe writes times.
fn seconds(ticks: i64, (numerator, denominator): (i64, i64)) -> String {
    let scaled = i128::from(ticks) * i128::from(numerator) * 1_000_000;
    let denominator = i128::from(denominator);
    let micros = (scaled.abs() * 2 + denominator) / (denominator * 2);
    let sign = if scaled < 0 && micros > 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
