//! `verify` has nothing to say about what ffmpeg's own muxers make.

use segue_lab::{clean_stream, clean_streams};
use segue_media::Cancel;
use segue_media::verify::{VerifyReport, verify};

fn verified(location: &str) -> VerifyReport {
    verify(location, &Cancel::default(), &mut |_| {})
        .unwrap_or_else(|error| panic!("{location}: {error}"))
}

#[test]
fn clean_streams_have_no_faults() {
    let mut told = Vec::new();
    for stream in clean_streams() {
        let report = verified(&stream.path().to_string_lossy());
        assert!(report.playlists.iter().all(|playlist| playlist.segments > 1), "{}", stream.name);
        told.extend(report.faults.iter().map(|fault| format!("{}: {fault}", stream.name)));
    }
    assert!(told.is_empty(), "{}", told.join("\n"));
}

#[test]
fn the_report_says_what_is_carried() {
    let report = verified(&clean_stream("fmp4-audio-group").to_string_lossy());
    let [large, small, sound] = &report.playlists[..] else { panic!("{:?}", report.playlists) };
    let video = large.video.as_ref().expect("pictures");
    assert_eq!(
        (video.codec.as_str(), video.width, video.height, video.pictures),
        ("h264", 320, 180, 300)
    );
    assert_eq!(video.frame_rate, Some(25.0));
    assert!(video.codec_string.as_deref().is_some_and(|codec| codec.starts_with("avc1.64")));
    assert_eq!(large.audio, None);
    assert_eq!(small.video.as_ref().map(|video| video.width), Some(160));
    let audio = sound.audio.as_ref().expect("sound");
    assert_eq!((audio.codec.as_str(), audio.sample_rate, audio.channels), ("aac", 48_000, 2));
    assert_eq!((large.segments, large.duration), (6, 12.0));
}
