//! How sound comes out.

use std::path::{Path, PathBuf};

use segue_model::{AudioRequest, ChannelRequest, Gain, JobRequest, Mix, Packaging, Time};
use tempfile::TempDir;

use crate::support::{job, quick};
use crate::{by_ffmpeg, in_many, made};

/// Seven seconds of tones, one for each channel, at 48 kHz.
fn film(channels: u32) -> (TempDir, PathBuf) {
    let tone = |channel: u32| format!("0.2*sin(2*PI*t*{})", 200 * (channel + 1));
    let tones: Vec<String> = (0..channels).map(tone).collect();
    let input = format!("aevalsrc=exprs='{}':d=7:s=48000", tones.join("|"));
    made("film.mkv", &["-f", "lavfi", "-i", &input, "-c:a", "flac"])
}

fn asked(packaging: Packaging, audio: AudioRequest) -> JobRequest {
    JobRequest { audio: Some(audio), ..quick(packaging) }
}

/// Root mean square of each channel, without the seconds at the ends.
fn loudness(url: &Path, channels: usize, rate: usize) -> Vec<f32> {
    let samples = segue_lab::pcm(url);
    let samples = &samples[rate * channels..samples.len() - rate * channels];
    let count = (samples.len() / channels) as f32;
    let of = |channel: usize| {
        let own = samples.iter().skip(channel).step_by(channels);
        (own.map(|sample| sample * sample).sum::<f32>() / count).sqrt()
    };
    (0..channels).map(of).collect()
}

fn probed(url: &Path, what: &str) -> String {
    segue_lab::probe(url)[&format!("streams.stream.0.{what}")].clone()
}

#[test]
fn sound_is_as_loud_as_ffmpegs_volume_makes_it() {
    let (_film, film) = film(2);
    for (gain, volume) in [
        (Gain::Factor(Time::from_secs(2)), "volume=2"),
        (Gain::Decibels(Time::new(-9, 2)), "volume=-4.5dB"),
        (Gain::Factor(Time::ZERO), "volume=0"),
        // Beyond what is full scale.
        (Gain::Factor(Time::from_secs(7)), "volume=7"),
    ] {
        // As many bits as a tone needs to come out as it is; with 128,000 it is a per cent or two off.
        let audio = AudioRequest { gain, bitrate: Some(256_000), ..AudioRequest::default() };
        let job = job(&film, &asked(Packaging::MpegTs, audio));
        let (_many, many) = in_many(&film, &job);
        let line = ["-af", volume, "-c:a", "aac", "-ab", "256000", "-ac", "2"];
        let (_asked, asked) = by_ffmpeg(&film, "a.ts", &line);
        let (ours, theirs) = (loudness(&many, 2, 48_000), loudness(&asked, 2, 48_000));
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let apart = (ours - theirs).abs();
            assert!(apart <= 0.01 * theirs + 1e-4, "{volume}: {ours} and {theirs}");
        }
    }
}

#[test]
fn channels_and_sample_rates_are_as_asked_and_mixed_as_by_ffmpeg() {
    for (there, channels, rate) in [
        (1, 2, 48_000),
        (2, 6, 44_100),
        (6, 1, 22_050),
        (6, 2, 48_000),
        (6, 6, 96_000),
        (8, 2, 48_000),
        (8, 8, 48_000),
    ] {
        let (_film, film) = film(there);
        let audio = AudioRequest {
            channels: ChannelRequest::Exactly(channels),
            sample_rate: Some(rate),
            bitrate: Some(64_000 * channels),
            ..AudioRequest::default()
        };
        let line = format!("-c:a aac -b:a {} -ac {channels} -ar {rate}", 64_000 * channels);
        let line: Vec<&str> = line.split_whitespace().collect();
        let (_asked, asked) = by_ffmpeg(&film, "a.mp4", &line);
        let job = job(&film, &crate::sound::asked(Packaging::Fmp4, audio));
        let (_many, many) = in_many(&film, &job);
        for what in ["channels", "sample_rate", "channel_layout"] {
            assert_eq!(probed(&many, what), probed(&asked, what), "{there} to {channels}");
        }
        let loud = |url: &Path| loudness(url, channels as usize, rate as usize);
        for (ours, theirs) in loud(&many).into_iter().zip(loud(&asked)) {
            let apart = (ours - theirs).abs();
            assert!(apart <= 0.02 * theirs + 1e-3, "{there} to {channels}: {ours} and {theirs}");
        }
    }
}

#[test]
fn a_low_bit_rate_is_taken_as_it_is_said() {
    let (_film, film) = film(2);
    let audio = AudioRequest { bitrate: Some(12_000), ..AudioRequest::default() };
    let job = job(&film, &asked(Packaging::Fmp4, audio));
    let (_many, many) = in_many(&film, &job);
    let (_asked, asked) = by_ffmpeg(&film, "a.mp4", &["-c:a", "aac", "-ab", "12000"]);
    let bytes = |url: &Path| segue_lab::packets(url).iter().map(|it| it.size).sum::<usize>() as f64;
    let ratio = bytes(&many) / bytes(&asked);
    assert!((0.85..1.15).contains(&ratio), "{ratio}");
}

#[test]
fn channels_are_mixed_by_a_matrix_as_ffmpegs_pan_mixes_them() {
    for (there, shares, pan) in [
        (
            6,
            [
                ["0.707", "0", "0.5", "0.5", "0.707", "0"],
                ["0", "0.707", "0.5", "0.5", "0", "0.707"],
            ],
            "pan=stereo|c0=0.5*c2+0.707*c0+0.707*c4+0.5*c3|c1=0.5*c2+0.707*c1+0.707*c5+0.5*c3",
        ),
        (
            6,
            [["1", "0", "1", "0", "0.3", "0"], ["-0.25", "1", "0", "0", "0", "2"]],
            "pan=stereo|c0=c2+c0+0.3*c4|c1=c1-0.25*c0+2*c5",
        ),
    ] {
        let (_film, film) = film(there);
        let row = |row: [&str; 6]| row.map(|share| share.parse().expect("a share")).to_vec();
        let mix = Some(Mix::new(shares.map(row).to_vec()).expect("a mix"));
        let channels = ChannelRequest::Exactly(2);
        let bitrate = Some(256_000);
        let audio = AudioRequest { mix, channels, bitrate, ..AudioRequest::default() };
        let job = job(&film, &asked(Packaging::MpegTs, audio));
        let (_many, many) = in_many(&film, &job);
        let line = ["-af", pan, "-c:a", "aac", "-ab", "256000"];
        let (_asked, asked) = by_ffmpeg(&film, "a.ts", &line);
        let (ours, theirs) = (loudness(&many, 2, 48_000), loudness(&asked, 2, 48_000));
        for (ours, theirs) in ours.into_iter().zip(theirs) {
            let apart = (ours - theirs).abs();
            assert!(apart <= 0.01 * theirs + 1e-4, "{pan}: {ours} and {theirs}");
        }
    }
}
