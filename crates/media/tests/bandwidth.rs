//! What the multivariant playlist says segments take, against what they take: sounds and pictures
//! that encoders find hardest, each segment a span of its own.

mod support;

use std::path::{Path, PathBuf};

use m3u8_rs::{parse_master_playlist_res, parse_media_playlist_res};
use segue_hls::playlist;
use segue_lab::{ffmpeg, run};
use segue_model::{AudioRequest, BoundaryRule, ChannelRequest, Job, JobRequest, Packaging};
use support::{Made, job, make, scattered};
use tempfile::TempDir;

/// Sample values of a channel by `t` and the channel's number, as ffmpeg's `aevalsrc` reads them.
fn sound(name: &str, channels: u32, value: impl Fn(u32) -> String) -> (TempDir, PathBuf) {
    let values: Vec<String> = (0..channels).map(value).collect();
    let values = values.join("|");
    let input = format!("aevalsrc=exprs='{values}':d=4:s=48000");
    made(name, &["-f", "lavfi", "-i", &input, "-c:a", "flac"])
}

fn made(name: &str, arguments: &[&str]) -> (TempDir, PathBuf) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join(format!("{name}.mkv"));
    run(ffmpeg().args(arguments).arg(&path));
    (directory, path)
}

fn noise(channel: u32) -> String {
    format!("(2*random({channel})-1)")
}

/// A click every 50 ms over a rising tone.
fn clicks(channel: u32) -> String {
    let click = noise(channel);
    format!("if(lt(mod(t,0.05),0.002),0.95*{click},0.3*sin(2*PI*t*(200+3000*t)))")
}

/// Digital silence and noise by turns.
fn gated(channel: u32) -> String {
    format!("if(lt(mod(t+0.6,2),1),0.9*{},0)", noise(channel))
}

fn request(packaging: Packaging, segment: &str, bitrate: Option<u32>) -> JobRequest {
    let audio =
        AudioRequest { bitrate, channels: ChannelRequest::Source, ..AudioRequest::default() };
    JobRequest {
        boundaries: BoundaryRule::Grid { segment: segment.parse().expect("a time") },
        audio: Some(audio),
        ..support::quick(packaging)
    }
}

/// Bits per second: of the stretch of segments that takes most (RFC 8216 4.3.4.2), and of all.
struct Taken {
    peak: u64,
    average: u64,
}

fn taken(job: &Job, made: &Made, rendition: u32) -> Taken {
    let text = playlist::media(job, rendition as usize);
    let list = parse_media_playlist_res(text.as_bytes()).expect("a media playlist");
    let target = list.target_duration as f64;
    let of = |id: &segue_model::SegmentId| id.rendition == rendition;
    let segments: Vec<(f64, usize)> = made
        .segments
        .iter()
        .filter(|(id, _)| of(id))
        .zip(&list.segments)
        .map(|((_, bytes), listed)| (f64::from(listed.duration), bytes.len()))
        .collect();
    assert_eq!(segments.len(), list.segments.len());
    let mut peak = 0.0_f64;
    for begin in 0..segments.len() {
        let (mut seconds, mut bytes) = (0.0, 0);
        for (duration, length) in &segments[begin..] {
            seconds += duration;
            bytes += length;
            // Durations were read as decimals.
            if seconds > target * 1.5 + 1e-4 {
                break;
            }
            if seconds > target * 0.5 - 1e-4 {
                peak = peak.max(bytes as f64 * 8.0 / seconds);
            }
        }
    }
    let bytes: usize = segments.iter().map(|(_, bytes)| bytes).sum();
    let seconds: f64 = segments.iter().map(|(seconds, _)| seconds).sum();
    Taken { peak: peak.ceil() as u64, average: (bytes as f64 * 8.0 / seconds) as u64 }
}

