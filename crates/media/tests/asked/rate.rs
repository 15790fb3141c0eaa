//! How many bits a picture takes.

use std::path::{Path, PathBuf};

use segue_model::{JobRequest, RateControl};
use tempfile::TempDir;

use crate::support::{job, quick};
use crate::{by_ffmpeg, in_many, in_one, made};

const FRAMES_PER_SECOND: f64 = 25.0;

/// Twelve seconds that are easy and hard by turns.
fn film() -> (TempDir, PathBuf) {
    let input = "testsrc2=s=320x180:r=25:d=12,noise=alls=60:allf=t:enable='lt(mod(t,4),2)'";
    let encoded = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "8"];
    made("film.mkv", &[&["-f", "lavfi", "-i", input], &encoded[..]].concat())
}

fn request(rate_control: RateControl) -> JobRequest {
    JobRequest {
        rate_control: Some(rate_control),
        preset: "veryfast".to_owned(),
        audio: None,
        ..quick(segue_model::Packaging::MpegTs)
    }
}

/// Bits of each picture, in decoding order.
fn pictures(url: &Path) -> Vec<f64> {
    segue_lab::packets(url).iter().map(|packet| packet.size as f64 * 8.0).collect()
}

/// Bits per second over all.
fn average(pictures: &[f64]) -> f64 {
    pictures.iter().sum::<f64>() / pictures.len() as f64 * FRAMES_PER_SECOND
}

/// The emptiest that a buffer gets which is filled at `bitrate_max`; below 0 it has run dry.
fn emptiest(pictures: &[f64], bitrate_max: f64, buffer_bits: f64) -> f64 {
    let mut full = buffer_bits;
    let mut least = full;
    for bits in pictures {
        full -= bits;
        least = least.min(full);
        full = (full + bitrate_max / FRAMES_PER_SECOND).min(buffer_bits);
    }
    least
}

#[track_caller]
fn assert_near(what: &str, one: f64, other: f64, per_cent: f64) {
    let apart = (one / other - 1.0).abs() * 100.0;
    assert!(apart <= per_cent, "{what}: {one:.0} and {other:.0} are {apart:.1} % apart");
}

#[test]
fn a_bit_rate_with_a_cap_is_kept_as_by_ffmpeg() {
    let (_film, film) = film();
    let (bitrate, bitrate_max, buffer_bits) = (500_000, 600_000, 900_000);
    let rate = RateControl::CappedBitrate { bitrate, bitrate_max, buffer_bits };
    let job = job(&film, &request(rate));
    let (_one, one) = in_one(&film, &job);
    let one = pictures(&one);
    let line = "-c:v libx264 -preset veryfast -b:v 500000 -maxrate 600000 -bufsize 900000 -an \
                -force_key_frames expr:gte(t,n_forced*2) -sc_threshold 0";
    let line: Vec<&str> = line.split_whitespace().collect();
    let (_asked, asked) = by_ffmpeg(&film, "asked.ts", &line);
    let asked = pictures(&asked);
    assert_eq!(one.len(), asked.len());
    assert_near("bit rates", average(&one), average(&asked), 10.0);
    for (whose, pictures) in [("ours", &one), ("ffmpeg's", &asked)] {
        // Packets in transport streams have a delimiter and parameter sets besides.
        let more = pictures.len() as f64 * 16.0 * 8.0;
        let least = emptiest(pictures, bitrate_max as f64, buffer_bits as f64);
        assert!(least > -more, "{whose} overdraws the buffer by {:.0} bits", -least);
        // A buffer of twice the size is made use of, so the size that was asked for matters.
        assert!(least < buffer_bits as f64 / 2.0, "{whose} leaves {least:.0} bits unused");
    }
    in_many(&film, &job);
}

#[test]
fn a_bit_rate_under_a_wide_cap_takes_what_ffmpeg_takes_without_one() {
    let (_film, film) = film();
    // What a line gets that says neither cap nor buffer.
    let (bitrate, bitrate_max, buffer_bits) = (500_000, 1_000_000, 2_000_000);
    let rate = RateControl::CappedBitrate { bitrate, bitrate_max, buffer_bits };
    let job = job(&film, &request(rate));
    let (_one, one) = in_one(&film, &job);
    let line = "-c:v libx264 -preset veryfast -b:v 500000 -an \
                -force_key_frames expr:gte(t,n_forced*2) -sc_threshold 0";
    let line: Vec<&str> = line.split_whitespace().collect();
    let (_asked, asked) = by_ffmpeg(&film, "asked.ts", &line);
    assert_near("bit rates", average(&pictures(&one)), average(&pictures(&asked)), 10.0);
}

#[test]
fn a_quality_without_a_cap_takes_what_ffmpeg_takes() {
    let (_film, film) = film();
    let job = job(&film, &request(RateControl::Quality { crf: 23 }));
    let (_one, one) = in_one(&film, &job);
    let line = "-c:v libx264 -preset veryfast -crf 23 -an \
                -force_key_frames expr:gte(t,n_forced*2) -sc_threshold 0";
    let line: Vec<&str> = line.split_whitespace().collect();
    let (_asked, asked) = by_ffmpeg(&film, "asked.ts", &line);
    assert_near("bit rates", average(&pictures(&one)), average(&pictures(&asked)), 5.0);
    in_many(&film, &job);
}

#[test]
fn a_capped_quality_takes_less_where_its_buffer_is_smaller() {
    let (_film, film) = film();
    let rate = |buffer_bits| {
        let rate = RateControl::CappedQuality { crf: 18, bitrate_max: 800_000, buffer_bits };
        let job = job(&film, &request(rate));
        let (_one, one) = in_one(&film, &job);
        let pictures = pictures(&one);
        let more = pictures.len() as f64 * 16.0 * 8.0;
        assert!(emptiest(&pictures, 800_000.0, buffer_bits as f64) > -more, "{buffer_bits}");
        pictures.chunks(25).map(|second| second.iter().sum::<f64>()).fold(0.0, f64::max)
    };
    let (small, large) = (rate(400_000), rate(3_200_000));
    assert!(small * 1.5 < large, "the busiest second takes {small:.0} and {large:.0} bits");
}