/// What is said and what is taken by the only variant, with the sound it refers to.
fn declared_and_taken(path: &Path, request: &JobRequest) -> (Taken, Taken) {
    let job = job(path, request);
    let made = make(path, &job, &scattered(&job, 1));
    let text = playlist::multivariant(&job);
    let read = parse_master_playlist_res(text.as_bytes()).expect("a multivariant playlist");
    let [variant] = &read.variants[..] else { panic!("one variant: {:?}", read.variants) };
    let declared =
        Taken { peak: variant.bandwidth, average: variant.average_bandwidth.expect("an average") };
    let renditions = 0..job.recipe.renditions.len() as u32;
    let sum = renditions.map(|rendition| taken(&job, &made, rendition));
    let nothing = Taken { peak: 0, average: 0 };
    let sum = sum.fold(nothing, |sum, one| Taken {
        peak: sum.peak + one.peak,
        average: sum.average + one.average,
    });
    (declared, sum)
}

fn assert_covered(what: &str, path: &Path, request: &JobRequest) {
    let (declared, taken) = declared_and_taken(path, request);
    assert!(
        taken.peak <= declared.peak,
        "{what}: a stretch of segments takes {} b/s, BANDWIDTH says {}",
        taken.peak,
        declared.peak
    );
}

#[test]
fn no_stretch_of_sound_takes_more_than_the_bandwidth() {
    let (_one, mono) = sound("mono", 1, gated);
    let (_six, surround) = sound("surround", 6, clicks);
    for (packaging, segment) in [(Packaging::Fmp4, "0.5"), (Packaging::MpegTs, "1")] {
        for bitrate in [Some(32_000), None] {
            let request = request(packaging, segment, bitrate);
            let what = |of: &str| format!("{of}, {packaging:?}, {segment} s, {bitrate:?}");
            assert_covered(&what("mono"), &mono, &request);
            assert_covered(&what("5.1"), &surround, &request);
        }
    }
}

#[test]
fn no_stretch_of_short_segments_takes_more_than_the_bandwidth() {
    // Noise from one moment to the next, when buffers are full.
    let input = "testsrc2=s=320x180:r=30:d=4,noise=alls=100:allf=t:enable='gte(mod(t,2),1)'";
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "4", "-c:a", "flac"];
    let input =
        [&["-f", "lavfi", "-i", input, "-f", "lavfi", "-i", "sine=r=48000:d=4"], &encoded[..]];
    let (_noisy, noisy) = made("noisy", &input.concat());
    let input = "testsrc2=s=64x48:r=25:d=4,noise=alls=100:allf=t";
    let input =
        [&["-f", "lavfi", "-i", input, "-f", "lavfi", "-i", "sine=r=48000:d=4"], &encoded[..]];
    let (_tiny, tiny) = made("tiny", &input.concat());
    for (what, path, rate, packaging, segment) in [
        ("noisy", &noisy, "source@400k", Packaging::Fmp4, "0.5"),
        ("noisy", &noisy, "source@2M", Packaging::MpegTs, "0.7"),
        ("noisy", &noisy, "source@2M", Packaging::MpegTs, "1"),
        ("tiny", &tiny, "source@50k", Packaging::Fmp4, "0.5"),
        ("tiny", &tiny, "source@50k", Packaging::MpegTs, "1"),
    ] {
        for exact in [false, true] {
            let renditions = vec![rate.parse().expect("a rendition")];
            let request = JobRequest { renditions, exact, ..request(packaging, segment, None) };
            let what = format!("{what} {rate}, {packaging:?}, {segment} s, exact {exact}");
            assert_covered(&what, path, &request);
        }
    }
}

#[test]
fn the_average_of_steady_sound_is_foreseen() {
    let (_directory, path) = sound("noise", 2, noise);
    for packaging in [Packaging::MpegTs, Packaging::Fmp4] {
        for (segment, bitrate) in
            ["0.5", "1", "2"].iter().flat_map(|it| [16_000, 64_000, 128_000].map(|rate| (it, rate)))
        {
            let (declared, taken) =
                declared_and_taken(&path, &request(packaging, segment, Some(bitrate)));
            let ratio = taken.average as f64 / declared.average as f64;
            // The 15 packets that a segment may be filled up with weigh much in short ones.
            let least = if packaging == Packaging::MpegTs { 0.75 } else { 0.85 };
            assert!(
                (least..=1.03).contains(&ratio),
                "{packaging:?}, {segment} s, {bitrate} b/s: {} b/s instead of {}",
                taken.average,
                declared.average
            );
        }
    }
}
